//! One writer in front of a storage: whatever queued during the last commit is the next transaction.
//!
//! Owns group commit. It never retries: a commit that failed may or may not have reached the disk, and a second fsync
//! may claim success for pages that are lost, so the relay stops instead and recovers from what is on disk.
//!
//! Invariants: outcomes come in the order of submission; none is given before its batch is committed; after a failure
//! nothing is committed. Whoever submits never waits for the writer, so that neither can wait for the other in a circle:
//! it looks at [`StorageWriter::has_room`] before it takes on more work.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, mpsc};

use crate::storage::{Storage, StorageError, Write, Written};

/// Writes that are submitted and not yet answered, from which on [`StorageWriter::has_room`] says no. The submitter then
/// takes nothing more from its connections, and TCP makes the peers wait.
const OUTSTANDING_MAX: usize = 8_192;
/// Writes of one transaction: bounds its memory and the time the first of them waits for the last.
const BATCH_MAX: usize = 1_024;
/// Batches of outcomes that wait for the submitter. When it is full the writer waits, and commits meanwhile nothing.
const DONE_MAX: usize = 4;

/// Outcomes of one transaction with the tags of their writes, or why nothing will be committed any more.
pub type Committed<T> = Result<Vec<(T, Written)>, StorageError>;

/// The way to the writer. The writer ends when it is dropped, after the batch that is under way.
#[derive(Debug)]
pub struct StorageWriter<T> {
    queue: Arc<Queue<T>>,
    done: mpsc::Receiver<Committed<T>>,
    /// Submitted and not yet answered; at most `OUTSTANDING_MAX` and what one turn of the submitter adds.
    outstanding: usize,
    /// An error was handed out.
    failed: bool,
}

/// What waits for the next transaction.
#[derive(Debug)]
struct Queue<T> {
    writes: Mutex<Vec<(T, Write)>>,
    filled: Notify,
}

impl<T: Send + 'static> StorageWriter<T> {
    /// Starts a writer on the present runtime.
    pub fn start(storage: Arc<dyn Storage>) -> Self {
        let queue = Arc::new(Queue { writes: Mutex::new(Vec::new()), filled: Notify::new() });
        let (outcomes, done) = mpsc::channel(DONE_MAX);
        tokio::spawn(write_batches(storage, Arc::clone(&queue), outcomes));
        Self { queue, done, outstanding: 0, failed: false }
    }

    /// Queues writes, each under a tag that its outcome carries back. Leaves the vector empty, for the next turn.
    pub fn submit(&mut self, writes: &mut Vec<(T, Write)>) {
        if writes.is_empty() {
            return;
        }
        self.outstanding += writes.len();
        self.queue.add(writes);
        self.queue.filled.notify_one();
    }

    /// Whether more may be submitted. What follows from work already taken on may be submitted even so.
    pub fn has_room(&self) -> bool {
        self.outstanding < OUTSTANDING_MAX
    }

    /// Writes that are submitted and not yet answered.
    pub fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// Waits for the next transaction's outcomes. May be cancelled and called again. After an error it waits for ever.
    pub async fn committed(&mut self) -> Committed<T> {
        match self.done.recv().await {
            Some(Ok(outcomes)) => {
                self.outstanding -= outcomes.len();
                Ok(outcomes)
            }
            Some(Err(error)) => self.fail(error),
            None if self.failed => std::future::pending().await,
            None => self.fail(StorageError::new("writing", &"the writer ended by itself, which is a bug")),
        }
    }

    fn fail(&mut self, error: StorageError) -> Committed<T> {
        self.failed = true;
        Err(error)
    }
}

impl<T> Queue<T> {
    fn add(&self, writes: &mut Vec<(T, Write)>) {
        let mut queued = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        if queued.is_empty() {
            // Both vectors keep their room: they change places from turn to turn.
            std::mem::swap(&mut *queued, writes);
        } else {
            queued.append(writes);
        }
    }

    /// Takes what waits, at most `BATCH_MAX`, oldest first.
    fn take(&self) -> Vec<(T, Write)> {
        let mut queued = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        let len = queued.len().min(BATCH_MAX);
        let rest = queued.split_off(len);
        std::mem::replace(&mut *queued, rest)
    }
}

async fn write_batches<T>(
    storage: Arc<dyn Storage>,
    queue: Arc<Queue<T>>,
    outcomes: mpsc::Sender<Committed<T>>,
) {
    loop {
        let (tags, batch): (Vec<T>, Vec<Write>) = queue.take().into_iter().unzip();
        if batch.is_empty() {
            tokio::select! {
                () = queue.filled.notified() => continue,
                () = outcomes.closed() => return,
            }
        }
        let committed = storage.commit(batch).await;
        let failed = committed.is_err();
        let answer = committed.map(|written| tags.into_iter().zip(written).collect());
        if outcomes.send(answer).await.is_err() || failed {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
