//! The machine by itself: inputs in, outputs out, no socket, no clock.

use mechat_protocol::event::{GoAway, Lagged};
use mechat_protocol::reply::{Ack, ChannelPage, HistoryPage, Joined, Left, LoginChallenge, Pong, SignedIn};
use mechat_protocol::reply::{ChannelInfo, Durability, Limits};
use mechat_protocol::request::{ChannelKind, HistoryRange};
use mechat_protocol::secret::OpaqueBytes;
use mechat_protocol::{
    AccountName, Body, ChannelName, CloseCode, Content, Entry, Epoch, Nonce, Position, Seq, SessionId,
    UnixMillis,
};
use uuid::Uuid;

use super::*;
use crate::event::OutboxState;

pub(super) const DEN: ChannelId = ChannelId(7);

/// A session, the time, and what it last wanted.
pub(super) struct Bench {
    pub(super) session: Session,
    pub(super) ms: u64,
}

impl Bench {
    fn new() -> Self {
        Self::on(Session::new("test".into()))
    }

    /// With an outbox on disk, which the test answers for.
    pub(super) fn keeping() -> Self {
        let mut bench = Self::on(Session::new("test".into()).keeping());
        bench.greet();
        bench.feed(Input::Command(Command::Resume(token(1))));
        bench
    }

    pub(super) fn on(mut session: Session) -> Self {
        let mut outputs = Vec::new();
        session.start(&mut outputs);
        assert!(matches!(outputs.last(), Some(Output::Connect)));
        Self { session, ms: 0 }
    }

    /// Connected, welcomed and signed in; a member of #den up to `head`.
    pub(super) fn signed_in(head: u64) -> Self {
        let mut bench = Self::new();
        bench.greet();
        let account = AccountName::new("ann").expect("name");
        bench.feed(Input::Command(Command::Resume(token(1))));
        bench.sign_in(&account, head);
        bench
    }

    pub(super) fn greet(&mut self) {
        let outputs = self.feed(Input::Connected(Fingerprint::new([0; 32])));
        let id = sent(&outputs)[0].id().expect("an id");
        self.receive(welcome(id));
    }

    /// Answers the request for a sign-in that was just sent, and the listing that follows.
    pub(super) fn sign_in(&mut self, account: &AccountName, head: u64) -> Vec<Output> {
        let mut outputs = self.sign_in_without_listing(account);
        outputs.extend(self.list(head));
        outputs
    }

    pub(super) fn sign_in_without_listing(&mut self, account: &AccountName) -> Vec<Output> {
        let id = self.pending_id(|pending| matches!(pending, Pending::SignIn(_)));
        self.receive(
            SignedIn {
                id,
                account: account.clone(),
                session: SessionId(Uuid::nil()),
                token: token(2),
                token_expires_ms: UnixMillis(0),
                admin: false,
            }
            .into(),
        )
    }

    pub(super) fn list(&mut self, head: u64) -> Vec<Output> {
        let id = self.pending_id(|pending| matches!(pending, Pending::Channels(_)));
        self.receive(ChannelPage { id, channels: vec![den(head)], more: false }.into())
    }

    pub(super) fn feed(&mut self, input: Input) -> Vec<Output> {
        let mut outputs = Vec::new();
        self.session.handle(Now { ms: self.ms, random: 250 }, input, &mut outputs);
        outputs
    }

    pub(super) fn receive(&mut self, message: Message) -> Vec<Output> {
        self.feed(Input::Frame(Incoming::Message(message)))
    }

    pub(super) fn pending_id(&self, wanted: impl Fn(&Pending) -> bool) -> RequestId {
        *self.session.pending.iter().find(|(_, pending)| wanted(pending)).expect("it is in flight").0
    }

    pub(super) fn say(&mut self, n: u128) -> Vec<Output> {
        let content = Content::text("hi").expect("text");
        self.feed(Input::Command(Command::Say { channel: DEN, nonce: nonce(n), content, in_reply_to: None }))
    }

    /// Answers the page that is asked for.
    pub(super) fn page(&mut self, seqs: std::ops::RangeInclusive<u64>, head: u64) -> Vec<Output> {
        self.page_of(seqs.map(entry).collect(), head)
    }

    fn page_of(&mut self, entries: Vec<Entry>, head: u64) -> Vec<Output> {
        let id = self.pending_id(|pending| matches!(pending, Pending::Pull(..)));
        self.receive(
            HistoryPage { id, channel: DEN, epoch: Epoch(1), head: Seq(head), entries, more: false }.into(),
        )
    }
}

pub(super) fn token(byte: u8) -> Token {
    Token::new(vec![byte; 4]).expect("short")
}

