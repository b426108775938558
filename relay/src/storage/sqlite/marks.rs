//! How far members have read, and of what they want to be told.
//!
//! Invariant: within one life of a log `read` only grows.

use mechat_protocol::reply::Marks;
use mechat_protocol::request::Level;
use mechat_protocol::{AccountId, ChannelId, Entry, Epoch, Seq};
use rusqlite::{Connection, OptionalExtension, params};

use super::columns::{level, level_text, seq, signed, unsigned32};
use crate::storage::Written;

/// A membership begins with its own entry read.
pub(super) fn joined(connection: &Connection, entry: &Entry, account: AccountId) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO members (channel, account, epoch, read, level) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            signed(entry.channel.0),
            signed(account.0),
            entry.epoch.0,
            signed(entry.seq.0),
            level_text(Level::All)
        ])
        .map(drop)
}

/// Moves a member's marks. `wanted` is not beyond the head.
pub(super) fn advance(
    connection: &Connection,
    (channel, epoch): (ChannelId, Epoch),
    account: AccountId,
    wanted: Option<Seq>,
    wanted_level: Option<Level>,
) -> rusqlite::Result<Written> {
    let ids = (signed(channel.0), signed(account.0));
    let found = connection
        .prepare_cached("SELECT epoch, read, level FROM members WHERE channel = ?1 AND account = ?2")?
        .query_row(ids, |row| Ok((Epoch(unsigned32(row, 0)?), seq(row, 1)?, level(row, 2)?)))
        .optional()?;
    let Some((of, read, level)) = found else { return Ok(Written::NotAMember) };
    let read = if of == epoch { read } else { Seq::ZERO };
    let marks = Marks { read: wanted.unwrap_or(read).max(read), level: wanted_level.unwrap_or(level) };
    connection
        .prepare_cached(
            "UPDATE members SET epoch = ?3, read = ?4, level = ?5 WHERE channel = ?1 AND account = ?2",
        )?
        .execute(params![ids.0, ids.1, epoch.0, signed(marks.read.0), level_text(marks.level)])?;
    Ok(Written::Marked(marks))
}
