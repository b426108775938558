//! A long paste, asked about: how much it is, how it begins, what can become of it.

use ratatui::Frame;
use ratatui::text::{Line, Span};

use super::dialog;
use crate::model::{Model, Pasted};
use crate::text;
use crate::theme::Role;

/// Columns inside the box.
const WIDTH: u16 = 72;
/// Lines of the text that are shown.
const LINES: usize = 6;

/// Draws the question.
pub fn paste(model: &Model, pasted: &Pasted, frame: &mut Frame<'_>) {
    let room = dialog::room(model, WIDTH);
    let (quiet, strong) = (model.theme.style(Role::Quiet), model.theme.style(Role::Strong));
    let lines = usize::from(model.size.1).saturating_sub(10).clamp(1, LINES);
    let mut shown: Vec<Line<'_>> = Vec::new();
    for line in pasted.text().lines().take(lines) {
        // No more of it is looked at than fits.
        let start = line.char_indices().nth(room).map_or(line.len(), |(end, _)| end);
        let safe = text::harmless(&line[..start]);
        shown.push(Line::from(vec![
            Span::styled("│ ", quiet),
            Span::raw(text::clip(&safe, room.saturating_sub(2)).into_owned()),
        ]));
    }
    let more = pasted.lines().saturating_sub(lines);
    let more = match more {
        0 => String::new(),
        1 => "and 1 line more".to_owned(),
        more => format!("and {more} lines more"),
    };
    shown.extend([Line::styled(more, quiet), Line::raw("")]);
    let (len, most) = (pasted.text().trim_end_matches('\n').len(), model.text_len_max());
    if len > most {
        let words = format!("too long for one message by {} bytes of {most}", len - most);
        shown.push(Line::styled(text::clip(&words, room).into_owned(), model.theme.style(Role::Error)));
    }
    for (key, words) in
        [("Enter", "put it into the composer"), ("s", "send it as one message"), ("Esc", "forget it")]
    {
        if key != "s" || len <= most {
            let key = Span::styled(text::fit(key, 7), strong);
            shown.push(Line::from(vec![
                key,
                Span::raw(text::clip(words, room.saturating_sub(7)).into_owned()),
            ]));
        }
    }
    let title = match pasted.lines() {
        1 => format!("Paste: 1 line, {}", size(pasted.text().len())),
        lines => format!("Paste: {lines} lines, {}", size(pasted.text().len())),
    };
    dialog::dialog(model, frame, &title, WIDTH, shown);
}

fn size(bytes: usize) -> String {
    match bytes {
        ..10_240 => format!("{bytes} bytes"),
        10_240..1_048_576 => format!("{} KiB", bytes / 1_024),
        _ => format!("{}.{} MiB", bytes / 1_048_576, bytes % 1_048_576 * 10 / 1_048_576),
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_rounded_down() {
        for (bytes, words) in [
            (0, "0 bytes"),
            (10_239, "10239 bytes"),
            (10_240, "10 KiB"),
            (1_048_576, "1.0 MiB"),
            (2_621_440, "2.5 MiB"),
        ] {
            assert_eq!(size(bytes), words);
        }
    }
}
