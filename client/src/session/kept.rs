//! The outbox on disk, as the machine sees it: what is asked of it, and what its answers let go.
//!
//! The outbox opens when the account's channels are known, so that what an earlier run left is told of behind the channels it is for; or
//! when the connection is lost before that.
//!
//! Invariants: with a disk, no message is sent before the disk has answered for it; a message leaves the disk only together with
//! memory; what one account said is never restored to another.

use mechat_protocol::{AccountName, Nonce};

use super::talk::moved;
use super::{Now, Output, Session};
use crate::event::{Event, OutboxFile, OutboxState};
use crate::outbox::Unsent;

/// Whether what is said is on disk before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disk {
    /// There is none: what is said lives as long as the process.
    None,
    /// Nobody's outbox is open.
    Closed,
    /// The owner's is open, or about to be. `is_well` until the user was told otherwise.
    Open { is_well: bool },
}

impl Session {
    /// The account and its channels are known: its outbox may come.
    pub(super) fn open_outbox(&mut self, outputs: &mut Vec<Output>) {
        let (Disk::Closed, Some(owner)) = (self.disk, &self.owner) else { return };
        self.disk = Disk::Open { is_well: true };
        outputs.push(Output::OpenOutbox(owner.clone()));
        outputs.extend(self.outbox.unwritten().cloned().map(Output::Keep));
    }

    /// Forgets on disk what was failed back to the user, and closes.
    pub(super) fn close_outbox(&mut self, failed: &[Nonce], outputs: &mut Vec<Output>) {
        if let Disk::Open { .. } = self.disk {
            outputs.extend(failed.iter().copied().map(Output::Forget));
            outputs.push(Output::CloseOutbox);
            self.disk = Disk::Closed;
        }
    }

    /// A message was said: asks the disk first, if there is one.
    pub(super) fn keep(&mut self, nonce: Nonce, outputs: &mut Vec<Output>) {
        match self.disk {
            Disk::None => self.release(nonce, outputs),
            Disk::Closed => {}
            Disk::Open { .. } => outputs.extend(self.outbox.get(nonce).cloned().map(Output::Keep)),
        }
    }

    /// A message has the relay's word.
    pub(super) fn forget(&self, nonce: Nonce, outputs: &mut Vec<Output>) {
        if let Disk::Open { .. } = self.disk {
            outputs.push(Output::Forget(nonce));
        }
    }

    pub(super) fn restored(
        &mut self,
        now: Now,
        account: &AccountName,
        messages: Vec<Unsent>,
        damage: Option<String>,
        outputs: &mut Vec<Output>,
    ) {
        // Who asked for it may have logged out meanwhile; on disk it stays theirs.
        if self.owner.as_ref() != Some(account) {
            return;
        }
        outputs.extend(damage.map(|what| file(OutboxFile::Damaged { what })));
        for message in &messages {
            let state = OutboxState::Pending(message.what.clone());
            outputs.push(moved(message.nonce, message.channel, state));
        }
        self.outbox.restore(messages);
        self.send_outbox(now, outputs);
    }

    pub(super) fn kept(
        &mut self,
        now: Now,
        account: Option<&AccountName>,
        nonces: &[Nonce],
        outputs: &mut Vec<Output>,
    ) {
        if let Disk::Open { is_well: is_well @ false } = &mut self.disk
            && account == self.owner.as_ref()
        {
            *is_well = true;
            outputs.push(file(OutboxFile::Whole));
        }
        for nonce in nonces {
            self.release(*nonce, outputs);
        }
        self.send_outbox(now, outputs);
    }

    /// A disk that fails keeps nobody from talking, but the user is told.
    pub(super) fn not_kept(
        &mut self,
        now: Now,
        account: Option<&AccountName>,
        nonces: &[Nonce],
        reason: String,
        outputs: &mut Vec<Output>,
    ) {
        match (&mut self.disk, account) {
            (Disk::Open { is_well }, account) if account == self.owner.as_ref() => {
                if std::mem::replace(is_well, false) {
                    outputs.push(file(OutboxFile::NotKept { reason }));
                }
            }
            // The last that was asked of it was to forget what was failed back, whoever came since.
            (Disk::Open { .. } | Disk::Closed, Some(account)) => {
                outputs.push(file(OutboxFile::Damaged { what: lingers(account, &reason) }));
            }
            (Disk::Open { .. } | Disk::Closed, None) | (Disk::None, _) => {}
        }
        for nonce in nonces {
            self.release(*nonce, outputs);
        }
        self.send_outbox(now, outputs);
    }

