//! What messages look like, and that nothing of them is lost.

use proptest::prelude::*;

use super::*;

fn me() -> AccountName {
    AccountName::new("misha").expect("a name")
}

/// A message in words, with the looks written out: `<strong>x</>`.
fn shown(message: &str) -> String {
    let markup = Markup::parse(message, Some(&me()));
    let mut all = Vec::new();
    for line in &markup.lines {
        let mut words = "> ".repeat(line.quotes);
        let mut from = 0;
        for (to, look) in &line.runs {
            let piece = &line.text[from..*to];
            from = *to;
            let names = names(look, &markup);
            if names.is_empty() {
                words.push_str(piece);
            } else {
                words.extend(["<", &names, ">", piece, "</>"]);
            }
        }
        all.push(words);
    }
    all.join("\n")
}

fn names(look: &Look, markup: &Markup) -> String {
    let flags = [
        (look.strong, "strong"),
        (look.emphasis, "em"),
        (look.strike, "strike"),
        (look.code, "code"),
        (look.spoiler, "spoiler"),
        (look.quiet, "quiet"),
    ];
    let mut names: Vec<String> =
        flags.iter().filter(|(on, _)| *on).map(|(_, name)| (*name).to_owned()).collect();
    names.extend(look.link.map(|link| format!("={}", markup.links[usize::from(link)])));
    names.extend(look.mention.map(|mention| format!("{mention:?}")));
    names.extend(look.token.map(|token| format!("{token:?}")));
    names.join(" ")
}

#[test]
fn reads_what_people_type() {
    for (message, expected) in [
        ("plain", "plain"),
        (
            "a **b** *c* _d_ ~~e~~ `f`",
            "a <strong>b</> <em>c</> <em>d</> <strike>e</> <code quiet>`</><code>f</><code quiet>`</>",
        ),
        ("***both***", "<strong em>both</>"),
        ("snake_case_name 2*3*4 5 * 6", "snake_case_name 2<em>3</>4 5 * 6"),
        ("`**not strong** @vera`", "<code quiet>`</><code>**not strong** @vera</><code quiet>`</>"),
        ("the ||butler|| did it", "the <spoiler>butler</> did it"),
        ("\\*as typed\\* and C:\\\\dir\\file", "*as typed* and C:\\\\dir\\file"),
        ("# Title", "<strong># Title</>"),
        ("~5 and ~6", "~5 and ~6"),
        ("hi @misha and @Vera in #rust", "hi <Me>@misha</> and <Person>@Vera</> in <Channel>#rust</>"),
        ("&amp; &copy;", "&amp; &copy;"),
        ("**", "**"),
        ("<b>bold</b>", "<b>bold</b>"),
    ] {
        assert_eq!(shown(message), expected, "{message}");
    }
}

#[test]
fn lines_stay_their_authors_lines() {
    for (message, expected) in [
        ("one\n\n\ntwo  \n   three", "one\n\n\ntwo  \n   three"),
        ("- a\n- b\n  c", "• a\n• b\n  c"),
        ("1986. A great year", "1986. A great year"),
        ("1. a\n1. b", "1. a\n1. b"),
        ("> quoted\nnot", "> quoted\nnot"),
        ("> a\n>> b", "> a\n> > b"),
        ("foo\n---\nbar", "foo\n---\nbar"),
        ("***", "***"),
        ("[a]: https://x.y", "[a]: <=https://x.y>https://x.y</>"),
        ("a\\\nb", "a\\\nb"),
    ] {
        assert_eq!(shown(message), expected, "{message}");
    }
}

#[test]
fn code_blocks_name_their_language_and_hold_what_was_typed() {
    assert_eq!(
        shown("see:\n```rust\nlet *x* = 1;\n\n```\nok"),
        "see:\n<quiet>rust</>\n<code Keyword>let</><code> *x* = </><code Number>1</><code>;</>\n\nok"
    );
    assert_eq!(shown("```\na\n```"), "<code>a</>");
    assert_eq!(shown("```"), "```");
    assert_eq!(shown("```rust\nfn"), "```rust\n<code Keyword>fn</>", "one that does not end keeps its fence");
    assert_eq!(shown("> ```\n> a\n> ```\nb"), "> <code>a</>\nb");
}

#[test]
fn links_lead_where_they_say() {
    for (message, expected) in [
        ("see https://x.y/a_b_c.", "see <=https://x.y/a_b_c>https://x.y/a_b_c</>."),
        ("_https://x.y/a_", "<em =https://x.y/a>https://x.y/a</>"),
        ("https://x.y/_a_ b", "<=https://x.y/_a>https://x.y/_a</>_ b"),
        (
            "[words](https://x.y)",
            "<=https://x.y>words</><quiet> (</><quiet =https://x.y>https://x.y</><quiet>)</>",
        ),
        ("[words](javascript:alert)", "[words](javascript:alert)"),
        ("[words](/path)", "[words](/path)"),
        ("![alt](https://x.y)", "![alt](<=https://x.y>https://x.y</>)"),
        ("<https://x.y>", "<<=https://x.y>https://x.y</>>"),
        ("https://x.y\u{1b}[2J", "<=https://x.y>https://x.y</>␛[2J"),
    ] {
        assert_eq!(shown(message), expected, "{message}");
    }
}

