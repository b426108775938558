//! The relays of earlier days: what `relays.toml` holds.
//!
//! Owns the list and its order. It never reads or writes the file: [`crate::app::files`] does.

use mechat_protocol::{AccountName, ChannelName, RelayAddress};
use serde::{Deserialize, Serialize};

/// Relays that are remembered.
const RELAYS_MAX: usize = 32;
/// Channels of a relay that are remembered as left; the oldest is forgotten.
const LEFT_MAX: usize = 64;

/// One remembered relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedRelay {
    /// Where.
    #[serde(with = "address_text")]
    pub address: RelayAddress,
    /// Who signed in there last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
    /// Channels that this account left on purpose: nothing but its own word joins them again. At most `LEFT_MAX`, the latest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<ChannelName>,
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
        let mut relay = before.map_or_else(
            || SavedRelay { address: address.clone(), account: None, left: Vec::new() },
            |at| self.relays.remove(at),
        );
        if let Some(account) = account
            && relay.account.as_ref() != Some(account)
        {
            (relay.account, relay.left) = (Some(account.clone()), Vec::new());
        }
        self.relays.insert(0, relay);
        self.relays.truncate(RELAYS_MAX);
    }

    /// Forgets a relay.
    pub fn forget(&mut self, index: usize) {
        if index < self.relays.len() {
            self.relays.remove(index);
        }
    }

    /// The account that was here last left a channel, or joined it, on purpose. Whether that is news.
    pub fn left(&mut self, address: &RelayAddress, name: &ChannelName, left: bool) -> bool {
        let Some(relay) = self.relays.iter_mut().find(|relay| relay.address == *address) else {
            return false;
        };
        let key = name.key().folded;
        let before = relay.left.iter().position(|known| known.key().folded == key);
        match (before, left) {
            (Some(at), false) => drop(relay.left.remove(at)),
            (None, true) => {
                relay.left.push(name.clone());
                if relay.left.len() > LEFT_MAX {
                    relay.left.remove(0);
                }
            }
            _ => return false,
        }
        true
    }

    /// Whether an account left a channel on purpose.
    pub fn has_left(&self, address: &RelayAddress, account: &AccountName, name: &ChannelName) -> bool {
        let key = name.key().folded;
        let relay = self.relays.iter().find(|relay| relay.address == *address);
        relay.is_some_and(|relay| {
            relay.account.as_ref() == Some(account) && relay.left.iter().any(|left| left.key().folded == key)
        })
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
    fn a_channel_that_was_left_is_remembered_for_its_account_until_it_is_joined() {
        let a: RelayAddress = "a:1".parse().expect("address");
        let [misha, vera] = ["misha", "vera"].map(|name| AccountName::new(name).expect("name"));
        let lobby = ChannelName::new("Lobby").expect("name");
        let folded = ChannelName::new("lobby").expect("name");
        let mut book = RelayBook::default();
        assert!(!book.left(&a, &lobby, true), "nothing is known of this relay");
        book.used(&a, Some(&misha));
        assert!(book.left(&a, &lobby, true) && !book.left(&a, &folded, true));
        book.used(&a, Some(&misha));
        let text = toml::to_string(&book).expect("writes");
        assert_eq!(toml::from_str::<RelayBook>(&text).expect("reads"), book);
        assert!(book.has_left(&a, &misha, &folded) && !book.has_left(&a, &vera, &folded));
        assert!(book.left(&a, &folded, false) && !book.has_left(&a, &misha, &lobby));
        book.left(&a, &lobby, true);
        book.used(&a, Some(&vera));
        assert!(!book.has_left(&a, &vera, &lobby), "she left nothing");
    }

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
