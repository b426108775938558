//! A disk that can lose its power, fill up, and fail.
//!
//! Owns what the process sees of its files, what the platter holds, and the writes between the two.
//!
//! The model, which is meant to be harsher than any real disk:
//!
//! - A write is seen at once and is on the platter only after a sync of its file. When the power goes, each write since the
//!   last sync is there as a whole, not at all, in some of its sectors of 512 bytes, or only as a longer file that holds zeros
//!   or rubbish; in the order of the writes or any other. Files go their own ways, so that a write may be lost that came before
//!   one of another file that is kept.
//! - A name is made and removed the same way: it lasts when the directory is synced. SQLite's own layer for Unix syncs the
//!   directory on the first sync of a new journal or write-ahead log, and on a removal that asks for it; so does this one.
//!   All files lie in one directory, as the relay's do.
//! - A sync that fails has written some of what was due, and the system forgets that the rest is due: a later sync that
//!   succeeds does not bring it to the platter. That is what makes a second fsync a lie.
//! - What is on the platter is not harmed by a write beside it in the same sector ("powersafe overwrite", which SQLite
//!   assumes of disks in production too).
//! - The index of the write-ahead log (shared memory) and locks end with the power, as memory does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, RngCore, SeedableRng};

const SECTOR_LEN: usize = 512;
/// Bytes of a part of the shared memory, as SQLite asks for it.
const REGION_LEN: usize = 32_768;

/// One disk with one directory.
pub(crate) struct Disk {
    state: Mutex<State>,
}

/// An open file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Handle {
    inode: usize,
    number: u64,
}

/// What becomes of an operation that does not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The device reports an error, or the power is gone.
    Io,
    /// No space is left.
    Full,
    /// Somebody else has the lock.
    Busy,
}

/// When something happens: at an operation that changes the disk, counted from 1.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Plan {
    /// Nothing ever does.
    Calm,
    /// The power goes at this operation; all later ones fail.
    CutAt(u64),
    /// This operation fails, in this way, and only this one.
    FailAt(u64, Refusal),
}

struct State {
    random: StdRng,
    plan: Plan,
    /// Operations that changed the disk, or tried.
    operations: u64,
    syncs: u64,
    dark: bool,
    handles: u64,
    inodes: Vec<Inode>,
    /// As the process sees the directory.
    names: BTreeMap<String, usize>,
    /// As the platter has it.
    kept_names: BTreeMap<String, usize>,
}

#[derive(Default)]
struct Inode {
    /// As the process sees it.
    seen: Vec<u8>,
    /// As the platter has it.
    kept: Vec<u8>,
    unsynced: Vec<Change>,
    /// A new journal or write-ahead log: its first sync is the directory's too.
    syncs_directory: bool,
    locks: BTreeMap<Handle, Lock>,
    regions: Vec<Box<[AtomicU64]>>,
    /// Slots of the shared memory's locks by who holds them: shared ones and exclusive ones.
    slots: BTreeMap<Handle, (BTreeSet<i32>, BTreeSet<i32>)>,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

/// SQLite's locks on a file, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lock {
    None,
    Shared,
    Reserved,
    Pending,
    Exclusive,
}

