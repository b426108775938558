//! What is said and changed: words, answers, edits, reactions, pins, topics, and what became of them.

use mechat_client::{Command, OutboxState, Utterance};
use mechat_protocol::limits::TEXT_LEN_MAX;
use mechat_protocol::reply::ErrorReply;
use mechat_protocol::{Amendment, ChannelId, Content, Emoji, Nonce, Seq, Topic};

use super::{NO_CHANNEL, Output, Outputs, Session, error, state};
use crate::plain::channel::Channel;
use crate::plain::command::{Saying, Which, Words};
use crate::plain::format;
use crate::text;

/// What was refused and can be sent again; the oldest goes.
const FAILED_MAX: usize = 32;

/// Lines on their way to one message.
#[derive(Debug)]
pub(super) struct Gathering {
    saying: Saying,
    /// A line that is this ends it.
    pub(super) end: String,
    /// At most one line longer than a message may be: then it is refused, and no line of it is taken for a command.
    text: Option<String>,
}

/// Something that was refused.
#[derive(Debug)]
pub(super) struct Failed {
    channel: ChannelId,
    what: Utterance,
}

/// Something that was said, until its entry has come back.
#[derive(Debug)]
pub(super) struct Unsettled {
    channel: ChannelId,
    what: Utterance,
    /// It is in the log.
    pub(super) acknowledged: bool,
}

impl Session {
    pub(super) fn say(&mut self, saying: Saying, words: Words, nonce: Nonce) -> Outputs {
        match words {
            Words::Text(text) => self.utter(saying, &text, nonce),
            Words::Until(end) => {
                self.gathering = Some(Gathering { saying, end, text: None });
                Vec::new()
            }
        }
    }

    /// One more line of a message.
    pub(super) fn gather(&mut self, line: &str, nonce: Nonce) -> Outputs {
        let Some(gathering) = &mut self.gathering else { return Vec::new() };
        if line.trim_end() != gathering.end {
            match &mut gathering.text {
                None => gathering.text = Some(line.to_owned()),
                Some(text) if text.len() <= TEXT_LEN_MAX => {
                    text.push('\n');
                    text.push_str(line);
                }
                Some(_) => {}
            }
            return Vec::new();
        }
        let gathered = self.gathering.take();
        gathered.map_or_else(Vec::new, |gathered| {
            self.utter(gathered.saying, &gathered.text.unwrap_or_default(), nonce)
        })
    }

    fn utter(&mut self, saying: Saying, text: &str, nonce: Nonce) -> Outputs {
        let content = match Content::text(text) {
            Ok(content) => content,
            Err(broken) => return vec![error(broken.rule)],
        };
        let what = match saying {
            Saying::New => Ok(Utterance::Message { content, in_reply_to: None }),
            Saying::Reply(which) => {
                self.named(which, false).map(|seq| Utterance::Message { content, in_reply_to: Some(seq) })
            }
            Saying::Edit(which) => {
                self.named(which, true).map(|seq| Utterance::Amendment(Amendment::Edit { seq, content }))
            }
        };
        self.send(what, nonce)
    }

    /// The message that is meant in the current channel; the last is one's own where only that can be.
    pub(super) fn named(&self, which: Which, own: bool) -> Result<Seq, String> {
        let channel = self.here().ok_or(NO_CHANNEL)?;
        match which {
            Which::Number(seq) => Ok(seq),
            Which::Last => channel.last(self.me.as_ref().filter(|_| own)).ok_or_else(|| {
                let whose = if own { "you said nothing" } else { "nothing was said" };
                format!("{whose} in #{} that is remembered; give the message's number", channel.name)
            }),
        }
    }

    pub(super) fn here(&self) -> Option<&Channel> {
        self.channels.get(&self.current?)
    }

    fn send(&mut self, what: Result<Utterance, String>, nonce: Nonce) -> Outputs {
        match (what, self.current) {
            (Ok(what), Some(channel)) => vec![self.sent(channel, what, nonce)],
            (Ok(_), None) => vec![error(NO_CHANNEL)],
            (Err(text), _) => vec![error(text)],
        }
    }

    fn sent(&mut self, channel: ChannelId, what: Utterance, nonce: Nonce) -> Output {
        self.unsettled.insert(nonce, Unsettled { channel, what: what.clone(), acknowledged: false });
        Output::Client(match what {
            Utterance::Message { content, in_reply_to } => {
                Command::Say { channel, nonce, content, in_reply_to }
            }
            Utterance::Amendment(amendment) => Command::Amend { channel, nonce, amendment },
        })
    }

