//! Which keys mean what: a preset, and what the user changed in it. Data, so that help and hints show what really holds.
//!
//! Invariants: in one place no sequence is another's beginning, or [`Keymap::conflicts`] names the two; of two places the more
//! particular one wins.

use std::fmt;

use super::chord::{self, Chord, NoSuchKey, Sequence};
use super::{ACTIONS, ActionId, preset};

/// A set of keys to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Preset {
    /// Everyone's.
    #[default]
    Default,
    /// Two modes, single letters.
    Vim,
    /// Motions in the composer, Ctrl-X in front of the rest.
    Emacs,
}

impl Preset {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Default, Self::Vim, Self::Emacs];

    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Vim => "vim",
            Self::Emacs => "emacs",
        }
    }
}

/// Whether letters are read or written, in the vim preset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Letters are written.
    #[default]
    Insert,
    /// Letters are commands.
    Normal,
}

/// Where keys work, the most particular first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the chat, while a message is chosen.
    Chosen,
    /// In the chat, in the vim preset's normal mode.
    Normal,
    /// In the chat, while nothing is written.
    Empty,
    /// In the chat, wherever letters are written.
    Writes,
    /// In the chat.
    Chat,
    /// On every screen.
    Anywhere,
}

/// Where one is when a key is pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// In the chat, with nothing over it.
    pub in_chat: bool,
    /// Whether nothing is written.
    pub empty: bool,
    /// Whether a message is chosen.
    pub chosen: bool,
    /// The mode.
    pub mode: Mode,
}

impl Context {
    const fn writes(self) -> bool {
        self.in_chat && !self.chosen && matches!(self.mode, Mode::Insert)
    }

    fn holds(self, place: Place) -> bool {
        match place {
            Place::Chosen => self.in_chat && self.chosen,
            Place::Normal => self.in_chat && self.mode == Mode::Normal,
            Place::Empty => self.writes() && self.empty,
            Place::Writes => self.writes(),
            Place::Chat => self.in_chat,
            Place::Anywhere => true,
        }
    }
}

/// Who bound a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A preset.
    Preset(Preset),
    /// The configuration, in this line.
    File {
        /// From 1.
        line: usize,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preset(preset) => write!(f, "preset {}", preset.name()),
            Self::File { line } => write!(f, "line {line}"),
        }
    }
}

/// Keys that mean an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Where.
    pub place: Place,
    /// The keys.
    pub keys: Sequence,
    /// The action.
    pub action: ActionId,
    /// Which of the action's keys it is, from 0: the third of a numbered action means the third.
    pub nth: usize,
    /// Who says so.
    pub source: Source,
}

/// What keys mean so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// This.
    Action(ActionId, usize),
    /// Something, with more keys.
    Prefix,
    /// Nothing.
    Nothing,
}

/// Two meanings of the same keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The later one.
    pub this: Binding,
    /// The earlier one.
    pub other: Binding,
}

/// What all keys mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keymap {
    preset: Preset,
    bindings: Vec<Binding>,
}

impl Default for Keymap {
    fn default() -> Self {
        Self::preset(Preset::Default)
    }
}

impl Keymap {
    /// A preset as it comes.
    ///
    /// # Panics
    /// Never: a test reads every preset.
    pub fn preset(wanted: Preset) -> Self {
        let (rows, source): (&[preset::Row], _) = match wanted {
            Preset::Default => (&[], Source::Preset(wanted)),
            Preset::Vim => (preset::VIM, Source::Preset(wanted)),
            Preset::Emacs => (preset::EMACS, Source::Preset(wanted)),
        };
        let mut keymap = Self { preset: wanted, bindings: Vec::new() };
        for action in ACTIONS {
            let row = rows.iter().find(|(id, _)| *id == action.id);
            for (nth, keys) in row.map_or(action.keys, |(_, keys)| keys).iter().enumerate() {
                keymap.add(action.id, nth, keys, source).expect("a test reads every preset");
            }
        }
        keymap
    }

    /// Gives an action other keys than the preset's; none takes them away.
    pub fn rebind(&mut self, id: ActionId, keys: &[&str], source: Source) -> Result<(), NoSuchKey> {
        let before = self.bindings.clone();
        self.bindings.retain(|binding| binding.action != id);
        for (nth, keys) in keys.iter().enumerate() {
            if let Err(error) = self.add(id, nth, keys, source) {
                self.bindings = before;
                return Err(error);
            }
        }
        Ok(())
    }

