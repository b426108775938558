//! The file itself: crashes at every byte, damage, compaction, two owners, a full disk.

use mechat_protocol::{Amendment, ChannelId, Content, Seq};

use super::*;
use crate::outbox::Utterance;

impl Journal {
    /// From here on it writes elsewhere; returns where it wrote.
    pub(crate) const fn write_to(&mut self, file: File) -> File {
        std::mem::replace(&mut self.file, file)
    }
}

fn relay() -> RelayAddress {
    "h:1".parse().expect("address")
}

fn ann() -> AccountName {
    AccountName::new("ann").expect("name")
}

fn nonce(n: usize) -> Nonce {
    Nonce(uuid::Uuid::from_u128(n as u128 + 1))
}

fn message(n: usize) -> Unsent {
    let content = Content::text(format!("message {n}")).expect("text");
    Unsent { channel: ChannelId(7), nonce: nonce(n), what: Utterance::Message { content, in_reply_to: None } }
}

fn open(directory: &Path) -> (Journal, Left) {
    Journal::open(directory, &relay(), &ann()).expect("opens")
}

fn keep(journal: &mut Journal, numbers: impl IntoIterator<Item = usize>) {
    for n in numbers {
        journal.keep(message(n)).expect("short");
    }
    journal.flush().expect("written");
}

fn left(directory: &Path) -> Vec<Unsent> {
    let (_, left) = open(directory);
    assert_eq!(left.damage, None);
    left.messages
}

fn path_in(directory: &Path) -> PathBuf {
    directory.join(file_name(&relay(), &ann()))
}

/// What the copy holds that the user is told of; it is gone afterwards.
fn aside(told: &str) -> Vec<u8> {
    let (_, path) = told.split_once("a copy is in ").expect("a copy is told of");
    let bytes = fs::read(path).expect("put aside");
    fs::remove_file(path).expect("removed");
    bytes
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("readable");
    entries.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn what_was_kept_and_not_forgotten_is_left_in_order() {
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path().join("not/yet/there");
    let (mut journal, left_before) = open(&directory);
    assert_eq!(left_before, Left::default());
    keep(&mut journal, [3, 1, 2]);
    journal.forget(nonce(1)).expect("short");
    keep(&mut journal, [0]);
    drop(journal);
    assert_eq!(left(&directory), [message(3), message(2), message(0)]);
    let (mut journal, _) = open(&directory);
    for n in [0, 2, 3] {
        journal.forget(nonce(n)).expect("short");
    }
    journal.flush().expect("written");
    drop(journal);
    assert_eq!(left(&directory), []);
}

#[test]
fn what_was_not_flushed_may_be_lost_and_what_was_is_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut journal, _) = open(directory.path());
    keep(&mut journal, [0]);
    journal.keep(message(1)).expect("short");
    journal.forget(nonce(0)).expect("short");
    drop(journal);
    assert_eq!(left(directory.path()), [message(0)], "sent once more, which the relay knows");
}

#[test]
fn a_file_that_ends_anywhere_gives_what_is_whole_and_goes_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut journal, _) = open(directory.path());
    let header = journal.len;
    let mut ends = vec![header];
    for n in 0..4 {
        keep(&mut journal, [n]);
        ends.push(journal.len);
    }
    drop(journal);
    let path = path_in(directory.path());
    let whole = fs::read(&path).expect("there");
    for cut in usize::try_from(header).expect("small")..=whole.len() {
        fs::write(&path, &whole[..cut]).expect("written");
        let count = ends.iter().filter(|end| **end <= cut as u64).count() - 1;
        let (mut journal, left_over) = open(directory.path());
        assert_eq!(left_over.messages, (0..count).map(message).collect::<Vec<_>>(), "cut at {cut}");
        assert_eq!(left_over.damage.is_some(), !ends.contains(&(cut as u64)), "told, at {cut}");
        left_over.damage.iter().for_each(|told| assert_eq!(aside(told), whole[..cut], "at {cut}"));
        keep(&mut journal, [9]);
        drop(journal);
        assert_eq!(left(directory.path()).last(), Some(&message(9)), "cut at {cut}");
    }
    fs::write(&path, [&whole[..], &[0; 5_000]].concat()).expect("written");
    let (_, left_over) = open(directory.path());
    assert_eq!(left_over.messages.len(), 4, "room that was given and never filled is an end too");
    assert_eq!(fs::metadata(&path).expect("there").len(), whole.len() as u64);
}

