//! Where the connection stands, in the user's terms.

use std::time::Duration;

use mechat_certs::TrustError;
use mechat_protocol::AccountName;
use mechat_protocol::secret::Token;

/// The link to the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// No relay is chosen.
    Idle,
    /// Trying.
    Connecting {
        /// From 1.
        attempt: u32,
    },
    /// Connected.
    Up,
    /// Not connected; tries again by itself.
    Down {
        /// Why.
        reason: String,
        /// How many attempts failed.
        attempt: u32,
        /// When the next comes, by the steady clock.
        retry_at: Duration,
    },
    /// The certificate is not trusted.
    Untrusted,
    /// Will not try again by itself.
    Failed {
        /// Why.
        reason: String,
    },
}

/// A certificate that needs judging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trust {
    /// What is wrong with it.
    pub error: TrustError,
    /// Whether the question lies on the screen.
    pub shown: bool,
    /// The first visible line, where not all fit.
    pub top: usize,
}

/// The session that an earlier run left in the keyring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resume {
    /// There is none, or it was refused.
    None,
    /// The keyring is being asked.
    Loading(AccountName),
    /// It waits for the link.
    Ready(AccountName, Token),
    /// The relay is being asked.
    Sent(AccountName, Token),
}
