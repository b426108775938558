//! Channels and people: listings over all their pages, joins and leaves.

use mechat_protocol::limits::{CHANNELS_MAX, MEMBERS_PER_CHANNEL_MAX};
use mechat_protocol::message::Message;
use mechat_protocol::reply::{
    ChannelInfo, ChannelPage, ConnectionPage, ConnectionRow, Participant, ParticipantPage,
};
use mechat_protocol::request::{
    ChannelKind, CreateChannel, Join, Leave, ListChannels, ListConnections, ListParticipants,
};
use mechat_protocol::{ChannelId, ChannelName, RequestId};

use super::{Now, Output, Pending, Session};
use crate::event::Event;

/// Rows of one listing over all its pages; a relay that goes on beyond that is left.
const ROWS_MAX: usize = 262_144;
const _: () = assert!(ROWS_MAX > CHANNELS_MAX && ROWS_MAX > MEMBERS_PER_CHANNEL_MAX);

/// Channels of the pages so far.
#[derive(Debug, Default)]
pub(super) struct ChannelRows {
    /// By the user, and not by the client itself after a sign-in.
    pub(super) asked: bool,
    rows: Vec<ChannelInfo>,
}

/// People of the pages so far.
#[derive(Debug)]
pub(super) struct ParticipantRows {
    channel: Option<ChannelId>,
    rows: Vec<Participant>,
}

impl Session {
    pub(super) fn create_channel(
        &mut self,
        now: Now,
        name: ChannelName,
        kind: ChannelKind,
        outputs: &mut Vec<Output>,
    ) {
        self.user_request(
            now,
            Pending::Create,
            CreateChannel { id: RequestId(0), name, kind }.into(),
            outputs,
        );
    }

    pub(super) fn join(&mut self, now: Now, name: ChannelName, outputs: &mut Vec<Output>) {
        self.user_request(now, Pending::Join, Join { id: RequestId(0), name }.into(), outputs);
    }

    pub(super) fn leave(&mut self, now: Now, channel: ChannelId, outputs: &mut Vec<Output>) {
        self.user_request(now, Pending::Leave(channel), Leave { id: RequestId(0), channel }.into(), outputs);
    }

    pub(super) fn joined(&mut self, now: Now, info: &ChannelInfo, outputs: &mut Vec<Output>) {
        // Told again on purpose if it was known: the user asked for it.
        if self.timelines.get(&info.channel).is_some_and(|timeline| timeline.announced) {
            outputs.push(Output::Event(Event::Joined(info.clone())));
        }
        self.moved.insert(info.channel);
        self.follow(now, info, outputs);
    }

    pub(super) fn left(&mut self, channel: ChannelId, outputs: &mut Vec<Output>) {
        self.moved.insert(channel);
        if self.timelines.remove(&channel).is_some() {
            outputs.push(Output::Event(Event::Left(channel)));
        }
    }

    pub(super) fn list_channels(&mut self, now: Now, asked: bool, outputs: &mut Vec<Output>) {
        let rows = ChannelRows { asked, rows: Vec::new() };
        if !self.is_listing() {
            self.moved.clear();
            self.heard_of.clear();
        }
        self.user_request(now, Pending::Channels(rows), list_channels(None), outputs);
    }

    pub(super) fn is_listing(&self) -> bool {
        self.pending.values().any(|pending| matches!(pending, Pending::Channels(_)))
    }

    pub(super) fn channel_page(
        &mut self,
        now: Now,
        mut rows: ChannelRows,
        page: ChannelPage,
        outputs: &mut Vec<Output>,
    ) {
        let goes_on = page.more && !page.channels.is_empty();
        rows.rows.extend(page.channels);
        if rows.rows.len() > ROWS_MAX {
            return self.endless(now, outputs);
        }
        match rows.rows.last() {
            Some(last) if goes_on => {
                let next = list_channels(Some(last.name.clone()));
                self.user_request(now, Pending::Channels(rows), next, outputs);
            }
            _ => self.channels_listed(now, &rows.rows, outputs),
        }
    }

