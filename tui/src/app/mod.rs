//! The shell of the full-screen client: it reads, feeds, performs, arms a timer, and draws what changed.
//!
//! Owns the terminal, the runtime, the client's handle, the keyring's thread and the files. It never decides anything:
//! [`update`](mod@crate::update) does.
//!
//! Invariants: the first picture comes before network, keyring and relay; a burst of events is drawn once; nothing ticks
//! while nothing changes; quitting waits for nobody longer than its limits.

pub mod burst;
pub mod claim;
pub mod drafts;
pub mod editor;
pub mod files;
pub mod keyboard;
pub mod opener;
pub mod output;
pub mod probe;
pub mod settings;
pub mod terminal;
pub mod tokens;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use crossterm::event::Event as TerminalEvent;
use futures_util::FutureExt as _;
use jiff::tz::TimeZone;
use mechat_client::cache::Snapshot;
use mechat_client::{Cache, CacheEvent, Client, Command, Config, Event as ClientEvent};
use mechat_protocol::request::HistoryRange;
use mechat_protocol::{AccountName, ChannelId, RelayAddress, UnixMillis};
use mechat_relay::Relay;
use tokio::sync::mpsc;
use tracing::level_filters::LevelFilter;

use crate::cli::{HostOptions, Wanted};
use crate::model::{Hosting, Model, Moment, Screen as ModelScreen, Setup, Target};
use crate::theme::{PALETTES, Theme};
use crate::update::{self, Effect, Event};
use burst::Burst;
use claim::Claimed;
use drafts::Drafts;
use files::Places;
use keyboard::{Keyboard, Read};
use settings::Settings;
use terminal::{Panicked, Screen};
use tokens::{Keyring, Request, Tokens};

/// Events from the shell's own tasks that may wait.
const EVENTS_MAX: usize = 64;
/// How long the client may take to say goodbye.
const GOODBYE_LIMIT: Duration = Duration::from_millis(400);
/// How long the keyring may take at the end.
const KEYRING_LIMIT: Duration = Duration::from_millis(300);
/// How long the cache may take to write the last of it.
const CACHE_LIMIT: Duration = Duration::from_millis(300);
/// How long the disk may take for the drafts before the program stops or ends.
const DRAFTS_LIMIT: Duration = Duration::from_millis(500);
/// How long a relay in this process may take to drain.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);
/// Events that are fed before the screen is drawn again.
const BURST_MAX: usize = 512;

/// This software, as relays are told.
pub const AGENT: &str = concat!("mechat-tui/", env!("CARGO_PKG_VERSION"));

/// Runs the full-screen client.
pub fn run(wanted: Wanted, level: LevelFilter) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let panicked = Panicked::watch();
    let runtime = runtime(wanted.host.is_some())?;
    // Before the terminal is taken: a signal that nobody waits for would end the program without giving it back.
    let signals = {
        let _entered = runtime.enter();
        Signals::new()?
    };
    let mut screen = Screen::take().context("the terminal cannot be used")?;
    let (relays, broken) = match files::load_relays(&wanted.places) {
        Ok(relays) => (relays, None),
        Err(error) => (crate::model::RelayBook::default(), Some(format!("{error:#}"))),
    };
    let abilities = settings::abilities();
    let mut model = Model::new(Setup {
        size: screen.size()?,
        zone: TimeZone::system(),
        theme: Theme::of(&PALETTES[0], abilities.depth),
        relays,
        pins_file: wanted.places.pins().display().to_string(),
        now: moment(started),
    });
    let settings = settings::apply(&mut model, &wanted.places, abilities);
    if let Some(broken) = &broken {
        model.complain(broken.clone());
    }
    screen.listen_to_mouse(model.preferences.config.mouse)?;
    let effects = start(&mut model, &wanted);
    screen.draw(&mut model)?;
    files::start_log(&wanted.places, level);
    let outcome = runtime.block_on(async {
        let mut app = App::new(model, screen, wanted.places, started, panicked, settings);
        app.keep_relays_file = broken.is_some();
        if let Some(options) = wanted.host {
            app.host(options);
        }
        app.perform(effects)?;
        app.run(signals).await?;
        app.finish().await;
        anyhow::Ok(())
    });
    // A task that hangs is not waited for.
    runtime.shutdown_background();
    outcome.map(|()| ExitCode::SUCCESS)
}

