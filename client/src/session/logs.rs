//! Entries and pages: what is handed on, what is pulled.
//!
//! Invariant: at most `PAGES_IN_FLIGHT` pages are asked for at a time, below the relay's limit; the rest wait.

use mechat_protocol::limits::{CHANNELS_PER_ACCOUNT_MAX, HISTORIES_IN_FLIGHT_MAX, PAGE_ENTRIES_MAX};
use mechat_protocol::message::Message;
use mechat_protocol::reply::{ChannelInfo, ErrorReply, HistoryPage};
use mechat_protocol::request::{HistoryRange, ListPosts, Query, ReadHistory, ReadProfile, Search, Selection};
use mechat_protocol::{AccountName, Body, ChannelId, Entry, ErrorCode, RequestId, Seq};

use super::{Now, Output, Pending, Session, crowded, cut, offline, retry_delay_ms};
use crate::event::Event;
use crate::timeline::{Step, Timeline};

/// Pages asked for and not yet answered.
const PAGES_IN_FLIGHT: usize = 2;
const _: () = assert!(PAGES_IN_FLIGHT < HISTORIES_IN_FLIGHT_MAX);
/// Entries of a page that are asked for.
#[expect(clippy::cast_possible_truncation, reason = "it is compared below")]
const PAGE_LIMIT: u16 = PAGE_ENTRIES_MAX as u16;
const _: () = assert!(PAGE_LIMIT as usize == PAGE_ENTRIES_MAX);
/// Pages that wait for their turn; beyond that the user's are refused. Each channel waits for at most one of the client's own.
const PAGES_WAITING_MAX: usize = 2 * CHANNELS_PER_ACCOUNT_MAX;

/// Amendments that are remembered for a page on its way; with more it is asked for again.
const AMENDED_MAX: usize = 256;

/// A page that waits for its turn.
#[derive(Debug)]
pub(super) enum PageWanted {
    /// To continue a timeline from where it then stands.
    Pull(ChannelId),
    /// By the user.
    User(Pending, Box<Message>),
}

