//! Entries and pages: what is handed on, what is pulled.
//!
//! Invariant: at most `PAGES_IN_FLIGHT` pages are asked for at a time, below the relay's limit; the rest wait.

use mechat_protocol::limits::{CHANNELS_PER_ACCOUNT_MAX, HISTORIES_IN_FLIGHT_MAX, PAGE_ENTRIES_MAX};
use mechat_protocol::reply::{ChannelInfo, ErrorReply, HistoryPage};
use mechat_protocol::request::{HistoryRange, ReadHistory};
use mechat_protocol::{AccountName, Body, ChannelId, Entry, ErrorCode, RequestId, Seq};

use super::{Now, Output, Pending, Session, crowded, cut, offline, refused, retry_delay_ms};
use crate::event::{Event, RequestKind};
use crate::timeline::{Step, Timeline};

/// Pages asked for and not yet answered.
const PAGES_IN_FLIGHT: usize = 2;
const _: () = assert!(PAGES_IN_FLIGHT < HISTORIES_IN_FLIGHT_MAX);
/// Pages that wait for their turn; beyond that the user's are refused. Each channel waits for at most one of the client's own.
const PAGES_WAITING_MAX: usize = 2 * CHANNELS_PER_ACCOUNT_MAX;

/// A page that waits for its turn.
#[derive(Debug)]
pub(super) enum PageWanted {
    /// To continue a timeline from where it then stands.
    Pull(ChannelId),
    /// By the user.
    User(ChannelId, HistoryRange),
}

impl Session {
    pub(super) fn entry(&mut self, now: Now, entry: Entry, outputs: &mut Vec<Output>) {
        let channel = entry.channel;
        let Some(timeline) = self.timelines.get_mut(&channel).filter(|timeline| timeline.announced) else {
            // Joined from another device, or the listing is on its way: it tells of the channel first.
            return self.learn_of(now, channel, outputs);
        };
        #[cfg(feature = "mutations")]
        if self.skips_gap_check {
            timeline.pass_over_gap(&entry);
        }
        match timeline.pushed(&entry) {
            Step::Apply => {
                let has_left = ends_own(std::slice::from_ref(&entry), self.owner.as_ref());
                outputs.push(appended(channel, vec![entry], true));
                if has_left {
                    self.left(channel, outputs);
                }
            }
            Step::Ignore => {}
            Step::Pull => self.pull(now, channel, outputs),
            Step::Reset => {
                outputs.push(Output::Event(Event::Reset(channel)));
                self.pull(now, channel, outputs);
            }
        }
    }

    /// The relay dropped entries of a channel up to `head`.
    pub(super) fn behind(&mut self, now: Now, channel: ChannelId, head: Seq, outputs: &mut Vec<Output>) {
        let Some(timeline) = self.timelines.get_mut(&channel).filter(|timeline| timeline.announced) else {
            // What was dropped may have been the entry of one's own join on another device.
            return self.learn_of(now, channel, outputs);
        };
        if timeline.heard(head) {
            self.pull(now, channel, outputs);
        }
    }

    /// Takes note of a channel of one's own, and pulls what is missing.
    pub(super) fn follow(&mut self, now: Now, info: &ChannelInfo, outputs: &mut Vec<Output>) {
        let channel = info.channel;
        let timeline = self.timelines.entry(channel).or_insert_with(|| Timeline::new(info.epoch));
        let reset = timeline.learned(info.epoch) || timeline.is_ahead(info.head);
        let behind = timeline.heard(info.head);
        if !std::mem::replace(&mut timeline.announced, true) {
            outputs.push(Output::Event(Event::Joined(info.clone())));
        }
        if reset {
            outputs.push(Output::Event(Event::Reset(channel)));
        }
        if behind {
            self.pull(now, channel, outputs);
        }
    }

    fn pull(&mut self, now: Now, channel: ChannelId, outputs: &mut Vec<Output>) {
        let Some(timeline) = self.timelines.get_mut(&channel).filter(|timeline| !timeline.pulling) else {
            return;
        };
        timeline.pulling = true;
        self.pages.push_back(PageWanted::Pull(channel));
        self.ask_pages(now, outputs);
    }

    pub(super) fn read_history(
        &mut self,
        now: Now,
        channel: ChannelId,
        range: HistoryRange,
        outputs: &mut Vec<Output>,
    ) {
        if !self.may_ask() {
            return outputs.push(refused(RequestKind::ReadHistory, offline()));
        }
        if self.pages.len() >= PAGES_WAITING_MAX {
            return outputs.push(refused(RequestKind::ReadHistory, crowded()));
        }
        self.pages.push_back(PageWanted::User(channel, range));
        self.ask_pages(now, outputs);
    }

