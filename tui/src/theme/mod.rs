//! How things look, by what they mean.
//!
//! Owns the roles and their styles: a palette's colours as far as the terminal has colours, or none at all. It never carries
//! meaning alone: wherever a role matters, a word or a sign stands beside it.
//!
//! Invariant: on a palette's background every role that is text, and every name, has a contrast of at least 4.5.

pub mod ascii;
pub mod colour;
pub mod depth;
pub mod palette;

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};

use colour::Rgb;
pub use depth::Depth;
pub use palette::{PALETTES, Palette};

/// What a piece of the screen means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Text to read.
    Text,
    /// Times, hints, people who are away.
    Quiet,
    /// Lines between panes.
    Rule,
    /// The frame of what the keys go to.
    Focus,
    /// Titles and what one must not miss.
    Strong,
    /// The place one is at.
    Selected,
    /// Keys and what can be pressed.
    Accent,
    /// It works, it is here.
    Good,
    /// It takes a while.
    Waiting,
    /// It does not work.
    Error,
    /// Unread.
    Unread,
    /// Somebody means one.
    Mention,
    /// Code.
    Code,
    /// What somebody else said.
    Quote,
    /// A link.
    Link,
    /// The bar at the bottom.
    Bar,
    /// What can be pressed there.
    BarKey,
}

const ROLES: [Role; 17] = [
    Role::Text,
    Role::Quiet,
    Role::Rule,
    Role::Focus,
    Role::Strong,
    Role::Selected,
    Role::Accent,
    Role::Good,
    Role::Waiting,
    Role::Error,
    Role::Unread,
    Role::Mention,
    Role::Code,
    Role::Quote,
    Role::Link,
    Role::Bar,
    Role::BarKey,
];

/// Different colours for names.
const HUES: u16 = 24;

/// Of the sixteen, those that are legible on dark and on light backgrounds and mean nothing else.
const NAME_COLOURS: [Color; 8] = [
    Color::Cyan,
    Color::Magenta,
    Color::Green,
    Color::Blue,
    Color::Yellow,
    Color::LightCyan,
    Color::LightMagenta,
    Color::LightBlue,
];

/// Styles by role, made once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Theme {
    palette: &'static Palette,
    depth: Depth,
    styles: Box<[Style; ROLES.len()]>,
    names: Box<[Style]>,
    /// What fills the screen, where the theme has a background.
    base: Option<Style>,
}

impl Theme {
    /// The terminal's own sixteen colours, or none.
    pub fn new(colour: bool) -> Self {
        Self::of(&PALETTES[0], if colour { Depth::Sixteen } else { Depth::None })
    }

    /// A palette, as far as the terminal can show it.
    pub fn of(palette: &'static Palette, depth: Depth) -> Self {
        let colours = palette.colours.as_ref().filter(|_| depth >= Depth::Few);
        let ink = colours.map(|colours| Ink::new(colours, depth));
        Self {
            palette,
            depth,
            styles: Box::new(ROLES.map(|role| match &ink {
                Some(ink) => ink.style(role),
                None => own(role, depth),
            })),
            names: match &ink {
                Some(ink) => (0..HUES).map(|hue| ink.name(hue)).collect(),
                None if depth == Depth::None => Box::new([Style::new()]),
                None => NAME_COLOURS.map(|colour| Style::new().fg(colour)).into(),
            },
            base: ink.map(|ink| Style::new().fg(ink.on(ink.colours.text)).bg(ink.background.0)),
        }
    }

