//! How far one has read, and that one is writing: state that is told and merged, and is in no log.
//!
//! Invariants: of each channel only the latest mark waits, and at most one is on its way; a mark that was said reaches the relay, across
//! connections, or is refused for good. To say one twice is harmless, since the relay merges by maximum.

use std::collections::BTreeMap;

use mechat_protocol::event::{MarksChanged, Typing};
use mechat_protocol::limits::TYPING_INTERVAL_MS;
use mechat_protocol::reply::{ErrorReply, Marked};
use mechat_protocol::request::{Level, Mark, SetTyping};
use mechat_protocol::{ChannelId, RequestId, Retry, Seq};

use super::pending::Pending;
use super::{Now, Output, Session, refused, retry_delay_ms};
use crate::event::{Event, RequestKind};

/// What is to be said of one channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Marking {
    read: Option<Seq>,
    level: Option<Level>,
}

/// What is to be said: at most one for each channel that the user named.
#[derive(Debug, Default)]
pub(super) struct Waiting(BTreeMap<ChannelId, Marking>);

impl Waiting {
    fn merge(&mut self, channel: ChannelId, newer: Marking) {
        let waiting = self.0.entry(channel).or_default();
        waiting.read = waiting.read.max(newer.read);
        waiting.level = newer.level.or(waiting.level);
    }

    /// What was on its way did not arrive; what was said since is the later word.
    pub(super) fn put_back(&mut self, channel: ChannelId, older: Marking) {
        let waiting = self.0.entry(channel).or_default();
        waiting.read = waiting.read.max(older.read);
        waiting.level = waiting.level.or(older.level);
    }

    /// The log is another one: how far one had read in the one before means nothing in it.
    pub(super) fn forget_read(&mut self, channel: ChannelId) {
        if let Some(waiting) = self.0.get_mut(&channel) {
            waiting.read = None;
        }
    }
}

impl Session {
    pub(super) fn mark(
        &mut self,
        now: Now,
        channel: ChannelId,
        read: Option<Seq>,
        level: Option<Level>,
        outputs: &mut Vec<Output>,
    ) {
        self.marks.merge(channel, Marking { read, level });
        self.send_marks(now, outputs);
    }

    /// Says what waits, of each channel of which nothing is on its way.
    pub(super) fn send_marks(&mut self, now: Now, outputs: &mut Vec<Output>) {
        if !self.may_ask() || self.leave_at_ms.is_some() || self.retry_marks_ms.is_some() {
            return;
        }
        let waiting: Vec<ChannelId> = self.marks.0.keys().copied().collect();
        for channel in waiting {
            if self.is_crowded() {
                self.retry_marks_ms = Some(now.ms + super::RETRY_MS);
                return;
            }
            let under_way = |pending: &Pending| matches!(pending, Pending::Mark(of, _) if *of == channel);
            if self.pending.values().any(under_way) {
                continue;
            }
            if let Some(marking) = self.marks.0.remove(&channel)
                && marking != Marking::default()
            {
                let Marking { read, level } = marking;
                let request = Mark { id: RequestId(0), channel, read, level };
                self.request(now, Pending::Mark(channel, marking), request.into(), outputs);
            }
        }
    }

    pub(super) fn marked(&mut self, now: Now, marked: &Marked, outputs: &mut Vec<Output>) {
        let Marked { channel, marks, .. } = *marked;
        outputs.push(Output::Event(Event::Marks { channel, marks }));
        self.send_marks(now, outputs);
    }

    pub(super) fn mark_refused(
        &mut self,
        now: Now,
        channel: ChannelId,
        marking: Marking,
        error: ErrorReply,
        outputs: &mut Vec<Output>,
    ) {
        if matches!(error.retry, Retry::Later | Retry::Reconnect | Retry::SignIn) {
            self.marks.put_back(channel, marking);
            self.retry_marks_ms = Some(now.ms + retry_delay_ms(&error));
        } else if marking.level.is_some() {
            outputs.push(refused(RequestKind::Mark, error));
        } else {
            // The user did not ask for it; a channel that was left has no marks.
            tracing::debug!(code = %error.code, "how far was read is not taken");
        }
    }

    /// On another device.
    pub(super) fn marks_changed(changed: &MarksChanged, outputs: &mut Vec<Output>) {
        let MarksChanged { channel, marks } = *changed;
        outputs.push(Output::Event(Event::Marks { channel, marks }));
    }

    pub(super) fn typing(&mut self, now: Now, channel: ChannelId, outputs: &mut Vec<Output>) {
        let said = self.typing_said.is_some_and(|(where_, at_ms)| {
            where_ == channel && now.ms.saturating_sub(at_ms) < TYPING_INTERVAL_MS
        });
        if said || !self.may_ask() || self.leave_at_ms.is_some() || self.is_crowded() {
            return;
        }
        self.typing_said = Some((channel, now.ms));
        self.request(now, Pending::Typing, SetTyping { id: RequestId(0), channel }.into(), outputs);
    }

    /// Who said something counts as done with writing: the next key is told at once.
    pub(super) fn has_spoken(&mut self, channel: ChannelId) {
        self.typing_said.take_if(|(where_, _)| *where_ == channel);
    }