#[test]
fn a_byte_that_changed_anywhere_is_found_and_the_file_is_put_aside() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut journal, _) = open(directory.path());
    let header = usize::try_from(journal.len).expect("small");
    keep(&mut journal, 0..3);
    drop(journal);
    let path = path_in(directory.path());
    let whole = fs::read(&path).expect("there");
    let record = (whole.len() - header) / 3;
    for at in 0..whole.len() {
        for bit in [0x01, 0x80] {
            let mut bytes = whole.clone();
            bytes[at] ^= bit;
            fs::write(&path, &bytes).expect("written");
            let (_, left_over) = open(directory.path());
            let before = at.checked_sub(header).map_or(0, |at| at / record);
            assert_eq!(left_over.messages, (0..before).map(message).collect::<Vec<_>>(), "bit {bit} of {at}");
            let told = left_over.damage.expect("told");
            assert_eq!(aside(&told), bytes, "bit {bit} of {at}");
        }
    }
}

#[test]
fn a_length_that_grew_beyond_the_end_does_not_take_whole_records_with_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut journal, _) = open(directory.path());
    let first = usize::try_from(journal.len).expect("small");
    keep(&mut journal, 0..3);
    drop(journal);
    let path = path_in(directory.path());
    let mut bytes = fs::read(&path).expect("there");
    // Still a length that a record may have: 4,096 bytes more.
    bytes[first + 2] |= 0x10;
    fs::write(&path, &bytes).expect("written");
    let (_, left_over) = open(directory.path());
    assert_eq!(left_over.messages, []);
    assert_eq!(aside(&left_over.damage.expect("told")), bytes, "all three messages are in the copy");
}

#[test]
fn what_is_no_outbox_of_the_account_is_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut journal, _) = open(directory.path());
    keep(&mut journal, [0]);
    drop(journal);
    let path = path_in(directory.path());
    let bob = AccountName::new("bob").expect("name");
    fs::rename(&path, directory.path().join(file_name(&relay(), &bob))).expect("renamed");
    let error = Journal::open(directory.path(), &relay(), &bob).expect_err("it is ann's");
    assert!(matches!(&error, JournalError::Foreign { .. }) && error.to_string().contains("move it away"));
    let later = Record::Outbox { version: 3, relay: relay().to_string(), account: ann().to_string() };
    fs::write(&path, later.encoded().expect("short")).expect("written");
    assert!(matches!(Journal::open(directory.path(), &relay(), &ann()), Err(JournalError::Foreign { .. })));
    assert_eq!(fs::read(&path).expect("there"), later.encoded().expect("short"));
}

#[test]
fn what_the_version_before_kept_is_read_and_its_file_then_keeps_that_version_away() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = path_in(directory.path());
    let record = |record: Record| record.encoded().expect("short");
    let mut bytes = record(Record::header_before(&relay(), &ann()));
    for n in [2, 1] {
        bytes.extend(record(message(n).into()));
    }
    fs::write(&path, &bytes).expect("written");
    let (mut journal, left_before) = open(directory.path());
    assert_eq!(left_before, Left { messages: vec![message(2), message(1)], damage: None });
    let amendment = Utterance::Amendment(Amendment::Delete { seq: Seq(4) });
    let amending = Unsent { what: amendment, ..message(3) };
    journal.keep(amending.clone()).expect("short");
    journal.forget(nonce(2)).expect("short");
    journal.flush().expect("written");
    drop(journal);
    assert_eq!(left(directory.path()), [message(1), amending]);
    let header = record(Record::header(&relay(), &ann()));
    assert!(fs::read(&path).expect("there").starts_with(&header));
}

#[test]
fn of_two_clients_one_has_the_outbox_until_it_ends() {
    let directory = tempfile::tempdir().expect("a directory");
    let (first, _) = open(directory.path());
    assert!(matches!(Journal::open(directory.path(), &relay(), &ann()), Err(JournalError::InUse)));
    let elsewhere = "h:2".parse().expect("address");
    Journal::open(directory.path(), &elsewhere, &ann()).expect("another relay is another outbox");
    drop(first);
    open(directory.path());
}