pub(super) fn nonce(n: u128) -> Nonce {
    Nonce(Uuid::from_u128(n))
}

pub(super) fn entry(seq: u64) -> Entry {
    let sender = AccountName::new("bob").expect("name");
    Entry {
        channel: DEN,
        epoch: Epoch(1),
        seq: Seq(seq),
        at_ms: UnixMillis(0),
        sender,
        nonce: None,
        body: Body::Joined,
    }
}

fn den(head: u64) -> ChannelInfo {
    ChannelInfo {
        channel: DEN,
        name: ChannelName::new("den").expect("name"),
        kind: ChannelKind::Public,
        host: AccountName::new("bob").expect("name"),
        created_ms: UnixMillis(0),
        members: 2,
        epoch: Epoch(1),
        head: Seq(head),
        joined: true,
        topic: mechat_protocol::Topic::default(),
        marks: None,
    }
}

fn welcome(id: RequestId) -> Message {
    let limits = Limits {
        frame_len_max: 0,
        frame_len_max_pending: 0,
        text_len_max: 0,
        data_len_max: 0,
        name_chars_max: 0,
        page_entries_max: 0,
        in_flight_max: 0,
        pending_timeout_ms: 0,
        idle_timeout_ms: 0,
    };
    let welcome = Welcome {
        id,
        version: 1,
        agent: "relay".into(),
        limits,
        durability: Durability::Fsync,
        motd: None,
        participants_before_sign_in: false,
    };
    welcome.into()
}

pub(super) fn sent(outputs: &[Output]) -> Vec<&Message> {
    outputs
        .iter()
        .filter_map(|output| if let Output::Send(message) = output { Some(message) } else { None })
        .collect()
}

/// Seqs handed on, in order.
pub(super) fn appended(outputs: &[Output]) -> Vec<u64> {
    let entries = outputs.iter().filter_map(|output| match output {
        Output::Event(Event::Appended { entries, .. }) => Some(entries),
        _ => None,
    });
    entries.flatten().map(|entry| entry.seq.0).collect()
}

fn link(outputs: &[Output]) -> Option<&Link> {
    outputs
        .iter()
        .find_map(|output| if let Output::Event(Event::Link(link)) = output { Some(link) } else { None })
}

#[test]
fn entries_are_handed_on_in_order_each_once_and_gaps_are_pulled() {
    let mut bench = Bench::signed_in(3);
    assert_eq!(appended(&bench.page(1..=3, 3)), [1, 2, 3]);
    assert_eq!(appended(&bench.receive(entry(4).into())), [4]);
    assert!(bench.receive(entry(4).into()).is_empty(), "a repeat");
    let outputs = bench.receive(entry(7).into());
    assert!(appended(&outputs).is_empty(), "5 and 6 are missing");
    assert!(
        matches!(sent(&outputs)[..], [Message::ReadHistory(read)] if read.range == HistoryRange::After { seq: Seq(4) })
    );
    assert!(bench.receive(entry(8).into()).is_empty(), "one page at a time");
    let outputs = bench.page(5..=7, 8);
    assert_eq!(appended(&outputs), [5, 6, 7]);
    assert_eq!(sent(&outputs).len(), 1, "the page told of 8");
    assert_eq!(appended(&bench.page(8..=8, 8)), [8]);
    let outputs = bench.receive(Lagged { channel: DEN, head: Seq(20) }.into());
    assert_eq!(sent(&outputs).len(), 1);
}

#[test]
fn a_relay_that_never_fills_a_gap_is_not_asked_for_ever() {
    let mut bench = Bench::signed_in(3);
    bench.page(1..=3, 3);
    bench.receive(entry(9).into());
    let id = bench.pending_id(|pending| matches!(pending, Pending::Pull(..)));
    let empty =
        HistoryPage { id, channel: DEN, epoch: Epoch(1), head: Seq(9), entries: vec![entry(9)], more: true };
    assert!(sent(&bench.receive(empty.into())).is_empty());
}

#[test]
fn another_epoch_resets_the_channel_and_says_so() {
    let mut bench = Bench::signed_in(1);
    bench.page(1..=1, 1);
    let outputs = bench.receive(Entry { epoch: Epoch(2), ..entry(1) }.into());
    assert!(matches!(outputs[0], Output::Event(Event::Reset(DEN))), "{outputs:?}");
    assert!(matches!(sent(&outputs)[..], [Message::ReadHistory(read)] if read.range == HistoryRange::Latest));
}

