//! The reference model: what must be true, in the smallest words, and the judge of everything that is seen.
//!
//! It learns what people say and what is committed, and judges acknowledgements, entries and memberships against
//! that. It knows nothing of hub, sessions, wires or queues.
//!
//! The invariants are those of the delivery contract: I1 an ack implies a committed entry; I2 one nonce, one seq; I3 all apply the same
//! entries in seq order, and see what was amended in the same state; I4 no gap is passed over; marks only grow; and nothing of a channel reaches who is not a member.

use std::collections::{BTreeMap, BTreeSet};

use mechat_protocol::reply::Marks;
use mechat_protocol::{
    AccountName, Amendment, Body, ChannelId, Content, Entry, Epoch, ErrorCode, Nonce, Position, Seq,
};

use crate::agenda::DeviceId;

/// What was broken, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The invariant's short name.
    pub invariant: &'static str,
    /// What was seen instead.
    pub seen: String,
}

pub(crate) type Verdict = Result<(), Violation>;

/// A message that a person said.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) nonce: Nonce,
    pub(crate) channel: ChannelId,
    pub(crate) content: Content,
}

#[derive(Debug)]
struct Origin {
    device: DeviceId,
    account: AccountName,
    said: Said,
    /// Counts what was said on all devices.
    number: u64,
}

/// One life of one channel's log.
#[derive(Debug, Default)]
struct Log {
    entries: Vec<Entry>,
    /// The same, as they read now.
    present: Vec<Entry>,
    /// Every state that an entry was in besides the first.
    states: BTreeMap<Seq, Vec<Entry>>,
    /// When who was a member: from the entry of the join to that of the leave, both included.
    memberships: BTreeMap<AccountName, Vec<(Seq, Option<Seq>)>>,
}

impl Log {
    /// Brings what an amendment names up to date.
    fn amend(&mut self, by: &Entry, amendment: &Amendment) {
        let Some(target) = amendment.target() else { return };
        let deletes = matches!(amendment, Amendment::Delete { .. });
        for entry in &mut self.present {
            let changed = if entry.seq == target {
                entry.amend(by)
            } else if let Body::Amended { amendment: Amendment::Edit { seq, content } } = &mut entry.body {
                // The words of edits go with the message.
                let loses_words = deletes && *seq == target && *content != Content::Unknown;
                if loses_words {
                    *content = Content::Unknown;
                }
                loses_words
            } else {
                false
            };
            if changed {
                self.states.entry(entry.seq).or_default().push(entry.clone());
            }
        }
    }
}

/// The model.
#[derive(Debug, Default)]
pub(crate) struct Model {
    logs: BTreeMap<(ChannelId, Epoch), Log>,
    epoch: u32,
    /// Where each nonce stands, in the present life of the logs.
    places: BTreeMap<(AccountName, Nonce), Position>,
    said: BTreeMap<Nonce, Origin>,
    /// What people wanted to be amended.
    amendments: BTreeMap<Nonce, (AccountName, ChannelId, Amendment)>,
    /// What an account was told last that it has read, in the present life of the logs.
    read: BTreeMap<(AccountName, ChannelId), Seq>,
    /// The latest message of a device in a channel.
    order: BTreeMap<(ChannelId, usize), u64>,
    /// Their senders were told that they are refused for good.
    refused: BTreeSet<Nonce>,
    /// The relay refused them once, and may take them when they are sent again: they lost their turn.
    turned_away: BTreeSet<Nonce>,
    /// What the hub was told of memberships so far.
    told: BTreeMap<ChannelId, BTreeSet<AccountName>>,
}

fn broken(invariant: &'static str, seen: String) -> Verdict {
    Err(Violation { invariant, seen })
}

fn ensure(holds: bool, invariant: &'static str, seen: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { broken(invariant, seen()) }
}

impl Model {
    pub(crate) fn new(epoch: Epoch) -> Self {
        Self { epoch: epoch.0, ..Self::default() }
    }

    pub(crate) const fn epoch(&self) -> Epoch {
        Epoch(self.epoch)
    }

    /// Somebody says something.
    pub(crate) fn said(&mut self, device: DeviceId, account: AccountName, said: Said) {
        let number = self.said.len() as u64;
        self.said.insert(said.nonce, Origin { device, account, said, number });
    }

    /// Somebody wants something to be amended.
    pub(crate) fn amends(
        &mut self,
        nonce: Nonce,
        account: AccountName,
        channel: ChannelId,
        amendment: Amendment,
    ) {
        self.amendments.insert(nonce, (account, channel, amendment));
    }

    /// The storage committed an entry.
    pub(crate) fn committed(&mut self, entry: &Entry) -> Verdict {
        let head = self.head(entry.channel);
        ensure(entry.seq == head.next() && entry.epoch == self.epoch(), "seq is contiguous", || {
            format!("{:?} was committed behind {head}", entry.position())
        })?;
        if let Some(nonce) = entry.nonce {
            self.committed_message(entry, nonce)?;
        }
        self.record(entry);
        Ok(())
    }

