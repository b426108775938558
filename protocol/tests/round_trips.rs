//! Whatever is said arrives as it was said, however the stream is cut; whatever else arrives does no harm.
//!
//! A failure prints the smallest input it was found with.

use bytes::{Bytes, BytesMut};
use mechat_protocol::codec::{FrameDecoder, Incoming, decode, encode};
use mechat_protocol::limits::{FRAME_LEN_MAX, FRAME_PREFIX_LEN, FRAME_SKIP_MAX};
use mechat_protocol::message::Sender;
use mechat_protocol::{ErrorCode, Message};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use tokio_util::codec::Decoder as _;

mod arbitrary;

fn frame_of(message: &Message) -> Bytes {
    encode(message).expect("fits in a frame")
}

fn sender_of(message: &Message) -> Sender {
    Message::sender_of(message.tag()).expect("a message has a known tag")
}

fn other(sender: Sender) -> Sender {
    match sender {
        Sender::Client => Sender::Relay,
        Sender::Relay => Sender::Client,
    }
}

/// What a decoder makes of bytes that arrive in such pieces. Panics where the stream breaks.
fn received<'a>(peer: Sender, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Incoming> {
    let mut decoder = FrameDecoder::new(peer, FRAME_LEN_MAX, FRAME_SKIP_MAX);
    let (mut buffer, mut received) = (BytesMut::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        while let Some(incoming) = decoder.decode(&mut buffer).expect("in step") {
            received.push(incoming);
        }
    }
    assert!(buffer.is_empty(), "nothing is left over");
    received
}

/// The bytes, cut at such places.
fn pieces<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

/// No message of the wrong side comes out of any bytes, and what comes out can be said again.
fn does_no_harm(bytes: &[u8]) -> Result<(), TestCaseError> {
    for peer in [Sender::Client, Sender::Relay] {
        if let Incoming::Message(message) = decode(bytes, peer) {
            prop_assert_eq!(sender_of(&message), peer);
            let again = frame_of(&message);
            prop_assert_eq!(decode(&again[FRAME_PREFIX_LEN..], peer), Incoming::Message(message));
        }
        let mut decoder = FrameDecoder::new(peer, FRAME_LEN_MAX, FRAME_SKIP_MAX);
        let mut buffer = BytesMut::from(bytes);
        while let Ok(Some(incoming)) = decoder.decode(&mut buffer) {
            if let Incoming::Message(message) = incoming {
                prop_assert_eq!(sender_of(&message), peer);
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_message_arrives_as_it_was_said(message in arbitrary::message()) {
        let frame = frame_of(&message);
        let (prefix, value) = frame.split_at(FRAME_PREFIX_LEN);
        prop_assert_eq!(prefix, &u32::try_from(value.len()).expect("short").to_be_bytes()[..]);
        prop_assert_eq!(decode(value, sender_of(&message)), Incoming::Message(message));
    }

    #[test]
    fn nobody_says_what_is_the_others_to_say(message in arbitrary::message()) {
        let frame = frame_of(&message);
        match decode(&frame[FRAME_PREFIX_LEN..], other(sender_of(&message))) {
            Incoming::Refused(refusal) => {
                prop_assert_eq!(refusal.broken.code, ErrorCode::Unsupported);
                prop_assert_eq!(refusal.id, message.id());
            }
            Incoming::Message(message) => prop_assert!(false, "{:?} came from the wrong side", message),
        }
    }

    #[test]
    fn a_request_arrives_however_the_stream_is_cut(
        messages in vec(arbitrary::request(), 0..6),
        cuts in vec(any::<Index>(), 0..12),
    ) {
        let stream: Vec<u8> = messages.iter().flat_map(frame_of).collect();
        let expected: Vec<Incoming> = messages.into_iter().map(Incoming::Message).collect();
        prop_assert_eq!(received(Sender::Client, pieces(&stream, &cuts).into_iter()), expected);
    }

    #[test]
    fn an_answer_arrives_byte_by_byte(messages in vec(arbitrary::answer(), 0..4)) {
        let stream: Vec<u8> = messages.iter().flat_map(frame_of).collect();
        let expected: Vec<Incoming> = messages.into_iter().map(Incoming::Message).collect();
        prop_assert_eq!(received(Sender::Relay, stream.chunks(1)), expected);
    }

    #[test]
    fn any_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..200)) {
        does_no_harm(&bytes)?;
    }

    #[test]
    fn spoiled_messages_do_no_harm(
        message in arbitrary::message(),
        spots in vec((any::<Index>(), any::<u8>()), 1..4),
        cut in proptest::option::of(any::<Index>()),
    ) {
        let mut bytes = frame_of(&message)[FRAME_PREFIX_LEN..].to_vec();
        for (spot, byte) in spots {
            let at = spot.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.map_or(bytes.len(), |cut| cut.index(bytes.len() + 1)));
        does_no_harm(&bytes)?;
    }
}
