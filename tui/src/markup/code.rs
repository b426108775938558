//! What is what in a block of code: words of the language, texts, numbers, remarks.
//!
//! A table of languages and one small scanner instead of grammars: four roles are all that a chat shows of code, and the
//! crates that know more bring regular expressions, which cost a client more memory than the rest of its code.
//! A language that is not in the table is shown as code without roles.

use std::ops::Range;

use super::Token;

/// How a family of languages writes things.
struct Language {
    names: &'static [&'static str],
    remarks: &'static [&'static str],
    long_remark: Option<(&'static str, &'static str)>,
    /// What opens and closes a text.
    quotes: &'static [char],
    keywords: &'static str,
    /// Whether keywords are written in any case.
    any_case: bool,
}

const C_REMARK: Option<(&str, &str)> = Some(("/*", "*/"));

const LANGUAGES: &[Language] = &[
    Language {
        names: &["rust", "rs"],
        remarks: &["//"],
        long_remark: C_REMARK,
        quotes: &['"'],
        keywords: "as async await break const continue crate dyn else enum extern false fn for if impl in let loop match \
                   mod move mut pub ref return self Self static struct super trait true type unsafe use where while",
        any_case: false,
    },
    Language {
        names: &["python", "py"],
        remarks: &["#"],
        long_remark: None,
        quotes: &['"', '\''],
        keywords: "False None True and as assert async await break class continue def del elif else except finally for \
                   from global if import in is lambda match nonlocal not or pass raise return try while with yield",
        any_case: false,
    },
    Language {
        names: &["javascript", "js", "typescript", "ts", "jsx", "tsx"],
        remarks: &["//"],
        long_remark: C_REMARK,
        quotes: &['"', '\'', '`'],
        keywords: "abstract any as async await boolean break case catch class const continue default delete do else enum \
                   export extends false finally for from function get if implements import in instanceof interface let \
                   new null number of private protected public readonly return set static string super switch this \
                   throw true try type typeof undefined var void while yield",
        any_case: false,
    },
    Language {
        names: &["c", "h", "cpp", "c++", "cc", "hpp", "java", "kotlin", "kt", "csharp", "cs", "swift", "zig"],
        remarks: &["//"],
        long_remark: C_REMARK,
        quotes: &['"', '\''],
        keywords: "abstract auto bool boolean break byte case catch char class const constexpr continue default defer \
                   delete do double else enum extends extern false final finally float for fun func goto guard if \
                   implements import in inline int interface internal let long namespace new nil null nullptr object \
                   override package private protected public return short signed sizeof static string struct super \
                   switch template this throw throws true try typedef typename union unsigned using val var virtual void \
                   volatile when while",
        any_case: false,
    },
    Language {
        names: &["go", "golang"],
        remarks: &["//"],
        long_remark: C_REMARK,
        quotes: &['"', '`', '\''],
        keywords: "any bool break byte case chan const continue default defer else error fallthrough false for func go \
                   goto if import int interface map nil package range return rune select string struct switch true type \
                   var",
        any_case: false,
    },
    Language {
        names: &["sh", "bash", "zsh", "shell", "console", "fish"],
        remarks: &["#"],
        long_remark: None,
        quotes: &['"', '\''],
        keywords: "case do done elif else esac export fi for function if in local return set then unset until while",
        any_case: false,
    },
    Language {
        names: &["sql", "postgres", "sqlite", "mysql"],
        remarks: &["--"],
        long_remark: C_REMARK,
        quotes: &['\''],
        keywords: "add all alter and as asc begin by case check commit constraint create default delete desc distinct \
                   drop else end exists foreign from group having in index inner insert into is join key left like limit \
                   not null on or order outer primary references returning right rollback select set table then union \
                   unique update values view when where with",
        any_case: true,
    },
    Language {
        names: &["toml", "yaml", "yml", "ini", "conf", "dockerfile", "make", "makefile", "nix"],
        remarks: &["#", ";"],
        long_remark: None,
        quotes: &['"', '\''],
        keywords: "true false null yes no on off FROM RUN COPY ENV CMD ENTRYPOINT WORKDIR let in with inherit rec",
        any_case: false,
    },
    Language {
        names: &["json", "jsonc", "json5"],
        remarks: &["//"],
        long_remark: C_REMARK,
        quotes: &['"'],
        keywords: "true false null",
        any_case: false,
    },
    Language {
        names: &["lua"],
        remarks: &["--"],
        long_remark: None,
        quotes: &['"', '\''],
        keywords: "and break do else elseif end false for function goto if in local nil not or repeat return then true \
                   until while",
        any_case: false,
    },
    Language {
        names: &["ruby", "rb", "elixir", "ex"],
        remarks: &["#"],
        long_remark: None,
        quotes: &['"', '\''],
        keywords: "alias and begin break case class def defmodule do else elsif end ensure false fn for if in module next \
                   nil not or redo rescue retry return self super then true undef unless until when while yield",
        any_case: false,
    },
    Language {
        names: &["haskell", "hs", "elm", "ocaml", "ml"],
        remarks: &["--"],
        long_remark: Some(("{-", "-}")),
        quotes: &['"'],
        keywords: "case class data deriving do else fun function if import in infix instance let match module newtype of \
                   open rec then type val where with",
        any_case: false,
    },
];