#[test]
fn a_file_that_is_mostly_gone_is_made_small_and_nothing_of_it_is_lost() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut journal, _) = open(directory.path());
    keep(&mut journal, [0]);
    let mut longest = 0;
    for n in 1..40_000 {
        keep(&mut journal, [n]);
        journal.forget(nonce(n - 1)).expect("short");
        if n == 20_000 {
            keep(&mut journal, [100_000]);
        }
        longest = longest.max(journal.len);
    }
    journal.flush().expect("written");
    let len = fs::metadata(path_in(directory.path())).expect("there").len();
    assert_eq!(len, journal.len);
    assert!(longest <= COMPACT_MIN + 1_024, "{longest} bytes for two messages");
    drop(journal);
    assert_eq!(left(directory.path()), [message(100_000), message(39_999)]);
    assert_eq!(names(directory.path()).len(), 2, "file and lock");
}

#[test]
fn a_compaction_that_a_crash_interrupts_anywhere_changes_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut journal, _) = open(directory.path());
    keep(&mut journal, 0..5);
    for n in 0..3 {
        journal.forget(nonce(n)).expect("short");
    }
    journal.flush().expect("written");
    let path = path_in(directory.path());
    let before = fs::read(&path).expect("there");
    journal.compact().expect("named");
    drop(journal);
    let after = fs::read(&path).expect("there");
    assert!(after.len() < before.len());
    // Before the rename: the new file is there up to any byte, or is a longer one of an earlier crash; the old one is whole.
    let longer = [&before[..], &before[..]].concat();
    for cut in (0..=after.len()).chain([longer.len()]) {
        fs::write(&path, &before).expect("written");
        let new = if cut > after.len() { &longer } else { &after };
        fs::write(path.with_extension("new"), &new[..cut]).expect("written");
        let (mut journal, left_over) = open(directory.path());
        assert_eq!(left_over, Left { messages: vec![message(3), message(4)], damage: None }, "at {cut}");
        journal.compact().expect("named");
        keep(&mut journal, [8]);
        drop(journal);
        assert_eq!(left(directory.path()), [message(3), message(4), message(8)]);
    }
    // Behind it.
    fs::write(&path, &after).expect("written");
    assert_eq!(left(directory.path()), [message(3), message(4)]);
}

#[test]
fn a_compaction_of_a_file_that_was_damaged_meanwhile_leaves_it_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut journal, _) = open(directory.path());
    keep(&mut journal, [0]);
    let at = usize::try_from(journal.len).expect("small");
    keep(&mut journal, 1..4);
    let path = path_in(directory.path());
    let mut bytes = fs::read(&path).expect("there");
    bytes[at + 20] ^= 1;
    fs::write(&path, &bytes).expect("written");
    journal.compact().expect("named");
    assert_eq!(fs::read(&path).expect("there"), bytes);
    drop(journal);
    let (_, left_over) = open(directory.path());
    assert_eq!(aside(&left_over.damage.expect("told")), bytes);

    // Whole, and yet not all that is live.
    let (mut journal, _) = open(directory.path());
    keep(&mut journal, [4]);
    journal.forget(nonce(4)).expect("short");
    journal.flush().expect("written");
    let shorter = fs::read(&path).expect("there");
    keep(&mut journal, [5]);
    fs::write(&path, &shorter).expect("written");
    journal.compact().expect("named");
    assert_eq!(fs::read(&path).expect("there"), shorter, "a rewritten one has no message that is gone");
}

#[test]
fn a_compaction_whose_name_cannot_be_synced_is_told_and_what_comes_behind_it_is_in_the_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut journal, _) = open(directory.path());
    journal.sync_name = |_| Err(ErrorKind::InvalidInput.into());
    keep(&mut journal, [0]);
    let path = path_in(directory.path());
    let mut told = None;
    for n in 1.. {
        journal.keep(message(n)).expect("short");
        let flushed = journal.flush();
        journal.forget(nonce(n)).expect("short");
        if flushed.is_err() {
            told = flushed.err();
            break;
        }
        assert!(journal.len < COMPACT_MIN + 1_024, "never compacted");
    }
    assert_eq!(told.expect("told").kind(), ErrorKind::InvalidInput);
    assert!(fs::metadata(&path).expect("there").len() < COMPACT_MIN, "the name means the new file");
    keep(&mut journal, [100_000]);
    assert_eq!(fs::metadata(&path).expect("there").len(), journal.len);
    assert!(journal.doubt().is_some(), "a power loss may bring the old file back");
    journal.renew().expect_err("still not");
    journal.sync_name = sync_directory_of;
    journal.renew().expect("named");
    assert_eq!(journal.doubt(), None);
    drop(journal);
    assert_eq!(left(directory.path()), [message(0), message(100_000)]);
}

