//! Channels and their logs: the writes of a batch, and pages.

use mechat_protocol::request::{ChannelKind, HistoryRange};
use mechat_protocol::{
    AccountId, AccountName, Body, ChannelId, ChannelName, Entry, Epoch, Nonce, Seq, UnixMillis,
};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use uuid::Uuid;

use super::columns::{account_name, blob, kind_text, seq, signed, to_blob, unsigned, unsigned32};
use crate::storage::{ChannelRow, LogPart, Write, Written, selection};

/// An entry before it has its place.
struct Draft<'a> {
    channel: ChannelId,
    sender: AccountId,
    sender_name: &'a AccountName,
    nonce: Option<Nonce>,
    at: UnixMillis,
    body: &'a Body,
}

pub(super) fn commit(connection: &mut Connection, batch: &[Write]) -> rusqlite::Result<Vec<Written>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let written = batch.iter().map(|write| apply(&transaction, write)).collect::<rusqlite::Result<_>>()?;
    transaction.commit()?;
    Ok(written)
}

fn apply(transaction: &Transaction<'_>, write: &Write) -> rusqlite::Result<Written> {
    match write {
        Write::CreateChannel { name, kind, host, at } => {
            create_channel(transaction, name, *kind, host.as_ref(), *at)
        }
        Write::Append { channel, sender, sender_name, nonce, at, body } => {
            let draft =
                Draft { channel: *channel, sender: *sender, sender_name, nonce: *nonce, at: *at, body };
            append(transaction, &draft)
        }
    }
}

fn create_channel(
    transaction: &Transaction<'_>,
    name: &ChannelName,
    kind: ChannelKind,
    host: Option<&(AccountId, AccountName)>,
    at: UnixMillis,
) -> rusqlite::Result<Written> {
    let host_id = host.map(|(id, _)| signed(id.0));
    let made: Option<u64> = transaction
        .prepare_cached(
            "INSERT INTO channels (name, folded, kind, host, created_ms, epoch, head) VALUES (?1, ?2, ?3, ?4, ?5, 1, 0)
             ON CONFLICT (folded) DO NOTHING RETURNING id",
        )?
        .query_row(params![name.as_str(), name.key().folded, kind_text(kind), host_id, at.0], |row| unsigned(row, 0))
        .optional()?;
    let Some(id) = made.map(ChannelId) else { return Ok(Written::ChannelExists) };
    let mut row = ChannelRow {
        id,
        name: name.clone(),
        kind,
        host: host.map(|(id, _)| *id),
        created: at,
        epoch: Epoch(1),
        head: Seq::ZERO,
    };
    let Some((sender, sender_name)) = host else { return Ok(Written::Channel(row, None)) };
    let draft = Draft { channel: id, sender: *sender, sender_name, nonce: None, at, body: &Body::Joined };
    match append(transaction, &draft)? {
        Written::New(entry) => {
            row.head = entry.seq;
            Ok(Written::Channel(row, Some(entry)))
        }
        other => Ok(other),
    }
}

fn append(transaction: &Transaction<'_>, draft: &Draft<'_>) -> rusqlite::Result<Written> {
    if let Some(nonce) = draft.nonce
        && let Some(entry) = by_nonce(transaction, draft.sender, nonce)?
    {
        return Ok(Written::Known(entry));
    }
    if let Some(refused) = check_membership(transaction, draft)? {
        let there = exists(transaction, draft.channel)?;
        return Ok(if there { refused } else { Written::NoSuchChannel });
    }
    let place = transaction
        .prepare_cached("UPDATE channels SET head = head + 1 WHERE id = ?1 RETURNING head, epoch")?
        .query_row([signed(draft.channel.0)], |row| Ok((seq(row, 0)?, Epoch(unsigned32(row, 1)?))))
        .optional()?;
    let Some((seq, epoch)) = place else { return Ok(Written::NoSuchChannel) };
    transaction
        .prepare_cached("INSERT INTO log (channel, seq, epoch, at_ms, sender, nonce, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![
            signed(draft.channel.0),
            signed(seq.0),
            epoch.0,
            draft.at.0,
            signed(draft.sender.0),
            draft.nonce.map(|nonce| nonce.0.into_bytes()),
            to_blob(draft.body)?
        ])?;
    Ok(Written::New(Entry {
        channel: draft.channel,
        epoch,
        seq,
        at_ms: draft.at,
        sender: draft.sender_name.clone(),
        nonce: draft.nonce,
        body: draft.body.clone(),
    }))
}

