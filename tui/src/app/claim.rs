//! One saved session, one running client.
//!
//! Two clients that resume the same token would take the session from each other for ever. The first to ask for an account's token
//! claims it, by a lock on a file that ends with the process; another one on this machine signs in with the password and keeps its
//! session to itself.
//!
//! Invariant: the token of an account is read, replaced and removed only by the process that holds its claim.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::tokens::{NoKeyring, TokenStore};

/// Characters of a claim's file name at most, below what file systems take.
const NAME_LEN_MAX: usize = 200;

/// A store that touches only what is claimed.
#[derive(Debug)]
pub struct Claimed<S> {
    store: S,
    directory: PathBuf,
    /// `None` where somebody else has the claim.
    claims: Mutex<HashMap<String, Option<File>>>,
}

impl<S> Claimed<S> {
    /// Claims are files in `directory`, made when it is needed.
    pub fn new(store: S, directory: PathBuf) -> Self {
        Self { store, directory, claims: Mutex::default() }
    }

    /// Whether the user's token is this process's. Decided at the first question.
    fn is_mine(&self, user: &str) -> bool {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        let claim = claims.entry(user.to_owned()).or_insert_with(|| self.claim(user));
        claim.is_some()
    }

    fn claim(&self, user: &str) -> Option<File> {
        let claimed = fs::create_dir_all(&self.directory)
            .and_then(|()| File::create(self.directory.join(file_name(user))))
            .and_then(|file| Ok(file.try_lock().map(|()| file)?));
        claimed
            .inspect_err(|error| tracing::info!(%error, "the saved session is left to another client"))
            .ok()
    }
}

/// The user, with what a file system might not take replaced. Two users of one name here only miss a convenience.
fn file_name(user: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '.' | '@') { c } else { '_' };
    let mut name: String = user.chars().map(plain).collect();
    let end = (0..=name.len().min(NAME_LEN_MAX)).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
    name.truncate(end);
    name + ".lock"
}

impl<S: TokenStore> TokenStore for Claimed<S> {
    fn load(&self, user: &str) -> Result<Option<Vec<u8>>, NoKeyring> {
        if self.is_mine(user) { self.store.load(user) } else { Ok(None) }
    }

    fn save(&self, user: &str, token: &[u8]) -> Result<(), NoKeyring> {
        if self.is_mine(user) { self.store.save(user, token) } else { Ok(()) }
    }

    fn forget(&self, user: &str) -> Result<(), NoKeyring> {
        if self.is_mine(user) { self.store.forget(user) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    type Shared = Arc<Mutex<HashMap<String, Vec<u8>>>>;

    impl TokenStore for Shared {
        fn load(&self, user: &str) -> Result<Option<Vec<u8>>, NoKeyring> {
            Ok(self.lock().expect("whole").get(user).cloned())
        }
        fn save(&self, user: &str, token: &[u8]) -> Result<(), NoKeyring> {
            self.lock().expect("whole").insert(user.to_owned(), token.to_vec());
            Ok(())
        }
        fn forget(&self, user: &str) -> Result<(), NoKeyring> {
            self.lock().expect("whole").remove(user);
            Ok(())
        }
    }

    #[test]
    fn a_second_client_leaves_the_session_to_the_first() {
        let (directory, keyring) = (tempfile::tempdir().expect("a directory"), Shared::default());
        let open = || Claimed::new(Arc::clone(&keyring), directory.path().join("sessions"));
        let (first, second) = (open(), open());
        first.save("ann@h:1", &[1]).expect("kept");
        assert_eq!(second.load("ann@h:1").expect("asked"), None, "the first one is using it");
        second.save("ann@h:1", &[2]).expect("ignored");
        second.forget("ann@h:1").expect("ignored");
        assert_eq!(first.load("ann@h:1").expect("asked"), Some(vec![1]));
        second.save("bob@h:1", &[3]).expect("kept");
        assert_eq!(first.load("bob@h:1").expect("asked"), None, "each account by itself");
        drop(first);
        assert_eq!(open().load("ann@h:1").expect("asked"), Some(vec![1]), "the next one resumes");
    }

    #[test]
    fn any_user_makes_a_file_name() {
        assert_eq!(file_name("ann@[::1]:7667"), "ann@___1__7667.lock");
        assert!(file_name(&"ж".repeat(300)).len() <= NAME_LEN_MAX + 5);
    }
}