impl Disk {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        Self::with(seed, BTreeMap::new())
    }

    fn with(seed: u64, files: BTreeMap<String, Vec<u8>>) -> Arc<Self> {
        let (mut inodes, mut names) = (Vec::new(), BTreeMap::new());
        for (name, bytes) in files {
            names.insert(name, inodes.len());
            inodes.push(Inode { seen: bytes.clone(), kept: bytes, ..Inode::default() });
        }
        let state = State {
            random: StdRng::seed_from_u64(seed),
            plan: Plan::Calm,
            operations: 0,
            syncs: 0,
            dark: false,
            handles: 0,
            inodes,
            kept_names: names.clone(),
            names,
        };
        Arc::new(Self { state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_plan(&self, plan: Plan) {
        self.state().plan = plan;
    }

    /// Operations so far that changed something, and how many of them were syncs.
    pub(crate) fn operations(&self) -> (u64, u64) {
        let state = self.state();
        (state.operations, state.syncs)
    }

    /// The disk as it is found when the power comes back.
    pub(crate) fn after_power_loss(&self, seed: u64) -> Arc<Self> {
        let mut random = StdRng::seed_from_u64(seed);
        let state = self.state();
        let names: BTreeSet<&String> = state.names.keys().chain(state.kept_names.keys()).collect();
        let mut files = BTreeMap::new();
        for name in names {
            let versions = [state.names.get(name), state.kept_names.get(name)];
            if let Some(inode) = versions[usize::from(random.r#gen::<bool>())] {
                files.insert(name.clone(), state.inodes[*inode].after_power_loss(&mut random));
            }
        }
        Self::with(seed, files)
    }

    /// The disk as it is found when only the process ended.
    pub(crate) fn after_kill(&self, seed: u64) -> Arc<Self> {
        let state = self.state();
        let file = |(name, inode): (&String, &usize)| (name.clone(), state.inodes[*inode].seen.clone());
        Self::with(seed, state.names.iter().map(file).collect())
    }

    /// Opens a file, and makes it if it is missing and `create` says how.
    pub(crate) fn open(&self, name: Option<&str>, create: bool, journal: bool) -> Result<Handle, Refusal> {
        let mut state = self.state();
        state.alive()?;
        let known = name.and_then(|name| state.names.get(name)).copied();
        let inode = match known {
            Some(inode) => inode,
            None if !create => return Err(Refusal::Io),
            None => {
                let inode = state.inodes.len();
                state.inodes.push(Inode { syncs_directory: journal, ..Inode::default() });
                if let Some(name) = name {
                    state.names.insert(name.to_owned(), inode);
                }
                inode
            }
        };
        state.handles += 1;
        let handle = Handle { inode, number: state.handles };
        state.inodes[inode].locks.insert(handle, Lock::None);
        Ok(handle)
    }

    pub(crate) fn close(&self, handle: Handle) {
        let mut state = self.state();
        let inode = &mut state.inodes[handle.inode];
        inode.locks.remove(&handle);
        inode.slots.remove(&handle);
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.state().names.contains_key(name)
    }

    pub(crate) fn delete(&self, name: &str, sync_directory: bool) -> Result<(), Refusal> {
        let mut state = self.state();
        state.change(sync_directory)?;
        state.names.remove(name);
        if sync_directory {
            state.sync_directory();
        }
        Ok(())
    }

    /// Fills `buffer` from `at` on; what lies beyond the end is zero. Whether all of it lay before.
    pub(crate) fn read(&self, handle: Handle, at: usize, buffer: &mut [u8]) -> Result<bool, Refusal> {
        let state = self.state();
        state.alive()?;
        let seen = &state.inodes[handle.inode].seen;
        let there = seen.get(at..).unwrap_or_default();
        let len = there.len().min(buffer.len());
        buffer[..len].copy_from_slice(&there[..len]);
        buffer[len..].fill(0);
        Ok(len == buffer.len())
    }

    pub(crate) fn write(&self, handle: Handle, at: usize, bytes: &[u8]) -> Result<(), Refusal> {
        let mut state = self.state();
        let refused = state.change(false).err();
        // A write that fails may have got as far as anywhere.
        let len = refused.map_or(bytes.len(), |_| state.random.gen_range(0..=bytes.len()));
        state.inodes[handle.inode].apply(Change::Write(at, bytes[..len].to_vec()));
        refused.map_or(Ok(()), Err)
    }

    pub(crate) fn truncate(&self, handle: Handle, len: usize) -> Result<(), Refusal> {
        let mut state = self.state();
        state.change(false)?;
        state.inodes[handle.inode].apply(Change::Truncate(len));
        Ok(())
    }

    pub(crate) fn sync(&self, handle: Handle) -> Result<(), Refusal> {
        let mut state = self.state();
        let result = state.change(true);
        let State { random, inodes, dark, .. } = &mut *state;
        let inode = &mut inodes[handle.inode];
        match result {
            Ok(()) => {
                inode.kept.clone_from(&inode.seen_when_synced());
                inode.unsynced.clear();
                if std::mem::take(&mut inode.syncs_directory) {
                    state.sync_directory();
                }
            }
            // The power went: what is unsynced meets its fate when it comes back.
            Err(_) if *dark => {}
            Err(_) => {
                inode.kept = inode.after_power_loss(random);
                inode.unsynced.clear();
            }
        }
        result
    }

    pub(crate) fn len(&self, handle: Handle) -> usize {
        self.state().inodes[handle.inode].seen.len()
    }

    /// Takes a lock that is higher than the one held, as <https://sqlite.org/lockingv3.html> has it.
    pub(crate) fn lock(&self, handle: Handle, wanted: Lock) -> Result<(), Refusal> {
        let mut state = self.state();
        state.alive()?;
        let locks = &mut state.inodes[handle.inode].locks;
        let highest = locks.iter().filter(|(other, _)| **other != handle).map(|(_, lock)| *lock).max();
        let highest = highest.unwrap_or(Lock::None);
        let (blocked, meanwhile) = match wanted {
            Lock::None | Lock::Shared => (highest >= Lock::Pending, None),
            Lock::Reserved | Lock::Pending => (highest >= Lock::Reserved, None),
            Lock::Exclusive if highest >= Lock::Reserved => (true, None),
            // Nobody new gets in while the readers leave.
            Lock::Exclusive => (highest >= Lock::Shared, Some(Lock::Pending)),
        };
        match (blocked, meanwhile) {
            (false, _) => locks.insert(handle, wanted),
            (true, Some(lock)) => locks.insert(handle, lock),
            (true, None) => None,
        };
        if blocked { Err(Refusal::Busy) } else { Ok(()) }
    }

    pub(crate) fn unlock(&self, handle: Handle, wanted: Lock) {
        self.state().inodes[handle.inode].locks.insert(handle, wanted);
    }

    pub(crate) fn is_reserved(&self, handle: Handle) -> bool {
        self.state().inodes[handle.inode].locks.values().any(|lock| *lock >= Lock::Reserved)
    }

    /// A part of the shared memory. It stays where it is as long as a handle has it mapped.
    pub(crate) fn region(&self, handle: Handle, index: usize, extend: bool) -> Option<*mut u8> {
        let mut state = self.state();
        let inode = &mut state.inodes[handle.inode];
        inode.slots.entry(handle).or_default();
        while extend && inode.regions.len() <= index {
            inode.regions.push((0..REGION_LEN / 8).map(|_| AtomicU64::new(0)).collect());
        }
        inode.regions.get(index).map(|region| region.as_ptr().cast_mut().cast())
    }

    /// Takes or gives back slots of the shared memory's locks.
    pub(crate) fn shm_lock(
        &self,
        handle: Handle,
        slots: std::ops::Range<i32>,
        take: bool,
        exclusive: bool,
    ) -> Result<(), Refusal> {
        let mut state = self.state();
        let all = &mut state.inodes[handle.inode].slots;
        let others = || all.iter().filter(|(other, _)| **other != handle).map(|(_, held)| held);
        let is_held = |slot: &i32| {
            others().any(|(shared, exclusively)| {
                exclusively.contains(slot) || (exclusive && shared.contains(slot))
            })
        };
        if take && slots.clone().any(|slot| is_held(&slot)) {
            return Err(Refusal::Busy);
        }
        let (shared, exclusively) = all.entry(handle).or_default();
        for slot in slots {
            if !take {
                shared.remove(&slot);
                exclusively.remove(&slot);
            } else if exclusive {
                exclusively.insert(slot);
            } else {
                shared.insert(slot);
            }
        }
        Ok(())
    }

    pub(crate) fn shm_unmap(&self, handle: Handle) {
        let mut state = self.state();
        let inode = &mut state.inodes[handle.inode];
        inode.slots.remove(&handle);
        if inode.slots.is_empty() {
            inode.regions.clear();
        }
    }
}

impl State {
    fn alive(&self) -> Result<(), Refusal> {
        if self.dark { Err(Refusal::Io) } else { Ok(()) }
    }

    /// Counts an operation, and says what becomes of it.
    fn change(&mut self, is_sync: bool) -> Result<(), Refusal> {
        self.alive()?;
        self.operations += 1;
        self.syncs += u64::from(is_sync);
        match self.plan {
            Plan::CutAt(operation) if operation <= self.operations => {
                self.dark = true;
                Err(Refusal::Io)
            }
            Plan::FailAt(operation, refusal) if operation == self.operations => Err(refusal),
            _ => Ok(()),
        }
    }

    fn sync_directory(&mut self) {
        self.kept_names.clone_from(&self.names);
    }
}

impl Inode {
    fn apply(&mut self, change: Change) {
        apply(&mut self.seen, &change);
        self.unsynced.push(change);
    }

    /// What a sync that succeeds leaves on the platter: what was there, and what is due since the last sync.
    fn seen_when_synced(&self) -> Vec<u8> {
        let mut bytes = self.kept.clone();
        for change in &self.unsynced {
            apply(&mut bytes, change);
        }
        bytes
    }

    fn after_power_loss(&self, random: &mut StdRng) -> Vec<u8> {
        let mut changes: Vec<&Change> = self.unsynced.iter().collect();
        if random.gen_bool(0.5) {
            changes.shuffle(random);
        }
        // Sometimes nearly all is kept, sometimes nearly nothing.
        let kept = *[0.05, 0.5, 0.95].choose(random).expect("not empty");
        let mut bytes = self.kept.clone();
        for change in changes {
            meet_fate(&mut bytes, change, kept, random);
        }
        bytes
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(at, written) => {
            let end = at + written.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*at..end].copy_from_slice(written);
        }
        Change::Truncate(len) => bytes.resize(*len, 0),
    }
}

fn meet_fate(bytes: &mut Vec<u8>, change: &Change, kept: f64, random: &mut StdRng) {
    let whole = random.gen_bool(kept);
    match change {
        _ if whole => apply(bytes, change),
        Change::Truncate(_) => {}
        Change::Write(at, written) => match random.gen_range(0..3) {
            0 => {}
            1 => {
                for (at, sector) in sectors(*at, written) {
                    if random.r#gen() {
                        apply(bytes, &Change::Write(at, sector.to_vec()));
                    }
                }
            }
            _ => lengthen(bytes, at + written.len(), random),
        },
    }
}

/// The parts of a write that lie in one sector each, and where.
fn sectors(at: usize, mut written: &[u8]) -> Vec<(usize, &[u8])> {
    let (mut at, mut parts) = (at, Vec::new());
    while !written.is_empty() {
        let len = (SECTOR_LEN - at % SECTOR_LEN).min(written.len());
        let (sector, rest) = written.split_at(len);
        parts.push((at, sector));
        at += len;
        written = rest;
    }
    parts
}

/// The length reached the platter, the bytes did not.
fn lengthen(bytes: &mut Vec<u8>, len: usize, random: &mut StdRng) {
    let old = bytes.len();
    if old < len {
        bytes.resize(len, 0);
        if random.r#gen() {
            random.fill_bytes(&mut bytes[old..]);
        }
    }
}