    pub(super) fn others_type(typing: Typing, outputs: &mut Vec<Output>) {
        let Typing { channel, accounts } = typing;
        outputs.push(Output::Event(Event::Typing { channel, accounts }));
    }
}

#[cfg(test)]
mod tests {
    use mechat_protocol::message::Message;
    use mechat_protocol::reply::Marks;
    use mechat_protocol::{AccountName, ErrorCode};

    use super::super::tests::{Bench, DEN, sent};
    use super::super::{Command, Input};
    use super::*;

    fn mark(bench: &mut Bench, read: u64) -> Vec<Output> {
        bench.feed(Input::Command(Command::Mark { channel: DEN, read: Some(Seq(read)), level: None }))
    }

    fn marks(outputs: &[Output]) -> Vec<(Option<u64>, Option<Level>)> {
        let marks = sent(outputs).into_iter().filter_map(|message| match message {
            Message::Mark(mark) => Some((mark.read.map(|seq| seq.0), mark.level)),
            _ => None,
        });
        marks.collect()
    }

    fn id(bench: &Bench) -> RequestId {
        bench.pending_id(|pending| matches!(pending, Pending::Mark(..)))
    }

    fn marked(id: RequestId, read: u64) -> Message {
        let marks = Marks { read: Seq(read), level: Level::All };
        Marked { id, channel: DEN, marks }.into()
    }

    #[test]
    fn of_many_marks_the_first_and_the_latest_are_said() {
        let mut bench = Bench::signed_in(9);
        assert_eq!(marks(&mark(&mut bench, 3)), [(Some(3), None)]);
        for read in [4, 6, 5] {
            assert!(sent(&mark(&mut bench, read)).is_empty(), "one at a time");
        }
        let level = Command::Mark { channel: DEN, read: None, level: Some(Level::None) };
        bench.feed(Input::Command(level));
        let id = id(&bench);
        let outputs = bench.receive(marked(id, 3));
        assert!(matches!(&outputs[0], Output::Event(Event::Marks { channel: DEN, .. })));
        assert_eq!(marks(&outputs), [(Some(6), Some(Level::None))]);
    }

    #[test]
    fn a_mark_is_said_again_on_the_next_connection_until_it_is_confirmed() {
        let mut bench = Bench::signed_in(9);
        mark(&mut bench, 3);
        let again = |bench: &mut Bench| {
            bench.ms += 30_000;
            bench.feed(Input::Tick);
            bench.greet();
            bench.sign_in(&AccountName::new("ann").expect("name"), 9)
        };
        bench.feed(Input::Lost("cut".into()));
        assert_eq!(marks(&again(&mut bench)), [(Some(3), None)]);
        bench.feed(Input::Lost("cut".into()));
        assert!(sent(&mark(&mut bench, 5)).is_empty());
        assert_eq!(marks(&again(&mut bench)), [(Some(5), None)]);
        let id = id(&bench);
        assert!(sent(&bench.receive(marked(id, 5))).is_empty(), "once it is confirmed it is not said again");
    }

    #[test]
    fn a_busy_relay_gets_the_mark_a_moment_later_and_a_final_no_ends_it() {
        let mut bench = Bench::signed_in(9);
        mark(&mut bench, 3);
        let first = id(&bench);
        bench.receive(ErrorReply::new(Some(first), ErrorCode::Busy, "later").into());
        assert!(sent(&mark(&mut bench, 4)).is_empty());
        bench.ms += super::super::RETRY_MS;
        assert_eq!(bench.session.next_deadline(), Some(bench.ms));
        assert_eq!(marks(&bench.feed(Input::Tick)), [(Some(4), None)]);
        let second = id(&bench);
        let outputs = bench.receive(ErrorReply::new(Some(second), ErrorCode::NotAMember, "no").into());
        assert!(outputs.is_empty(), "nobody asked: {outputs:?}");
        assert!(bench.session.marks.0.is_empty());
    }

    #[test]
    fn typing_is_said_once_in_a_while_and_never_kept() {
        let mut bench = Bench::signed_in(9);
        let typing = || Input::Command(Command::Typing(DEN));
        assert!(matches!(sent(&bench.feed(typing()))[..], [Message::SetTyping(_)]));
        assert!(bench.feed(typing()).is_empty(), "not at each key");
        bench.say(1);
        assert_eq!(sent(&bench.feed(typing())).len(), 1, "a new text");
        bench.ms += TYPING_INTERVAL_MS;
        assert_eq!(sent(&bench.feed(typing())).len(), 1);
        bench.feed(Input::Lost("cut".into()));
        bench.ms += TYPING_INTERVAL_MS;
        assert!(bench.feed(typing()).is_empty());
        bench.feed(Input::Tick);
        bench.ms += 30_000;
        bench.feed(Input::Tick);
        bench.greet();
        let outputs = bench.sign_in(&AccountName::new("ann").expect("name"), 9);
        assert!(!sent(&outputs).iter().any(|message| matches!(message, Message::SetTyping(_))));
    }
}
