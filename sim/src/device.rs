//! A client's shell: real session, modelled hands, and what the program keeps on its disk.
//!
//! Models `client/src/driver.rs`: all outputs of one input are performed before the next is fed.
//!
//! Models `client/src/keeper.rs` too: an outbox on disk that takes its time, and that may fail; and a cache of the logs, which after a crash
//! is as far as the program was, or a little behind.
//!
//! Invariant: what is on the disk leaves it only by the session's word.

use std::collections::{BTreeMap, BTreeSet};

use bytes::BytesMut;
use mechat_client::outbox::Unsent;
use mechat_client::session::{ConnectFailure, GAP_MAX, Input, Now, Output, Session};
use mechat_client::{Command, Event, KnownLog, Link, OutboxState, RequestKind, SignedOut};
use mechat_hub::ConnId;
use mechat_protocol::codec::{FrameDecoder, encode};
use mechat_protocol::limits::FRAME_LEN_MAX;
use mechat_protocol::message::Sender;
use mechat_protocol::secret::Token;
use mechat_protocol::{
    AccountName, Amendment, Body, ChannelId, ChannelName, Content, Entry, Epoch, ErrorCode, Fingerprint,
    Message, Nonce, Position, Seq,
};
use secrecy::SecretString;
use tokio_util::codec::Decoder as _;

use crate::agenda::{DeviceId, DiskWork, Happening, Life};
use crate::trace::note;
use crate::wire::Way;
use crate::world::World;

/// Bytes that wait to be sent beyond the wire's window before the client gives the link up.
const UNSENT_MAX: usize = 262_144;

/// Entries beyond which half of the programs skip what they missed.
const GAP_SMALL: u64 = 20;

/// A device and the program on it.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) account: AccountName,
    pub(crate) life: Life,
    /// The program, while it runs.
    pub(crate) session: Option<Session>,
    pub(crate) link: Option<DeviceLink>,
    pub(crate) signed_in: bool,
    pub(crate) disk: Disk,
    /// Said in this run, and neither acknowledged nor refused.
    pub(crate) unsettled: BTreeSet<Nonce>,
    /// The channels that one is a member of, as the session told, and where it stands in them.
    pub(crate) views: BTreeMap<ChannelId, View>,
    pub(crate) names: BTreeMap<ChannelName, ChannelId>,
    /// Where the session was told that the cache stands, in channels that it has not told of yet.
    resumed: BTreeMap<ChannelId, View>,
}

/// What survives the program.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    token: Option<Token>,
    /// When the work that was asked of it is done.
    busy_until_ms: u64,
    /// In the order in which they were said.
    pub(crate) outbox: Vec<Unsent>,
    /// What of each log is in the cache.
    cache: BTreeMap<ChannelId, View>,
}

/// A connection from the device's side.
#[derive(Debug)]
pub(crate) struct DeviceLink {
    pub(crate) conn: ConnId,
    decoder: FrameDecoder,
    buffer: BytesMut,
    unsent: BytesMut,
}

/// Where a client stands in a channel.
#[derive(Debug, Default, Clone)]
pub(crate) struct View {
    /// The life of the log and the last entry that was applied.
    pub(crate) stands: Option<(Epoch, Seq)>,
    /// What was applied or read of it, as it reads there.
    pub(crate) entries: BTreeMap<Seq, Entry>,
}

impl View {
    /// Goes back by so many entries. What they amended stays amended: to apply them again is harmless.
    fn forget_last(&mut self, count: u64) {
        if let Some((_, last)) = &mut self.stands {
            *last = Seq(last.0.saturating_sub(count));
            self.entries.split_off(&last.next());
        }
    }

    /// Enters an entry, and lets it amend what it names.
    fn apply(&mut self, entry: &Entry) {
        if let Body::Amended { amendment } = &entry.body {
            if let Some(kept) = amendment.target().and_then(|target| self.entries.get_mut(&target)) {
                kept.amend(entry);
            }
            if let Amendment::Delete { seq: deleted } = amendment {
                for kept in self.entries.values_mut() {
                    if let Body::Amended { amendment: Amendment::Edit { seq, content } } = &mut kept.body
                        && seq == deleted
                    {
                        *content = Content::Unknown;
                    }
                }
            }
        }
        self.entries.insert(entry.seq, entry.clone());
    }
}

impl Device {
    pub(crate) fn new(account: AccountName) -> Self {
        Self {
            account,
            life: Life(0),
            session: None,
            link: None,
            signed_in: false,
            disk: Disk::default(),
            unsettled: BTreeSet::new(),
            views: BTreeMap::new(),
            names: BTreeMap::new(),
            resumed: BTreeMap::new(),
        }
    }

