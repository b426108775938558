//! The last step to the terminal: a backend that makes links of cells (OSC 8) and keeps each cell in its place.
//!
//! The cells of the drawing library know no links, so the pieces of the screen that lead somewhere are told apart from the
//! picture ([`timeline::links`](crate::view::timeline::links)), and their cells are written between opening and closing
//! sequence. All pieces of one target carry one id, so that a link that wraps stays one link. Terminals that know no links
//! ignore the sequences.
//!
//! Invariants: after each picture no link is open; a target is printable ASCII without a separator, whatever was asked for;
//! a cell that is not underlined, because something else was drawn over the link, is no part of it.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::rc::Rc;

use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::{Buffer, Cell, CellDiffOption, CellWidth as _};
use ratatui::layout::{Position, Size};
use ratatui::style::Modifier;

use crate::view::timeline::ScreenLink;

/// What is known of a picture besides its cells.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Where each cell of a link leads.
    pub links: HashMap<Position, Rc<str>>,
    /// Cells behind a grapheme of several characters: a terminal that does not compose them has drawn a part there.
    spills: HashSet<Position>,
}

/// The picture on the screen: whoever draws changes it, the backend reads it.
pub type Shared = Rc<RefCell<Shown>>;

/// The terminal library's backend, with links, and with each cell in its place whatever the one before it took.
#[derive(Debug)]
pub struct Linked<W: Write> {
    inner: CrosstermBackend<W>,
    shown: Shared,
}

impl<W: Write> Linked<W> {
    /// Writes there, with the links of what is shown.
    pub fn new(writer: W, shown: Shared) -> Self {
        Self { inner: CrosstermBackend::new(writer), shown }
    }
}

/// Looks a picture over before it is drawn. A cell that leads elsewhere than before, or on which a part of what stood before it
/// may have been left, is drawn again, though it looks the same.
pub fn apply(links: &[ScreenLink], before: &Shown, buffer: &mut Buffer) -> Shown {
    let mut shown = Shown::default();
    for link in links.iter().filter(|link| is_safe(&link.target)) {
        for x in link.x..link.x.saturating_add(link.cells) {
            let at = Position::new(x, link.y);
            if buffer.cell(at).is_some_and(|cell| cell.modifier.contains(Modifier::UNDERLINED)) {
                shown.links.insert(at, Rc::clone(&link.target));
            }
        }
    }
    let area = buffer.area;
    for (at, cell) in area.positions().zip(&buffer.content) {
        let several = cell.symbol().len() > 4 && cell.cell_width() > 1;
        if several && at.x + 1 < area.right() {
            shown.spills.insert(Position::new(at.x + 1, at.y));
        }
    }
    let elsewhere = before.links.keys().chain(shown.links.keys());
    let elsewhere = elsewhere.filter(|at| before.links.get(at) != shown.links.get(at));
    for at in elsewhere.chain(before.spills.difference(&shown.spills)) {
        if let Some(cell) = buffer.cell_mut(*at)
            && cell.diff_option == CellDiffOption::None
        {
            cell.set_diff_option(CellDiffOption::AlwaysUpdate);
        }
    }
    shown
}

/// Whether a target can stand in the sequence; a last look, after [`crate::markup`] made it so.
fn is_safe(target: &str) -> bool {
    !target.is_empty() && target.bytes().all(|byte| byte.is_ascii_graphic())
}

/// `OSC 8 ; id=… ; target ST`.
fn opening(target: &str) -> String {
    // FNV-1a: the same id for the same target, in every picture.
    let id = target.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut sequence = String::with_capacity(target.len() + 32);
    let _ = write!(sequence, "\u{1b}]8;id={id:x};{target}\u{1b}\\");
    sequence
}

/// Whether terminals draw it in one or in two cells, each as it likes. What follows is then placed anew, so that at worst this
/// one looks odd and never the line behind it.
fn may_disagree(symbol: &str) -> bool {
    let mut chars = symbol.chars();
    match (chars.next(), chars.next()) {
        (Some('\u{2500}'..='\u{257f}'), None) => false,
        (Some('\u{2190}'..='\u{2bff}' | '\u{e000}'..='\u{f8ff}' | '\u{1f000}'..), None) => true,
        (_, second) => second.is_some(),
    }
}

const CLOSING: &str = "\u{1b}]8;;\u{1b}\\";

impl<W: Write> Backend for Linked<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let shown = Rc::clone(&self.shown);
        let shown = shown.borrow();
        let mut run: Vec<(u16, u16, &'a Cell)> = Vec::new();
        let mut open: Option<Rc<str>> = None;
        for (x, y, cell) in content {
            let target = shown.links.get(&Position::new(x, y));
            if target != open.as_ref() {
                let next = target.cloned();
                self.draw_run(&mut run, open.as_deref())?;
                open = next;
            }
            run.push((x, y, cell));
            if may_disagree(cell.symbol()) {
                self.draw_run(&mut run, open.as_deref())?;
            }
        }
        self.draw_run(&mut run, open.as_deref())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.inner.hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.inner.show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        self.inner.get_cursor_position()
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.inner.set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.inner.clear()
    }

    fn clear_region(&mut self, region: ClearType) -> io::Result<()> {
        self.inner.clear_region(region)
    }

    fn size(&self) -> io::Result<Size> {
        self.inner.size()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        self.inner.window_size()
    }

    fn flush(&mut self) -> io::Result<()> {
        Backend::flush(&mut self.inner)
    }
}