/// A page that the user asked for.
#[derive(Debug)]
pub(super) struct PageAsked {
    channel: ChannelId,
    range: HistoryRange,
    /// Amendments that were handed on since: the page may have been read before them, and come behind them.
    amended: Vec<Entry>,
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
                self.note_amended(std::slice::from_ref(&entry));
                let has_left = ends_own(std::slice::from_ref(&entry), self.owner.as_ref());
                outputs.push(appended(channel, vec![entry], true));
                if has_left {
                    self.left(channel, outputs);
                }
            }
            Step::Ignore => {}
            Step::Pull => self.pull(now, channel, outputs),
            Step::Reset => {
                self.reset(channel, outputs);
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
            self.reset(channel, outputs);
        }
        if behind {
            self.pull(now, channel, outputs);
        }
    }

    fn reset(&mut self, channel: ChannelId, outputs: &mut Vec<Output>) {
        self.marks.forget_read(channel);
        outputs.push(Output::Event(Event::Reset(channel)));
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
        let request = ReadHistory { id: RequestId(0), channel, range, limit: PAGE_LIMIT };
        let asked = PageAsked { channel, range, amended: Vec::new() };
        self.want_page(now, Pending::History(asked), request.into(), outputs);
    }

    pub(super) fn search(
        &mut self,
        now: Now,
        ticket: u64,
        query: Query,
        channel: Option<ChannelId>,
        after: Option<u64>,
        outputs: &mut Vec<Output>,
    ) {
        let request = Search { id: RequestId(0), query, channel, after, limit: PAGE_LIMIT };
        self.want_page(now, Pending::Search(ticket), request.into(), outputs);
    }

    pub(super) fn list_posts(
        &mut self,
        now: Now,
        ticket: u64,
        channel: ChannelId,
        which: Selection,
        after: Option<Seq>,
        outputs: &mut Vec<Output>,
    ) {
        let request = ListPosts { id: RequestId(0), channel, which, after };
        self.want_page(now, Pending::Posts(ticket), request.into(), outputs);
    }

    pub(super) fn read_profile(
        &mut self,
        now: Now,
        ticket: u64,
        account: AccountName,
        outputs: &mut Vec<Output>,
    ) {
        let request = ReadProfile { id: RequestId(0), account };
        self.user_request(now, Pending::Profile(ticket), request.into(), outputs);
    }

    fn want_page(&mut self, now: Now, pending: Pending, request: Message, outputs: &mut Vec<Output>) {
        if !self.may_ask() {
            return outputs.push(pending.refusal(offline()));
        }
        if self.pages.len() >= PAGES_WAITING_MAX {
            return outputs.push(pending.refusal(crowded()));
        }
        self.pages.push_back(PageWanted::User(pending, Box::new(request)));
        self.ask_pages(now, outputs);
    }

    /// The connection or the account is gone, and with it what was asked: the user hears of their own.
    pub(super) fn forget_pages(&mut self, outputs: &mut Vec<Output>) {
        self.pages_in_flight = 0;
        for page in self.pages.drain(..) {
            if let PageWanted::User(pending, _) = page {
                outputs.push(pending.refusal(cut()));
            }
        }
    }

    fn ask_pages(&mut self, now: Now, outputs: &mut Vec<Output>) {
        while self.pages_in_flight < PAGES_IN_FLIGHT
            && let Some(wanted) = self.pages.pop_front()
        {
            let (pending, request) = match wanted {
                PageWanted::User(pending, request) => (pending, *request),
                PageWanted::Pull(channel) => self.pull_request(channel),
            };
            self.pages_in_flight += 1;
            self.request(now, pending, request, outputs);
        }
    }

    /// Continues a timeline, or begins anew where too much is missing.
    fn pull_request(&self, channel: ChannelId) -> (Pending, Message) {
        let timeline = self.timelines.get(&channel);
        let anew = timeline.is_some_and(|timeline| timeline.gap() > self.gap_max);
        let last = timeline.and_then(Timeline::last).filter(|_| !anew);
        let range = last.map_or(HistoryRange::Latest, |seq| HistoryRange::After { seq });
        let request = ReadHistory { id: RequestId(0), channel, range, limit: PAGE_LIMIT };
        (Pending::Pull(channel, anew), request.into())
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
        anew: bool,
        page: HistoryPage,
        outputs: &mut Vec<Output>,
    ) {
        if let Some(timeline) = self.timelines.get_mut(&channel) {
            timeline.pulling = false;
            let reset = timeline.learned(page.epoch);
            let first = timeline.last().is_none();
            let skipped = page.entries.first().filter(|_| anew).and_then(|next| timeline.skip_to(next));
            let new = timeline.pulled(channel, page.entries);
            let progress = !new.is_empty();
            let behind = timeline.heard(page.head);
            if reset {
                self.reset(channel, outputs);
            }
            outputs.extend(skipped.map(|(from, to)| Output::Event(Event::Skipped { channel, from, to })));
            self.note_amended(&new);
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
        } else if !self.handover.is_awaited() {
            self.list_channels(now, false, outputs);
        }
    }

    pub(super) fn history(
        &mut self,
        now: Now,
        asked: PageAsked,
        page: HistoryPage,
        outputs: &mut Vec<Output>,
    ) {
        let PageAsked { channel, range, amended } = asked;
        let HistoryPage { epoch, mut entries, mut more, .. } = page;
        self.pages_in_flight = self.pages_in_flight.saturating_sub(1);
        if amended.len() > AMENDED_MAX {
            return self.read_history(now, channel, range, outputs);
        }
        if let Some(timeline) = self.timelines.get_mut(&channel)
            && timeline.epoch() != epoch
        {
            // It is of another life than what the user has; which is the later one the next page tells.
            (entries, more) = (Vec::new(), true);
            self.pull(now, channel, outputs);
        }
        for amendment in &amended {
            let target = entries.iter_mut().find(|entry| Some(entry.seq) == target_of(amendment));
            target.map(|entry| entry.amend(amendment));
        }
        outputs.push(Output::Event(Event::History { channel, range, entries, more }));
        self.ask_pages(now, outputs);
    }

    /// Remembers amendments for the pages on their way.
    fn note_amended(&mut self, entries: &[Entry]) {
        for asked in self.pending.values_mut() {
            let Pending::History(asked) = asked else { continue };
            let of_this =
                |entry: &&Entry| entry.channel == asked.channel && matches!(entry.body, Body::Amended { .. });
            for entry in entries.iter().filter(of_this) {
                if asked.amended.len() <= AMENDED_MAX {
                    asked.amended.push(entry.clone());
                }
            }
        }
    }
}

fn target_of(entry: &Entry) -> Option<Seq> {
    match &entry.body {
        Body::Amended { amendment } => amendment.target(),
        _ => None,
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
