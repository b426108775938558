//! What is refused, under which code, and that the stream goes on behind it.

use bytes::BytesMut;
use mechat_protocol::codec::{FrameDecoder, FrameError, Incoming, Refusal, decode, encode};
use mechat_protocol::limits::{
    DEPTH_MAX, FRAME_LEN_MAX, FRAME_LEN_MAX_PENDING, FRAME_SKIP_MAX, REASON_LEN_MAX, TEXT_LEN_MAX,
};
use mechat_protocol::message::Sender;
use mechat_protocol::reply::ErrorReply;
use mechat_protocol::request::Ping;
use mechat_protocol::{ErrorCode, Message, RequestId};
use serde::Serialize;
use tokio_util::codec::Decoder as _;

const ID: RequestId = RequestId(7);

/// A map of one pair, as a message and a union are.
#[derive(Serialize)]
struct Tagged<'a, T> {
    #[serde(flatten)]
    only: std::collections::BTreeMap<&'a str, T>,
}

fn tagged<T>(tag: &str, body: T) -> Tagged<'_, T> {
    Tagged { only: [(tag, body)].into() }
}

fn value(message: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec_named(message).expect("memory holds it")
}

fn framed(value: &[u8]) -> Vec<u8> {
    [&u32::try_from(value.len()).expect("short").to_be_bytes(), value].concat()
}

fn ping() -> Message {
    Ping { id: ID }.into()
}

/// A `ping` of exactly so many bytes, by a field that nobody knows.
fn ping_of(len: usize) -> Vec<u8> {
    // 0xda: a string with 2 bytes of length, which any string may have.
    let head = b"\x81\xa4ping\x82\xa2id\x07\xa3pad\xda";
    let pad = len - head.len() - 2;
    let mut bytes = head.to_vec();
    bytes.extend(u16::try_from(pad).expect("short").to_be_bytes());
    bytes.resize(len, b'x');
    bytes
}

fn refused(value: &[u8]) -> Refusal {
    match decode(value, Sender::Client) {
        Incoming::Refused(refusal) => refusal,
        Incoming::Message(message) => panic!("{message:?} was not refused"),
    }
}

fn code_and_id(value: &[u8]) -> (ErrorCode, Option<RequestId>) {
    let refusal = refused(value);
    (refusal.broken.code, refusal.id)
}

#[test]
fn unknown_fields_are_passed_over_wherever_they_stand() {
    #[derive(Serialize)]
    struct Later<'a> {
        before: [(u8, &'a str); 2],
        id: u32,
        after: Option<()>,
    }
    let later = Later { before: [(1, "x"), (2, "y")], id: 7, after: None };
    assert_eq!(decode(&value(&tagged("ping", later)), Sender::Client), Incoming::Message(ping()));
}

#[test]
fn an_unknown_tag_is_answered_by_its_id() {
    let later = value(&tagged("react", tagged("id", 7)));
    assert_eq!(code_and_id(&later), (ErrorCode::Unsupported, Some(ID)));
    let without_id = value(&tagged("react", tagged("emoji", "+1")));
    assert_eq!(code_and_id(&without_id), (ErrorCode::Unsupported, None));
}

#[test]
fn a_broken_rule_has_its_own_code() {
    #[derive(Serialize)]
    struct Join<'a> {
        id: u32,
        name: &'a str,
    }
    #[derive(Serialize)]
    struct Text<'a> {
        kind: &'a str,
        text: &'a str,
    }
    #[derive(Serialize)]
    struct Send<'a> {
        id: u32,
        channel: u64,
        #[serde(with = "serde_bytes")]
        nonce: &'a [u8],
        content: Text<'a>,
    }
    for name in ["", "#lobby", " lobby", "a b", "-x", &"x".repeat(33)] {
        let join = value(&tagged("join", Join { id: 7, name }));
        assert_eq!(code_and_id(&join), (ErrorCode::InvalidName, Some(ID)), "{name:?}");
    }
    let long = "x".repeat(TEXT_LEN_MAX + 1);
    let send = |text: &str, nonce: &[u8]| {
        value(&tagged("send", Send { id: 7, channel: 1, nonce, content: Text { kind: "text", text } }))
    };
    assert_eq!(code_and_id(&send(&long, &[7; 16])), (ErrorCode::TooLarge, Some(ID)));
    assert_eq!(code_and_id(&send("", &[7; 16])), (ErrorCode::Malformed, Some(ID)));
    assert_eq!(code_and_id(&send("x", &[7; 15])), (ErrorCode::Malformed, Some(ID)));
    assert!(matches!(decode(&send("x", &[7; 16]), Sender::Client), Incoming::Message(Message::Send(_))));
}

#[test]
fn a_missing_field_and_a_wrong_type_are_malformed() {
    for (tag, body) in [("ping", &b"\x80"[..]), ("ping", b"\x81\xa2id\xa17"), ("join", b"\x81\xa2id\x07")] {
        let mut bytes = value(&tag);
        bytes.insert(0, 0x81);
        bytes.extend_from_slice(body);
        assert_eq!(refused(&bytes).broken.code, ErrorCode::Malformed, "{tag} {body:02x?}");
    }
}

