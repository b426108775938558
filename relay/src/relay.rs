//! A relay from start to stop.
//!
//! Owns the order of both: port, storage, certificate, keys; then the port, the connections, the storage.

use std::fs::{File, TryLockError};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use mechat_certs::{IdentityError, RelayIdentity, Reload};
use mechat_hub::{Hub, HubConfig};
use mechat_protocol::limits::SHUTDOWN_TIMEOUT_MS;
use mechat_protocol::name::RELAY_ACCOUNT;
use mechat_protocol::request::ChannelKind;
use mechat_protocol::{AccountName, ChannelName, Fingerprint, Invite, RelayAddress, UnixMillis};
use tokio::net::TcpListener;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::Config;
use crate::admission::Admission;
use crate::connection::Surroundings;
use crate::credentials::{Credentials, KeysExpected};
use crate::driver::Driver;
use crate::storage::{Contents, MemoryStorage, SqliteStorage, Storage, StorageError, Write};
use crate::{descriptors, listener, translate};

/// The channel that every relay has from its first start.
const LOBBY: &str = "lobby";
/// How long connections may take to say goodbye.
const GOODBYE_LIMIT: Duration = Duration::from_millis(1_250);
/// What the process needs for its own end, in milliseconds.
const STOP_MARGIN_MS: u64 = 500;
/// How often the certificate files are looked at.
const RELOAD_INTERVAL: Duration = Duration::from_secs(2);

/// A running relay. [`Relay::shutdown`] stops it and waits; dropping it stops it too, but waits for nothing.
#[derive(Debug)]
pub struct Relay {
    local_addr: SocketAddr,
    identity: Arc<RelayIdentity>,
    storage: Arc<dyn Storage>,
    stop: CancellationToken,
    tasks: TaskTracker,
    driver: JoinHandle<Result<(), StorageError>>,
    _stop_on_drop: DropGuard,
    _claim: Option<File>,
}

impl std::fmt::Debug for dyn Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Makes a running relay read its certificate again.
#[derive(Debug, Clone)]
pub struct ReloadHandle(Arc<RelayIdentity>);

impl ReloadHandle {
    /// Reads the certificate. New connections see a new one, the others go on; on an error the old one stays.
    pub fn reload(&self) {
        if let Err(error) = self.try_reload() {
            tracing::error!(%error, "certificate not reloaded; the old one stays in use");
        }
    }

    fn try_reload(&self) -> Result<(), IdentityError> {
        match self.0.reload()? {
            Reload::Unchanged => tracing::info!("certificate read again: unchanged"),
            Reload::Changed { old, new } => tracing::info!(%old, %new, "certificate changed"),
        }
        Ok(())
    }
}

/// Opens the storage that the settings name.
pub fn open_storage(config: &Config) -> anyhow::Result<Arc<dyn Storage>> {
    make_data_dir(config)?;
    Ok(match config.database() {
        Some(path) => Arc::new(SqliteStorage::open(&path)?),
        None => Arc::new(MemoryStorage::default()),
    })
}

/// Keeps a second relay from the same database: each would tell its own members only of its own messages.
/// The lock ends with the process, however it ends.
fn claim_database(config: &Config) -> anyhow::Result<Option<File>> {
    make_data_dir(config)?;
    let Some(path) = config.database() else { return Ok(None) };
    let lock = path.with_added_extension("lock");
    let file = File::create(&lock).with_context(|| format!("the lock file {}", lock.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => anyhow::bail!(
            "another relay is using {}: stop it, or give this one a directory of its own with --data-dir DIR",
            path.display()
        ),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", lock.display())),
    }
}

fn make_data_dir(config: &Config) -> anyhow::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(&config.data_dir)
        .with_context(|| format!("the data directory {}", config.data_dir.display()))
}

