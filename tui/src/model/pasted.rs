//! A text that was pasted and is asked about.

/// A text that was pasted and is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pasted {
    text: String,
    lines: usize,
}

impl Pasted {
    /// A text whose lines end in `\n`.
    pub fn new(text: String) -> Self {
        let lines = text.strip_suffix('\n').unwrap_or(&text).matches('\n').count() + 1;
        Self { text, lines }
    }

    /// All of it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many lines it has. A break at the end begins no further line.
    pub const fn lines(&self) -> usize {
        self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_as_people_do() {
        for (text, lines) in
            [("", 1), ("a", 1), ("a\n", 1), ("a\nb", 2), ("a\nb\n", 2), ("a\n\n", 2), ("\n", 1)]
        {
            assert_eq!(Pasted::new(text.to_owned()).lines(), lines, "{text:?}");
        }
        assert_eq!(Pasted::new("x\n".repeat(100_000)).lines(), 100_000);
    }
}