#[test]
fn what_was_said_is_sent_again_after_a_cut_until_it_is_acknowledged() {
    let mut bench = Bench::signed_in(0);
    assert!(matches!(sent(&bench.say(1))[..], [Message::Send(send)] if send.nonce == nonce(1)));
    assert_eq!(sent(&bench.say(2)).len(), 1);
    let id = bench.pending_id(|pending| matches!(pending, Pending::Say(say) if *say == nonce(1)));
    let position = Position { channel: DEN, epoch: Epoch(1), seq: Seq(1) };
    let outputs = bench.receive(Ack { id, position, at_ms: UnixMillis(5) }.into());
    assert!(matches!(outputs[..], [Output::Event(Event::Outbox { state: OutboxState::Acked { .. }, .. })]));

    let outputs = bench.feed(Input::Lost("cut".into()));
    assert!(matches!(link(&outputs), Some(Link::Down { attempt: 1, .. })));
    assert!(sent(&bench.say(3)).is_empty(), "kept while the link is down");
    bench.ms += 30_000;
    assert!(matches!(bench.feed(Input::Tick).last(), Some(Output::Connect)));
    bench.greet();
    let account = AccountName::new("ann").expect("name");
    let outputs = bench.sign_in(&account, 0);
    let again: Vec<Nonce> = sent(&outputs)
        .iter()
        .filter_map(|m| if let Message::Send(send) = m { Some(send.nonce) } else { None })
        .collect();
    assert_eq!(again, [nonce(2), nonce(3)], "in order, without what is acknowledged");
}

#[test]
fn a_refused_message_fails_unless_it_may_be_tried_later() {
    let mut bench = Bench::signed_in(0);
    bench.say(1);
    let id = bench.pending_id(|pending| matches!(pending, Pending::Say(_)));
    bench.receive(ErrorReply::new(Some(id), ErrorCode::Busy, "later").into());
    assert!(sent(&bench.say(2)).is_empty(), "not before the delay, and not before the first");
    bench.ms += 1_000;
    assert_eq!(bench.session.next_deadline(), Some(bench.ms));
    assert_eq!(sent(&bench.feed(Input::Tick)).len(), 2);
    let id = bench.pending_id(|pending| matches!(pending, Pending::Say(say) if *say == nonce(1)));
    let outputs = bench.receive(ErrorReply::new(Some(id), ErrorCode::NotAMember, "no").into());
    assert!(matches!(&outputs[..], [Output::Event(Event::Outbox { state: OutboxState::Failed(_), .. })]));
}

#[test]
fn silence_is_broken_by_pings_and_taken_for_death_in_the_end() {
    let mut bench = Bench::signed_in(0);
    bench.ms += PING_INTERVAL_MS;
    assert_eq!(bench.session.next_deadline(), Some(bench.ms));
    let outputs = bench.feed(Input::Tick);
    let Message::Ping(ping) = sent(&outputs)[0] else { panic!("{outputs:?}") };
    bench.receive(Pong { id: ping.id }.into());
    bench.ms += SILENCE_MAX_MS;
    let outputs = bench.feed(Input::Tick);
    assert!(matches!(outputs[0], Output::Disconnect));
    assert!(matches!(link(&outputs), Some(Link::Down { .. })));
}

#[test]
fn a_close_decides_whether_and_when_to_return() {
    let mut bench = Bench::signed_in(0);
    bench.receive(GoAway { delay_ms: 1_500 }.into());
    let outputs = bench.receive(Close::new(CloseCode::ShuttingDown, "stops").into());
    assert!(matches!(link(&outputs), Some(Link::Down { retry_in, .. }) if retry_in.as_millis() == 1_500));

    let mut bench = Bench::signed_in(0);
    let outputs = bench.receive(Close::new(CloseCode::Replaced, "elsewhere").into());
    assert!(matches!(link(&outputs), Some(Link::Failed { reason }) if reason == "elsewhere"));
    assert_eq!(bench.session.next_deadline(), None, "it does not try by itself");
    assert!(matches!(bench.feed(Input::Command(Command::ConnectNow)).last(), Some(Output::Connect)));

    let mut bench = Bench::signed_in(0);
    let outputs = bench.receive(Close::new(CloseCode::SessionRevoked, "replayed").into());
    assert!(outputs.iter().any(|o| matches!(o, Output::Event(Event::SignedOut(SignedOut::TokenRefused)))));
    bench.ms += 30_000;
    bench.feed(Input::Tick);
    bench.greet();
    assert!(bench.session.pending.is_empty(), "no token is tried again");
}

