//! The outbox on disk: what was said survives the client, goes out once, and belongs to one client at a time.

use mechat_client::{Client, Command, Event, Link, OutboxFile, OutboxState, Utterance};
use mechat_protocol::reply::ChannelInfo;
use mechat_protocol::request::HistoryRange;
use mechat_protocol::{Content, Nonce};

use crate::harness::{Person, TestRelay, password, text_of};

impl TestRelay {
    /// A client with an outbox on disk, connected, not signed in.
    async fn keeper(&self) -> Person {
        let outbox = self.directory.path().join("outbox");
        Person::visit_with(self.address.clone(), self.fingerprint, &self.pins(), Some(outbox)).await
    }

    fn files(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.directory.path().join("outbox")).expect("a directory").flatten();
        files.flat_map(|file| std::fs::read(file.path()).expect("a file")).collect()
    }

    fn is_on_disk(&self, text: &str) -> bool {
        self.files().windows(text.len()).any(|window| window == text.as_bytes())
    }
}

impl Person {
    /// Says something, and returns its name once it is in the outbox.
    async fn keep(&mut self, channel: &ChannelInfo, text: &str) -> Nonce {
        let (nonce, content) = (Client::nonce(), Content::text(text).expect("a text"));
        self.client.send(Command::Say { channel: channel.channel, nonce, content, in_reply_to: None }).await;
        self.until(|event| {
            matches!(event, Event::Outbox { nonce: n, state: OutboxState::Pending(_), .. } if n == nonce)
                .then_some(())
        })
        .await;
        nonce
    }

    async fn acked(&mut self, nonce: Nonce) {
        self.until(|event| {
            matches!(event, Event::Outbox { nonce: n, state: OutboxState::Acked { .. }, .. } if n == nonce)
                .then_some(())
        })
        .await;
    }

    async fn quit(mut self) {
        self.client.send(Command::Quit).await;
        self.until(|event| matches!(event, Event::Stopped).then_some(())).await;
        assert!(self.events.recv().await.is_none(), "nothing follows");
    }

    /// Signs in, and returns what an earlier client left, in order, as it is told; waits for so many.
    async fn sign_in_to(&mut self, left: usize) -> Vec<(Nonce, Content)> {
        self.login("ann", password()).await;
        let mut found = Vec::new();
        while found.len() < left {
            let one = self.until(|event| match event {
                Event::Outbox { nonce, state: OutboxState::Pending(what), .. } => match what {
                    Utterance::Message { content, .. } => Some((nonce, content)),
                    Utterance::Amendment(_) => None,
                },
                _ => None,
            });
            found.push(one.await);
        }
        found
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_to_a_relay_that_was_gone_goes_out_from_the_next_client_once() {
    let mut relay = TestRelay::start().await;
    let mut ann = relay.keeper().await;
    ann.register("ann").await;
    let lobby = ann.join("lobby").await;
    let sent = ann.keep(&lobby, "sent at once").await;
    ann.acked(sent).await;
    relay.stop().await;
    ann.until(|event| matches!(event, Event::Link(Link::Down { .. })).then_some(())).await;
    let first = ann.keep(&lobby, "first of what waits").await;
    let second = ann.keep(&lobby, "second of what waits").await;
    assert!(relay.is_on_disk("first of what waits"), "told of only when it is there");
    ann.quit().await;

    relay.restart().await;
    let mut ann = relay.keeper().await;
    let left = ann.sign_in_to(2).await;
    let nonces: Vec<Nonce> = left.iter().map(|(nonce, _)| *nonce).collect();
    assert_eq!(nonces, [first, second], "in order, and not what was acknowledged");
    ann.acked(second).await;
    ann.client.send(Command::ReadHistory { channel: lobby.channel, range: HistoryRange::Latest }).await;
    let entries = ann.until(|event| match event {
        Event::History { entries, .. } => Some(entries),
        _ => None,
    });
    let entries = entries.await;
    let texts: Vec<&str> = entries.iter().filter_map(text_of).collect();
    assert_eq!(texts, ["sent at once", "first of what waits", "second of what waits"]);
    ann.quit().await;
    assert!(!relay.is_on_disk("what waits"), "what the relay has is not kept here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_client_of_an_account_is_told_that_its_words_are_not_kept_and_sends_them_all_the_same() {
    let relay = TestRelay::start().await;
    let mut first = relay.keeper().await;
    first.register("ann").await;
    let lobby = first.join("lobby").await;
    let mut second = relay.keeper().await;
    second.login("ann", password()).await;
    let reason = second.until(|event| match event {
        Event::OutboxFile(OutboxFile::NotKept { reason }) => Some(reason),
        _ => None,
    });
    let reason = reason.await;
    assert!(reason.contains("another client of this account"), "{reason}");
    let nonce = second.keep(&lobby, "from the second").await;
    second.acked(nonce).await;
    assert!(!relay.is_on_disk("from the second"));
    second.quit().await;
    first.quit().await;
    let mut third = relay.keeper().await;
    third.sign_in_to(0).await;
    third.until(|event| matches!(event, Event::Channels(_)).then_some(())).await;
    let nonce = third.keep(&lobby, "from the third").await;
    third.acked(nonce).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_fails_what_waits_and_takes_it_from_the_disk() {
    let relay = TestRelay::start().await;
    let mut ann = relay.keeper().await;
    ann.register("ann").await;
    let lobby = ann.join("lobby").await;
    let sent = ann.keep(&lobby, "sent").await;
    ann.acked(sent).await;
    ann.client.send(Command::Logout).await;
    let (nonce, content) = (Client::nonce(), Content::text("behind the logout").expect("a text"));
    ann.client.send(Command::Say { channel: lobby.channel, nonce, content, in_reply_to: None }).await;
    ann.until(|event| {
        matches!(event, Event::Outbox { nonce: n, state: OutboxState::Failed(_), .. } if n == nonce)
            .then_some(())
    })
    .await;
    let mut bob = relay.person("bob").await;
    bob.join("lobby").await;
    ann.login("ann", password()).await;
    let lobby = ann.until(|event| if let Event::Joined(info) = event { Some(info) } else { None }).await;
    let nonce = ann.keep(&lobby, "signed in again").await;
    ann.acked(nonce).await;
    ann.quit().await;
    assert!(!relay.is_on_disk("behind the logout"));
}
