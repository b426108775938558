//! The plain mode: lines in, lines out, for pipes, scripts and screen readers.
//!
//! [`verbs`] names what can be typed, [`command`] reads a line, [`session`] decides (pure: inputs in, outputs out),
//! [`format`](mod@format) has the exact lines, [`speak`] the names of emoji, [`shell`] owns the streams. Standard output carries
//! what the relay tells and nothing else; prompts, errors and the state of the link go to standard error.

pub mod channel;
pub mod command;
pub mod format;
pub mod session;
pub mod shell;
pub mod speak;
pub mod verbs;