#[test]
fn a_relay_that_goes_away_is_sent_nothing_new_and_left_if_it_stays() {
    let mut bench = Bench::signed_in(0);
    bench.say(1);
    bench.ms += 100;
    bench.receive(GoAway { delay_ms: 1_500 }.into());
    assert!(sent(&bench.say(2)).is_empty(), "it would only be refused");
    let id = bench.pending_id(|pending| matches!(pending, Pending::Say(_)));
    let position = Position { channel: DEN, epoch: Epoch(1), seq: Seq(1) };
    let outputs = bench.receive(Ack { id, position, at_ms: UnixMillis(5) }.into());
    assert!(matches!(outputs[..], [Output::Event(Event::Outbox { state: OutboxState::Acked { .. }, .. })]));
    bench.ms += 600;
    let outputs = bench.receive(Close::new(CloseCode::ShuttingDown, "stops").into());
    assert!(
        matches!(link(&outputs), Some(Link::Down { retry_in, .. }) if retry_in.as_millis() == 900),
        "the delay counts from its word: {outputs:?}"
    );
    bench.ms += 900;
    bench.feed(Input::Tick);
    bench.greet();
    let outputs = bench.sign_in(&AccountName::new("ann").expect("name"), 0);
    assert!(sent(&outputs).iter().any(|m| matches!(m, Message::Send(send) if send.nonce == nonce(2))));

    bench.receive(GoAway { delay_ms: 10 }.into());
    bench.ms += SHUTDOWN_TIMEOUT_MS;
    assert_eq!(bench.session.next_deadline(), Some(bench.ms));
    let outputs = bench.feed(Input::Tick);
    assert!(matches!(outputs[0], Output::Disconnect));
    assert!(matches!(link(&outputs), Some(Link::Down { retry_in: Duration::ZERO, .. })));
}

#[test]
fn an_entry_that_overtakes_a_page_is_not_forgotten() {
    let mut bench = Bench::signed_in(3);
    bench.page(1..=3, 3);
    bench.receive(entry(7).into());
    assert!(bench.receive(entry(9).into()).is_empty(), "one page at a time");
    let outputs = bench.page(4..=7, 7);
    assert_eq!(appended(&outputs), [4, 5, 6, 7]);
    let ranges: Vec<_> = sent(&outputs)
        .into_iter()
        .filter_map(|m| if let Message::ReadHistory(read) = m { Some(read.range) } else { None })
        .collect();
    assert_eq!(ranges, [HistoryRange::After { seq: Seq(7) }], "the page was read before 9 was there");
}

#[test]
fn nothing_follows_a_logout_and_a_refused_one_goes_on() {
    let mut bench = Bench::signed_in(0);
    bench.feed(Input::Command(Command::Logout));
    assert!(sent(&bench.say(1)).is_empty());
    let outputs = bench.feed(Input::Command(Command::ListChannels));
    assert!(matches!(outputs[..], [Output::Event(Event::Refused { .. })]), "{outputs:?}");
    let id = bench.pending_id(|pending| matches!(pending, Pending::Logout));
    let outputs = bench.receive(ErrorReply::new(Some(id), ErrorCode::Busy, "later").into());
    let messages = sent(&outputs);
    assert!(messages.iter().any(|message| matches!(message, Message::ListChannels(_))), "{outputs:?}");
    assert!(
        messages.iter().any(|message| matches!(message, Message::Send(_))),
        "it waits for nothing else: {outputs:?}"
    );
    assert_eq!(sent(&bench.say(2)).len(), 1);
}

#[test]
fn a_page_that_waited_for_its_turn_is_answered_by_a_cut() {
    let mut bench = Bench::signed_in(0);
    for _ in 0..6 {
        let channel = DEN;
        bench.feed(Input::Command(Command::ReadHistory { channel, range: HistoryRange::Latest }));
    }
    let outputs = bench.feed(Input::Lost("cut".into()));
    let refused =
        |o: &&Output| matches!(o, Output::Event(Event::Refused { request: RequestKind::ReadHistory, .. }));
    assert_eq!(outputs.iter().filter(refused).count(), 6);
}

#[test]
fn the_own_listing_that_was_refused_is_asked_for_again() {
    let mut bench = Bench::signed_in(0);
    bench.session.list_channels(Now { ms: 0, random: 0 }, false, &mut Vec::new());
    let id = bench.pending_id(|pending| matches!(pending, Pending::Channels(_)));
    let outputs = bench.receive(ErrorReply::new(Some(id), ErrorCode::Busy, "later").into());
    assert!(outputs.is_empty(), "the user did not ask: {outputs:?}");
    bench.ms += RETRY_MS;
    assert!(matches!(sent(&bench.feed(Input::Tick))[..], [Message::ListChannels(_)]));
}

