//! Pages of channels, people and connections, each in a fixed order, and who one of the people is.
//!
//! Invariant: a page has at most `LIST_ROWS_MAX` rows, and names nothing that the asking account may not know of.

use std::ops::Bound;

use mechat_protocol::limits::LIST_ROWS_MAX;
use mechat_protocol::reply::{
    ChannelPage, ConnectionPage, ConnectionRow, ConnectionState, ParticipantPage, Profile,
};
use mechat_protocol::request::{ListChannels, ListConnections, ListParticipants, ReadProfile};
use mechat_protocol::{ErrorCode, RuleBroken};

use crate::authorize::{Action, authorize, broken};
use crate::connection::Phase;
use crate::hub::Hub;
use crate::{ConnId, Effect, Effects};

impl Hub {
    pub(crate) fn list_channels(
        &self,
        conn: ConnId,
        list: &ListChannels,
        effects: &mut Effects,
    ) -> Result<(), RuleBroken> {
        let (actor, account) = self.actor(conn);
        authorize(actor, Action::ListChannels)?;
        let account = account.and_then(|id| self.accounts.get(&id));
        let mut rows = self
            .channel_names
            .range::<str, _>(after(list.after.as_ref().map(|name| name.key().folded).as_deref()))
            .filter_map(|(_, id)| self.channels.get(id))
            .filter_map(|channel| {
                let marks = account.and_then(|account| account.channels.get(&channel.record.id)).copied();
                let kind = channel.record.kind;
                authorize(actor, Action::SeeChannel { kind, member: marks.is_some() }).ok()?;
                Some(channel.info(marks))
            });
        let channels = rows.by_ref().take(LIST_ROWS_MAX).collect();
        let more = rows.next().is_some();
        effects.push(Effect::Send { conn, message: ChannelPage { id: list.id, channels, more }.into() });
        Ok(())
    }

    pub(crate) fn list_participants(
        &self,
        conn: ConnId,
        list: &ListParticipants,
        effects: &mut Effects,
    ) -> Result<(), RuleBroken> {
        let people = match list.channel {
            None => {
                let before_sign_in = self.config.participants_before_sign_in;
                authorize(self.actor(conn).0, Action::SeePeople { before_sign_in })?;
                &self.people
            }
            Some(channel) => {
                self.member(conn, channel)?;
                match self.channels.get(&channel) {
                    Some(channel) => &channel.members,
                    None => return Err(crate::authorize::no_such_channel()),
                }
            }
        };
        let after_name = list.after.as_ref().map(|name| name.key().folded);
        let mut rows = people.range::<str, _>(after(after_name.as_deref()));
        let page = rows.by_ref().take(LIST_ROWS_MAX).filter_map(|(_, account)| self.participant(*account));
        let participants = page.collect();
        let more = rows.next().is_some();
        effects
            .push(Effect::Send { conn, message: ParticipantPage { id: list.id, participants, more }.into() });
        Ok(())
    }

    pub(crate) fn read_profile(
        &self,
        conn: ConnId,
        read: &ReadProfile,
        effects: &mut Effects,
    ) -> Result<(), RuleBroken> {
        authorize(self.actor(conn).0, Action::SeePeople { before_sign_in: false })?;
        let found = self.people.get(&read.account.key().folded).and_then(|id| self.accounts.get(id));
        let record = &found.ok_or_else(no_such_account)?.record;
        let profile = Profile {
            id: read.id,
            account: record.name.clone(),
            registered_ms: record.created,
            admin: record.admin,
            presence: self.presence.of(record.id),
        };
        effects.push(Effect::Send { conn, message: profile.into() });
        Ok(())
    }

    pub(crate) fn list_connections(
        &self,
        conn: ConnId,
        list: &ListConnections,
        effects: &mut Effects,
    ) -> Result<(), RuleBroken> {
        authorize(self.actor(conn).0, Action::SeeConnections)?;
        let mut rows: Vec<ConnectionRow> = self.pending_rows().chain(self.session_rows()).collect();
        rows.retain(|row| list.after.is_none_or(|after| row.row > after));
        rows.sort_unstable_by_key(|row| row.row);
        let more = rows.len() > LIST_ROWS_MAX;
        rows.truncate(LIST_ROWS_MAX);
        effects.push(Effect::Send {
            conn,
            message: ConnectionPage { id: list.id, connections: rows, more }.into(),
        });
        Ok(())
    }

    fn pending_rows(&self) -> impl Iterator<Item = ConnectionRow> {
        let pending = self.connections.iter().filter(|(_, c)| !matches!(c.phase, Phase::Connected(_)));
        pending.map(|(conn, connection)| ConnectionRow {
            row: conn.0,
            state: ConnectionState::Pending,
            account: None,
            session: None,
            address: connection.address.clone(),
            since_ms: connection.since,
        })
    }

    fn session_rows(&self) -> impl Iterator<Item = ConnectionRow> {
        self.sessions.iter().map(|(session, row)| ConnectionRow {
            row: row.conn.0,
            state: if row.connected { ConnectionState::Connected } else { ConnectionState::Disconnected },
            account: self.accounts.get(&row.account).map(|account| account.record.name.clone()),
            session: Some(*session),
            address: row.address.clone(),
            since_ms: row.since,
        })
    }
}

fn no_such_account() -> RuleBroken {
    broken(ErrorCode::NoSuchAccount, "nobody has this name: list_participants shows who there is")
}

fn after(name: Option<&str>) -> (Bound<&str>, Bound<&str>) {
    (name.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)
}
