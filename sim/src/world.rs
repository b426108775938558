//! One run: everything there is, and what happens next.
//!
//! Owns the clock, the dice and the order of happenings. After each step the model's verdicts and the bounds are looked at; the first
//! violation ends the run.
//!
//! Invariant: nothing here depends on anything but the seed and the mutation. All tables are ordered.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use mechat_client::Command;
use mechat_client::session::Input;
use mechat_hub::{Census, ConnId};
use mechat_protocol::limits::{FRAME_LEN_MAX, HISTORIES_IN_FLIGHT_MAX, IN_FLIGHT_MAX};

use crate::agenda::{Agenda, DeviceId, Happening};
use crate::device::Device;
use crate::dice::Dice;
use crate::model::{Model, Verdict, Violation};
use crate::mutation::Mutation;
use crate::plan::Plan;
use crate::relay::Relay;
use crate::store::{Kept, Store, account_name};
use crate::trace::{Detail, Trace, note};
use crate::wire::{Arrived, Way, Wire};

/// Milliseconds after the last fault within which everybody must be whole. The longest chain is a silent link (45 s until a client
/// notices), then a backoff of 30 s, a relay that holds the old connection for 90 s, and pages.
const QUIET_LIMIT_MS: u64 = 300_000;
/// Milliseconds after the last goodbye within which the relay must have forgotten everybody.
const GOODBYE_LIMIT_MS: u64 = 200_000;
/// Steps of one run: more means that it does not get on.
const STEPS_MAX: u64 = 2_000_000;
/// Bytes of replies that wait for one connection: its queue, pages in flight, and short answers.
const REPLIES_LEN_MAX: usize = HISTORIES_IN_FLIGHT_MAX * FRAME_LEN_MAX + IN_FLIGHT_MAX * 1_024;
/// Bytes by which `lagged` may exceed a queue's bound: one for each channel, short.
const LAGGED_LEN_MAX: usize = 1_024;

/// How much happened, so that a run that tries nothing is seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Steps.
    pub steps: u64,
    /// Faults.
    pub faults: u64,
    /// Messages said.
    pub said: u64,
    /// Entries committed.
    pub entries: u64,
    /// Acknowledgements that reached their sender.
    pub acks: u64,
    /// Entries that clients applied.
    pub applied: u64,
    /// Times that a reader's queue overflowed.
    pub lags: u64,
    /// Relay processes.
    pub relays: u64,
}

/// Everything there is.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now_ms: u64,
    pub(crate) dice: Dice,
    pub(crate) plan: Plan,
    pub(crate) mutation: Option<Mutation>,
    pub(crate) agenda: Agenda,
    pub(crate) trace: Trace,
    pub(crate) model: Model,
    pub(crate) counts: Counts,
    pub(crate) violation: Option<Violation>,

    pub(crate) store: Store,
    /// An older copy of what is on the disk.
    pub(crate) copy: Option<Box<Kept>>,
    /// The present commit will fail.
    pub(crate) commit_fails: bool,
    /// Until when the disk is slow.
    pub(crate) slow_until_ms: u64,
    /// By how much the relay's clock on the wall is wrong.
    pub(crate) wall_offset_ms: i64,

    pub(crate) relay: Option<Relay>,
    pub(crate) relay_lives: u64,

    pub(crate) wires: BTreeMap<ConnId, Wire>,
    /// Whose a connection is.
    pub(crate) owners: BTreeMap<ConnId, DeviceId>,
    conns: u64,

    pub(crate) devices: Vec<Device>,
    /// Inputs that wait for the outputs of the one before.
    pub(crate) todo: VecDeque<(DeviceId, Input)>,
    pub(crate) telling: bool,
    /// No more faults and acts.
    pub(crate) calm: bool,
}

/// What comes next.
#[derive(Debug, Clone, Copy)]
enum Next {
    Agenda,
    Device(DeviceId),
    Hub,
}

