//! A relay in this process and people who talk to it through the one client. For end-to-end tests.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mechat_client::{Client, Command, Event, Link};
use mechat_protocol::message::Message;
use mechat_protocol::reply::ChannelInfo;
use mechat_protocol::{AccountName, ChannelName, Content, Entry, Fingerprint, RelayAddress};
use mechat_relay::{Config, Relay};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::sync::mpsc;

/// How long anything may take before the test is given up. Not a performance bound.
const PATIENCE: Duration = Duration::from_mins(1);

/// A relay on a free port with a directory of its own.
pub(crate) struct TestRelay {
    pub(crate) relay: Option<Relay>,
    pub(crate) directory: TempDir,
    pub(crate) config: Config,
    pub(crate) address: RelayAddress,
    pub(crate) fingerprint: Fingerprint,
}

impl TestRelay {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut config = Config::in_directory(directory.path().join("relay"));
        config.listen = "127.0.0.1:0".parse().expect("an address");
        change(&mut config);
        let relay = Relay::start(config.clone()).await.expect("the relay starts");
        config.listen = relay.local_addr();
        let address = RelayAddress::new("127.0.0.1", relay.local_addr().port()).expect("an address");
        let fingerprint = relay.fingerprint();
        Self { relay: Some(relay), directory, config, address, fingerprint }
    }

    pub(crate) async fn stop(&mut self) {
        if let Some(relay) = self.relay.take() {
            relay.shutdown().await.expect("the relay stops well");
        }
    }

    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.relay = Some(Relay::start(self.config.clone()).await.expect("the relay starts again"));
    }

    pub(crate) fn pins(&self) -> PathBuf {
        self.directory.path().join("pins")
    }

    /// A client that trusts the relay and is connected, not signed in.
    pub(crate) async fn visitor(&self) -> Person {
        Person::visit(self.address.clone(), self.fingerprint, &self.pins()).await
    }

    /// Somebody new, registered and signed in.
    pub(crate) async fn person(&self, name: &str) -> Person {
        let mut person = self.visitor().await;
        person.register(name).await;
        person
    }
}

/// A client with its events.
pub(crate) struct Person {
    pub(crate) client: Client,
    pub(crate) events: mpsc::Receiver<Event>,
}

/// Everybody's password here.
pub(crate) fn password() -> SecretString {
    SecretString::from("correct horse battery staple".to_owned())
}

impl Person {
    pub(crate) async fn visit(address: RelayAddress, fingerprint: Fingerprint, pins: &Path) -> Self {
        Self::visit_with(address, fingerprint, pins, None).await
    }

    /// With a directory for what is said and not acknowledged.
    pub(crate) async fn visit_with(
        address: RelayAddress,
        fingerprint: Fingerprint,
        pins: &Path,
        outbox: Option<PathBuf>,
    ) -> Self {
        let config = mechat_client::Config {
            address,
            pins: pins.to_owned(),
            invited: Some(fingerprint),
            agent: "test".into(),
            outbox,
            resumes: false,
        };
        let (client, events) = Client::start(config);
        let mut person = Self { client, events };
        person.until(|event| matches!(event, Event::Welcome(_)).then_some(())).await;
        person
    }

    pub(crate) async fn register(&mut self, name: &str) {
        let account = AccountName::new(name).expect("a name");
        self.client.send(Command::Register { account, password: password() }).await;
        self.until(|event| matches!(event, Event::SignedIn(_)).then_some(())).await;
        self.until(|event| matches!(event, Event::Channels(_)).then_some(())).await;
    }

    pub(crate) async fn login(&mut self, name: &str, password: SecretString) {
        let account = AccountName::new(name).expect("a name");
        self.client.send(Command::Login { account, password }).await;
    }

    pub(crate) async fn join(&mut self, channel: &str) -> ChannelInfo {
        self.client.send(Command::Join(ChannelName::new(channel).expect("a name"))).await;
        self.until(|event| match event {
            Event::Joined(info) if info.name.as_str() == channel => Some(info),
            _ => None,
        })
        .await
    }

    pub(crate) async fn say(&self, channel: &ChannelInfo, text: &str) {
        self.say_content(channel, Content::text(text).expect("a text")).await;
    }

    pub(crate) async fn say_content(&self, channel: &ChannelInfo, content: Content) {
        let say =
            Command::Say { channel: channel.channel, nonce: Client::nonce(), content, in_reply_to: None };
        self.client.send(say).await;
    }

    /// Sends any request as it is.
    pub(crate) async fn call(&mut self, request: impl Into<Message>) -> Message {
        self.client.send(Command::Call { ticket: 7, request: Box::new(request.into()) }).await;
        let reply = self
            .until(|event| match event {
                Event::Called { reply, .. } => Some(reply),
                _ => None,
            })
            .await;
        *reply.expect("the link stands")
    }

    /// The next entry of any channel.
    pub(crate) async fn entries(&mut self) -> Vec<Entry> {
        self.until(|event| match event {
            Event::Appended { entries, .. } => Some(entries),
            _ => None,
        })
        .await
    }

    /// Waits for an event, passing over the others.
    pub(crate) async fn until<T>(&mut self, mut found: impl FnMut(Event) -> Option<T>) -> T {
        let search = async {
            loop {
                let event = self.events.recv().await.expect("the client runs");
                if let Event::Link(Link::Failed { reason }) = &event {
                    panic!("the link failed: {reason}");
                }
                if let Some(found) = found(event) {
                    return found;
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.expect("it happens in time")
    }
}

/// The text of a message, if it is one.
pub(crate) fn text_of(entry: &Entry) -> Option<&str> {
    match &entry.body {
        mechat_protocol::Body::Message(mechat_protocol::Post { content: Content::Text { text }, .. }) => {
            Some(text.as_str())
        }
        _ => None,
    }
}
