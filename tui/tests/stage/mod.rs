//! A stage for tests: a model that is played to through its events, and its picture as text.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test program uses its part")]

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use jiff::tz::TimeZone;
use mechat_client::event::Link;
use mechat_client::{Event as ClientEvent, OutboxState, SignedIn, Utterance};
use mechat_protocol::reply::{ChannelInfo, Durability, Limits, Participant, Presence, Welcome};
use mechat_protocol::request::{ChannelKind, HistoryRange};
use mechat_protocol::secret::Token;
use mechat_protocol::{
    AccountName, Body, ChannelId, ChannelName, Content, Entry, Epoch, Fingerprint, Nonce, RequestId, Seq,
    SessionId, UnixMillis,
};
use mechat_tui::config;
use mechat_tui::model::{Model, Moment, RelayBook, Setup, Target};
use mechat_tui::theme::Theme;
use mechat_tui::update::{self, Effect, Event};
use mechat_tui::view::view;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

/// 2024-02-23 11:03:00 UTC.
pub const NOON: i64 = 1_708_686_180_000;
/// Every size that is promised.
pub const SIZES: [(u16, u16); 4] = [(40, 12), (80, 24), (120, 36), (200, 50)];

pub struct Stage {
    pub model: Model,
    pub effects: Vec<Effect>,
    moment: Moment,
    nonces: u128,
}

pub fn account(name: &str) -> AccountName {
    AccountName::new(name).expect(name)
}

pub fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).expect(name)
}

pub fn fingerprint(byte: u8) -> Fingerprint {
    Fingerprint::new(std::array::from_fn(|i| byte.wrapping_add(u8::try_from(i).expect("32 bytes"))))
}

pub fn nonce(number: u128) -> Nonce {
    Nonce(uuid::Uuid::from_u128(number))
}

pub fn info(id: u64, name: &str, members: u32, head: u64, joined: bool) -> ChannelInfo {
    ChannelInfo {
        channel: ChannelId(id),
        name: channel(name),
        kind: ChannelKind::Public,
        host: account("relay"),
        created_ms: UnixMillis(NOON),
        members,
        epoch: Epoch(1),
        head: Seq(head),
        joined,
        topic: mechat_protocol::Topic::default(),
        marks: None,
    }
}

pub fn entry(id: u64, seq: u64, sender: &str, body: Body) -> Entry {
    Entry {
        channel: ChannelId(id),
        epoch: Epoch(1),
        seq: Seq(seq),
        at_ms: UnixMillis(NOON + i64::try_from(seq).expect("small") * 61_000),
        sender: account(sender),
        nonce: None,
        body,
    }
}

pub fn message(id: u64, seq: u64, sender: &str, text: &str) -> Entry {
    let content = Content::text(text).expect("a text");
    entry(id, seq, sender, Body::said(content, None))
}

pub fn person(name: &str, here: bool) -> Participant {
    let presence = if here { Presence::Connected } else { Presence::Disconnected };
    Participant { account: account(name), presence }
}

/// A message, as the outbox tells of it.
pub const fn said(content: Content) -> Utterance {
    Utterance::Message { content, in_reply_to: None }
}

/// A page that was asked for while scrolling up.
pub fn older(channel: ChannelId, entries: Vec<Entry>, more: bool) -> ClientEvent {
    let seq = entries.last().map_or(Seq(1), |entry| entry.seq.next());
    ClientEvent::History { channel, range: HistoryRange::Before { seq }, entries, more }
}

pub fn welcome() -> Welcome {
    Welcome {
        id: RequestId(0),
        version: 1,
        agent: "mechat-relay/0.1.0".into(),
        limits: Limits {
            frame_len_max: 65_536,
            frame_len_max_pending: 4_096,
            text_len_max: 16_384,
            data_len_max: 16_384,
            name_chars_max: 32,
            page_entries_max: 100,
            in_flight_max: 512,
            pending_timeout_ms: 30_000,
            idle_timeout_ms: 90_000,
        },
        durability: Durability::Fsync,
        motd: Some("Welcome to the workshop.\nBe kind.".into()),
        participants_before_sign_in: false,
    }
}

