//! Who may do what, in one place.
//!
//! Invariant: everything that reads or changes a channel, or tells about people, asks here first. What an account may not
//! know of is refused exactly as if it did not exist.

use mechat_protocol::request::ChannelKind;
use mechat_protocol::{ErrorCode, RuleBroken};

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Actor {
    /// Not signed in.
    Pending,
    /// Signed in.
    Account {
        /// Of the relay.
        admin: bool,
    },
}

/// What they want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Make a channel.
    CreateChannel,
    /// List the channels that one may see.
    ListChannels,
    /// Know that a channel exists.
    SeeChannel { kind: ChannelKind, member: bool },
    /// Become a member.
    Join { kind: ChannelKind, member: bool },
    /// Say something, read the log, see the members, leave.
    UseChannel { kind: ChannelKind, member: bool },
    /// Pin messages, set the topic, delete what others said.
    Moderate { host: bool },
    /// List the people of the relay.
    SeePeople { before_sign_in: bool },
    /// List connections and sessions.
    SeeConnections,
}

/// Decides, and says why not.
pub(crate) fn authorize(actor: Actor, action: Action) -> Result<(), RuleBroken> {
    let Actor::Account { admin } = actor else {
        return match action {
            Action::SeePeople { before_sign_in: true } => Ok(()),
            _ => deny(ErrorCode::Unauthenticated, "sign in first: login_start, or resume with a token"),
        };
    };
    match action {
        Action::CreateChannel | Action::ListChannels | Action::SeePeople { .. } => Ok(()),
        Action::Moderate { host } if host || admin => Ok(()),
        Action::Moderate { .. } => {
            deny(ErrorCode::Forbidden, "only the channel's host and admins of the relay may do this")
        }
        Action::SeeConnections if admin => Ok(()),
        Action::SeeConnections => deny(ErrorCode::Forbidden, "only admins of the relay see its connections"),
        Action::SeeChannel { member: true, .. }
        | Action::UseChannel { member: true, .. }
        | Action::Join { member: true, .. }
        | Action::SeeChannel { kind: ChannelKind::Public, .. }
        | Action::Join { kind: ChannelKind::Public, .. } => Ok(()),
        Action::UseChannel { kind: ChannelKind::Public, member: false } => {
            deny(ErrorCode::NotAMember, "only members may do this: join the channel first")
        }
        Action::SeeChannel { .. } | Action::Join { .. } | Action::UseChannel { .. } => Err(no_such_channel()),
    }
}

/// The one answer for channels that do not exist and for those one may not know of.
pub(crate) fn no_such_channel() -> RuleBroken {
    broken(ErrorCode::NoSuchChannel, "there is no such channel: list_channels shows those that there are")
}

fn deny(code: ErrorCode, rule: &str) -> Result<(), RuleBroken> {
    Err(broken(code, rule))
}

/// A refusal with its text.
pub(crate) fn broken(code: ErrorCode, rule: impl Into<String>) -> RuleBroken {
    RuleBroken { code, rule: rule.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: Actor = Actor::Account { admin: false };

    #[test]
    fn before_sign_in_nothing_but_the_people_if_the_relay_shows_them() {
        let public = ChannelKind::Public;
        for action in [
            Action::CreateChannel,
            Action::ListChannels,
            Action::SeeChannel { kind: public, member: false },
            Action::Join { kind: public, member: false },
            Action::UseChannel { kind: public, member: true },
            Action::Moderate { host: true },
            Action::SeePeople { before_sign_in: false },
            Action::SeeConnections,
        ] {
            let code = authorize(Actor::Pending, action).expect_err("refused").code;
            assert_eq!(code, ErrorCode::Unauthenticated, "{action:?}");
        }
        assert!(authorize(Actor::Pending, Action::SeePeople { before_sign_in: true }).is_ok());
    }

    #[test]
    fn a_private_channel_does_not_exist_for_others() {
        for kind in [ChannelKind::Private, ChannelKind::Direct, ChannelKind::Unknown] {
            for action in [
                Action::SeeChannel { kind, member: false },
                Action::Join { kind, member: false },
                Action::UseChannel { kind, member: false },
            ] {
                assert_eq!(authorize(ACCOUNT, action), Err(no_such_channel()), "{action:?}");
            }
            assert!(authorize(ACCOUNT, Action::UseChannel { kind, member: true }).is_ok());
        }
    }

    #[test]
    fn a_host_and_an_admin_moderate_and_nobody_else() {
        let admin = Actor::Account { admin: true };
        assert!(authorize(ACCOUNT, Action::Moderate { host: true }).is_ok());
        assert!(authorize(admin, Action::Moderate { host: false }).is_ok());
        let code = authorize(ACCOUNT, Action::Moderate { host: false }).expect_err("refused").code;
        assert_eq!(code, ErrorCode::Forbidden);
    }

    #[test]
    fn only_members_use_a_public_channel_and_only_admins_see_connections() {
        let use_it = |member| authorize(ACCOUNT, Action::UseChannel { kind: ChannelKind::Public, member });
        assert!(use_it(true).is_ok());
        assert_eq!(use_it(false).expect_err("refused").code, ErrorCode::NotAMember);
        assert_eq!(
            authorize(ACCOUNT, Action::SeeConnections).expect_err("refused").code,
            ErrorCode::Forbidden
        );
        assert!(authorize(Actor::Account { admin: true }, Action::SeeConnections).is_ok());
    }
}