    fn add(&mut self, id: ActionId, nth: usize, text: &str, source: Source) -> Result<(), NoSuchKey> {
        let (place, keys) = match text.split_once(':') {
            Some(("chosen", keys)) => (Some(Place::Chosen), keys),
            Some(("empty", keys)) => (Some(Place::Empty), keys),
            Some(("normal", keys)) => (Some(Place::Normal), keys),
            _ => (None, text),
        };
        let keys: Sequence = keys.parse().map_err(|_| NoSuchKey(text.to_owned()))?;
        let place = place.unwrap_or_else(|| self.place_of(id.action().place, &keys));
        self.bindings.push(Binding { place, keys, action: id, nth, source });
        Ok(())
    }

    /// A letter that acts must not keep one from writing it.
    fn place_of(&self, wanted: Place, keys: &Sequence) -> Place {
        match (keys.chords()[0].is_printable(), wanted, self.preset) {
            (true, Place::Writes | Place::Chat | Place::Anywhere, Preset::Vim) => Place::Normal,
            (true, Place::Writes | Place::Chat | Place::Anywhere, _) => Place::Empty,
            _ => wanted,
        }
    }

    /// What the pressed keys mean here.
    pub fn find(&self, context: Context, pressed: &[Chord]) -> Found {
        for place in [Place::Chosen, Place::Normal, Place::Empty, Place::Writes, Place::Chat, Place::Anywhere]
        {
            if !context.holds(place) {
                continue;
            }
            let here = || self.bindings.iter().filter(move |binding| binding.place == place);
            if let Some(binding) = here().find(|binding| binding.keys.chords() == pressed) {
                return Found::Action(binding.action, binding.nth);
            }
            if here().any(|binding| binding.keys.chords().starts_with(pressed)) {
                return Found::Prefix;
            }
        }
        Found::Nothing
    }

    /// What can follow the pressed keys here, for hints: the further keys and the action.
    pub fn continuations(&self, context: Context, pressed: &[Chord]) -> Vec<(String, ActionId)> {
        let here = self.bindings.iter().filter(|binding| context.holds(binding.place));
        let longer = here.filter(|binding| binding.keys.chords().len() > pressed.len());
        let fits = longer.filter(|binding| binding.keys.chords().starts_with(pressed));
        fits.map(|binding| (chord::words(&binding.keys.chords()[pressed.len()..]), binding.action)).collect()
    }

    /// An action's keys as people read them; empty if it has none.
    pub fn keys_text(&self, id: ActionId) -> String {
        let keys: Vec<String> = self.keys_of(id).map(|binding| binding.keys.to_string()).collect();
        match keys.as_slice() {
            [first, .., last] if keys.len() > 4 => format!("{first} … {last}"),
            keys => keys.join(", "),
        }
    }

    /// The first of an action's keys, for hints.
    pub fn first_key(&self, id: ActionId) -> Option<String> {
        self.keys_of(id).next().map(|binding| binding.keys.to_string())
    }

    /// The last of an action's keys: the most particular, where there is one for a chosen message.
    pub fn last_key(&self, id: ActionId) -> Option<String> {
        self.keys_of(id).last().map(|binding| binding.keys.to_string())
    }

    fn keys_of(&self, id: ActionId) -> impl Iterator<Item = &Binding> {
        self.bindings.iter().filter(move |binding| binding.action == id)
    }