#[test]
fn a_relay_that_answers_nothing_or_for_ever_costs_a_bounded_amount() {
    let mut bench = Bench::signed_in(0);
    let mut refused = 0;
    for _ in 0..2 * IN_FLIGHT_MAX {
        let outputs = bench.feed(Input::Command(Command::ListConnections));
        refused += usize::from(sent(&outputs).is_empty());
    }
    assert!(refused >= IN_FLIGHT_MAX, "{refused} refused");
    assert_eq!(bench.session.pending.len(), IN_FLIGHT_MAX);

    let mut bench = Bench::signed_in(0);
    bench.feed(Input::Command(Command::ListChannels));
    let mut pages = 0;
    let outputs = loop {
        let id = bench.pending_id(|pending| matches!(pending, Pending::Channels(_)));
        let outputs = bench.receive(ChannelPage { id, channels: vec![den(0); 2_000], more: true }.into());
        pages += 1;
        if sent(&outputs).is_empty() {
            break outputs;
        }
        assert!(pages < 1_000, "it goes on for ever");
    };
    assert!(matches!(link(&outputs), Some(Link::Down { .. })), "{outputs:?}");
}

#[test]
fn a_login_that_was_cut_begins_again_by_itself() {
    let mut bench = Bench::new();
    bench.greet();
    let account = AccountName::new("ann").expect("name");
    let password = SecretString::from("pass".to_owned());
    let outputs = bench.feed(Input::Command(Command::Login { account: account.clone(), password }));
    let [Output::Password { step, work: PasswordWork::LoginStart(_) }] = outputs[..] else {
        panic!("{outputs:?}")
    };
    let outputs = bench.feed(Input::Password { step, result: Ok(vec![1]) });
    assert!(matches!(sent(&outputs)[..], [Message::LoginStart(_)]));
    bench.feed(Input::Lost("cut".into()));
    bench.ms += 30_000;
    bench.feed(Input::Tick);
    bench.greet();
    let step = bench.session.next_step - 1;
    let outputs = bench.feed(Input::Password { step, result: Ok(vec![2]) });
    let id = sent(&outputs)[0].id().expect("an id");
    let challenge = LoginChallenge { id, message: OpaqueBytes::new(vec![3]).expect("short") };
    let outputs = bench.receive(challenge.into());
    let [Output::Password { step, work: PasswordWork::LoginFinish(_) }] = outputs[..] else {
        panic!("{outputs:?}")
    };
    assert!(
        bench.feed(Input::Password { step: 0, result: Err(PasswordError::Wrong) }).is_empty(),
        "of the first link"
    );
    let outputs = bench.feed(Input::Password { step, result: Err(PasswordError::Wrong) });
    assert!(
        matches!(&outputs[..], [Output::Event(Event::Refused { request: RequestKind::Login, error })] if error.code == ErrorCode::InvalidCredentials)
    );
    assert!(matches!(bench.session.flow, Flow::Idle), "the password is forgotten");
}

#[test]
fn requests_are_answered_exactly_once_also_by_a_cut() {
    let mut bench = Bench::signed_in(0);
    bench.feed(Input::Command(Command::Join(ChannelName::new("x").expect("name"))));
    bench.feed(Input::Command(Command::Call {
        ticket: 4,
        request: Box::new(Ping { id: RequestId(0) }.into()),
    }));
    let outputs = bench.feed(Input::Lost("cut".into()));
    let refused = outputs
        .iter()
        .filter(|o| matches!(o, Output::Event(Event::Refused { request: RequestKind::Join, .. })))
        .count();
    let called = outputs
        .iter()
        .filter(|o| matches!(o, Output::Event(Event::Called { ticket: 4, reply: None })))
        .count();
    assert_eq!((refused, called), (1, 1));
    let outputs = bench.feed(Input::Command(Command::ListChannels));
    assert!(
        matches!(&outputs[..], [Output::Event(Event::Refused { error, .. })] if error.retry == Retry::Later)
    );
}

