//! What people do with their clients.

use mechat_client::Command;
use mechat_client::session::Input;
use mechat_protocol::request::{Amend, ChannelKind, HistoryRange, ListPosts, Mark, Selection, SetTyping};
use mechat_protocol::{
    Amendment, ChannelId, ChannelName, Content, Emoji, Message, Nonce, RequestId, Seq, Topic,
};
use uuid::Uuid;

use crate::agenda::{DeviceId, Happening};
use crate::model::Said;
use crate::trace::note;
use crate::world::World;

/// Names that channels are given.
const CHANNELS: [&str; 4] = ["lobby", "den", "attic", "shed"];

impl World {
    /// When a device's person acts next.
    pub(crate) fn act_later(&mut self, id: DeviceId) {
        if !self.calm {
            let at_ms = self.now_ms + self.dice.between(1, 2 * self.plan.act_ms);
            self.agenda.at(at_ms, Happening::Act(id));
        }
    }

    pub(crate) fn act(&mut self, id: DeviceId) {
        if self.calm {
            return;
        }
        self.act_later(id);
        if self.devices[id.0].session.is_none() {
            return;
        }
        let command = match self.dice.below(100) {
            0..=57 => return self.say_something(id),
            58..=65 => self.amend_something(id),
            66..=67 => self.mark_read(id),
            68..=69 => self.ask_besides(id),
            70..=77 => Some(Command::Join(self.channel_name())),
            78..=80 => self.leave(id),
            81..=83 => Some(Command::CreateChannel { name: self.channel_name(), kind: ChannelKind::Public }),
            84..=89 => self.read_back(id),
            90..=92 => Some(Command::ListChannels),
            93..=95 => Some(Command::ListParticipants(None)),
            96..=97 => Some(Command::ConnectNow),
            98 => Some(Command::ListConnections),
            _ => Some(Command::Logout),
        };
        if let Some(command) = command {
            note!(self, "device {} wants {command:?}", id.0);
            self.tell_device(id, Input::Command(command));
        }
    }

    fn channel_name(&mut self) -> ChannelName {
        ChannelName::new(CHANNELS[self.dice.index(CHANNELS.len())]).expect("a valid name")
    }

    /// One of the channels of the device's account, most of the time.
    fn channel(&mut self, id: DeviceId) -> Option<ChannelId> {
        let device = &self.devices[id.0];
        let joined: Vec<ChannelId> = device.views.keys().copied().collect();
        let known: Vec<ChannelId> = device.names.values().copied().collect();
        let from = if self.dice.percent(95) { &joined } else { &known };
        self.dice.pick(from)
    }

    /// People say one thing, or many at once.
    fn say_something(&mut self, id: DeviceId) {
        let Some(channel) = self.channel(id) else { return };
        let times = if self.dice.percent(5) { self.dice.spread(2, 40) } else { 1 };
        for _ in 0..times {
            let len = usize::try_from(self.dice.spread(1, self.plan.text_max)).unwrap_or(1);
            let content = Content::text("x".repeat(len)).expect("short enough");
            let nonce = Nonce(Uuid::from_u64_pair(self.dice.next(), self.dice.next()));
            let said = Said { nonce, channel, content };
            note!(self, "device {} says message {} in {channel}: {len} bytes", id.0, self.counts.said);
            self.counts.said += 1;
            let device = &mut self.devices[id.0];
            self.model.said(id, device.account.clone(), said.clone());
            let Said { nonce, channel, content } = said;
            device.unsettled.insert(nonce);
            let command = Command::Say { channel, nonce, content, in_reply_to: None };
            self.tell_device(id, Input::Command(command));
        }
    }

    /// Mostly something of one's own that one has seen lately.
    fn amend_something(&mut self, id: DeviceId) -> Option<Command> {
        let channel = self.channel(id)?;
        let account = self.devices[id.0].account.clone();
        let seen: Vec<Seq> = self.devices[id.0].views.get(&channel)?.entries.keys().copied().collect();
        let latest = &seen[seen.len().saturating_sub(20)..];
        let from = if self.dice.percent(70) { latest } else { &seen };
        let seq = self.dice.pick(from)?;
        let on = self.dice.percent(70);
        let amendment = match self.dice.below(10) {
            0..=3 => {
                let len = usize::try_from(self.dice.spread(1, self.plan.text_max)).unwrap_or(1);
                Amendment::Edit { seq, content: Content::text("y".repeat(len)).expect("short enough") }
            }
            4 => Amendment::Delete { seq },
            5..=7 => {
                let emoji = ["👍", "🎉", "👀"][self.dice.index(3)];
                Amendment::React { seq, emoji: Emoji::new(emoji).expect("an emoji"), on }
            }
            8 => Amendment::Pin { seq, on },
            _ => {
                let topic = format!("topic {}", self.dice.below(3));
                Amendment::SetTopic { topic: Topic::new(topic).expect("short") }
            }
        };
        let nonce = Nonce(Uuid::from_u64_pair(self.dice.next(), self.dice.next()));
        self.model.amends(nonce, account, channel, amendment.clone());
        Some(call(Amend { id: RequestId(0), channel, nonce, amendment }))
    }

    fn mark_read(&mut self, id: DeviceId) -> Option<Command> {
        let channel = self.channel(id)?;
        let read = self.devices[id.0].views.get(&channel)?.stands.map(|(_, seq)| seq);
        Some(call(Mark { id: RequestId(0), channel, read, level: None }))
    }

    /// What changes nothing that lasts.
    fn ask_besides(&mut self, id: DeviceId) -> Option<Command> {
        let (channel, id) = (self.channel(id)?, RequestId(0));
        Some(match self.dice.below(3) {
            0 => call(SetTyping { id, channel }),
            1 => call(ListPosts { id, channel, which: Selection::Pinned, after: None }),
            _ => call(ListPosts { id, channel, which: Selection::Replies { seq: Seq(2) }, after: None }),
        })
    }

    fn leave(&mut self, id: DeviceId) -> Option<Command> {
        self.channel(id).map(Command::Leave)
    }

    fn read_back(&mut self, id: DeviceId) -> Option<Command> {
        let channel = self.channel(id)?;
        let seq = Seq(self.dice.between(0, 60));
        let range = match self.dice.below(3) {
            0 => HistoryRange::Latest,
            1 => HistoryRange::Before { seq },
            _ => HistoryRange::After { seq },
        };
        Some(Command::ReadHistory { channel, range })
    }
}

/// A request whose reply nobody waits for.
fn call(request: impl Into<Message>) -> Command {
    Command::Call { ticket: 0, request: Box::new(request.into()) }
}