    /// The preset that it began with.
    pub const fn preset_name(&self) -> &'static str {
        self.preset.name()
    }

    /// Whether the mode matters.
    pub fn has_modes(&self) -> bool {
        self.keys_of(ActionId::NormalMode).next().is_some()
    }

    /// Keys with two meanings: each pair once.
    pub fn conflicts(&self) -> Vec<Conflict> {
        let mut found = Vec::new();
        for (at, this) in self.bindings.iter().enumerate() {
            for other in &self.bindings[..at] {
                let (a, b) = (this.keys.chords(), other.keys.chords());
                if this.place == other.place && (a.starts_with(b) || b.starts_with(a)) {
                    found.push(Conflict { this: this.clone(), other: other.clone() });
                }
            }
        }
        found
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |binding: &Binding| binding.action.action().name;
        let (this, other) = (&self.this, &self.other);
        if this.keys == other.keys {
            write!(f, "{} means both", this.keys)?;
        } else {
            write!(f, "{} and {} begin alike:", this.keys, other.keys)?;
        }
        write!(f, " `{}` ({}) and `{}` ({})", name(this), this.source, name(other), other.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITING: Context = Context { in_chat: true, empty: false, chosen: false, mode: Mode::Insert };
    const IDLE: Context = Context { in_chat: true, empty: true, chosen: false, mode: Mode::Insert };
    const NORMAL: Context = Context { in_chat: true, empty: false, chosen: false, mode: Mode::Normal };
    const FORM: Context = Context { in_chat: false, empty: true, chosen: false, mode: Mode::Insert };

    fn keys(text: &str) -> Vec<Chord> {
        text.parse::<Sequence>().expect(text).chords().to_vec()
    }

    fn means(keymap: &Keymap, context: Context, text: &str) -> Option<ActionId> {
        match keymap.find(context, &keys(text)) {
            Found::Action(id, _) => Some(id),
            _ => None,
        }
    }

    #[test]
    fn no_preset_contradicts_itself() {
        for preset in Preset::ALL {
            let conflicts = Keymap::preset(preset).conflicts();
            let words: Vec<String> = conflicts.iter().map(Conflict::to_string).collect();
            assert!(words.is_empty(), "{}: {words:?}", preset.name());
        }
    }

    #[test]
    fn tmux_and_the_shell_keep_their_keys() {
        let keymap = Keymap::default();
        for context in [WRITING, IDLE, FORM] {
            assert_eq!(keymap.find(context, &keys("Ctrl-B")), Found::Nothing);
            assert_eq!(keymap.find(context, &keys("Ctrl-A")), Found::Nothing);
            assert_eq!(means(&keymap, context, "Ctrl-Z"), Some(ActionId::Suspend));
        }
        for preset in Preset::ALL {
            assert_eq!(means(&Keymap::preset(preset), WRITING, "Ctrl-Z"), Some(ActionId::Suspend));
        }
    }

    #[test]
    fn a_letter_acts_only_where_it_cannot_be_meant_as_a_letter() {
        let keymap = Keymap::default();
        assert_eq!(means(&keymap, IDLE, "?"), Some(ActionId::Help));
        assert_eq!(means(&keymap, WRITING, "?"), None);
        assert_eq!(means(&keymap, FORM, "?"), None);
        let vim = Keymap::preset(Preset::Vim);
        assert_eq!(means(&vim, NORMAL, "G"), Some(ActionId::ScrollEnd));
        assert_eq!(means(&vim, IDLE, "G"), None);
        for preset in Preset::ALL {
            for binding in &Keymap::preset(preset).bindings {
                let letter = binding.keys.chords()[0].is_printable();
                assert!(!letter || binding.place <= Place::Empty, "{}: {}", preset.name(), binding.keys);
            }
        }
    }

    #[test]
    fn sequences_wait_for_their_end() {
        let vim = Keymap::preset(Preset::Vim);
        assert_eq!(vim.find(NORMAL, &keys("g")), Found::Prefix);
        assert_eq!(means(&vim, NORMAL, "g g"), Some(ActionId::ScrollTop));
        assert_eq!(vim.find(NORMAL, &keys("g q")), Found::Nothing);
        let next = vim.continuations(NORMAL, &keys("g"));
        assert!(next.contains(&("T".into(), ActionId::PreviousChannel)), "{next:?}");
        let emacs = Keymap::preset(Preset::Emacs);
        assert_eq!(means(&emacs, WRITING, "Ctrl-X Ctrl-C"), Some(ActionId::Quit));
        assert_eq!(means(&emacs, WRITING, "Ctrl-K"), Some(ActionId::KillToEnd));
    }

    #[test]
    fn the_more_particular_place_wins() {
        let vim = Keymap::preset(Preset::Vim);
        assert_eq!(means(&vim, WRITING, "Esc"), Some(ActionId::NormalMode));
        assert_eq!(means(&vim, NORMAL, "Esc"), Some(ActionId::Dismiss));
    }

    #[test]
    fn conflicts_name_both_actions_and_both_sources() {
        let mut keymap = Keymap::default();
        keymap.rebind(ActionId::Palette, &["Ctrl-K"], Source::File { line: 3 }).expect("a key");
        let words: Vec<String> = keymap.conflicts().iter().map(Conflict::to_string).collect();
        assert_eq!(words, ["Ctrl-K means both `palette` (line 3) and `switcher` (preset default)"]);
        let mut keymap = Keymap::default();
        keymap.rebind(ActionId::Reload, &["Alt-W"], Source::File { line: 9 }).expect("a key");
        assert!(!keymap.conflicts().is_empty(), "a beginning of others can never be told from them");
    }

    #[test]
    fn numbered_actions_know_their_number() {
        let keymap = Keymap::default();
        assert_eq!(keymap.find(WRITING, &keys("Alt-3")), Found::Action(ActionId::NumberedChannel, 2));
    }
}
