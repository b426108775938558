//! A session that is played to, and all that came out of it.
#![allow(unreachable_pub, missing_docs, reason = "a part of one test program")]

use std::time::Duration;

use jiff::tz::TimeZone;
use mechat_client::event::Link;
use mechat_client::{Command, Event as ClientEvent};
use mechat_protocol::reply::{ChannelInfo, Marks};
use mechat_protocol::request::{HistoryRange, Level};
use mechat_protocol::{ChannelId, Entry, Seq};
use mechat_tui::model::Target;
use mechat_tui::plain::session::{Input, Output, Session};
use secrecy::SecretString;

use crate::stage::{fingerprint, info, nonce, signed_in, welcome};

/// A session and all that came out of it.
pub struct Plain {
    pub session: Session,
    pub out: Vec<String>,
    pub err: Vec<String>,
    pub commands: Vec<String>,
    pub kept: Vec<String>,
    pub exit: Option<u8>,
    pub nonces: u128,
    /// Whether the relay takes what is said of marks at once.
    pub confirms: bool,
}

/// A channel that the account has read up to an entry.
pub fn read_upto(mut info: ChannelInfo, read: u64) -> ChannelInfo {
    info.marks = Some(Marks { read: Seq(read), level: Level::All });
    info
}

impl Plain {
    pub fn new() -> Self {
        let target = Target::from("h:1".parse::<mechat_protocol::RelayAddress>().expect("address"));
        let session = Session::new(target, TimeZone::UTC);
        Self {
            session,
            out: vec![],
            err: vec![],
            commands: vec![],
            kept: vec![],
            exit: None,
            nonces: 0,
            confirms: true,
        }
    }

    pub fn connected() -> Self {
        let mut plain = Self::new();
        plain.client(ClientEvent::Link(Link::Up { fingerprint: fingerprint(1) }));
        plain.client(ClientEvent::Welcome(welcome()));
        plain
    }

    pub fn in_lobby() -> Self {
        let mut plain = Self::connected();
        plain.line("login misha").secret("pw").client(ClientEvent::SignedIn(signed_in("misha")));
        plain.client(ClientEvent::Joined(info(1, "lobby", 2, 0, true)));
        plain.client(ClientEvent::Channels(vec![info(1, "lobby", 2, 0, true)]));
        plain.client(ClientEvent::CaughtUp);
        plain.commands.clear();
        plain.err.clear();
        plain
    }

    pub fn feed(&mut self, input: Input) -> &mut Self {
        self.nonces += 1;
        let mut marked = Vec::new();
        for output in self.session.handle(input, nonce(self.nonces)) {
            match output {
                Output::Out(line) => self.out.push(line),
                Output::Err(line) | Output::Prompt(line) => self.err.push(line),
                Output::Client(command) => {
                    if let Command::Mark { channel, read: Some(read), .. } = command {
                        marked.push(ClientEvent::Marks { channel, marks: Marks { read, level: Level::All } });
                    }
                    self.commands.push(format!("{command:?}"));
                }
                Output::Exit(code) => self.exit = Some(code),
                kept => self.kept.push(format!("{kept:?}")),
            }
        }
        if self.confirms {
            let outputs = marked.into_iter().map(Input::Client);
            for confirmed in outputs {
                for output in self.session.handle(confirmed, nonce(0)) {
                    match output {
                        Output::Exit(code) => self.exit = Some(code),
                        Output::Client(command) => self.commands.push(format!("{command:?}")),
                        other => panic!("a mark leads to nothing: {other:?}"),
                    }
                }
            }
        }
        self
    }

    pub fn line(&mut self, line: &str) -> &mut Self {
        self.feed(Input::Line(line.into()))
    }

    pub fn secret(&mut self, password: &str) -> &mut Self {
        self.feed(Input::Secret(SecretString::from(password)))
    }

    pub fn client(&mut self, event: ClientEvent) -> &mut Self {
        self.feed(Input::Client(event))
    }

    pub fn appended(&mut self, entry: mechat_protocol::Entry, live: bool) -> &mut Self {
        let channel = entry.channel;
        self.client(ClientEvent::Appended { channel, entries: vec![entry], live })
    }

    /// A page that was asked for.
    pub fn page(&mut self, id: u64, range: HistoryRange, entries: Vec<Entry>) -> &mut Self {
        self.client(ClientEvent::History { channel: ChannelId(id), range, entries, more: false })
    }

    pub fn live(&mut self, entry: Entry) -> &mut Self {
        self.appended(entry, true)
    }

    pub fn down(&mut self) -> &mut Self {
        let reason = "connection reset".to_owned();
        self.client(ClientEvent::Link(Link::Down {
            reason,
            close: None,
            attempt: 1,
            retry_in: Duration::from_millis(700),
        }))
    }
}
