//! The hub's decisions as tables: what it is told, and the effects it wants, line by line.

mod amend;
mod limits;
mod listing;
mod marks;
mod posts;
mod random;
mod requests;
mod rooms;
mod shown;
mod shutdown;
mod sign_in;
mod silence;
mod stage;
mod talk;
mod typing;
mod world;
