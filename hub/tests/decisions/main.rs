//! The hub's decisions as tables: what it is told, and the effects it wants, line by line.

mod limits;
mod listing;
mod random;
mod requests;
mod rooms;
mod shown;
mod shutdown;
mod sign_in;
mod silence;
mod stage;
mod talk;
mod world;
