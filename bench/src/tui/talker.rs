//! Who talks while a client is measured: in bulk, at a steady rate, or not at all.
//!
//! Owns the clock of the talk and a thread of its own for it, so that nobody's measuring holds it up. What carries the words is a
//! [`Mouth`]: an IRC server's, or people's on a relay.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::Context;

/// Texts that are handed over at once in bulk.
const BATCH_LEN: u64 = 128;
/// How often a mouth shows that it lives, unless it speaks at a steady rate, in which everybody has a turn.
const ALIVE_EVERY: Duration = Duration::from_secs(5);
/// Words after the number of a message, which make it a hundred bytes long.
const WORDS: &str =
    "said by someone who has a hundred bytes to tell, no more, no less, in a channel of everybody";

/// Carries words to the client.
pub(crate) trait Mouth {
    /// Says texts, in order, and returns when they are on their way; waits for a client that does not keep up.
    fn say(&mut self, texts: &[String]) -> anyhow::Result<()>;
    /// Shows that everybody it speaks for lives.
    fn stay_alive(&mut self) -> anyhow::Result<()>;
}

/// What a phase of talk came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said {
    /// Messages.
    pub(crate) count: u64,
    /// From the first on.
    pub(crate) time: Duration,
}

enum Order {
    /// So many, and one more which is the last; so many a second at most.
    Bulk { count: u64, per_second: Option<u32>, last: String },
    /// So many a second from now on.
    Rate(u32),
    /// No more.
    Quiet,
}

/// A mouth on its thread; it is silent for good when this is dropped.
pub(crate) struct Talker {
    orders: SyncSender<Order>,
    answers: Receiver<anyhow::Result<Said>>,
}

impl Talker {
    /// Starts the thread. The mouth is made on it, for not all can move.
    pub(crate) fn start<M: Mouth>(
        open: impl FnOnce() -> anyhow::Result<M> + Send + 'static,
    ) -> anyhow::Result<Self> {
        let (orders, waiting) = sync_channel(1);
        let (answer, answers) = sync_channel(1);
        std::thread::Builder::new().name("talker".into()).spawn(move || {
            // Nobody waits for an answer any more when the measurement was given up.
            let _ = match open() {
                Ok(mouth) => talk(mouth, &waiting, &answer),
                Err(error) => answer.send(Err(error)).map_err(anyhow::Error::from),
            };
        })?;
        Ok(Self { orders, answers })
    }

    /// Begins to say so many texts, as fast as they are taken or so many a second, then `last`; [`Talker::is_saying`] tells when that
    /// is done.
    pub(crate) fn bulk(&self, count: u64, per_second: Option<u32>, last: &str) {
        // Where the talker has ended, `is_saying` tells why.
        let _ = self.orders.send(Order::Bulk { count, per_second, last: last.to_owned() });
    }

    /// Whether bulk is still being said. To be asked until it is not.
    pub(crate) fn is_saying(&self) -> anyhow::Result<bool> {
        match self.answers.try_recv() {
            Ok(answer) => answer.map(|_| false),
            Err(TryRecvError::Empty) => Ok(true),
            Err(TryRecvError::Disconnected) => anyhow::bail!("the talker broke"),
        }
    }

    /// Says so many a second until [`Talker::quiet`].
    pub(crate) fn rate(&self, per_second: u32) -> anyhow::Result<()> {
        self.order(Order::Rate(per_second)).map(drop)
    }

    /// Says no more; what was said since [`Talker::rate`].
    pub(crate) fn quiet(&self) -> anyhow::Result<Said> {
        self.order(Order::Quiet)
    }

    fn order(&self, order: Order) -> anyhow::Result<Said> {
        // A talker that has ended may have left the reason.
        let sent = self.orders.send(order);
        let answer = self.answers.recv().context("the talker broke")?;
        if answer.is_ok() {
            sent.context("the talker ended")?;
        }
        answer
    }
}

/// A talk at a steady rate.
struct Talk {
    began: Instant,
    interval: Duration,
    count: u32,
}

impl Talk {
    fn due(&self) -> Instant {
        self.began + self.interval * self.count
    }
}

