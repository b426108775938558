//! The pieces of the hot path alone: codec, hub, ring. `cargo bench --package mechat-bench`.
//!
//! They tell where a change came from that `cargo xtask bench` shows; they are no promise to anyone.

use std::hint::black_box;
use std::sync::Arc;
use std::task::{Context, Waker};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mechat_hub::{
    AccountRecord, AppendOutcome, Authenticated, ChannelRecord, ConnId, CredentialAnswer, Effect, Hub,
    HubConfig, Input, MemberRecord, Now, Snapshot, StoreAnswer,
};
use mechat_protocol::limits::FRAME_PREFIX_LEN;
use mechat_protocol::message::Sender;
use mechat_protocol::reply::{Durability, Marks};
use mechat_protocol::request::{ChannelKind, Hello, Resume, Send};
use mechat_protocol::secret::Token;
use mechat_protocol::{
    AccountId, AccountName, Body, ChannelId, ChannelName, Content, Entry, Epoch, Message, Nonce, RequestId,
    Seq, SessionId, Topic, UnixMillis, codec,
};
use mechat_relay::fanout::{Fanout, Outbound};
use uuid::Uuid;

const CHANNEL: ChannelId = ChannelId(1);
const CONN: ConnId = ConnId(1);
/// Members that a ring is read by.
const MEMBERS: u64 = 200;
/// Entries that are published before the members read.
const BURST: u64 = 32;

fn name() -> AccountName {
    AccountName::new("ann").expect("a name")
}

fn content() -> Content {
    Content::text("x".repeat(100)).expect("short")
}

fn entry(seq: u64) -> Entry {
    Entry {
        channel: CHANNEL,
        epoch: Epoch(1),
        seq: Seq(seq),
        at_ms: UnixMillis(1_700_000_000_000),
        sender: name(),
        nonce: Some(Nonce(Uuid::from_u128(u128::from(seq)))),
        body: Body::said(content(), None),
    }
}

fn send(seq: u64) -> Send {
    let nonce = Nonce(Uuid::from_u128(u128::from(seq)));
    Send { id: RequestId(3), channel: CHANNEL, nonce, content: content(), in_reply_to: None }
}

fn codec_of_frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    let outgoing: Message = entry(1_000).into();
    let incoming = codec::encode(&send(1).into()).expect("fits");
    group.throughput(Throughput::Elements(1));
    group.bench_function("encode an entry of 100 bytes", |bencher| {
        bencher.iter(|| codec::encode(black_box(&outgoing)));
    });
    group.bench_function("decode a send of 100 bytes", |bencher| {
        bencher.iter(|| codec::decode(black_box(&incoming[FRAME_PREFIX_LEN..]), Sender::Client));
    });
    group.finish();
}

/// A hub with a channel and one who is signed in.
fn hub() -> (Hub, Now) {
    let (id, now) = (AccountId(1), Now { mono_ms: 1, wall: UnixMillis(1_700_000_000_000) });
    let config = HubConfig {
        agent: "bench".into(),
        motd: None,
        durability: Durability::BestEffort,
        participants_before_sign_in: false,
        relay_account: AccountName::new("relay").expect("a name"),
    };
    let channel = ChannelRecord {
        id: CHANNEL,
        name: ChannelName::new("lobby").expect("a name"),
        kind: ChannelKind::Public,
        host: None,
        created: UnixMillis(0),
        epoch: Epoch(1),
        head: Seq::ZERO,
        topic: Topic::default(),
    };
    let accounts = vec![AccountRecord { id, name: name(), admin: false, created: UnixMillis(0) }];
    let member = MemberRecord { channel: CHANNEL, account: id, marks: Marks::default() };
    let snapshot = Snapshot { accounts, channels: vec![channel], members: vec![member] };
    let mut hub = Hub::new(config, snapshot);
    let token = || Token::new(vec![7; 32]).expect("short");
    let hello = Hello { id: RequestId(1), version_min: 1, version_max: 1, agent: String::new() };
    let authenticated = Authenticated {
        account: id,
        session: SessionId(Uuid::from_u128(1)),
        token: token(),
        token_expires: UnixMillis(i64::MAX),
        again: false,
    };
    for input in [
        Input::Opened { conn: CONN, address: "192.0.2.1:1".into() },
        Input::Message { conn: CONN, message: hello.into() },
        Input::Message { conn: CONN, message: Resume { id: RequestId(2), token: token() }.into() },
        Input::Credential {
            conn: CONN,
            id: RequestId(2),
            answer: CredentialAnswer::Authenticated(authenticated),
        },
    ] {
        hub.handle(now, input, &mut Vec::new());
    }
    (hub, now)
}

fn hub_decides(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hub");
    group.throughput(Throughput::Elements(1));
    let (mut hub, now) = hub();
    let (mut effects, mut seq) = (Vec::new(), 0);
    group.bench_function("a send, stored, acknowledged, broadcast", |bencher| {
        bencher.iter(|| {
            seq += 1;
            hub.handle(now, Input::Message { conn: CONN, message: send(seq).into() }, &mut effects);
            let Some(Effect::Store { ticket, .. }) = effects.pop() else { panic!("the storage is asked") };
            let answer = Ok(StoreAnswer::Appended(AppendOutcome::New(entry(seq))));
            hub.handle(now, Input::Stored { ticket, answer }, &mut effects);
            assert_eq!(effects.len(), 2, "an ack and a broadcast");
            effects.clear();
        });
    });
    group.finish();
}

/// A ring that so many follow, all of them with everything.
fn followed() -> (Fanout, Vec<Arc<Outbound>>) {
    let (mut fanout, mut outbounds) = (Fanout::default(), Vec::new());
    for conn in (0..MEMBERS).map(ConnId) {
        let outbound = Outbound::new(conn, fanout.presence());
        fanout.add(conn, Arc::clone(&outbound));
        fanout.subscribe(conn, CHANNEL);
        outbounds.push(outbound);
    }
    (fanout, outbounds)
}

fn ring(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ring");
    let burst = |(fanout, outbounds): &mut (Fanout, Vec<Arc<Outbound>>)| {
        for seq in 1..=BURST {
            fanout.broadcast(entry(seq));
            fanout.publish_all();
        }
        let (mut frames, mut len) = (Vec::new(), 0);
        for outbound in outbounds {
            while outbound.look(&Context::from_waker(Waker::noop())).outgoing {
                outbound.drain(&mut frames);
                len += frames.drain(..).map(|frames| frames.len()).sum::<usize>();
            }
        }
        assert!(len > 0, "everybody got something");
    };
    group.throughput(Throughput::Elements(BURST * MEMBERS));
    group.bench_function("32 entries to 200 members, each published alone", |bencher| {
        bencher.iter_batched_ref(followed, burst, BatchSize::SmallInput);
    });
    group.finish();
}

criterion_group!(micro, codec_of_frames, hub_decides, ring);
criterion_main!(micro);