#[test]
fn wraps_with_hanging_indents_and_keeps_looks() {
    let laid = |message: &str, width| -> Vec<String> {
        Markup::parse(message, None).layout(width, false, false).iter().map(Laid::text).collect()
    };
    assert_eq!(laid("- one two three", 9), ["• one two", "  three"]);
    assert_eq!(laid("> one two three", 9), ["│ one two", "│ three"]);
    assert_eq!(laid("  one two three", 9), ["  one two", "  three"]);
    assert_eq!(laid("```\nabcdefghijkl\n```", 10), ["  abcdefgh", "  ijkl"]);
    assert_eq!(laid("", 10), [""]);
    assert_eq!(laid("👨‍👩‍👧‍👦👨‍👩‍👧‍👦", 1), ["👨‍👩‍👧‍👦", "👨‍👩‍👧‍👦"]);
}

#[test]
fn a_url_that_wraps_stays_one_link() {
    let url = "https://example.org/a/very/long/path/that/does/not/fit";
    let markup = Markup::parse(&format!("see {url} there"), None);
    let laid = markup.layout(20, false, false);
    let pieces: Vec<&Piece> =
        laid.iter().flat_map(|line| &line.pieces).filter(|piece| piece.link.is_some()).collect();
    assert!(pieces.len() > 2, "{laid:?}");
    assert!(pieces.iter().all(|piece| piece.link.as_deref() == Some(url)), "each piece leads to the whole");
    assert_eq!(
        pieces.iter().map(|piece| piece.text.as_str()).collect::<String>(),
        url,
        "nothing stands between"
    );
}

#[test]
fn what_a_spoiler_covers_is_nowhere_until_it_is_revealed() {
    let markup = Markup::parse("it was ||the butler https://x.y|| 日", None);
    let covered = markup.layout(80, false, false);
    assert_eq!(covered[0].text(), "it was ░░░ ░░░░░░ ░░░░░░░░░░░ 日");
    assert!(covered[0].pieces.iter().all(|piece| piece.link.is_none()));
    assert_eq!(markup.layout(80, true, false)[0].text(), "it was the butler https://x.y 日");
    assert!(!markup.in_one_line().contains("butler"));
}

#[test]
fn a_remark_stands_behind_the_text_and_never_in_code() {
    let mut text = Markup::parse("hello", None);
    text.remark("(edited)");
    assert_eq!(text.layout(80, false, false)[0].text(), "hello (edited)");
    let mut code = Markup::parse("```\nx\n```", None);
    code.remark("(edited)");
    assert_eq!(code.layout(80, false, false).len(), 2);
}

fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z]{1,8}",
        Just("**".to_owned()),
        Just("||".to_owned()),
        Just("\n".to_owned()),
        Just("\n> ".to_owned()),
        Just("\n- ".to_owned()),
        Just("\n1. ".to_owned()),
        Just("\n```\n".to_owned()),
        Just("\n```rust no_run\n".to_owned()),
        Just("\n---\n".to_owned()),
        Just("https://x.y/_".to_owned()),
        Just("](https://a.b)".to_owned()),
        Just("[z]: /u".to_owned()),
        "[*_~`|\\[\\]()<>#@!\\\\ \t&;:.-]{1,4}",
        "\\PC{1,3}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// Letters and digits are never marks: each must come out, in order. A language's name stands in its own line.
    #[test]
    fn text_is_never_lost(message in nasty()) {
        let words = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
        let markup = Markup::parse(&message, None);
        let shown: String = markup.lines.iter().map(|line| line.text.as_str()).collect();
        let typed: String = text::lines(&message).concat();
        prop_assert_eq!(words(&shown), words(&typed));
    }

    #[test]
    fn no_line_is_wider_than_its_room_and_all_is_harmless(message in nasty(), width in 1_usize..60, revealed: bool, bare: bool) {
        let markup = Markup::parse(&message, None);
        for line in markup.layout(width, revealed, bare) {
            let text = line.text();
            prop_assert!(text::width(&text) <= width.max(2), "{:?} in {}", text, width);
            prop_assert!(!text.chars().any(char::is_control), "{:?}", text);
        }
        for link in &markup.links {
            prop_assert!(link.bytes().all(|byte| byte.is_ascii_graphic()), "{}", link);
        }
    }
}
