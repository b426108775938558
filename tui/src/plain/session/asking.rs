//! What the relay is asked: lists, history, searches, threads, people.
//!
//! Invariant: one question at a time; what comes for another one is not written.

use mechat_client::{Command, RequestKind};
use mechat_protocol::reply::{ChannelInfo, ConnectionRow, ErrorReply, Found, Participant, Posts, Profile};
use mechat_protocol::request::{ChannelKind, HistoryRange, Query, Selection};
use mechat_protocol::{AccountName, ChannelId, ChannelName, Entry, ErrorCode, Invite, Seq};

use super::reading::is_said;
use super::{NO_CHANNEL, Output, Outputs, Session, error, out, state};
use crate::plain::command::{Scope, Which};
use crate::plain::format;

/// What the relay was asked and has not answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    Resume,
    SignIn,
    SignOut,
    Join(ChannelName),
    Leave,
    Channels,
    Participants,
    Connections,
    History {
        channel: ChannelId,
        wanted: usize,
        messages: Vec<Entry>,
        first: Option<Seq>,
    },
    Search {
        ticket: u64,
    },
    /// The message that a thread begins with.
    Root {
        channel: ChannelId,
        seq: Seq,
    },
    Posts {
        ticket: u64,
        channel: ChannelId,
        which: Selection,
        written: bool,
    },
    Profile {
        ticket: u64,
        account: AccountName,
    },
}

/// What was searched for last.
#[derive(Debug)]
pub(super) struct Searched {
    query: Query,
    channel: Option<ChannelId>,
    /// Where the next page begins.
    next: Option<u64>,
}

impl Session {
    pub(super) fn ask(&mut self, waiting: Waiting, command: Command) -> Outputs {
        self.waiting = Some(waiting);
        vec![Output::Client(command)]
    }

    fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    fn answer(&mut self, asked: &Waiting, lines: impl FnOnce() -> Vec<String>) -> Outputs {
        if self.waiting.as_ref() != Some(asked) {
            return Vec::new();
        }
        self.waiting = None;
        out(lines()).collect()
    }

    pub(super) fn connect(&mut self, name: ChannelName) -> Outputs {
        if let Some(id) = self.channel_named(&name) {
            return self.go_to(id);
        }
        // What is typed next is meant for the new channel: it must not go to the old one if there is none.
        self.current = None;
        self.ask(Waiting::Join(name.clone()), Command::Join(name))
    }

    pub(super) fn create(&mut self, name: ChannelName) -> Outputs {
        let create = Command::CreateChannel { name: name.clone(), kind: ChannelKind::Public };
        self.ask(Waiting::Join(name), create)
    }

    pub(super) fn disconnect(&mut self, name: Option<ChannelName>) -> Outputs {
        let id = name.as_ref().map_or(self.current, |name| self.channel_named(name));
        match (id, name) {
            (Some(id), _) => self.ask(Waiting::Leave, Command::Leave(id)),
            (None, Some(name)) => {
                vec![error(format!("not in #{name}; unread and list channels show channels"))]
            }
            (None, None) => vec![error(NO_CHANNEL)],
        }
    }

    pub(super) fn listed(&mut self, known: &[ChannelInfo]) -> Outputs {
        let gone = known
            .iter()
            .filter(|info| !info.joined)
            .filter_map(|info| self.channels.remove_entry(&info.channel));
        let gone: Vec<ChannelId> = gone.map(|(id, _)| id).collect();
        self.current = self.current.filter(|current| !gone.contains(current));
        if self.waiting == Some(Waiting::SignIn) {
            self.waiting = None;
            return self.settle_in(known);
        }
        let zone = self.zone.clone();
        self.answer(&Waiting::Channels, || format::sessions(known, &zone))
    }

    pub(super) fn participants(&mut self, participants: &[Participant]) -> Outputs {
        self.answer(&Waiting::Participants, || format::participants(participants))
    }

    pub(super) fn connections(&mut self, rows: &[ConnectionRow]) -> Outputs {
        let zone = self.zone.clone();
        self.answer(&Waiting::Connections, || format::connections(rows, &zone))
    }

    pub(super) fn history(&mut self, wanted: usize) -> Outputs {
        let Some(channel) = self.current else { return vec![error(NO_CHANNEL)] };
        let waiting = Waiting::History { channel, wanted, messages: Vec::new(), first: None };
        self.ask(waiting, Command::ReadHistory { channel, range: HistoryRange::Latest })
    }

