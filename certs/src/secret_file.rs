//! Files that hold one secret: a private key, the relay's OPAQUE keys, a token key.
//!
//! Owns reading them with their mode checked and making them on first start. It never knows what the bytes mean.
//!
//! Invariants: a secret that group or others can read is refused, not narrowed, since it may have been read already;
//! a secret file is made whole, mode 0600, and never overwritten by [`load_or_create`], even when two processes race.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use rand::RngCore;
use rand::rngs::OsRng;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretSlice};

use crate::atomic_file::{self, Occupied, Readers};

/// The longest secret file that is read, in bytes: a generous RSA key in PEM.
pub const SECRET_FILE_LEN_MAX: u64 = 64 * 1024;

/// A secret file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// It is not there.
    #[error("{} does not exist; name a file that does", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The system refused to read it.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system refused to write it.
    #[error("cannot write {}: {source}; its directory must exist and be writable", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than its owner may use it (Unix).
    #[error(
        "{} has mode {mode:04o}, but a secret is for its owner alone (0600 or 0400); run: chmod 600 {}",
        path.display(), path.display()
    )]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is a directory or a device.
    #[error("{} is not a file; name a file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// It is longer than any key.
    #[error("{} is longer than {SECRET_FILE_LEN_MAX} bytes, so it is not a key", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
}

/// Reads a secret that must exist, be a file, and be closed to group and others.
pub fn read(path: &Path) -> Result<SecretSlice<u8>, SecretFileError> {
    let failed = |source: io::Error| match source.kind() {
        ErrorKind::NotFound => SecretFileError::Missing { path: path.to_owned() },
        _ => SecretFileError::Read { path: path.to_owned(), source },
    };
    // Mode and bytes come from one open handle, so that nobody exchanges the file between the two.
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    check(path, &metadata)?;
    let room = usize::try_from(metadata.len()).unwrap_or_default() + 1;
    // Room for all of it from the start: growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(SECRET_FILE_LEN_MAX).read_to_end(&mut bytes).map_err(failed)?;
    Ok(SecretSlice::from(bytes.to_vec()))
}

/// Reads a secret, or makes it with `make` where there is none yet. Of two processes that make it at once, one
/// wins and both return its secret.
pub fn load_or_create(
    path: &Path,
    make: impl FnOnce() -> SecretSlice<u8>,
) -> Result<SecretSlice<u8>, SecretFileError> {
    match read(path) {
        Err(SecretFileError::Missing { .. }) => {}
        found => return found,
    }
    let failed = |source| SecretFileError::Write { path: path.to_owned(), source };
    atomic_file::create_directory_of(path).map_err(failed)?;
    atomic_file::write(path, make().expose_secret(), Readers::Owner, Occupied::Keep).map_err(failed)?;
    read(path)
}

/// [`load_or_create`] with `len` bytes from the operating system's generator.
pub fn load_or_create_random(path: &Path, len: usize) -> Result<SecretSlice<u8>, SecretFileError> {
    load_or_create(path, || {
        let mut bytes = vec![0; len];
        OsRng.fill_bytes(&mut bytes);
        bytes.into()
    })
}

fn check(path: &Path, metadata: &Metadata) -> Result<(), SecretFileError> {
    let path = path.to_owned();
    if !metadata.is_file() {
        return Err(SecretFileError::NotAFile { path });
    }
    if metadata.len() > SECRET_FILE_LEN_MAX {
        return Err(SecretFileError::TooLong { path });
    }
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777;
        if mode & 0o077 != 0 {
            return Err(SecretFileError::TooOpen { path, mode });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn is_made_once_and_read_ever_after() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("state").join("token.key");
        let first = load_or_create_random(&path, 32).expect("made");
        assert_eq!(first.expose_secret().len(), 32);
        assert_ne!(first.expose_secret(), [0; 32]);
        let second = load_or_create_random(&path, 32).expect("read");
        assert_eq!(first.expose_secret(), second.expose_secret());
        assert_eq!(fs::read(&path).expect("there"), first.expose_secret());
    }

    #[test]
    fn of_two_that_make_it_at_once_one_wins() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("token.key");
        // The other process puts its secret into place while this one makes its own.
        let mine = load_or_create(&path, || {
            load_or_create(&path, || b"theirs".to_vec().into()).expect("made");
            b"mine".to_vec().into()
        });
        assert_eq!(mine.expect("read").expose_secret(), b"theirs");
    }

    #[cfg(unix)]
    #[test]
    fn is_refused_when_others_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("token.key");
        load_or_create_random(&path, 32).expect("made");
        for (mode, good) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o620, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("changed");
            let read = load_or_create_random(&path, 32);
            assert_eq!(read.is_ok(), good, "{mode:o}");
            if let Err(error) = read {
                let said = error.to_string();
                assert!(said.contains("chmod 600") && said.contains(&format!("{mode:04o}")), "{said}");
            }
        }
    }

    #[test]
    fn says_what_is_wrong_with_what_is_no_secret() {
        let directory = tempfile::tempdir().expect("a directory");
        let missing = directory.path().join("missing");
        assert!(matches!(read(&missing), Err(SecretFileError::Missing { path }) if path == missing));
        assert!(matches!(read(directory.path()), Err(SecretFileError::NotAFile { .. })));
        let long = directory.path().join("long");
        let len = usize::try_from(SECRET_FILE_LEN_MAX).expect("small") + 1;
        let made = load_or_create(&long, || vec![7; len].into());
        assert!(matches!(made, Err(SecretFileError::TooLong { .. })));
    }
}
