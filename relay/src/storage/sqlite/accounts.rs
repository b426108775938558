//! Accounts, their credentials, and what a relay loads when it starts.

use std::collections::HashMap;

use mechat_protocol::name::NameKey;
use mechat_protocol::reply::Marks;
use mechat_protocol::{AccountId, AccountName, ChannelId, Epoch, UnixMillis};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::columns::{
    account_name, channel_name, key_params, kind, level, seq, signed, topic, unsigned, unsigned32,
};
use crate::storage::{
    AccountRow, ChannelRow, Contents, Credential, MemberRow, NameState, NewAccount, Written,
};

/// What a start reads. Nothing of it grows with what is said.
pub(super) const LOADING: [&str; 3] = [
    "SELECT id, name, admin, created_ms FROM accounts",
    "SELECT id, name, kind, host, created_ms, epoch, head, topic FROM channels",
    "SELECT m.channel, m.account, iif(m.epoch = c.epoch, m.read, 0), m.level \
     FROM members m JOIN channels c ON c.id = m.channel",
];

pub(super) fn load(connection: &Connection) -> rusqlite::Result<Contents> {
    let [accounts, channels, members] = LOADING;
    Ok(Contents {
        accounts: rows(connection, accounts, account)?,
        channels: rows(connection, channels, channel)?,
        members: rows(connection, members, member)?,
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
    Ok(AccountRow {
        id: AccountId(unsigned(row, 0)?),
        name: account_name(row, 1)?,
        admin: row.get(2)?,
        created: UnixMillis(row.get(3)?),
    })
}

fn member(row: &Row<'_>) -> rusqlite::Result<MemberRow> {
    Ok(MemberRow {
        channel: ChannelId(unsigned(row, 0)?),
        account: AccountId(unsigned(row, 1)?),
        marks: Marks { read: seq(row, 2)?, level: level(row, 3)? },
    })
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
        topic: topic(row, 7)?,
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

pub(super) fn create(connection: &Connection, account: NewAccount) -> rusqlite::Result<Written> {
    let key = account.name.key();
    let state = name_state(connection, &key)?;
    if state != NameState::Free {
        return Ok(Written::NameRefused(state));
    }
    let admin: bool = connection
        .prepare_cached("SELECT NOT EXISTS (SELECT 1 FROM accounts)")?
        .query_row([], |row| row.get(0))?;
    let NewAccount { name, credential, at } = account;
    let id = connection
        .prepare_cached(
            "INSERT INTO accounts (name, folded, skeleton, credential, admin, created_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id",
        )?
        .query_row(params![name.as_str(), key.folded, key.skeleton, credential, admin, at.0], |row| {
            unsigned(row, 0)
        })?;
    Ok(Written::Account(AccountRow { id: AccountId(id), name, admin, created: at }))
}

pub(super) fn credential(connection: &Connection, folded: &str) -> rusqlite::Result<Option<Credential>> {
    connection
        .prepare_cached("SELECT id, credential FROM accounts WHERE folded = ?1")?
        .query_row([folded], |row| {
            Ok(Credential { account: AccountId(unsigned(row, 0)?), record: row.get(1)? })
        })
        .optional()
}

/// Names that were read before: they never change, and to check one again takes longer than to read an entry.
/// At most as many as there are accounts, which the relay holds in memory anyway.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<AccountId, AccountName>);

impl Names {
    pub(super) fn of(
        &mut self,
        connection: &Connection,
        account: AccountId,
    ) -> rusqlite::Result<AccountName> {
        if let Some(name) = self.0.get(&account) {
            return Ok(name.clone());
        }
        let name = connection
            .prepare_cached("SELECT name FROM accounts WHERE id = ?1")?
            .query_row([signed(account.0)], |row| account_name(row, 0))?;
        self.0.insert(account, name.clone());
        Ok(name)
    }
}
