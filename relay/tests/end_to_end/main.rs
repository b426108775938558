//! The relay from outside: real TLS on loopback, the one client, and a bare probe for what no client would send.

mod accounts;
mod amendments;
mod chat;
mod failure;
mod harness;
mod lifecycle;
mod node;
mod outbox;
mod probe;
mod process;
mod rooms;
mod wire;