    fn amend(
        &mut self,
        which: Which,
        own: bool,
        nonce: Nonce,
        amendment: impl FnOnce(Seq) -> Amendment,
    ) -> Outputs {
        let what = self.named(which, own).map(|seq| Utterance::Amendment(amendment(seq)));
        self.send(what, nonce)
    }

    pub(super) fn delete(&mut self, which: Which, nonce: Nonce) -> Outputs {
        self.amend(which, true, nonce, |seq| Amendment::Delete { seq })
    }

    pub(super) fn react(&mut self, which: Which, emoji: Emoji, on: bool, nonce: Nonce) -> Outputs {
        self.amend(which, false, nonce, |seq| Amendment::React { seq, emoji, on })
    }

    pub(super) fn pin(&mut self, which: Which, on: bool, nonce: Nonce) -> Outputs {
        self.amend(which, false, nonce, |seq| Amendment::Pin { seq, on })
    }

    pub(super) fn topic(&self) -> Outputs {
        let Some(channel) = self.here() else { return vec![error(NO_CHANNEL)] };
        let name = text::harmless(channel.name.as_str());
        if channel.topic.is_empty() {
            return vec![Output::Out(format!("#{name} has no topic"))];
        }
        vec![Output::Out(format!("topic of #{name}: {}", text::harmless(channel.topic.as_str())))]
    }

    pub(super) fn set_topic(&mut self, topic: Topic, nonce: Nonce) -> Outputs {
        self.send(Ok(Utterance::Amendment(Amendment::SetTopic { topic })), nonce)
    }

    /// What was refused is sent again as something new: the relay kept nothing of it.
    pub(super) fn retry(&mut self, nonce: Nonce) -> Outputs {
        match self.failed.pop_front() {
            Some(failed) if self.channels.contains_key(&failed.channel) => {
                vec![self.sent(failed.channel, failed.what, nonce)]
            }
            Some(failed) => {
                self.failed.push_front(failed);
                vec![error("it was for a channel that you are not in; join it, or discard drops the message")]
            }
            None => vec![state("nothing failed")],
        }
    }

    pub(super) fn discard(&mut self) -> Outputs {
        match self.failed.pop_front() {
            Some(failed) => vec![state(format!("dropped: {}", words(&failed.what)))],
            None => vec![state("nothing failed")],
        }
    }

    /// What an earlier run left is waited for like what was said in this one.
    fn pending(&mut self, nonce: Nonce, channel: ChannelId, what: Utterance) -> Outputs {
        if self.unsettled.contains_key(&nonce) {
            return Vec::new();
        }
        let told = state(format!("still to be sent: {}", words(&what)));
        self.unsettled.insert(nonce, Unsettled { channel, what, acknowledged: false });
        vec![told]
    }

    pub(super) fn outbox(&mut self, nonce: Nonce, channel: ChannelId, state: OutboxState) -> Outputs {
        match state {
            OutboxState::Pending(what) => self.pending(nonce, channel, what),
            OutboxState::Acked { position, .. } => {
                let head = self.channels.get(&position.channel).map(|channel| channel.head);
                // Its entry has come already, or never will.
                if head.is_none_or(|head| head >= position.seq) {
                    self.unsettled.remove(&nonce);
                }
                self.unsettled.entry(nonce).and_modify(|unsettled| unsettled.acknowledged = true);
                Vec::new()
            }
            OutboxState::Failed(reply) => self.has_failed(nonce, &reply),
        }
    }

    fn has_failed(&mut self, nonce: Nonce, reply: &ErrorReply) -> Outputs {
        let Some(Unsettled { channel, what, .. }) = self.unsettled.remove(&nonce) else {
            return vec![error(format!("not sent: {}", reply.message))];
        };
        if matches!(what, Utterance::Amendment(_)) {
            return vec![error(format!("nothing was changed: {}", reply.message))];
        }
        let told =
            format!("not sent: {}; retry sends it again, discard drops it: {}", reply.message, words(&what));
        self.failed.push_back(Failed { channel, what });
        if self.failed.len() > FAILED_MAX {
            self.failed.pop_front();
        }
        vec![error(told)]
    }
}

/// What was meant to be said, in short.
fn words(what: &Utterance) -> String {
    match what {
        Utterance::Message { content, .. } => format::quote(content),
        Utterance::Amendment(_) => "a change of something that was said".to_owned(),
    }
}