    fn committed_message(&mut self, entry: &Entry, nonce: Nonce) -> Verdict {
        let before = self.places.insert((entry.sender.clone(), nonce), entry.position());
        ensure(before.is_none(), "I2: one nonce, one seq", || {
            format!("{nonce:?} of {} is at {before:?} and at {:?}", entry.sender, entry.position())
        })?;
        ensure(!self.refused.contains(&nonce), "what was refused is not said", || {
            format!("{nonce:?} was refused to its sender and is at {:?}", entry.position())
        })?;
        if let Body::Amended { amendment } = &entry.body {
            let wanted = self.amendments.get(&nonce);
            let same = wanted.is_some_and(|(account, channel, wanted)| {
                (account, channel, wanted) == (&entry.sender, &entry.channel, amendment)
            });
            return ensure(same, "what is amended is what was wanted", || {
                format!("{entry:?}, not {wanted:?}")
            });
        }
        let Some(origin) = self.said.get(&nonce) else {
            return broken("nothing is in the log that nobody said", format!("{entry:?}"));
        };
        let body = Body::said(origin.said.content.clone(), None);
        let same =
            origin.account == entry.sender && origin.said.channel == entry.channel && body == entry.body;
        ensure(same, "what is in the log is what was said", || format!("{entry:?} instead of {origin:?}"))?;
        let (number, device) = (origin.number, origin.device.0);
        let latest = self.order.entry((entry.channel, device)).or_insert(number);
        let before = std::mem::replace(latest, number.max(*latest));
        let in_turn = before <= number || self.turned_away.contains(&nonce);
        ensure(in_turn, "messages of one device keep their order", || {
            format!("message {number} of device {device} at {:?} follows message {before}", entry.position())
        })?;
        let member = self.is_member(&entry.sender, entry.channel);
        ensure(member, "only members speak", || format!("{} at {:?}", entry.sender, entry.position()))
    }

    fn record(&mut self, entry: &Entry) {
        let log = self.logs.entry((entry.channel, entry.epoch)).or_default();
        match entry.body {
            Body::Joined => {
                log.memberships.entry(entry.sender.clone()).or_default().push((entry.seq, None));
            }
            Body::Left => {
                if let Some(last) = log.memberships.get_mut(&entry.sender).and_then(|spans| spans.last_mut())
                {
                    last.1 = Some(entry.seq);
                }
            }
            _ => {}
        }
        log.entries.push(entry.clone());
        log.present.push(entry.clone());
        if let Body::Amended { amendment } = &entry.body {
            log.amend(entry, amendment);
        }
    }

    fn is_member(&self, account: &AccountName, channel: ChannelId) -> bool {
        let log = self.logs.get(&(channel, self.epoch()));
        let spans = log.and_then(|log| log.memberships.get(account));
        spans.and_then(|spans| spans.last()).is_some_and(|(_, left)| left.is_none())
    }

    /// An older copy of the storage took its place: what it does not hold is gone, and every log has a new life.
    pub(crate) fn restored(&mut self, epoch: Epoch, logs: impl Iterator<Item = Entry>) {
        self.epoch = epoch.0;
        self.places.clear();
        self.read.clear();
        self.order.clear();
        // What was refused in the life before may be what a resend of this one says.
        self.refused.clear();
        for entry in logs {
            if let Some(nonce) = entry.nonce {
                self.places.insert((entry.sender.clone(), nonce), entry.position());
            }
            if let Some(origin) = entry.nonce.and_then(|nonce| self.said.get(&nonce)) {
                self.order.insert((entry.channel, origin.device.0), origin.number);
            }
            self.record(&entry);
        }
    }

    /// Everything that the model takes for committed, as it reads now.
    pub(crate) fn log(&self, channel: ChannelId) -> &[Entry] {
        self.logs.get(&(channel, self.epoch())).map_or(&[], |log| &log.present)
    }

    pub(crate) fn head(&self, channel: ChannelId) -> Seq {
        Seq(self.log(channel).len() as u64)
    }

    /// Somebody was told, or is about to be, that their message is kept there.
    pub(crate) fn acked(&self, account: &AccountName, nonce: Nonce, position: Position) -> Verdict {
        if position.epoch != self.epoch() {
            // An ack that was under way when the storage was restored: it was true.
            return Ok(());
        }
        match self.places.get(&(account.clone(), nonce)) {
            None => broken(
                "I1: an ack implies a committed entry",
                format!("{nonce:?} of {account} was acknowledged at {position:?}, and is not committed"),
            ),
            Some(place) => ensure(*place == position, "I2: one nonce, one seq", || {
                format!("{nonce:?} of {account} is at {place:?} and was acknowledged at {position:?}")
            }),
        }
    }

    /// The relay or its storage refuses a message; its sender may never hear of it.
    pub(crate) fn turned_away(&mut self, nonce: Nonce) {
        self.turned_away.insert(nonce);
    }

    /// Somebody was told that their message is refused for good.
    pub(crate) fn refused(&mut self, account: &AccountName, nonce: Nonce, code: ErrorCode) -> Verdict {
        if code != ErrorCode::NotAMember {
            return Ok(());
        }
        self.refused.insert(nonce);
        let place = self.places.get(&(account.clone(), nonce));
        ensure(place.is_none(), "what was refused is not said", || {
            format!("{nonce:?} of {account} was refused and is at {place:?}")
        })
    }

