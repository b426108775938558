//! What is written of the channels, and what counts as read.
//!
//! Backlog: at the first sign-in what is unread of the channel that one is in is written behind a mark; of the others it is counted.
//! Later everything is written as it comes, wherever one is, unless the channel's level says otherwise. What was left out is
//! written when one goes there.

use mechat_client::Command;
use mechat_client::unread::Count;
use mechat_protocol::reply::{ChannelInfo, Marks};
use mechat_protocol::request::{HistoryRange, Level};
use mechat_protocol::{AccountName, Body, ChannelId, ChannelName, Entry, Seq};

use super::{NO_CHANNEL, Output, Outputs, Session, Waiting, error, out, state};
use crate::plain::channel::Channel;
use crate::plain::format;
use crate::text;

/// Entries of a backlog that are written; of a longer one these are the last.
const BACKLOG_MAX: u64 = 1_000;
/// Rows of the inbox.
const INBOX_MAX: usize = 50;

impl Session {
    /// One is a member, from now or since before.
    pub(super) fn joined(&mut self, info: &ChannelInfo) -> Outputs {
        let key = info.name.key().folded;
        let asked = matches!(&self.waiting, Some(Waiting::Join(name)) if name.key().folded == key);
        if asked {
            self.waiting = None;
        }
        let channel = self.channels.entry(info.channel).or_insert_with(|| Channel::new(info, asked));
        channel.topic = info.topic.clone();
        if let Some(marks) = info.marks {
            channel.follow(marks);
        }
        if !asked {
            return Vec::new();
        }
        let mut outputs = self.stay_out(&info.name, false);
        outputs.extend(self.go_to(info.channel));
        outputs
    }

    /// Makes a channel the current one, and writes what is unwritten of it.
    pub(super) fn go_to(&mut self, id: ChannelId) -> Outputs {
        let Some(channel) = self.channels.get_mut(&id) else { return Vec::new() };
        let name = channel.name.clone();
        channel.announced = !channel.is_behind();
        (self.current, self.shown) = (Some(id), Some(id));
        let mut outputs = vec![state(format!("in #{name}"))];
        outputs.extend(self.read_on(id));
        outputs
    }

    pub(super) fn left(&mut self, id: ChannelId) -> Outputs {
        let asked = self.waiting.take_if(|waiting| *waiting == Waiting::Leave).is_some();
        if self.current == Some(id) {
            self.current = None;
        }
        let Some(left) = self.channels.remove(&id) else { return Vec::new() };
        let mut outputs = if asked { self.stay_out(&left.name, true) } else { Vec::new() };
        outputs.push(state(format!("left #{}", left.name)));
        outputs
    }

    pub(super) fn is_reading(&self) -> bool {
        self.channels.values().any(|channel| channel.reading.is_some())
    }

    /// Asks for the page behind what is written, if something is unwritten.
    fn read_on(&mut self, id: ChannelId) -> Outputs {
        let Some(channel) = self.channels.get_mut(&id) else { return Vec::new() };
        if !channel.is_behind() || channel.reading.is_some() || !self.signed_in {
            return Vec::new();
        }
        let mut outputs = Vec::new();
        let upto = channel.written.upto();
        let from = Seq(channel.head.0.saturating_sub(BACKLOG_MAX)).max(upto);
        if from > upto {
            let count = from.0 - upto.0;
            channel.written.pass(from);
            outputs.push(state(format!(
                "#{}: {count} entries before these were not written; history COUNT writes them",
                channel.name
            )));
        }
        channel.reading = Some(from);
        let range = HistoryRange::After { seq: from };
        outputs.push(Output::Client(Command::ReadHistory { channel: id, range }));
        outputs
    }

    /// A page behind what was written.
    pub(super) fn read_page(&mut self, id: ChannelId, after: Seq, entries: &[Entry]) -> Outputs {
        let Some(channel) = self.channels.get_mut(&id).filter(|channel| channel.reading == Some(after))
        else {
            return Vec::new();
        };
        channel.reading = None;
        let begins = !std::mem::replace(&mut channel.announced, true);
        let first = entries.first().map_or(after, |entry| entry.seq);
        for entry in entries {
            channel.remember(entry);
        }
        // What the page has is in its present state: of what changed there nothing more is to be said.
        let news = entries.iter().filter(|entry| {
            let target = match &entry.body {
                Body::Amended { amendment } => amendment.target(),
                _ => None,
            };
            target.is_none_or(|target| target < first)
        });
        let news: Vec<Entry> = news.cloned().collect();
        let mut outputs = self.write(id, &news, false);
        let said = news.iter().any(|entry| matches!(entry.body, Body::Message(_)));
        if begins && said && outputs.iter().any(|output| matches!(output, Output::Out(_))) {
            let at = outputs.iter().position(|output| matches!(output, Output::Out(_))).unwrap_or(0);
            outputs.insert(at, Output::Out(format::NEW.to_owned()));
        }
        if let Some(channel) = self.channels.get_mut(&id) {
            // What is passed over was said by its target.
            channel.written.pass(entries.last().map_or(channel.head, |entry| entry.seq));
        }
        outputs.extend(self.read_on(id));
        outputs
    }