#[test]
fn a_nesting_bomb_is_malformed_and_nothing_more() {
    let mut bomb = b"\x81\xa4ping\x82\xa2id\x07\xa1x".to_vec();
    bomb.resize(FRAME_LEN_MAX, 0x91);
    assert_eq!(code_and_id(&bomb), (ErrorCode::Malformed, None));
    let mut deep = b"\x81\xa4ping\x82\xa2id\x07\xa1x".to_vec();
    deep.resize(deep.len() + DEPTH_MAX - 2, 0x91);
    deep.push(0xc0);
    assert_eq!(decode(&deep, Sender::Client), Incoming::Message(ping()), "as deep as allowed");
}

#[test]
fn a_bomb_of_maps_and_of_both_is_malformed_too() {
    let open: [&[u8]; 3] = [b"\x81\xa1x", b"\x81\xa1x\x91", b"\xdf\x00\x00\x00\x01\xa1x\xdd\x00\x00\x00\x01"];
    for step in open {
        let mut bomb = b"\x81\xa4ping\x82\xa2id\x07\xa1x".to_vec();
        while bomb.len() + step.len() <= FRAME_LEN_MAX {
            bomb.extend_from_slice(step);
        }
        assert_eq!(code_and_id(&bomb), (ErrorCode::Malformed, None), "{step:02x?}");
    }
}

/// A length is believed only as far as there are bytes: no room is made for what is announced.
#[test]
fn a_length_of_four_gib_is_malformed_wherever_it_stands() {
    for marker in [0xc6, 0xc9, 0xdb, 0xdd, 0xdf] {
        let long = [marker, 0xff, 0xff, 0xff, 0xff];
        for before in [
            &b""[..],
            b"\x81",
            b"\x81\xa4ping",
            b"\x81\xa4ping\x82\xa2id\x07\xa1x",
            b"\x81\xa4send\x81\xa7content",
        ] {
            for after in [&b""[..], &[0xc0; 1_000]] {
                let frame = [before, &long, after].concat();
                assert_eq!(refused(&frame).broken.code, ErrorCode::Malformed, "{frame:02x?}");
            }
        }
    }
}

#[test]
fn an_error_is_not_longer_than_it_may_be_whatever_was_sent() {
    #[derive(Serialize)]
    struct Hostile<'a> {
        id: &'a str,
    }
    #[derive(Serialize)]
    struct Read<'a> {
        id: u32,
        channel: u64,
        range: Tagged<'a, &'a str>,
        limit: u16,
    }
    let long = "é".repeat(FRAME_LEN_MAX / 2 - 100);
    let read = Read { id: 7, channel: 1, range: tagged("kind", &long), limit: 1 };
    for hostile in [value(&tagged("ping", Hostile { id: &long })), value(&tagged("read_history", read))] {
        let Refusal { id, broken } = refused(&hostile);
        assert_eq!(broken.code, ErrorCode::Malformed);
        assert!(broken.rule.len() <= REASON_LEN_MAX, "{} bytes", broken.rule.len());
        encode(&ErrorReply::new(id, broken.code, broken.rule).into()).expect("an error fits in a frame");
    }
}

#[test]
fn a_frame_may_be_as_long_as_its_limit_and_not_a_byte_longer() {
    for (len_max, skip_max) in [(FRAME_LEN_MAX, FRAME_SKIP_MAX), (FRAME_LEN_MAX_PENDING, 0)] {
        for len in [len_max - 1, len_max] {
            let mut buffer = BytesMut::from(&framed(&ping_of(len))[..]);
            let mut decoder = FrameDecoder::new(Sender::Client, len_max, skip_max);
            let incoming = decoder.decode(&mut buffer).expect("in step");
            assert_eq!(incoming, Some(Incoming::Message(ping())), "{len} of {len_max}");
        }
    }
}

#[test]
fn a_frame_that_is_too_long_is_skipped_and_the_next_is_read() {
    let next = framed(&ping_of(20));
    for len in [FRAME_LEN_MAX + 1, FRAME_SKIP_MAX - 1, FRAME_SKIP_MAX] {
        let mut stream = u32::try_from(len).expect("short").to_be_bytes().to_vec();
        stream.resize(4 + len, 0x91);
        stream.extend_from_slice(&next);
        for piece_len in [1_000, stream.len()] {
            let mut decoder = FrameDecoder::new(Sender::Client, FRAME_LEN_MAX, FRAME_SKIP_MAX);
            let (mut buffer, mut received) = (BytesMut::new(), Vec::new());
            for piece in stream.chunks(piece_len) {
                buffer.extend_from_slice(piece);
                while let Some(incoming) = decoder.decode(&mut buffer).expect("in step") {
                    received.push(incoming);
                }
                assert!(buffer.len() <= piece_len, "what is skipped is not kept");
            }
            let [Incoming::Refused(refusal), Incoming::Message(message)] = &received[..] else {
                panic!("{received:?}")
            };
            assert_eq!((refusal.id, refusal.broken.code), (None, ErrorCode::TooLarge));
            assert_eq!(message, &ping());
        }
    }
}

