//! Bytes that must not be shown: `Debug` redacts, memory is wiped.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroize;

use crate::code::{ErrorCode, RuleBroken};
use crate::limits::{OPAQUE_LEN_MAX, TOKEN_LEN_MAX};

macro_rules! secret_bytes {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Serialize)]
        #[serde(transparent)]
        pub struct $name(#[serde(with = "serde_bytes")] Vec<u8>);

        impl $name {
            /// Checks the length.
            pub fn new(bytes: Vec<u8>) -> Result<Self, RuleBroken> {
                if bytes.len() > $max {
                    let rule = format!(concat!($what, " has at most {} bytes; this one has {}"), $max, bytes.len());
                    return Err(RuleBroken::new(ErrorCode::TooLarge, rule));
                }
                Ok(Self(bytes))
            }

            /// The bytes.
            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                self.0.zeroize();
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "(<{} bytes>)"), self.0.len())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let bytes = serde_bytes::ByteBuf::deserialize(deserializer)?;
                Self::new(bytes.into_vec()).map_err(serde::de::Error::custom)
            }
        }
    };
}

secret_bytes!(
    /// One message of OPAQUE (RFC 9807), as its library serialises it.
    OpaqueBytes, "an OPAQUE message", OPAQUE_LEN_MAX
);
secret_bytes!(
    /// Resumes a session. Whoever has it is the account.
    Token, "a token", TOKEN_LEN_MAX
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_byte() {
        let token = Token::new(b"canary".to_vec()).expect("short");
        assert_eq!(format!("{token:?}"), "Token(<6 bytes>)");
        assert!(Token::new(vec![0; TOKEN_LEN_MAX + 1]).is_err());
    }
}
