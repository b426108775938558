//! Edits by name, so that a keymap can give them keys.
//!
//! Invariants: what goes by characters goes by graphemes; what is cut by word or line is in the kill ring.

use super::kills::Side;
use super::{Composer, Kills, Place, Run, before, behind};

/// One edit of the text, or one motion in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Edit {
    /// One grapheme to the left.
    Left,
    /// One grapheme to the right.
    Right,
    /// To the beginning of the word.
    WordLeft,
    /// Behind the word.
    WordRight,
    /// To the beginning of the line.
    LineStart,
    /// To the end of the line.
    LineEnd,
    /// To the beginning of the text.
    TextStart,
    /// To the end of the text.
    TextEnd,
    /// Deletes the grapheme to the left.
    DeleteBack,
    /// Deletes the grapheme to the right.
    DeleteForward,
    /// Cuts back to the beginning of the word.
    KillWordBack,
    /// Cuts to the end of the word.
    KillWordForward,
    /// Cuts back to the beginning of the line, or the break before it.
    KillToStart,
    /// Cuts to the end of the line, or the break behind it.
    KillToEnd,
    /// Puts in what was cut last.
    Yank,
    /// Puts in what was cut before that, instead.
    YankOlder,
    /// Takes the last step back.
    Undo,
    /// Takes the last undo back.
    Redo,
}

impl Composer {
    /// Types a character.
    pub fn type_char(&mut self, c: char) {
        let joins = match self.run {
            Run::Typing { space } => !space || c.is_whitespace(),
            _ => false,
        };
        self.settle(Run::Typing { space: c.is_whitespace() });
        self.area.insert_char(c);
        self.changed(joins);
    }

    /// Breaks the line.
    pub fn break_line(&mut self) {
        self.settle(Run::None);
        self.area.insert_newline();
        self.changed(false);
    }

    /// Performs an edit.
    pub fn edit(&mut self, edit: Edit, kills: &mut Kills) {
        let at = self.cursor();
        match edit {
            Edit::Left => self.moved(self.left()),
            Edit::Right => self.moved(self.right()),
            Edit::WordLeft => self.moved(self.word_left()),
            Edit::WordRight => self.moved(self.word_right()),
            Edit::LineStart => self.moved((at.0, 0)),
            Edit::LineEnd => self.moved(self.line_end()),
            Edit::TextStart => self.moved((0, 0)),
            Edit::TextEnd => self.moved(self.end()),
            Edit::DeleteBack => self.erase(self.left(), at),
            Edit::DeleteForward => self.erase(at, self.right()),
            Edit::KillWordBack => self.kill(self.word_left(), Side::Before, kills),
            Edit::KillWordForward => self.kill(self.word_right(), Side::Behind, kills),
            Edit::KillToStart => {
                let start = if at.1 == 0 { self.left() } else { (at.0, 0) };
                self.kill(start, Side::Before, kills);
            }
            Edit::KillToEnd => {
                let end = if at == self.line_end() { self.right() } else { self.line_end() };
                self.kill(end, Side::Behind, kills);
            }
            Edit::Yank => self.yank(kills),
            Edit::YankOlder => self.yank_older(kills),
            Edit::Undo => self.undo(),
            Edit::Redo => self.redo(),
        }
    }

    fn moved(&mut self, place: Place) {
        self.settle(Run::None);
        self.goto(place);
    }

    fn left(&self) -> Place {
        let (line, column) = self.cursor();
        match (line, column) {
            (0, 0) => (0, 0),
            (line, 0) => (line - 1, self.lines()[line - 1].chars().count()),
            _ => {
                let (text, byte) = self.cursor_line();
                (line, column - before(text, byte))
            }
        }
    }

    fn right(&self) -> Place {
        let (line, column) = self.cursor();
        let (text, byte) = self.cursor_line();
        match behind(text, byte) {
            0 if line + 1 < self.lines().len() => (line + 1, 0),
            chars => (line, column + chars),
        }
    }

    fn line_end(&self) -> Place {
        let line = self.cursor().0;
        (line, self.lines()[line].chars().count())
    }

    fn word_left(&self) -> Place {
        let (line, column) = self.cursor();
        if column == 0 {
            return self.left();
        }
        let (text, byte) = self.cursor_line();
        let start = text[..byte].trim_end_matches(|c| !in_word(c)).trim_end_matches(in_word).len();
        (line, text[..start].chars().count())
    }

