//! Own messages and amendments on their way to the log.

use mechat_protocol::message::Message;
use mechat_protocol::reply::{Ack, ErrorReply};
use mechat_protocol::request::{Amend, Send};
use mechat_protocol::{ChannelId, ErrorCode, Nonce, RequestId, Retry};

use super::{Now, Output, Pending, Session, retry_delay_ms};
use crate::event::{Event, OutboxState};
use crate::outbox::{BYTES_MAX, Full, MESSAGES_MAX, Unsent, Utterance};

impl Session {
    pub(super) fn say(&mut self, now: Now, said: Unsent, outputs: &mut Vec<Output>) {
        let (channel, nonce) = (said.channel, said.nonce);
        self.has_spoken(channel);
        match self.outbox.push(said) {
            Ok(()) => self.keep(nonce, outputs),
            Err(Full) => return outputs.push(moved(nonce, channel, OutboxState::Failed(full()))),
        }
        self.send_outbox(now, outputs);
    }

    pub(super) fn send_outbox(&mut self, now: Now, outputs: &mut Vec<Output>) {
        // A relay that goes away takes nothing new; what waits goes to the next connection.
        let may_send = self.may_ask() && self.leave_at_ms.is_none() && self.retry_outbox_ms.is_none();
        while let Some(message) = may_send.then(|| self.outbox.next()).flatten() {
            let nonce = message.nonce;
            self.request(now, Pending::Say(nonce), request_of(message), outputs);
        }
    }

    pub(super) fn acked(&mut self, now: Now, nonce: Nonce, ack: &Ack, outputs: &mut Vec<Output>) {
        if self.outbox.remove(nonce).is_some() {
            let state = OutboxState::Acked { position: ack.position, at: ack.at_ms };
            outputs.push(moved(nonce, ack.position.channel, state));
            self.forget(nonce, outputs);
        }
        self.send_outbox(now, outputs);
    }

    pub(super) fn say_refused(
        &mut self,
        now: Now,
        nonce: Nonce,
        error: ErrorReply,
        outputs: &mut Vec<Output>,
    ) {
        // Only what the relay calls hopeless fails; what it may take later, or on another connection, stays.
        if matches!(error.retry, Retry::Later | Retry::Reconnect | Retry::SignIn) {
            self.outbox.put_back(nonce);
            self.retry_outbox_ms = Some(now.ms + retry_delay_ms(&error));
        } else if let Some(message) = self.outbox.remove(nonce) {
            outputs.push(moved(nonce, message.channel, OutboxState::Failed(error)));
            self.forget(nonce, outputs);
            self.send_outbox(now, outputs);
        }
    }

    /// What was not acknowledged belongs to an account that is gone, and must not go out under another one's name.
    pub(super) fn empty_outbox(&mut self, why: &str, outputs: &mut Vec<Output>) {
        self.retry_outbox_ms = None;
        let mut failed = Vec::new();
        for message in std::mem::take(&mut self.outbox).into_messages() {
            let error = ErrorReply::new(None, ErrorCode::Unauthenticated, why);
            outputs.push(moved(message.nonce, message.channel, OutboxState::Failed(error)));
            failed.push(message.nonce);
        }
        self.close_outbox(&failed, outputs);
    }
}

fn request_of(Unsent { channel, nonce, what }: Unsent) -> Message {
    let id = RequestId(0);
    match what {
        Utterance::Message { content, in_reply_to } => {
            Send { id, channel, nonce, content, in_reply_to }.into()
        }
        Utterance::Amendment(amendment) => Amend { id, channel, nonce, amendment }.into(),
    }
}

fn full() -> ErrorReply {
    let rule = format!(
        "the outbox is full: it holds at most {MESSAGES_MAX} messages and {} MiB; wait until the relay has taken some",
        BYTES_MAX / 1_024 / 1_024
    );
    ErrorReply::new(None, ErrorCode::LimitReached, rule)
}

pub(super) fn moved(nonce: Nonce, channel: ChannelId, state: OutboxState) -> Output {
    Output::Event(Event::Outbox { nonce, channel, state })
}
