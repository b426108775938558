//! The command line: raw arguments become what is meant.
//!
//! Exit codes: 0 as asked, 1 something failed, 2 the command line makes no sense.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use mechat_protocol::{Fingerprint, Invite, RelayAddress};
use tracing::level_filters::LevelFilter;

use crate::app::files::Places;
use crate::model::Target;
use crate::{app, doctor, plain};

/// Group chat in the terminal: join a relay, or host one.
#[derive(Debug, Parser)]
#[command(name = "mechat-tui", version, about, args_conflicts_with_subcommands = false)]
struct Cli {
    /// The relay to go to, instead of choosing one on the start screen.
    #[arg(long, value_name = "HOST[:PORT]", conflicts_with = "link")]
    relay: Option<RelayAddress>,
    /// An invite link, mechat://…: joins in one step.
    #[arg(value_name = "LINK")]
    link: Option<Invite>,
    /// The only certificate to accept, by its SHA-256 fingerprint.
    #[arg(long, value_name = "FINGERPRINT")]
    fingerprint: Option<Fingerprint>,
    #[command(flatten)]
    common: Common,
    /// Where this client keeps its relays, pins and log [default: the platform's directories].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Sub>,
}

#[derive(Debug, Args)]
struct Common {
    /// Lines in, lines out: for pipes, scripts and screen readers.
    #[arg(long, global = true)]
    plain: bool,
    /// With --plain: write emoji by their names, `:thumbs_up:`.
    #[arg(long, global = true, requires = "plain")]
    speak: bool,
    /// How much goes to the log file: off, error, warn, info, debug or trace.
    #[arg(long, global = true, value_name = "LEVEL", default_value = "info")]
    log: LevelFilter,
}

#[derive(Debug, Subcommand)]
enum Sub {
    /// Run a relay in this process, and chat on it.
    Host {
        /// The address to listen on [default: all, port 7667].
        #[arg(long, alias = "addr", value_name = "ADDR")]
        listen: Option<SocketAddr>,
        /// Where the relay keeps its database, keys and certificate [default: the platform's data directory].
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
    /// Tell what terminal, keyring, clipboard, files and relays can do here.
    Doctor {
        /// The relay to ask, instead of all that are known.
        #[arg(long, value_name = "HOST[:PORT]")]
        relay: Option<RelayAddress>,
    },
    /// Print the completions of a shell: `mechat-tui completions bash > FILE`.
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Print the manual page: `mechat-tui man > mechat-tui.1`.
    Man,
}

/// The relay that shall run in this process.
#[derive(Debug, Clone)]
pub struct HostOptions {
    /// Where it listens.
    pub listen: Option<SocketAddr>,
    /// Where its data is.
    pub data_dir: Option<PathBuf>,
}

/// What the user wants.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The relay that was named.
    pub target: Option<Target>,
    /// A relay in this process.
    pub host: Option<HostOptions>,
    /// Where this client's files are.
    pub places: Places,
    /// Emoji are written by their names.
    pub speak: bool,
}

/// Parses, runs, and says what went wrong.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; clap knows which stream and which code.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let chats = matches!(cli.command, None | Some(Sub::Host { .. }));
    let terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if chats && !cli.common.plain && !terminal {
        say("error: the full screen needs a terminal for input and output; use --plain in pipes and scripts");
        return ExitCode::from(2);
    }
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let places = Places::new(cli.data_dir)?;
    let host = match cli.command {
        None => None,
        Some(Sub::Host { listen, data_dir }) => Some(HostOptions { listen, data_dir }),
        Some(Sub::Doctor { relay }) => return doctor::run(&places, relay),
        Some(Sub::Completions { shell }) => return completions(shell),
        Some(Sub::Man) => return manual(),
    };
    let mut target = cli.link.map(Target::from).or(cli.relay.map(Target::from));
    if let (Some(target), Some(fingerprint)) = (&mut target, cli.fingerprint) {
        target.invited = Some(fingerprint);
    }
    let wanted = Wanted { target, host, places, speak: cli.common.speak };
    if cli.common.plain {
        app::files::start_log(&wanted.places, cli.common.log);
        return plain::shell::run(wanted);
    }
    app::run(wanted, cli.common.log)
}

fn completions(shell: Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mechat-tui", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

fn manual() -> anyhow::Result<ExitCode> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    std::io::stdout().lock().write_all(&page)?;
    Ok(ExitCode::SUCCESS)
}

/// A line to the user, on standard error.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once(&"mechat-tui").chain(arguments))
    }

    #[test]
    fn understands_what_is_documented() {
        let cli = parse(&["--relay", "chat.example.org", "--plain", "--log", "debug"]).expect("valid");
        assert_eq!(cli.relay.map(|relay| relay.to_string()), Some("chat.example.org:7667".into()));
        assert!(cli.common.plain);
        assert!(parse(&["--plain", "--speak"]).expect("valid").common.speak);
        let cli = parse(&["mechat://h:1/lobby"]).expect("a link");
        assert_eq!(cli.link.and_then(|link| link.channel).map(|c| c.to_string()), Some("lobby".into()));
        let cli = parse(&["host", "--listen", "127.0.0.1:0", "--data-dir", "/x", "--plain"]).expect("host");
        assert!(cli.common.plain);
        assert!(matches!(cli.command, Some(Sub::Host { listen: Some(_), data_dir: Some(_) })));
        assert!(parse(&[]).expect("nothing at all").command.is_none());
        assert!(matches!(parse(&["doctor"]).expect("doctor").command, Some(Sub::Doctor { relay: None })));
    }

    #[test]
    fn the_command_line_describes_itself() {
        Cli::command().debug_assert();
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page).expect("a page");
        let page = String::from_utf8(page).expect("text");
        for what in ["doctor", "host", "relay", "plain", "completions"] {
            assert!(page.contains(what), "the manual lacks {what}");
        }
    }

    #[test]
    fn refuses_nonsense_and_says_what_is_valid() {
        for (arguments, hint) in [
            (vec!["--relay", "a b"], "HOST:PORT"),
            (vec!["http://x"], "mechat://"),
            (vec!["--relay", "h", "mechat://h"], "cannot be used with"),
            (vec!["--log", "loud"], "--log"),
            (vec!["--fingerprint", "12"], "64 hexadecimal"),
            (vec!["host", "--listen", "nowhere"], "--listen"),
            (vec!["--speak"], "--plain"),
            (vec!["--nonsense"], "--nonsense"),
        ] {
            let error = parse(&arguments).expect_err("nonsense");
            assert!(error.to_string().contains(hint), "{arguments:?}: {error}");
            assert_eq!(error.exit_code(), 2);
        }
    }
}