    /// The page did not come: it is asked for again when one comes back, here or to the relay.
    pub(super) fn reading_failed(&mut self) -> bool {
        let reading = self.is_reading();
        self.channels.values_mut().for_each(|channel| channel.reading = None);
        reading
    }

    pub(super) fn appended(&mut self, id: ChannelId, entries: &[Entry], live: bool) -> Outputs {
        for nonce in entries.iter().filter_map(|entry| entry.nonce) {
            self.unsettled.remove(&nonce);
        }
        let Some(me) = self.me.clone() else { return Vec::new() };
        let current = self.current == Some(id);
        let Some(channel) = self.channels.get_mut(&id) else { return Vec::new() };
        channel.append(entries, &me);
        let follows = entries.first().is_none_or(|first| first.seq <= channel.written.upto().next());
        if current {
            // What is missing before it is read first, and this with it.
            let backlog = !live && !channel.announced;
            return if follows && !backlog { self.write(id, entries, live) } else { self.read_on(id) };
        }
        if !live && !self.caught_up {
            return Vec::new();
        }
        let told: Vec<Entry> = entries.iter().filter(|entry| channel.tells(entry, &me)).cloned().collect();
        self.write(id, &told, live)
    }

    /// Writes what was not written yet, under the name of the channel if another one was written of before.
    fn write(&mut self, id: ChannelId, entries: &[Entry], live: bool) -> Outputs {
        let Some(channel) = self.channels.get_mut(&id) else { return Vec::new() };
        let mut outputs = Vec::new();
        for entry in entries {
            if !channel.written.take(entry.seq) {
                continue;
            }
            let told = match entry.body {
                Body::Message(_) | Body::Removed { .. } | Body::Amended { .. } => true,
                Body::Joined | Body::Left | Body::Unknown => live && Some(&entry.sender) != self.me.as_ref(),
            };
            if told {
                outputs.extend(out(format::entry(entry, channel.about(entry), &self.zone)));
            }
        }
        if !outputs.is_empty() && self.shown != Some(id) {
            outputs.insert(0, state(format!("in #{}:", channel.name)));
            self.shown = Some(id);
        }
        outputs
    }

    /// Everything that was missed is heard of.
    pub(super) fn on_caught_up(&mut self) -> Outputs {
        let first = !std::mem::replace(&mut self.caught_up, true);
        let mut outputs = self.current.map_or_else(Vec::new, |id| self.read_on(id));
        if first {
            let elsewhere = self.channels.iter().filter(|(id, channel)| {
                Some(**id) != self.current && !channel.unread.is_empty() && channel.level != Level::None
            });
            let counts: Vec<String> = elsewhere
                .map(|(_, channel)| format::unread(channel.name.as_str(), channel.unread.count()))
                .collect();
            if !counts.is_empty() {
                outputs.push(state(format!("{}; next writes them", counts.join("; "))));
            }
        }
        for channel in self.channels.values_mut() {
            // A backlog that is still to be written begins with its mark.
            channel.announced |= !channel.is_behind();
        }
        outputs
    }

    /// What was written of the channel that one is in counts as read.
    pub(super) fn mark_read(&mut self) -> Option<Output> {
        let id = self.current?;
        let channel = self.channels.get_mut(&id)?;
        let read = channel.written.upto();
        channel.unread.mark(read);
        if read <= channel.marked {
            return None;
        }
        channel.marked = read;
        Some(Output::Client(Command::Mark { channel: id, read: Some(read), level: None }))
    }

