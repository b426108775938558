//! How the pieces of a message look: the one place where markup meets the theme.

use ratatui::style::{Modifier, Style};
use ratatui::text::Span;

use crate::markup::{Look, Mention, Piece, Token};
use crate::theme::{Role, Theme};

/// A piece of a message as it is drawn.
pub fn span(theme: &Theme, piece: &Piece) -> Span<'static> {
    let style = if piece.bar { theme.style(Role::Rule) } else { style(theme, &piece.look, &piece.text) };
    Span::styled(piece.text.clone(), style)
}

fn style(theme: &Theme, look: &Look, text: &str) -> Style {
    let role = match (look.token, look.mention) {
        (Some(Token::Keyword), _) => Role::Accent,
        (Some(Token::Text | Token::Number), _) => Role::Waiting,
        (Some(Token::Comment), _) => Role::Quiet,
        (None, Some(Mention::Me)) => Role::Mention,
        (None, Some(Mention::Channel)) => Role::Accent,
        _ if look.quiet => Role::Quiet,
        _ if look.link.is_some() => Role::Link,
        _ if look.code => Role::Code,
        _ if look.spoiler => Role::Quote,
        _ => Role::Text,
    };
    let mut style = match look.mention {
        Some(Mention::Person) => theme.name(text.trim_start_matches('@')),
        _ => theme.style(role),
    };
    // Without colours one's own name must still stand out from all others.
    if look.mention == Some(Mention::Me) {
        style = style.add_modifier(Modifier::REVERSED);
    }
    for (on, modifier) in [
        (look.strong, Modifier::BOLD),
        (look.emphasis, Modifier::ITALIC),
        (look.strike, Modifier::CROSSED_OUT),
        // What leads somewhere is underlined in every theme: `app/output.rs` goes by it.
        (look.link.is_some(), Modifier::UNDERLINED),
    ] {
        if on {
            style = style.add_modifier(modifier);
        }
    }
    style
}