pub fn signed_in(name: &str) -> SignedIn {
    SignedIn {
        account: account(name),
        session: SessionId(uuid::Uuid::from_u128(1)),
        token: Token::new(b"canary-token".to_vec()).expect("a token"),
        token_expires: UnixMillis(NOON + 1_000_000),
        admin: false,
        resumed: false,
    }
}

pub fn key(code: KeyCode) -> KeyEvent {
    KeyEvent::new(code, KeyModifiers::NONE)
}

impl Stage {
    pub fn new(size: (u16, u16)) -> Self {
        Self::with_relays(size, RelayBook::default())
    }

    pub fn with_relays(size: (u16, u16), relays: RelayBook) -> Self {
        let moment = Moment { wall: UnixMillis(NOON), steady: Duration::from_secs(100), nonce: nonce(0) };
        let model = Model::new(Setup {
            size,
            zone: TimeZone::UTC,
            theme: Theme::new(true),
            relays,
            pins_file: "~/.config/mechat/pins".into(),
            now: moment,
        });
        Self { model, effects: Vec::new(), moment, nonces: 1_000 }
    }

    /// Connected, not signed in.
    pub fn at_menu(size: (u16, u16)) -> Self {
        let mut stage = Self::new(size);
        let target =
            Target::from("chat.example.org".parse::<mechat_protocol::RelayAddress>().expect("address"));
        stage.effects = update::begin(&mut stage.model, target);
        stage.client(ClientEvent::Link(Link::Up { fingerprint: fingerprint(1) }));
        stage.client(ClientEvent::Welcome(welcome()));
        stage
    }

    /// Signed in as misha, in #lobby and #rust, among people.
    pub fn in_chat(size: (u16, u16)) -> Self {
        let mut stage = Self::at_menu(size);
        stage.client(ClientEvent::SignedIn(signed_in("misha")));
        stage.client(ClientEvent::Joined(info(1, "lobby", 4, 4, true)));
        stage.client(ClientEvent::Joined(info(2, "rust", 2, 1, true)));
        stage.client(ClientEvent::Channels(vec![
            info(1, "lobby", 4, 4, true),
            info(3, "random", 7, 0, false),
            info(2, "rust", 2, 1, true),
        ]));
        stage.client(ClientEvent::Appended {
            channel: ChannelId(1),
            entries: vec![
                entry(1, 1, "alexey", Body::Joined),
                message(1, 2, "alexey", "good morning, everyone"),
                entry(1, 3, "misha", Body::Joined),
                entry(1, 4, "polina", Body::Joined),
            ],
            live: false,
        });
        stage.client(ClientEvent::Appended {
            channel: ChannelId(2),
            entries: vec![entry(2, 1, "misha", Body::Joined)],
            live: false,
        });
        stage.client(ClientEvent::Participants {
            channel: Some(ChannelId(1)),
            participants: vec![
                person("alexey", true),
                person("misha", true),
                person("polina", false),
                person("vera", true),
            ],
        });
        stage.client(ClientEvent::CaughtUp);
        stage.effects.clear();
        stage
    }

    pub fn feed(&mut self, event: Event) -> &mut Self {
        self.nonces += 1;
        self.moment.nonce = nonce(self.nonces);
        let effects = update::update(&mut self.model, event, self.moment);
        self.effects.extend(effects);
        self
    }

    pub fn client(&mut self, event: ClientEvent) -> &mut Self {
        self.feed(Event::Client(event))
    }

    pub fn live(&mut self, entry: Entry) -> &mut Self {
        let channel = entry.channel;
        self.client(ClientEvent::Appended { channel, entries: vec![entry], live: true })
    }

