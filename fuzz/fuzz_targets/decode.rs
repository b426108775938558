//! Any stream of bytes, read as a relay and as a client reads it.
//!
//! What must hold: no panic; no message that the peer may not send; a message that can be said again arrives the same; what is
//! refused is refused in few words; the buffer is used up or waits for the rest of one frame.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use mechat_protocol::Message;
use mechat_protocol::codec::{FrameDecoder, Incoming, decode, encode};
use mechat_protocol::limits::{
    FRAME_LEN_MAX, FRAME_LEN_MAX_PENDING, FRAME_PREFIX_LEN, FRAME_SKIP_MAX, REASON_LEN_MAX,
};
use mechat_protocol::message::Sender;
use tokio_util::codec::Decoder as _;

fuzz_target!(|bytes: &[u8]| {
    read(bytes, Sender::Client, FRAME_LEN_MAX_PENDING, 0);
    read(bytes, Sender::Client, FRAME_LEN_MAX, FRAME_SKIP_MAX);
    read(bytes, Sender::Relay, FRAME_LEN_MAX, FRAME_SKIP_MAX);
});

fn read(bytes: &[u8], peer: Sender, len_max: usize, skip_max: usize) {
    let mut decoder = FrameDecoder::new(peer, len_max, skip_max);
    let mut buffer = BytesMut::from(bytes);
    while let Ok(Some(incoming)) = decoder.decode(&mut buffer) {
        match incoming {
            Incoming::Message(message) => say_again(message, peer),
            Incoming::Refused(refusal) => assert!(refusal.broken.rule.len() <= REASON_LEN_MAX),
        }
    }
}

fn say_again(message: Message, peer: Sender) {
    assert_eq!(Message::sender_of(message.tag()), Some(peer));
    // What came as arrays is longer as maps, so it may no longer fit.
    let Ok(frame) = encode(&message) else { return };
    assert_eq!(decode(&frame[FRAME_PREFIX_LEN..], peer), Incoming::Message(message));
}
