//! From the hub's words to the storage's, and back. Neither knows the other.

use mechat_hub::{
    AccountRecord, AppendDraft, AppendOutcome, ChannelRecord, Failure, HistoryRead, NewChannel, Snapshot,
    StoreAnswer,
};
use mechat_protocol::page::EncodedEntries;

use crate::storage::{ChannelRow, Contents, LogPart, StorageError, Write, Written};

/// What the storage held at the start.
pub(crate) fn snapshot(contents: Contents) -> Snapshot {
    let account =
        |row: crate::storage::AccountRow| AccountRecord { id: row.id, name: row.name, admin: row.admin };
    Snapshot {
        accounts: contents.accounts.into_iter().map(account).collect(),
        channels: contents.channels.into_iter().map(channel).collect(),
        members: contents.members,
    }
}

fn channel(row: ChannelRow) -> ChannelRecord {
    let ChannelRow { id, name, kind, host, created, epoch, head } = row;
    ChannelRecord { id, name, kind, host, created, epoch, head }
}

/// A channel to be made.
pub(crate) fn create(channel: NewChannel) -> Write {
    let NewChannel { name, kind, host, host_name, at } = channel;
    Write::CreateChannel { name, kind, host: Some((host, host_name)), at }
}

/// An entry to be appended.
pub(crate) fn append(draft: AppendDraft) -> Write {
    let AppendDraft { channel, sender, sender_name, nonce, at, body } = draft;
    Write::Append { channel, sender, sender_name, nonce, at, body }
}

/// What became of a write.
pub(crate) fn written(written: Written) -> Result<StoreAnswer, Failure> {
    match written {
        Written::Channel(row, Some(entry)) => Ok(StoreAnswer::ChannelCreated(channel(row), entry)),
        Written::ChannelExists => Ok(StoreAnswer::ChannelExists),
        Written::New(entry) => Ok(StoreAnswer::Appended(AppendOutcome::New(entry))),
        Written::Known(entry) => Ok(StoreAnswer::Appended(AppendOutcome::Known(entry))),
        Written::NotAMember => Ok(StoreAnswer::Appended(AppendOutcome::NotAMember)),
        Written::Unchanged => Ok(StoreAnswer::Appended(AppendOutcome::Unchanged)),
        // The hub knows the channels, and makes none without a host.
        Written::NoSuchChannel | Written::Channel(_, None) => Err(Failure),
        // Outcomes of what the hub never asks to write.
        Written::Account(_)
        | Written::NameRefused(_)
        | Written::TokenInserted
        | Written::Token(_)
        | Written::Revoked => Err(Failure),
    }
}

/// A part of a log. Encoded here, by who read it, since that takes longer than to hand it on.
pub(crate) fn read(read: Result<LogPart, StorageError>) -> Result<StoreAnswer, Failure> {
    let LogPart { entries, more } = read.map_err(|error| {
        tracing::error!(%error, "history");
        Failure
    })?;
    let entries = EncodedEntries::of(&entries).map_err(|error| {
        tracing::error!(%error, "history");
        Failure
    })?;
    Ok(StoreAnswer::HistoryRead(HistoryRead { entries, more }))
}