impl<W: Write> Linked<W> {
    fn draw_run(&mut self, run: &mut Vec<(u16, u16, &Cell)>, link: Option<&str>) -> io::Result<()> {
        if run.is_empty() {
            return Ok(());
        }
        if let Some(target) = link {
            self.inner.write_all(opening(target).as_bytes())?;
        }
        self.inner.draw(run.drain(..))?;
        if link.is_some() {
            self.inner.write_all(CLOSING.as_bytes())?;
        }
        Ok(())
    }
}

impl<W: Write> Write for Linked<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Write::flush(&mut self.inner)
    }
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    fn link(x: u16, y: u16, cells: u16, target: &str) -> ScreenLink {
        ScreenLink { x, y, cells, target: target.into() }
    }

    fn screen() -> Buffer {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 6, 2));
        let underlined = Style::new().add_modifier(Modifier::UNDERLINED);
        buffer.set_string(2, 0, "http", underlined);
        buffer.set_string(0, 1, "s|", underlined);
        buffer.set_string(1, 1, "|", Style::new().remove_modifier(Modifier::UNDERLINED));
        buffer
    }

    fn written(before: &Buffer, after: &Buffer, shown: Shown) -> String {
        let mut bytes = Vec::new();
        let mut backend = Linked::new(&mut bytes, Rc::new(RefCell::new(shown)));
        backend.draw(before.diff(after).into_iter()).expect("drawn");
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn pieces_of_a_wrapped_link_are_one_link_and_none_stays_open() {
        let mut buffer = screen();
        let links = [link(2, 0, 4, "https://x.y"), link(0, 1, 1, "https://x.y")];
        let cells = apply(&links, &Shown::default(), &mut buffer);
        let bytes = written(&Buffer::empty(buffer.area), &buffer, cells);
        let open = opening("https://x.y");
        assert_eq!(bytes.matches(&open).count(), 1, "the pieces follow one another: {bytes:?}");
        assert_eq!(bytes.matches(CLOSING).count(), 1);
        let (inside, outside) =
            bytes.split_once(&open).and_then(|(_, rest)| rest.split_once(CLOSING)).expect("a link");
        assert!(inside.contains("http") && inside.contains('s'), "{inside:?}");
        assert!(outside.contains('|'), "the border is no part of it: {outside:?}");
    }

    #[test]
    fn what_stands_behind_a_doubtful_character_is_placed_anew() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 8, 1));
        buffer.set_string(0, 0, "☺ae\u{301}bcя", Style::new());
        let bytes = written(&Buffer::empty(buffer.area), &buffer, Shown::default());
        assert!(bytes.contains("\u{1b}[1;2Ha") && bytes.contains("\u{1b}[1;4Hbcя"), "{bytes:?}");
    }

    #[test]
    fn a_part_of_a_flag_that_a_terminal_drew_by_itself_does_not_stay_behind() {
        let with_flag = || {
            let mut buffer = Buffer::empty(Rect::new(0, 0, 4, 1));
            buffer.set_string(0, 0, "🇩🇪", Style::new());
            buffer
        };
        let before = apply(&[], &Shown::default(), &mut with_flag());
        let mut after = Buffer::empty(Rect::new(0, 0, 4, 1));
        after.set_string(0, 0, "a", Style::new());
        let shown = apply(&[], &before, &mut after);
        assert!(written(&with_flag(), &after, shown).contains("a "), "the second cell is wiped too");
        let mut same = with_flag();
        let shown = apply(&[], &before, &mut same);
        assert!(!written(&with_flag(), &same, shown).contains("🇩🇪"), "nothing has changed");
    }

    #[test]
    fn what_is_drawn_over_a_link_is_no_link() {
        let mut buffer = screen();
        let cells = apply(&[link(0, 1, 2, "https://x.y")], &Shown::default(), &mut buffer);
        assert!(
            cells.links.contains_key(&Position::new(0, 1)) && !cells.links.contains_key(&Position::new(1, 1))
        );
    }

    #[test]
    fn a_cell_that_looks_the_same_and_leads_elsewhere_is_drawn_again() {
        let before = apply(&[link(2, 0, 4, "https://old")], &Shown::default(), &mut screen());
        let mut buffer = screen();
        let same = apply(&[link(2, 0, 4, "https://old")], &before, &mut buffer);
        assert_eq!(written(&screen(), &buffer, same).matches("]8;").count(), 0, "nothing has changed");
        let new = apply(&[link(2, 0, 4, "https://new")], &before, &mut buffer);
        assert!(written(&screen(), &buffer, new).contains("https://new"));
        let mut buffer = screen();
        let gone = apply(&[], &before, &mut buffer);
        assert!(written(&screen(), &buffer, gone).contains("http"), "drawn without the link");
    }

    #[test]
    fn a_target_that_could_end_the_sequence_is_no_target() {
        for target in ["", "https://x\u{1b}\\y", "https://x\u{7}", "https://x y", "https://\u{9c}"] {
            assert!(
                apply(&[link(2, 0, 4, target)], &Shown::default(), &mut screen()).links.is_empty(),
                "{target:?}"
            );
        }
    }
}