impl Relay {
    /// Binds, opens the storage, makes what is missing, and serves until [`Relay::shutdown`].
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        // The port first: who finds it taken has touched nothing.
        let listener = bind(config.listen).await?;
        let claim = claim_database(&config)?;
        let storage = open_storage(&config)?;
        Ok(Self { _claim: claim, ..Self::serve(config, listener, storage).await? })
    }

    /// The same with a storage of one's own.
    pub async fn start_on(config: Config, storage: Arc<dyn Storage>) -> anyhow::Result<Self> {
        let listener = bind(config.listen).await?;
        Self::serve(config, listener, storage).await
    }

    async fn serve(config: Config, listener: TcpListener, storage: Arc<dyn Storage>) -> anyhow::Result<Self> {
        config.validate()?;
        let local_addr = listener.local_addr().context("the listening address")?;
        make_data_dir(&config)?;
        let identity = Arc::new(load_identity(&config)?);
        let contents = open_contents(storage.as_ref()).await?;
        let keys = KeysExpected { present: !contents.accounts.is_empty() };
        let credentials = Arc::new(Credentials::open(&config.data_dir, keys, Arc::clone(&storage))?);
        let hub = Hub::new(hub_config(&config, storage.as_ref()), translate::snapshot(contents));
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (driver, inputs) = Driver::new(hub, Arc::clone(&storage), credentials);
        let surroundings =
            Surroundings { config: identity.server_config(), driver: inputs, presence: driver.presence() };
        let driver = tokio::spawn(driver.run(stop.clone()));
        let connections_max = descriptors::connections().map_or(config.connections_max, |allowed| {
            if allowed < config.connections_max {
                tracing::info!(allowed, "fewer connections than set: the limit of open files allows no more");
            }
            allowed.min(config.connections_max)
        });
        let door = Admission::new(connections_max);
        tokio::spawn(listener::accept(listener, surroundings, door, tasks.clone(), stop.child_token()));
        tokio::spawn(watch_certificate(ReloadHandle(Arc::clone(&identity)), stop.child_token()));
        tracing::info!(%local_addr, storage = storage.name(), fingerprint = %identity.fingerprint(), "serving");
        let guard = stop.clone().drop_guard();
        Ok(Self { local_addr, identity, storage, stop, tasks, driver, _stop_on_drop: guard, _claim: None })
    }

    /// The address it listens on, with the real port.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Its certificate's fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        self.identity.fingerprint()
    }

    /// The storage's name.
    pub fn storage_name(&self) -> &'static str {
        self.storage.name()
    }

    /// A link with which others join `#lobby`: an address of this machine that others can reach, and the fingerprint.
    #[expect(clippy::missing_panics_doc, reason = "an IP address and a bound port always make an address")]
    pub fn invite(&self) -> Invite {
        let ip = self.local_addr.ip();
        let ip = if ip.is_unspecified() { reachable_ip() } else { ip };
        let address = RelayAddress::new(&ip.to_canonical().to_string(), self.local_addr.port())
            .expect("an IP address and a bound port make an address");
        Invite {
            address,
            channel: ChannelName::new(LOBBY).ok(),
            fingerprint: Some(self.fingerprint()),
            code: None,
        }
    }

    /// Stops the relay when it is cancelled.
    pub fn stop_handle(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Makes it read its certificate again.
    pub fn reload_handle(&self) -> ReloadHandle {
        ReloadHandle(Arc::clone(&self.identity))
    }

    /// Tells clients to go, drains, flushes. At most `SHUTDOWN_TIMEOUT_MS`.
    pub async fn shutdown(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.wait().await
    }

    /// Waits until the relay was stopped or its storage failed, then ends within `SHUTDOWN_TIMEOUT_MS`.
    pub async fn wait(mut self) -> anyhow::Result<()> {
        let stop = self.stop.clone();
        tokio::select! {
            served = &mut self.driver => return self.end(served).await,
            () = stop.cancelled() => {}
        }
        let ended = async {
            let served = (&mut self.driver).await;
            self.end(served).await
        };
        let limit = Duration::from_millis(SHUTDOWN_TIMEOUT_MS - STOP_MARGIN_MS);
        let ended = tokio::time::timeout(limit, ended).await;
        ended.context("the relay did not stop in time: what it acknowledged is kept")?
    }

    async fn end(&self, served: Result<Result<(), StorageError>, JoinError>) -> anyhow::Result<()> {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(GOODBYE_LIMIT, self.tasks.wait()).await.is_err() {
            tracing::warn!("some connections did not end in time");
        }
        let served = served.context("the relay's driver")?;
        served.context(
            "the storage failed: nothing was acknowledged since; start the relay again to recover",
        )?;
        self.storage.close().await?;
        tracing::info!("stopped");
        Ok(())
    }
}

