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
const WIDTH: u16 = 72;

/// Draws the question.
pub fn question(model: &Model, trust: &Trust, frame: &mut Frame<'_>) {
    let address = model.target.as_ref().map_or_else(String::new, |target| target.address.to_string());
    let (title, lines) = match trust.error {
        TrustError::Unknown { seen } => ("New relay", unknown(model, &address, seen)),
        TrustError::Changed { pinned, seen } => ("THE CERTIFICATE HAS CHANGED", changed(model, &address, pinned, seen)),
        TrustError::NotAsInvited { expected, seen } => {
            ("NOT THE RELAY OF THE INVITATION", not_as_invited(model, &address, expected, seen))
        }
    };
    dialog::dialog(model, frame, title, WIDTH, lines);
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
    let in_line = [8, 4, 2].into_iter().find(|count| count * 9 + 1 <= room).unwrap_or(1);
    let style = model.theme.style(role);
    groups.chunks(in_line).map(|groups| Line::styled(format!("  {}", groups.join("-")), style)).collect()
}

fn unknown(model: &Model, address: &str, seen: Fingerprint) -> Vec<Line<'static>> {
    let mut lines = words(model, &format!("{address} is new here. Its certificate has the fingerprint"), Role::Text);
    lines.extend(fingerprint(model, seen, Role::Strong));
    lines.extend(words(
        model,
        "Compare it with what its host tells you: the relay prints it at start, and an invite link carries it. \
         If it differs, somebody is in between.",
        Role::Text,
    ));
    lines.push(Line::raw(""));
    lines.extend(words(model, "Is it the same?  [y] yes, trust it from now on  [n] no, go back", Role::Accent));
    lines
}

fn changed(model: &Model, address: &str, pinned: Fingerprint, seen: Fingerprint) -> Vec<Line<'static>> {
    let mut lines = words(model, &format!("STOP: {address} shows another certificate than before."), Role::Error);
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
    lines.extend(words(model, "[Esc] back  [q] quit", Role::Accent));
    lines
}

fn not_as_invited(model: &Model, address: &str, expected: Fingerprint, seen: Fingerprint) -> Vec<Line<'static>> {
    let mut lines = words(model, &format!("STOP: {address} is not the relay that the link names."), Role::Error);
    lines.extend(words(model, "the link says:", Role::Text));
    lines.extend(fingerprint(model, expected, Role::Strong));
    lines.extend(words(model, "shown now:", Role::Error));
    lines.extend(fingerprint(model, seen, Role::Error));
    lines.extend(words(
        model,
        "Either the link is old, or somebody is in between. Nothing was sent. Ask for a new link.",
        Role::Text,
    ));
    lines.push(Line::raw(""));
    lines.extend(words(model, "[Esc] back  [q] quit", Role::Accent));
    lines
}
