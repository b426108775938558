//! Messages from anywhere, in a list: what was found, what is pinned, a thread.

use mechat_protocol::{ChannelId, Entry, Seq};

/// A list of messages over the screen.
#[derive(Debug)]
pub struct Listing {
    /// Names the answer that it waits for; that of any other list is not for it.
    pub ticket: u64,
    /// What is listed.
    pub what: Listed,
    /// The messages.
    pub entries: Vec<Entry>,
    /// Where the answer stands.
    pub answer: Answer,
    /// Asks for the next page.
    pub next: Option<Next>,
}

/// What is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// What has these words, in a channel or everywhere.
    Found {
        /// As typed; empty before anything was asked.
        words: String,
        /// Where; `None` for everywhere.
        channel: Option<ChannelId>,
    },
    /// What is pinned in a channel.
    Pins(ChannelId),
    /// A message and what answers it.
    Thread(ChannelId, Seq),
}

/// Where an answer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Nothing was asked.
    Unasked,
    /// The relay was asked.
    Waiting,
    /// It is here.
    Here,
    /// There is no connection: only what this client has loaded is listed.
    Offline,
    /// The relay refused, in its words.
    Refused(String),
}

/// Where the next page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Of what was found.
    Found(u64),
    /// Behind this message.
    After(Seq),
}