/// One thread is plenty for a client; a relay gets two more.
pub fn runtime(hosting: bool) -> std::io::Result<tokio::runtime::Runtime> {
    if hosting {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
    } else {
        tokio::runtime::Builder::new_current_thread().enable_all().build()
    }
}

fn start(model: &mut Model, wanted: &Wanted) -> Vec<Effect> {
    if wanted.host.is_some() {
        model.hosting = Some(Hosting::Starting);
        model.screen = ModelScreen::Connecting;
        model.link = crate::model::Link::Connecting { attempt: 1 };
        return Vec::new();
    }
    wanted.target.clone().map_or_else(Vec::new, |target| update::begin(model, target))
}

fn moment(started: Instant) -> Moment {
    Moment {
        wall: UnixMillis(jiff::Timestamp::now().as_millisecond()),
        steady: started.elapsed(),
        nonce: Client::nonce(),
    }
}

/// Starts the relay; the link's port is the real one.
pub async fn start_relay(options: HostOptions) -> anyhow::Result<Relay> {
    let mut config = mechat_relay::Config::new()?;
    if let Some(listen) = options.listen {
        config.listen = listen;
    }
    if let Some(data_dir) = options.data_dir {
        config.data_dir = data_dir;
    }
    Relay::start(config).await
}

/// Starts a client for a relay. One that `resumes` is told how far the logs are known, after each sign-in.
pub fn start_client(
    target: &Target,
    places: &Places,
    resumes: bool,
) -> (Client, mpsc::Receiver<ClientEvent>) {
    Client::start(Config {
        address: target.address.clone(),
        pins: places.pins(),
        invited: target.invited,
        agent: AGENT.to_owned(),
        outbox: Some(places.outbox()),
        resumes,
    })
}

/// The relay in this process is known for sure: an older pin for its address is replaced.
pub fn pin_own_relay(places: &Places, relay: &Relay) {
    let address = mechat_protocol::RelayAddress::new("127.0.0.1", relay.local_addr().port());
    if let Ok(address) = address {
        let pinned = mechat_certs::PinStore::open(places.pins())
            .and_then(|pins| pins.pin(&address, relay.fingerprint()));
        if let Err(error) = pinned {
            tracing::warn!(%error, "the own relay is not pinned");
        }
    }
}

struct App {
    model: Model,
    screen: Screen,
    places: Places,
    settings: Settings,
    started: Instant,
    keep_relays_file: bool,
    client: Option<(Client, mpsc::Receiver<ClientEvent>)>,
    relay: Option<tokio::sync::oneshot::Receiver<Relay>>,
    tokens: Option<Tokens>,
    cache: Option<Cache>,
    drafts: Option<Drafts>,
    keyboard: Keyboard,
    burst: Burst,
    /// Whether the terminal is with the user's editor.
    editing: bool,
    events: (mpsc::Sender<Event>, mpsc::Receiver<Event>),
    panicked: Arc<Panicked>,
    quitting: bool,
}

/// What ended the wait.
enum Woken {
    Terminal(Option<Read>),
    Client(Option<ClientEvent>),
    Own(Option<Event>),
    Signal(Signal),
    Panic,
    Timer,
}

impl App {
    fn new(
        model: Model,
        mut screen: Screen,
        places: Places,
        started: Instant,
        panicked: Arc<Panicked>,
        settings: Settings,
    ) -> Self {
        let keyboard = Keyboard::start(screen.probe.take());
        Self {
            model,
            screen,
            places,
            settings,
            started,
            keep_relays_file: false,
            client: None,
            relay: None,
            tokens: None,
            cache: None,
            drafts: None,
            keyboard,
            burst: Burst::default(),
            editing: false,
            events: mpsc::channel(EVENTS_MAX),
            panicked,
            quitting: false,
        }
    }

    /// Starts the relay in the background; the outcome comes as an event.
    fn host(&mut self, options: HostOptions) {
        let (hand_over, relay) = tokio::sync::oneshot::channel();
        let (events, places) = (self.events.0.clone(), self.places.clone());
        self.relay = Some(relay);
        tokio::spawn(async move {
            let outcome = start_relay(options).await;
            let event = match outcome {
                Ok(relay) => {
                    pin_own_relay(&places, &relay);
                    let invite = relay.invite();
                    let _ = hand_over.send(relay);
                    Ok(invite)
                }
                Err(error) => Err(format!("{error:#}")),
            };
            let _ = events.send(Event::Hosting(event)).await;
        });
    }

