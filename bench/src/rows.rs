//! What can be measured: one module a table.
//!
//! Owns the list of tables and what they are run with.

use std::time::Duration;

use clap::ValueEnum;

use crate::pinning::Pinning;
use crate::table;

mod durable;
mod fanout;
mod growth;
mod herd;
mod idle;
mod latency;
mod sign_in;
mod stuck;
mod tui;

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Row {
    /// Processor time and delivery times of full windows.
    Fanout,
    /// Times of deliveries and acks when there is room.
    Latency,
    /// Messages a second that become durable.
    Durable,
    /// Memory of a silent connection.
    Idle,
    /// What it costs to let somebody in.
    SignIn,
    /// Members that stop reading.
    Stuck,
    /// Everybody comes back at once.
    Herd,
    /// What grows with members, channels and history.
    Growth,
    /// The client in a terminal, beside WeeChat.
    Tui,
}

/// How it is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    /// Each measurement so often; the middle one is printed.
    pub(crate) runs: usize,
    /// How long one phase of load takes.
    pub(crate) time: Duration,
    /// Entries of the longest history.
    pub(crate) entries: u64,
    /// Where processes run.
    pub(crate) pinning: Pinning,
}

/// Measures the tables one after another; whether nothing was lost, repeated or reordered in any.
pub(crate) async fn run(rows: &[Row], setting: Setting) -> anyhow::Result<bool> {
    table::say(&format!(
        "{}; medians of {} runs; {} build",
        setting.pinning.describe(),
        setting.runs,
        if cfg!(debug_assertions) { "DEBUG" } else { "release" }
    ));
    let mut clean = true;
    for row in rows {
        clean &= match row {
            Row::Fanout => fanout::run(setting).await?,
            Row::Latency => latency::run(setting).await?,
            Row::Durable => durable::run(setting).await?,
            Row::Idle => idle::run(setting).await?,
            Row::SignIn => sign_in::run(setting).await?,
            Row::Stuck => stuck::run(setting).await?,
            Row::Herd => herd::run(setting).await?,
            Row::Growth => growth::run(setting).await?,
            Row::Tui => tui::run(setting).await?,
        };
    }
    Ok(clean)
}