    /// With the token, if there is one.
    fn sign_in(&self) -> Command {
        match &self.disk.token {
            Some(token) => Command::Resume(token.clone()),
            None => {
                Command::Login { account: self.account.clone(), password: SecretString::from("password") }
            }
        }
    }
}

impl World {
    /// Starts the program.
    pub(crate) fn start_device(&mut self, id: DeviceId) {
        let device = &mut self.devices[id.0];
        if device.session.is_some() {
            return;
        }
        note!(self, "device {} starts", id.0);
        device.life = Life(device.life.0 + 1);
        device.unsettled.clear();
        let gap_max = if self.dice.percent(50) { GAP_SMALL } else { GAP_MAX };
        let mut session = Session::new("sim".into()).keeping().resuming().with_gap_max(gap_max);
        #[cfg(feature = "mutations")]
        if self.mutation == Some(crate::Mutation::SkipGapCheck) {
            session.skip_gap_check();
        }
        let mut outputs = Vec::new();
        session.start(&mut outputs);
        device.session = Some(session);
        let command = device.sign_in();
        for output in outputs {
            self.obey(id, output);
        }
        self.tell_device(id, Input::Command(command));
    }

    /// The program is gone from one moment to the next; its disk is not.
    pub(crate) fn crash_device(&mut self, id: DeviceId) {
        let device = &mut self.devices[id.0];
        if device.session.take().is_none() {
            return;
        }
        note!(self, "device {} crashes", id.0);
        device.signed_in = false;
        for (channel, mut view) in std::mem::take(&mut device.views) {
            // What was handed on last may not have been written.
            view.forget_last(if self.dice.percent(70) { 0 } else { self.dice.below(10) });
            device.disk.cache.insert(channel, view);
        }
        device.resumed.clear();
        device.names.clear();
        if let Some(link) = device.link.take() {
            self.hang_up(link.conn, Way::Up);
        }
        let at_ms = self.now_ms + self.dice.spread(10, 3_000);
        self.agenda.at(at_ms, Happening::DeviceStarts(id));
    }

    /// Feeds the session and performs what it wants.
    pub(crate) fn tell_device(&mut self, id: DeviceId, input: Input) {
        self.todo.push_back((id, input));
        if std::mem::replace(&mut self.telling, true) {
            return;
        }
        while let Some((id, input)) = self.todo.pop_front() {
            let now = Now { ms: self.now_ms, random: self.dice.next() };
            let Some(session) = &mut self.devices[id.0].session else { continue };
            let mut outputs = Vec::new();
            session.handle(now, input, &mut outputs);
            for output in outputs {
                self.obey(id, output);
            }
        }
        self.telling = false;
    }

    fn obey(&mut self, id: DeviceId, output: Output) {
        match output {
            Output::Connect => self.dial(id),
            Output::Disconnect => self.unlink(id),
            Output::Send(message) => self.device_sends(id, &message),
            Output::Pin(_) => {}
            Output::Password { step, .. } => {
                let at_ms = self.now_ms + self.dice.between(1, 150);
                let life = self.devices[id.0].life;
                self.agenda.at(at_ms, Happening::Computed(id, life, step));
            }
            Output::Event(event) => self.device_learns(id, event),
            Output::OpenOutbox(account) => self.disk_does(id, DiskWork::Open(account)),
            Output::Keep(message) => self.disk_does(id, DiskWork::Keep(message)),
            Output::Forget(nonce) => self.disk_does(id, DiskWork::Forget(nonce)),
            Output::CloseOutbox => {}
            Output::Stop => {
                self.devices[id.0].session = None;
                self.unlink(id);
            }
        }
    }

    /// The outbox on disk does one thing after the other, each in its time.
    fn disk_does(&mut self, id: DeviceId, work: DiskWork) {
        let at_ms = self.now_ms + self.dice.between(0, 15);
        let device = &mut self.devices[id.0];
        device.disk.busy_until_ms = device.disk.busy_until_ms.max(at_ms);
        self.agenda.at(device.disk.busy_until_ms, Happening::Disk(id, device.life, work));
    }