    fn word_right(&self) -> Place {
        let (line, _) = self.cursor();
        let (text, byte) = self.cursor_line();
        if byte == text.len() {
            return self.right();
        }
        let rest = text[byte..].trim_start_matches(|c| !in_word(c)).trim_start_matches(in_word);
        (line, text[..text.len() - rest.len()].chars().count())
    }

    fn erase(&mut self, start: Place, end: Place) {
        let joins = self.run == Run::Erasing;
        self.settle(Run::Erasing);
        if self.cut(start, end).is_some() {
            self.join_steps(joins);
        }
    }

    fn kill(&mut self, other: Place, side: Side, kills: &mut Kills) {
        let joins = self.run == Run::Killing;
        self.settle(Run::Killing);
        let at = self.cursor();
        let (start, end) = if other < at { (other, at) } else { (at, other) };
        let Some(text) = self.cut(start, end) else { return };
        if joins {
            kills.join(text, side);
        } else {
            kills.push(text);
        }
    }

    fn yank(&mut self, kills: &Kills) {
        let Some(text) = kills.newest() else { return };
        let start = self.cursor();
        self.insert(text);
        self.run = Run::Yanking(start);
    }

    fn yank_older(&mut self, kills: &mut Kills) {
        let Run::Yanking(start) = self.run else { return };
        kills.rotate();
        let Some(text) = kills.newest() else { return };
        self.replace_back_to(start, text);
        self.join_steps(true);
        self.run = Run::Yanking(start);
    }

    /// Makes one step of the last two.
    fn join_steps(&mut self, joins: bool) {
        if joins && self.done.len() > 1 {
            let last = self.done.pop_back().unwrap_or(0);
            if let Some(step) = self.done.back_mut() {
                *step += last;
            }
        }
    }

    fn undo(&mut self) {
        self.settle(Run::None);
        if let Some(changes) = self.done.pop_back() {
            for _ in 0..changes {
                self.area.undo();
            }
            self.undone.push(changes);
            self.revision += 1;
        }
    }

    fn redo(&mut self) {
        self.settle(Run::None);
        if let Some(changes) = self.undone.pop() {
            for _ in 0..changes {
                self.area.redo();
            }
            self.done.push_back(changes);
            self.revision += 1;
        }
    }
}

/// Letters, digits, and whatever else is not punctuation of programs: what joins graphemes among it.
const fn in_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || (!c.is_ascii() && !is_wide_space(c))
}

