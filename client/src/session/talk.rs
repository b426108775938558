//! Own messages on their way to the log.

use mechat_protocol::reply::{Ack, ErrorReply};
use mechat_protocol::request::Send;
use mechat_protocol::{ChannelId, Content, ErrorCode, Nonce, RequestId, Retry, Seq};

use super::{Now, Output, Pending, Session, retry_delay_ms};
use crate::event::{Event, OutboxState};
use crate::outbox::Unsent;

impl Session {
    pub(super) fn say(
        &mut self,
        now: Now,
        channel: ChannelId,
        nonce: Nonce,
        content: Content,
        in_reply_to: Option<Seq>,
        outputs: &mut Vec<Output>,
    ) {
        outputs.push(moved(nonce, channel, OutboxState::Pending(content.clone())));
        self.outbox.push(channel, nonce, content, in_reply_to);
        self.send_outbox(now, outputs);
    }

    pub(super) fn send_outbox(&mut self, now: Now, outputs: &mut Vec<Output>) {
        if !self.signed_in || self.retry_outbox_ms.is_some() {
            return;
        }
        while let Some(Unsent { channel, nonce, content, in_reply_to, .. }) = self.outbox.next() {
            let request = Send { id: RequestId(0), channel, nonce, content, in_reply_to };
            self.request(now, Pending::Say(nonce), request.into(), outputs);
        }
    }

    pub(super) fn acked(&mut self, now: Now, nonce: Nonce, ack: &Ack, outputs: &mut Vec<Output>) {
        if self.outbox.remove(nonce).is_some() {
            let state = OutboxState::Acked { position: ack.position, at: ack.at_ms };
            outputs.push(moved(nonce, ack.position.channel, state));
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
        if error.retry == Retry::Later {
            self.outbox.put_back(nonce);
            self.retry_outbox_ms = Some(now.ms + retry_delay_ms(&error));
        } else if let Some(message) = self.outbox.remove(nonce) {
            outputs.push(moved(nonce, message.channel, OutboxState::Failed(error)));
            self.send_outbox(now, outputs);
        }
    }

    /// What was not acknowledged belongs to an account that is gone, and must not go out under another one's name.
    pub(super) fn empty_outbox(&mut self, why: &str, outputs: &mut Vec<Output>) {
        self.retry_outbox_ms = None;
        for message in std::mem::take(&mut self.outbox).into_messages() {
            let error = ErrorReply::new(None, ErrorCode::Unauthenticated, why);
            outputs.push(moved(message.nonce, message.channel, OutboxState::Failed(error)));
        }
    }
}

fn moved(nonce: Nonce, channel: ChannelId, state: OutboxState) -> Output {
    Output::Event(Event::Outbox { nonce, channel, state })
}
