//! What goes wrong, and the end of it.

use mechat_hub::ConnId;

use crate::agenda::{DeviceId, Happening};
use crate::trace::note;
use crate::wire::Way;
use crate::world::World;

impl World {
    pub(crate) fn fault_later(&mut self) {
        if !self.calm {
            let at_ms = self.now_ms + self.dice.between(1, 2 * self.plan.fault_ms);
            self.agenda.at(at_ms, Happening::Fault);
        }
    }

    pub(crate) fn fault(&mut self) {
        if self.calm {
            return;
        }
        self.fault_later();
        self.counts.faults += 1;
        match self.dice.below(100) {
            0..=24 => self.cut_some(),
            25..=44 => self.stall_some(),
            45..=52 => self.silence_some(),
            53..=64 => self.crash_some_device(),
            65..=72 => self.crash_relay(),
            73..=77 => self.stop_relay(),
            78..=82 => self.commit_fails = self.relay.is_some(),
            83..=88 => {
                note!(self, "the disk is slow");
                self.slow_until_ms = self.now_ms + self.dice.spread(100, 5_000);
            }
            89..=92 => self.wall_jumps(),
            93..=95 => self.take_copy(),
            _ => self.restore(),
        }
    }

    fn some_conn(&mut self) -> Option<ConnId> {
        let conns: Vec<ConnId> = self.wires.keys().copied().collect();
        self.dice.pick(&conns)
    }

    fn cut_some(&mut self) {
        if let Some(conn) = self.some_conn() {
            self.cut(conn);
        }
    }

    /// A link is cut: some of what is on its way arrives, up to any byte; both sides learn of the end, each in its time.
    pub(crate) fn cut(&mut self, conn: ConnId) {
        note!(self, "{} is cut", conn.0);
        for way in [Way::Up, Way::Down] {
            let at_ms = self.now_ms + self.latency();
            let Some(wire) = self.wires.get_mut(&conn) else { return };
            let flying = wire.flying_len(way);
            let kept = self.dice.index(flying + 1);
            if let Some(at_ms) = wire.cut(way, at_ms, kept) {
                self.agenda.at(at_ms, Happening::Arrive(conn, way));
            }
        }
    }

    fn stall_some(&mut self) {
        let Some(conn) = self.some_conn() else { return };
        let way = if self.dice.percent(75) { Way::Down } else { Way::Up };
        let until_ms = self.now_ms + self.dice.spread(50, 60_000);
        note!(self, "{} {way:?} stalls until {until_ms}", conn.0);
        if let Some(wire) = self.wires.get_mut(&conn) {
            wire.stall(way, until_ms);
            self.agenda.at(until_ms, Happening::Arrive(conn, way));
        }
    }

    /// Half-open: one direction or both are lost, and nobody is told.
    fn silence_some(&mut self) {
        let Some(conn) = self.some_conn() else { return };
        note!(self, "{} falls silent", conn.0);
        let both = self.dice.percent(60);
        let down = self.dice.percent(50);
        let Some(wire) = self.wires.get_mut(&conn) else { return };
        if both || down {
            wire.silence(Way::Down);
        }
        if both || !down {
            wire.silence(Way::Up);
        }
    }

    fn crash_some_device(&mut self) {
        let id = DeviceId(self.dice.index(self.devices.len()));
        self.crash_device(id);
    }

    /// The relay's process dies. A transaction under way is on the disk as a whole or not at all.
    pub(crate) fn crash_relay(&mut self) {
        if self.relay.is_none() {
            return;
        }
        note!(self, "relay crashes");
        if self.dice.percent(40) {
            self.commit();
        }
        self.commit_fails = false;
        if self.dice.percent(25) {
            // The machine went with it: nobody is told.
            for wire in self.wires.values_mut() {
                wire.silence(Way::Down);
            }
        }
        self.end_relay(false);
    }

    fn wall_jumps(&mut self) {
        let seconds = i64::try_from(self.dice.below(7_200)).unwrap_or(0) - 3_600;
        self.wall_offset_ms = seconds * 1_000;
    }

    fn take_copy(&mut self) {
        if self.plan.may_restore {
            note!(self, "the operator copies the storage");
            self.copy = Some(Box::new(self.store.kept.clone()));
        }
    }

    /// The relay is stopped the hard way and an older copy of its storage is put in place, under a new epoch.
    fn restore(&mut self) {
        let Some(mut copy) = self.copy.take() else { return };
        self.crash_relay();
        let epoch = mechat_protocol::Epoch(self.model.epoch().0 + 1);
        note!(self, "the operator puts the copy in place: epoch {epoch}");
        copy.begin_epoch(epoch);
        let logs = copy.channels.iter().flat_map(|channel| channel.log.iter().cloned());
        self.model.restored(epoch, logs);
        self.store.kept = *copy;
    }

    /// Nothing goes wrong any more, and people only watch. What is broken stays broken until somebody notices.
    pub(crate) fn heal(&mut self) {
        note!(self, "peace");
        self.calm = true;
        self.commit_fails = false;
        self.slow_until_ms = 0;
        for (conn, wire) in &mut self.wires {
            for way in [Way::Up, Way::Down] {
                wire.stall(way, 0);
                self.agenda.at(self.now_ms, Happening::Arrive(*conn, way));
            }
        }
    }
}
