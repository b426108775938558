//! The start screen's choice of a relay.

use super::LineEdit;

/// The state of the start screen. Row `n` of the saved relays, or the field behind them.
#[derive(Debug, Default)]
pub struct Picker {
    /// The chosen row; the field comes after the saved relays.
    pub selected: usize,
    /// An address or an invite link.
    pub field: LineEdit,
    /// What is wrong with it.
    pub error: Option<String>,
}