    /// Somebody was told that a message is pending again: the run before had not forgotten it on disk when it crashed.
    pub(crate) fn pending_again(&mut self, nonce: Nonce) {
        self.refused.remove(&nonce);
    }

    fn entry(&self, position: Position) -> Option<&Entry> {
        let log = self.logs.get(&(position.channel, position.epoch))?;
        log.entries.get(usize::try_from(position.seq.0).ok()?.checked_sub(1)?)
    }

    /// Somebody was told that their amendment is in the log, or that what it asks for is so already, there.
    pub(crate) fn amended(&self, account: &AccountName, nonce: Nonce, position: Position) -> Verdict {
        if self.places.contains_key(&(account.clone(), nonce)) || position.epoch != self.epoch() {
            return self.acked(account, nonce, position);
        }
        ensure(self.entry(position).is_some(), "what stands for an amendment is in the log", || {
            format!("{nonce:?} of {account} at {position:?}")
        })
    }

    /// The relay tells an account how far it has read a channel.
    pub(crate) fn marked(&mut self, account: &AccountName, channel: ChannelId, marks: Marks) -> Verdict {
        let head = self.head(channel);
        let known = self.read.entry((account.clone(), channel)).or_default();
        let before = std::mem::replace(known, marks.read);
        ensure(before <= marks.read && marks.read <= head, "marks only grow, up to the head", || {
            format!("{account} read {channel} up to {} after {before}, the head is {head}", marks.read)
        })
    }

    /// What somebody has of a channel, all of it applied: is it what the log says now?
    pub(crate) fn whole<'a>(&self, channel: ChannelId, mut view: impl Iterator<Item = &'a Entry>) -> Verdict {
        let log = self.log(channel);
        let stale = view.find(|entry| {
            let at = usize::try_from(entry.seq.0).unwrap_or(0).checked_sub(1);
            at.and_then(|at| log.get(at)) != Some(*entry)
        });
        ensure(stale.is_none(), "I3: all see what was amended in the same state", || {
            format!(
                "{stale:?} of {channel}; the log has {:?}",
                stale.map(|stale| self.present(stale.position()))
            )
        })
    }

    fn present(&self, position: Position) -> Option<&Entry> {
        self.log(position.channel).get(usize::try_from(position.seq.0).ok()?.checked_sub(1)?)
    }

    /// Somebody sees an entry: is it the log's, in a state that it was in?
    pub(crate) fn seen(&self, entry: &Entry) -> Verdict {
        let kept = self.entry(entry.position());
        let log = self.logs.get(&(entry.channel, entry.epoch));
        let later = log.and_then(|log| log.states.get(&entry.seq));
        let known = kept == Some(entry) || later.is_some_and(|states| states.contains(entry));
        ensure(known, "I3: all see the log's own entries", || {
            format!("{entry:?} was seen where {kept:?} is committed")
        })
    }

    /// The relay is about to push an entry to an account's connection: may it see it?
    pub(crate) fn pushed(&self, account: Option<&AccountName>, entry: &Entry) -> Verdict {
        ensure(self.entry(entry.position()) == Some(entry), "I1: only what is committed is told", || {
            format!("{:?} is pushed and not committed", entry.position())
        })?;
        let log = self.logs.get(&(entry.channel, entry.epoch));
        let spans = account.and_then(|account| log?.memberships.get(account));
        let within = |(joined, left): &(Seq, Option<Seq>)| {
            *joined <= entry.seq && left.is_none_or(|left| entry.seq <= left)
        };
        ensure(spans.is_some_and(|spans| spans.iter().any(within)), "only members get entries", || {
            format!("{:?} goes to {account:?}", entry.position())
        })
    }

    /// The relay is about to send a page: may its reader see it?
    pub(crate) fn paged(&self, account: Option<&AccountName>, channel: ChannelId) -> Verdict {
        let member =
            account.zip(self.told.get(&channel)).is_some_and(|(account, told)| told.contains(account));
        ensure(member, "only members get pages", || format!("a page of {channel} goes to {account:?}"))
    }

    /// A relay starts with these members.
    pub(crate) fn hub_starts(&mut self, members: impl Iterator<Item = (ChannelId, AccountName)>) {
        self.told.clear();
        for (channel, account) in members {
            self.told.entry(channel).or_default().insert(account);
        }
    }

    /// The hub learns that an entry is committed.
    pub(crate) fn hub_learns(&mut self, entry: &Entry) {
        let told = self.told.entry(entry.channel).or_default();
        match entry.body {
            Body::Joined => drop(told.insert(entry.sender.clone())),
            Body::Left => drop(told.remove(&entry.sender)),
            _ => {}
        }
    }

    /// Whom the hub should take for members.
    pub(crate) fn members(&self, channel: ChannelId) -> impl Iterator<Item = &AccountName> {
        self.told.get(&channel).into_iter().flatten()
    }
}
