//! The two clients, made comparable: how each is started, let into its channel, talked to, paged and ended.
//!
//! Owns their temporary homes and what they talk to. Both get the same texts, in a channel of their own, from as many speakers.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use mechat_protocol::{Invite, RelayAddress};
use tempfile::TempDir;

use crate::link::Way;
use crate::people as names;
use crate::pinning::Pinning;
use crate::server::{self, Kind, Server};
use crate::tui::irc::{self, IrcServer};
use crate::tui::keyring::Keyring;
use crate::tui::people::{POPULATION, People};
use crate::tui::pty::{Program, Pty};
use crate::tui::talker::Talker;

const ACCOUNT: &str = "ann";
const PASSWORD: &str = "correct horse battery";

/// What is waited for, and what is typed then.
type Step = (&'static str, String);

/// A client that can be measured.
pub(crate) struct Client {
    /// As it stands in a table.
    pub(crate) name: String,
    /// Where it has nowhere to go and nothing to show.
    pub(crate) bare: Program,
    /// The first start of somebody who will be in the channel.
    pub(crate) first: Program,
    /// Each later one.
    pub(crate) again: Program,
    /// From the first start into the channel.
    into: Vec<Step>,
    /// From a later start into the channel.
    back: Vec<Step>,
    /// Why later starts stop before the channel, if they do.
    pub(crate) asks: Option<String>,
    /// Where it keeps what is its own.
    pub(crate) home: PathBuf,
    /// Keys that end it.
    pub(crate) quit: &'static str,
    /// Keys to the newest message.
    pub(crate) to_end: &'static str,
    /// Who talks in the channel.
    pub(crate) talker: Talker,
    /// Ended in this order, after the talker.
    _around: (Option<Server>, Option<Keyring>, Vec<TempDir>),
}

impl Client {
    /// MeChat's, built beside this program, with a relay whose log is in memory.
    pub(crate) fn mechat() -> anyhow::Result<Self> {
        let path = server::program()?.with_file_name(format!("mechat-tui{}", std::env::consts::EXE_SUFFIX));
        ensure!(
            path.exists(),
            "there is no {}: build mechat-tui, or use `cargo xtask bench tui`",
            path.display()
        );
        let (relay, home, bare, empty) =
            (tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?);
        // Not pinned anew: it stays on the core of this process, and the client has the other one.
        let server = Server::start(Kind::Memory, relay.path(), &POPULATION, Pinning::None, None)?;
        let address = RelayAddress::new(&server.address.ip().to_string(), server.address.port())?;
        let (channel, fingerprint) = (Some(names::channel(0)), Some(server.fingerprint));
        let invite = Invite { address: address.clone(), channel, fingerprint, code: None };
        let way = Way::to(server.address, server.fingerprint)?;
        let talker = Talker::start(move || People::enter(&way))?;
        let keyring = Keyring::start(home.path());
        let environment = match &keyring {
            Ok(keyring) => environment(keyring.environment().to_vec()),
            Err(_) => environment(vec![("HOME", text(home.path())?)]),
        };
        let (keyring, asks) = match keyring {
            Ok(keyring) => (Some(keyring), None),
            Err(error) => (None, Some(format!("it asks for the password: {error:#}"))),
        };
        let program = |directory: &Path, more: &[String]| {
            let mut arguments = vec!["--data-dir".to_owned(), text(directory)?];
            arguments.extend_from_slice(more);
            anyhow::Ok(Program { path: path.clone(), arguments, environment: environment.clone() })
        };
        let data = home.path().join("mechat");
        let log_in = vec![("[2] log in", "2".to_owned()), ("Password", format!("{PASSWORD}\r"))];
        Ok(Self {
            name: "MeChat".to_owned(),
            bare: program(bare.path(), &[])?,
            first: program(&data, &[invite.to_string()])?,
            again: program(&data, &["--relay".to_owned(), address.to_string()])?,
            into: vec![
                ("register", "1".to_owned()),
                ("Again", format!("{ACCOUNT}\t{PASSWORD}\t{PASSWORD}\r")),
                ("#c000000", String::new()),
            ],
            back: if asks.is_some() { log_in } else { Vec::new() },
            asks,
            home: data,
            quit: "\x11",
            to_end: "\x1b[1;5F",
            talker,
            _around: (Some(server), keyring, vec![relay, home, bare, empty]),
        })
    }

    /// WeeChat as the system has it, with an IRC server of this process; `Err` says why there is none.
    pub(crate) fn weechat(pinning: Pinning) -> anyhow::Result<Self> {
        let path =
            found("weechat").context("WeeChat is not installed (Debian's package is weechat-curses)")?;
        let output = Command::new(&path).arg("--version").stdin(Stdio::null()).output();
        let output = output.context("asking WeeChat for its version")?;
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let (home, bare) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let program = |home: &Path, more: &[&str]| {
            let mut arguments = vec!["--dir".to_owned(), text(home)?];
            arguments.extend(more.iter().map(ToString::to_string));
            let environment = environment(vec![("HOME", text(home)?)]);
            anyhow::Ok(Program { path: path.clone(), arguments, environment })
        };
        let server = IrcServer::start()?;
        // Written by itself, so that what is measured is an ordinary configuration.
        for (home, commands) in
            [(bare.path(), "/save;/quit".to_owned()), (home.path(), configuration(&server))]
        {
            Pty::open(&program(home, &["--run-command", &commands])?, pinning)?.quit("")?;
        }
        let (bare_program, program) = (program(bare.path(), &[])?, program(home.path(), &[])?);
        Ok(Self {
            name: format!("WeeChat {version}"),
            bare: bare_program,
            first: program.clone(),
            again: program,
            into: vec![(irc::CHANNEL, String::new())],
            back: vec![(irc::CHANNEL, String::new())],
            asks: None,
            home: home.path().to_owned(),
            quit: "/quit\r",
            to_end: "\x1b[1;3F",
            talker: Talker::start(move || Ok(server))?,
            _around: (None, None, vec![home, bare]),
        })
    }

    /// Goes into the channel for the first time.
    pub(crate) fn enter(&self, pty: &mut Pty) -> anyhow::Result<()> {
        follow(pty, &self.into)
    }

    /// Goes into the channel after a later start.
    pub(crate) fn come_back(&self, pty: &mut Pty) -> anyhow::Result<()> {
        follow(pty, &self.back)
    }
}

fn follow(pty: &mut Pty, steps: &[Step]) -> anyhow::Result<()> {
    for (shown, typed) in steps {
        pty.shows(shown)?;
        pty.keys(typed)?;
    }
    Ok(())
}

/// WeeChat keeps 4,096 lines of a buffer unless told otherwise; here it keeps what it got, as it is said to have got it.
fn configuration(server: &IrcServer) -> String {
    let address = server.address;
    [
        &format!("/server add bench {}/{} -nicks={ACCOUNT}", address.ip(), address.port()),
        // The name of the option depends on the version; of the other one WeeChat says that there is none.
        "/set irc.server.bench.ssl off",
        "/set irc.server.bench.tls off",
        "/set irc.server.bench.autoconnect on",
        &format!("/set irc.server.bench.autojoin {}", irc::CHANNEL),
        "/set weechat.history.max_buffer_lines_number 0",
        "/save",
        "/quit",
    ]
    .join(";")
}

/// Where a program is that a shell would find.
fn found(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file())
}

/// The same for both, and nothing of this process's.
fn environment(more: Vec<(&'static str, String)>) -> Vec<(&'static str, String)> {
    let mut all =
        vec![("TERM", "xterm-256color".to_owned()), ("LANG", "C.UTF-8".to_owned()), ("TZ", "UTC".to_owned())];
    all.extend(more);
    all
}

fn text(path: &Path) -> anyhow::Result<String> {
    Ok(path.to_str().context("a temporary directory is UTF-8")?.to_owned())
}
