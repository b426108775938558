//! Tokens: hashes, their successors, their ends.

use mechat_protocol::{AccountId, SessionId, UnixMillis};
use rusqlite::{Connection, OptionalExtension, params};

use super::columns::{session, signed, unsigned};
use crate::storage::{NewToken, Rotation, TokenChange, TokenHash};

pub(super) fn insert(connection: &Connection, token: &NewToken) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO tokens (hash, account, session, expires_ms) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![token.hash.0, signed(token.account.0), token.session.0.as_bytes(), token.expires.0])
        .map(drop)
}

pub(super) fn rotate(connection: &Connection, change: &TokenChange) -> rusqlite::Result<Rotation> {
    let TokenChange { old, next, now, next_expires } = *change;
    let found = connection
        .prepare_cached("SELECT account, session, successor FROM tokens WHERE hash = ?1 AND expires_ms > ?2")?
        .query_row(params![old.0, now.0], |row| {
            Ok((AccountId(unsigned(row, 0)?), session(row, 1)?, row.get::<_, Option<[u8; 32]>>(2)?))
        })
        .optional()?;
    Ok(match found {
        None => Rotation::Refused,
        Some((account, session, None)) => {
            insert(connection, &NewToken { hash: next, account, session, expires: next_expires })?;
            connection
                .prepare_cached("UPDATE tokens SET successor = ?2 WHERE hash = ?1")?
                .execute([old.0, next.0])?;
            Rotation::Rotated { account, session }
        }
        Some((account, session, Some(known))) if known == next.0 && is_unused(connection, next, now)? => {
            Rotation::Again { account, session }
        }
        Some((_, session, Some(_))) => {
            revoke(connection, session)?;
            Rotation::Replayed(session)
        }
    })
}

fn is_unused(connection: &Connection, token: TokenHash, now: UnixMillis) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM tokens WHERE hash = ?1 AND expires_ms > ?2 AND successor IS NULL)",
        )?
        .query_row(params![token.0, now.0], |row| row.get(0))
}

pub(super) fn revoke(connection: &Connection, session: SessionId) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM tokens WHERE session = ?1")?
        .execute([session.0.as_bytes()])
        .map(drop)
}

/// Deletes what nobody could use any more.
pub(super) fn forget_expired(connection: &Connection, now: UnixMillis) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM tokens WHERE expires_ms <= ?1")?.execute([now.0]).map(drop)
}
