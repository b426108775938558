//! How many connections the operating system lets a relay have.
//!
//! Each takes a file descriptor, and the usual soft limit of 1,024 is there for programs that a relay is not: it may raise
//! its own up to the hard limit.

#[cfg(unix)]
use mechat_protocol::limits::{PENDING_MAX, PENDING_MIN};

/// Descriptors for everything else: database, certificate, log, the port.
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
    usize::try_from(limit.saturating_sub(RESERVED).max(limit / 2)).ok().map(beside_strangers)
}

/// Of so many sockets, how many are connections that may sign in: strangers, and who is told that the relay is full, come on top.
#[cfg(unix)]
fn beside_strangers(sockets: usize) -> usize {
    (4 * sockets / 5).max(sockets.saturating_sub(PENDING_MAX)).min(sockets.saturating_sub(PENDING_MIN))
}

/// Returns how many connections there may be; `None` where nothing says so.
#[cfg(not(unix))]
pub(crate) const fn connections() -> Option<usize> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::admission::pending_max;

    #[test]
    fn strangers_and_all_others_have_descriptors() {
        for sockets in 128..100_000 {
            let connections = beside_strangers(sockets);
            let all = connections + pending_max(connections);
            assert!(all <= sockets, "{connections} connections and the strangers are {all} of {sockets}");
            assert!(2 * connections >= sockets, "only {connections} of {sockets}");
        }
    }
}