impl World {
    pub(crate) fn new(seed: u64, mutation: Option<Mutation>, detail: Detail) -> Self {
        let mut dice = Dice::new(seed);
        let plan = Plan::draw(&mut dice);
        let kept = Kept::new(plan.accounts, mutation);
        let model = Model::new(kept.channels[0].record.epoch);
        let devices = plan.devices.iter().map(|account| Device::new(account_name(*account))).collect();
        Self {
            now_ms: 0,
            dice,
            plan,
            mutation,
            agenda: Agenda::default(),
            trace: Trace::new(detail),
            model,
            counts: Counts::default(),
            violation: None,
            store: Store::new(kept),
            copy: None,
            commit_fails: false,
            slow_until_ms: 0,
            wall_offset_ms: 0,
            relay: None,
            relay_lives: 0,
            wires: BTreeMap::new(),
            owners: BTreeMap::new(),
            conns: 0,
            devices,
            todo: VecDeque::new(),
            telling: false,
            calm: false,
        }
    }

    /// The whole run: trouble, peace, goodbye.
    pub(crate) fn run(&mut self) {
        note!(self, "{:?}", self.plan);
        self.start_relay();
        for id in 0..self.devices.len() {
            self.agenda.at(self.dice.below(500), Happening::DeviceStarts(DeviceId(id)));
            self.act_later(DeviceId(id));
        }
        self.fault_later();
        self.run_until(self.plan.busy_ms, |_| false);
        self.heal();
        if !self.run_until(self.now_ms + QUIET_LIMIT_MS, |world| world.missing().is_none()) {
            let missing = self.missing().unwrap_or_default();
            self.ensure(false, "I4: after peace everybody is whole", || missing);
        }
        self.judge_views();
        self.say_goodbye();
        self.counts.relays = self.relay_lives;
    }

    /// Goes on until something holds, or until then; whether it held.
    fn run_until(&mut self, until_ms: u64, holds: impl Fn(&Self) -> bool) -> bool {
        while self.violation.is_none() {
            if holds(self) {
                return true;
            }
            let Some((at_ms, next)) = self.next() else { return false };
            if at_ms > until_ms {
                self.now_ms = until_ms;
                return false;
            }
            self.now_ms = self.now_ms.max(at_ms);
            self.step(next);
        }
        false
    }

    fn next(&self) -> Option<(u64, Next)> {
        let agenda = self.agenda.next_ms().map(|ms| (ms, Next::Agenda));
        let hub = self.relay.as_ref().and_then(|relay| relay.hub.next_deadline()).map(|ms| (ms, Next::Hub));
        let devices = self.devices.iter().enumerate().filter_map(|(index, device)| {
            let ms = device.session.as_ref()?.next_deadline()?;
            Some((ms, Next::Device(DeviceId(index))))
        });
        // The first of those that are due together.
        agenda.into_iter().chain(hub).chain(devices).min_by_key(|(ms, _)| *ms)
    }