    async fn run(&mut self, mut signals: Signals) -> anyhow::Result<()> {
        while !self.quitting {
            let woken = self.wait(&mut signals).await;
            self.feed(woken)?;
            for _ in 0..BURST_MAX {
                let Some(next) = self.ready() else { break };
                self.feed(next)?;
            }
            let typed = self.burst.due(self.started.elapsed());
            self.typed(typed)?;
            if !self.quitting && !self.editing && !self.panicked.happened() {
                self.screen.draw(&mut self.model)?;
            }
        }
        Ok(())
    }

    async fn wait(&mut self, signals: &mut Signals) -> Woken {
        let wake_at = [update::wake_at(&self.model), self.burst.deadline()].into_iter().flatten().min();
        let wake_at = wake_at.map(|at| tokio::time::Instant::from_std(self.started + at));
        tokio::select! {
            biased;
            () = self.panicked.wait() => Woken::Panic,
            signal = signals.next() => Woken::Signal(signal),
            key = self.keyboard.next() => Woken::Terminal(key),
            event = self.events.1.recv() => Woken::Own(event),
            event = next_client_event(&mut self.client) => Woken::Client(event),
            () = sleep_until(wake_at) => Woken::Timer,
        }
    }

    /// What has come already, without waiting.
    fn ready(&mut self) -> Option<Woken> {
        if let Some(key) = self.keyboard.ready() {
            return Some(Woken::Terminal(Some(key)));
        }
        if let Ok(event) = self.events.1.try_recv() {
            return Some(Woken::Own(Some(event)));
        }
        let (_, events) = self.client.as_mut()?;
        events.try_recv().ok().map(|event| Woken::Client(Some(event)))
    }

    fn feed(&mut self, woken: Woken) -> anyhow::Result<()> {
        let event = match woken {
            // Ctrl-C in the editor is the editor's, though the system tells everyone at the terminal.
            Woken::Signal(Signal::Interrupt) if self.editing => return Ok(()),
            Woken::Signal(_) => Event::Terminate,
            Woken::Panic => anyhow::bail!("a part of the program broke; the log has more"),
            Woken::Timer => Event::Timer,
            Woken::Own(Some(event)) => event,
            Woken::Client(Some(event)) => {
                if let Some(cache) = &self.cache {
                    cache.follow(&event);
                }
                Event::Client(event)
            }
            Woken::Client(None) => {
                self.client = None;
                Event::Client(ClientEvent::Stopped)
            }
            Woken::Terminal(Some((at, Ok(event)))) => {
                let typed = self.burst.feed(at.saturating_duration_since(self.started), event);
                return self.typed(typed);
            }
            Woken::Own(None) => return Ok(()),
            // The terminal is gone.
            Woken::Terminal(None | Some((_, Err(_)))) => Event::Terminate,
        };
        self.update(event)
    }

    fn typed(&mut self, events: Vec<TerminalEvent>) -> anyhow::Result<()> {
        for event in events {
            self.update(match event {
                TerminalEvent::Key(key) => Event::Key(key),
                TerminalEvent::Paste(text) => Event::Paste(text),
                TerminalEvent::Resize(columns, rows) => Event::Resize(columns, rows),
                TerminalEvent::FocusGained => Event::Focus(true),
                TerminalEvent::FocusLost => Event::Focus(false),
                TerminalEvent::Mouse(event) => Event::Mouse(event),
            })?;
        }
        Ok(())
    }

    fn update(&mut self, event: Event) -> anyhow::Result<()> {
        if self.editing && matches!(event, Event::Edited { .. }) {
            self.editing = false;
            self.screen.take_again()?;
            self.keyboard.resume();
        }
        let effects = update::update(&mut self.model, event, moment(self.started));
        self.perform(effects)
    }

