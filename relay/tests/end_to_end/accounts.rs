//! Registration, login, resume, logout, as the wire shows them.

use mechat_certs::password::{BINDING_LEN, ClientLogin, EXPORTER_LABEL};
use mechat_client::{Command, Event, RequestKind};
use mechat_protocol::message::Message;
use mechat_protocol::reply::{ErrorReply, SignedIn};
use mechat_protocol::request::{
    Binding, ChannelKind, CreateChannel, HistoryRange, Join, Leave, ListChannels, ListConnections,
    ListParticipants, LoginFinish, LoginStart, Logout, ReadHistory, RegisterFinish, Resume, Send,
};
use mechat_protocol::secret::OpaqueBytes;
use mechat_protocol::{AccountName, ChannelId, CloseCode, Content, ErrorCode, Nonce, RequestId, Retry};
use secrecy::SecretString;

use crate::harness::{TestRelay, password};
use crate::probe::Probe;

fn opaque(bytes: Vec<u8>) -> OpaqueBytes {
    OpaqueBytes::new(bytes).expect("short")
}

/// Logs in step by step. The login is computed for `binding`, whatever the request claims.
async fn log_in(
    probe: &mut Probe,
    name: &str,
    password: &SecretString,
    claimed: Binding,
    binding: Option<&[u8]>,
) -> Result<SignedIn, ErrorReply> {
    let (login, message) = ClientLogin::start(password).expect("a password");
    let account = AccountName::new(name).expect("a name");
    let start = LoginStart { id: RequestId(20), account, message: opaque(message), binding: claimed };
    let challenge = match probe.ask(start).await {
        Message::LoginChallenge(challenge) => challenge,
        Message::Error(error) => return Err(error),
        other => panic!("{other:?}"),
    };
    // A client that sees the password is wrong stops here; this one goes on with nonsense.
    let finalization = login.finish(challenge.message.as_bytes(), binding).unwrap_or(vec![7; 64]);
    match probe.ask(LoginFinish { id: RequestId(21), message: opaque(finalization) }).await {
        Message::SignedIn(signed_in) => Ok(signed_in),
        Message::Error(error) => Err(error),
        other => panic!("{other:?}"),
    }
}

fn exporter(probe: &Probe) -> [u8; BINDING_LEN] {
    let tls = probe.stream.get_ref().1;
    tls.export_keying_material([0; BINDING_LEN], EXPORTER_LABEL, None).expect("an exporter")
}