/// A device that takes nothing.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_and_what_did_not_fit_is_written_when_there_is_room() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut journal, _) = open(directory.path());
    keep(&mut journal, [0]);
    let full = OpenOptions::new().write(true).open("/dev/full").expect("a device");
    let file = journal.write_to(full);
    journal.keep(message(1)).expect("short");
    assert_eq!(journal.flush().expect_err("no room").kind(), ErrorKind::StorageFull);
    journal.keep(message(2)).expect("short");
    journal.flush().expect_err("still none");
    journal.write_to(file);
    journal.flush().expect("room again");
    drop(journal);
    assert_eq!(left(directory.path()), [message(0), message(1), message(2)]);
}

/// Neither a sync nor a write goes through there.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_is_written_anew_has_what_was_owed_and_nothing_that_is_gone() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut journal, _) = open(directory.path());
    keep(&mut journal, 0..3);
    let path = path_in(directory.path());
    let full = OpenOptions::new().write(true).open("/dev/full").expect("a device");
    journal.write_to(full);
    journal.handle().and_then(|handle| handle.sync()).expect_err("no disk");
    journal.forget(nonce(1)).expect("short");
    journal.keep(message(3)).expect("short");
    journal.flush().expect_err("no room");
    let good = fs::read(&path).expect("there");
    fs::write(&path, &good[..good.len() - 1]).expect("written");
    journal.renew().expect_err("the disk did lose something");
    assert!(journal.doubt().is_some());
    fs::write(&path, &good).expect("written");
    journal.renew().expect("written");
    keep(&mut journal, [4]);
    drop(journal);
    assert_eq!(left(directory.path()), [0, 2, 3, 4].map(message));
}

/// Messages reach the relay though the disk is full.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_owed_no_more_than_what_is_live_and_what_was_in_the_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut journal, _) = open(directory.path());
    keep(&mut journal, [0, 1]);
    let full = OpenOptions::new().write(true).open("/dev/full").expect("a device");
    let file = journal.write_to(full);
    journal.forget(nonce(0)).expect("short");
    let owed = journal.owed.gone.len();
    for n in 2..1_000 {
        journal.keep(message(n)).expect("short");
        journal.flush().expect_err("no room");
        if n != 500 {
            journal.forget(nonce(n)).expect("short");
        }
    }
    assert_eq!((journal.owed.gone.len(), journal.owed.kept.len()), (owed, 1));
    journal.write_to(file);
    let len = journal.len + owed as u64 + record_len(&message(500)).expect("short");
    journal.flush().expect("room again");
    assert_eq!(fs::metadata(path_in(directory.path())).expect("there").len(), len);
    drop(journal);
    assert_eq!(left(directory.path()), [message(1), message(500)]);
}

#[cfg(unix)]
#[test]
fn the_owner_alone_reads_it() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a directory");
    let inside = directory.path().join("outbox");
    open(&inside);
    for name in names(&inside) {
        let mode = fs::metadata(inside.join(&name)).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(fs::metadata(&inside).expect("there").permissions().mode() & 0o777, 0o700);
}

#[test]
fn any_account_at_any_relay_has_a_name_of_its_own() {
    let names =
        ["ann", "an_n", "ÄNN", "änn", &"ж".repeat(32)].map(|name| AccountName::new(name).expect("name"));
    let relays: Vec<RelayAddress> =
        ["h:1", "h:11", "[::1]:1"].iter().map(|relay| relay.parse().expect("address")).collect();
    let pairs = names.iter().flat_map(|name| relays.iter().map(move |relay| file_name(relay, name)));
    let files: std::collections::BTreeSet<String> = pairs.collect();
    assert_eq!(files.len(), 15);
    assert!(files.iter().all(|name| name.is_ascii() && name.len() < 120), "{files:?}");
}
