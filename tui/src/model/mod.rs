//! All that the screen knows.
//!
//! Owns the state: link, account, channels, which screen is shown and what is typed there. It never acts: only
//! [`update`](mod@crate::update) changes it, only [`view`](crate::view) shows it.
//!
//! Invariants: `current` is a joined channel or none; a password's characters are in no `Debug` output.

pub mod channel;
pub mod composer;
pub mod draft;
pub mod link;
pub mod listing;
pub mod overlay;
pub mod past;
pub mod pasted;
pub mod picker;
pub mod popup;
pub mod preferences;
pub mod reading;
pub mod relays;
pub mod sign_in;
pub mod writing;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use mechat_client::SignedIn;
use mechat_client::cache::Snapshot;
use mechat_protocol::limits::TEXT_LEN_MAX;
use mechat_protocol::reply::{ChannelInfo, ConnectionRow, Participant, Presence, Profile, Welcome};
use mechat_protocol::{
    AccountName, ChannelId, ChannelName, Fingerprint, Invite, Nonce, RelayAddress, UnixMillis,
};

pub use channel::{Channel, Outgoing, Scroll, Sending};
pub use composer::Composer;
pub use draft::{Composing, Draft, SavedDraft};
pub use link::{Link, Resume, Trust};
pub use overlay::Overlay;
pub use past::Past;
pub use pasted::Pasted;
pub use picker::Picker;
pub use popup::Popup;
pub use preferences::{Looks, Panes, Preferences};
pub use reading::Reading;
pub use relays::{RelayBook, SavedRelay};
pub use sign_in::{Field, Form, FormKind, LineEdit};
pub use writing::Writing;

use crate::action::{Chord, Context, Keymap, Mode};
use crate::theme::Theme;
use crate::view::layout::Border;

/// What changes from event to event without being in it.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The time of day.
    pub wall: UnixMillis,
    /// A clock that never jumps, for countdowns.
    pub steady: Duration,
    /// A fresh name, should this event say something.
    pub nonce: Nonce,
}

/// Which relay, and what is expected there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Where.
    pub address: RelayAddress,
    /// The certificate that a link promised.
    pub invited: Option<Fingerprint>,
    /// The channel to join once signed in.
    pub channel: Option<ChannelName>,
}

impl From<RelayAddress> for Target {
    fn from(address: RelayAddress) -> Self {
        Self { address, invited: None, channel: None }
    }
}

impl From<Invite> for Target {
    fn from(invite: Invite) -> Self {
        Self { address: invite.address, invited: invite.fingerprint, channel: invite.channel }
    }
}

/// What fills the screen.
#[derive(Debug)]
pub enum Screen {
    /// Choosing a relay.
    Start(Picker),
    /// A relay is chosen; not connected, or resuming the saved session.
    Connecting,
    /// Connected, not signed in; the selected row.
    Menu(usize),
    /// Registering or logging in.
    Form(Form),
    /// Signed in.
    Chat,
}

/// Who is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The name.
    pub name: AccountName,
    /// Whether an admin of the relay.
    pub admin: bool,
}

impl From<&SignedIn> for Account {
    fn from(signed_in: &SignedIn) -> Self {
        Self { name: signed_in.account.clone(), admin: signed_in.admin }
    }
}

/// How a notice is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Good to know.
    Info,
    /// Something did not work.
    Error,
}

/// One line for the user, shown until the next action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How it is meant.
    pub tone: Tone,
    /// Not yet harmless: may quote the relay.
    pub text: String,
}

/// The relay that runs in this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hosting {
    /// It starts.
    Starting,
    /// It runs; others join with this link.
    Running(Invite),
}

/// The logs of an account on this machine.
#[derive(Debug, Clone, PartialEq)]
pub enum Cached {
    /// Nobody's.
    None,
    /// They are being opened.
    Opening(AccountName),
    /// They are here, and not to be seen before the account is known to be the user's.
    Ready(AccountName, Box<Snapshot>),
    /// Pages are read from there first.
    Open(AccountName),
}

