//! What senders saw, written down as they see it, for the checker to read when all is over.
//!
//! Owns the form: records of 32 bytes, integers big-endian, appended to a file for each life of a process. A process that is killed loses
//! what it had not flushed, which costs the checker some evidence and makes none up.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | kind |
//! | 1 | 0 |
//! | 2 | which sender of all |
//! | 4 | channel |
//! | 8 | seq, or a count |
//! | 16 | nonce |

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use mechat_protocol::{ChannelId, Nonce, Seq};
use uuid::Uuid;

const RECORD_LEN: usize = 32;
/// Bytes that wait to be written.
const BUFFER_LEN: usize = 256 * 1_024;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A message is in the outbox, on disk: from here on it must come to be in the log.
    Kept,
    /// A message is in the log at this place, says the relay.
    Acked,
    /// A message was refused for good.
    Failed,
    /// An entry was handed on.
    Applied,
    /// The channel's log is another one; what is handed on begins anew.
    Reset,
    /// The end of a life that ended well: `seq` is the head of the channel's log.
    Whole,
}

const KINDS: [Kind; 6] = [Kind::Kept, Kind::Acked, Kind::Failed, Kind::Applied, Kind::Reset, Kind::Whole];

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) kind: Kind,
    pub(crate) sender: u16,
    pub(crate) channel: ChannelId,
    pub(crate) seq: Seq,
    pub(crate) nonce: Nonce,
}

/// Names no message.
pub(crate) const NO_NONCE: Nonce = Nonce(Uuid::nil());

impl Note {
    fn encoded(&self) -> io::Result<[u8; RECORD_LEN]> {
        let kind = KINDS.iter().position(|kind| *kind == self.kind).unwrap_or_default();
        let channel = u32::try_from(self.channel.0).map_err(io::Error::other)?;
        let mut record = [0; RECORD_LEN];
        record[0] = u8::try_from(kind).map_err(io::Error::other)?;
        record[2..4].copy_from_slice(&self.sender.to_be_bytes());
        record[4..8].copy_from_slice(&channel.to_be_bytes());
        record[8..16].copy_from_slice(&self.seq.0.to_be_bytes());
        record[16..].copy_from_slice(self.nonce.0.as_bytes());
        Ok(record)
    }

    fn decoded(record: &[u8; RECORD_LEN]) -> io::Result<Self> {
        let kind = KINDS.get(usize::from(record[0])).ok_or_else(|| io::Error::other("no note"))?;
        let number = |from: usize, to: usize| {
            record[from..to].iter().fold(0, |number: u64, byte| (number << 8) | u64::from(*byte))
        };
        Ok(Self {
            kind: *kind,
            sender: u16::from_be_bytes([record[2], record[3]]),
            channel: ChannelId(number(4, 8)),
            seq: Seq(number(8, 16)),
            nonce: Nonce(Uuid::from_bytes(std::array::from_fn(|n| record[16 + n]))),
        })
    }
}

/// The file of one life.
#[derive(Debug)]
pub(crate) struct Notes(BufWriter<File>);

impl Notes {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self(BufWriter::with_capacity(BUFFER_LEN, File::create_new(path)?)))
    }

    pub(crate) fn add(&mut self, note: &Note) -> io::Result<()> {
        self.0.write_all(&note.encoded()?)
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Reads a file, one record after another; half a record at the end is a kill's.
pub(crate) fn read(path: &Path, mut each: impl FnMut(Note)) -> io::Result<()> {
    let mut file = BufReader::with_capacity(BUFFER_LEN, File::open(path)?);
    let mut record = [0; RECORD_LEN];
    loop {
        match file.read_exact(&mut record) {
            Ok(()) => each(Note::decoded(&record)?),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}
