//! Values as SQLite has them: signed numbers, text for enums, blobs for the rest.
//!
//! A value that cannot be read back is an error of the database, never a guess.

use mechat_protocol::name::NameKey;
use mechat_protocol::request::{ChannelKind, Level};
use mechat_protocol::{AccountName, ChannelName, RuleBroken, Seq, SessionId, Topic};
use rusqlite::types::Type;
use rusqlite::{Row, ToSql};

/// Numbers are assigned by this database from 1 up, far below 2^63.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(index)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(index, value))
}

pub(super) fn unsigned32(row: &Row<'_>, index: usize) -> rusqlite::Result<u32> {
    let value: i64 = row.get(index)?;
    u32::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(index, value))
}

pub(super) fn seq(row: &Row<'_>, index: usize) -> rusqlite::Result<Seq> {
    unsigned(row, index).map(Seq)
}

pub(super) fn account_name(row: &Row<'_>, index: usize) -> rusqlite::Result<AccountName> {
    AccountName::new(&row.get::<_, String>(index)?).map_err(|error| invalid_text(index, error))
}

pub(super) fn channel_name(row: &Row<'_>, index: usize) -> rusqlite::Result<ChannelName> {
    ChannelName::new(&row.get::<_, String>(index)?).map_err(|error| invalid_text(index, error))
}

pub(super) fn topic(row: &Row<'_>, index: usize) -> rusqlite::Result<Topic> {
    Topic::new(row.get(index)?).map_err(|error| invalid_text(index, error))
}

fn invalid_text(index: usize, error: RuleBroken) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error))
}

pub(super) fn blob<T: serde::de::DeserializeOwned>(row: &Row<'_>, index: usize) -> rusqlite::Result<T> {
    let bytes = row.get_ref(index)?.as_blob()?;
    rmp_serde::from_slice(bytes)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(index, Type::Blob, Box::new(error)))
}

pub(super) fn kind_text(kind: ChannelKind) -> &'static str {
    match kind {
        ChannelKind::Public => "public",
        ChannelKind::Private => "private",
        ChannelKind::Direct => "direct",
        ChannelKind::Unknown => "unknown",
    }
}

pub(super) fn kind(row: &Row<'_>, index: usize) -> rusqlite::Result<ChannelKind> {
    Ok(match row.get_ref(index)?.as_str()? {
        "public" => ChannelKind::Public,
        "private" => ChannelKind::Private,
        "direct" => ChannelKind::Direct,
        // Like a private channel of others: nobody gets in by mistake.
        _ => ChannelKind::Unknown,
    })
}

pub(super) fn level_text(level: Level) -> &'static str {
    match level {
        Level::Mentions => "mentions",
        Level::None => "none",
        Level::All | Level::Unknown => "all",
    }
}

pub(super) fn level(row: &Row<'_>, index: usize) -> rusqlite::Result<Level> {
    Ok(match row.get_ref(index)?.as_str()? {
        "mentions" => Level::Mentions,
        "none" => Level::None,
        // To be told too much is the smaller mistake.
        _ => Level::All,
    })
}

pub(super) fn session(row: &Row<'_>, index: usize) -> rusqlite::Result<SessionId> {
    row.get::<_, [u8; 16]>(index).map(|bytes| SessionId(uuid::Uuid::from_bytes(bytes)))
}

pub(super) fn key_params(key: &NameKey) -> [&dyn ToSql; 2] {
    [&key.folded, &key.skeleton]
}