#[test]
fn nothing_a_relay_says_makes_it_panic_or_break_its_promises() {
    let id = RequestId(2);
    let strange: Vec<Message> = vec![
        Ack {
            id,
            position: Position { channel: DEN, epoch: Epoch(9), seq: Seq(u64::MAX) },
            at_ms: UnixMillis(i64::MIN),
        }
        .into(),
        Left { id, channel: DEN }.into(),
        Joined { id, channel: den(u64::MAX) }.into(),
        HistoryPage {
            id,
            channel: DEN,
            epoch: Epoch(3),
            head: Seq(u64::MAX),
            entries: vec![entry(9), entry(2)],
            more: true,
        }
        .into(),
        HistoryPage {
            id,
            channel: DEN,
            epoch: Epoch(2),
            head: Seq(0),
            entries: vec![entry(u64::MAX), entry(3)],
            more: true,
        }
        .into(),
        entry(5).into(),
        entry(0).into(),
        entry(u64::MAX).into(),
        Lagged { channel: ChannelId(99), head: Seq(1) }.into(),
        GoAway { delay_ms: u64::MAX }.into(),
        welcome(id),
        ErrorReply::new(None, ErrorCode::Unknown, "?").into(),
    ];
    for first in &strange {
        for second in &strange {
            let mut bench = Bench::signed_in(3);
            let mut first = first.clone();
            if let Some(pending) = bench.session.pending.keys().next().copied() {
                first.set_id(pending);
            }
            bench.receive(first);
            bench.receive(entry(u64::MAX).into());
            let mut second = second.clone();
            if let Some(pending) = bench.session.pending.keys().next().copied() {
                second.set_id(pending);
            }
            bench.receive(second);
            bench.feed(Input::Lost("cut".into()));
        }
    }
}

/// Nonces that failed for good.
pub(super) fn failed(outputs: &[Output]) -> Vec<Nonce> {
    let failed = outputs.iter().filter_map(|output| match output {
        Output::Event(Event::Outbox { nonce, state: OutboxState::Failed(_), .. }) => Some(*nonce),
        _ => None,
    });
    failed.collect()
}

#[test]
fn what_one_account_said_never_goes_out_under_another_ones_name() {
    let mut bench = Bench::signed_in(3);
    bench.page(1..=3, 3);
    bench.say(1);
    bench.receive(Close::new(CloseCode::SessionRevoked, "replayed").into());
    bench.say(2);
    bench.ms += 30_000;
    bench.feed(Input::Tick);
    bench.greet();
    bench.feed(Input::Command(Command::Resume(token(9))));
    let outputs = bench.sign_in(&AccountName::new("bob").expect("name"), 3);
    assert_eq!(failed(&outputs), [nonce(1), nonce(2)], "told, not sent");
    assert!(!sent(&outputs).iter().any(|message| matches!(message, Message::Send(_))));
    let asked = sent(&outputs)
        .into_iter()
        .find_map(|m| if let Message::ReadHistory(read) = m { Some(read.range) } else { None });
    assert_eq!(asked, Some(HistoryRange::Latest), "where the one before stood is forgotten");
}

#[test]
fn logging_out_tells_what_was_not_acknowledged() {
    let mut bench = Bench::signed_in(0);
    bench.say(1);
    bench.feed(Input::Command(Command::Logout));
    let id = bench.pending_id(|pending| matches!(pending, Pending::Logout));
    let outputs = bench.receive(mechat_protocol::reply::LoggedOut { id }.into());
    assert_eq!(failed(&outputs), [nonce(1)]);
}

#[test]
fn a_channel_joined_elsewhere_is_told_of_before_its_entries() {
    let mut bench = Bench::signed_in(0);
    let elsewhere = ChannelId(8);
    let outputs = bench.receive(Entry { channel: elsewhere, ..entry(1) }.into());
    assert!(matches!(sent(&outputs)[..], [Message::ListChannels(_)]), "{outputs:?}");
    assert!(appended(&outputs).is_empty());
    assert!(bench.receive(Entry { channel: elsewhere, ..entry(2) }.into()).is_empty(), "asked once");
    let id = bench.pending_id(|pending| matches!(pending, Pending::Channels(_)));
    let info = ChannelInfo { channel: elsewhere, ..den(2) };
    let outputs = bench.receive(ChannelPage { id, channels: vec![den(0), info], more: false }.into());
    assert!(
        outputs.iter().any(|o| matches!(o, Output::Event(Event::Joined(info)) if info.channel == elsewhere))
    );
    assert!(matches!(sent(&outputs)[..], [Message::ReadHistory(_)]));
}

#[test]
fn a_channel_left_elsewhere_ends_with_its_own_entry() {
    let mut bench = Bench::signed_in(1);
    bench.page(1..=1, 1);
    let sender = AccountName::new("ann").expect("name");
    let outputs = bench.receive(Entry { sender, body: Body::Left, ..entry(2) }.into());
    assert_eq!(appended(&outputs), [2]);
    assert!(matches!(outputs.last(), Some(Output::Event(Event::Left(DEN)))));
}

