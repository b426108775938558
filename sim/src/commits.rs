//! From the storage's queue to the hub's ear: group commit, and its failures.
//!
//! Invariants: outcomes are fed in commit order, and none before its commit, but for the mutation that does just that.

use mechat_hub::{ConnId, Input, Ticket};
use mechat_protocol::event::Close;
use mechat_protocol::{AccountId, ChannelId, CloseCode};

use crate::agenda::{Happening, Life};
use crate::mutation::Mutation;
use crate::store::{Answer, new_entry};
use crate::trace::note;
use crate::world::World;

impl World {
    pub(crate) fn begin_commit(&mut self) {
        let Some(life) = self.relay.as_ref().map(|relay| relay.life) else { return };
        if !self.store.begin() {
            return;
        }
        let slow = if self.now_ms < self.slow_until_ms { 40 } else { 1 };
        let at_ms = self.now_ms + self.dice.between(0, self.plan.commit_ms) * slow;
        self.agenda.at(at_ms, Happening::Committed(life));
        if self.mutation == Some(Mutation::AckBeforeCommit) {
            let answers = self.store.foresee();
            if let Some(relay) = &mut self.relay {
                relay.answered_early = true;
            }
            self.queue_outcomes(answers);
        }
    }

    /// The transaction under way is over: on the disk, unless the disk failed.
    pub(crate) fn committed(&mut self, life: Life) {
        if self.relay_of(life).is_none() {
            return;
        }
        if std::mem::take(&mut self.commit_fails) {
            return self.commit_failed();
        }
        let answers = self.commit();
        note!(self, "storage committed {}", answers.len());
        let early = self.relay.as_mut().is_some_and(|relay| std::mem::take(&mut relay.answered_early));
        if !early {
            self.queue_outcomes(answers);
        }
        self.begin_commit();
    }

    /// Makes the transaction under way last, and tells the model.
    pub(crate) fn commit(&mut self) -> Vec<(Ticket, Answer)> {
        let committed = self.store.commit();
        for nonce in &committed.turned_away {
            self.model.turned_away(*nonce);
        }
        for entry in &committed.entries {
            let verdict = self.model.committed(entry);
            self.judge(verdict);
        }
        self.counts.entries += committed.entries.len() as u64;
        committed.answers
    }

    fn commit_failed(&mut self) {
        note!(self, "storage failed: the relay ends to recover");
        // A transaction whose sync failed may be on the disk all the same.
        if self.dice.percent(50) {
            self.commit();
        }
        let conns: Vec<ConnId> = self.relay.iter().flat_map(|relay| relay.peers.keys().copied()).collect();
        for conn in conns {
            self.close(conn, Close::new(CloseCode::Internal, "the storage failed"));
        }
        self.end_relay(true);
    }

    fn queue_outcomes(&mut self, answers: Vec<(Ticket, Answer)>) {
        let Some(relay) = &mut self.relay else { return };
        for answer in answers {
            relay.outcomes.push_back(answer);
            let at_ms = self.now_ms + self.dice.below(2);
            self.agenda.at(at_ms, Happening::Outcome(relay.life));
        }
    }

    /// The next outcome, in commit order.
    pub(crate) fn outcome(&mut self, life: Life) {
        let Some((ticket, answer)) = self.relay_of(life).and_then(|relay| relay.outcomes.pop_front()) else {
            return;
        };
        let channel = new_entry(&answer).map(|entry| entry.channel);
        if let Some(entry) = new_entry(&answer) {
            self.model.hub_learns(entry);
        }
        self.feed(Input::Stored { ticket, answer });
        if let Some(channel) = channel {
            self.judge_members(channel);
        }
        self.end_if_drained();
    }

    fn judge_members(&mut self, channel: ChannelId) {
        let Some(relay) = &self.relay else { return };
        let accounts = &self.store.kept.accounts;
        let name =
            |id: AccountId| accounts.iter().find(|account| account.id == id).map(|account| &account.name);
        // Both in the order of names.
        let same = relay.hub.members(channel).map(name).eq(self.model.members(channel).map(Some));
        self.ensure(same, "the hub's members are the log's", || format!("not in channel {channel}"));
    }

    pub(crate) fn read_done(&mut self, life: Life, ticket: Ticket, answer: Answer) {
        if self.relay_of(life).is_some() {
            self.feed(Input::Stored { ticket, answer });
            self.end_if_drained();
        }
    }
}