    /// The message may be sent.
    fn release(&mut self, nonce: Nonce, outputs: &mut Vec<Output>) {
        if let Some(message) = self.outbox.written(nonce) {
            let state = OutboxState::Pending(message.what.clone());
            outputs.push(moved(nonce, message.channel, state));
        }
    }
}

fn lingers(account: &AccountName, reason: &str) -> String {
    format!(
        "what was not sent before {account} left may still be in the outbox on disk, and go out when {account} signs in again: {reason}"
    )
}

fn file(told: OutboxFile) -> Output {
    Output::Event(Event::OutboxFile(told))
}

#[cfg(test)]
mod tests {
    use mechat_protocol::message::Message;
    use mechat_protocol::reply::{Ack, ErrorReply, LoggedOut};
    use mechat_protocol::{Content, Epoch, ErrorCode, Position, Seq, UnixMillis};

    use super::super::tests::{Bench, DEN, failed, nonce, sent, token};
    use super::super::{Input, Pending};
    use super::*;
    use crate::Command;
    use crate::outbox::Utterance;

    fn ann() -> AccountName {
        AccountName::new("ann").expect("name")
    }

    fn message(n: u128) -> Unsent {
        let content = Content::text("hi").expect("text");
        Unsent { channel: DEN, nonce: nonce(n), what: Utterance::Message { content, in_reply_to: None } }
    }

    fn restored(account: AccountName, numbers: &[u128]) -> Input {
        let messages = numbers.iter().map(|n| message(*n)).collect();
        Input::Restored { account, messages, damage: None }
    }

    fn kept(nonces: Vec<Nonce>) -> Input {
        Input::Kept { account: Some(ann()), nonces }
    }

    fn not_kept(nonces: Vec<Nonce>) -> Input {
        Input::NotKept { account: Some(ann()), nonces, reason: "no space".into() }
    }

    /// Signed in, with an open outbox that held these.
    fn open(numbers: &[u128]) -> (Bench, Vec<Output>) {
        let mut bench = Bench::keeping();
        let outputs = bench.sign_in(&ann(), 0);
        assert!(
            matches!(outputs.last(), Some(Output::OpenOutbox(account)) if *account == ann()),
            "{outputs:?}"
        );
        let outputs = bench.feed(restored(ann(), numbers));
        (bench, outputs)
    }

    fn said(outputs: &[Output]) -> Vec<Nonce> {
        let nonces = sent(outputs)
            .into_iter()
            .filter_map(|m| if let Message::Send(send) = m { Some(send.nonce) } else { None });
        nonces.collect()
    }

    fn pending(outputs: &[Output]) -> Vec<Nonce> {
        let nonces = outputs.iter().filter_map(|output| match output {
            Output::Event(Event::Outbox { nonce, state: OutboxState::Pending(_), .. }) => Some(*nonce),
            _ => None,
        });
        nonces.collect()
    }

    fn told(outputs: &[Output]) -> Vec<&OutboxFile> {
        let told = outputs.iter().filter_map(|output| match output {
            Output::Event(Event::OutboxFile(told)) => Some(told),
            _ => None,
        });
        told.collect()
    }