#[test]
fn a_leave_that_a_page_brought_with_the_join_behind_it_is_not_obeyed_again() {
    let mut bench = Bench::signed_in(9);
    bench.page(1..=9, 9);
    let own = |seq, body| Entry { sender: AccountName::new("ann").expect("name"), body, ..entry(seq) };
    let has_left = |outputs: &[Output]| outputs.iter().any(|o| matches!(o, Output::Event(Event::Left(DEN))));
    // Entries 10 and 11 are on their way; the page that the lag asks for overtakes them.
    bench.receive(Lagged { channel: DEN, head: Seq(11) }.into());
    let outputs = bench.page_of(vec![own(10, Body::Left), own(11, Body::Joined)], 11);
    assert_eq!(appended(&outputs), [10, 11]);
    assert!(!has_left(&outputs), "joined again: {outputs:?}");
    assert!(bench.receive(own(10, Body::Left).into()).is_empty(), "known");
    assert!(bench.receive(own(11, Body::Joined).into()).is_empty(), "known");
    assert_eq!(appended(&bench.receive(entry(12).into())), [12], "still a member");

    // A page that ends so ends it, though the entry that is pushed later is known.
    bench.receive(Lagged { channel: DEN, head: Seq(14) }.into());
    let outputs = bench.page_of(vec![entry(13), own(14, Body::Left)], 14);
    assert_eq!(appended(&outputs), [13, 14]);
    assert!(has_left(&outputs), "{outputs:?}");
}

#[test]
fn a_leave_at_the_end_of_a_page_waits_for_what_is_known_to_follow() {
    let mut bench = Bench::signed_in(1);
    bench.page(1..=1, 1);
    let own = |seq, body| Entry { sender: AccountName::new("ann").expect("name"), body, ..entry(seq) };
    let has_left = |outputs: &[Output]| outputs.iter().any(|o| matches!(o, Output::Event(Event::Left(DEN))));
    bench.receive(Lagged { channel: DEN, head: Seq(3) }.into());
    let outputs = bench.page_of(vec![own(2, Body::Left)], 3);
    assert!(!has_left(&outputs) && matches!(sent(&outputs)[..], [Message::ReadHistory(_)]), "{outputs:?}");
    let outputs = bench.page_of(vec![own(3, Body::Joined)], 3);
    assert!(!has_left(&outputs), "{outputs:?}");
}

#[test]
fn a_refused_page_is_asked_for_again_and_a_lost_membership_is_told() {
    let mut bench = Bench::signed_in(3);
    let refuse = |bench: &mut Bench, code| {
        let id = bench.pending_id(|pending| matches!(pending, Pending::Pull(..)));
        let error = ErrorReply { retry_after_ms: Some(u64::MAX), ..ErrorReply::new(Some(id), code, "no") };
        bench.receive(error.into())
    };
    refuse(&mut bench, ErrorCode::Internal);
    bench.ms += PING_INTERVAL_MS;
    bench.feed(Input::Tick);
    assert!(
        bench.session.list_again_ms.is_some_and(|at| at <= RETRY_MAX_MS),
        "a relay cannot put it off for ever"
    );
    bench.session.list_again_ms = Some(bench.ms);
    bench.feed(Input::Tick);
    let id = bench.pending_id(|pending| matches!(pending, Pending::Channels(_)));
    bench.receive(ChannelPage { id, channels: vec![den(3)], more: false }.into());
    let outputs = refuse(&mut bench, ErrorCode::NotAMember);
    assert!(outputs.iter().any(|o| matches!(o, Output::Event(Event::Left(DEN)))), "{outputs:?}");
}

#[test]
fn a_join_during_a_long_listing_is_not_taken_back_by_it() {
    let mut bench = Bench::signed_in(0);
    bench.feed(Input::Command(Command::ListChannels));
    let id = bench.pending_id(|pending| matches!(pending, Pending::Channels(_)));
    let late = ChannelInfo { channel: ChannelId(8), name: ChannelName::new("late").expect("name"), ..den(0) };
    bench.receive(
        ChannelPage { id, channels: vec![den(0), ChannelInfo { joined: false, ..late.clone() }], more: true }
            .into(),
    );
    bench.feed(Input::Command(Command::Join(late.name.clone())));
    let id = bench.pending_id(|pending| matches!(pending, Pending::Join));
    bench.receive(Joined { id, channel: late }.into());
    let id = bench.pending_id(|pending| matches!(pending, Pending::Channels(_)));
    let outputs = bench.receive(ChannelPage { id, channels: Vec::new(), more: false }.into());
    assert!(!outputs.iter().any(|o| matches!(o, Output::Event(Event::Left(_)))), "{outputs:?}");
}

