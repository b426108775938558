//! The certificate question. An unknown certificate can be accepted after comparing; one that changed cannot, here.

use mechat_certs::TrustError;
use mechat_protocol::Fingerprint;
use ratatui::Frame;
use ratatui::text::Line;

use super::dialog;
use crate::model::{Model, Trust};
use crate::text;
use crate::theme::Role;

/// Columns inside the box.
const WIDTH: u16 = 74;

/// A question: its title, what it says, and what can be done.
struct Question {
    title: &'static str,
    body: Vec<Line<'static>>,
    foot: Vec<Line<'static>>,
}

/// Draws the question. What can be done is always visible; the rest scrolls on a low screen.
pub fn question(model: &Model, trust: &Trust, frame: &mut Frame<'_>) {
    let Question { title, body, foot } = ask(model, trust);
    let room = rows(model, foot.len());
    let hidden = body.len().saturating_sub(room);
    let top = trust.top.min(hidden);
    let mut lines: Vec<Line<'static>> = body.into_iter().skip(top).take(room).collect();
    if hidden > 0 {
        let words = if top < hidden { "↓ more" } else { "↑ more" };
        lines.push(Line::styled(words, model.theme.style(Role::Waiting)));
    }
    lines.extend(foot);
    dialog::dialog(model, frame, title, WIDTH, lines);
}

/// The last line from which the question can be shown.
pub fn scroll_max(model: &Model) -> usize {
    let Some(trust) = &model.trust else { return 0 };
    let question = ask(model, trust);
    question.body.len().saturating_sub(rows(model, question.foot.len()))
}

/// Rows for the body: the screen less frame, status line, foot and the cue.
fn rows(model: &Model, foot: usize) -> usize {
    usize::from(model.size.1).saturating_sub(foot + 4).max(1)
}

fn ask(model: &Model, trust: &Trust) -> Question {
    let address = model.target.as_ref().map_or_else(String::new, |target| target.address.to_string());
    match trust.error {
        TrustError::Unknown { seen } => unknown(model, &address, seen),
        TrustError::Changed { pinned, seen } => changed(model, &address, pinned, seen),
        TrustError::NotAsInvited { expected, seen } => not_as_invited(model, &address, expected, seen),
    }
}

fn words(model: &Model, words: &str, role: Role) -> Vec<Line<'static>> {
    let room = dialog::room(model, WIDTH);
    let style = model.theme.style(role);
    let safe = text::harmless(words);
    text::wrap(&safe, room, room).into_iter().map(|piece| Line::styled(piece.to_owned(), style)).collect()
}

/// Four groups a line where eight do not fit: people compare group by group.
fn fingerprint(model: &Model, fingerprint: Fingerprint, role: Role) -> Vec<Line<'static>> {
    let all = fingerprint.to_string();
    let groups: Vec<&str> = all.split('-').collect();
    let room = dialog::room(model, WIDTH);
    let in_line = [8, 4, 2].into_iter().find(|count| count * 9 < room).unwrap_or(1);
    let style = model.theme.style(role);
    groups.chunks(in_line).map(|groups| Line::styled(format!("  {}", groups.join("-")), style)).collect()
}

fn unknown(model: &Model, address: &str, seen: Fingerprint) -> Question {
    let mut lines =
        words(model, &format!("{address} is new here. Its certificate has the fingerprint"), Role::Text);
    lines.extend(fingerprint(model, seen, Role::Strong));
    lines.extend(words(
        model,
        "Compare it with what its host tells you: the relay prints it at start, and an invite link carries it. \
         If it differs, somebody is in between.",
        Role::Text,
    ));
    lines.push(Line::raw(""));
    let foot = words(model, "Is it the same?  [y] yes, trust it  [n] no, go back", Role::Accent);
    Question { title: "New relay", body: lines, foot }
}

fn changed(model: &Model, address: &str, pinned: Fingerprint, seen: Fingerprint) -> Question {
    let mut lines =
        words(model, &format!("STOP: {address} shows another certificate than before."), Role::Error);
    lines.extend(words(model, "trusted until now:", Role::Text));
    lines.extend(fingerprint(model, pinned, Role::Strong));
    lines.extend(words(model, "shown now:", Role::Error));
    lines.extend(fingerprint(model, seen, Role::Error));
    lines.extend(words(
        model,
        "Either its host renewed it, or somebody is in between. Nothing was sent. Ask the host. \
         If it was renewed, remove the relay's line from this file, then connect again:",
        Role::Text,
    ));
    lines.extend(words(model, &model.pins_file, Role::Strong));
    let foot = words(model, "[Esc] back  [q] quit", Role::Accent);
    Question { title: "THE CERTIFICATE HAS CHANGED", body: lines, foot }
}

fn not_as_invited(model: &Model, address: &str, expected: Fingerprint, seen: Fingerprint) -> Question {
    let mut lines =
        words(model, &format!("STOP: {address} is not the relay that the link names."), Role::Error);
    lines.extend(words(model, "the link says:", Role::Text));
    lines.extend(fingerprint(model, expected, Role::Strong));
    lines.extend(words(model, "shown now:", Role::Error));
    lines.extend(fingerprint(model, seen, Role::Error));
    lines.extend(words(
        model,
        "Either the link is old, or somebody is in between. Nothing was sent. Ask for a new link.",
        Role::Text,
    ));
    let foot = words(model, "[Esc] back  [q] quit", Role::Accent);
    Question { title: "NOT THE RELAY OF THE LINK", body: lines, foot }
}
