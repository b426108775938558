//! Promises broken on purpose, to see that the simulation notices.
//!
//! What the relay's shell, its storage or its credentials would do wrong is done wrong by their models here. What stands in the
//! client's own code is behind its feature `mutations`, which no other build has.

/// One broken promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// The storage answers before the transaction is committed (I1).
    AckBeforeCommit,
    /// The storage does not know a nonce again (I2).
    SkipDedup,
    /// The live feed of a connection starts after the heads were read (I4).
    DropSpliceLock,
    /// A reader's queue that overflows drops entries and does not say so (I4).
    DropLagged,
    /// The relay's shell does not perform `Unsubscribe` (membership).
    SkipUnsubscribe,
    /// The client's shell does not say that a gap was skipped (I4).
    HideSkipped,
    /// The storage appends an amendment and leaves the message that it names as it was.
    SkipAmend,
    /// The client hands on any later entry (I3).
    #[cfg(feature = "mutations")]
    SkipGapCheck,
}

impl Mutation {
    /// All that this build has.
    pub const ALL: &'static [Self] = &[
        Self::AckBeforeCommit,
        Self::SkipDedup,
        Self::DropSpliceLock,
        Self::DropLagged,
        Self::SkipUnsubscribe,
        Self::HideSkipped,
        Self::SkipAmend,
        #[cfg(feature = "mutations")]
        Self::SkipGapCheck,
    ];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AckBeforeCommit => "ack-before-commit",
            Self::SkipDedup => "skip-dedup",
            Self::DropSpliceLock => "drop-splice-lock",
            Self::DropLagged => "drop-lagged",
            Self::SkipUnsubscribe => "skip-unsubscribe",
            Self::HideSkipped => "hide-skipped",
            Self::SkipAmend => "skip-amend",
            #[cfg(feature = "mutations")]
            Self::SkipGapCheck => "skip-gap-check",
        }
    }
}

impl std::str::FromStr for Mutation {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|mutation| mutation.name() == name).copied();
        found.ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|mutation| mutation.name()).collect();
            format!("this build has {}; `skip-gap-check` needs the feature `mutations`", names.join(", "))
        })
    }
}
