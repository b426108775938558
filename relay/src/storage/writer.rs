//! One writer in front of a storage: whatever queued during the last commit is the next transaction.
//!
//! Owns group commit. It never retries: a commit that failed may or may not have reached the disk, and a second fsync
//! may claim success for pages that are lost, so the relay stops instead and recovers from what is on disk.
//!
//! Invariants: outcomes come in the order of submission; none is given before its batch is committed.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Storage, StorageError, Write, Written};

/// Writes that wait for a commit. When it is full the submitter waits, and with it the connections that feed it.
const QUEUE_MAX: usize = 4_096;
/// Writes of one transaction: bounds its memory and the time the first of them waits for the last.
const BATCH_MAX: usize = 1_024;

/// A write that is committed, or the failure that ends the relay.
#[derive(Debug)]
pub enum WriteDone<T> {
    /// Committed.
    Written(T, Written),
    /// Nothing more will be written.
    Failed(StorageError),
}

/// The way to the writer. The writer ends when it is dropped, after what is queued.
#[derive(Debug)]
pub struct StorageWriter<T> {
    queue: mpsc::Sender<(T, Write)>,
}

impl<T: Send + 'static> StorageWriter<T> {
    /// Starts a writer. `done` gets one outcome for each write, so what waits in it is bounded by what was submitted.
    pub fn start(storage: Arc<dyn Storage>, done: mpsc::UnboundedSender<WriteDone<T>>) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(write_batches(storage, jobs, done));
        Self { queue }
    }

    /// Queues a write under a tag that its outcome carries back.
    pub async fn submit(&self, tag: T, write: Write) {
        // The writer ends early only after it reported a failure, which ends the relay.
        let _ = self.queue.send((tag, write)).await;
    }
}

async fn write_batches<T>(
    storage: Arc<dyn Storage>,
    mut jobs: mpsc::Receiver<(T, Write)>,
    done: mpsc::UnboundedSender<WriteDone<T>>,
) {
    let mut queued = Vec::new();
    while jobs.recv_many(&mut queued, BATCH_MAX).await > 0 {
        let (tags, batch): (Vec<T>, Vec<Write>) = queued.drain(..).unzip();
        match storage.commit(batch).await {
            Ok(outcomes) => {
                for (tag, written) in tags.into_iter().zip(outcomes) {
                    let _ = done.send(WriteDone::Written(tag, written));
                }
            }
            Err(error) => {
                let _ = done.send(WriteDone::Failed(error));
                return;
            }
        }
    }
}
