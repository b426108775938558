//! Who is there when a measurement begins, and the storage that knows them.
//!
//! To register thousands by their passwords would take hours of Argon2id, so accounts, tokens, channels and memberships are
//! written through the relay's own storage before it starts. What is measured afterwards is the relay as it is.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, ensure};
use clap::Args;
use mechat_protocol::request::ChannelKind;
use mechat_protocol::{AccountId, Body, ChannelId, Content, Nonce, SessionId, UnixMillis};
use mechat_relay::credentials::{Credentials, KeysExpected};
use mechat_relay::storage::{NewAccount, NewToken, Storage, TokenHash, Write, Written};
use uuid::Uuid;

use crate::people;

/// Writes of one prepared batch.
const BATCH_LEN: usize = 4_096;
/// The OPAQUE record of those who never log in by password.
const NO_CREDENTIAL: &[u8] = &[];
/// The end of all tokens, far away.
const EXPIRES: UnixMillis = UnixMillis(i64::MAX);
/// Milliseconds since 1970 of the first prepared write; any would do.
const BEGAN_MS: i64 = 1_700_000_000_000;

/// Accounts, channels and who is where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub(crate) struct Population {
    /// Accounts.
    #[arg(long, default_value_t = 1)]
    pub(crate) accounts: u64,
    /// Sessions, each with a token: session n is of account n modulo accounts.
    #[arg(long, default_value_t = 1)]
    pub(crate) sessions: u64,
    /// Channels.
    #[arg(long, default_value_t = 1)]
    pub(crate) channels: u64,
    /// Channels of one account.
    #[arg(long, default_value_t = 1)]
    pub(crate) per_account: u64,
    /// So many of the first accounts are in one more channel, besides.
    #[arg(long, default_value_t = 0)]
    pub(crate) besides: u64,
    /// Entries that the first channel already has.
    #[arg(long, default_value_t = 0)]
    pub(crate) history: u64,
}

impl Population {
    /// So many accounts with a session each, spread over so many channels, each in one.
    pub(crate) const fn spread(accounts: u64, channels: u64) -> Self {
        Self { accounts, sessions: accounts, channels, per_account: 1, besides: 0, history: 0 }
    }

    /// The account of a session.
    pub(crate) const fn account_of(&self, session: u64) -> u64 {
        session % self.accounts
    }

    /// The channels of an account, the first one first.
    pub(crate) fn channels_of(&self, account: u64) -> impl Iterator<Item = u64> + use<> {
        let Self { channels, per_account, besides, .. } = *self;
        let besides = (account < besides).then_some(channels);
        (0..per_account.min(channels)).map(move |n| (account * per_account + n) % channels).chain(besides)
    }

