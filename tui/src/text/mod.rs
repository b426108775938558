//! Width and safety of text: what remote words may do to a terminal, and how many cells they take.
//!
//! Owns making control, escape, direction and invisible characters visible instead of effective, measuring, wrapping and
//! fitting, the terminal's own idea of widths, and names that look like others. It never styles.
//!
//! Invariants: nothing that a relay or a person wrote is drawn, measured or written out before it passed [`harmless`] or
//! [`lines`].

mod measure;
pub mod names;
pub mod policy;
mod safe;

pub use measure::{clip, fit, grapheme_width, is_rule, width, wrap, wrap_ranges};
pub use policy::Policy;
pub use safe::{harmless, is_right_to_left, lines};
