//! Requests in flight: what each reply is for, and the table of replies and refusals.
//!
//! Invariant: a request is answered to the user exactly once, by its reply or by the end of the connection.

use mechat_protocol::message::Message;
use mechat_protocol::reply::{ConnectionRow, ErrorReply};
use mechat_protocol::{ChannelId, Nonce, RequestId};

use super::logs::PageAsked;
use super::marks::Marking;
use super::{Now, Output, Session, cut, lists, refused};
use crate::event::{Event, RequestKind};

/// A request in flight, and what its reply is for.
#[derive(Debug)]
pub(super) enum Pending {
    Hello,
    Ping,
    /// A step of registration, login or resume.
    SignIn(RequestKind),
    Logout,
    Create,
    Join,
    Leave(ChannelId),
    Say(Nonce),
    Mark(ChannelId, Marking),
    Typing,
    Channels(lists::ChannelRows),
    Participants(lists::ParticipantRows),
    Connections(Vec<ConnectionRow>),
    /// A page that continues a timeline; whether it begins anew at the newest.
    Pull(ChannelId, bool),
    /// A page that the user asked for.
    History(PageAsked),
    Search(u64),
    Posts(u64),
    Profile(u64),
    Call(u64),
}

impl Pending {
    /// What the user asked for.
    pub(super) const fn kind(&self) -> RequestKind {
        match self {
            Self::SignIn(kind) => *kind,
            Self::Logout => RequestKind::Logout,
            Self::Create => RequestKind::CreateChannel,
            Self::Join => RequestKind::Join,
            Self::Leave(_) => RequestKind::Leave,
            Self::Say(_) => RequestKind::Say,
            Self::Mark(..) => RequestKind::Mark,
            Self::Typing => RequestKind::Typing,
            Self::Channels(_) => RequestKind::ListChannels,
            Self::Participants(_) => RequestKind::ListParticipants,
            Self::Connections(_) => RequestKind::ListConnections,
            Self::Pull(..) | Self::History(_) => RequestKind::ReadHistory,
            Self::Search(_) => RequestKind::Search,
            Self::Posts(_) => RequestKind::ListPosts,
            Self::Profile(_) => RequestKind::ReadProfile,
            Self::Hello | Self::Ping | Self::Call(_) => RequestKind::Other,
        }
    }

    /// How the user hears that it is refused, or lost with its connection.
    pub(super) fn refusal(self, error: ErrorReply) -> Output {
        match self {
            Self::Search(ticket) => Output::Event(Event::Found { ticket, result: Err(error) }),
            Self::Posts(ticket) => Output::Event(Event::Posts { ticket, result: Err(error) }),
            Self::Profile(ticket) => Output::Event(Event::Profile { ticket, result: Err(error) }),
            other => refused(other.kind(), error),
        }
    }

    /// Whether the user must ask for it again after a lost connection. The rest goes on by itself.
    const fn is_lost_with_link(&self) -> bool {
        match self {
            Self::Hello
            | Self::Ping
            | Self::SignIn(_)
            | Self::Say(_)
            | Self::Mark(..)
            | Self::Typing
            | Self::Pull(..)
            | Self::Call(_) => false,
            Self::Channels(rows) => rows.asked,
            Self::Logout
            | Self::Create
            | Self::Join
            | Self::Leave(_)
            | Self::Participants(_)
            | Self::Connections(_)
            | Self::History(_)
            | Self::Search(_)
            | Self::Posts(_)
            | Self::Profile(_) => true,
        }
    }

    /// Whether it counts among the pages in flight.
    pub(super) const fn is_page(&self) -> bool {
        matches!(self, Self::Pull(..) | Self::History(_) | Self::Search(_) | Self::Posts(_))
    }
}

impl Session {
    /// The connection is gone: what was asked on it will not be answered.
    pub(super) fn forget_pending(&mut self, outputs: &mut Vec<Output>) {
        for pending in std::mem::take(&mut self.pending).into_values() {
            match pending {
                Pending::Call(ticket) => outputs.push(Output::Event(Event::Called { ticket, reply: None })),
                Pending::Mark(channel, marking) => self.marks.put_back(channel, marking),
                pending if pending.is_lost_with_link() => outputs.push(pending.refusal(cut())),
                _ => {}
            }
        }
    }