#[test]
fn a_restored_relay_that_knows_less_is_read_anew() {
    let mut bench = Bench::signed_in(3);
    bench.page(1..=3, 3);
    bench.feed(Input::Command(Command::ListChannels));
    let id = bench.pending_id(|pending| matches!(pending, Pending::Channels(_)));
    let outputs = bench.receive(ChannelPage { id, channels: vec![den(2)], more: false }.into());
    assert!(outputs.iter().any(|o| matches!(o, Output::Event(Event::Reset(DEN)))));
    assert!(matches!(sent(&outputs)[..], [Message::ReadHistory(read)] if read.range == HistoryRange::Latest));
}

#[test]
fn a_refused_sign_in_leaves_the_token_alone() {
    let mut bench = Bench::signed_in(0);
    bench.feed(Input::Command(Command::Resume(token(7))));
    assert_eq!(bench.session.token, Some(token(2)), "the one that is good");
}

#[test]
fn a_join_that_is_answered_behind_a_logout_is_not_the_next_accounts() {
    let mut bench = Bench::signed_in(0);
    bench.feed(Input::Command(Command::Join(ChannelName::new("late").expect("name"))));
    bench.feed(Input::Command(Command::Logout));
    let join = bench.pending_id(|pending| matches!(pending, Pending::Join));
    let id = bench.pending_id(|pending| matches!(pending, Pending::Logout));
    let outputs = bench.receive(mechat_protocol::reply::LoggedOut { id }.into());
    let refused = |output: &&Output| matches!(output, Output::Event(Event::Refused { request: RequestKind::Join, error }) if error.retry == Retry::Later);
    assert_eq!(outputs.iter().filter(refused).count(), 1, "answered once: {outputs:?}");
    assert!(outputs.iter().any(|output| matches!(output, Output::Disconnect)), "{outputs:?}");
    let late = ChannelInfo { channel: ChannelId(8), ..den(1) };
    let outputs = bench.receive(Joined { id: join, channel: late }.into());
    assert!(outputs.is_empty(), "{outputs:?}");
}

#[test]
fn a_logout_that_leaves_nothing_unanswered_keeps_the_link() {
    let mut bench = Bench::signed_in(0);
    bench.page(0..=0, 0);
    bench.feed(Input::Command(Command::Logout));
    let id = bench.pending_id(|pending| matches!(pending, Pending::Logout));
    let outputs = bench.receive(mechat_protocol::reply::LoggedOut { id }.into());
    assert!(matches!(outputs[..], [Output::Event(Event::SignedOut(SignedOut::LoggedOut))]), "{outputs:?}");
}

#[test]
fn a_join_elsewhere_whose_entry_was_dropped_is_learned_of_by_the_lag() {
    let mut bench = Bench::signed_in(0);
    let elsewhere = ChannelId(8);
    let outputs = bench.receive(Lagged { channel: elsewhere, head: Seq(5) }.into());
    assert!(matches!(sent(&outputs)[..], [Message::ListChannels(_)]), "{outputs:?}");
    let id = bench.pending_id(|pending| matches!(pending, Pending::Channels(_)));
    let info = ChannelInfo { channel: elsewhere, ..den(5) };
    let outputs = bench.receive(ChannelPage { id, channels: vec![den(0), info], more: false }.into());
    assert!(
        outputs.iter().any(|o| matches!(o, Output::Event(Event::Joined(info)) if info.channel == elsewhere))
    );
    assert!(sent(&outputs).iter().any(|message| matches!(message, Message::ReadHistory(_))));
}

#[test]
fn a_channel_that_is_left_and_joined_again_elsewhere_during_a_listing_is_found() {
    let mut bench = Bench::signed_in(0);
    bench.feed(Input::Command(Command::ListChannels));
    let ann = AccountName::new("ann").expect("name");
    bench.page(1..=1, 1);
    bench.receive(Entry { sender: ann, body: Body::Left, ..entry(2) }.into());
    assert!(bench.receive(entry(3).into()).is_empty(), "the listing is under way");
    let id = bench.pending_id(|pending| matches!(pending, Pending::Channels(_)));
    let outputs = bench.receive(ChannelPage { id, channels: vec![den(3)], more: false }.into());
    assert!(matches!(sent(&outputs)[..], [Message::ListChannels(_)]), "old or new word? {outputs:?}");
    let id = bench.pending_id(|pending| matches!(pending, Pending::Channels(_)));
    let outputs = bench.receive(ChannelPage { id, channels: vec![den(3)], more: false }.into());
    assert!(outputs.iter().any(|o| matches!(o, Output::Event(Event::Joined(_)))), "{outputs:?}");
}