    /// The palette.
    pub const fn palette(&self) -> &'static Palette {
        self.palette
    }

    /// How many colours there are.
    pub const fn depth(&self) -> Depth {
        self.depth
    }

    /// The style of a role.
    pub fn style(&self, role: Role) -> Style {
        self.styles[role as usize]
    }

    /// The style of a person's name: always the same for the same person.
    pub fn name(&self, name: &str) -> Style {
        // FNV-1a: stable across runs and versions, unlike the standard hasher.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let index = usize::try_from((hash >> 32) % self.names.len() as u64).unwrap_or(0);
        self.names[index].add_modifier(Modifier::BOLD)
    }

    /// Gives whatever has no colour yet the theme's own.
    pub fn fill(&self, buffer: &mut Buffer) {
        let Some(base) = self.base else { return };
        for cell in &mut buffer.content {
            if cell.bg == Color::Reset {
                cell.bg = base.bg.unwrap_or(Color::Reset);
            }
            if cell.fg == Color::Reset {
                cell.fg = base.fg.unwrap_or(Color::Reset);
            }
        }
    }
}

/// The sixteen colours that the terminal's own palette decides, or none.
fn own(role: Role, depth: Depth) -> Style {
    let (colour, modifier) = match role {
        Role::Text => (None, Modifier::empty()),
        Role::Quiet | Role::Rule => (None, Modifier::DIM),
        Role::Strong => (None, Modifier::BOLD),
        Role::Selected | Role::Bar => (None, Modifier::REVERSED),
        Role::BarKey => (None, Modifier::REVERSED.union(Modifier::BOLD)),
        Role::Focus => (Some(Color::Cyan), Modifier::empty()),
        Role::Accent => (Some(Color::Cyan), Modifier::BOLD),
        Role::Good => (Some(Color::Green), Modifier::empty()),
        Role::Waiting => (Some(Color::Yellow), Modifier::empty()),
        Role::Error => (Some(Color::Red), Modifier::BOLD),
        Role::Unread => (Some(Color::Yellow), Modifier::BOLD),
        Role::Mention => (Some(Color::Magenta), Modifier::BOLD),
        Role::Code => (Some(Color::Green), Modifier::empty()),
        Role::Quote => (None, Modifier::DIM.union(Modifier::ITALIC)),
        Role::Link => (Some(Color::Cyan), Modifier::UNDERLINED),
    };
    let style = Style::new().add_modifier(modifier);
    match colour {
        Some(colour) if depth >= Depth::Sixteen => style.fg(colour),
        _ => style,
    }
}

/// A palette in a terminal that has many colours.
struct Ink {
    colours: &'static palette::Colours,
    depth: Depth,
    /// As it is sent, and as it looks.
    background: (Color, Rgb),
}

impl Ink {
    fn new(colours: &'static palette::Colours, depth: Depth) -> Self {
        Self { colours, depth, background: sent(colours.background, depth) }
    }

    fn on(&self, colour: Rgb) -> Color {
        readable(colour, self.background.1, self.depth)
    }

    fn style(&self, role: Role) -> Style {
        let own = self.colours;
        let (colour, modifier) = match role {
            Role::Text => (own.text, Modifier::empty()),
            Role::Quiet => (own.quiet, Modifier::empty()),
            // A line is no text: it may stand back.
            Role::Rule => return Style::new().fg(sent(own.rule, self.depth).0),
            Role::Focus => (own.accent, Modifier::empty()),
            Role::Strong => (own.text, Modifier::BOLD),
            Role::Selected => return self.upon(own.text, own.selection).add_modifier(Modifier::BOLD),
            Role::Accent => (own.accent, Modifier::BOLD),
            Role::Good => (own.good, Modifier::empty()),
            Role::Waiting => (own.waiting, Modifier::empty()),
            Role::Error => (own.error, Modifier::BOLD),
            Role::Unread => (own.waiting, Modifier::BOLD),
            Role::Mention => (own.mention, Modifier::BOLD),
            Role::Code => (own.code, Modifier::empty()),
            Role::Quote => (own.quiet, Modifier::ITALIC),
            Role::Link => (own.link, Modifier::UNDERLINED),
            Role::Bar => return self.upon(own.text, own.bar),
            Role::BarKey => return self.upon(own.accent, own.bar).add_modifier(Modifier::BOLD),
        };
        Style::new().fg(self.on(colour)).add_modifier(modifier)
    }

