//! How wide the terminal draws what people disagree about, and how one finds out.
//!
//! Owns the policy value, the one that is in force, and the reading of a terminal's answers. It never reads or writes a
//! terminal: the shell does (`app/probe.rs`).
//!
//! A terminal is one for the whole program and measuring happens in every corner of the drawing, so the policy in force
//! belongs to the thread that draws: the shell sets it once it has asked, before that the default holds.

use std::cell::Cell;

/// What the terminal does with characters that terminals differ in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is the answer to a question of its own")]
pub struct Policy {
    /// Characters of ambiguous width (UAX #11) take two cells.
    pub ambiguous_wide: bool,
    /// Emoji joined by U+200D are one picture of two cells.
    pub joins: bool,
    /// Two regional indicators are one flag of two cells.
    pub flags: bool,
    /// A skin tone colours the emoji before it and takes no cells.
    pub tones: bool,
    /// U+FE0F makes the character before it two cells wide.
    pub presentation: bool,
}

impl Default for Policy {
    /// What terminals of today do.
    fn default() -> Self {
        Self { ambiguous_wide: false, joins: true, flags: true, tones: true, presentation: true }
    }
}

thread_local! {
    static IN_FORCE: Cell<Policy> = Cell::new(Policy::default());
}

impl Policy {
    /// The one in force on this thread.
    pub fn in_force() -> Self {
        IN_FORCE.get()
    }

    /// From now on measure by this one, on this thread.
    pub fn put_in_force(self) {
        IN_FORCE.set(self);
    }

    /// What the widths of [`SAMPLES`] tell. A width that nobody would expect tells nothing: the default stands.
    pub fn from_widths(widths: [u16; SAMPLES.len()]) -> Self {
        let [ambiguous, family, flag, toned, heart] = widths;
        let default = Self::default();
        Self {
            ambiguous_wide: ambiguous == 2,
            joins: if family == 0 { default.joins } else { family == 2 },
            flags: if flag == 0 { default.flags } else { flag == 2 },
            tones: if toned == 0 { default.tones } else { toned == 2 },
            presentation: if heart == 0 { default.presentation } else { heart == 2 },
        }
    }
}

/// One text for each question, in the order of the answers: an ambiguous character, a family, a flag, a skin tone, a heart
/// with its presentation selector.
pub const SAMPLES: [&str; 5] = ["○", "👨‍👩‍👧", "🇩🇪", "👍🏽", "❤\u{fe0f}"];

/// The bytes that ask: each sample at the start of the line, then where the cursor is. The line is wiped in the end.
pub fn questions() -> String {
    let mut asked = String::new();
    for sample in SAMPLES {
        asked.push('\r');
        asked.push_str(sample);
        asked.push_str("\u{1b}[6n");
    }
    asked.push_str("\r\u{1b}[2K");
    asked
}

/// The answers that came so far, taken out of what else came: keys that were pressed meanwhile stay.
#[derive(Debug, Default)]
pub struct Answers {
    widths: Vec<u16>,
    pending: Vec<u8>,
    others: Vec<u8>,
}

impl Answers {
    /// Takes bytes from the terminal.
    pub fn take(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.pending.push(byte);
            match report(&self.pending) {
                Report::Maybe => {}
                Report::Column(column) => {
                    self.widths.push(column.saturating_sub(1));
                    self.pending.clear();
                }
                Report::No => {
                    let kept = usize::from(byte == 0x1b && self.pending.len() > 1);
                    let rest = self.pending.split_off(self.pending.len() - kept);
                    self.others.append(&mut self.pending);
                    self.pending = rest;
                }
            }
        }
    }

    /// Whether every question is answered.
    pub fn are_complete(&self) -> bool {
        self.widths.len() >= SAMPLES.len()
    }

    /// The policy they tell, if all came; and what was no answer, to be treated as typed.
    pub fn finish(mut self) -> (Option<Policy>, Vec<u8>) {
        self.others.append(&mut self.pending);
        let widths = self.widths.get(..SAMPLES.len()).and_then(|widths| widths.try_into().ok());
        (widths.map(Policy::from_widths), self.others)
    }
}

/// What bytes could be of `ESC [ ROW ; COLUMN R` (ECMA-48, CPR).
enum Report {
    Maybe,
    Column(u16),
    No,
}

fn report(bytes: &[u8]) -> Report {
    let Some(rest) = bytes.strip_prefix(b"\x1b") else { return Report::No };
    let Some((first, rest)) = rest.split_first() else { return Report::Maybe };
    if *first != b'[' {
        return Report::No;
    }
    let Some((last, numbers)) = rest.split_last() else { return Report::Maybe };
    // Neither number is longer than five digits.
    if numbers.len() > 11 || !numbers.iter().all(|byte| byte.is_ascii_digit() || *byte == b';') {
        return Report::No;
    }
    match last {
        b'R' => {
            let column = std::str::from_utf8(numbers).ok().and_then(|text| text.split_once(';'));
            column.and_then(|(_, column)| column.parse().ok()).map_or(Report::No, Report::Column)
        }
        b'0'..=b'9' | b';' => Report::Maybe,
        _ => Report::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(columns: [u16; 5]) -> String {
        columns.map(|column| format!("\u{1b}[1;{column}R")).concat()
    }

    #[test]
    fn a_terminal_of_today_is_the_default() {
        let mut told = Answers::default();
        told.take(answers([2, 3, 3, 3, 3]).as_bytes());
        assert!(told.are_complete());
        assert_eq!(told.finish(), (Some(Policy::default()), Vec::new()));
    }

    #[test]
    fn each_width_answers_its_question() {
        let policy = Policy::from_widths([2, 6, 4, 4, 1]);
        assert!(policy.ambiguous_wide);
        assert!(!policy.joins && !policy.flags && !policy.tones && !policy.presentation);
        assert_eq!(
            Policy::from_widths([0; 5]),
            Policy::default(),
            "a terminal that moves nothing tells nothing"
        );
    }

    #[test]
    fn keys_among_the_answers_are_kept_in_order() {
        let mut told = Answers::default();
        let answers = answers([2, 3, 3, 3, 3]);
        let (first, second) = answers.split_at(12);
        for part in ["h", first, "é\u{1b}[A", second, "x\u{1b}"] {
            told.take(part.as_bytes());
        }
        let (policy, others) = told.finish();
        assert_eq!(policy, Some(Policy::default()));
        assert_eq!(others, "hé\u{1b}[Ax\u{1b}".as_bytes());
    }

    #[test]
    fn an_answer_in_the_midst_of_a_key_or_none_at_all_leaves_the_default() {
        let mut told = Answers::default();
        told.take(b"\x1b\x1b[1;2R\x1b[1;3");
        assert!(!told.are_complete());
        assert_eq!(told.finish(), (None, b"\x1b\x1b[1;3".to_vec()));
        assert_eq!(Answers::default().finish(), (None, Vec::new()));
    }
}
