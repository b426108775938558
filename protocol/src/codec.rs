//! Frames to messages and back.
//!
//! Owns the frame format (a 4-byte big-endian length, then one MessagePack value) and the order of checks: length, structure,
//! direction, and only then serde. It never reads a socket.
//!
//! Invariants: a decoder never yields a message that its peer may not send; a refused frame leaves the
//! stream in step; the buffer never grows beyond one frame of the present limit.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use serde::Serialize;
use tokio_util::codec::Decoder;

use crate::code::{ErrorCode, RuleBroken};
use crate::id::RequestId;
use crate::limits::{FRAME_LEN_MAX, FRAME_PREFIX_LEN};
use crate::message::{Message, Sender};
use crate::scan::{self, ScanError};

/// What came out of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A message that the peer may send.
    Message(Message),
    /// A frame that is no such message; the stream goes on behind it.
    Refused(Refusal),
}

/// Why a frame was refused, in terms of an `error` reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The request's id where it could be read.
    pub id: Option<RequestId>,
    /// The code and the rule.
    pub broken: RuleBroken,
}

/// The stream cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The peer announced a frame that is too long to be skipped.
    #[error("a frame has at most {max} bytes here; {len} were announced")]
    TooLong {
        /// Announced.
        len: usize,
        /// Allowed.
        max: usize,
    },
    /// The transport failed, or ended within a frame.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The message is longer than a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a `{tag}` of {len} bytes does not fit in a frame of {FRAME_LEN_MAX}")]
pub struct EncodeError {
    tag: &'static str,
    len: usize,
}

impl EncodeError {
    pub(crate) const fn of(tag: &'static str, len: usize) -> Self {
        Self { tag, len }
    }
}

/// Encodes a message as a frame, prefix included.
pub fn encode(message: &Message) -> Result<Bytes, EncodeError> {
    let mut frame = Vec::new();
    encode_into(message, &mut frame).map(|()| Bytes::from(frame))
}

/// Appends a message as a frame, prefix included. After an error `frames` is as it was.
pub fn encode_into(message: &Message, frames: &mut Vec<u8>) -> Result<(), EncodeError> {
    let start = frames.len();
    frames.extend_from_slice(&[0; FRAME_PREFIX_LEN]);
    let written = message.serialize(&mut rmp_serde::Serializer::new(&mut *frames).with_struct_map());
    let len = frames.len() - start - FRAME_PREFIX_LEN;
    // Writing to memory cannot fail, and no message has a form that MessagePack lacks: both show as length.
    match u32::try_from(len) {
        Ok(prefix) if written.is_ok() && len <= FRAME_LEN_MAX => {
            frames[start..start + FRAME_PREFIX_LEN].copy_from_slice(&prefix.to_be_bytes());
            Ok(())
        }
        _ => {
            frames.truncate(start);
            Err(EncodeError::of(message.tag(), len))
        }
    }
}

/// Decodes the value of one frame, without its prefix, sent by `peer`.
pub fn decode(frame: &[u8], peer: Sender) -> Incoming {
    let refuse = |id, broken| Incoming::Refused(Refusal { id, broken });
    let outline = match scan::outline(frame) {
        Ok(outline) => outline,
        Err(error) => return refuse(None, malformed(error)),
    };
    match Message::sender_of(outline.tag) {
        Some(sender) if sender == peer => {}
        known => return refuse(outline.id, unsupported(outline.tag, known.is_some())),
    }
    match rmp_serde::from_slice(frame) {
        Ok(message) => Incoming::Message(message),
        Err(error) => refuse(outline.id, RuleBroken::from_text(&error.to_string())),
    }
}

fn malformed(error: ScanError) -> RuleBroken {
    RuleBroken::new(ErrorCode::Malformed, error.to_string())
}

fn unsupported(tag: &str, known: bool) -> RuleBroken {
    let tag: String = tag.chars().take(32).flat_map(char::escape_default).collect();
    let rule = if known {
        format!("`{tag}` is not yours to send")
    } else {
        format!("`{tag}` is not a message of this version")
    };
    RuleBroken::new(ErrorCode::Unsupported, rule)
}

/// Cuts a byte stream into messages of one peer.
#[derive(Debug)]
pub struct FrameDecoder {
    peer: Sender,
    len_max: usize,
    skip_max: usize,
    /// Bytes of a refused frame that are still to come.
    to_skip: usize,
}

impl FrameDecoder {
    /// Reads what `peer` sends: frames up to `len_max` bytes are decoded, longer ones up to `skip_max`
    /// are refused and skipped, beyond that the stream fails.
    pub const fn new(peer: Sender, len_max: usize, skip_max: usize) -> Self {
        Self { peer, len_max, skip_max, to_skip: 0 }
    }

    /// Changes the limits from the next frame on.
    pub const fn set_limits(&mut self, len_max: usize, skip_max: usize) {
        self.len_max = len_max;
        self.skip_max = skip_max;
    }

    fn too_long(&mut self, len: usize) -> Result<Incoming, FrameError> {
        if len > self.skip_max {
            return Err(FrameError::TooLong { len, max: self.len_max });
        }
        self.to_skip = len;
        let rule = format!("a frame has at most {} bytes; this one has {len}", self.len_max);
        Ok(Incoming::Refused(Refusal { id: None, broken: RuleBroken::new(ErrorCode::TooLarge, rule) }))
    }
}

impl Decoder for FrameDecoder {
    type Item = Incoming;
    type Error = FrameError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Incoming>, FrameError> {
        let skipped = self.to_skip.min(buffer.len());
        buffer.advance(skipped);
        self.to_skip -= skipped;
        let Some((prefix, _)) = buffer.split_first_chunk::<FRAME_PREFIX_LEN>() else { return Ok(None) };
        let len = usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
        if len > self.len_max {
            buffer.advance(FRAME_PREFIX_LEN);
            return self.too_long(len).map(Some);
        }
        if buffer.len() < FRAME_PREFIX_LEN + len {
            buffer.reserve(FRAME_PREFIX_LEN + len - buffer.len());
            return Ok(None);
        }
        let incoming = decode(&buffer[FRAME_PREFIX_LEN..FRAME_PREFIX_LEN + len], self.peer);
        buffer.advance(FRAME_PREFIX_LEN + len);
        Ok(Some(incoming))
    }
}