    fn step(&mut self, next: Next) {
        self.counts.steps += 1;
        match next {
            Next::Agenda => {
                if let Some(happening) = self.agenda.pop() {
                    self.happen(happening);
                }
            }
            Next::Device(id) => self.tell_device(id, Input::Tick),
            Next::Hub => self.feed(mechat_hub::Input::Tick),
        }
        self.judge_bounds();
        let gets_on = self.counts.steps < STEPS_MAX;
        self.ensure(gets_on, "a run gets on", || format!("too many steps, the last of {next:?}"));
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrive(conn, way) => self.arrive(conn, way),
            Happening::Dial(id, life) => self.dialled_relay(id, life),
            Happening::Dialled(id, life, conn) => self.dialled(id, life, conn),
            Happening::Computed(id, life, step) => {
                if self.devices[id.0].life == life {
                    self.tell_device(id, Input::Password { step, result: Ok(b"proof".to_vec()) });
                }
            }
            Happening::Disk(id, life, work) => self.disk_did(id, life, work),
            Happening::Act(id) => self.act(id),
            Happening::SignIn(id, life) => self.sign_in(id, life),
            Happening::ConnectNow(id, life) => {
                if self.devices[id.0].life == life {
                    self.tell_device(id, Input::Command(Command::ConnectNow));
                }
            }
            Happening::DeviceStarts(id) => self.start_device(id),
            Happening::Fault => self.fault(),
            Happening::RelayStarts => self.start_relay(),
            Happening::DrainLimit(life) => self.drained(life),
            Happening::Committed(life) => self.committed(life),
            Happening::Outcome(life) => self.outcome(life),
            Happening::Read(life, ticket, answer) => self.read_done(life, ticket, answer),
            Happening::Credential(life, conn, id, answer) => self.credential_done(life, conn, id, answer),
            Happening::Stuck(life, conn) => self.watch(life, conn),
            Happening::Lingered(life, conn) => self.lingered(life, conn),
            Happening::LateFeed(life, conn) => self.late_feed(life, conn),
        }
    }

    /// How long something takes on the network.
    pub(crate) fn latency(&mut self) -> u64 {
        self.plan.delay_ms + self.dice.between(0, self.plan.jitter_ms)
    }

    pub(crate) fn new_wire(&mut self, stands_ms: u64) -> ConnId {
        self.conns += 1;
        let conn = ConnId(self.conns);
        self.wires.insert(conn, Wire::new(stands_ms));
        conn
    }

    /// Puts bytes on a wire, in up to three pieces cut anywhere.
    pub(crate) fn put(&mut self, conn: ConnId, way: Way, mut bytes: Bytes) {
        self.trace.bytes(&bytes);
        for _ in 0..self.dice.below(3) {
            let piece = bytes.split_to(self.dice.index(bytes.len() + 1));
            self.put_piece(conn, way, piece);
        }
        self.put_piece(conn, way, bytes);
    }

    fn put_piece(&mut self, conn: ConnId, way: Way, piece: Bytes) {
        let at_ms = self.now_ms + self.latency();
        let Some(wire) = self.wires.get_mut(&conn).filter(|_| !piece.is_empty()) else { return };
        if let Some(at_ms) = wire.write(way, at_ms, piece) {
            self.agenda.at(at_ms, Happening::Arrive(conn, way));
        }
    }

    /// Nothing more is written in a direction.
    pub(crate) fn hang_up(&mut self, conn: ConnId, way: Way) {
        let at_ms = self.now_ms + self.latency();
        let Some(wire) = self.wires.get_mut(&conn) else { return };
        if let Some(at_ms) = wire.end(way, at_ms) {
            self.agenda.at(at_ms, Happening::Arrive(conn, way));
        }
    }

    fn arrive(&mut self, conn: ConnId, way: Way) {
        let Some(wire) = self.wires.get_mut(&conn) else { return };
        let stalled_until_ms = wire.stalled_until(way);
        if stalled_until_ms > self.now_ms {
            return self.agenda.at(stalled_until_ms, Happening::Arrive(conn, way));
        }
        let Some(arrived) = wire.arrived(way, self.now_ms) else { return };
        // The rest of what is due now comes as steps of its own.
        self.agenda.at(self.now_ms, Happening::Arrive(conn, way));
        match (way, arrived) {
            (Way::Up, Arrived::Bytes(bytes)) => {
                self.relay_hears(conn, &bytes);
                self.device_writes(conn);
            }
            (Way::Down, Arrived::Bytes(bytes)) => {
                self.device_hears(conn, &bytes);
                self.room_again(conn);
            }
            (Way::Up, Arrived::End) => self.relay_hears_end(conn),
            (Way::Down, Arrived::End) => self.device_hears_end(conn),
        }
        self.drop_wire_if_over(conn);
    }

    /// A wire that neither side holds is forgotten.
    fn drop_wire_if_over(&mut self, conn: ConnId) {
        let held_by_relay = self.relay.as_ref().is_some_and(|relay| relay.peers.contains_key(&conn));
        let over = self.wires.get_mut(&conn).is_some_and(|wire| wire.is_over());
        if over && !held_by_relay {
            self.wires.remove(&conn);
            self.owners.remove(&conn);
        }
    }
}

/// Judging.
impl World {
    pub(crate) fn judge(&mut self, verdict: Verdict) {
        if let Err(violation) = verdict {
            self.violation.get_or_insert(violation);
        }
    }

