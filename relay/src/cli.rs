//! The command line of `mechat-relay`: raw arguments to meant ones.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

use mechat_relay::config::{Config, ConfigFile};

/// A group chat that a team hosts itself: the server. Without arguments it just works, and prints the link to join.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: Settings,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write every log entry as a line of JSON to standard output, and the count to standard error. The relay may run.
    Export(Settings),
}

/// Flags stand over environment variables, those over the config file, that over the defaults.
#[derive(Debug, Args, Default)]
pub(crate) struct Settings {
    /// Address to listen on [default: [::]:7667]
    #[arg(long, visible_alias = "addr", value_name = "IP:PORT", env = "MECHAT_LISTEN")]
    listen: Option<SocketAddr>,
    /// PEM file with the certificate chain [default: one made on the first start]
    #[arg(long, value_name = "FILE", env = "MECHAT_CERT")]
    cert: Option<PathBuf>,
    /// PEM file with the certificate's private key, mode 0600
    #[arg(long, value_name = "FILE", env = "MECHAT_KEY")]
    key: Option<PathBuf>,
    /// Where everything is kept: sqlite, sqlite:PATH, or memory (nothing outlives the relay) [default: sqlite]
    #[arg(long, value_name = "STORAGE", env = "DATABASE_BACKEND")]
    storage: Option<String>,
    /// Directory of database, keys and certificate [default: the platform's]
    #[arg(long, value_name = "DIR", env = "MECHAT_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// TOML file with the same settings
    #[arg(long, value_name = "FILE", env = "MECHAT_CONFIG")]
    config: Option<PathBuf>,
    /// Connections at a time; the operating system's limit of open files may allow fewer [default: 65536]
    #[arg(long, value_name = "N", env = "MECHAT_CONNECTIONS_MAX")]
    connections_max: Option<usize>,
    /// What to log: error, warn, info, debug, or a filter such as mechat_relay=debug [default: info]
    #[arg(long, value_name = "FILTER", env = "MECHAT_LOG")]
    log: Option<String>,
}

/// What was meant.
pub(crate) struct Meant {
    pub(crate) config: Config,
    pub(crate) log: String,
}

impl Settings {
    /// Puts flags, environment and file together.
    pub(crate) fn resolve(self) -> anyhow::Result<Meant> {
        let file = self.config.as_deref().map(ConfigFile::read).transpose()?.unwrap_or_default();
        let mut config = match self.data_dir.or(file.data_dir) {
            Some(data_dir) => Config::in_directory(data_dir),
            None => Config::new()?,
        };
        config.listen = self.listen.or(file.listen).unwrap_or(config.listen);
        if let Some(storage) = self.storage.or(file.storage) {
            config.storage = storage
                .parse()
                .map_err(anyhow::Error::msg)
                .context("--storage, DATABASE_BACKEND or `storage` in the config file")?;
        }
        config.certificate = match (self.cert.or(file.cert), self.key.or(file.key)) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => anyhow::bail!("a certificate and its key go together: give both --cert and --key"),
        };
        config.motd = file.motd;
        config.connections_max =
            self.connections_max.or(file.connections_max).unwrap_or(config.connections_max);
        config.participants_before_sign_in = file.participants_before_sign_in.unwrap_or_default();
        config.validate()?;
        Ok(Meant { config, log: self.log.or(file.log).unwrap_or_else(|| "info".into()) })
    }
}

/// Logs go to standard error, in colour only on a terminal.
pub(crate) fn start_log(filter: &str) -> anyhow::Result<()> {
    let filter: Targets = filter.parse().with_context(|| {
        format!("`{filter}` is not a log filter; valid: error, warn, info, debug, trace, or TARGET=LEVEL,…")
    })?;
    let errors = std::io::stderr;
    let lines = tracing_subscriber::fmt::layer().with_writer(errors).with_ansi(errors().is_terminal());
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    Ok(())
}