    /// As arguments of a command.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let Self { accounts, sessions, channels, per_account, besides, history } = self;
        vec![
            format!("--accounts={accounts}"),
            format!("--sessions={sessions}"),
            format!("--channels={channels}"),
            format!("--per-account={per_account}"),
            format!("--besides={besides}"),
            format!("--history={history}"),
        ]
    }

    /// Writes it into an empty storage, and the relay's keys into its directory; a storage that has accounts is left as it is.
    pub(crate) async fn settle(&self, storage: &Arc<dyn Storage>, directory: &Path) -> anyhow::Result<()> {
        if !storage.load().await?.accounts.is_empty() {
            return Ok(());
        }
        // A relay that finds accounts wants the keys that they were made with.
        Credentials::open(directory, KeysExpected { present: false }, Arc::clone(storage))?;
        let ids = self.make_accounts(storage.as_ref()).await?;
        self.make_sessions(storage.as_ref(), &ids).await?;
        let channels = self.make_channels(storage.as_ref()).await?;
        self.make_members(storage.as_ref(), &ids, &channels).await?;
        self.make_history(storage.as_ref(), &ids, &channels).await
    }

    async fn make_accounts(&self, storage: &dyn Storage) -> anyhow::Result<Vec<AccountId>> {
        let accounts = (0..self.accounts).map(|number| {
            let (name, credential) = (people::account(number), NO_CREDENTIAL.to_vec());
            Write::CreateAccount(NewAccount { name, credential, at: UnixMillis(BEGAN_MS) })
        });
        let mut ids = Vec::new();
        commit_all(storage, accounts, |written| {
            if let Written::Account(row) = written {
                ids.push(row.id);
            }
        })
        .await?;
        ensure!(ids.len() as u64 == self.accounts, "some accounts were refused");
        Ok(ids)
    }

    async fn make_sessions(&self, storage: &dyn Storage, ids: &[AccountId]) -> anyhow::Result<()> {
        let account_of = |number| Ok::<_, anyhow::Error>(ids[usize::try_from(self.account_of(number))?]);
        let accounts = (0..self.sessions).map(account_of).collect::<Result<Vec<_>, _>>()?;
        let sessions = (0..).zip(accounts).map(|(number, account)| {
            let hash = TokenHash::of(people::token(number).as_bytes());
            let session = SessionId(Uuid::new_v4());
            Write::InsertToken(NewToken { hash, account, session, expires: EXPIRES })
        });
        commit_all(storage, sessions, |_| {}).await
    }

    async fn make_channels(&self, storage: &dyn Storage) -> anyhow::Result<Vec<ChannelId>> {
        let mut channels = Vec::new();
        let number = self.channels + u64::from(self.besides > 0);
        let writes = (0..number).map(|number| Write::CreateChannel {
            name: people::channel(number),
            kind: ChannelKind::Public,
            host: None,
            at: UnixMillis(BEGAN_MS),
        });
        commit_all(storage, writes, |written| {
            if let Written::Channel(row, _) = written {
                channels.push(row.id);
            }
        })
        .await?;
        ensure!(channels.len() as u64 == number, "some channels were not made");
        Ok(channels)
    }

    async fn make_members(
        &self,
        storage: &dyn Storage,
        ids: &[AccountId],
        channels: &[ChannelId],
    ) -> anyhow::Result<()> {
        let members = (0..).zip(ids).flat_map(|(account, id)| {
            self.channels_of(account).map(move |channel| Write::Append {
                channel: channels[usize::try_from(channel).expect("a number of channels that fit in memory")],
                sender: *id,
                sender_name: people::account(account),
                nonce: None,
                at: UnixMillis(BEGAN_MS),
                body: Body::Joined,
                moderates: false,
            })
        });
        commit_all(storage, members, |_| {}).await
    }

    async fn make_history(
        &self,
        storage: &dyn Storage,
        ids: &[AccountId],
        channels: &[ChannelId],
    ) -> anyhow::Result<()> {
        let (Some(id), Some(channel)) = (ids.first(), channels.first()) else { return Ok(()) };
        let content = Content::text("word ".repeat(20)).context("a text of 100 bytes")?;
        let said = (0..self.history).map(|_| Write::Append {
            channel: *channel,
            sender: *id,
            sender_name: people::account(0),
            nonce: Some(Nonce(Uuid::now_v7())),
            at: UnixMillis(BEGAN_MS),
            body: Body::said(content.clone(), None),
            moderates: false,
        });
        commit_all(storage, said, |_| {}).await
    }
}

async fn commit_all(
    storage: &dyn Storage,
    mut writes: impl Iterator<Item = Write>,
    mut outcome: impl FnMut(Written),
) -> anyhow::Result<()> {
    loop {
        let batch: Vec<Write> = writes.by_ref().take(BATCH_LEN).collect();
        if batch.is_empty() {
            return Ok(());
        }
        storage.commit(batch).await?.into_iter().for_each(&mut outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_their_channels() {
        let population =
            Population { accounts: 6, sessions: 12, channels: 4, per_account: 2, besides: 1, history: 0 };
        let channels = |account| population.channels_of(account).collect::<Vec<_>>();
        assert_eq!((channels(0), channels(1), channels(2)), (vec![0, 1, 4], vec![2, 3], vec![0, 1]));
        assert_eq!(population.account_of(7), 1);
        assert_eq!(Population::spread(10, 1).channels_of(9).collect::<Vec<_>>(), [0]);
    }

    #[tokio::test]
    async fn it_is_written_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let storage: Arc<dyn Storage> = Arc::new(mechat_relay::storage::MemoryStorage::default());
        let population =
            Population { accounts: 3, sessions: 3, channels: 2, per_account: 1, besides: 0, history: 10 };
        for _ in 0..2 {
            population.settle(&storage, directory.path()).await.expect("settles");
            let contents = storage.load().await.expect("loads");
            assert_eq!((contents.accounts.len(), contents.members.len()), (3, 3));
            let heads: Vec<u64> = contents.channels.iter().map(|channel| channel.head.0).collect();
            assert_eq!(heads, [12, 1], "two joins and the history, and one join");
        }
    }
}