    /// A page: of the backlog, of history, or the beginning of a thread.
    pub(super) fn paged(
        &mut self,
        id: ChannelId,
        range: HistoryRange,
        entries: Vec<Entry>,
        more: bool,
    ) -> Outputs {
        match (&self.waiting, range) {
            (Some(Waiting::Root { channel, seq }), HistoryRange::After { seq: after })
                if *channel == id && after.next() == *seq =>
            {
                let seq = *seq;
                self.root(id, seq, &entries)
            }
            (_, HistoryRange::After { seq }) => self.read_page(id, seq, &entries),
            (_, HistoryRange::Latest | HistoryRange::Before { .. }) => self.collect(id, entries, more),
        }
    }

    /// Collects pages from the newest back until there is enough, then writes them in order.
    fn collect(&mut self, id: ChannelId, entries: Vec<Entry>, more: bool) -> Outputs {
        let Some(Waiting::History { channel, wanted, messages, first }) = &mut self.waiting else {
            return Vec::new();
        };
        if *channel != id {
            return Vec::new();
        }
        let before = *first;
        let mut page: Vec<Entry> =
            entries.into_iter().filter(|entry| before.is_none_or(|first| entry.seq < first)).collect();
        let oldest = page.first().map(|entry| entry.seq);
        page.retain(is_said);
        page.append(messages);
        *messages = page;
        if let (true, Some(seq)) = (more && messages.len() < *wanted, oldest) {
            *first = Some(seq);
            return vec![Output::Client(Command::ReadHistory {
                channel: id,
                range: HistoryRange::Before { seq },
            })];
        }
        let surplus = messages.len().saturating_sub(*wanted);
        let messages = messages.split_off(surplus);
        self.waiting = None;
        self.lines_of(id, &messages)
    }

    /// Messages of a channel, as they are now.
    fn lines_of(&mut self, id: ChannelId, entries: &[Entry]) -> Outputs {
        let Some(channel) = self.channels.get_mut(&id) else { return Vec::new() };
        for entry in entries {
            channel.remember(entry);
        }
        let lines = entries.iter().flat_map(|entry| format::entry(entry, channel.about(entry), &self.zone));
        out(lines.collect()).collect()
    }

    pub(super) fn pins(&mut self) -> Outputs {
        self.current
            .map_or_else(|| vec![error(NO_CHANNEL)], |id| self.list_posts(id, Selection::Pinned, None, false))
    }

    pub(super) fn thread(&mut self, which: Which) -> Outputs {
        let (Some(channel), Ok(seq)) = (self.current, self.named(which, false)) else {
            return vec![error(self.named(which, false).err().unwrap_or_else(|| NO_CHANNEL.to_owned()))];
        };
        let range = HistoryRange::After { seq: Seq(seq.0 - 1) };
        self.ask(Waiting::Root { channel, seq }, Command::ReadHistory { channel, range })
    }

    fn root(&mut self, id: ChannelId, seq: Seq, entries: &[Entry]) -> Outputs {
        self.waiting = None;
        let root = entries.first().filter(|entry| entry.seq == seq && is_said(entry)).cloned();
        let Some(root) = root else {
            return vec![error(format!("#{} is no message of this channel, or was deleted", seq.0))];
        };
        let mut outputs = self.lines_of(id, &[root]);
        outputs.extend(self.list_posts(id, Selection::Replies { seq }, None, true));
        outputs
    }

    fn list_posts(
        &mut self,
        channel: ChannelId,
        which: Selection,
        after: Option<Seq>,
        written: bool,
    ) -> Outputs {
        let ticket = self.ticket();
        let waiting = Waiting::Posts { ticket, channel, which, written };
        self.ask(waiting, Command::ListPosts { ticket, channel, which, after })
    }

    pub(super) fn posts(&mut self, ticket: u64, result: Result<Posts, ErrorReply>) -> Outputs {
        let Some(Waiting::Posts { ticket: asked, channel, which, written }) = &self.waiting else {
            return Vec::new();
        };
        let (channel, which, written) = (*channel, *which, *written);
        if *asked != ticket {
            return Vec::new();
        }
        self.waiting = None;
        let Posts { entries, more, .. } = match result {
            Ok(posts) => posts,
            Err(reply) => return vec![error(&reply.message)],
        };
        let mut outputs = self.lines_of(channel, &entries);
        match entries.last() {
            Some(last) if more => outputs.extend(self.list_posts(channel, which, Some(last.seq), true)),
            None if which == Selection::Pinned && !written => {
                outputs.push(state("nothing is pinned here; pin N pins a message"));
            }
            _ => {}
        }
        outputs
    }