    pub fn key(&mut self, code: KeyCode) -> &mut Self {
        self.feed(Event::Key(key(code)))
    }

    pub fn chord(&mut self, modifiers: KeyModifiers, code: KeyCode) -> &mut Self {
        self.feed(Event::Key(KeyEvent::new(code, modifiers)))
    }

    pub fn type_text(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            self.key(KeyCode::Char(c));
        }
        self
    }

    pub fn enter(&mut self, text: &str) -> &mut Self {
        self.type_text(text).key(KeyCode::Enter)
    }

    pub fn outbox(&mut self, number: u128, id: u64, state: OutboxState) -> &mut Self {
        self.client(ClientEvent::Outbox { nonce: nonce(number), channel: ChannelId(id), state })
    }

    pub fn wait(&mut self, time: Duration) -> &mut Self {
        self.moment.steady += time;
        self.feed(Event::Timer)
    }

    /// A configuration is read.
    pub fn configure(&mut self, text: &str) -> &mut Self {
        self.feed(Event::Configured { read: config::parse(text), asked: false })
    }

    pub fn mouse(&mut self, kind: MouseEventKind, x: u16, y: u16) -> &mut Self {
        let modifiers = KeyModifiers::NONE;
        self.feed(Event::Mouse(MouseEvent { kind, column: x, row: y, modifiers }))
    }

    /// A press where a text stands in the picture.
    pub fn click(&mut self, text: &str) -> &mut Self {
        let (x, y) = self.find(text);
        self.mouse(MouseEventKind::Down(MouseButton::Left), x, y);
        self.mouse(MouseEventKind::Up(MouseButton::Left), x, y)
    }

    /// Where a text begins in the picture.
    pub fn find(&self, text: &str) -> (u16, u16) {
        let picture = self.picture();
        let found = picture.lines().enumerate().find_map(|(y, line)| Some((line.find(text)?, y, line)));
        let (at, y, line) = found.unwrap_or_else(|| panic!("no {text:?} in\n{picture}"));
        let x = mechat_tui::text::width(&line[..at]);
        (u16::try_from(x).expect("small"), u16::try_from(y).expect("small"))
    }

    pub fn resize(&mut self, size: (u16, u16)) -> &mut Self {
        self.feed(Event::Resize(size.0, size.1))
    }

    /// The name of the last message that was said.
    pub fn last_nonce(&self) -> u128 {
        self.nonces
    }

    /// What came out since the last time.
    pub fn take(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// What the client was told to do; that one is typing is said at many keys and left out.
    pub fn commands(&mut self) -> Vec<String> {
        let commands = self.take().into_iter().filter_map(|effect| match effect {
            Effect::Client(mechat_client::Command::Typing(_)) => None,
            Effect::Client(command) => Some(format!("{command:?}")),
            _ => None,
        });
        commands.collect()
    }

    /// The picture, line by line.
    pub fn picture(&self) -> String {
        let (columns, rows) = self.model.size;
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a backend");
        terminal.draw(|frame| view(&self.model, frame)).expect("draws");
        let buffer = terminal.backend().buffer().clone();
        let mut picture = String::new();
        for y in 0..rows {
            let mut line = String::new();
            let mut skip = 0;
            for x in 0..columns {
                let symbol = buffer[(x, y)].symbol();
                if skip == 0 {
                    line.push_str(symbol);
                    skip = mechat_tui::text::width(symbol).max(1);
                }
                skip -= 1;
            }
            picture.push_str(line.trim_end());
            picture.push('\n');
        }
        picture
    }

    pub fn shows(&self, text: &str) -> bool {
        self.picture().contains(text)
    }
}

/// One scene at every size.
pub fn at_every_size(scene: impl Fn((u16, u16)) -> Stage) -> String {
    SIZES.map(|size| format!("===== {}x{}\n{}", size.0, size.1, scene(size).picture())).concat()
}