    fn perform(&mut self, effects: Vec<Effect>) -> anyhow::Result<()> {
        for effect in effects {
            match effect {
                Effect::Connect(target) => self.connect(&target),
                Effect::Disconnect => self.disconnect(),
                Effect::Client(command) => self.command(command),
                Effect::LoadToken(address, account) => self.load_token(Request::Load(address, account)),
                Effect::SaveToken(address, account, token) => {
                    self.token(Request::Save(address, account, token));
                }
                Effect::ForgetToken(address, account) => self.token(Request::Forget(address, account)),
                Effect::OpenCache(address, account) => self.open_cache(address, account),
                Effect::ReadCache(channel, range) => self.read_cache(channel, range),
                Effect::RememberShown(channel) => {
                    if let Some(cache) = &self.cache {
                        cache.shown(channel);
                    }
                }
                Effect::SaveRelays(relays) => self.save_relays(&relays),
                Effect::SaveLooks(looks) => self.save_looks(&looks),
                Effect::ReadConfig { always } => self.read_config(always),
                Effect::Mouse(wanted) => self.screen.listen_to_mouse(wanted)?,
                Effect::LoadDrafts(address, account) => {
                    self.draft(drafts::Request::Load(address, account));
                }
                Effect::SaveDrafts(address, account, drafts) => {
                    self.draft(drafts::Request::Save(address, account, drafts));
                }
                Effect::OpenEditor { channel, text } => self.open_editor(channel, text),
                Effect::Copy(text) => self.screen.copy(&text)?,
                Effect::Open(link) => self.open_link(&link),
                Effect::Redraw => self.screen.forget()?,
                Effect::Suspend => self.suspend()?,
                Effect::Quit => self.quitting = true,
            }
        }
        Ok(())
    }

    fn connect(&mut self, target: &Target) {
        self.disconnect();
        self.client = Some(start_client(target, &self.places, true));
    }

    fn disconnect(&mut self) {
        if let Some((client, _)) = self.client.take() {
            tokio::spawn(async move { client.send(Command::Quit).await });
        }
    }

    /// Never waits: the client's queue is long, and one that is full is told.
    fn command(&mut self, command: Command) {
        let Some((client, _)) = &self.client else { return };
        if let Some(cache) = &self.cache {
            cache.follow_command(&command);
        }
        if tokio::task::unconstrained(client.send(command)).now_or_never().is_none() {
            self.tell(Event::Failed("too much waits to be sent; wait a little, then try again".to_owned()));
        }
    }

    /// The first account starts the thread. Where there is none, nothing is cached.
    fn open_cache(&mut self, relay: RelayAddress, account: AccountName) {
        let (events, directory) = (self.events.0.clone(), self.places.cache());
        let tell = move |event| {
            // The program is ending: nobody reads it any more.
            let _ = events.blocking_send(Event::Cache(event));
        };
        let cache = self.cache.get_or_insert_with(|| Cache::start(directory, tell));
        if !cache.open(relay.clone(), account.clone()) {
            let snapshot = Snapshot::default();
            let opened = Event::Cache(CacheEvent::Opened { relay, account, snapshot });
            let events = self.events.0.clone();
            // The session waits for this word.
            tokio::spawn(async move { events.send(opened).await });
        }
    }

    /// What a cache that is stuck or gone does not answer, the relay does.
    fn read_cache(&mut self, channel: ChannelId, range: HistoryRange) {
        if !self.cache.as_ref().is_some_and(|cache| cache.read(channel, range)) {
            self.command(Command::ReadHistory { channel, range });
        }
    }

    fn tokens(&mut self) -> &Tokens {
        let (events, sessions) = (self.events.0.clone(), self.places.sessions());
        self.tokens.get_or_insert_with(|| Tokens::start(Claimed::new(Keyring::system(), sessions), events))
    }

    fn token(&mut self, request: Request) {
        if !self.tokens().ask(request) {
            self.tell(Event::NoKeyring);
        }
    }

    /// A keyring that does not answer in time counts as none; an answer that comes later is not waited for any more.
    fn load_token(&mut self, request: Request) {
        let events = self.events.0.clone();
        if let Request::Load(address, account) = &request {
            let late = Event::TokenLoaded { address: address.clone(), account: account.clone(), token: None };
            tokio::spawn(async move {
                tokio::time::sleep(tokens::TIMEOUT).await;
                let _ = events.send(late).await;
            });
        }
        self.token(request);
    }

    /// A request that finds no room is answered here, so that it is asked again.
    fn draft(&mut self, request: drafts::Request) {
        const STUCK: &str = "the disk does not answer";
        let (events, directory) = (self.events.0.clone(), self.places.drafts());
        let drafts = self.drafts.get_or_insert_with(|| Drafts::start(directory, events));
        let refused = match &request {
            drafts::Request::Load(address, account) => Event::DraftsLoaded {
                address: address.clone(),
                account: account.clone(),
                drafts: Vec::new(),
                damage: Some(STUCK.to_owned()),
            },
            drafts::Request::Save(..) | drafts::Request::Flush(_) => {
                Event::DraftsSaved(Err(STUCK.to_owned()))
            }
        };
        if !drafts.ask(request) {
            self.tell(refused);
        }
    }

