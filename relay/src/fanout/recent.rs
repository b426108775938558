//! Pages of history from memory: what many ask for just after it was said, or after all of them came back at once.
//!
//! Invariant: a page has the entries that the storage would give, or there is none. Where bytes and not the limit end it, it may
//! hold a few more: lengths are known here, and estimated there.

use std::collections::VecDeque;

use mechat_hub::HistoryRead;
use mechat_protocol::Seq;
use mechat_protocol::limits::PAGE_LEN_MAX;
use mechat_protocol::page::EncodedEntries;
use mechat_protocol::request::HistoryRange;

use super::topic::{Batch, frames_of};

/// The page, if the batches hold all of it. They reach up to the log's newest entry.
pub(super) fn page(batches: &VecDeque<Batch>, range: HistoryRange, limit: usize) -> Option<HistoryRead> {
    let (oldest, head) = (batches.front()?.first, batches.back()?.last);
    match range {
        HistoryRange::After { seq } if seq.next() >= oldest => Some(forward(batches, seq, limit, head)),
        HistoryRange::After { .. } => None,
        HistoryRange::Before { seq } => backward(batches, seq.0.min(head.next().0), limit),
        HistoryRange::Latest => backward(batches, head.next().0, limit),
    }
}

fn forward(batches: &VecDeque<Batch>, after: Seq, limit: usize, head: Seq) -> HistoryRead {
    let mut entries = EncodedEntries::default();
    let from = batches.partition_point(|batch| batch.last <= after);
    let mut len = 0;
    for (seq, frame) in batches.range(from..).flat_map(frames_with_seq).filter(|(seq, _)| *seq > after) {
        len += frame.len();
        if entries.count() == limit || (len > PAGE_LEN_MAX && entries.count() > 0) {
            break;
        }
        entries.push_frame(seq, frame);
    }
    let more = entries.last().unwrap_or(after) < head;
    HistoryRead { entries, more }
}

/// The entries below `end`.
fn backward(batches: &VecDeque<Batch>, end: u64, limit: usize) -> Option<HistoryRead> {
    let (mut chosen, mut len, mut is_full) = (Vec::new(), 0, false);
    'batches: for batch in batches.iter().rev() {
        let frames: Vec<_> = frames_with_seq(batch).filter(|(seq, _)| seq.0 < end).collect();
        for (seq, frame) in frames.into_iter().rev() {
            len += frame.len();
            is_full = chosen.len() == limit || (len > PAGE_LEN_MAX && !chosen.is_empty());
            if is_full {
                break 'batches;
            }
            chosen.push((seq, frame));
        }
    }
    let first = chosen.last().map(|(seq, _)| *seq)?;
    // What lies before the batches is not known here, unless the log begins with them.
    if !is_full && chosen.len() < limit && first.0 > 1 {
        return None;
    }
    let mut entries = EncodedEntries::default();
    for (seq, frame) in chosen.into_iter().rev() {
        entries.push_frame(seq, frame);
    }
    Some(HistoryRead { entries, more: first.0 > 1 })
}

fn frames_with_seq(batch: &Batch) -> impl Iterator<Item = (Seq, &[u8])> {
    (batch.first.0..).map(Seq).zip(frames_of(&batch.frames))
}