    #[test]
    fn what_is_said_is_sent_when_the_disk_has_it_and_forgotten_when_the_relay_has() {
        let (mut bench, _) = open(&[]);
        let outputs = bench.say(1);
        assert!(matches!(&outputs[..], [Output::Keep(kept)] if *kept == message(1)), "{outputs:?}");
        let outputs = bench.feed(kept(vec![nonce(1)]));
        assert_eq!((pending(&outputs), said(&outputs)), (vec![nonce(1)], vec![nonce(1)]));
        assert!(bench.feed(kept(vec![nonce(1)])).is_empty(), "once");
        let id = bench.pending_id(|pending| matches!(pending, Pending::Say(_)));
        let position = Position { channel: DEN, epoch: Epoch(1), seq: Seq(1) };
        let outputs = bench.receive(Ack { id, position, at_ms: UnixMillis(5) }.into());
        assert!(matches!(outputs.last(), Some(Output::Forget(forgotten)) if *forgotten == nonce(1)));

        bench.say(2);
        bench.feed(kept(vec![nonce(2)]));
        let id = bench.pending_id(|pending| matches!(pending, Pending::Say(_)));
        let outputs = bench.receive(ErrorReply::new(Some(id), ErrorCode::NotAMember, "no").into());
        assert_eq!(failed(&outputs), [nonce(2)]);
        assert!(matches!(outputs.last(), Some(Output::Forget(forgotten)) if *forgotten == nonce(2)));
    }

    #[test]
    fn what_an_earlier_run_left_is_told_and_goes_out_first_under_its_own_nonce() {
        let mut bench = Bench::keeping();
        bench.say(3);
        let outputs = bench.sign_in(&ann(), 0);
        assert_eq!(failed(&outputs), [nonce(3)], "said before anybody was signed in");
        bench.say(4);
        let outputs = bench.feed(restored(ann(), &[1, 2]));
        assert_eq!((pending(&outputs), said(&outputs)), (vec![nonce(1), nonce(2)], vec![nonce(1), nonce(2)]));
        let outputs = bench.feed(kept(vec![nonce(4)]));
        assert_eq!(said(&outputs), [nonce(4)]);
        // Across a cut the disk is not asked again.
        bench.feed(Input::Lost("cut".into()));
        bench.ms += 30_000;
        bench.feed(Input::Tick);
        bench.greet();
        let outputs = bench.sign_in(&ann(), 0);
        assert_eq!(said(&outputs), [nonce(1), nonce(2), nonce(4)]);
        assert!(!outputs.iter().any(|o| matches!(o, Output::OpenOutbox(_) | Output::Keep(_))), "{outputs:?}");
    }

    #[test]
    fn what_was_said_while_the_channels_were_listed_is_kept_as_well() {
        let mut bench = Bench::keeping();
        bench.sign_in_without_listing(&ann());
        assert!(bench.say(1).is_empty(), "the outbox is not open yet");
        let outputs = bench.list(0);
        assert!(
            matches!(&outputs[outputs.len() - 2..], [Output::OpenOutbox(_), Output::Keep(kept)] if kept.nonce == nonce(1)),
            "{outputs:?}"
        );
    }

    #[test]
    fn what_is_said_offline_is_kept_though_the_channels_were_never_listed() {
        let mut bench = Bench::keeping();
        bench.sign_in_without_listing(&ann());
        let outputs = bench.feed(Input::Lost("cut".into()));
        assert!(
            outputs.iter().any(|output| matches!(output, Output::OpenOutbox(account) if *account == ann()))
        );
        assert!(matches!(&bench.say(1)[..], [Output::Keep(kept)] if kept.nonce == nonce(1)));
    }

    #[test]
    fn a_disk_that_fails_is_told_once_and_holds_nothing_up() {
        let (mut bench, _) = open(&[]);
        bench.say(1);
        let outputs = bench.feed(not_kept(vec![nonce(1)]));
        assert!(matches!(told(&outputs)[..], [OutboxFile::NotKept { reason }] if reason == "no space"));
        assert_eq!(said(&outputs), [nonce(1)]);
        bench.say(2);
        let outputs = bench.feed(not_kept(vec![nonce(2)]));
        assert!(told(&outputs).is_empty(), "not at every line");
        assert_eq!(said(&outputs), [nonce(2)]);
        bench.say(3);
        assert_eq!(told(&bench.feed(kept(vec![nonce(3)]))), [&OutboxFile::Whole]);
        let (mut bench, _) = open(&[]);
        let damage = Some("half".to_owned());
        let outputs = bench.feed(Input::Restored { account: ann(), messages: Vec::new(), damage });
        assert!(matches!(told(&outputs)[..], [OutboxFile::Damaged { what }] if what == "half"));
    }