    pub(super) fn marks(&mut self, id: ChannelId, marks: Marks) -> Outputs {
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.follow(marks);
        }
        Vec::new()
    }

    pub(super) fn notify(&mut self, level: Level) -> Outputs {
        let Some((id, channel)) = self.current.and_then(|id| Some((id, self.channels.get_mut(&id)?))) else {
            return vec![error(NO_CHANNEL)];
        };
        channel.level = level;
        let what = match level {
            Level::All | Level::Unknown => "everything",
            Level::Mentions => "what names you",
            Level::None => "nothing",
        };
        let words = format!("of #{} {what} is written while you are in another channel", channel.name);
        vec![state(words), Output::Client(Command::Mark { channel: id, read: None, level: Some(level) })]
    }

    pub(super) fn list_unread(&self) -> Outputs {
        let unread = self.channels.values().filter(|channel| !channel.unread.is_empty());
        let lines = unread.map(|channel| format!("    {}", unread_line(channel))).collect::<Vec<_>>();
        if lines.is_empty() {
            return vec![state("nothing is unread")];
        }
        std::iter::once(Output::Out("unread:".to_owned())).chain(out(lines)).collect()
    }

    /// Goes to the next channel with something unread, round from the current one, and writes it though it was written in passing.
    pub(super) fn next(&mut self) -> Outputs {
        let unread = |(id, channel): (&ChannelId, &Channel)| (!channel.unread.is_empty()).then_some(*id);
        let after = |id: &ChannelId| self.current.is_none_or(|current| *id > current);
        let found: Vec<ChannelId> = self.channels.iter().filter_map(unread).collect();
        let Some(id) = found.iter().copied().find(after).or_else(|| found.first().copied()) else {
            return vec![state("nothing is unread")];
        };
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.write_again();
        }
        self.go_to(id)
    }

    pub(super) fn inbox(&self) -> Outputs {
        let mut lines = Vec::new();
        for channel in self.channels.values() {
            let mut seq = Seq::ZERO;
            while let Some(mention) = channel.unread.mention_after(seq) {
                seq = mention;
                let name = text::harmless(channel.name.as_str());
                lines.push(channel.recent(seq).map_or_else(
                    || format!("    #{name} #{}", seq.0),
                    |recent| {
                        let sender = text::harmless(recent.sender.as_str());
                        format!("    #{name} #{} @{sender}: {}", seq.0, recent.words)
                    },
                ));
            }
        }
        if lines.is_empty() {
            return vec![state("nobody named you in what is unread; unread lists the channels")];
        }
        let hidden = lines.len().saturating_sub(INBOX_MAX);
        let mut outputs = vec![Output::Out("inbox:".to_owned())];
        outputs.extend(out(lines.split_off(hidden)));
        if hidden > 0 {
            outputs.push(state(format!("and {hidden} before these")));
        }
        outputs
    }

    /// Marks the channel as read, or all, whether or not it was written.
    pub(super) fn read(&mut self, all: bool) -> Outputs {
        let current = self.current;
        if !all && current.is_none() {
            return vec![error(NO_CHANNEL)];
        }
        let mut outputs = Vec::new();
        for (id, channel) in self.channels.iter_mut().filter(|(id, _)| all || Some(**id) == current) {
            channel.written.pass(channel.head);
            channel.unread.mark(channel.head);
            if channel.head > channel.marked {
                channel.marked = channel.head;
                let read = Some(channel.head);
                outputs.push(Output::Client(Command::Mark { channel: *id, read, level: None }));
            }
        }
        outputs.push(state("marked as read"));
        outputs
    }

    pub(super) fn tell_typing(&mut self, on: bool) -> Outputs {
        self.tells_typing = on;
        vec![state(if on { "who is writing is told" } else { "who is writing is not told" })]
    }

    pub(super) fn typing(&self, id: ChannelId, accounts: &[AccountName]) -> Outputs {
        let Some(channel) = self.channels.get(&id).filter(|_| self.tells_typing) else { return Vec::new() };
        let others = accounts.iter().filter(|account| Some(*account) != self.me.as_ref());
        let names: Vec<String> = others.map(|account| format!("@{account}")).collect();
        if names.is_empty() {
            return Vec::new();
        }
        let is = if names.len() == 1 { "is" } else { "are" };
        vec![state(format!("{} {is} writing in #{}", names.join(", "), channel.name))]
    }

    pub(super) fn reset(&mut self, id: ChannelId) -> Outputs {
        let Some(channel) = self.channels.get_mut(&id) else { return Vec::new() };
        channel.reset();
        vec![state(format!(
            "the relay restored #{} from an earlier state; its messages are read anew",
            channel.name
        ))]
    }

    pub(super) fn skipped(&mut self, id: ChannelId, from: Seq, to: Seq) -> Outputs {
        let Some(channel) = self.channels.get_mut(&id) else { return Vec::new() };
        channel.written.pass(to);
        channel.unread.forget_before(to.next());
        let count = to.0.saturating_sub(from.0).saturating_add(1);
        vec![state(format!(
            "#{}: {count} entries were missed and not read; history COUNT reads them",
            channel.name
        ))]
    }

    /// The channel of a name, among those one is in.
    pub(super) fn channel_named(&self, name: &ChannelName) -> Option<ChannelId> {
        let key = name.key().folded;
        let mut channels = self.channels.iter();
        channels.find(|(_, channel)| channel.name.key().folded == key).map(|(id, _)| *id)
    }
}

fn unread_line(channel: &Channel) -> String {
    let count: Count = channel.unread.count();
    let muted = if channel.level == Level::None { " (muted)" } else { "" };
    format!("{}{muted}", format::unread(channel.name.as_str(), count))
}

/// Whether an entry is a message that still has words.
pub(super) const fn is_said(entry: &Entry) -> bool {
    matches!(entry.body, Body::Message(_))
}
