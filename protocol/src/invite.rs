//! Invite links: everything needed to join in one step.
//!
//! `mechat://HOST:PORT/CHANNEL?fp=FINGERPRINT&code=CODE`; channel, fingerprint and code may be absent.
//! Owns reading and writing them. It never decides whether a code is good.

use std::fmt;
use std::str::FromStr;

use crate::{ChannelName, Fingerprint, RelayAddress};

/// Characters of an invitation code at most.
const CODE_CHARS_MAX: usize = 64;

/// Where to go, whom to find there, and what lets one in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// The relay.
    pub address: RelayAddress,
    /// The channel to join once signed in.
    pub channel: Option<ChannelName>,
    /// The relay's certificate must have this fingerprint.
    pub fingerprint: Option<Fingerprint>,
    /// An invitation code: 1 to 64 ASCII letters and digits.
    pub code: Option<String>,
}

/// The text is not an invite link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not an invite link: {rule}; one looks like mechat://HOST:PORT/CHANNEL?fp=FINGERPRINT")]
pub struct ParseInviteError {
    given: String,
    rule: String,
}

impl fmt::Display for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mechat://{}", self.address)?;
        if let Some(channel) = &self.channel {
            write!(f, "/{}", percent_encode(channel.as_str()))?;
        }
        let fingerprint = self.fingerprint.map(|fp| format!("fp={fp}"));
        let code = self.code.as_ref().map(|code| format!("code={code}"));
        let query: Vec<String> = [fingerprint, code].into_iter().flatten().collect();
        if query.is_empty() { Ok(()) } else { write!(f, "?{}", query.join("&")) }
    }
}

impl FromStr for Invite {
    type Err = ParseInviteError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A link that was copied off a screen may be broken over lines; there is no space in one.
        let text: &str = &text.split_whitespace().collect::<String>();
        let fail = |rule: String| ParseInviteError { given: text.to_owned(), rule };
        let rest = text.strip_prefix("mechat://").ok_or_else(|| fail("it begins with mechat://".into()))?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (address, channel) = path.split_once('/').unwrap_or((path, ""));
        let address = address.parse::<RelayAddress>().map_err(|e| fail(e.to_string()))?;
        let channel =
            percent_decode(channel).ok_or_else(|| fail("the channel's escapes are not UTF-8".into()))?;
        let channel = if channel.is_empty() {
            None
        } else {
            Some(ChannelName::new(&channel).map_err(|e| fail(e.rule))?)
        };
        let mut invite = Self { address, channel, fingerprint: None, code: None };
        for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match key {
                "fp" => invite.fingerprint = Some(parse_fingerprint(value).map_err(fail)?),
                "code" if is_code(value) => invite.code = Some(value.to_owned()),
                "code" => return Err(fail(format!("a code is 1 to {CODE_CHARS_MAX} letters and digits"))),
                _ => {} // A later version's field: the rest of the link still leads there.
            }
        }
        Ok(invite)
    }
}

fn parse_fingerprint(text: &str) -> Result<Fingerprint, String> {
    text.parse::<Fingerprint>().map_err(|error| error.to_string())
}

fn is_code(text: &str) -> bool {
    (1..=CODE_CHARS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// RFC 3986 §2.1, for everything but its unreserved characters.
fn percent_encode(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'-' | b'.' | b'_' | b'~' => char::from(b).to_string(),
            b if b.is_ascii_alphanumeric() => char::from(b).to_string(),
            b => format!("%{b:02X}"),
        })
        .collect()
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            let hex = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let full = Invite {
            address: "chat.example.org:7667".parse().expect("address"),
            channel: Some(ChannelName::new("Полина").expect("name")),
            fingerprint: Some(Fingerprint::new([0xab; 32])),
            code: Some("Abc123".into()),
        };
        assert!(full.to_string().is_ascii(), "a link survives any terminal: {full}");
        assert_eq!(full.to_string().parse(), Ok(full.clone()));
        let text = full.to_string();
        let (head, tail) = text.split_at(60);
        assert_eq!(format!("{head}\n  {tail}\n").parse(), Ok(full.clone()), "copied off a screen");
        let bare = Invite { channel: None, fingerprint: None, code: None, ..full };
        assert_eq!(bare.to_string(), "mechat://chat.example.org:7667");
        assert_eq!(bare.to_string().parse(), Ok(bare));
    }

    #[test]
    fn refuses_and_says_why() {
        for (link, rule) in [
            ("https://x", "begins with mechat://"),
            ("mechat://", "host is empty"),
            ("mechat://h/%ff", "not UTF-8"),
            ("mechat://h/a%3Ab", "letters, digits"),
            ("mechat://h?fp=12", "64 hexadecimal"),
            ("mechat://h?code=a-b", "letters and digits"),
        ] {
            let error = link.parse::<Invite>().expect_err(link).to_string();
            assert!(error.contains(rule), "{link}: {error}");
        }
    }
}
