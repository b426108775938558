//! Who said more in a channel than its members could read, and goes on once they have.
//!
//! Owns the list of connections that wait. Whether a channel's members are behind is the fan-out's to say.
//!
//! Invariants: a connection waits for one channel at a time, and for none longer than the fan-out's patience with it; each
//! channel is asked once, however many wait for it, and at most once in `LOOK_INTERVAL`, but surely then, however busy the relay is.

use std::collections::HashMap;
use std::time::Duration;

use mechat_hub::ConnId;
use mechat_protocol::ChannelId;
use tokio::time::Instant;

use crate::fanout::Fanout;

/// How often it is looked whether members have read what was said.
const LOOK_INTERVAL: Duration = Duration::from_millis(1);

/// Connections that wait. Each is among them once, since it says nothing more meanwhile; one that is gone until it would go on.
#[derive(Debug, Default)]
pub(crate) struct Pacing {
    waiting: HashMap<ChannelId, Vec<Waiting>>,
    /// When they were looked at last.
    looked: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    conn: ConnId,
    /// Where it said something too.
    others: Vec<ChannelId>,
}

impl Pacing {
    /// Requests of a connection were handled, and it said something in these channels: it may say more, at once or when the
    /// members of each have read what was said.
    pub(crate) fn handled(&mut self, fanout: &mut Fanout, conn: ConnId, mut said_in: Vec<ChannelId>) {
        let now = Instant::now();
        while let Some(channel) = said_in.pop() {
            if fanout.is_pressed(channel, now) {
                self.waiting.entry(channel).or_default().push(Waiting { conn, others: said_in });
                self.looked.get_or_insert(now);
                return;
            }
        }
        fanout.handled(conn);
    }

    /// When [`Pacing::let_go_on`] is due; never while nobody waits.
    pub(crate) fn due(&self) -> Option<Instant> {
        let looked = self.looked.filter(|_| !self.waiting.is_empty());
        looked.map(|looked| looked + LOOK_INTERVAL)
    }

    /// Lets connections go on whose channels have been read, if it is time to look.
    pub(crate) fn let_go_on(&mut self, fanout: &mut Fanout) {
        let now = Instant::now();
        if self.waiting.is_empty() || self.looked.is_some_and(|looked| now < looked + LOOK_INTERVAL) {
            return;
        }
        self.looked = Some(now);
        let read = self.waiting.extract_if(|channel, _| !fanout.is_pressed(*channel, now));
        for Waiting { conn, others } in read.flat_map(|(_, waiting)| waiting).collect::<Vec<_>>() {
            self.handled(fanout, conn, others);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::{Context, Waker};

    use mechat_protocol::{Body, Content, Entry, Epoch, Seq, UnixMillis};

    use super::*;
    use crate::fanout::Outbound;

    /// Somebody who says much and somebody who does not read it, in as many channels as needed.
    struct Stage {
        fanout: Fanout,
        pacing: Pacing,
        speaker: Arc<Outbound>,
        reader: Arc<Outbound>,
    }

    const SPEAKER: ConnId = ConnId(1);
    const READER: ConnId = ConnId(2);

    impl Stage {
        fn new() -> Self {
            let mut fanout = Fanout::default();
            let [speaker, reader] = [SPEAKER, READER].map(|conn| {
                let outbound = Outbound::new(conn, fanout.presence());
                fanout.add(conn, Arc::clone(&outbound));
                outbound
            });
            Self { fanout, pacing: Pacing::default(), speaker, reader }
        }

        /// Lets the reader fall far behind in a channel.
        fn press(&mut self, channel: u64) {
            self.fanout.subscribe(READER, ChannelId(channel));
            for seq in 1..30 {
                self.fanout.broadcast(entry(channel, seq));
                self.fanout.publish_all();
                if seq < 3 {
                    self.read();
                }
            }
            assert!(self.fanout.is_pressed(ChannelId(channel), Instant::now()));
        }

        fn read(&self) {
            while look(&self.reader).outgoing {
                self.reader.drain(&mut Vec::new());
            }
        }

        fn say_in(&mut self, channels: &[u64]) {
            let channels = channels.iter().copied().map(ChannelId).collect();
            self.pacing.handled(&mut self.fanout, SPEAKER, channels);
        }

        /// Whether the speaker may say more once it was looked.
        fn goes_on(&mut self) -> bool {
            self.pacing.let_go_on(&mut self.fanout);
            look(&self.speaker).handled
        }
    }

    fn look(outbound: &Outbound) -> crate::fanout::Look {
        outbound.look(&Context::from_waker(Waker::noop()))
    }

    fn entry(channel: u64, seq: u64) -> Entry {
        Entry {
            channel: ChannelId(channel),
            epoch: Epoch(1),
            seq: Seq(seq),
            at_ms: UnixMillis(0),
            sender: "ann".parse().expect("name"),
            nonce: None,
            body: Body::said(Content::text("x".repeat(16_000)).expect("text"), None),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_something_elsewhere_last_waits_all_the_same() {
        for channels in [&[1, 9][..], &[9, 1], &[1]] {
            let mut stage = Stage::new();
            stage.press(1);
            stage.say_in(channels);
            assert!(!look(&stage.speaker).handled && !stage.goes_on(), "{channels:?}");
            let due = stage.pacing.due().expect("somebody waits");
            stage.read();
            assert!(!stage.goes_on(), "it is looked once in a while");
            tokio::time::advance(due - Instant::now()).await;
            assert!(stage.goes_on(), "they have read it");
            assert_eq!(stage.pacing.due(), None, "nobody waits");
        }
        let mut stage = Stage::new();
        stage.say_in(&[9]);
        assert!(look(&stage.speaker).handled, "nobody is behind there");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_one_channel_then_waits_for_the_other() {
        let mut stage = Stage::new();
        stage.press(1);
        stage.say_in(&[2, 1]);
        stage.read();
        // Now they are behind in the other.
        stage.press(2);
        tokio::time::advance(LOOK_INTERVAL).await;
        assert!(!stage.goes_on());
        stage.read();
        tokio::time::advance(LOOK_INTERVAL).await;
        assert!(stage.goes_on());
    }
}
