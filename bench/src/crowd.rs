//! All members of one measurement, and what they do together.
//!
//! Owns how a crowd comes in, a phase of load, and what that cost. Runs inside a `LocalSet`, on one thread.

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context;
use mechat_protocol::Seq;
use mechat_protocol::limits::PING_INTERVAL_MS;
use mechat_protocol::reply::ChannelInfo;
use mechat_protocol::secret::Token;
use tokio::task::JoinSet;

use crate::board::Board;
use crate::follower::{Follower, Tally};
use crate::link::{Link, Way};
use crate::member::{Member, Shared};
use crate::people;
use crate::population::Population;
use crate::publisher::Publisher;
use crate::server::{Server, Usage};

/// Connections that are being made at once.
const CONNECTING_MAX: usize = 32;
/// How long the answers to all pings take at most, more or less.
const PINGS_TAKE: Duration = Duration::from_millis(500);

/// How a crowd comes in.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Entrance {
    /// A receive buffer of so many bytes instead of the system's.
    pub(crate) receive: Option<u32>,
    /// Whether they have nothing of what was said before, instead of all of it.
    pub(crate) from_start: bool,
}

/// A connection that is signed in and has joined, before the load.
pub(crate) struct Arrived {
    /// Which session.
    pub(crate) session: u64,
    /// Its connection.
    pub(crate) link: Link,
    /// The token of the next sign-in.
    pub(crate) token: Token,
    /// Its channels.
    pub(crate) channels: Vec<ChannelInfo>,
}

/// Members of a measurement.
pub(crate) struct Crowd {
    /// Their results.
    pub(crate) board: Rc<Board>,
    /// Each of them, in order of session.
    pub(crate) members: Vec<Rc<Member>>,
    /// The token that each has to sign in with next, in the same order.
    pub(crate) tokens: Vec<Token>,
    shared: Rc<Shared>,
    pinged: Cell<Instant>,
    running: JoinSet<()>,
}

impl Crowd {
    /// Nobody yet.
    pub(crate) fn new() -> Self {
        let board = Rc::new(Board::default());
        let shared = Rc::new(Shared::new(Rc::clone(&board)));
        Self {
            board,
            members: Vec::new(),
            tokens: Vec::new(),
            shared,
            pinged: Cell::new(Instant::now()),
            running: JoinSet::new(),
        }
    }

    /// Sessions sign in, join their account's channels and begin to follow them.
    pub(crate) async fn enter(
        &mut self,
        way: &Way,
        population: &Population,
        sessions: Range<u64>,
        entrance: Entrance,
    ) -> anyhow::Result<()> {
        for Arrived { link, token, channels, .. } in arrive(way, population, sessions, entrance).await? {
            let follow = |info: ChannelInfo| {
                self.board.enter(info.channel, info.head);
                let after = if entrance.from_start { Seq::ZERO } else { info.head };
                (info.channel, Follower::after(after))
            };
            let follows = channels.into_iter().map(follow).collect();
            let member = Member::new(&self.shared, follows);
            self.members.push(Rc::clone(&member));
            self.tokens.push(token);
            self.running.spawn_local(member.run(link));
        }
        Ok(())
    }

    /// Runs a member on a new connection.
    pub(crate) fn rerun(&mut self, member: Rc<Member>, link: Link) {
        self.running.spawn_local(member.run(link));
    }

    /// Makes the first `count` members publishers of texts of `text_len` bytes, in their first channel.
    pub(crate) fn publish(&self, count: usize, text_len: usize, window: usize) -> anyhow::Result<()> {
        for member in &self.members[..count] {
            let channel = member.channels().first().copied().context("a publisher has a channel")?;
            member.publish(Publisher::new(channel, text_len, window)?);
        }
        Ok(())
    }

    /// Publishers keep their windows full for so long; then all that was sent is waited for.
    pub(crate) async fn flood(&self, server: &Server, time: Duration) -> anyhow::Result<Phase> {
        self.stay_alive().await;
        let phase = Begun::now(server, &self.board)?;
        self.board.publishing.set(true);
        self.members.iter().for_each(|member| member.fill());
        tokio::time::sleep(time).await;
        self.board.publishing.set(false);
        self.board.settled().await;
        phase.end(server, &self.board)
    }

    /// Messages at a steady rate for so long, however long the answers take; then all that was sent is waited for.
    pub(crate) async fn offer(&self, server: &Server, offer: Offer, time: Duration) -> anyhow::Result<Phase> {
        self.stay_alive().await;
        let phase = Begun::now(server, &self.board)?;
        offer.run(&self.members, time).await;
        self.board.settled().await;
        phase.end(server, &self.board)
    }

    /// The same with several rates at once, and without waiting: some may not read.
    pub(crate) async fn offer_all(
        &self,
        server: &Server,
        offers: [Offer; 2],
        time: Duration,
    ) -> anyhow::Result<Phase> {
        self.stay_alive().await;
        let phase = Begun::now(server, &self.board)?;
        tokio::join!(offers[0].run(&self.members, time), offers[1].run(&self.members, time));
        phase.end(server, &self.board)
    }

    /// Before a phase, so that no ping falls into it.
    async fn stay_alive(&self) {
        if self.pinged.get().elapsed() >= Duration::from_millis(PING_INTERVAL_MS) {
            self.ping();
            tokio::time::sleep(PINGS_TAKE).await;
        }
    }

    /// Everybody shows that they live, between phases: a relay ends connections that say nothing for long.
    pub(crate) fn ping(&self) {
        self.pinged.set(Instant::now());
        self.members.iter().filter(|member| member.is_open()).for_each(|member| member.ping());
    }

