//! Tokens: hashes, their successors, their ends.

use mechat_protocol::{AccountId, SessionId, UnixMillis};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::columns::{session, signed, unsigned};
use crate::storage::{NewToken, Rotation, TokenHash};

pub(super) fn insert(connection: &mut Connection, token: &NewToken) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    insert_row(&transaction, token)?;
    transaction.commit()
}

fn insert_row(connection: &Connection, token: &NewToken) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO tokens (hash, account, session, expires_ms) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![token.hash.0, signed(token.account.0), token.session.0.as_bytes(), token.expires.0])
        .map(drop)
}

pub(super) fn rotate(
    connection: &mut Connection,
    old: TokenHash,
    next: TokenHash,
    now: UnixMillis,
    next_expires: UnixMillis,
) -> rusqlite::Result<Rotation> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.prepare_cached("DELETE FROM tokens WHERE expires_ms <= ?1")?.execute([now.0])?;
    let found = transaction
        .prepare_cached("SELECT account, session, successor FROM tokens WHERE hash = ?1")?
        .query_row([old.0], |row| {
            Ok((AccountId(unsigned(row, 0)?), session(row, 1)?, row.get::<_, Option<[u8; 32]>>(2)?))
        })
        .optional()?;
    let rotation = match found {
        None => Rotation::Refused,
        Some((account, session, None)) => {
            insert_row(&transaction, &NewToken { hash: next, account, session, expires: next_expires })?;
            transaction
                .prepare_cached("UPDATE tokens SET successor = ?2 WHERE hash = ?1")?
                .execute([old.0, next.0])?;
            Rotation::Rotated { account, session }
        }
        Some((account, session, Some(successor)))
            if successor == next.0 && is_unused(&transaction, next)? =>
        {
            Rotation::Again { account, session }
        }
        Some((_, session, Some(_))) => {
            delete_session(&transaction, session)?;
            Rotation::Replayed(session)
        }
    };
    transaction.commit()?;
    Ok(rotation)
}

fn is_unused(connection: &Connection, token: TokenHash) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM tokens WHERE hash = ?1 AND successor IS NULL)")?
        .query_row([token.0], |row| row.get(0))
}

pub(super) fn revoke(connection: &mut Connection, session: SessionId) -> rusqlite::Result<()> {
    delete_session(connection, session)
}

fn delete_session(connection: &Connection, session: SessionId) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM tokens WHERE session = ?1")?
        .execute([session.0.as_bytes()])
        .map(drop)
}