const fn is_wide_space(c: char) -> bool {
    matches!(c, '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

#[cfg(test)]
mod tests {
    use super::super::byte_of;
    use super::*;

    fn edited(text: &str, edits: &[Edit]) -> (Composer, Kills) {
        let (mut composer, mut kills) = (Composer::with_text(text), Kills::default());
        for edit in edits {
            composer.edit(*edit, &mut kills);
        }
        (composer, kills)
    }

    /// The text with the cursor as `|`.
    fn shown(composer: &Composer) -> String {
        let (line, column) = composer.cursor();
        let mut lines = composer.lines().to_vec();
        let at = byte_of(&lines[line], column);
        lines[line].insert(at, '|');
        lines.join("\n")
    }

    #[test]
    fn a_grapheme_is_passed_and_deleted_whole() {
        use Edit::{DeleteBack, DeleteForward, Left, Right};
        for (text, edits, wanted) in [
            ("a👨‍👩‍👧‍👦", vec![Left], "a|👨‍👩‍👧‍👦"),
            ("a👨‍👩‍👧‍👦", vec![DeleteBack], "a|"),
            ("e\u{301}x", vec![Left, Left], "|e\u{301}x"),
            ("e\u{301}x", vec![Left, DeleteBack], "|x"),
            ("🇩🇪🇫🇷", vec![Left], "🇩🇪|🇫🇷"),
            ("🇩🇪🇫🇷", vec![Left, Left, DeleteForward], "|🇫🇷"),
            ("a\nb", vec![Left, DeleteBack], "a|b"),
            ("a\nb", vec![Left, Left, DeleteForward], "a|b"),
            ("a\nb", vec![Left, Left, Right], "a\n|b"),
            ("", vec![DeleteBack, DeleteForward, Left, Right], "|"),
        ] {
            assert_eq!(shown(&edited(text, &edits).0), wanted, "{text:?} {edits:?}");
        }
    }

    #[test]
    fn words_are_found_across_punctuation_and_lines() {
        use Edit::{
            KillToEnd, KillToStart, KillWordBack, KillWordForward, LineStart, TextStart, WordLeft, WordRight,
        };
        for (text, edits, wanted) in [
            ("one two-three", vec![WordLeft], "one two-|three"),
            ("one two-three", vec![WordLeft, WordLeft], "one |two-three"),
            ("one  two", vec![TextStart, WordRight, WordRight], "one  two|"),
            ("привет мир", vec![KillWordBack], "привет |"),
            ("one\ntwo", vec![WordLeft, WordLeft], "one|\ntwo"),
            ("one\ntwo", vec![LineStart, KillToStart], "one|two"),
            ("one\ntwo", vec![TextStart, KillToEnd], "|\ntwo"),
            ("one\ntwo", vec![TextStart, KillToEnd, KillToEnd], "|two"),
            ("one two", vec![TextStart, KillWordForward], "| two"),
        ] {
            assert_eq!(shown(&edited(text, &edits).0), wanted, "{text:?} {edits:?}");
        }
    }

    #[test]
    fn what_is_cut_in_a_row_is_one_piece_and_the_ring_turns() {
        use Edit::{KillToStart, KillWordBack, TextEnd, Undo, Yank, YankOlder};
        let (composer, kills) = edited("one two three", &[KillWordBack, KillWordBack]);
        assert_eq!((shown(&composer).as_str(), kills.newest()), ("one |", Some("two three")));
        let (composer, _) = edited("one two", &[KillWordBack, TextEnd, KillToStart, Yank]);
        assert_eq!(shown(&composer), "one |");
        let turned = [KillWordBack, TextEnd, KillToStart, Yank, YankOlder];
        assert_eq!(shown(&edited("one two", &turned).0), "two|");
        let back = [turned.as_slice(), &[YankOlder]].concat();
        assert_eq!(shown(&edited("one two", &back).0), "one |");
        let undone = [turned.as_slice(), &[Undo]].concat();
        assert_eq!(shown(&edited("one two", &undone).0), "|", "one yank, however often it was turned");
        assert_eq!(shown(&edited("x", &[YankOlder, Yank]).0), "x|", "nothing was cut");
    }

    #[test]
    fn undo_goes_word_by_word_and_redo_returns() {
        let (mut composer, mut kills) = (Composer::default(), Kills::default());
        "one two".chars().for_each(|c| composer.type_char(c));
        composer.break_line();
        composer.insert("a\r\nb\rc");
        let mut seen = Vec::new();
        for edit in
            [Edit::Undo, Edit::Undo, Edit::Undo, Edit::Undo, Edit::Undo, Edit::Redo, Edit::Redo, Edit::Redo]
        {
            composer.edit(edit, &mut kills);
            seen.push(composer.text());
        }
        assert_eq!(seen, ["one two\n", "one two", "one ", "", "", "one ", "one two", "one two\n"]);
        composer.type_char('!');
        composer.edit(Edit::Redo, &mut kills);
        assert_eq!(composer.text(), "one two\n!", "what was typed since cannot be redone away");
    }

    #[test]
    fn undo_is_bounded_and_never_out_of_step() {
        let (mut composer, mut kills) = (Composer::default(), Kills::default());
        for n in 0..3 * super::super::CHANGES_MAX {
            composer.type_char(if n % 5 == 4 { ' ' } else { 'x' });
        }
        let all = composer.text();
        for _ in 0..all.len() {
            composer.edit(Edit::Undo, &mut kills);
        }
        let left = composer.text();
        assert_eq!(left.len(), all.len() - super::super::CHANGES_MAX, "as much as was kept");
        assert!(all.starts_with(&left));
        for _ in 0..all.len() {
            composer.edit(Edit::Redo, &mut kills);
        }
        assert_eq!(composer.text(), all);
    }

    #[test]
    fn a_place_beyond_sixteen_bits_is_found() {
        let text = format!("{}\n{}", "\n".repeat(70_000), "y".repeat(70_000));
        let (mut composer, mut kills) = (Composer::with_text(&text), Kills::default());
        composer.edit(Edit::DeleteBack, &mut kills);
        assert_eq!(composer.cursor(), (70_001, 69_999));
        composer.edit(Edit::Left, &mut kills);
        composer.edit(Edit::DeleteForward, &mut kills);
        assert_eq!((composer.cursor(), composer.len()), ((70_001, 69_998), text.len() - 2));
        for place in [(0, 0), (69_990, 0), (70_001, 3), (65_536, 0), (70_001, 69_990)] {
            composer.goto(place);
            assert_eq!(composer.cursor(), place);
        }
    }
}