fn exists(connection: &Connection, channel: ChannelId) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM channels WHERE id = ?1")?.exists([signed(channel.0)])
}

/// Changes the membership where the entry does so; otherwise checks it. Why there is no entry, if there is none.
fn check_membership(transaction: &Transaction<'_>, draft: &Draft<'_>) -> rusqlite::Result<Option<Written>> {
    let statement = match draft.body {
        Body::Joined => {
            "INSERT INTO members (channel, account) SELECT id, ?2 FROM channels WHERE id = ?1 ON CONFLICT DO NOTHING"
        }
        Body::Left => "DELETE FROM members WHERE channel = ?1 AND account = ?2",
        _ => return Ok((!is_member(transaction, draft)?).then_some(Written::NotAMember)),
    };
    let ids = params![signed(draft.channel.0), signed(draft.sender.0)];
    let changed = transaction.prepare_cached(statement)?.execute(ids)? > 0;
    Ok((!changed).then_some(Written::Unchanged))
}

fn is_member(transaction: &Transaction<'_>, draft: &Draft<'_>) -> rusqlite::Result<bool> {
    transaction
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM members WHERE channel = ?1 AND account = ?2)")?
        .query_row(params![signed(draft.channel.0), signed(draft.sender.0)], |row| row.get(0))
}

const ENTRY: &str = "SELECT log.channel, log.seq, log.epoch, log.at_ms, accounts.name, log.nonce, log.body
    FROM log JOIN accounts ON accounts.id = log.sender";

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let nonce: Option<[u8; 16]> = row.get(5)?;
    Ok(Entry {
        channel: ChannelId(unsigned(row, 0)?),
        seq: seq(row, 1)?,
        epoch: Epoch(unsigned32(row, 2)?),
        at_ms: UnixMillis(row.get(3)?),
        sender: account_name(row, 4)?,
        nonce: nonce.map(|bytes| Nonce(Uuid::from_bytes(bytes))),
        body: blob(row, 6)?,
    })
}

fn by_nonce(connection: &Connection, sender: AccountId, nonce: Nonce) -> rusqlite::Result<Option<Entry>> {
    connection
        .prepare_cached(&format!("{ENTRY} WHERE log.sender = ?1 AND log.nonce = ?2"))?
        .query_row(params![signed(sender.0), nonce.0.into_bytes()], entry)
        .optional()
}

pub(super) fn read(
    connection: &Connection,
    channel: ChannelId,
    range: HistoryRange,
    limit: usize,
) -> rusqlite::Result<LogPart> {
    let (comparison, order, seq) = match range {
        HistoryRange::Latest => ("<=", "DESC", i64::MAX),
        HistoryRange::Before { seq } => ("<", "DESC", signed(seq.0)),
        HistoryRange::After { seq } => (">", "ASC", signed(seq.0)),
    };
    let query = format!(
        "{ENTRY} WHERE log.channel = ?1 AND log.seq {comparison} ?2 ORDER BY log.seq {order} LIMIT ?3"
    );
    let mut statement = connection.prepare_cached(&query)?;
    // One more than asked for tells whether there is more.
    let limit_and_one = signed(limit as u64 + 1);
    let rows = statement.query_map(params![signed(channel.0), seq, limit_and_one], entry)?;
    let mut failed = None;
    let entries = rows.map_while(|row| row.map_err(|error| failed = Some(error)).ok());
    let part = match range {
        HistoryRange::After { .. } => selection::oldest(entries, limit),
        HistoryRange::Latest | HistoryRange::Before { .. } => selection::newest(entries, limit),
    };
    failed.map_or(Ok(part), Err)
}