/// Ends with the orders, or with an error, which is the answer to the next order.
fn talk(
    mut mouth: impl Mouth,
    orders: &Receiver<Order>,
    answers: &SyncSender<anyhow::Result<Said>>,
) -> anyhow::Result<()> {
    let (mut talking, mut number): (Option<Talk>, u64) = (None, 0);
    loop {
        let wait =
            talking.as_ref().map_or(ALIVE_EVERY, |talk| talk.due().saturating_duration_since(Instant::now()));
        let outcome = match orders.recv_timeout(wait) {
            Ok(Order::Bulk { count, per_second, last }) => {
                let wait = |until: Instant| match orders
                    .recv_timeout(until.saturating_duration_since(Instant::now()))
                {
                    Err(RecvTimeoutError::Timeout) => Ok(()),
                    _ => Err(anyhow::anyhow!("nobody waits for the end of this any more")),
                };
                let interval = per_second.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate.max(1));
                answers.send(bulk(&mut mouth, &mut number, (count, interval, last), wait))?;
                continue;
            }
            Ok(Order::Rate(per_second)) => {
                let interval = Duration::from_secs(1) / per_second.max(1);
                talking = Some(Talk { began: Instant::now(), interval, count: 0 });
                answers.send(Ok(Said { count: 0, time: Duration::ZERO }))?;
                continue;
            }
            Ok(Order::Quiet) => {
                let said = talking.take().map_or(Said { count: 0, time: Duration::ZERO }, |talk| Said {
                    count: talk.count.into(),
                    time: talk.began.elapsed(),
                });
                answers.send(Ok(said))?;
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => match &mut talking {
                Some(talk) => {
                    talk.count += 1;
                    mouth.say(&[text(&mut number)])
                }
                None => mouth.stay_alive(),
            },
        };
        if let Err(error) = outcome {
            answers.send(Err(error))?;
            return Ok(());
        }
    }
}

fn bulk(
    mouth: &mut impl Mouth,
    number: &mut u64,
    (count, interval, last): (u64, Duration, String),
    wait: impl Fn(Instant) -> anyhow::Result<()>,
) -> anyhow::Result<Said> {
    let (began, mut left) = (Instant::now(), count);
    let mut alive = began;
    while left > 0 {
        // Who does not speak in bulk would be given up meanwhile.
        if alive.elapsed() >= ALIVE_EVERY {
            mouth.stay_alive()?;
            alive = Instant::now();
        }
        let some = left.min(BATCH_LEN);
        mouth.say(&(0..some).map(|_| text(number)).collect::<Vec<_>>())?;
        left -= some;
        if !interval.is_zero() {
            wait(began + interval * u32::try_from(count - left)?)?;
        }
    }
    mouth.say(&[last])?;
    Ok(Said { count: count + 1, time: began.elapsed() })
}

/// The next text, unlike any other.
fn text(number: &mut u64) -> String {
    *number += 1;
    format!("{number:07} {WORDS}")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What was said, and of how much at most it takes note.
    struct Notes(Arc<Mutex<Vec<String>>>, usize);

    impl Mouth for Notes {
        fn say(&mut self, texts: &[String]) -> anyhow::Result<()> {
            let mut notes = self.0.lock().expect("whole");
            anyhow::ensure!(notes.len() < self.1, "nobody takes it");
            notes.extend_from_slice(texts);
            Ok(())
        }

        fn stay_alive(&mut self) -> anyhow::Result<()> {
            Ok(())
        }
    }

    fn wait(talker: &Talker) -> anyhow::Result<()> {
        while talker.is_saying()? {
            std::thread::yield_now();
        }
        Ok(())
    }

    #[test]
    fn it_says_what_it_was_told_and_counts_it() {
        let notes = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&notes);
        let talker = Talker::start(move || Ok(Notes(shared, usize::MAX))).expect("starts");
        talker.bulk(300, Some(10_000), "the last");
        wait(&talker).expect("said");
        {
            let notes = notes.lock().expect("whole");
            assert_eq!((notes.len(), notes[300].as_str()), (301, "the last"));
            assert!(notes[..300].iter().all(|text| text.len() == 100) && notes[0] != notes[1]);
        }
        talker.rate(1_000_000).expect("begins");
        while notes.lock().expect("whole").len() < 310 {
            std::thread::yield_now();
        }
        let said = talker.quiet().expect("ends");
        assert_eq!(said.count, notes.lock().expect("whole").len() as u64 - 301);
        assert_eq!(talker.quiet().expect("still quiet").count, 0);
    }

    #[test]
    fn what_breaks_is_the_next_answer() {
        let talker = Talker::start(|| Ok(Notes(Arc::default(), 1_000))).expect("starts");
        talker.bulk(2_000, None, "never");
        assert!(wait(&talker).expect_err("full").to_string().contains("nobody takes it"));
        let talker = Talker::start::<Notes>(|| anyhow::bail!("no way there")).expect("a thread");
        assert!(talker.rate(1).expect_err("closed").to_string().contains("no way there"));
    }
}
