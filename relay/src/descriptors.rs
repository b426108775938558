//! How many connections the operating system lets a relay have.
//!
//! Each takes a file descriptor, and the usual soft limit of 1,024 is there for programs that a relay is not: it may raise
//! its own up to the hard limit.

/// Descriptors for everything else: database, certificate, log, and connections that are only told that the relay is full.
#[cfg(unix)]
const RESERVED: u64 = 256;

/// Raises the limit as far as it goes. Returns how many connections it allows; `None` where there is none.
#[cfg(unix)]
pub(crate) fn connections() -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    if let Err(error) = raised {
        tracing::warn!(%error, ?current, "the limit of open files was not raised");
    }
    let limit = getrlimit(Resource::Nofile).current?;
    // With a limit so low that this halves it, a few connections are better than none.
    usize::try_from(limit.saturating_sub(RESERVED).max(limit / 2)).ok()
}

/// Returns how many connections there may be; `None` where nothing says so.
#[cfg(not(unix))]
pub(crate) const fn connections() -> Option<usize> {
    None
}