/// A bare connection that is signed in.
pub(crate) async fn sign_in_probe(relay: &TestRelay, name: &str) -> Probe {
    let mut probe = Probe::greeted(relay).await;
    log_in(&mut probe, name, &password(), Binding::None, None).await.expect("signed in");
    probe
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_is_bound_to_its_tls_connection() {
    let relay = TestRelay::start().await;
    drop(relay.person("ann").await);
    let mut probe = Probe::greeted(&relay).await;
    let bound = exporter(&probe);
    let signed_in =
        log_in(&mut probe, "ANN", &password(), Binding::TlsExporter, Some(&bound)).await.expect("signed in");
    assert_eq!(signed_in.account.as_str(), "ann", "the name as registered");
    for (claimed, binding) in [
        (Binding::TlsExporter, Some(&[1; 32][..])),
        (Binding::None, Some(&bound[..])),
        (Binding::TlsExporter, None),
    ] {
        let mut probe = Probe::greeted(&relay).await;
        let error = log_in(&mut probe, "ann", &password(), claimed, binding).await.expect_err("not bound");
        assert_eq!(error.code, ErrorCode::InvalidCredentials);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_user_and_wrong_password_look_the_same_and_five_of_them_end_the_connection() {
    let relay = TestRelay::start().await;
    drop(relay.person("ann").await);
    let wrong = SecretString::from("wrong".to_owned());
    let mut errors = Vec::new();
    let mut probe = Probe::greeted(&relay).await;
    for name in ["ann", "nobody", "ann", "nobody", "ann"] {
        errors.push(log_in(&mut probe, name, &wrong, Binding::None, None).await.expect_err("refused"));
    }
    assert!(errors.iter().all(|error| *error == errors[0]), "{errors:?}");
    assert_eq!(errors[0].code, ErrorCode::InvalidCredentials);
    assert_eq!(probe.close().await.code, CloseCode::TooManyAttempts);
    // An unknown account's challenge stays the same kind of message, of the same length.
    let mut probe = Probe::greeted(&relay).await;
    let mut lengths = Vec::new();
    for name in ["ann", "nobody"] {
        let (_, message) = ClientLogin::start(&wrong).expect("a password");
        let account = AccountName::new(name).expect("a name");
        let start =
            LoginStart { id: RequestId(2), account, message: opaque(message), binding: Binding::None };
        match probe.ask(start).await {
            Message::LoginChallenge(challenge) => lengths.push(challenge.message.as_bytes().len()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(lengths[0], lengths[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_sign_in_everything_but_sign_in_is_refused_without_effect() {
    let relay = TestRelay::start().await;
    let mut ann = relay.person("ann").await;
    let lobby = ann.join("lobby").await;
    let channel = lobby.channel;
    let id = RequestId(5);
    let requests: Vec<Message> = vec![
        CreateChannel { id, name: "den".parse().expect("name"), kind: ChannelKind::Public }.into(),
        Join { id, name: "lobby".parse().expect("name") }.into(),
        Leave { id, channel }.into(),
        ListChannels { id, after: None }.into(),
        ListParticipants { id, channel: None, after: None }.into(),
        ListParticipants { id, channel: Some(channel), after: None }.into(),
        ListConnections { id, after: None }.into(),
        Send {
            id,
            channel,
            nonce: Nonce(uuid::Uuid::now_v7()),
            content: Content::text("x").expect("text"),
            in_reply_to: None,
        }
        .into(),
        ReadHistory { id, channel, range: HistoryRange::Latest, limit: 1 }.into(),
        Logout { id }.into(),
    ];
    let mut probe = Probe::greeted(&relay).await;
    for request in requests {
        let tag = request.tag();
        probe.send(&request).await;
        let error = probe.error().await;
        assert_eq!((error.code, error.id), (ErrorCode::Unauthenticated, Some(id)), "{tag}");
    }
    let order = RegisterFinish { id, message: opaque(vec![0; 192]) };
    assert!(matches!(probe.ask(order).await, Message::Error(error) if error.code == ErrorCode::OutOfOrder));
    let order = LoginFinish { id, message: opaque(vec![0; 64]) };
    assert!(matches!(probe.ask(order).await, Message::Error(error) if error.code == ErrorCode::OutOfOrder));
    let listed = ann.call(ListChannels { id, after: None }).await;
    let Message::Channels(page) = listed else { panic!("{listed:?}") };
    assert_eq!(page.channels.len(), 1, "no channel was made");
    assert_eq!(
        (page.channels[0].members, page.channels[0].head.0),
        (1, 1),
        "nothing was said, nobody joined"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_a_similar_and_a_reserved_name_are_refused() {
    let relay = TestRelay::start().await;
    drop(relay.person("Alice").await);
    for (name, code) in [
        ("alice", ErrorCode::NameTaken),
        ("\u{430}lice", ErrorCode::NameTooSimilar),
        ("relay", ErrorCode::NameTaken),
    ] {
        let mut visitor = relay.visitor().await;
        let account = AccountName::new(name).expect("a name");
        visitor.client.send(Command::Register { account, password: password() }).await;
        let refused = visitor.until(|event| match event {
            Event::Refused { request: RequestKind::Register, error } => Some(error.code),
            _ => None,
        });
        assert_eq!(refused.await, code, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logout_keeps_the_connection_and_another_account_logs_in() {
    let relay = TestRelay::start().await;
    drop(relay.person("bob").await);
    let mut ann = relay.person("ann").await;
    let mut probe = sign_in_probe(&relay, "bob").await;
    ann.until(|event| match event {
        Event::Presence(changes) => changes
            .iter()
            .any(|change| {
                change.account.as_str() == "bob"
                    && change.presence == mechat_protocol::reply::Presence::Connected
            })
            .then_some(()),
        _ => None,
    })
    .await;
    assert!(matches!(probe.ask(Logout { id: RequestId(1) }).await, Message::LoggedOut(_)));
    ann.until(|event| match event {
        Event::Presence(changes) => changes
            .iter()
            .any(|change| {
                change.account.as_str() == "bob"
                    && change.presence == mechat_protocol::reply::Presence::Disconnected
            })
            .then_some(()),
        _ => None,
    })
    .await;
    let error = match probe.ask(Join { id: RequestId(2), name: "lobby".parse().expect("name") }).await {
        Message::Error(error) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(error.code, ErrorCode::Unauthenticated);
    let signed_in = log_in(&mut probe, "ann", &password(), Binding::None, None).await.expect("signed in");
    assert_eq!(signed_in.account.as_str(), "ann");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_resumes_once_more_after_a_lost_reply_and_a_replay_ends_the_session() {
    let relay = TestRelay::start().await;
    drop(relay.person("ann").await);
    let mut first = Probe::greeted(&relay).await;
    let signed_in = log_in(&mut first, "ann", &password(), Binding::None, None).await.expect("signed in");
    let resume = |token| Resume { id: RequestId(3), token };
    let mut tokens = Vec::new();
    let mut latest = None;
    for _ in 0..2 {
        let mut probe = Probe::greeted(&relay).await;
        match probe.ask(resume(signed_in.token.clone())).await {
            Message::SignedIn(again) => {
                assert_eq!(again.session, signed_in.session);
                tokens.push(again.token);
            }
            other => panic!("{other:?}"),
        }
        latest = Some(probe);
    }
    assert_eq!(tokens[0], tokens[1], "the retry of a lost reply gets the same successor");
    assert_ne!(tokens[0], signed_in.token);
    let close = first.close().await;
    assert_eq!(
        (close.code, close.retry),
        (CloseCode::Replaced, Retry::Never),
        "one connection for one session"
    );

    let mut next = Probe::greeted(&relay).await;
    assert!(matches!(next.ask(resume(tokens[0].clone())).await, Message::SignedIn(_)));
    let mut thief = Probe::greeted(&relay).await;
    let error = match thief.ask(resume(signed_in.token.clone())).await {
        Message::Error(error) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!((error.code, error.retry), (ErrorCode::InvalidToken, Retry::SignIn));
    assert_eq!(next.close().await.code, CloseCode::SessionRevoked);
    let mut after = Probe::greeted(&relay).await;
    assert!(
        matches!(after.ask(resume(tokens[0].clone())).await, Message::Error(_)),
        "the whole family is dead"
    );
    drop(latest);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stolen_storage_gives_no_password_and_no_token() {
    let mut relay = TestRelay::start().await;
    let mut tokens = Vec::new();
    for name in ["ann", "bob"] {
        drop(relay.person(name).await);
        let mut probe = Probe::greeted(&relay).await;
        tokens
            .push(log_in(&mut probe, name, &password(), Binding::None, None).await.expect("signed in").token);
    }
    relay.stop().await;
    let database = std::fs::read(relay.config.data_dir.join("mechat.db")).expect("a database");
    let contains = |needle: &[u8]| database.windows(needle.len()).any(|window| window == needle);
    assert!(contains(b"bob"), "this is the right file");
    assert!(!contains(b"correct horse"), "no password in plain");
    for token in &tokens {
        assert!(!contains(token.as_bytes()), "no token in plain");
    }
    let records = {
        let storage = mechat_relay::open_storage(&relay.config).expect("opens");
        let mut records = Vec::new();
        for name in ["ann", "bob"] {
            records.push(storage.credential(name).await.expect("reads").expect("is there").record);
        }
        records
    };
    assert_ne!(records[0], records[1], "equal passwords leave unequal records");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_id_of_nothing_is_no_such_channel() {
    let relay = TestRelay::start().await;
    let mut ann = relay.person("ann").await;
    let reply = ann.call(Leave { id: RequestId(0), channel: ChannelId(99) }).await;
    assert!(matches!(reply, Message::Error(error) if error.code == ErrorCode::NoSuchChannel));
}