    /// The outbox on disk did something.
    pub(crate) fn disk_did(&mut self, id: DeviceId, life: Life, work: DiskWork) {
        let fails = !self.calm && self.dice.percent(2);
        let device = &mut self.devices[id.0];
        if device.life != life || device.session.is_none() {
            return;
        }
        let (owner, outbox) = (Some(device.account.clone()), &mut device.disk.outbox);
        let input = match work {
            DiskWork::Open(account) => {
                let messages = if account == device.account { outbox.clone() } else { Vec::new() };
                for message in &messages {
                    device.unsettled.insert(message.nonce);
                    self.model.pending_again(message.nonce);
                }
                Input::Restored { account, messages, damage: None }
            }
            DiskWork::Keep(message) if fails => {
                Input::NotKept { account: owner, nonces: vec![message.nonce], reason: "no space".into() }
            }
            DiskWork::Keep(message) => {
                let nonce = message.nonce;
                outbox.push(message);
                Input::Kept { account: owner, nonces: vec![nonce] }
            }
            DiskWork::Forget(nonce) => return outbox.retain(|message| message.nonce != nonce),
        };
        self.tell_device(id, input);
    }

    fn unlink(&mut self, id: DeviceId) {
        if let Some(link) = self.devices[id.0].link.take() {
            self.hang_up(link.conn, Way::Up);
        }
    }

    fn dial(&mut self, id: DeviceId) {
        self.unlink(id);
        let at_ms = self.now_ms + self.latency();
        self.agenda.at(at_ms, Happening::Dial(id, self.devices[id.0].life));
    }

    /// An attempt reaches the relay, if there is one.
    pub(crate) fn dialled_relay(&mut self, id: DeviceId, life: Life) {
        if self.devices[id.0].life != life {
            return;
        }
        let at_ms = self.now_ms + self.latency();
        // The device hears nothing of the relay before it knows that it is connected.
        let conn = self.relay.is_some().then(|| self.new_wire(at_ms + 1));
        if let Some(conn) = conn {
            note!(self, "device {} is {} for the relay", id.0, conn.0);
            self.owners.insert(conn, id);
            self.accept(conn);
        }
        self.agenda.at(at_ms, Happening::Dialled(id, life, conn));
    }

    /// The device learns what became of its attempt.
    pub(crate) fn dialled(&mut self, id: DeviceId, life: Life, conn: Option<ConnId>) {
        let device = &mut self.devices[id.0];
        if device.life != life || device.session.is_none() {
            if let Some(conn) = conn {
                self.hang_up(conn, Way::Up);
            }
            return;
        }
        let Some(conn) = conn else {
            let failure = ConnectFailure::Transient("refused".into());
            return self.tell_device(id, Input::NotConnected(failure));
        };
        let decoder = FrameDecoder::new(Sender::Relay, FRAME_LEN_MAX, FRAME_LEN_MAX);
        device.link = Some(DeviceLink { conn, decoder, buffer: BytesMut::new(), unsent: BytesMut::new() });
        self.tell_device(id, Input::Connected(Fingerprint::new([0; 32])));
    }

    fn device_sends(&mut self, id: DeviceId, message: &Message) {
        note!(self, "device {}: {}", id.0, message.tag());
        let frame = match encode(message) {
            Ok(frame) => frame,
            Err(error) => return self.broken("every request fits in a frame", error.to_string()),
        };
        let Some(link) = &mut self.devices[id.0].link else { return };
        link.unsent.extend_from_slice(&frame);
        let (conn, unsent) = (link.conn, link.unsent.len());
        if unsent > UNSENT_MAX {
            self.unlink(id);
            return self.todo.push_back((id, Input::Lost("the relay does not take what is sent".into())));
        }
        self.device_writes(conn);
    }

    /// Writes what waits in the device, as far as the wire takes it.
    pub(crate) fn device_writes(&mut self, conn: ConnId) {
        let Some(id) = self.owners.get(&conn).copied() else { return };
        let window = self.plan.window;
        let Some(link) = self.devices[id.0].link.as_mut().filter(|link| link.conn == conn) else { return };
        let Some(wire) = self.wires.get_mut(&conn) else { return };
        let room = wire.room(Way::Up, window).min(link.unsent.len());
        if room > 0 {
            let bytes = link.unsent.split_to(room).freeze();
            self.put(conn, Way::Up, bytes);
        }
    }

    /// Bytes of the relay reached the device.
    pub(crate) fn device_hears(&mut self, conn: ConnId, bytes: &[u8]) {
        let Some(id) = self.owners.get(&conn).copied() else { return };
        let mut bytes = bytes;
        // A frame may make the session drop the link; what follows it is nobody's.
        while let Some(link) = self.devices[id.0].link.as_mut().filter(|link| link.conn == conn) {
            link.buffer.extend_from_slice(std::mem::take(&mut bytes));
            match link.decoder.decode(&mut link.buffer) {
                Ok(Some(incoming)) => {
                    self.judge_frame(id, &incoming);
                    self.tell_device(id, Input::Frame(incoming));
                }
                Ok(None) => return,
                Err(error) => return self.broken("the relay keeps the framing", error.to_string()),
            }
        }
    }