    fn upon(&self, colour: Rgb, background: Rgb) -> Style {
        let (background, seen) = sent(background, self.depth);
        Style::new().fg(readable(colour, seen, self.depth)).bg(background)
    }

    fn name(&self, hue: u16) -> Style {
        Style::new().fg(self.on(colour::of_hue(hue * (360 / HUES))))
    }
}

fn sent(colour: Rgb, depth: Depth) -> (Color, Rgb) {
    if depth == Depth::True {
        return (colour.into(), colour);
    }
    let (number, seen) = colour::to_256(colour);
    (Color::Indexed(number), seen)
}

fn readable(colour: Rgb, background: Rgb, depth: Depth) -> Color {
    let colour = colour::readable(colour, background);
    if depth == Depth::True {
        return colour.into();
    }
    Color::Indexed(colour::to_256_readable(colour, background).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(colour: Color) -> Rgb {
        match colour {
            Color::Rgb(r, g, b) => Rgb(r, g, b),
            Color::Indexed(number) if number >= 232 => {
                let level = 8 + 10 * (number - 232);
                Rgb(level, level, level)
            }
            Color::Indexed(number) if number >= 16 => {
                let at = number - 16;
                let level = |part: u8| if part == 0 { 0 } else { 55 + 40 * part };
                Rgb(level(at / 36), level(at / 6 % 6), level(at % 6))
            }
            other => panic!("{other:?} looks different everywhere"),
        }
    }

    #[test]
    fn no_color_means_no_colour() {
        for palette in PALETTES {
            let theme = Theme::of(palette, Depth::None);
            for role in ROLES {
                assert_eq!((theme.style(role).fg, theme.style(role).bg), (None, None), "{}", palette.name);
            }
            assert_eq!(theme.name("polina").fg, None);
            assert_eq!(theme.base, None);
        }
    }

    #[test]
    fn sixteen_colours_are_the_users_own() {
        for palette in PALETTES {
            let theme = Theme::of(palette, Depth::Sixteen);
            assert_eq!(theme.base, None, "{} paints no background", palette.name);
            assert_eq!(theme.style(Role::Error).fg, Some(Color::Red));
            assert!(theme.name("polina").fg.is_some());
        }
    }

    #[test]
    fn every_role_and_every_name_can_be_read_in_every_theme() {
        for palette in PALETTES.iter().filter(|palette| palette.colours.is_some()) {
            for depth in [Depth::Few, Depth::True] {
                let theme = Theme::of(palette, depth);
                let base = theme.base.and_then(|base| base.bg).expect("a background");
                let check = |style: Style, what: &str| {
                    let (text, behind) = (style.fg.expect("a colour"), style.bg.unwrap_or(base));
                    let contrast = colour::contrast(seen(text), seen(behind));
                    assert!(
                        contrast >= colour::CONTRAST_MIN,
                        "{} {depth:?} {what}: {contrast:.2}",
                        palette.name
                    );
                };
                for role in ROLES.into_iter().filter(|role| *role != Role::Rule) {
                    check(theme.style(role), &format!("{role:?}"));
                }
                for (hue, name) in theme.names.iter().enumerate() {
                    check(*name, &format!("hue {hue}"));
                }
            }
        }
    }

    #[test]
    fn a_name_keeps_its_colour_and_names_differ() {
        for theme in
            [Theme::new(true), Theme::of(&PALETTES[1], Depth::True), Theme::of(&PALETTES[2], Depth::Few)]
        {
            assert_eq!(theme.name("polina"), theme.name("polina"));
            let colours: Vec<_> =
                ["alexey", "misha", "polina", "vera", "ivan"].map(|n| theme.name(n).fg).into();
            assert!(colours.iter().any(|colour| *colour != colours[0]));
        }
    }

    #[test]
    fn themes_have_names_of_their_own() {
        for (at, palette) in PALETTES.iter().enumerate() {
            assert_eq!(palette::named(palette.name), Some(&PALETTES[at]));
        }
        assert!(PALETTES.len() >= 7 && PALETTES[0].name == "terminal");
    }
}
