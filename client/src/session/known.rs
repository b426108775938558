//! Going on from where an earlier run was, and telling when nothing is missing any more.
//!
//! The user answers the sign-in of somebody new with how far it has their logs. Until then no channel is listed and nothing is read: a
//! page could otherwise overtake that word, and the log be handed on twice or with a hole. A user that shows the logs before there is a
//! connection says it before the sign-in, and what is then said waits in the outbox of that account.

use mechat_protocol::AccountName;

use super::{Now, Output, Session};
use crate::command::KnownLog;
use crate::event::Event;
use crate::timeline::Timeline;

/// Whether the user says how far it has the logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handover {
    /// It keeps none.
    None,
    /// After the sign-in of somebody new.
    OnSignIn,
    /// It was told of one, and has not said it yet.
    Awaited,
}

impl Handover {
    pub(super) fn is_awaited(self) -> bool {
        self == Self::Awaited
    }

    /// Somebody new signed in.
    pub(super) fn begin(&mut self) {
        if *self == Self::OnSignIn {
            *self = Self::Awaited;
        }
    }

    /// It is said, or nobody waits for it any more; whether somebody did.
    pub(super) fn end(&mut self) -> bool {
        let awaited = self.is_awaited();
        if awaited {
            *self = Self::OnSignIn;
        }
        awaited
    }
}

/// Whether this connection has brought everything that was missed before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Reading,
    /// The user was told.
    CaughtUp,
}

impl Session {
    /// The user says how far it has the logs: they go on from there.
    pub(super) fn known(
        &mut self,
        now: Now,
        account: &AccountName,
        logs: Vec<KnownLog>,
        outputs: &mut Vec<Output>,
    ) {
        if self.owner.is_none() && self.handover == Handover::OnSignIn {
            // Before the sign-in: from here on what is said is this account's, and on disk until it is signed in.
            self.owner = Some(account.clone());
            self.open_outbox(outputs);
        } else if self.owner.as_ref() != Some(account) || !self.handover.end() {
            // Who asked may have logged out meanwhile.
            return;
        }
        for KnownLog { channel, epoch, last } in logs {
            // One that was joined meanwhile has begun already.
            self.timelines.entry(channel).or_insert_with(|| Timeline::resumed(epoch, last));
        }
        if self.may_ask() {
            self.list_channels(now, false, outputs);
        }
    }

    /// Says once for each connection that nothing is missing any more.
    pub(super) fn tell_caught_up(&mut self, outputs: &mut Vec<Output>) {
        if self.progress == Progress::CaughtUp || self.handover.is_awaited() || !self.may_ask() {
            return;
        }
        let reads = self.list_again_ms.is_some() || self.is_listing();
        if !reads && !self.timelines.values().any(|timeline| timeline.pulling) {
            self.progress = Progress::CaughtUp;
            outputs.push(Output::Event(Event::CaughtUp));
        }
    }
}

#[cfg(test)]
mod tests {
    use mechat_protocol::event::Lagged;
    use mechat_protocol::message::Message;
    use mechat_protocol::request::HistoryRange;
    use mechat_protocol::{Amendment, Body, Content, Emoji, Entry, Epoch, Post, Seq};

    use super::super::tests::{Bench, DEN, appended, entry, failed, nonce, sent, token};
    use super::super::{Command, GAP_MAX, Input, Pending};
    use super::*;
    use mechat_protocol::reply::HistoryPage;

    fn ann() -> AccountName {
        AccountName::new("ann").expect("name")
    }

    /// Signed in; what it knows is not said yet.
    fn asked() -> Bench {
        let mut bench = Bench::on(Session::new("test".into()).resuming());
        bench.greet();
        bench.feed(Input::Command(Command::Resume(token(1))));
        let outputs = bench.sign_in_without_listing(&ann());
        assert!(sent(&outputs).is_empty(), "nothing is read before: {outputs:?}");
        bench
    }

    fn known(bench: &mut Bench, account: AccountName, epoch: u32, last: u64) -> Vec<Output> {
        let log = KnownLog { channel: DEN, epoch: Epoch(epoch), last: Seq(last) };
        bench.feed(Input::Command(Command::Known { account, logs: vec![log] }))
    }

    fn ranges(outputs: &[Output]) -> Vec<HistoryRange> {
        let ranges = sent(outputs).into_iter().filter_map(|message| match message {
            Message::ReadHistory(read) => Some(read.range),
            _ => None,
        });
        ranges.collect()
    }

