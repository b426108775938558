//! `mechat-relay export`: every entry of every log, for backups, audits and other programs.

use std::io::Write;

use anyhow::Context;
use mechat_protocol::Seq;
use mechat_protocol::limits::PAGE_ENTRIES_MAX;
use mechat_protocol::request::HistoryRange;
use mechat_relay::config::Config;

/// Writes one JSON object a line, channel by channel in seq order, and the count to standard error.
#[expect(clippy::print_stderr, reason = "the operator reads the count; the entries are on standard output")]
pub(crate) async fn export(config: Config) -> anyhow::Result<()> {
    let database = config.database().context("a storage in memory holds nothing that could be exported")?;
    anyhow::ensure!(
        database.exists(),
        "there is no database at {}: is --data-dir right?",
        database.display()
    );
    let storage = mechat_relay::open_storage(&config)?;
    let contents = storage.load().await?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut count: u64 = 0;
    for channel in &contents.channels {
        let mut seq = Seq::ZERO;
        loop {
            let part = storage.read_log(channel.id, HistoryRange::After { seq }, PAGE_ENTRIES_MAX).await?;
            for entry in &part.entries {
                let line = serde_json::json!({ "channel_name": channel.name, "entry": entry });
                writeln!(out, "{line}").context("writing to standard output")?;
            }
            count += part.entries.len() as u64;
            seq = part.entries.last().map_or(seq, |entry| entry.seq);
            if !part.more {
                break;
            }
        }
    }
    out.flush().context("writing to standard output")?;
    eprintln!("{count} entries in {} channels", contents.channels.len());
    Ok(storage.close().await?)
}
