//! Accounts in memory, found by what their names are compared by.

use std::collections::{HashMap, HashSet};

use mechat_protocol::AccountId;
use mechat_protocol::name::NameKey;

use crate::storage::{AccountRow, Credential, NameState, NewAccount};

#[derive(Default)]
pub(super) struct Accounts {
    /// Account n at index n - 1, with its OPAQUE registration record.
    rows: Vec<(AccountRow, Vec<u8>)>,
    /// Index in `rows` by folded name.
    folded: HashMap<String, usize>,
    skeletons: HashSet<String>,
}

impl Accounts {
    pub(super) fn rows(&self) -> impl Iterator<Item = &AccountRow> {
        self.rows.iter().map(|(row, _)| row)
    }

    pub(super) fn name_state(&self, key: &NameKey) -> NameState {
        if self.folded.contains_key(&key.folded) {
            NameState::Taken
        } else if self.skeletons.contains(&key.skeleton) {
            NameState::TooSimilar
        } else {
            NameState::Free
        }
    }

    pub(super) fn create(&mut self, account: NewAccount) -> Result<AccountRow, NameState> {
        let key = account.name.key();
        match self.name_state(&key) {
            NameState::Free => {}
            refused => return Err(refused),
        }
        let index = self.rows.len();
        let row = AccountRow {
            id: AccountId(index as u64 + 1),
            name: account.name,
            admin: index == 0,
            created: account.at,
        };
        self.rows.push((row.clone(), account.credential));
        self.folded.insert(key.folded, index);
        self.skeletons.insert(key.skeleton);
        Ok(row)
    }

    pub(super) fn credential(&self, folded: &str) -> Option<Credential> {
        let (row, record) = &self.rows[*self.folded.get(folded)?];
        Some(Credential { account: row.id, record: record.clone() })
    }
}
