//! Where a relay listens: a host and a port, as people type them.
//!
//! Owns parsing and writing. It never resolves a name.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::limits::{DEFAULT_PORT, HOST_LEN_MAX};

/// `HOST[:PORT]`: a DNS name or an IP address (IPv6 in brackets when a port follows) and a TCP port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelayAddress {
    host: String,
    port: u16,
}

/// The text is not `HOST[:PORT]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{given}` is not a relay's address: {rule}; write HOST or HOST:PORT, for example chat.example.org or 127.0.0.1:7667"
)]
pub struct ParseAddressError {
    given: String,
    rule: &'static str,
}

impl RelayAddress {
    /// Joins a host (a DNS name or an IP address without brackets) and a port.
    pub fn new(host: &str, port: u16) -> Result<Self, ParseAddressError> {
        let fail = |rule| ParseAddressError { given: host.to_owned(), rule };
        if host.is_empty() {
            return Err(fail("the host is empty"));
        }
        if host.len() > HOST_LEN_MAX {
            return Err(fail("a host has at most 253 bytes"));
        }
        let is_name = host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
        if host.parse::<IpAddr>().is_err() && !is_name {
            return Err(fail("a host is an IP address, or letters, digits, `.` and `-`"));
        }
        if port == 0 {
            return Err(fail("a port is 1 to 65535"));
        }
        Ok(Self { host: host.to_ascii_lowercase(), port })
    }

    /// The DNS name or IP address, lower case, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Whether the host is this machine's loopback.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl fmt::Display for RelayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for RelayAddress {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let fail = |rule| ParseAddressError { given: text.to_owned(), rule };
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']').ok_or_else(|| fail("the `]` is missing"))?;
                (host, after.strip_prefix(':').or((!after.is_empty()).then_some(after)))
            }
            None if text.parse::<IpAddr>().is_ok() => (text, None),
            None => match text.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = match port {
            Some(port) => port.parse::<u16>().map_err(|_| fail("a port is 1 to 65535"))?,
            None => DEFAULT_PORT,
        };
        Self::new(host, port).map_err(|error| fail(error.rule))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_type() {
        for (text, host, port) in [
            ("chat.example.org", "chat.example.org", DEFAULT_PORT),
            ("Chat.Example.org:99", "chat.example.org", 99),
            ("127.0.0.1:1", "127.0.0.1", 1),
            ("::1", "::1", DEFAULT_PORT),
            ("[::1]:80", "::1", 80),
            (" [fe80::1] ", "fe80::1", DEFAULT_PORT),
        ] {
            let address: RelayAddress = text.parse().expect(text);
            assert_eq!((address.host(), address.port()), (host, port), "{text}");
            assert_eq!(address.to_string().parse(), Ok(address));
        }
    }

    #[test]
    fn refuses_and_says_which_rule() {
        for (text, rule) in [
            ("", "host is empty"),
            ("host:0", "a port is"),
            ("host:99999", "a port is"),
            ("a b", "letters, digits"),
            ("[::1", "`]` is missing"),
        ] {
            let error = text.parse::<RelayAddress>().expect_err(text).to_string();
            assert!(error.contains(rule), "{text}: {error}");
        }
    }
}
