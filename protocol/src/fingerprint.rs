//! The SHA-256 fingerprint of a relay's certificate, as people read and compare it.
//!
//! Owns the 32 bytes and their text form. It never computes a digest: `mechat-certs` does.

use std::fmt;
use std::str::FromStr;

/// SHA-256 over the DER of an end-entity certificate.
///
/// Written as 64 lower-case hexadecimal digits in groups of eight joined by `-`, which survives links, shells and
/// double-click selection. Read with or without separators (`-`, `:` or spaces), in either case, with
/// or without a leading `SHA256:`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

/// The text is not 32 bytes of hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is 64 hexadecimal digits (SHA-256), with or without separators; this one has {digits}{odd}", odd = if *foreign { " and other characters" } else { "" })]
pub struct ParseFingerprintError {
    digits: usize,
    foreign: bool,
}

impl Fingerprint {
    /// Wraps a SHA-256 digest.
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if i > 0 && i % 4 == 0 {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = ParseFingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let text = text.strip_prefix("SHA256:").or_else(|| text.strip_prefix("sha256:")).unwrap_or(text);
        let mut foreign = false;
        let digits: Vec<u8> = text
            .chars()
            .filter(|c| !matches!(c, '-' | ':' | ' '))
            .filter_map(|c| {
                let digit = c.to_digit(16).and_then(|d| u8::try_from(d).ok());
                foreign |= digit.is_none();
                digit
            })
            .collect();
        if digits.len() != 64 || foreign {
            return Err(ParseFingerprintError { digits: digits.len(), foreign });
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair[0] << 4 | pair[1];
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_what_other_tools_write() {
        let fingerprint =
            Fingerprint::new(std::array::from_fn(|i| u8::try_from(i * 7 % 256).expect("below 256")));
        let text = fingerprint.to_string();
        assert_eq!(text.len(), 64 + 7);
        assert_eq!(text.parse(), Ok(fingerprint));
        let colons = text.replace('-', "").to_uppercase();
        let colons: Vec<&str> =
            colons.as_bytes().chunks(2).map(|p| std::str::from_utf8(p).expect("ascii")).collect();
        assert_eq!(format!("SHA256:{}", colons.join(":")).parse(), Ok(fingerprint));
    }

    #[test]
    fn says_what_is_wrong() {
        let short = "abcd".parse::<Fingerprint>().expect_err("too short").to_string();
        assert!(short.contains("64 hexadecimal digits") && short.contains("has 4"), "{short}");
        assert!("z".repeat(64).parse::<Fingerprint>().is_err());
    }
}