async fn bind(listen: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = match TcpListener::bind(listen).await {
        // A machine without IPv6: the default still means every address.
        Err(error) if listen.ip().is_unspecified() && listen.is_ipv6() && lacks_ipv6(&error) => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, listen.port())).await
        }
        bound => bound,
    };
    bound.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            anyhow::anyhow!(
                "port {} of {} is in use: is a relay running already? choose another with --listen IP:PORT",
                listen.port(),
                listen.ip()
            )
        }
        _ => anyhow::Error::new(error).context(format!("listening on {listen}")),
    })
}

/// Neither a port that is taken nor a right that is missing: those are the operator's to know.
fn lacks_ipv6(error: &std::io::Error) -> bool {
    !matches!(error.kind(), std::io::ErrorKind::AddrInUse | std::io::ErrorKind::PermissionDenied)
}

fn load_identity(config: &Config) -> anyhow::Result<RelayIdentity> {
    Ok(match &config.certificate {
        Some((cert, key)) => RelayIdentity::from_files(cert.clone(), key.clone())?,
        None => RelayIdentity::load_or_create(&config.data_dir, &[])?,
    })
}

/// What the storage holds; a lobby at least.
async fn open_contents(storage: &dyn Storage) -> anyhow::Result<Contents> {
    let mut contents = storage.load().await?;
    if contents.channels.is_empty() {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let at = UnixMillis(i64::try_from(at).unwrap_or(i64::MAX));
        let lobby = ChannelName::new(LOBBY).expect("a valid name");
        storage
            .commit(vec![Write::CreateChannel { name: lobby, kind: ChannelKind::Public, host: None, at }])
            .await?;
        contents = storage.load().await?;
    }
    Ok(contents)
}

fn hub_config(config: &Config, storage: &dyn Storage) -> HubConfig {
    HubConfig {
        agent: format!("mechat-relay {}", env!("CARGO_PKG_VERSION")),
        motd: config.motd.clone(),
        durability: storage.durability(),
        participants_before_sign_in: config.participants_before_sign_in,
        relay_account: AccountName::new(RELAY_ACCOUNT).expect("a valid name"),
    }
}

/// Reads the certificate again when its files change. A half-written pair fails until its other half is there:
/// it is tried again each time, and said once.
async fn watch_certificate(reload: ReloadHandle, stop: CancellationToken) {
    let mut told = false;
    while stop.run_until_cancelled(tokio::time::sleep(RELOAD_INTERVAL)).await.is_some() {
        if !reload.0.changed_on_disk() {
            continue;
        }
        match reload.try_reload() {
            Ok(()) => told = false,
            Err(error) if !told => {
                tracing::error!(%error, "certificate not reloaded; the old one stays in use until the new one can be read");
                told = true;
            }
            Err(_) => {}
        }
    }
}

/// The address from which this machine would reach others: the one they most likely reach it by.
/// Connecting a UDP socket sends nothing; it only asks the routing table.
fn reachable_ip() -> IpAddr {
    let route = || -> std::io::Result<IpAddr> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?; // TEST-NET-1 (RFC 5737)
        Ok(socket.local_addr()?.ip())
    };
    route().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}