/// All state.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, not a state of one machine")]
pub struct Model {
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// Whether the terminal has the focus; true where it does not say.
    pub focused: bool,
    /// When the last event came.
    pub now: Moment,
    /// For local times.
    pub zone: TimeZone,
    /// Styles by role.
    pub theme: Theme,
    /// How the user wants it.
    pub preferences: Preferences,
    /// Keys that were pressed and mean something only with more.
    pub pending: Vec<Chord>,
    /// Whether letters are written, in the vim preset.
    pub mode: Mode,
    /// The border that the mouse holds.
    pub dragged: Option<Border>,
    /// What fills the screen.
    pub screen: Screen,
    /// What lies over it.
    pub overlay: Option<Overlay>,
    /// One line for the user.
    pub notice: Option<Notice>,
    /// Ctrl-C was pressed once.
    pub quit_asked: bool,
    /// Relays of earlier days.
    pub relays: RelayBook,
    /// Where this client's pins are, for the trust screens.
    pub pins_file: String,
    /// The chosen relay.
    pub target: Option<Target>,
    /// The relay in this process.
    pub hosting: Option<Hosting>,
    /// Whether the invite link lies over the chat.
    pub invite_banner: bool,
    /// Where the link stands.
    pub link: Link,
    /// The certificate that the relay showed.
    pub fingerprint: Option<Fingerprint>,
    /// A certificate to judge.
    pub trust: Option<Trust>,
    /// What the relay said of itself.
    pub welcome: Option<Welcome>,
    /// The saved session.
    pub resume: Resume,
    /// Whether there is no keyring, so that the password is asked for each time.
    pub no_keyring: bool,
    /// Who one is: signed in, or about to be with the saved session; stays while the link is down.
    pub account: Option<Account>,
    /// Whether the relay has confirmed it in this run.
    pub signed_in: bool,
    /// Whether all that was missed before this connection is here.
    pub caught_up: bool,
    /// The account's logs on this machine.
    pub cached: Cached,
    /// When the relay is told what was read, by the steady clock.
    pub mark_at: Option<Duration>,
    /// Whether the account was made in this run, and greets an empty list.
    pub fresh_account: bool,
    /// Joined channels, by name.
    pub channels: Vec<Channel>,
    /// Every channel one may know of, as last told.
    pub known: Vec<ChannelInfo>,
    /// Whom one last heard of, and whether they are here.
    pub presence: BTreeMap<AccountName, Presence>,
    /// Everyone on the relay, as last asked.
    pub everyone: Vec<Participant>,
    /// Connections, as last asked.
    pub connections: Vec<ConnectionRow>,
    /// The channel in view.
    pub current: Option<ChannelId>,
    /// Channels that were in view, the last one first.
    pub recent: Vec<ChannelId>,
    /// The channel that was asked for and shall be shown once joined.
    pub wanted: Option<ChannelName>,
    /// What is typed.
    pub composer: Composer,
    /// The command that the relay was last asked for: it comes back if it is refused.
    pub asked: Option<String>,
    /// What was typed in other channels and not sent.
    pub drafts: BTreeMap<ChannelId, Draft>,
    /// What else belongs to writing.
    pub writing: Writing,
    /// Own messages on their way to channels that were left, or that are not known yet.
    pub adrift: BTreeMap<Nonce, (ChannelId, Outgoing)>,
    /// Whether the outbox on disk fails, so that what waits ends with this program.
    pub outbox_fails: bool,
    /// Which panes.
    pub panes: Panes,
    /// How messages are read.
    pub reading: Reading,
    /// Who was asked about last, once the relay told.
    pub profile: Option<Profile>,
    /// Questions to the relay so far whose answers have to find their list.
    pub tickets: u64,
}

/// What the model starts from.
#[derive(Debug)]
pub struct Setup {
    /// Columns and rows.
    pub size: (u16, u16),
    /// For local times.
    pub zone: TimeZone,
    /// Styles by role.
    pub theme: Theme,
    /// Relays of earlier days.
    pub relays: RelayBook,
    /// For the trust screens.
    pub pins_file: String,
    /// When.
    pub now: Moment,
}

impl Model {
    /// The start screen, without a relay.
    pub fn new(setup: Setup) -> Self {
        Self {
            size: setup.size,
            focused: true,
            now: setup.now,
            zone: setup.zone,
            preferences: Preferences::new(setup.theme.depth()),
            theme: setup.theme,
            pending: Vec::new(),
            mode: Mode::default(),
            dragged: None,
            screen: Screen::Start(Picker::default()),
            overlay: None,
            notice: None,
            quit_asked: false,
            relays: setup.relays,
            pins_file: setup.pins_file,
            target: None,
            hosting: None,
            invite_banner: false,
            link: Link::Idle,
            fingerprint: None,
            trust: None,
            welcome: None,
            resume: Resume::None,
            no_keyring: false,
            account: None,
            signed_in: false,
            caught_up: false,
            cached: Cached::None,
            mark_at: None,
            fresh_account: false,
            channels: Vec::new(),
            known: Vec::new(),
            presence: BTreeMap::new(),
            everyone: Vec::new(),
            connections: Vec::new(),
            current: None,
            recent: Vec::new(),
            wanted: None,
            composer: Composer::default(),
            asked: None,
            drafts: BTreeMap::new(),
            writing: Writing::default(),
            adrift: BTreeMap::new(),
            outbox_fails: false,
            panes: Panes::default(),
            reading: Reading::default(),
            profile: None,
            tickets: 0,
        }
    }

