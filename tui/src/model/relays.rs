//! The relays of earlier days: what `relays.toml` holds.
//!
//! Owns the list and its order. It never reads or writes the file: [`crate::app::files`] does.

use mechat_protocol::{AccountName, RelayAddress};
use serde::{Deserialize, Serialize};

/// Relays that are remembered.
const RELAYS_MAX: usize = 32;

/// One remembered relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedRelay {
    /// Where.
    #[serde(with = "address_text")]
    pub address: RelayAddress,
    /// Who signed in there last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
}

/// Remembered relays, the last used first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayBook {
    /// Each address once.
    #[serde(default, rename = "relay")]
    pub relays: Vec<SavedRelay>,
}

impl RelayBook {
    /// Puts a relay first; an account replaces the one before, `None` leaves it.
    pub fn used(&mut self, address: &RelayAddress, account: Option<&AccountName>) {
        let before = self.relays.iter().position(|relay| relay.address == *address);
        let before = before.and_then(|at| self.relays.remove(at).account);
        let account = account.cloned().or(before);
        self.relays.insert(0, SavedRelay { address: address.clone(), account });
        self.relays.truncate(RELAYS_MAX);
    }

    /// Forgets a relay.
    pub fn forget(&mut self, index: usize) {
        if index < self.relays.len() {
            self.relays.remove(index);
        }
    }

    /// Who signed in there last.
    pub fn account_at(&self, address: &RelayAddress) -> Option<&AccountName> {
        self.relays.iter().find(|relay| relay.address == *address)?.account.as_ref()
    }
}

mod address_text {
    use mechat_protocol::RelayAddress;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(address: &RelayAddress, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(address)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RelayAddress, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_used_comes_first_and_keeps_its_account() {
        let (a, b) = ("a:1".parse().expect("address"), "b:2".parse().expect("address"));
        let misha = AccountName::new("misha").expect("name");
        let mut book = RelayBook::default();
        book.used(&a, Some(&misha));
        book.used(&b, None);
        book.used(&a, None);
        assert_eq!(book.relays.len(), 2);
        assert_eq!(book.relays[0].address, a);
        assert_eq!(book.account_at(&a), Some(&misha));
        let text = toml::to_string(&book).expect("writes");
        assert_eq!(toml::from_str::<RelayBook>(&text).expect("reads"), book);
        assert!(text.contains("[[relay]]\naddress = \"a:1\"\naccount = \"misha\""), "{text}");
    }
}
