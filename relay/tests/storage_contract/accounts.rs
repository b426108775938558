//! Accounts: names, credentials, the first admin.

use mechat_protocol::request::HistoryRange;
use mechat_protocol::{AccountName, ChannelId};
use mechat_relay::storage::{Contents, NameState, Storage, Written};

use crate::setting::{contents, name, person, register};

async fn state(storage: &dyn Storage, name: &AccountName) -> NameState {
    storage.name_state(&name.key()).await.expect("storage works")
}

pub(crate) async fn a_new_storage_is_empty(storage: &dyn Storage) {
    assert_eq!(contents(storage).await, Contents::default());
    assert_eq!(state(storage, &name("ann")).await, NameState::Free);
    let part = storage.read_log(ChannelId(1), HistoryRange::Latest, 10).await.expect("storage works");
    assert!(part.entries.is_empty() && !part.more);
}

pub(crate) async fn the_first_account_is_an_admin_and_no_other(storage: &dyn Storage) {
    for text in ["ann", "bob", "eve"] {
        person(storage, text).await;
    }
    let accounts = contents(storage).await.accounts;
    let admins: Vec<(&str, bool)> = accounts.iter().map(|row| (row.name.as_str(), row.admin)).collect();
    assert_eq!(admins, [("ann", true), ("bob", false), ("eve", false)]);
}

pub(crate) async fn a_name_is_taken_in_any_case(storage: &dyn Storage) {
    person(storage, "Полина").await;
    person(storage, "ann").await;
    for taken in ["полина", "ПОЛИНА", "Полина", "Ann", "aNN"] {
        assert_eq!(state(storage, &name(taken)).await, NameState::Taken, "{taken}");
        let created = register(storage, taken).await;
        assert_eq!(created, Written::NameRefused(NameState::Taken), "{taken}");
    }
    assert_eq!(contents(storage).await.accounts.len(), 2, "who is refused leaves nothing");
    let kept = storage.credential("ann").await.expect("storage works").expect("found");
    assert_eq!(kept.record, b"record of ann", "nor changes anything");
}

pub(crate) async fn a_name_that_looks_like_another_is_refused(storage: &dyn Storage) {
    person(storage, "alice").await;
    // Begins with U+0430, which looks like `a`.
    for similar in ["\u{430}lice", "\u{410}lice"] {
        assert_eq!(state(storage, &name(similar)).await, NameState::TooSimilar, "{similar}");
        let created = register(storage, similar).await;
        assert_eq!(created, Written::NameRefused(NameState::TooSimilar), "{similar}");
    }
    assert_eq!(state(storage, &name("alicia")).await, NameState::Free);
    assert_eq!(contents(storage).await.accounts.len(), 1);
}

pub(crate) async fn a_credential_is_found_by_the_folded_name(storage: &dyn Storage) {
    let (ann, bob) = (person(storage, "Ann").await, person(storage, "bob").await);
    for (folded, expected) in [("ann", &ann), ("bob", &bob)] {
        let found = storage.credential(folded).await.expect("storage works").expect("found");
        assert_eq!(found.account, expected.id);
        assert_eq!(found.record, format!("record of {}", expected.name).into_bytes());
    }
    for absent in ["Ann", "eve", ""] {
        assert!(storage.credential(absent).await.expect("storage works").is_none(), "{absent}");
    }
}
