//! A thread with a connection of its own, and work that is sent to it.
//!
//! SQLite blocks: it must not run on the threads that carry connections.

use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use crate::storage::StorageError;

type Job<S> = Box<dyn FnOnce(&mut S) + Send>;

/// Work that waits for the thread. When it is full the asking task waits.
const JOBS_MAX: usize = 1_024;

/// `S` is a connection and what is kept beside it.
#[derive(Debug)]
pub(super) struct SqliteThread<S> {
    running: Mutex<Option<Running<S>>>,
}

#[derive(Debug)]
struct Running<S> {
    jobs: mpsc::Sender<Job<S>>,
    thread: JoinHandle<()>,
}

impl<S: Send + 'static> SqliteThread<S> {
    pub(super) fn start(name: &str, mut state: S) -> Result<Self, StorageError> {
        let (jobs, mut queue) = mpsc::channel::<Job<S>>(JOBS_MAX);
        let work = move || {
            while let Some(job) = queue.blocking_recv() {
                job(&mut state);
            }
        };
        let thread = std::thread::Builder::new()
            .name(name.into())
            .spawn(work)
            .map_err(|error| StorageError::new("starting the database thread", &error))?;
        Ok(Self { running: Mutex::new(Some(Running { jobs, thread })) })
    }

    /// Runs `work` on the thread.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&mut S) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StorageError> {
        let (reply, answer) = oneshot::channel();
        let job: Job<S> = Box::new(move |state| {
            let _ = reply.send(work(state)); // The asker may have gone away.
        });
        let jobs = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map(|running| running.jobs.clone());
        let gone = || StorageError::new(what, &"the database thread has ended");
        jobs.ok_or_else(gone)?.send(job).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?.map_err(|error| StorageError::new(what, &error))
    }

    /// Lets the thread finish what is queued, and waits for it: its connection is closed after that.
    pub(super) async fn stop(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Running { jobs, thread }) = running {
            drop(jobs);
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}
