//! An IRC server that is just enough for one client in one channel (RFC 2812), so that WeeChat hears what MeChat hears.
//!
//! Owns a listening socket and one connection at a time, the newest. It knows no other users: speakers are names before the words.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read as _, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;

use crate::tui::talker::Mouth;

/// The one channel.
pub(crate) const CHANNEL: &str = "#bench";
/// Bytes of a line that are read at most; RFC 2812 has 512, tags come before.
const LINE_LEN_MAX: u64 = 8_704;
/// Speakers at a steady rate, in turn.
const SPEAKERS: usize = 4;

/// How long a client may take to join before it is missed.
const PATIENCE: Duration = Duration::from_secs(10);

/// The connection to the client, once it has joined.
#[derive(Debug, Default)]
struct Joined {
    stream: Mutex<Option<TcpStream>>,
    happened: Condvar,
}

impl Joined {
    fn lock(&self) -> MutexGuard<'_, Option<TcpStream>> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Once there is one.
    fn wait(&self, patience: Duration) -> MutexGuard<'_, Option<TcpStream>> {
        let waited = self.happened.wait_timeout_while(self.lock(), patience, |stream| stream.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// The server.
#[derive(Debug)]
pub(crate) struct IrcServer {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    joined: Arc<Joined>,
    speaker: usize,
}

impl IrcServer {
    /// Listens on a free port of this machine until the process ends.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listening for IRC")?;
        let address = listener.local_addr()?;
        let joined = Arc::<Joined>::default();
        let accepting = Arc::clone(&joined);
        std::thread::Builder::new().name("irc".into()).spawn(move || {
            // One after another: a client that starts anew has left its connection before.
            for stream in listener.incoming().map_while(Result::ok) {
                // A client that went away in the middle of a word is only gone; the screen shows if it should not be.
                let _ = attend(stream, &accepting);
                *accepting.lock() = None;
            }
        })?;
        Ok(Self { address, joined, speaker: 0 })
    }
}

impl Mouth for IrcServer {
    fn say(&mut self, texts: &[String]) -> anyhow::Result<()> {
        // In bulk one person speaks, as on the relay.
        self.speaker = if texts.len() > 1 { 0 } else { (self.speaker + 1) % SPEAKERS };
        let speaker = self.speaker;
        let mut lines = String::new();
        for text in texts {
            write!(lines, ":m{speaker:06}!m@localhost PRIVMSG {CHANNEL} :{text}\r\n")?;
        }
        let mut joined = self.joined.wait(PATIENCE);
        let stream = joined.as_mut().context("no IRC client is in the channel")?;
        stream.write_all(lines.as_bytes()).context("the IRC client went away")
    }

    fn stay_alive(&mut self) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Answers one client until it leaves.
fn attend(stream: TcpStream, joined: &Joined) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut answers = stream.try_clone()?;
    let mut lines = BufReader::new(stream);
    let mut nick = "*".to_owned();
    loop {
        let mut line = String::new();
        if lines.by_ref().take(LINE_LEN_MAX).read_line(&mut line)? == 0 {
            return Ok(());
        }
        let (command, rest) = line.trim_end().split_once(' ').unwrap_or((line.trim_end(), ""));
        if command == "NICK" {
            rest.trim_start_matches(':').clone_into(&mut nick);
        }
        // Before it has joined nobody else writes to it.
        let answer = answer(command, rest, &nick);
        let mut place = joined.lock();
        answers.write_all(answer.as_bytes())?;
        match command {
            "JOIN" => {
                *place = Some(answers.try_clone()?);
                joined.happened.notify_all();
            }
            "QUIT" => return Ok(()),
            _ => {}
        }
    }
}

/// What a command is answered with; nothing if it needs no answer here.
fn answer(command: &str, rest: &str, nick: &str) -> String {
    let first = rest.split(' ').next().unwrap_or_default();
    match command {
        "CAP" if first == "LS" => format!(":bench CAP {nick} LS :\r\n"),
        "USER" => format!(
            ":bench 001 {nick} :Welcome\r\n:bench 005 {nick} CHANTYPES=# :are supported\r\n\
             :bench 422 {nick} :no message of the day\r\n"
        ),
        "JOIN" => format!(
            ":{nick}!m@localhost JOIN {CHANNEL}\r\n:bench 353 {nick} = {CHANNEL} :{nick} {}\r\n\
             :bench 366 {nick} {CHANNEL} :End of names\r\n",
            (0..SPEAKERS).map(|speaker| format!("m{speaker:06}")).collect::<Vec<_>>().join(" ")
        ),
        "MODE" => format!(":bench 324 {nick} {CHANNEL} +nt\r\n"),
        "WHO" => format!(":bench 315 {nick} {first} :End of who\r\n"),
        "PING" => format!(":bench PONG bench {rest}\r\n"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_registers_joins_and_hears() {
        let mut server = IrcServer::start().expect("listens");
        assert!(server.joined.wait(Duration::from_millis(1)).is_none(), "nobody is there");
        for life in 0..2 {
            let mut client = TcpStream::connect(server.address).expect("connects");
            let mut lines = BufReader::new(client.try_clone().expect("a copy")).lines();
            client.write_all(b"CAP LS 302\r\nNICK ann\r\nUSER a 0 * :a\r\nCAP END\r\n").expect("sent");
            client.write_all(b"JOIN #bench\r\nPING 123\r\n").expect("sent");
            let mut until = |end: &str| {
                lines.by_ref().map(|line| line.expect("a line")).find(|line| line.contains(end)).expect(end)
            };
            until("001 ann");
            until("ann!m@localhost JOIN #bench");
            until("PONG bench 123");
            server.say(&["one".into(), "two".into()]).expect("said");
            assert_eq!(until("PRIVMSG"), ":m000000!m@localhost PRIVMSG #bench :one", "life {life}");
            until(":two");
            client.write_all(b"QUIT :bye\r\n").expect("sent");
            assert!(lines.next().is_none(), "it hangs up");
        }
    }
}
