//! Files that exist whole or not at all.
//!
//! Owns writing beside the target, flushing, and putting into place. It never reads and never decides what is secret.
//!
//! Invariants: the target's bytes are on disk before its name points at them; a file for the owner alone is made
//! with mode 0600, never narrowed afterwards; a failure leaves the target as it was and no temporary file.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Who may read the file. Other systems than Unix take what the directory grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Mode 0600.
    Owner,
    /// Mode 0644, less the umask.
    Everyone,
}

/// What happens when the target is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occupied {
    /// The new file takes its place.
    Replace,
    /// The old file stays, untouched, and that is a success: the caller reads what is there.
    Keep,
}

/// Puts `bytes` at `path`, whole and flushed, or leaves `path` alone.
pub(crate) fn write(path: &Path, bytes: &[u8], readers: Readers, occupied: Occupied) -> io::Result<()> {
    let (temporary, mut file) = Temporary::beside(path, readers)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    match occupied {
        Occupied::Replace => temporary.rename_to(path)?,
        Occupied::Keep => temporary.link_to(path)?,
    }
    sync_directory_of(path)
}

/// Creates the directory that holds `path`, for the owner alone where it is new.
pub(crate) fn create_directory_of(path: &Path) -> io::Result<()> {
    match directory_of(path) {
        Some(directory) => create_directory(directory),
        None => Ok(()),
    }
}

/// Creates `directory` and its parents, mode 0700 where they are new.
pub(crate) fn create_directory(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// A file under a name of its own, removed on drop unless it found its place.
struct Temporary {
    path: Option<PathBuf>,
}

impl Temporary {
    fn beside(path: &Path, readers: Readers) -> io::Result<(Self, File)> {
        /// Leftovers of crashed processes with this process id; more is not chance.
        const TRIES: u32 = 64;
        for n in 0..TRIES {
            let temporary = temporary_name(path, n)?;
            match open_new(&temporary, readers) {
                Ok(file) => return Ok((Self { path: Some(temporary) }, file)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::new(ErrorKind::AlreadyExists, format!("{TRIES} temporary files are in the way")))
    }

    fn rename_to(mut self, target: &Path) -> io::Result<()> {
        if let Some(path) = &self.path {
            fs::rename(path, target)?;
        }
        self.path = None;
        Ok(())
    }

    /// A hard link is the one way to take a name only if it is free. File systems without it (FAT) fall back to
    /// looking first, which two processes in the same millisecond could both pass.
    fn link_to(self, target: &Path) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        match fs::hard_link(path, target) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(_) if target.try_exists()? => Ok(()),
            Err(_) => self.rename_to(target),
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // Nobody is left to tell; what stays behind is as private as the target.
            let _ = fs::remove_file(path);
        }
    }
}

fn temporary_name(path: &Path, n: u32) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "the path does not end in a file's name"))?;
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}-{n}.tmp", std::process::id()));
    Ok(path.with_file_name(temporary))
}

fn open_new(path: &Path, readers: Readers) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(
        &mut options,
        match readers {
            Readers::Owner => 0o600,
            Readers::Everyone => 0o644,
        },
    );
    #[cfg(not(unix))]
    let _ = readers;
    options.open(path)
}

fn directory_of(path: &Path) -> Option<&Path> {
    path.parent().filter(|parent| !parent.as_os_str().is_empty())
}

/// A rename survives power loss only once its directory is flushed.
#[cfg(unix)]
fn sync_directory_of(path: &Path) -> io::Result<()> {
    File::open(directory_of(path).unwrap_or(Path::new(".")))?.sync_all()
}

/// NTFS journals renames itself, and directories cannot be opened as files.
#[cfg(not(unix))]
fn sync_directory_of(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("readable");
        entries.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn replaces_or_keeps_as_told_and_leaves_no_temporary_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        for (bytes, occupied, expected) in [
            ("one", Occupied::Keep, "one"),
            ("two", Occupied::Keep, "one"),
            ("three", Occupied::Replace, "three"),
        ] {
            write(&path, bytes.as_bytes(), Readers::Owner, occupied).expect("written");
            assert_eq!(fs::read_to_string(&path).expect("there"), expected);
        }
        assert_eq!(names(directory.path()), ["file"]);
    }

    #[test]
    fn a_failure_leaves_nothing_behind() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("occupied");
        fs::create_dir_all(path.join("by a directory")).expect("made");
        write(&path, b"bytes", Readers::Owner, Occupied::Replace).expect_err("a directory is in the way");
        assert_eq!(names(directory.path()), ["occupied"]);
    }

    #[test]
    fn a_leftover_of_a_crash_is_no_obstacle() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        fs::write(temporary_name(&path, 0).expect("a name"), "half").expect("written");
        write(&path, b"whole", Readers::Owner, Occupied::Keep).expect("written");
        assert_eq!(fs::read(&path).expect("there"), b"whole");
    }

    #[cfg(unix)]
    #[test]
    fn the_owner_alone_reads_what_is_for_the_owner() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("new").join("file");
        create_directory_of(&path).expect("made");
        write(&path, b"secret", Readers::Owner, Occupied::Keep).expect("written");
        for (path, mode) in [(path.as_path(), 0o600), (path.parent().expect("new"), 0o700)] {
            assert_eq!(
                fs::metadata(path).expect("there").permissions().mode() & 0o777,
                mode,
                "{}",
                path.display()
            );
        }
    }
}
