//! What a client costs in a terminal: one course through its day, the same for every client.
//!
//! Owns what is measured, and how. It never prints: [`crate::rows`] does.
//!
//! Invariant: a figure is there if it was measured to its end. What could not be measured ends the course with the reason.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use rand::Rng as _;

use crate::pinning::Pinning;
use client::Client;
use pty::{PATIENCE, Pty, SILENCE, SIZE, Size};
use samples::Samples;

pub(crate) mod client;
mod idle;
mod irc;
mod keyring;
mod people;
mod pty;
pub(crate) mod samples;
mod talker;

/// Starts of each kind.
const STARTS: usize = 20;
/// Keys of each kind, half of them erasing what the other half wrote.
const KEYS: usize = 500;
/// Between one key and the next, in milliseconds; drawn anew each time, so that no clock of the client is in step.
const PAUSE_MS: std::ops::Range<u64> = 7..43;
/// Messages a second while keys are typed.
const PER_SECOND: u32 = 200;
/// How long a client has for becoming idle.
const REST: Duration = Duration::from_secs(3);
/// How long it is watched doing nothing.
const IDLE: Duration = Duration::from_secs(10);
const IDLE_ATTEMPTS: u32 = 3;
/// Changes of the size, there and back.
const RESIZES: usize = 20;
/// The first picture is whole when nothing came for so long; more than any program pauses within one.
const FRAME_GAP: Duration = Duration::from_millis(5);
const OTHER_SIZE: Size = (100, 30);
/// Pages back.
const PAGES: usize = 300;
/// Messages that arrive in bulk in the first life, and in the second.
const MANY: u64 = 100_000;
/// How many of the first bulk arrive a second: each client takes them all as they come, so that what it keeps on disk is whole. The
/// second bulk comes as fast as it can.
const MANY_PER_SECOND: u32 = 5_000;
const MOST: u64 = 1_000_000;
/// How long bulk may take.
const BULK_PATIENCE: Duration = Duration::from_mins(15);
/// Typed before the keys that are measured, so that an echo is told from anything else on the screen.
const BEFORE: &str = "zqx";
const ERASE: &str = "\x7f";
const PAGE_UP: &str = "\x1b[5~";

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum What {
    /// Start until all is painted, with nowhere to go.
    BareStart,
    /// Start until the first picture with the newest message is whole, with [`MANY`] messages said before.
    StartShown,
    /// The same, until nothing comes any more.
    StartPainted,
    /// A key until its character stands there or is gone.
    Key,
    /// The same while messages arrive.
    KeyInTalk,
    /// Processor time of [`IDLE`] in the channel.
    IdleCpu,
    /// Memory of a client that has just come in.
    RssIdle,
    /// Memory after [`MANY`] messages arrived.
    RssMany,
    /// The same after [`PAGES`] pages back.
    RssManyPaged,
    /// What the client has on disk at its end, with so many.
    DiskMany,
    /// A change of the size until all is redrawn, with so many.
    ResizeMany,
    /// A page back until all is drawn, with so many.
    PageMany,
    /// Memory after [`MOST`] messages arrived.
    RssMost,
    /// The same after [`PAGES`] pages back.
    RssMostPaged,
    /// A change of the size, with so many.
    ResizeMost,
    /// A page back, with so many.
    PageMost,
}

/// Something measured.
#[derive(Debug, Clone)]
pub(crate) enum Figure {
    /// Times.
    Times(Samples),
    /// Bytes, one number a run.
    Bytes(Vec<u64>),
}

/// What was measured, of all runs.
#[derive(Debug, Default)]
pub(crate) struct Figures(BTreeMap<What, Figure>);

impl Figures {
    /// One of them, if it was measured.
    pub(crate) fn get(&self, what: What) -> Option<&Figure> {
        self.0.get(&what)
    }

    fn times(&mut self, what: What, times: &Samples) {
        match self.0.entry(what).or_insert_with(|| Figure::Times(Samples::default())) {
            Figure::Times(before) => before.extend(times),
            Figure::Bytes(_) => unreachable!("{what:?} is a time"),
        }
    }