    #[test]
    fn what_is_failed_back_at_a_logout_leaves_the_disk_and_nobody_elses_comes_up() {
        let (mut bench, _) = open(&[1]);
        bench.say(2);
        bench.feed(Input::Command(Command::Logout));
        let id = bench.pending_id(|pending| matches!(pending, Pending::Logout));
        let outputs = bench.receive(LoggedOut { id }.into());
        assert_eq!(failed(&outputs), [nonce(1), nonce(2)]);
        let forgotten: Vec<Nonce> = outputs
            .iter()
            .filter_map(|o| if let Output::Forget(nonce) = o { Some(*nonce) } else { None })
            .collect();
        assert_eq!(forgotten, [nonce(1), nonce(2)]);
        let closed = outputs.iter().position(|o| matches!(o, Output::CloseOutbox)).expect("closed");
        assert!(matches!(outputs[closed - 1], Output::Forget(_)), "behind what it forgets");
        // What the disk still answers for the one who left does not come up under the next one's name.
        bench.ms += 30_000;
        bench.feed(Input::Tick);
        bench.greet();
        bench.feed(Input::Command(Command::Resume(token(9))));
        let bob = AccountName::new("bob").expect("name");
        let outputs = bench.sign_in(&bob, 0);
        assert!(matches!(outputs.last(), Some(Output::OpenOutbox(account)) if *account == bob));
        let outputs = bench.feed(restored(ann(), &[7]));
        assert!(outputs.is_empty(), "{outputs:?}");
        assert!(bench.feed(kept(vec![nonce(2)])).is_empty());
    }

    #[test]
    fn a_disk_that_does_not_forget_at_a_logout_is_told() {
        let (mut bench, _) = open(&[1]);
        bench.feed(Input::Command(Command::Logout));
        let id = bench.pending_id(|pending| matches!(pending, Pending::Logout));
        bench.receive(LoggedOut { id }.into());
        let outputs = bench.feed(not_kept(Vec::new()));
        let [OutboxFile::Damaged { what }] = told(&outputs)[..] else { panic!("{outputs:?}") };
        assert!(
            what.contains("before ann left may still be in the outbox") && what.contains("no space"),
            "{what}"
        );
    }

    #[test]
    fn what_the_disk_says_of_the_one_who_left_is_not_told_as_the_next_ones() {
        let (mut bench, _) = open(&[1]);
        bench.feed(Input::Command(Command::Logout));
        let id = bench.pending_id(|pending| matches!(pending, Pending::Logout));
        bench.receive(LoggedOut { id }.into());
        bench.ms += 30_000;
        bench.feed(Input::Tick);
        bench.greet();
        bench.feed(Input::Command(Command::Resume(token(9))));
        let bob = AccountName::new("bob").expect("name");
        bench.sign_in(&bob, 0);
        let outputs = bench.feed(not_kept(Vec::new()));
        let [OutboxFile::Damaged { what }] = told(&outputs)[..] else { panic!("{outputs:?}") };
        assert!(what.contains("before ann left"), "{what}");

        let bobs = |nonces| Input::NotKept { account: Some(bob.clone()), nonces, reason: "no space".into() };
        assert!(matches!(told(&bench.feed(bobs(Vec::new())))[..], [OutboxFile::NotKept { .. }]), "bob's own");
        assert!(bench.feed(kept(Vec::new())).is_empty(), "ann's is well, bob's is not");
    }

    #[test]
    fn a_full_outbox_refuses_and_says_so() {
        let numbers: Vec<u128> = (1..=crate::outbox::MESSAGES_MAX as u128).collect();
        let (mut bench, _) = open(&numbers);
        let outputs = bench.say(0);
        let [Output::Event(Event::Outbox { state: OutboxState::Failed(error), .. })] = &outputs[..] else {
            panic!("{outputs:?}")
        };
        assert!(
            error.code == ErrorCode::LimitReached && error.message.contains("100000"),
            "{}",
            error.message
        );
    }
}
