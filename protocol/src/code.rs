//! Stable codes for what went wrong, and what the other side may do about it.
//!
//! Owns error codes (the connection lives), close codes (it does not) and their retry classes. The
//! texts that travel with a code are for people and may change; the codes may not.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::REASON_LEN_MAX;

/// What a peer may do after an error or a close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// The same again fails again: change the request, or give up.
    Never,
    /// The same again may succeed, not before the stated delay if there is one.
    Later,
    /// Connect again and resume with the token.
    Reconnect,
    /// Connect again and sign in with the password.
    SignIn,
    /// A class that this version does not know.
    #[serde(other)]
    Unknown,
}

macro_rules! codes {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal, $retry:ident;)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)+
            /// A code that this version does not know; its retry class travels beside it.
            #[serde(other, rename = "unknown")]
            Unknown,
        }

        impl $name {
            /// Every code that this version sends.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code as it stands on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Unknown => "unknown",
                }
            }

            /// What the peer may do after it.
            pub const fn retry(self) -> Retry {
                match self {
                    $(Self::$variant => Retry::$retry,)+
                    Self::Unknown => Retry::Unknown,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

codes! {
    /// Why a request was refused. The connection lives, unless a `close` follows.
    ErrorCode {
        /// The frame is not a valid message: bad MessagePack, a missing field, a wrong type.
        Malformed = "malformed", Never;
        /// The tag is unknown, or only the relay may send it.
        Unsupported = "unsupported", Never;
        /// No protocol version in common; a close follows.
        UnsupportedVersion = "unsupported_version", Never;
        /// A text, a data block or a frame is longer than its limit.
        TooLarge = "too_large", Never;
        /// `hello` comes first.
        HelloFirst = "hello_first", Never;
        /// The request needs a signed-in account.
        Unauthenticated = "unauthenticated", Never;
        /// Already signed in on this connection: log out first.
        AlreadyAuthenticated = "already_authenticated", Never;
        /// The name or the password is wrong; which of them is not said.
        InvalidCredentials = "invalid_credentials", Never;
        /// The resume token is unknown, expired or revoked.
        InvalidToken = "invalid_token", SignIn;
        /// A `_finish` without its `_start`, or a second `_start`.
        OutOfOrder = "out_of_order", Never;
        /// The name breaks a rule, which the text states.
        InvalidName = "invalid_name", Never;
        /// Somebody has the name.
        NameTaken = "name_taken", Never;
        /// The name looks too much like one that exists.
        NameTooSimilar = "name_too_similar", Never;
        /// No such channel, as far as this account may know.
        NoSuchChannel = "no_such_channel", Never;
        /// No such account.
        NoSuchAccount = "no_such_account", Never;
        /// No such message in the channel, or it was deleted.
        NoSuchMessage = "no_such_message", Never;
        /// A channel of this name exists.
        ChannelExists = "channel_exists", Never;
        /// The account is not a member of the channel.
        NotAMember = "not_a_member", Never;
        /// The account may not do this.
        Forbidden = "forbidden", Never;
        /// A limit on the number of something is reached; the text says which.
        LimitReached = "limit_reached", Never;
        /// Too much at once: wait for replies before sending more.
        Busy = "busy", Later;
        /// The relay failed; nothing was changed or acknowledged.
        Internal = "internal", Later;
    }
}

codes! {
    /// Why a connection ends.
    CloseCode {
        /// The client asked for it.
        Bye = "bye", Never;
        /// The relay stops or restarts.
        ShuttingDown = "shutting_down", Reconnect;
        /// No protocol version in common.
        UnsupportedVersion = "unsupported_version", Never;
        /// A frame was longer than can be skipped, or longer than allowed before sign-in.
        FrameTooLong = "frame_too_long", Never;
        /// Nothing was heard before sign-in for too long.
        PendingTimeout = "pending_timeout", Reconnect;
        /// Nothing was heard for too long.
        IdleTimeout = "idle_timeout", Reconnect;
        /// The peer did not read what was sent to it.
        SlowReader = "slow_reader", Reconnect;
        /// Too many failed sign-ins on one connection.
        TooManyAttempts = "too_many_attempts", SignIn;
        /// The session was revoked: its token was replayed, or its owner ended it.
        SessionRevoked = "session_revoked", SignIn;
        /// The same session resumed on another connection.
        Replaced = "replaced", Never;
        /// The relay is full.
        RelayFull = "relay_full", Later;
        /// The relay failed.
        Internal = "internal", Reconnect;
    }
}

/// A rule that a value broke, found while it was decoded. Its text says what is valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {rule}")]
pub struct RuleBroken {
    /// The code under which it is refused.
    pub code: ErrorCode,
    /// The rule, what is valid, and what was given instead.
    pub rule: String,
}

impl RuleBroken {
    pub(crate) fn new(code: ErrorCode, rule: impl Into<String>) -> Self {
        Self { code, rule: rule.into() }
    }

    /// Finds the code again in the text of a serde error, which can carry only text. What is left of it may quote
    /// what the peer sent, so it is cut to what an error may say.
    pub(crate) fn from_text(text: &str) -> Self {
        let text = &text[..text.floor_char_boundary(REASON_LEN_MAX)];
        let found = text.split_once(": ").and_then(|(head, rule)| {
            let code = ErrorCode::ALL.iter().find(|code| code.as_str() == head)?;
            Some(Self::new(*code, rule))
        });
        found.unwrap_or_else(|| Self::new(ErrorCode::Malformed, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_rule_survives_being_text() {
        let rule = RuleBroken::new(ErrorCode::TooLarge, "a text has at most 4 bytes: this has 5");
        assert_eq!(RuleBroken::from_text(&rule.to_string()), rule);
        assert_eq!(RuleBroken::from_text("missing field `id`").code, ErrorCode::Malformed);
    }
}
