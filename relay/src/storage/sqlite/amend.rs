//! What amendments change besides the log: the rows of messages, topics, pins, and who names whom.
//!
//! Invariant: all of it is in the transaction of the amendment's own entry.

use mechat_protocol::limits::PINS_MAX;
use mechat_protocol::{Amendment, Body, Entry, Post, Seq, Topic};
use rusqlite::{Connection, params};

use super::accounts::Names;
use super::columns::{seq, signed, topic};
use super::log::{self, Naming};
use crate::storage::{Refusal, Written, amendments};

/// What it comes to: entries of before as they read from now on; or an outcome without an entry.
type Applied = Result<Vec<Entry>, Box<Written>>;

/// Applies an amendment that has its place and no row yet.
pub(super) fn apply(
    connection: &Connection,
    names: &mut Names,
    by: &Entry,
    moderates: bool,
) -> rusqlite::Result<Applied> {
    let Body::Amended { amendment } = &by.body else { return Ok(Ok(Vec::new())) };
    if let Amendment::SetTopic { topic } = amendment {
        return set_topic(connection, names, by, topic);
    }
    let target = match amendment.target() {
        Some(seq) => log::by_seq(connection, names, by.channel, seq)?,
        None => None,
    };
    let Some(target) = target else { return Ok(without_entry(Written::Refused(Refusal::NoSuchMessage))) };
    let now = match amendments::change(&target, by, moderates) {
        Ok(Some(now)) => now,
        Ok(None) => return Ok(without_entry(Written::Same(target))),
        Err(refusal) => return Ok(without_entry(Written::Refused(refusal))),
    };
    if matches!(amendment, Amendment::Pin { on: true, .. }) && pins(connection, by)? >= PINS_MAX {
        return Ok(without_entry(Written::Refused(Refusal::TooManyPins)));
    }
    let mut changed = vec![now];
    match amendment {
        Amendment::Edit { seq, .. } => note_naming(connection, by, *seq, Naming::Edit)?,
        Amendment::Pin { on: true, .. } => {
            let ids = [signed(target.channel.0), signed(target.seq.0)];
            connection.prepare_cached("INSERT INTO pins (channel, seq) VALUES (?1, ?2)")?.execute(ids)?;
        }
        Amendment::Pin { on: false, .. } => unpin(connection, &target)?,
        Amendment::Delete { .. } => {
            unpin(connection, &target)?;
            changed.extend(forget_words(connection, names, &target)?);
        }
        Amendment::React { .. } | Amendment::SetTopic { .. } | Amendment::Unknown => {}
    }
    for entry in &changed {
        rewrite(connection, entry)?;
    }
    Ok(Ok(changed))
}

fn without_entry(written: Written) -> Applied {
    Err(Box::new(written))
}

fn set_topic(
    connection: &Connection,
    names: &mut Names,
    by: &Entry,
    wanted: &Topic,
) -> rusqlite::Result<Applied> {
    let channel = signed(by.channel.0);
    let present = connection
        .prepare_cached("SELECT topic FROM channels WHERE id = ?1")?
        .query_row([channel], |row| topic(row, 0))?;
    if present == *wanted {
        // Who may set it is a member, and has an entry at least.
        let head = log::by_seq(connection, names, by.channel, Seq(by.seq.0 - 1))?;
        return head
            .map(|head| without_entry(Written::Same(head)))
            .ok_or(rusqlite::Error::QueryReturnedNoRows);
    }
    connection
        .prepare_cached("UPDATE channels SET topic = ?2 WHERE id = ?1")?
        .execute(params![channel, wanted.as_str()])?;
    Ok(Ok(Vec::new()))
}

/// Enters that an entry names another.
pub(super) fn note_naming(
    connection: &Connection,
    entry: &Entry,
    named: Seq,
    naming: Naming,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO namings (channel, named, kind, seq) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![signed(entry.channel.0), signed(named.0), naming.number(), signed(entry.seq.0)])
        .map(drop)
}

fn pins(connection: &Connection, by: &Entry) -> rusqlite::Result<usize> {
    let count: i64 = connection
        .prepare_cached("SELECT count(*) FROM pins WHERE channel = ?1")?
        .query_row([signed(by.channel.0)], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

fn unpin(connection: &Connection, target: &Entry) -> rusqlite::Result<()> {
    let ids = [signed(target.channel.0), signed(target.seq.0)];
    connection.prepare_cached("DELETE FROM pins WHERE channel = ?1 AND seq = ?2")?.execute(ids).map(drop)
}

/// A deleted message answers nothing, and its edits lose their words too: these as they are from now on.
fn forget_words(connection: &Connection, names: &mut Names, target: &Entry) -> rusqlite::Result<Vec<Entry>> {
    let channel = signed(target.channel.0);
    if let Body::Message(Post { in_reply_to: Some(named), .. }) = &target.body {
        connection
            .prepare_cached(
                "DELETE FROM namings WHERE channel = ?1 AND named = ?2 AND kind = ?3 AND seq = ?4",
            )?
            .execute(params![channel, signed(named.0), Naming::Reply.number(), signed(target.seq.0)])?;
    }
    let of_it = params![channel, signed(target.seq.0), Naming::Edit.number()];
    let edits = connection
        .prepare_cached("SELECT seq FROM namings WHERE channel = ?1 AND named = ?2 AND kind = ?3")?
        .query_map(of_it, |row| seq(row, 0))?
        .collect::<rusqlite::Result<Vec<Seq>>>()?;
    connection
        .prepare_cached("DELETE FROM namings WHERE channel = ?1 AND named = ?2 AND kind = ?3")?
        .execute(of_it)?;
    let mut changed = Vec::new();
    for seq in edits {
        let edit = log::by_seq(connection, names, target.channel, seq)?;
        changed.extend(edit.as_ref().map(amendments::without_words));
    }
    Ok(changed)
}

fn rewrite(connection: &Connection, entry: &Entry) -> rusqlite::Result<()> {
    let body = rmp_serde::to_vec_named(&entry.body)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    connection
        .prepare_cached("UPDATE log SET body = ?3 WHERE channel = ?1 AND seq = ?2")?
        .execute(params![signed(entry.channel.0), signed(entry.seq.0), body])
        .map(drop)
}