    pub(super) fn search(&mut self, query: Query, scope: Scope) -> Outputs {
        let channel = match scope {
            Scope::Everywhere => None,
            Scope::Here if self.current.is_none() => return vec![error(NO_CHANNEL)],
            Scope::Here => self.current,
            Scope::In(name) => match self.channel_named(&name) {
                Some(id) => Some(id),
                None => return vec![error(format!("not in #{name}; only what one is in is searched"))],
            },
        };
        self.searched = Some(Searched { query: query.clone(), channel, next: None });
        self.ask_search(query, channel, None)
    }

    fn ask_search(&mut self, query: Query, channel: Option<ChannelId>, after: Option<u64>) -> Outputs {
        let ticket = self.ticket();
        self.ask(Waiting::Search { ticket }, Command::Search { ticket, query, channel, after })
    }

    pub(super) fn more(&mut self) -> Outputs {
        let Some(searched) = &self.searched else {
            return vec![error("nothing was searched for; /search WORDS does")];
        };
        let Some(next) = searched.next else { return vec![state("nothing more was found")] };
        let (query, channel) = (searched.query.clone(), searched.channel);
        self.ask_search(query, channel, Some(next))
    }

    pub(super) fn found(&mut self, ticket: u64, result: Result<Found, ErrorReply>) -> Outputs {
        if self.waiting != Some(Waiting::Search { ticket }) {
            return Vec::new();
        }
        self.waiting = None;
        let found = match result {
            Ok(found) => found,
            Err(reply) => return vec![error(format!("the search was refused: {}", reply.message))],
        };
        if let Some(searched) = &mut self.searched {
            searched.next = found.next;
        }
        if found.entries.is_empty() {
            return vec![state("nothing was found")];
        }
        let mut outputs = Vec::new();
        for entry in &found.entries {
            let channel = self.channels.get(&entry.channel);
            let name = channel.map_or("?", |channel| channel.name.as_str());
            let about = channel.and_then(|channel| channel.about(entry));
            outputs.extend(out(format::found(entry, name, about, &self.zone)));
        }
        if found.next.is_some() {
            outputs.push(state("there is more; more writes it"));
        }
        outputs
    }

    pub(super) fn profile(&mut self, account: AccountName) -> Outputs {
        let ticket = self.ticket();
        let waiting = Waiting::Profile { ticket, account: account.clone() };
        self.ask(waiting, Command::ReadProfile { ticket, account })
    }

    pub(super) fn on_profile(&mut self, ticket: u64, result: Result<Profile, ErrorReply>) -> Outputs {
        let Some(Waiting::Profile { ticket: asked, account }) = &self.waiting else { return Vec::new() };
        if *asked != ticket {
            return Vec::new();
        }
        let account = account.clone();
        self.waiting = None;
        match result {
            Ok(profile) => vec![Output::Out(format::profile(&profile, &self.zone))],
            Err(reply) => {
                vec![error(format!("@{account}: {}; list users shows who there is", reply.message))]
            }
        }
    }

    pub(super) fn invite(&self) -> Outputs {
        let channel = self.here().map(|channel| channel.name.clone());
        let invite = Invite {
            address: self.target.address.clone(),
            fingerprint: self.fingerprint,
            channel,
            code: None,
        };
        vec![Output::Out(invite.to_string())]
    }

    pub(super) fn refused(&mut self, request: RequestKind, reply: &ErrorReply) -> Outputs {
        if request == RequestKind::Resume {
            return self.resume_refused(reply);
        }
        if request == RequestKind::Mark {
            return vec![error(format!("the mark was refused: {}", reply.message))];
        }
        let pages = matches!(self.waiting, Some(Waiting::History { .. } | Waiting::Root { .. }));
        if request == RequestKind::ReadHistory && !pages {
            let words = format!("what is unread could not be read: {}; next tries again", reply.message);
            return self.reading_failed().then(|| state(words)).into_iter().collect();
        }
        let waited = self.waiting.take();
        let wait = reply.retry_after_ms.map(|ms| format!("; wait {} s, then try again", ms.div_ceil(1_000)));
        let message = format!("{}{}", reply.message, wait.unwrap_or_default());
        vec![error(match (reply.code, waited) {
            (ErrorCode::InvalidCredentials, _) => {
                "the name or the password is wrong; login NAME tries again".to_owned()
            }
            (ErrorCode::NameTaken, _) => {
                format!("{message}; if it is yours, login NAME signs in, else take another name")
            }
            (ErrorCode::NoSuchChannel, Some(Waiting::Join(name))) => {
                format!("no channel #{name}; list channels shows what there is, create {name} makes it")
            }
            (ErrorCode::ChannelExists, Some(Waiting::Join(name))) => {
                format!("a channel #{name} exists already; join {name} joins it")
            }
            (ErrorCode::Unauthenticated, _) => "not signed in; login NAME, or new NAME".to_owned(),
            _ => message,
        })]
    }
}