/// The pieces of a block that have a role. `info` is what stands behind the fence.
pub(super) fn tokens(info: &str, code: &str) -> Vec<(Token, Range<usize>)> {
    let name = info.split([' ', ',', '{', ':']).next().unwrap_or_default().to_ascii_lowercase();
    let Some(language) = LANGUAGES.iter().find(|language| language.names.contains(&name.as_str())) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = code[at..].chars().next() {
        let (len, token) = language.next(&code[at..], next);
        if let Some(token) = token {
            found.push((token, at..at + len));
        }
        at += len;
    }
    found
}

impl Language {
    /// Bytes of what comes next, at least one, and its role.
    fn next(&self, rest: &str, first: char) -> (usize, Option<Token>) {
        let line = rest.find('\n').unwrap_or(rest.len());
        if self.remarks.iter().any(|remark| rest.starts_with(remark)) {
            return (line.max(1), Some(Token::Comment));
        }
        if let Some((open, close)) = self.long_remark
            && rest.starts_with(open)
        {
            let len = rest[open.len()..].find(close).map_or(rest.len(), |end| open.len() + end + close.len());
            return (len, Some(Token::Comment));
        }
        if self.quotes.contains(&first) {
            return (quoted(rest, first), Some(Token::Text));
        }
        if first.is_ascii_digit() {
            let number = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
            return (rest.find(|c| !number(c)).unwrap_or(rest.len()), Some(Token::Number));
        }
        if first.is_alphabetic() || first == '_' {
            let len = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            return (len, self.is_keyword(&rest[..len]).then_some(Token::Keyword));
        }
        (first.len_utf8(), None)
    }

    fn is_keyword(&self, word: &str) -> bool {
        self.keywords
            .split_ascii_whitespace()
            .any(|keyword| keyword == word || (self.any_case && keyword.eq_ignore_ascii_case(word)))
    }
}

/// Bytes of a text with its quotes; one that does not end ends with its line, unless it is of many lines by nature.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '\n' if quote != '`' => return at,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(info: &str, code: &str) -> Vec<(Token, String)> {
        tokens(info, code).into_iter().map(|(token, range)| (token, code[range].to_owned())).collect()
    }

    #[test]
    fn tells_words_texts_numbers_and_remarks() {
        let code = "let x = 0x1f; // \"no\"\nprintln!(\"a \\\" b\", lettuce);";
        let expected = [
            (Token::Keyword, "let"),
            (Token::Number, "0x1f"),
            (Token::Comment, "// \"no\""),
            (Token::Text, "\"a \\\" b\""),
        ];
        assert_eq!(found("rust,ignore", code), expected.map(|(token, text)| (token, text.to_owned())));
        assert_eq!(found("SQL", "Select '日本")[0], (Token::Keyword, "Select".to_owned()));
        assert_eq!(found("sql", "Select '日本")[1], (Token::Text, "'日本".to_owned()));
    }

    #[test]
    fn an_unknown_language_has_no_roles() {
        assert_eq!(found("klingon", "let x = 1"), []);
        assert_eq!(found("", "let x = 1"), []);
    }

    #[test]
    fn any_code_in_any_language_comes_to_an_end() {
        for language in LANGUAGES {
            for code in ["\"", "'\\", "/*", "{-", "`\n", "//\n\n", "#", "--", "é_1 2", ";\n;"] {
                let reach = found(language.names[0], code).iter().map(|(_, text)| text.len()).sum::<usize>();
                assert!(reach <= code.len(), "{code:?} in {}", language.names[0]);
            }
        }
    }
}
