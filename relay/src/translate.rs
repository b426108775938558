//! From the hub's words to the storage's, and back. Neither knows the other.

use mechat_hub::{
    AccountRecord, AmendRefusal, Amended, AppendDraft, AppendOutcome, ChannelRecord, Failure, HistoryRead,
    MemberRecord, NewChannel, PostsRead, Snapshot, StoreAnswer,
};
use mechat_protocol::page::EncodedEntries;

use crate::storage::{
    AccountRow, ChannelRow, Contents, Found, LogPart, MemberRow, Refusal, StorageError, Write, Written,
};

/// What the storage held at the start.
pub(crate) fn snapshot(contents: Contents) -> Snapshot {
    let member = |row| {
        let MemberRow { channel, account, marks } = row;
        MemberRecord { channel, account, marks }
    };
    Snapshot {
        accounts: contents.accounts.into_iter().map(account).collect(),
        channels: contents.channels.into_iter().map(channel).collect(),
        members: contents.members.into_iter().map(member).collect(),
    }
}

/// An account, without what it signs in with.
pub(crate) fn account(row: AccountRow) -> AccountRecord {
    let AccountRow { id, name, admin, created } = row;
    AccountRecord { id, name, admin, created }
}

fn channel(row: ChannelRow) -> ChannelRecord {
    let ChannelRow { id, name, kind, host, created, epoch, head, topic } = row;
    ChannelRecord { id, name, kind, host, created, epoch, head, topic }
}

/// A channel to be made.
pub(crate) fn create(channel: NewChannel) -> Write {
    let NewChannel { name, kind, host, host_name, at } = channel;
    Write::CreateChannel { name, kind, host: Some((host, host_name)), at }
}

/// An entry to be appended.
pub(crate) fn append(draft: AppendDraft) -> Write {
    let AppendDraft { channel, sender, sender_name, nonce, at, body, moderates } = draft;
    Write::Append { channel, sender, sender_name, nonce, at, body, moderates }
}

/// What became of a write.
pub(crate) fn written(written: Written) -> Result<StoreAnswer, Failure> {
    let appended = |outcome| Ok(StoreAnswer::Appended(outcome));
    match written {
        Written::Channel(row, Some(entry)) => Ok(StoreAnswer::ChannelCreated(channel(row), entry)),
        Written::ChannelExists => Ok(StoreAnswer::ChannelExists),
        Written::New(entry) => appended(AppendOutcome::New(entry)),
        Written::Known(entry) => appended(AppendOutcome::Known(entry)),
        Written::NotAMember => appended(AppendOutcome::NotAMember),
        Written::Unchanged => appended(AppendOutcome::Unchanged),
        Written::Amended(entry, changed) => appended(AppendOutcome::Amended(Amended { entry, changed })),
        Written::Same(entry) => appended(AppendOutcome::Same(entry)),
        Written::Refused(refusal) => appended(AppendOutcome::Refused(refused(refusal))),
        Written::Marked(marks) => Ok(StoreAnswer::Marked(marks)),
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

fn refused(refusal: Refusal) -> AmendRefusal {
    match refusal {
        Refusal::NoSuchMessage => AmendRefusal::NoSuchMessage,
        Refusal::NotTheSenders => AmendRefusal::NotTheSenders,
        Refusal::TooManyReactions => AmendRefusal::TooManyReactions,
        Refusal::TooManyPins => AmendRefusal::TooManyPins,
    }
}

/// Some of a channel's messages.
pub(crate) fn posts(read: Result<LogPart, StorageError>) -> Result<StoreAnswer, Failure> {
    let LogPart { entries, more } = read.map_err(|error| failed("posts", &error))?;
    Ok(StoreAnswer::PostsRead(PostsRead { entries, more }))
}

/// What was searched for.
pub(crate) fn found(found: Result<Found, StorageError>) -> Result<StoreAnswer, Failure> {
    Ok(StoreAnswer::Found(match found.map_err(|error| failed("a search", &error))? {
        Found::Page(entries, next) => mechat_hub::Found::Page(entries, next),
        Found::Behind => mechat_hub::Found::Behind,
    }))
}

fn failed(what: &'static str, error: &dyn std::fmt::Display) -> Failure {
    tracing::error!(%error, "{what}");
    Failure
}

/// A part of a log. Encoded here, by who read it, since that takes longer than to hand it on.
pub(crate) fn read(read: Result<LogPart, StorageError>) -> Result<StoreAnswer, Failure> {
    let LogPart { entries, more } = read.map_err(|error| failed("history", &error))?;
    let entries = EncodedEntries::of(&entries).map_err(|error| failed("history", &error))?;
    Ok(StoreAnswer::HistoryRead(HistoryRead { entries, more }))
}