    fn judge_frame(&mut self, id: DeviceId, incoming: &mechat_protocol::codec::Incoming) {
        use mechat_protocol::codec::Incoming;
        match incoming {
            Incoming::Message(Message::Entry(entry)) => {
                let verdict = self.model.seen(entry);
                self.judge(verdict);
            }
            Incoming::Message(message) => note!(self, "device {} gets {}", id.0, message.tag()),
            Incoming::Refused(refusal) => {
                self.broken("the relay sends what clients understand", format!("{refusal:?}"));
            }
        }
    }

    /// The relay's direction ended.
    pub(crate) fn device_hears_end(&mut self, conn: ConnId) {
        let Some(id) = self.owners.get(&conn).copied() else { return };
        if self.devices[id.0].link.as_ref().is_some_and(|link| link.conn == conn) {
            note!(self, "device {}: the link is gone", id.0);
            self.unlink(id);
            self.tell_device(id, Input::Lost("the connection is gone".into()));
        }
    }
}

/// What the session tells its user.
impl World {
    fn device_learns(&mut self, id: DeviceId, event: Event) {
        match &event {
            Event::Joined(info) => note!(self, "device {} is told: joined {}", id.0, info.channel),
            Event::Left(channel) => note!(self, "device {} is told: left {channel}", id.0),
            Event::Reset(channel) => note!(self, "device {} is told: {channel} is another log", id.0),
            Event::SignedOut(why) => note!(self, "device {} is told: {why:?}", id.0),
            _ => {}
        }
        match event {
            Event::Link(link) => self.link_changed(id, &link),
            Event::SignedIn(reply) => {
                let device = &mut self.devices[id.0];
                device.signed_in = true;
                device.disk.token = Some(reply.token);
                self.resume_logs(id);
            }
            Event::SignedOut(why) => {
                let device = &mut self.devices[id.0];
                device.signed_in = false;
                // What belongs to an account goes with it.
                if why == SignedOut::LoggedOut {
                    device.views.clear();
                    device.resumed.clear();
                    device.disk.cache.clear();
                }
                device.disk.token = None;
                self.sign_in_soon(id);
            }
            Event::Refused { request: RequestKind::Login | RequestKind::Resume, error }
                if error.code != ErrorCode::AlreadyAuthenticated =>
            {
                self.sign_in_soon(id);
            }
            Event::Channels(channels) => {
                let names = channels.iter().map(|info| (info.name.clone(), info.channel));
                self.devices[id.0].names = names.collect();
            }
            Event::Joined(info) => {
                let device = &mut self.devices[id.0];
                device.names.insert(info.name, info.channel);
                let cached = device.resumed.remove(&info.channel).unwrap_or_default();
                device.views.entry(info.channel).or_insert(cached);
            }
            Event::Left(channel) => {
                let device = &mut self.devices[id.0];
                device.views.remove(&channel);
                device.resumed.remove(&channel);
                device.disk.cache.remove(&channel);
            }
            Event::Skipped { .. } if self.mutation == Some(crate::Mutation::HideSkipped) => {}
            Event::Skipped { channel, from, to } => self.skipped(id, channel, from, to),
            Event::Reset(channel) => self.reset(id, channel),
            Event::Appended { channel, entries, .. } => self.appended(id, channel, &entries),
            Event::History { channel, entries, .. } => self.history_seen(id, channel, &entries),
            Event::Outbox { nonce, state, .. } => self.outbox_moved(id, nonce, state),
            _ => {}
        }
    }

    fn link_changed(&mut self, id: DeviceId, link: &Link) {
        let device = &mut self.devices[id.0];
        match link {
            Link::Down { .. } => device.signed_in = false,
            Link::Failed { reason } => {
                device.signed_in = false;
                note!(self, "device {} gave up: {reason}", id.0);
                let at_ms = self.now_ms + self.dice.between(100, 3_000);
                self.agenda.at(at_ms, Happening::ConnectNow(id, self.devices[id.0].life));
            }
            Link::Connecting { .. } | Link::Up { .. } | Link::Untrusted(_) => {}
        }
    }

    fn sign_in_soon(&mut self, id: DeviceId) {
        let at_ms = self.now_ms + self.dice.between(100, 2_000);
        self.agenda.at(at_ms, Happening::SignIn(id, self.devices[id.0].life));
    }

