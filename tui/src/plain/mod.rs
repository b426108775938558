//! The plain mode: lines in, lines out, for pipes, scripts and screen readers.

pub mod format;
pub mod shell;
