//! A connection's task between a real socket and a driver that the test plays.

use mechat_protocol::{Body, ChannelId, Content, Entry, Epoch, Seq, UnixMillis};
use tokio::io::AsyncReadExt;
use tokio::net::TcpSocket;
use tokio::time::Instant;

use super::*;
use crate::fanout::Fanout;
use crate::transport::tests::Door;

const CONN: ConnId = ConnId(1);
const CHANNEL: ChannelId = ChannelId(1);

fn entry(seq: u64) -> Entry {
    Entry {
        channel: CHANNEL,
        epoch: Epoch(1),
        seq: Seq(seq),
        at_ms: UnixMillis(0),
        sender: "ann".parse().expect("a name"),
        nonce: None,
        body: Body::said(Content::text("x".repeat(16_000)).expect("text"), None),
    }
}

#[expect(clippy::disallowed_methods, reason = "the way to the driver, whose bounds are the door's")]
fn to_driver() -> (ToDriver, mpsc::UnboundedReceiver<FromConnection>) {
    mpsc::unbounded_channel()
}

/// For how long a connection is served that is closed while much is on its way, and then reads a little every two seconds.
async fn served_after(code: CloseCode) -> Duration {
    // As on a slow line: here the system would take all at once.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_send_buffer_size(16_384).expect("small");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let door = Door::open_on(socket.listen(1).expect("listens"));
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("small");
    let theirs = socket.connect(door.listener.local_addr().expect("an address")).await.expect("connected");
    let (ours, peer) = door.listener.accept().await.expect("accepted");
    let mut fanout = Fanout::default();
    let (driver, mut inputs) = to_driver();
    let admitted = door.admission.admit(peer.ip()).expect("room");
    let config = door.identity.server_config();
    let surroundings = Surroundings { config, driver, presence: fanout.presence() };
    let task = tokio::spawn(serve(CONN, ours, peer, admitted, surroundings));
    let mut client = door.enter(theirs).await;
    let Some(FromConnection::Opened { outbound, .. }) = inputs.recv().await else { panic!("it opens") };
    fanout.add(CONN, outbound);
    fanout.set_signed_in(CONN, true);
    fanout.subscribe(CONN, CHANNEL);
    (1..=60).for_each(|seq| fanout.broadcast(entry(seq)));
    fanout.publish_all();
    // It writes until the socket takes no more.
    tokio::task::yield_now().await;
    tokio::time::pause();
    let closed = Instant::now();
    fanout.close(CONN, &Close::new(code, "for a reason"));
    let mut some = vec![0; 8_192];
    while !task.is_finished() {
        let _how_much = client.read(&mut some).await.expect("readable");
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    tokio::time::resume();
    task.await.expect("no panic");
    closed.elapsed()
}

#[tokio::test]
async fn who_reads_drop_by_drop_does_not_outlive_its_close() {
    let step = Duration::from_secs(2);
    let served = served_after(CloseCode::ShuttingDown).await;
    let limit = Duration::from_millis(STUCK_TIMEOUT_MS) + LAST_CHANCE + step;
    assert!(served > LAST_CHANCE * 2 && served <= limit, "{served:?}");
    let served = served_after(CloseCode::SessionRevoked).await;
    assert!(served <= 2 * LAST_CHANCE + step, "{served:?}");
}
