//! Styles within a text: what the Markdown parser and our own finders say, one look for each byte.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use mechat_protocol::AccountName;
use pulldown_cmark::{Event, LinkType, Tag};

use super::{Look, Mention, find};

/// Characters whose backslash is hidden: those that mean something here.
const ESCAPABLE: &[u8] = b"*_~`|[]#>@";

/// A text and a look for each of its bytes.
#[derive(Debug)]
pub(super) struct Styled<'a> {
    pub(super) text: &'a str,
    pub(super) looks: Vec<Look>,
    pub(super) links: Vec<Rc<str>>,
    /// Marks in whose place another character stands.
    pub(super) instead: BTreeMap<usize, char>,
    addresses: Vec<Range<usize>>,
}

impl<'a> Styled<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let looks = vec![Look::default(); text.len()];
        Self { text, looks, links: Vec::new(), instead: BTreeMap::new(), addresses: find::addresses(text) }
    }

    /// Takes an event of the parser.
    pub(super) fn take(&mut self, event: &Event<'_>, range: &Range<usize>) {
        match event {
            Event::Start(Tag::Emphasis) => self.wrapped(range, 1, |look| look.emphasis = true),
            Event::Start(Tag::Strong) => self.wrapped(range, 2, |look| look.strong = true),
            Event::Start(Tag::Strikethrough) if self.text[range.clone()].starts_with("~~") => {
                self.wrapped(range, 2, |look| look.strike = true);
            }
            Event::Start(Tag::Link { link_type: LinkType::Inline, dest_url, .. }) => {
                self.link(range, dest_url);
            }
            Event::Start(Tag::Heading { .. }) if self.text[range.clone()].starts_with('#') => {
                self.each(range.clone(), |look| look.strong = true);
            }
            Event::Code(_) => self.code(range),
            _ => {}
        }
    }

    /// What the parser does not know, once it has said all.
    pub(super) fn finish(&mut self, me: Option<&AccountName>) {
        for address in std::mem::take(&mut self.addresses) {
            let Some(number) = find::target(&self.text[address.clone()]).and_then(|t| self.target(t)) else {
                continue;
            };
            self.each(address, |look| *look = Look { link: Some(number), hidden: false, ..*look });
        }
        for mention in find::mentions(self.text) {
            if self.looks[mention.start].code || self.looks[mention.start].link.is_some() {
                continue;
            }
            let named = named(&self.text[mention.clone()], me);
            self.each(mention, |look| look.mention = Some(named));
        }
        let codes: Vec<bool> = self.looks.iter().map(|look| look.code).collect();
        for inside in find::spoilers(self.text, |at| codes[at]) {
            self.hide(inside.start - 2..inside.start);
            self.hide(inside.end..inside.end + 2);
            self.each(inside, |look| look.spoiler = true);
        }
        self.escapes();
    }

    /// Marks a range.
    pub(super) fn each(&mut self, range: Range<usize>, change: impl Fn(&mut Look)) {
        self.looks[range].iter_mut().for_each(change);
    }

    /// Hides marks.
    pub(super) fn hide(&mut self, range: Range<usize>) {
        self.each(range, |look| look.hidden = true);
    }

    /// Marks of so many bytes round something. Marks that are part of an address are no marks.
    fn wrapped(&mut self, range: &Range<usize>, len: usize, style: impl Fn(&mut Look)) {
        let (open, close) = (range.start..range.start + len, range.end - len..range.end);
        let in_address = |mark: &Range<usize>| {
            self.addresses.iter().any(|address| address.start < mark.end && mark.start < address.end)
        };
        if in_address(&open) || in_address(&close) {
            return;
        }
        self.each(open.end..close.start, style);
        self.hide(open);
        self.hide(close);
    }

    fn code(&mut self, range: &Range<usize>) {
        let source = &self.text[range.clone()];
        let ticks = source.len() - source.trim_start_matches('`').len();
        // The ticks stay, in the background: without colours nothing else tells code from text.
        self.each(range.clone(), |look| *look = Look { code: true, quiet: true, ..Look::default() });
        self.each(range.start + ticks..range.end - ticks, |look| look.quiet = false);
    }

    /// `[words](address)`: the brackets go, the address stays behind the words, so that nobody is led where they do not see.
    fn link(&mut self, range: &Range<usize>, address: &str) {
        let source = &self.text[range.clone()];
        let Some(label) = source.rfind("](").filter(|label| *label > 1) else { return };
        let Some(number) = find::target(address).and_then(|target| self.target(target)) else { return };
        let close = range.start + label;
        self.each(range.start + 1..close, |look| look.link = Some(number));
        self.each(close..range.end, |look| look.quiet = true);
        self.hide(range.start..range.start + 1);
        self.instead.insert(close, ' ');
    }

    fn target(&mut self, target: String) -> Option<u16> {
        let known = self.links.iter().position(|link| **link == *target);
        let number = known.unwrap_or_else(|| {
            self.links.push(target.into());
            self.links.len() - 1
        });
        u16::try_from(number).ok()
    }

    fn escapes(&mut self) {
        let bytes = self.text.as_bytes();
        let mut at = 0;
        while at + 1 < bytes.len() {
            if bytes[at] != b'\\' {
                at += 1;
                continue;
            }
            let look = self.looks[at];
            if ESCAPABLE.contains(&bytes[at + 1]) && !look.code && look.link.is_none() {
                self.hide(at..at + 1);
            }
            at += 2;
        }
    }
}

fn named(mention: &str, me: Option<&AccountName>) -> Mention {
    let Some(name) = mention.strip_prefix('@') else { return Mention::Channel };
    let is_me = me.is_some_and(|me| {
        me.as_str().eq_ignore_ascii_case(name)
            || AccountName::new(name).is_ok_and(|name| name.key().folded == me.key().folded)
    });
    if is_me { Mention::Me } else { Mention::Person }
}
