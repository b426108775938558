//! The people of a measurement: their names, their tokens, their channels' names, all from a number.
//!
//! Every server and the generator derive them alike, so that nothing has to be handed over.

use mechat_protocol::secret::Token;
use mechat_protocol::{AccountName, ChannelName};

/// Opens every token of a measurement.
const TOKEN_PREFIX: &[u8; 24] = b"mechat-bench member no. ";

/// The account of member `number`.
pub(crate) fn account(number: u64) -> AccountName {
    AccountName::new(&format!("m{number:06}")).expect("a letter and digits are a name")
}

/// The first token of session `number`.
pub(crate) fn token(number: u64) -> Token {
    let mut bytes = TOKEN_PREFIX.to_vec();
    bytes.extend_from_slice(&number.to_be_bytes());
    Token::new(bytes).expect("32 bytes are within the limit")
}

/// Whose first token it is, if it is one of ours.
pub(crate) fn owner(token: &Token) -> Option<u64> {
    let number = token.as_bytes().strip_prefix(TOKEN_PREFIX)?;
    Some(u64::from_be_bytes(number.try_into().ok()?))
}

/// The name of channel `number`.
pub(crate) fn channel(number: u64) -> ChannelName {
    ChannelName::new(&format!("c{number:06}")).expect("a letter and digits are a name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_owner() {
        for number in [0, 1, 4_999, u64::MAX] {
            assert_eq!(owner(&token(number)), Some(number));
        }
        assert_eq!(owner(&Token::new(b"somebody else's".to_vec()).expect("short")), None);
    }

    #[test]
    fn names_stay_apart_even_for_the_eye() {
        let mut skeletons: Vec<String> = (0..2_000).map(|n| account(n).key().skeleton).collect();
        skeletons.sort_unstable();
        skeletons.dedup();
        assert_eq!(skeletons.len(), 2_000);
    }
}