    pub(super) fn reply(&mut self, now: Now, reply: Message, outputs: &mut Vec<Output>) {
        let Some(pending) = reply.id().and_then(|id| self.pending.remove(&id)) else {
            // An answer to nothing: an error about a frame without id, or a relay that errs.
            tracing::warn!(tag = reply.tag(), "a reply to no request");
            return;
        };
        match (pending, reply) {
            (Pending::Call(ticket), reply) => {
                outputs.push(Output::Event(Event::Called { ticket, reply: Some(Box::new(reply)) }));
            }
            (pending, Message::Error(error)) => self.refused(now, pending, error, outputs),
            (Pending::Hello, Message::Welcome(welcome)) => self.welcomed(now, welcome, outputs),
            (Pending::Ping, Message::Pong(_)) | (Pending::Typing, Message::Done(_)) => {}
            (Pending::SignIn(kind), reply) => self.sign_in_reply(now, kind, reply, outputs),
            (Pending::Logout, Message::LoggedOut(_)) => self.logged_out(now, outputs),
            (Pending::Create | Pending::Join, Message::Joined(joined)) => {
                self.joined(now, &joined.channel, outputs);
            }
            (Pending::Leave(channel), Message::Left(_)) => self.left(channel, outputs),
            (Pending::Say(nonce), Message::Ack(ack)) => self.acked(now, nonce, &ack, outputs),
            (Pending::Mark(..), Message::Marked(marked)) => self.marked(now, &marked, outputs),
            (Pending::Channels(rows), Message::Channels(page)) => self.channel_page(now, rows, page, outputs),
            (Pending::Participants(rows), Message::Participants(page)) => {
                self.participant_page(now, rows, page, outputs);
            }
            (Pending::Connections(rows), Message::Connections(page)) => {
                self.connection_page(now, rows, page, outputs);
            }
            (pending, reply) => self.page_reply(now, pending, reply, outputs),
        }
    }

    /// Replies that bring entries, and people.
    fn page_reply(&mut self, now: Now, pending: Pending, reply: Message, outputs: &mut Vec<Output>) {
        match (pending, reply) {
            (Pending::Pull(channel, anew), Message::History(page)) => {
                self.pulled(now, channel, anew, page, outputs);
            }
            (Pending::History(asked), Message::History(page)) => self.history(now, asked, page, outputs),
            (Pending::Search(ticket), Message::Found(found)) => {
                outputs.push(Output::Event(Event::Found { ticket, result: Ok(found) }));
                self.page_done(now, outputs);
            }
            (Pending::Posts(ticket), Message::Posts(posts)) => {
                outputs.push(Output::Event(Event::Posts { ticket, result: Ok(posts) }));
                self.page_done(now, outputs);
            }
            (Pending::Profile(ticket), Message::Profile(profile)) => {
                outputs.push(Output::Event(Event::Profile { ticket, result: Ok(profile) }));
            }
            (pending, reply) => {
                tracing::warn!(tag = reply.tag(), ?pending, "a reply of the wrong kind");
                // The user hears of what was asked, like of everything else on this connection.
                self.pending.insert(reply.id().unwrap_or(RequestId(0)), pending);
                outputs.push(Output::Disconnect);
                self.lost(now, "the relay answered something else than was asked", outputs);
            }
        }
    }

    fn refused(&mut self, now: Now, pending: Pending, error: ErrorReply, outputs: &mut Vec<Output>) {
        match pending {
            Pending::Hello => {
                outputs.push(Output::Disconnect);
                self.give_up(error.message, outputs);
            }
            // Nobody waits for an answer to these.
            Pending::Ping | Pending::Typing => {}
            Pending::SignIn(kind) => self.sign_in_refused(kind, error, outputs),
            Pending::Say(nonce) => self.say_refused(now, nonce, error, outputs),
            Pending::Mark(channel, marking) => self.mark_refused(now, channel, marking, error, outputs),
            Pending::Pull(channel, _) => self.pull_refused(now, channel, &error, outputs),
            Pending::Channels(rows) if !rows.asked => self.listing_refused(now, &error),
            Pending::Logout => {
                self.logging_out = false;
                outputs.push(refused(RequestKind::Logout, error));
                // Nothing was to follow the logout, so what came meanwhile waits, and what moved elsewhere is not known.
                self.list_channels(now, false, outputs);
                self.send_outbox(now, outputs);
                self.send_marks(now, outputs);
            }
            other => {
                let is_page = other.is_page();
                outputs.push(other.refusal(error));
                if is_page {
                    self.page_done(now, outputs);
                }
            }
        }
    }
}