    fn bytes(&mut self, what: What, bytes: u64) {
        match self.0.entry(what).or_insert_with(|| Figure::Bytes(Vec::new())) {
            Figure::Bytes(before) => before.push(bytes),
            Figure::Times(_) => unreachable!("{what:?} is a number of bytes"),
        }
    }
}

/// Measures everything of one client.
pub(crate) fn measure(client: &Client, pinning: Pinning, figures: &mut Figures) -> anyhow::Result<()> {
    bare_starts(client, pinning, figures).context("starts with nowhere to go")?;
    first_life(client, pinning, figures).context("the first life")?;
    if client.asks.is_none() {
        starts(client, pinning, figures).context("starts into the channel")?;
    }
    second_life(client, pinning, figures).context("the second life")
}

fn bare_starts(client: &Client, pinning: Pinning, figures: &mut Figures) -> anyhow::Result<()> {
    let mut times = Samples::default();
    for _ in 0..STARTS {
        let mut pty = Pty::open(&client.bare, pinning)?;
        let painted = pty.burst(pty.began)?;
        times.record(painted - pty.began);
        pty.quit(client.quit)?;
    }
    figures.times(What::BareStart, &times);
    Ok(())
}

/// Into the channel for the first time, through talk and bulk.
fn first_life(client: &Client, pinning: Pinning, figures: &mut Figures) -> anyhow::Result<()> {
    let mut pty = Pty::open(&client.first, pinning)?;
    client.enter(&mut pty)?;
    arrives(client, &mut pty, 0, "the-first-of-all")?;
    pty.rest(REST)?;
    figures.times(What::IdleCpu, &idle(&mut pty)?);
    figures.bytes(What::RssIdle, pty.usage()?.rss);
    figures.times(What::Key, &keys(&mut pty)?);
    client.talker.rate(PER_SECOND)?;
    let times = keys(&mut pty)?;
    let said = client.talker.quiet()?;
    let due = said.time.as_secs_f64() * f64::from(PER_SECOND);
    ensure!(
        crate::crowd::float(said.count) > 0.95 * due,
        "only {} of {due:.0} messages were said",
        said.count
    );
    arrives(client, &mut pty, 0, "all-of-the-talk-is-here")?;
    figures.times(What::KeyInTalk, &times);
    arrives(client, &mut pty, MANY, "the-last-of-many")?;
    pty.rest(REST)?;
    figures.bytes(What::RssMany, pty.usage()?.rss);
    figures.times(What::ResizeMany, &resizes(&mut pty)?);
    figures.times(What::PageMany, &pages(&mut pty)?);
    figures.bytes(What::RssManyPaged, pty.usage()?.rss);
    pty.keys(client.to_end)?;
    arrives(client, &mut pty, 0, &newest(0))?;
    pty.quit(client.quit)?;
    figures.bytes(What::DiskMany, disk(&client.home)?);
    Ok(())
}