    pub(crate) fn sign_in(&mut self, id: DeviceId, life: Life) {
        let device = &self.devices[id.0];
        if device.life == life && !device.signed_in {
            let command = device.sign_in();
            self.tell_device(id, Input::Command(command));
        }
    }

    /// Says how far the cache has the logs, once in each run; a session that goes on does not listen.
    fn resume_logs(&mut self, id: DeviceId) {
        let device = &mut self.devices[id.0];
        if device.views.is_empty() && device.resumed.is_empty() {
            device.resumed.clone_from(&device.disk.cache);
        }
        let log = |(channel, view): (&ChannelId, &View)| {
            let (epoch, last) = view.stands?;
            Some(KnownLog { channel: *channel, epoch, last })
        };
        let logs = device.resumed.iter().filter_map(log).collect();
        let command = Command::Known { account: device.account.clone(), logs };
        self.todo.push_back((id, Input::Command(command)));
    }

    /// A gap is declared: exactly what was not handed on.
    fn skipped(&mut self, id: DeviceId, channel: ChannelId, from: Seq, to: Seq) {
        note!(self, "device {} is told: {from} to {to} of {channel} are skipped", id.0);
        let Some(view) = self.devices[id.0].views.get_mut(&channel) else { return };
        let before = view.stands;
        view.stands = before.map(|(epoch, _)| (epoch, to));
        // What amended them may lie in the gap.
        view.entries.clear();
        self.ensure(
            before.is_some_and(|(_, last)| last.next() == from && from <= to),
            "I4: a gap is declared from where it begins",
            || format!("device {} stood at {before:?} of {channel} and was told of {from} to {to}", id.0),
        );
    }

    fn reset(&mut self, id: DeviceId, channel: ChannelId) {
        let epoch = self.model.epoch();
        let Some(view) = self.devices[id.0].views.get_mut(&channel) else { return };
        let before = std::mem::take(view).stands;
        self.ensure(
            before.is_none_or(|(known, _)| known != epoch),
            "I4: a log is forgotten only for another life",
            || format!("device {} was told to forget {channel}, where it stood at {before:?}", id.0),
        );
    }

    fn appended(&mut self, id: DeviceId, channel: ChannelId, entries: &[Entry]) {
        note!(self, "device {} applies {} of {channel}", id.0, entries.len());
        let Some(view) = self.devices[id.0].views.get_mut(&channel) else {
            return self
                .broken("a channel is told of before its entries", format!("{channel}, device {}", id.0));
        };
        for entry in entries {
            let Position { channel: of, epoch, seq } = entry.position();
            let follows = match view.stands {
                None => true,
                Some((known, last)) => known == epoch && seq == last.next(),
            };
            if !follows || of != channel {
                let seen =
                    format!("device {} stood at {:?} of {channel} and was handed {seq}", id.0, view.stands);
                self.violation
                    .get_or_insert(crate::Violation { invariant: "I3: entries follow one another", seen });
                return;
            }
            view.stands = Some((epoch, seq));
            view.apply(entry);
            if let Err(violation) = self.model.seen(entry) {
                self.violation.get_or_insert(violation);
                return;
            }
        }
        self.counts.applied += entries.len() as u64;
    }

    fn history_seen(&mut self, id: DeviceId, channel: ChannelId, entries: &[Entry]) {
        let epoch = self.model.epoch();
        for entry in entries {
            let verdict = self.model.seen(entry);
            self.judge(verdict);
            // What lies ahead comes again when the device gets there.
            if let Some(view) = self.devices[id.0].views.get_mut(&channel)
                && view.stands.is_some_and(|(of, last)| of == entry.epoch && entry.seq <= last)
                && entry.epoch == epoch
            {
                view.entries.insert(entry.seq, entry.clone());
            }
        }
        let contiguous = entries.windows(2).all(|pair| pair[1].seq == pair[0].seq.next());
        self.ensure(contiguous, "pages are contiguous", || format!("of {channel}"));
    }

    fn outbox_moved(&mut self, id: DeviceId, nonce: Nonce, state: OutboxState) {
        let device = &mut self.devices[id.0];
        if let OutboxState::Failed(error) = &state {
            note!(self, "device {}: a message failed: {}", id.0, error.code);
        }
        let verdict = match state {
            OutboxState::Acked { position, .. } => {
                self.counts.acks += 1;
                self.model.acked(&device.account, nonce, position)
            }
            OutboxState::Failed(error) => self.model.refused(&device.account, nonce, error.code),
            OutboxState::Pending(_) => {
                device.unsettled.insert(nonce);
                return;
            }
        };
        device.unsettled.remove(&nonce);
        self.judge(verdict);
    }
}