    /// The connection or the account is gone, and with it what was asked: the user hears of their own.
    pub(super) fn forget_pages(&mut self, outputs: &mut Vec<Output>) {
        self.pages_in_flight = 0;
        let users = self.pages.drain(..).filter(|page| matches!(page, PageWanted::User(..)));
        outputs.extend(users.map(|_| refused(RequestKind::ReadHistory, cut())));
    }

    fn ask_pages(&mut self, now: Now, outputs: &mut Vec<Output>) {
        while self.pages_in_flight < PAGES_IN_FLIGHT
            && let Some(wanted) = self.pages.pop_front()
        {
            let (pending, channel, range) = match wanted {
                PageWanted::User(channel, range) => (Pending::History(channel), channel, range),
                PageWanted::Pull(channel) => {
                    let last = self.timelines.get(&channel).and_then(Timeline::last);
                    let range = last.map_or(HistoryRange::Latest, |seq| HistoryRange::After { seq });
                    (Pending::Pull(channel), channel, range)
                }
            };
            self.pages_in_flight += 1;
            let limit = u16::try_from(PAGE_ENTRIES_MAX).unwrap_or(u16::MAX);
            let request = ReadHistory { id: RequestId(0), channel, range, limit };
            self.request(now, pending, request.into(), outputs);
        }
    }

    /// A page was answered: the next may go.
    pub(super) fn page_done(&mut self, now: Now, outputs: &mut Vec<Output>) {
        self.pages_in_flight = self.pages_in_flight.saturating_sub(1);
        self.ask_pages(now, outputs);
    }

    pub(super) fn pulled(
        &mut self,
        now: Now,
        channel: ChannelId,
        page: HistoryPage,
        outputs: &mut Vec<Output>,
    ) {
        if let Some(timeline) = self.timelines.get_mut(&channel) {
            timeline.pulling = false;
            if timeline.learned(page.epoch) {
                outputs.push(Output::Event(Event::Reset(channel)));
            }
            let first = timeline.last().is_none();
            let new = timeline.pulled(channel, page.entries);
            let progress = !new.is_empty();
            let behind = timeline.heard(page.head);
            let has_left = ends_own(&new, self.owner.as_ref());
            if progress {
                outputs.push(appended(channel, new, !first));
            }
            if behind && progress {
                // If it was left, and not joined again by then, this is refused.
                self.pull(now, channel, outputs);
            } else if has_left {
                self.left(channel, outputs);
            }
        }
        self.page_done(now, outputs);
    }

    pub(super) fn pull_refused(
        &mut self,
        now: Now,
        channel: ChannelId,
        error: &ErrorReply,
        outputs: &mut Vec<Output>,
    ) {
        tracing::warn!(code = %error.code, "a page was refused");
        if let Some(timeline) = self.timelines.get_mut(&channel) {
            timeline.pulling = false;
        }
        if matches!(error.code, ErrorCode::NotAMember | ErrorCode::NoSuchChannel) {
            self.left(channel, outputs);
        } else {
            // A gap is not left open: the listing that follows tells where the channel stands.
            self.list_again_ms = Some(now.ms + retry_delay_ms(error));
        }
        self.page_done(now, outputs);
    }

    /// The client's own listing was refused. Without one it does not know its channels, so it asks again.
    pub(super) fn listing_refused(&mut self, now: Now, error: &ErrorReply) {
        tracing::warn!(code = %error.code, "the listing of channels was refused");
        self.list_again_ms = Some(now.ms + retry_delay_ms(error));
    }

    /// Something of a channel that is not known came: lists the channels, now or once the listing under way is through.
    fn learn_of(&mut self, now: Now, channel: ChannelId, outputs: &mut Vec<Output>) {
        if self.is_listing() {
            self.heard_of.insert(channel);
        } else {
            self.list_channels(now, false, outputs);
        }
    }

    pub(super) fn history(
        &mut self,
        now: Now,
        channel: ChannelId,
        page: HistoryPage,
        outputs: &mut Vec<Output>,
    ) {
        let HistoryPage { entries, more, .. } = page;
        outputs.push(Output::Event(Event::History { channel, entries, more }));
        self.page_done(now, outputs);
    }
}

/// Whether these entries end the owner's membership: from another device, and not followed by a join.
fn ends_own(entries: &[Entry], owner: Option<&AccountName>) -> bool {
    let moves = |entry: &&Entry| matches!(entry.body, Body::Joined | Body::Left);
    let mut own = entries.iter().filter(|entry| owner == Some(&entry.sender));
    own.rfind(moves).is_some_and(|entry| entry.body == Body::Left)
}

fn appended(channel: ChannelId, entries: Vec<Entry>, live: bool) -> Output {
    Output::Event(Event::Appended { channel, entries, live })
}