    fn caught_up(outputs: &[Output]) -> bool {
        outputs.iter().any(|output| matches!(output, Output::Event(Event::CaughtUp)))
    }

    #[test]
    fn what_an_earlier_run_had_is_not_read_again() {
        let mut bench = asked();
        assert!(
            bench.receive(entry(8).into()).is_empty(),
            "an entry that is pushed meanwhile asks for nothing"
        );
        let outputs = known(&mut bench, ann(), 1, 5);
        assert!(matches!(sent(&outputs)[..], [Message::ListChannels(_)]));
        let outputs = bench.list(8);
        assert_eq!(ranges(&outputs), [HistoryRange::After { seq: Seq(5) }]);
        assert!(!caught_up(&outputs));
        let outputs = bench.page(6..=8, 8);
        assert_eq!(appended(&outputs), [6, 7, 8]);
        assert!(caught_up(&outputs));
        assert!(!caught_up(&bench.receive(entry(9).into())), "once");
    }

    #[test]
    fn who_has_everything_reads_nothing_and_is_told_so() {
        let mut bench = asked();
        known(&mut bench, ann(), 1, 8);
        let outputs = bench.list(8);
        assert!(ranges(&outputs).is_empty() && caught_up(&outputs), "{outputs:?}");
    }

    #[test]
    fn another_log_than_the_one_that_is_kept_begins_anew() {
        let mut bench = asked();
        known(&mut bench, ann(), 7, 5);
        let outputs = bench.list(8);
        assert!(outputs.iter().any(|output| matches!(output, Output::Event(Event::Reset(DEN)))));
        assert_eq!(ranges(&outputs), [HistoryRange::Latest]);
        // As does one that is shorter than what is kept of it.
        let mut bench = asked();
        known(&mut bench, ann(), 1, 9);
        let outputs = bench.list(8);
        assert!(outputs.iter().any(|output| matches!(output, Output::Event(Event::Reset(DEN)))));
    }

    #[test]
    fn what_is_known_of_one_account_is_not_taken_for_another_ones() {
        let mut bench = asked();
        let bob = AccountName::new("bob").expect("name");
        assert!(known(&mut bench, bob, 1, 5).is_empty());
        known(&mut bench, ann(), 1, 3);
        assert_eq!(ranges(&bench.list(4)), [HistoryRange::After { seq: Seq(3) }]);
    }

    #[test]
    fn a_cut_before_the_answer_does_not_ask_twice() {
        let mut bench = asked();
        bench.feed(Input::Lost("cut".into()));
        known(&mut bench, ann(), 1, 5);
        bench.ms += 30_000;
        bench.feed(Input::Tick);
        bench.greet();
        bench.sign_in_without_listing(&ann());
        assert_eq!(ranges(&bench.list(6)), [HistoryRange::After { seq: Seq(5) }]);
        assert!(known(&mut bench, ann(), 1, 1).is_empty(), "what was handed on since counts");
    }

    #[test]
    fn what_is_said_before_the_sign_in_is_kept_and_goes_out_behind_it() {
        let mut bench = Bench::on(Session::new("test".into()).keeping().resuming());
        let outputs = known(&mut bench, ann(), 1, 5);
        assert!(matches!(&outputs[..], [Output::OpenOutbox(account)] if *account == ann()), "{outputs:?}");
        assert!(matches!(&bench.say(1)[..], [Output::Keep(_)]), "on disk while there is no connection");
        bench.feed(Input::Restored { account: ann(), messages: Vec::new(), damage: None });
        bench.feed(Input::Kept { account: Some(ann()), nonces: vec![nonce(1)] });
        bench.greet();
        bench.feed(Input::Command(Command::Resume(token(1))));
        let outputs = bench.sign_in_without_listing(&ann());
        assert!(matches!(sent(&outputs)[..], [Message::ListChannels(_), Message::Send(_)]), "{outputs:?}");
        assert_eq!(ranges(&bench.list(6)), [HistoryRange::After { seq: Seq(5) }]);
    }

    #[test]
    fn what_is_said_before_the_sign_in_does_not_go_out_under_another_name() {
        let mut bench = Bench::on(Session::new("test".into()).resuming());
        known(&mut bench, ann(), 1, 5);
        bench.say(1);
        bench.greet();
        bench.feed(Input::Command(Command::Resume(token(1))));
        let outputs = bench.sign_in_without_listing(&AccountName::new("bob").expect("name"));
        assert_eq!(failed(&outputs), [nonce(1)]);
        assert!(sent(&outputs).is_empty(), "bob has not said what he knows");
    }