/// Bytes of all files in a directory.
fn disk(directory: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory).with_context(|| format!("{}", directory.display()))? {
        let entry = entry?;
        let kind = entry.file_type()?;
        bytes += if kind.is_dir() { disk(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}

/// The message that a start awaits. Another one is said in each, or joins and leaves would push it out of what WeeChat shows of its log.
fn newest(start: usize) -> String {
    format!("the-newest-before-start-{start}-of-{STARTS}")
}

fn starts(client: &Client, pinning: Pinning, figures: &mut Figures) -> anyhow::Result<()> {
    let (mut shown, mut painted) = (Samples::default(), Samples::default());
    for start in 0..STARTS {
        let mut pty = Pty::open(&client.again, pinning)?;
        let began = pty.began;
        pty.shows(&newest(start))?;
        shown.record(pty.silence(FRAME_GAP)? - began);
        painted.record(pty.silence(SILENCE)? - began);
        arrives(client, &mut pty, 0, &newest(start + 1))?;
        pty.quit(client.quit)?;
    }
    figures.times(What::StartShown, &shown);
    figures.times(What::StartPainted, &painted);
    Ok(())
}

/// Back in the channel, and more arrives than anybody reads.
fn second_life(client: &Client, pinning: Pinning, figures: &mut Figures) -> anyhow::Result<()> {
    let mut pty = Pty::open(&client.again, pinning)?;
    client.come_back(&mut pty)?;
    arrives(client, &mut pty, 0, "back-again")?;
    arrives(client, &mut pty, MOST, "the-last-of-all")?;
    pty.rest(REST)?;
    figures.bytes(What::RssMost, pty.usage()?.rss);
    figures.times(What::ResizeMost, &resizes(&mut pty)?);
    figures.times(What::PageMost, &pages(&mut pty)?);
    figures.bytes(What::RssMostPaged, pty.usage()?.rss);
    pty.quit(client.quit)
}

/// So many messages arrive, and then one that is waited for.
fn arrives(client: &Client, pty: &mut Pty, count: u64, last: &str) -> anyhow::Result<()> {
    client.talker.bulk(count, (count == MANY).then_some(MANY_PER_SECOND), last);
    // The terminal is read meanwhile: a client that cannot draw would not read what is said either.
    while client.talker.is_saying()? {
        pty.rest(SILENCE)?;
    }
    pty.until(&format!("`{last}`"), BULK_PATIENCE, |screen| screen.contains(last))?;
    Ok(())
}

/// A thread that was of use at the start may end meanwhile: then once more, until it was watched undisturbed.
fn idle(pty: &mut Pty) -> anyhow::Result<Samples> {
    let mut times = Samples::default();
    for attempt in 1..=IDLE_ATTEMPTS {
        let before = pty.run_times()?;
        pty.rest(IDLE)?;
        match pty.run_times()?.since(&before) {
            Ok(time) => {
                times.record(time);
                break;
            }
            Err(error) if attempt == IDLE_ATTEMPTS => return Err(error),
            Err(_) => {}
        }
    }
    Ok(times)
}

/// Letters behind [`BEFORE`], each erased again.
fn keys(pty: &mut Pty) -> anyhow::Result<Samples> {
    let mut times = Samples::default();
    pty.keys(BEFORE)?;
    pty.shows(BEFORE)?;
    for letter in ('A'..='Z').cycle().take(KEYS / 2) {
        let word = format!("{BEFORE}{letter}");
        pause(pty)?;
        ensure!(!pty.screen().contains(&word), "`{word}` stands there before it was typed");
        let typed = pty.keys(letter.encode_utf8(&mut [0; 4]))?;
        times.record(pty.shows(&word)? - typed);
        pause(pty)?;
        let erased = pty.keys(ERASE)?;
        times.record(
            pty.until("the erased letter's end", PATIENCE, |screen| !screen.contains(&word))? - erased,
        );
    }
    pty.keys(&ERASE.repeat(BEFORE.len()))?;
    pty.until("an empty line", PATIENCE, |screen| !screen.contains(BEFORE))?;
    Ok(times)
}

fn pause(pty: &mut Pty) -> anyhow::Result<()> {
    pty.rest(Duration::from_millis(rand::thread_rng().gen_range(PAUSE_MS)))
}

fn resizes(pty: &mut Pty) -> anyhow::Result<Samples> {
    let mut times = Samples::default();
    for size in [OTHER_SIZE, SIZE].into_iter().cycle().take(RESIZES) {
        let changed = pty.resize(size)?;
        times.record(pty.burst(changed)? - changed);
    }
    Ok(times)
}

fn pages(pty: &mut Pty) -> anyhow::Result<Samples> {
    let mut times = Samples::default();
    for page in 0..PAGES {
        let pressed = pty.keys(PAGE_UP)?;
        let drawn = pty.burst(pressed).with_context(|| format!("page {page}"))?;
        times.record(drawn - pressed);
    }
    Ok(times)
}