    /// The channel in view.
    pub fn current(&self) -> Option<&Channel> {
        self.channel(self.current?)
    }

    /// The channel in view, to change.
    pub fn current_mut(&mut self) -> Option<&mut Channel> {
        self.channel_mut(self.current?)
    }

    /// A joined channel.
    pub fn channel(&self, id: ChannelId) -> Option<&Channel> {
        self.channels.iter().find(|channel| channel.info.channel == id)
    }

    /// A joined channel, to change.
    pub fn channel_mut(&mut self, id: ChannelId) -> Option<&mut Channel> {
        self.channels.iter_mut().find(|channel| channel.info.channel == id)
    }

    /// A joined channel by its name in any case.
    pub fn channel_named(&self, name: &ChannelName) -> Option<&Channel> {
        let key = name.key().folded;
        self.channels.iter().find(|channel| channel.info.name.key().folded == key)
    }

    /// Channels one could join.
    pub fn available(&self) -> impl Iterator<Item = &ChannelInfo> {
        self.known.iter().filter(|info| self.channel(info.channel).is_none())
    }

    /// Unread messages in the channels that are not in view.
    pub fn unread_elsewhere(&self) -> usize {
        let others = self.channels.iter().filter(|channel| Some(channel.info.channel) != self.current);
        others.map(|channel| channel.badge().news).sum()
    }

    /// Whether somebody is here; unheard of counts as away.
    pub fn is_connected(&self, account: &AccountName) -> bool {
        self.presence.get(account) == Some(&Presence::Connected)
    }

    /// Whether messages of the current channel are before the user's eyes as they come.
    pub fn is_watching(&self) -> bool {
        let at_bottom = self.current().is_some_and(Channel::shows_newest);
        let shown = matches!(self.screen, Screen::Chat) && self.overlay.is_none() && self.trust.is_none();
        self.focused && shown && at_bottom && crate::view::layout::fits(self.size)
    }

    /// What keys mean.
    pub const fn keymap(&self) -> &Keymap {
        &self.preferences.config.keymap
    }

    /// Where a key would be pressed now.
    pub fn context(&self) -> Context {
        let over = self.overlay.is_some() || self.trust.is_some_and(|trust| trust.shown);
        Context {
            in_chat: matches!(self.screen, Screen::Chat) && !over,
            empty: self.composer.is_empty(),
            chosen: self.reading.chosen.is_some(),
            mode: if self.keymap().has_modes() { self.mode } else { Mode::Insert },
        }
    }

    /// What was picked on the screen, to be remembered.
    pub fn looks(&self) -> Looks {
        Looks { theme: self.preferences.picked.map(|palette| palette.name.to_owned()), panes: self.panes }
    }

    /// Bytes that the relay takes as one text.
    pub fn text_len_max(&self) -> usize {
        let told =
            self.welcome.as_ref().and_then(|welcome| usize::try_from(welcome.limits.text_len_max).ok());
        told.unwrap_or(TEXT_LEN_MAX).min(TEXT_LEN_MAX)
    }

    /// Forgets all that belongs to an account.
    pub fn forget_account(&mut self) {
        self.account = None;
        (self.signed_in, self.caught_up, self.mark_at) = (false, false, None);
        self.cached = Cached::None;
        self.channels.clear();
        self.known.clear();
        self.presence.clear();
        self.everyone.clear();
        self.connections.clear();
        self.current = None;
        self.recent.clear();
        self.wanted = None;
        self.asked = None;
        self.composer = Composer::default();
        self.drafts.clear();
        self.writing.forget_account();
        self.adrift.clear();
        self.reading.forget();
    }

    /// Says something to the user.
    pub fn inform(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { tone: Tone::Info, text: text.into() });
    }

    /// Says what did not work.
    pub fn complain(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { tone: Tone::Error, text: text.into() });
    }
}