    fn channels_listed(&mut self, now: Now, channels: &[ChannelInfo], outputs: &mut Vec<Output>) {
        let gone: Vec<ChannelId> = self
            .timelines
            .keys()
            .filter(|known| !self.moved.contains(known))
            .filter(|known| !channels.iter().any(|info| info.joined && info.channel == **known))
            .copied()
            .collect();
        for channel in gone {
            self.left(channel, outputs);
        }
        outputs.push(Output::Event(Event::Channels(channels.to_vec())));
        // What moved since the listing began was told by its own reply, which is the newer word.
        let news: Vec<&ChannelInfo> =
            channels.iter().filter(|info| info.joined && !self.moved.contains(&info.channel)).collect();
        for info in news {
            self.follow(now, info, outputs);
        }
        self.open_outbox(outputs);
        // The last of several listings decides, since what moves meanwhile is noted until then.
        if !self.is_listing() && self.is_unsettled(channels) {
            self.list_channels(now, false, outputs);
        }
    }

    /// Whether something moved during the listing and it cannot be told which word is the newer one.
    fn is_unsettled(&self, channels: &[ChannelInfo]) -> bool {
        let listed = |channel| channels.iter().any(|info| info.joined && info.channel == channel);
        let known = |channel| self.timelines.contains_key(&channel);
        self.moved.iter().any(|channel| listed(*channel) != known(*channel))
            || self.heard_of.iter().any(|channel| !known(*channel))
    }

    pub(super) fn list_participants(
        &mut self,
        now: Now,
        channel: Option<ChannelId>,
        outputs: &mut Vec<Output>,
    ) {
        let pending = Pending::Participants(ParticipantRows { channel, rows: Vec::new() });
        let request = ListParticipants { id: RequestId(0), channel, after: None }.into();
        let open = self.welcome.as_ref().is_some_and(|welcome| welcome.participants_before_sign_in);
        if open && channel.is_none() {
            self.request(now, pending, request, outputs);
        } else {
            self.user_request(now, pending, request, outputs);
        }
    }

    pub(super) fn participant_page(
        &mut self,
        now: Now,
        mut rows: ParticipantRows,
        page: ParticipantPage,
        outputs: &mut Vec<Output>,
    ) {
        let goes_on = page.more && !page.participants.is_empty();
        rows.rows.extend(page.participants);
        if rows.rows.len() > ROWS_MAX {
            return self.endless(now, outputs);
        }
        let channel = rows.channel;
        match rows.rows.last() {
            Some(last) if goes_on => {
                let after = Some(last.account.clone());
                let request = ListParticipants { id: RequestId(0), channel, after };
                self.request(now, Pending::Participants(rows), request.into(), outputs);
            }
            _ => outputs.push(Output::Event(Event::Participants { channel, participants: rows.rows })),
        }
    }

    pub(super) fn list_connections(&mut self, now: Now, outputs: &mut Vec<Output>) {
        let request = ListConnections { id: RequestId(0), after: None };
        self.user_request(now, Pending::Connections(Vec::new()), request.into(), outputs);
    }

    pub(super) fn connection_page(
        &mut self,
        now: Now,
        mut rows: Vec<ConnectionRow>,
        page: ConnectionPage,
        outputs: &mut Vec<Output>,
    ) {
        let goes_on = page.more && !page.connections.is_empty();
        rows.extend(page.connections);
        if rows.len() > ROWS_MAX {
            return self.endless(now, outputs);
        }
        match rows.last() {
            Some(last) if goes_on => {
                let request = ListConnections { id: RequestId(0), after: Some(last.row) };
                self.user_request(now, Pending::Connections(rows), request.into(), outputs);
            }
            _ => outputs.push(Output::Event(Event::Connections(rows))),
        }
    }

    fn endless(&mut self, now: Now, outputs: &mut Vec<Output>) {
        outputs.push(Output::Disconnect);
        self.lost(now, "the relay's listing does not end", outputs);
    }
}

fn list_channels(after: Option<ChannelName>) -> Message {
    ListChannels { id: RequestId(0), after }.into()
}
