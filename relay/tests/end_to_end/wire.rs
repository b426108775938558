//! Bytes that a relay must survive, and what it answers.

use std::time::Duration;

use mechat_protocol::codec::encode;
use mechat_protocol::limits::{FRAME_LEN_MAX, FRAME_LEN_MAX_PENDING, TEXT_LEN_MAX};
use mechat_protocol::message::Message;
use mechat_protocol::request::{Ping, Send};
use mechat_protocol::{CloseCode, Content, ErrorCode, Nonce, RequestId, Retry};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{TestRelay, text_of};
use crate::probe::{Ended, Probe, hello};

fn ping(id: u32) -> Message {
    Ping { id: RequestId(id) }.into()
}

/// The relay still serves a stranger.
async fn lives(relay: &TestRelay) {
    let mut probe = Probe::greeted(relay).await;
    probe.send(&ping(9)).await;
    assert!(matches!(probe.receive().await, Ok(Message::Pong(pong)) if pong.id == RequestId(9)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_byte_writes_and_glued_frames_decode() {
    let relay = TestRelay::start().await;
    let mut probe = Probe::connect(&relay).await;
    for byte in encode(&hello(1, 1)).expect("fits") {
        probe.send_bytes(&[byte]).await;
    }
    assert!(matches!(probe.receive().await, Ok(Message::Welcome(_))));
    let glued: Vec<u8> = (1..=50).flat_map(|id| encode(&ping(id)).expect("fits")).collect();
    probe.send_bytes(&glued).await;
    for id in 1..=50 {
        assert!(matches!(probe.receive().await, Ok(Message::Pong(pong)) if pong.id == RequestId(id)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_version_gets_a_typed_error_then_a_close() {
    let relay = TestRelay::start().await;
    let mut probe = Probe::connect(&relay).await;
    probe.send(&hello(7, 9)).await;
    let error = probe.error().await;
    assert_eq!(
        (error.code, error.id, error.retry),
        (ErrorCode::UnsupportedVersion, Some(RequestId(1)), Retry::Never)
    );
    assert!(error.message.contains("speaks version 1"), "{}", error.message);
    assert_eq!(probe.close().await.code, CloseCode::UnsupportedVersion);
    lives(&relay).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_and_misplaced_messages_get_an_error_and_the_connection_lives() {
    let relay = TestRelay::start().await;
    let mut probe = Probe::connect(&relay).await;
    probe.send(&ping(3)).await;
    assert_eq!(probe.error().await.code, ErrorCode::HelloFirst);
    probe.send(&hello(1, 3)).await;
    assert!(matches!(probe.receive().await, Ok(Message::Welcome(welcome)) if welcome.version == 1));
    // {"levitate": {"id": 5}}, {"pong": {"id": 6}}, {"ping": {}}, and no MessagePack at all.
    for (frame, code, id) in [
        (&b"\x81\xa8levitate\x81\xa2id\x05"[..], ErrorCode::Unsupported, Some(RequestId(5))),
        (b"\x81\xa4pong\x81\xa2id\x06", ErrorCode::Unsupported, Some(RequestId(6))),
        (b"\x81\xa4ping\x80", ErrorCode::Malformed, None),
        (b"\xc1\xc1\xc1", ErrorCode::Malformed, None),
        (b"", ErrorCode::Malformed, None),
        (&[0x91; 2_000], ErrorCode::Malformed, None),
    ] {
        probe.send_frame(frame).await;
        let error = probe.error().await;
        assert_eq!((error.code, error.id), (code, id), "{frame:?}");
        assert!(!error.message.is_empty());
    }
    probe.send(&ping(4)).await;
    assert!(matches!(probe.receive().await, Ok(Message::Pong(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_sign_in_a_long_frame_is_a_close_and_a_huge_length_costs_nothing() {
    let relay = TestRelay::start().await;
    for announced in [FRAME_LEN_MAX_PENDING + 1, FRAME_LEN_MAX, u32::MAX as usize] {
        let mut probe = Probe::greeted(&relay).await;
        let prefix = u32::try_from(announced).expect("32 bits").to_be_bytes();
        probe.send_bytes(&prefix).await;
        let close = probe.close().await;
        assert_eq!((close.code, close.retry), (CloseCode::FrameTooLong, Retry::Never), "{announced}");
    }
    // The peer that goes on sending still reads why.
    let mut probe = Probe::greeted(&relay).await;
    let mut bytes = u32::MAX.to_be_bytes().to_vec();
    bytes.extend(vec![0xc0; 300_000]);
    let _ = probe.stream.write_all(&bytes).await;
    assert_eq!(probe.close().await.code, CloseCode::FrameTooLong);
    lives(&relay).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncated_frame_is_a_clean_end() {
    let relay = TestRelay::start().await;
    let mut probe = Probe::greeted(&relay).await;
    let frame = encode(&ping(1)).expect("fits");
    probe.send_bytes(&frame[..frame.len() - 1]).await;
    probe.stream.shutdown().await.expect("TLS ends");
    assert_eq!(probe.receive().await, Err(Ended));
    lives(&relay).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_text_other_protocols_and_tls_1_2_are_refused() {
    let relay = TestRelay::start().await;
    let address = (relay.address.host().to_owned(), relay.address.port());
    // A ClientHello of TLS 1.2 without `supported_versions`: one cipher suite, one group, one signature.
    let mut client_hello = vec![0x16, 3, 1, 0, 63, 1, 0, 0, 59, 3, 3];
    client_hello.extend([7; 32]);
    client_hello.extend([0, 0, 2, 0xc0, 0x2f, 1, 0]);
    client_hello.extend([0, 16, 0, 13, 0, 4, 0, 2, 4, 3, 0, 10, 0, 4, 0, 2, 0, 29]);
    for (bytes, expected) in
        [(&b"NICK ann\r\nUSER ann 0 * :ann\r\n"[..], None), (&client_hello, Some([21, 3, 3, 0, 2, 2, 70]))]
    {
        let mut plain = TcpStream::connect(address.clone()).await.expect("connects");
        plain.write_all(bytes).await.expect("writes");
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(15), plain.read_to_end(&mut answer))
            .await
            .expect("it ends");
        assert!(!answer.windows(7).any(|window| window == b"welcome"));
        if let Some(alert) = expected {
            assert_eq!(answer, alert, "a fatal protocol_version alert (RFC 8446 §6.2)");
        }
    }
    for alpn in [vec![b"http/1.1".to_vec()], vec![b"mechat/2".to_vec()]] {
        let refused =
            Probe::try_connect(&relay.address, relay.fingerprint, |config| config.alpn_protocols = alpn)
                .await;
        let error = match refused {
            Err(error) => error.to_string(),
            // In TLS 1.3 the client may finish first; the alert comes with the first read.
            Ok(mut probe) => probe.stream.read_u8().await.expect_err("refused").to_string(),
        };
        assert!(error.contains("NoApplicationProtocol"), "{error}");
    }
    let mut none =
        Probe::try_connect(&relay.address, relay.fingerprint, |config| config.alpn_protocols.clear())
            .await
            .expect("TLS itself stands without ALPN");
    let _ = none.stream.write_all(&encode(&hello(1, 1)).expect("fits")).await;
    assert_eq!(none.receive().await, Err(Ended), "but nothing is said");
    lives(&relay).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_exchange_is_post_quantum() {
    let relay = TestRelay::start().await;
    let probe = Probe::connect(&relay).await;
    assert_eq!(probe.group(), Some(rustls::NamedGroup::X25519MLKEM768));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_survive_and_oversize_is_refused_while_the_session_lives() {
    let relay = TestRelay::start().await;
    let (mut ann, mut bob) = (relay.person("ann").await, relay.person("bob").await);
    let lobby = ann.join("lobby").await;
    bob.join("lobby").await;
    let texts =
        ["a\0b\u{ff}\n\r\n\t👩‍👩‍👧‍👦 \u{1b}[31m\u{202e}".to_owned(), "é".repeat(TEXT_LEN_MAX / 2), " ".into()];
    for text in &texts {
        ann.say(&lobby, text).await;
        let heard = bob.until(|event| match event {
            mechat_client::Event::Appended { entries, .. } => {
                entries.iter().find_map(text_of).map(str::to_owned)
            }
            _ => None,
        });
        assert_eq!(&heard.await, text);
    }
    let bytes: Vec<u8> = (0..=255).cycle().take(16_384).collect();
    let media_type =
        mechat_protocol::content::MediaType::new("application/octet-stream".into()).expect("valid");
    let data = mechat_protocol::content::Data::new(bytes).expect("fits");
    let content = Content::Data { media_type, bytes: data };
    ann.say_content(&lobby, content.clone()).await;
    let heard = bob.until(|event| match event {
        mechat_client::Event::Appended { entries, .. } => entries.into_iter().next().map(|entry| entry.body),
        _ => None,
    });
    assert_eq!(heard.await, mechat_protocol::Body::said(content, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oversize_text_and_an_oversize_frame_are_too_large_and_the_session_goes_on() {
    let relay = TestRelay::start().await;
    let mut ann = relay.person("ann").await;
    let lobby = ann.join("lobby").await;
    let mut probe = crate::accounts::sign_in_probe(&relay, "ann").await;
    // The longest text and one byte more: the frame is fine, the text is not.
    let send = Send {
        id: RequestId(40),
        channel: lobby.channel,
        nonce: Nonce(uuid::Uuid::now_v7()),
        content: Content::text("x".repeat(TEXT_LEN_MAX)).expect("fits"),
        in_reply_to: None,
    };
    let frame = encode(&send.into()).expect("fits");
    let at = frame.windows(3).position(|window| window == b"xxx").expect("the text");
    let mut longer = frame[4..].to_vec();
    longer.insert(at - 4, b'x');
    let prefix = at - 4 - 2;
    longer[prefix..prefix + 2]
        .copy_from_slice(&u16::try_from(TEXT_LEN_MAX + 1).expect("16 bits").to_be_bytes());
    probe.send_frame(&longer).await;
    let error = probe.reply_error().await;
    assert_eq!((error.code, error.id), (ErrorCode::TooLarge, Some(RequestId(40))));
    probe.send_frame(&vec![0xc0; FRAME_LEN_MAX + 1]).await;
    assert_eq!(probe.reply_error().await.code, ErrorCode::TooLarge);
    probe.send(&ping(41)).await;
    assert!(matches!(probe.reply().await, Message::Pong(pong) if pong.id == RequestId(41)), "in step again");
}
