//! What kind of a run a seed makes: how many people, how busy, how unlucky.

use crate::dice::Dice;

/// The figures of one run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// How many accounts there are.
    pub(crate) accounts: usize,
    /// The account of each device.
    pub(crate) devices: Vec<usize>,
    /// How long people act and faults happen.
    pub(crate) busy_ms: u64,
    /// The mean time between two acts of one device.
    pub(crate) act_ms: u64,
    /// The mean time between two faults of the whole.
    pub(crate) fault_ms: u64,
    /// Shortest time of bytes on the wire, and by how much they may be late.
    pub(crate) delay_ms: u64,
    pub(crate) jitter_ms: u64,
    /// Bytes that a wire takes before its reader has read.
    pub(crate) window: usize,
    /// Bytes of events that wait for one connection in the relay. Small ones make laggards.
    pub(crate) outbound_max: usize,
    /// Longest commit while the storage is well.
    pub(crate) commit_ms: u64,
    /// Bytes of the longest text that is said.
    pub(crate) text_max: u64,
    /// Whether the relay's storage may be restored from an older copy.
    pub(crate) may_restore: bool,
}

/// Bytes of the smallest queue: a few short entries.
const OUTBOUND_MIN: usize = 1_024;

impl Plan {
    pub(crate) fn draw(dice: &mut Dice) -> Self {
        let accounts = dice.index(3) + 2;
        let mut devices: Vec<usize> = (0..accounts).collect();
        // Some people have a second device.
        for account in 0..accounts {
            if dice.percent(40) {
                devices.push(account);
            }
        }
        Self {
            accounts,
            devices,
            busy_ms: dice.spread(1_000, 32_000),
            act_ms: dice.spread(40, 1_500),
            fault_ms: dice.spread(250, 16_000),
            delay_ms: dice.between(0, 60),
            jitter_ms: dice.spread(1, 200),
            window: dice.index(63_000) + 1_000,
            outbound_max: OUTBOUND_MIN << dice.index(7),
            commit_ms: dice.spread(1, 64),
            text_max: dice.spread(8, 2_048),
            may_restore: dice.percent(25),
        }
    }
}
