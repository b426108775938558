//! The `[keys]` table: actions by name, their keys in the notation of the help.

use super::reader::{Reader, Table};
use crate::action::keymap::{Conflict, Source};
use crate::action::{self, ACTIONS, Keymap, Preset};

/// The preset with what the table changes; mistakes go to the reader.
pub(super) fn read<'i>(reader: &mut Reader<'i>, top: &Table<'i>, preset: Preset) -> Keymap {
    let mut keymap = Keymap::preset(preset);
    let Some(table) = reader.table(top, "keys") else { return keymap };
    for (line, name) in reader.keys(&table) {
        let Some(action) = action::by_name(&name) else {
            let guess = action::closest(&name, ACTIONS.iter().map(|action| action.name));
            let hint = guess.map_or("the help (F1) names them all".to_owned(), |guess| {
                format!("did you mean `{guess}`?")
            });
            reader.complain(line, format!("unknown action `{name}`; {hint}"));
            continue;
        };
        let Some(keys) = reader.texts(&table, &name) else { continue };
        let keys: Vec<&str> = keys.iter().map(|(_, text)| text.as_str()).collect();
        if let Err(wrong) = keymap.rebind(action.id, &keys, Source::File { line }) {
            let text = format!(
                "{name}: there is no key `{}`; keys are written like Ctrl-K, Alt-Enter, F1, g g",
                wrong.0
            );
            reader.complain(line, text);
        }
    }
    for conflict in keymap.conflicts() {
        let line = [&conflict.this, &conflict.other].into_iter().find_map(|binding| match binding.source {
            Source::File { line } => Some(line),
            Source::Preset(_) => None,
        });
        let name = not_the_users(&conflict);
        let text = format!("{conflict}; give one of them another key, or none: {name} = []");
        reader.complain(line.unwrap_or(1), text);
    }
    keymap
}

/// Of the two, the one that a preset bound.
fn not_the_users(conflict: &Conflict) -> &'static str {
    let from_preset = |source| matches!(source, Source::Preset(_));
    let binding = if from_preset(conflict.this.source) { &conflict.this } else { &conflict.other };
    binding.action.action().name
}