    pub(crate) fn ensure(&mut self, holds: bool, invariant: &'static str, seen: impl FnOnce() -> String) {
        if !holds {
            self.broken(invariant, seen());
        }
    }

    pub(crate) fn broken(&mut self, invariant: &'static str, seen: String) {
        self.violation.get_or_insert(Violation { invariant, seen });
    }

    fn judge_bounds(&mut self) {
        let Some(relay) = &self.relay else { return };
        let max = self.plan.outbound_max;
        let longest = relay.peers.values().map(|peer| peer.outbound.events_len()).max().unwrap_or(0);
        let replies = relay.peers.values().map(|peer| peer.outbound.replies_len()).max().unwrap_or(0);
        let unanswered = relay.hub.unanswered();
        let connections = self.conns;
        self.ensure(longest <= max + LAGGED_LEN_MAX, "events that wait are bounded", || {
            format!("{longest} bytes")
        });
        self.ensure(replies <= max + REPLIES_LEN_MAX, "replies that wait are bounded", || {
            format!("{replies} bytes")
        });
        self.ensure(unanswered as u64 <= connections * IN_FLIGHT_MAX as u64, "questions are bounded", || {
            format!("{unanswered}")
        });
    }

    /// What keeps the whole from being whole; `None` if nothing does.
    fn missing(&self) -> Option<String> {
        let Some(relay) = self.relay.as_ref().filter(|relay| !relay.stopping) else {
            return Some("the relay".into());
        };
        if relay.hub.unanswered() > 0 || !self.store.is_idle() {
            return Some("answers of the storage".into());
        }
        self.devices.iter().enumerate().find_map(|(index, device)| {
            let what = self.missing_of(device)?;
            Some(format!("{what}, on device {index} of {}", device.account))
        })
    }

    /// Everybody stands at the heads: what they have is what the logs say.
    fn judge_views(&mut self) {
        for device in &self.devices {
            for (channel, view) in &device.views {
                if let Err(violation) = self.model.whole(*channel, view.entries.values()) {
                    self.violation.get_or_insert(violation);
                }
            }
        }
    }

    fn missing_of(&self, device: &Device) -> Option<String> {
        if !device.signed_in {
            return Some("a sign-in".into());
        }
        let waiting = device.disk.outbox.len().max(device.unsettled.len());
        if waiting > 0 {
            return Some(format!("the end of {waiting} messages in the outbox"));
        }
        let channels = &self.store.kept.channels;
        let account = self.store.kept.accounts.iter().find(|account| account.name == device.account)?.id;
        channels.iter().find_map(|channel| {
            let (id, record) = (channel.record.id, &channel.record);
            let view = device.views.get(&id);
            match (channel.members.contains_key(&account), view) {
                (false, None) => None,
                (false, Some(_)) => Some(format!("the word that {id} was left")),
                (true, None) => Some(format!("the word that {id} was joined")),
                (true, Some(view)) => {
                    let whole = view.stands == Some((record.epoch, record.head));
                    (!whole).then(|| format!("{id} up to {}, it stands at {:?}", record.head, view.stands))
                }
            }
        })
    }

    /// Everybody goes; the relay forgets everything about them.
    fn say_goodbye(&mut self) {
        for id in 0..self.devices.len() {
            self.tell_device(DeviceId(id), Input::Command(Command::Quit));
        }
        let gone = |world: &Self| world.leak().is_none();
        if !self.run_until(self.now_ms + GOODBYE_LIMIT_MS, gone) {
            let leak = self.leak().unwrap_or_default();
            self.ensure(false, "nothing leaks", || leak);
        }
    }

    fn leak(&self) -> Option<String> {
        let relay = self.relay.as_ref()?;
        let census = Census { sessions: 0, ..relay.hub.census() };
        if census != Census::default() {
            return Some(format!("{census:?}"));
        }
        if let Some(deadline_ms) = relay.hub.next_deadline() {
            return Some(format!("a deadline at {deadline_ms} ms"));
        }
        let subscribed = relay.subscribers.len();
        (subscribed > 0).then(|| format!("subscriptions in {subscribed} channels"))
    }
}