    /// What went wrong from the beginning on. Ends the measurement.
    pub(crate) fn audit(&self) -> Tally {
        let mut tally = self.board.tally.get();
        for member in &self.members {
            member.finish(&mut tally);
        }
        self.board.audit(&mut tally);
        tally
    }
}

/// A steady rate of messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer {
    /// The first member that says something.
    pub(crate) first: usize,
    /// So many from there on say something in turn.
    pub(crate) senders: usize,
    /// Between one message and the next.
    pub(crate) interval: Duration,
}

impl Offer {
    async fn run(self, members: &[Rc<Member>], time: Duration) {
        let began = Instant::now();
        let (mut due, mut turn) = (Duration::ZERO, 0);
        while due < time {
            tokio::time::sleep_until((began + due).into()).await;
            // The timer is right to a millisecond: whatever is due by then is said.
            while due <= began.elapsed() && due < time {
                members[self.first + turn % self.senders].say();
                turn += 1;
                due += self.interval;
            }
        }
    }
}

/// Connects, signs in and joins, [`CONNECTING_MAX`] at once.
pub(crate) async fn arrive(
    way: &Way,
    population: &Population,
    sessions: Range<u64>,
    entrance: Entrance,
) -> anyhow::Result<Vec<Arrived>> {
    let next = Rc::new(Cell::new(sessions.start));
    let mut doors = JoinSet::new();
    for _ in 0..CONNECTING_MAX {
        let (way, population, next, end) = (way.clone(), *population, Rc::clone(&next), sessions.end);
        doors.spawn_local(async move {
            let mut arrived = Vec::new();
            loop {
                let session = next.get();
                if session >= end {
                    return Ok(arrived);
                }
                next.set(session + 1);
                arrived.push(come_in(&way, &population, session, entrance).await?);
            }
        });
    }
    let mut arrived: Vec<Arrived> = Vec::new();
    while let Some(door) = doors.join_next().await {
        let some: anyhow::Result<Vec<Arrived>> = door.context("a connecting task")?;
        arrived.extend(some?);
    }
    arrived.sort_by_key(|arrived| arrived.session);
    Ok(arrived)
}

async fn come_in(
    way: &Way,
    population: &Population,
    session: u64,
    entrance: Entrance,
) -> anyhow::Result<Arrived> {
    let mut link = way.connect_with(session, entrance.receive).await?;
    link.greet().await?;
    let token = link.resume(people::token(session)).await?;
    let names: Vec<_> = population.channels_of(population.account_of(session)).map(people::channel).collect();
    let channels = link.join(&names).await?;
    Ok(Arrived { session, link, token, channels })
}

/// A phase that has begun.
struct Begun {
    at: Instant,
    server: Usage,
    generator: Usage,
    tally: Tally,
    acked: u64,
}

impl Begun {
    fn now(server: &Server, board: &Board) -> anyhow::Result<Self> {
        board.clear_times();
        Ok(Self {
            server: server.usage()?,
            generator: Usage::own()?,
            tally: board.tally.get(),
            acked: board.acked.get(),
            at: Instant::now(),
        })
    }

    fn end(self, server: &Server, board: &Board) -> anyhow::Result<Phase> {
        let wall = self.at.elapsed();
        let (server, generator) = (server.usage()?, Usage::own()?);
        let (deliveries, acks) = (board.deliveries.borrow(), board.acks.borrow());
        Ok(Phase {
            wall,
            server_cpu: server.cpu.saturating_sub(self.server.cpu),
            generator_cpu: generator.cpu.saturating_sub(self.generator.cpu),
            rss: server.rss,
            deliveries: board.tally.get().delivered - self.tally.delivered,
            acks: board.acked.get() - self.acked,
            delivery: Times::of(&deliveries),
            ack: Times::of(&acks),
        })
    }
}

/// Percentiles.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Times {
    /// Half of all take at most so long.
    pub(crate) p50: Duration,
    /// 99 of 100.
    pub(crate) p99: Duration,
    /// 999 of 1,000.
    pub(crate) p999: Duration,
}

impl Times {
    /// Of a histogram.
    pub(crate) fn of(histogram: &crate::histogram::Histogram) -> Self {
        Self { p50: histogram.per_mille(500), p99: histogram.per_mille(990), p999: histogram.per_mille(999) }
    }
}

/// What a phase of load came to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Phase {
    /// From the first message until the last was delivered.
    pub(crate) wall: Duration,
    /// Of the server.
    pub(crate) server_cpu: Duration,
    /// Of the generator.
    pub(crate) generator_cpu: Duration,
    /// Of the server at its end, in bytes.
    pub(crate) rss: u64,
    /// Entries delivered, each member's counted.
    pub(crate) deliveries: u64,
    /// Messages acknowledged.
    pub(crate) acks: u64,
    /// Sent until delivered.
    pub(crate) delivery: Times,
    /// Sent until acknowledged.
    pub(crate) ack: Times,
}

impl Phase {
    /// Processor seconds of the server for a million deliveries.
    pub(crate) fn cpu_per_million(&self) -> f64 {
        per(self.server_cpu.as_secs_f64() * 1e6, self.deliveries)
    }

    /// Deliveries a second.
    pub(crate) fn rate(&self) -> f64 {
        float(self.deliveries) / self.wall.as_secs_f64()
    }
}

/// A share of each of so many.
pub(crate) fn per(whole: f64, count: u64) -> f64 {
    whole / float(count)
}

/// A count among measured numbers.
#[expect(clippy::cast_precision_loss, reason = "no count of a measurement comes near 2^53")]
pub(crate) const fn float(count: u64) -> f64 {
    count as f64
}
