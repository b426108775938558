//! The lines of a message: which are code, which are quoted, where list items begin.

use std::ops::Range;

use mechat_protocol::AccountName;
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag};

use super::inline::Styled;
use super::{Look, Markup, MarkupLine, code, indent};
use crate::text;

/// What is known of a line besides its looks.
#[derive(Debug, Clone, Default)]
struct Kind {
    quotes: usize,
    code: bool,
    /// A fence: in its place stands what it says besides.
    fence: Option<String>,
    /// Where the words of a list's item begin.
    words: Option<usize>,
}

/// Reads a harmless text.
pub(super) fn read(text: &str, me: Option<&AccountName>) -> Markup {
    let mut reader = Reader::new(text);
    for (event, range) in Parser::new_ext(text, Options::ENABLE_STRIKETHROUGH).into_offset_iter() {
        match &event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => reader.fenced(&range, info),
            Event::Start(Tag::BlockQuote(_)) => reader.quoted(&range),
            Event::Start(Tag::Item) => reader.item(&range),
            other => reader.styled.take(other, &range),
        }
    }
    reader.finish(me)
}

struct Reader<'a> {
    styled: Styled<'a>,
    lines: Vec<Range<usize>>,
    kinds: Vec<Kind>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        let mut lines = Vec::new();
        let mut start = 0;
        for line in text.split('\n') {
            lines.push(start..start + line.len());
            start += line.len() + 1;
        }
        Self { styled: Styled::new(text), kinds: vec![Kind::default(); lines.len()], lines }
    }

    /// The number of the line in which a byte stands.
    fn line_of(&self, at: usize) -> usize {
        self.lines.partition_point(|line| line.end < at).min(self.lines.len() - 1)
    }

    /// The lines of a block; a last one of which it has nothing does not belong to it.
    fn lines_of(&self, range: &Range<usize>) -> Range<usize> {
        let last = self.line_of(range.end.saturating_sub(1).max(range.start));
        self.line_of(range.start)..last + 1
    }

    fn fenced(&mut self, range: &Range<usize>, info: &str) {
        let lines = self.lines_of(range);
        let (open, close) = (lines.start, lines.end - 1);
        let mark = self.styled.text[range.start..].chars().next().unwrap_or('`');
        let is_fence = |line: &str| {
            let rest = line.trim_start_matches([' ', '>']).trim_end();
            rest.len() >= 3 && rest.chars().all(|c| c == mark)
        };
        let closed = close > open && is_fence(&self.styled.text[self.lines[close].clone()]);
        let inside = open + 1..if closed { close } else { lines.end };
        if inside.is_empty() {
            return;
        }
        if closed {
            let opening = &self.styled.text[range.start..self.lines[open].end];
            self.kinds[open].fence = Some(opening.trim_start_matches(mark).trim().to_owned());
            self.kinds[close].fence = Some(String::new());
        }
        for line in inside.clone() {
            self.kinds[line].code = true;
            self.styled.each(self.lines[line].clone(), |look| *look = Look { code: true, ..Look::default() });
        }
        let block = self.lines[inside.start].start..self.lines[inside.end - 1].end;
        for (token, range) in code::tokens(info, &self.styled.text[block.clone()]) {
            let range = block.start + range.start..block.start + range.end;
            self.styled.each(range, |look| look.token = Some(token));
        }
    }

    fn quoted(&mut self, range: &Range<usize>) {
        for line in self.lines_of(range) {
            self.kinds[line].quotes += 1;
        }
    }

    fn item(&mut self, range: &Range<usize>) {
        let line = self.line_of(range.start);
        let rest = &self.styled.text[range.start..self.lines[line].end];
        let mark = rest.find(' ').unwrap_or(rest.len());
        let words = rest[mark..].find(|c| c != ' ').map_or(rest.len(), |spaces| mark + spaces);
        if mark == 1 && words < rest.len() {
            self.styled.instead.insert(range.start, '•');
        }
        self.kinds[line].words = Some(range.start + words);
    }

    fn finish(mut self, me: Option<&AccountName>) -> Markup {
        self.styled.finish(me);
        for number in 0..self.lines.len() {
            self.strip_quotes(number);
        }
        let mut lines = Vec::with_capacity(self.lines.len());
        for (range, kind) in self.lines.iter().zip(&self.kinds) {
            match &kind.fence {
                Some(label) if label.is_empty() => {}
                Some(label) => lines.push(labelled(label, kind.quotes)),
                None => lines.push(self.line(range, kind)),
            }
        }
        Markup { lines, links: self.styled.links }
    }

    /// Hides the `>` of a quoted line; one that goes on without them is no part of the quote.
    fn strip_quotes(&mut self, number: usize) {
        let Range { start, end } = self.lines[number];
        let line = &self.styled.text[start..end];
        let (mut at, mut depth) = (0, 0);
        while depth < self.kinds[number].quotes {
            let spaces = indent(&line[at..]);
            if spaces > 3 || !line[at + spaces..].starts_with('>') {
                break;
            }
            at += spaces + 1;
            at += usize::from(line[at..].starts_with(' '));
            depth += 1;
        }
        self.kinds[number].quotes = depth;
        self.styled.hide(start..start + at);
    }

    fn line(&self, range: &Range<usize>, kind: &Kind) -> MarkupLine {
        let mut line = MarkupLine { quotes: kind.quotes, code: kind.code, ..MarkupLine::default() };
        for (offset, c) in self.styled.text[range.clone()].char_indices() {
            let at = range.start + offset;
            if kind.words == Some(at) {
                line.hang = text::width(&line.text);
            }
            let look = self.styled.looks[at];
            if look.hidden {
                continue;
            }
            line.text.push(self.styled.instead.get(&at).copied().unwrap_or(c));
            match line.runs.last_mut() {
                Some((end, last)) if *last == look => *end = line.text.len(),
                _ => line.runs.push((line.text.len(), look)),
            }
        }
        if kind.words.is_none() && !kind.code {
            line.hang = indent(&line.text);
        }
        line
    }
}

/// The line in a fence's place: the language.
fn labelled(label: &str, quotes: usize) -> MarkupLine {
    let look = Look { quiet: true, ..Look::default() };
    MarkupLine { text: label.to_owned(), runs: vec![(label.len(), look)], quotes, ..MarkupLine::default() }
}