    /// The terminal goes to the editor; the relay is answered meanwhile.
    fn open_editor(&mut self, channel: Option<ChannelId>, text: String) {
        if !self.keyboard.pause() {
            let outcome = Err("the terminal cannot be given to the editor; try again".to_owned());
            return self.tell(Event::Edited { channel, outcome });
        }
        terminal::restore();
        self.editing = true;
        let events = self.events.0.clone();
        tokio::task::spawn_blocking(move || {
            let outcome = editor::edit(&text);
            // Without a shell that listens there is no terminal to come back to.
            let _ = events.blocking_send(Event::Edited { channel, outcome });
        });
    }

    /// A stopped program writes nothing: the drafts go first.
    fn suspend(&mut self) -> anyhow::Result<()> {
        if let Some(drafts) = &self.drafts {
            drafts.flush(DRAFTS_LIMIT);
        }
        self.screen.suspend().map_err(Into::into)
    }

    fn save_relays(&mut self, relays: &crate::model::RelayBook) {
        // A file that could not be understood belongs to its author.
        if self.keep_relays_file {
            return;
        }
        if let Err(error) = files::save_relays(&self.places, relays) {
            self.tell(Event::Failed(format!("{error:#}")));
        }
    }

    fn open_link(&self, link: &str) {
        if let Err(error) = opener::open(link) {
            self.tell(Event::Failed(format!("{error:#}")));
        }
    }

    fn save_looks(&self, looks: &crate::model::Looks) {
        if let Err(error) = files::save_looks(&self.places, looks) {
            self.tell(Event::Failed(format!("{error:#}")));
        }
    }

    fn read_config(&mut self, asked: bool) {
        if let Some(read) = self.settings.read(asked) {
            self.tell(Event::Configured { read, asked });
        }
    }

    fn tell(&self, event: Event) {
        let _ = self.events.0.try_send(event);
    }

    /// Says goodbye to relay and keyring within their limits, the terminal given back first.
    async fn finish(self) {
        drop(self.screen);
        if let Some(drafts) = &self.drafts {
            drafts.flush(DRAFTS_LIMIT);
        }
        if let Some((client, mut events)) = self.client {
            let goodbye = async {
                client.send(Command::Quit).await;
                while !matches!(events.recv().await, None | Some(ClientEvent::Stopped)) {}
            };
            let _ = tokio::time::timeout(GOODBYE_LIMIT, goodbye).await;
        }
        // Nobody reads what it still says, and it must not wait for that.
        drop(self.events);
        if let Some(writing) = self.cache.and_then(Cache::finish) {
            let written = tokio::task::spawn_blocking(move || writing.join());
            let _ = tokio::time::timeout(CACHE_LIMIT, written).await;
        }
        if let Some(tokens) = &self.tokens {
            tokens.flush(KEYRING_LIMIT).await;
        }
        if let Some(Ok(relay)) = self.relay.map(|mut relay| relay.try_recv()) {
            let _ = tokio::time::timeout(DRAIN_LIMIT, relay.shutdown()).await;
        }
        tracing::info!("quit");
    }
}

async fn next_client_event(
    client: &mut Option<(Client, mpsc::Receiver<ClientEvent>)>,
) -> Option<ClientEvent> {
    match client {
        Some((_, events)) => events.recv().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Which wish of the system it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Somebody at the terminal pressed Ctrl-C.
    Interrupt,
    /// The program shall end.
    End,
}

/// The system's wish that the program end.
#[cfg(unix)]
pub struct Signals([tokio::signal::unix::Signal; 3]);

#[cfg(unix)]
impl Signals {
    /// SIGTERM, SIGHUP, SIGINT.
    pub fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self([
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
            signal(SignalKind::interrupt())?,
        ]))
    }

    /// Until one of them comes.
    pub async fn next(&mut self) -> Signal {
        let [terminate, hang_up, interrupt] = &mut self.0;
        tokio::select! {
            _ = terminate.recv() => Signal::End,
            _ = hang_up.recv() => Signal::End,
            _ = interrupt.recv() => Signal::Interrupt,
        }
    }
}

/// The system's wish that the program end.
#[cfg(not(unix))]
pub struct Signals;

#[cfg(not(unix))]
impl Signals {
    /// Ctrl-C.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    /// Until it comes.
    pub async fn next(&mut self) -> Signal {
        let _ = tokio::signal::ctrl_c().await;
        Signal::Interrupt
    }
}