    #[test]
    fn a_gap_that_is_too_large_is_declared_and_never_passed_over_in_silence() {
        let mut bench = asked();
        known(&mut bench, ann(), 1, 5);
        let head = 6 + GAP_MAX;
        assert_eq!(ranges(&bench.list(head)), [HistoryRange::Latest]);
        let outputs = bench.page(head - 2..=head, head);
        let skipped = outputs.iter().position(|output| {
            matches!(output, Output::Event(Event::Skipped { channel: DEN, from: Seq(6), to }) if *to == Seq(head - 3))
        });
        assert_eq!(skipped, Some(0), "before the entries behind it: {outputs:?}");
        assert_eq!(appended(&outputs), [head - 2, head - 1, head]);
        // One that is just small enough is read.
        let mut bench = asked();
        known(&mut bench, ann(), 1, 5);
        assert_eq!(ranges(&bench.list(5 + GAP_MAX)), [HistoryRange::After { seq: Seq(5) }]);
        // And one that opens while signed in is judged the same.
        let mut bench = Bench::signed_in(3);
        bench.page(1..=3, 3);
        let outputs = bench.receive(Lagged { channel: DEN, head: Seq(4 + GAP_MAX) }.into());
        assert_eq!(ranges(&outputs), [HistoryRange::Latest]);
    }

    fn said(seq: u64) -> Entry {
        let content = Content::text("hi").expect("text");
        Entry { body: Body::Message(Post::new(content, None)), ..entry(seq) }
    }

    fn react(seq: u64, target: u64) -> Entry {
        let emoji = Emoji::new("+").expect("short");
        Entry {
            body: Body::Amended { amendment: Amendment::React { seq: Seq(target), emoji, on: true } },
            ..entry(seq)
        }
    }

    #[test]
    fn an_amendment_that_overtakes_the_page_it_changes_is_not_lost() {
        let mut bench = Bench::signed_in(9);
        bench.page(9..=9, 9);
        let range = HistoryRange::Before { seq: Seq(9) };
        bench.feed(Input::Command(Command::ReadHistory { channel: DEN, range }));
        let id = bench.pending_id(|pending| matches!(pending, Pending::History(_)));
        bench.receive(react(10, 4).into());
        let page = |id, entries| HistoryPage {
            id,
            channel: DEN,
            epoch: Epoch(1),
            head: Seq(9),
            entries,
            more: true,
        };
        let outputs = bench.receive(page(id, vec![said(3), said(4)]).into());
        let [Output::Event(Event::History { entries, .. })] = &outputs[..] else { panic!("{outputs:?}") };
        let reactions = |entry: &Entry| match &entry.body {
            Body::Message(post) => post.reaction_count(),
            other => panic!("{other:?}"),
        };
        assert_eq!((reactions(&entries[0]), reactions(&entries[1])), (0, 1));
        // With more than are remembered the page is read again.
        bench.feed(Input::Command(Command::ReadHistory { channel: DEN, range }));
        let id = bench.pending_id(|pending| matches!(pending, Pending::History(_)));
        for seq in 11..=300 {
            bench.receive(react(seq, 4).into());
        }
        let outputs = bench.receive(page(id, vec![said(4)]).into());
        assert_eq!(ranges(&outputs), [range], "{outputs:?}");
    }

    #[test]
    fn a_page_of_another_life_of_the_log_is_not_mixed_with_this_one() {
        let mut bench = Bench::signed_in(9);
        bench.page(9..=9, 9);
        let range = HistoryRange::Before { seq: Seq(9) };
        bench.feed(Input::Command(Command::ReadHistory { channel: DEN, range }));
        let id = bench.pending_id(|pending| matches!(pending, Pending::History(_)));
        let page = HistoryPage {
            id,
            channel: DEN,
            epoch: Epoch(2),
            head: Seq(9),
            entries: vec![said(3)],
            more: true,
        };
        let outputs = bench.receive(page.into());
        assert!(
            outputs
                .iter()
                .any(|o| matches!(o, Output::Event(Event::History { entries, .. }) if entries.is_empty())),
            "{outputs:?}"
        );
        assert_eq!(ranges(&outputs), [HistoryRange::After { seq: Seq(9) }], "the next page tells");
    }
}
