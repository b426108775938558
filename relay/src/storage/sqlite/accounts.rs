//! Accounts, their credentials, and what a relay loads when it starts.

use mechat_protocol::name::NameKey;
use mechat_protocol::{AccountId, ChannelId, Epoch, UnixMillis};
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use super::columns::{account_name, channel_name, key_params, kind, seq, unsigned, unsigned32};
use crate::storage::{AccountCreated, AccountRow, ChannelRow, Contents, Credential, NameState, NewAccount};

pub(super) fn load(connection: &Connection) -> rusqlite::Result<Contents> {
    Ok(Contents {
        accounts: rows(connection, "SELECT id, name, admin FROM accounts", account)?,
        channels: rows(
            connection,
            "SELECT id, name, kind, host, created_ms, epoch, head FROM channels",
            channel,
        )?,
        members: rows(connection, "SELECT channel, account FROM members", |row| {
            Ok((ChannelId(unsigned(row, 0)?), AccountId(unsigned(row, 1)?)))
        })?,
    })
}

fn rows<T>(
    connection: &Connection,
    query: &str,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare_cached(query)?.query_map([], read)?.collect()
}

fn account(row: &Row<'_>) -> rusqlite::Result<AccountRow> {
    Ok(AccountRow { id: AccountId(unsigned(row, 0)?), name: account_name(row, 1)?, admin: row.get(2)? })
}

pub(super) fn channel(row: &Row<'_>) -> rusqlite::Result<ChannelRow> {
    let host: Option<i64> = row.get(3)?;
    Ok(ChannelRow {
        id: ChannelId(unsigned(row, 0)?),
        name: channel_name(row, 1)?,
        kind: kind(row, 2)?,
        host: host.map(|_| unsigned(row, 3)).transpose()?.map(AccountId),
        created: UnixMillis(row.get(4)?),
        epoch: Epoch(unsigned32(row, 5)?),
        head: seq(row, 6)?,
    })
}

pub(super) fn name_state(connection: &Connection, key: &NameKey) -> rusqlite::Result<NameState> {
    let found: Option<bool> = connection
        .prepare_cached(
            "SELECT folded = ?1 FROM accounts WHERE folded = ?1 OR skeleton = ?2 ORDER BY folded = ?1 DESC",
        )?
        .query_row(&key_params(key)[..], |row| row.get(0))
        .optional()?;
    Ok(match found {
        None => NameState::Free,
        Some(true) => NameState::Taken,
        Some(false) => NameState::TooSimilar,
    })
}

pub(super) fn create(connection: &mut Connection, account: &NewAccount) -> rusqlite::Result<AccountCreated> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let key = account.name.key();
    let state = name_state(&transaction, &key)?;
    if state != NameState::Free {
        return Ok(AccountCreated::Refused(state));
    }
    let admin: bool =
        transaction.query_row("SELECT NOT EXISTS (SELECT 1 FROM accounts)", [], |row| row.get(0))?;
    transaction.execute(
        "INSERT INTO accounts (name, folded, skeleton, credential, admin, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![account.name.as_str(), key.folded, key.skeleton, account.credential, admin, account.at.0],
    )?;
    let id = transaction.query_row("SELECT last_insert_rowid()", [], |row| unsigned(row, 0))?;
    transaction.commit()?;
    Ok(AccountCreated::New(AccountRow { id: AccountId(id), name: account.name.clone(), admin }))
}

pub(super) fn credential(connection: &Connection, folded: &str) -> rusqlite::Result<Option<Credential>> {
    connection
        .prepare_cached("SELECT id, credential FROM accounts WHERE folded = ?1")?
        .query_row([folded], |row| {
            Ok(Credential { account: AccountId(unsigned(row, 0)?), record: row.get(1)? })
        })
        .optional()
}
