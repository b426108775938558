//! The names of files that belong to one account at one relay.

use mechat_protocol::{AccountName, RelayAddress};
use sha2::{Digest, Sha256};

/// Characters of relay and account in a file's name; the digest behind them tells the rest apart.
const NAME_CHARS_MAX: usize = 80;

/// Readable, and different for any two accounts at any two relays.
pub(crate) fn of_account(relay: &RelayAddress, account: &AccountName, extension: &str) -> String {
    let whole = format!("{account}@{relay}");
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '@') { c } else { '_' };
    let shown: String = whole.chars().map(plain).take(NAME_CHARS_MAX).collect();
    let digest = Sha256::digest(whole.as_bytes());
    let tail = u64::from_be_bytes(std::array::from_fn(|n| digest[n]));
    format!("{shown}-{tail:016x}.{extension}")
}