#[test]
fn a_frame_that_is_too_long_to_skip_ends_the_stream() {
    for (len_max, skip_max, len) in [
        (FRAME_LEN_MAX, FRAME_SKIP_MAX, FRAME_SKIP_MAX + 1),
        (FRAME_LEN_MAX_PENDING, 0, FRAME_LEN_MAX_PENDING + 1),
        (FRAME_LEN_MAX, FRAME_SKIP_MAX, u32::MAX as usize),
    ] {
        let mut decoder = FrameDecoder::new(Sender::Client, len_max, skip_max);
        let mut buffer = BytesMut::from(&u32::try_from(len).expect("32 bits").to_be_bytes()[..]);
        match decoder.decode(&mut buffer) {
            Err(FrameError::TooLong { len: announced, max }) => assert_eq!((announced, max), (len, len_max)),
            other => panic!("{len}: {other:?}"),
        }
    }
}

#[test]
fn limits_that_change_hold_from_the_next_frame_on() {
    let long = framed(&ping_of(FRAME_LEN_MAX_PENDING + 1));
    let mut decoder = FrameDecoder::new(Sender::Client, FRAME_LEN_MAX_PENDING, 0);
    decoder.set_limits(FRAME_LEN_MAX, FRAME_SKIP_MAX);
    let mut buffer = BytesMut::from(&[&long[..], &long[..]].concat()[..]);
    assert_eq!(decoder.decode(&mut buffer).expect("in step"), Some(Incoming::Message(ping())));
    decoder.set_limits(FRAME_LEN_MAX_PENDING, 0);
    assert!(decoder.decode(&mut buffer).is_err());
}

#[test]
fn a_message_that_does_not_fit_is_not_encoded() {
    let error = |len| Message::from(ErrorReply::new(Some(ID), ErrorCode::Internal, "x".repeat(len)));
    let overhead = encode(&error(60_000)).expect("fits").len() - 4 - 60_000;
    let longest = encode(&error(FRAME_LEN_MAX - overhead)).expect("fits exactly");
    assert_eq!(longest.len() - 4, FRAME_LEN_MAX);
    let refused = encode(&error(FRAME_LEN_MAX - overhead + 1)).expect_err("a byte too long").to_string();
    assert!(refused.contains("`error`") && refused.contains("65537"), "{refused}");
}

/// What `docs/PROTOCOL.md` says of MessagePack's types.
#[test]
fn types_are_what_the_page_says() {
    let hello = Incoming::Message(ping());
    for wide in
        [&b"\xcc\x07"[..], b"\xcd\x00\x07", b"\xce\x00\x00\x00\x07", b"\xcf\0\0\0\0\0\0\0\x07", b"\xd0\x07"]
    {
        let bytes = [b"\x81\xa4ping\x81\xa2id", wide].concat();
        assert_eq!(decode(&bytes, Sender::Client), hello, "any integer that holds it: {wide:02x?}");
    }
    for wrong in
        [&b"\xca\x40\xe0\x00\x00"[..], b"\xc0", b"\xff", b"\xcf\0\0\0\x01\0\0\0\0", b"\xa17", b"\x91\x07"]
    {
        let bytes = [b"\x81\xa4ping\x81\xa2id", wrong].concat();
        assert_eq!(refused(&bytes).broken.code, ErrorCode::Malformed, "{wrong:02x?}");
    }
    let twice = b"\x81\xa4ping\x82\xa2id\x07\xa2id\x07";
    assert_eq!(refused(twice).broken.code, ErrorCode::Malformed, "a key stands there once");
    let nil = b"\x81\xadlist_channels\x82\xa5after\xc0\xa2id\x07";
    let absent = b"\x81\xadlist_channels\x81\xa2id\x07";
    assert!(matches!(decode(nil, Sender::Client), Incoming::Message(_)));
    assert_eq!(decode(nil, Sender::Client), decode(absent, Sender::Client), "nil is absent");
}

#[test]
fn a_word_of_a_later_version_hides_nothing_beside_it() {
    use mechat_protocol::reply::Presence;
    let mut presence = b"\x81\xa8presence\x81\xa7changes\x92".to_vec();
    for (name, word) in [("ann", "away"), ("bob", "connected")] {
        presence.extend(b"\x82\xa7account\xa3");
        presence.extend(name.as_bytes());
        presence.extend(b"\xa8presence");
        presence.extend(value(&word));
    }
    let Incoming::Message(Message::Presence(read)) = decode(&presence, Sender::Relay) else {
        panic!("not read")
    };
    let states: Vec<_> = read.changes.iter().map(|change| change.presence).collect();
    assert_eq!(states, [Presence::Unknown, Presence::Connected]);
    let close = b"\x81\xa5close\x83\xa4code\xa5moved\xa6reason\xa1x\xa5retry\xa9elsewhere";
    let Incoming::Message(Message::Close(close)) = decode(close, Sender::Relay) else { panic!("not read") };
    assert_eq!(
        (close.code, close.retry),
        (mechat_protocol::CloseCode::Unknown, mechat_protocol::Retry::Unknown)
    );
}
