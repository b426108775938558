//! `mechat-relay`: a command line round [`mechat_relay::Relay`].
//!
//! Owns the process: arguments, logs, signals, exit codes (0 ended as asked, 1 failed, 2 told something impossible).

use std::process::ExitCode;

use clap::Parser;
use mechat_relay::Relay;

use crate::cli::{Cli, Command, Meant};

mod cli;
mod export;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let (settings, is_export) = match cli.command {
        Some(Command::Export(settings)) => (settings, true),
        None => (cli.serve, false),
    };
    let meant = settings.resolve().and_then(|meant| cli::start_log(&meant.log).map(|()| meant));
    let result = match meant {
        Ok(meant) if is_export => run(export::export(meant.config)),
        Ok(meant) => run(serve(meant)),
        Err(error) => return complain(&error, 2),
    };
    result.map_or_else(|error| complain(&error, 1), |()| ExitCode::SUCCESS)
}

/// A relay that breaks its promises on purpose says so wherever it is started.
#[cfg(feature = "mutations")]
#[expect(clippy::print_stderr, reason = "no log filter may hide it")]
fn warn_of_mutations() {
    eprintln!(
        "THIS RELAY LOSES MESSAGES ON PURPOSE: it acknowledges before it commits. It is a test's; never use it."
    );
}

#[cfg(not(feature = "mutations"))]
const fn warn_of_mutations() {}

fn run(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

#[expect(clippy::print_stderr, reason = "the operator reads why the relay did not start")]
fn complain(error: &anyhow::Error, code: u8) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::from(code)
}

#[expect(clippy::print_stdout, reason = "the operator reads where the relay is and how to join it")]
async fn serve(meant: Meant) -> anyhow::Result<()> {
    warn_of_mutations();
    let relay = Relay::start(meant.config).await?;
    println!("listening on  {}", relay.local_addr());
    println!("storage       {}", relay.storage_name());
    println!("fingerprint   {}", relay.fingerprint());
    println!("join with     mechat-tui '{}'", relay.invite());
    let stopped = relay.stop_handle();
    tokio::spawn(signals(relay.reload_handle(), stopped));
    relay.wait().await
}

/// SIGTERM and SIGINT stop the relay, SIGHUP makes it read its certificate again.
#[cfg(unix)]
async fn signals(reload: mechat_relay::ReloadHandle, stop: tokio_util::sync::CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let handlers =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()));
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) = handlers else {
        tracing::error!("signals cannot be handled: stop the relay with SIGKILL");
        return;
    };
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => reload.reload(),
        }
    }
    stop.cancel();
    // Who asks twice does not want to wait.
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    std::process::exit(1);
}

/// Ctrl-C stops the relay.
#[cfg(not(unix))]
async fn signals(_reload: mechat_relay::ReloadHandle, stop: tokio_util::sync::CancellationToken) {
    if tokio::signal::ctrl_c().await.is_ok() {
        stop.cancel();
    }
}
