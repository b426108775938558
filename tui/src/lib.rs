//! The client people keep open: a full-screen one, and a plain one for pipes and screen readers.
//!
//! Owns the screen and the keyboard. [`model`] is all state, [`update`] is `(&mut Model, Event) -> Vec<Effect>`, [`view`] is
//! `&Model -> Frame`; all three are pure. [`app`] is the shell that owns terminal, runtime, client, keyring and files.
//! It never opens a connection itself: `mechat-client` does.
//!
//! Invariants: nothing a relay or a person sends reaches the terminal without passing [`text`]; every key and command
//! stands in [`action`] once; logs go to a file, never to the screen.

pub mod action;
pub mod app;
pub mod cli;
pub mod config;
mod doctor;
pub mod emoji;
pub mod fuzzy;
pub mod markup;
pub mod model;
pub mod plain;
pub mod text;
pub mod theme;
pub mod timefmt;
pub mod update;
pub mod view;
