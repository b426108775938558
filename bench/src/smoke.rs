//! A measurement in small: the generator against both servers, and against a server that cheats.
//!
//! Nothing here looks at a time. What is proven is that the counts are right and that a fault would show.

use crate::crowd::{Crowd, Entrance};
use crate::follower::Tally;
use crate::link::Way;
use crate::pinning::Pinning;
use crate::population::Population;
use crate::server::{Kind, Server};

const MEMBERS: u64 = 6;
const MESSAGES: usize = 40;

/// Every member says its share, and everything is waited for.
async fn measure(kind: Kind) -> (u64, Tally) {
    let directory = tempfile::tempdir().expect("a directory");
    let population = Population::spread(MEMBERS, 2);
    let server = Server::start(kind, directory.path(), &population, Pinning::None, None).expect("starts");
    let way = Way::to(server.address, server.fingerprint).expect("a way");
    let mut crowd = Crowd::new();
    crowd.enter(&way, &population, 0..MEMBERS, Entrance::default()).await.expect("everybody comes in");
    crowd.publish(2, 100, 4).expect("two publishers, one in each channel");
    for n in 0..MESSAGES {
        crowd.members[n % 2].say();
    }
    assert!(crowd.board.settled().await, "everything comes");
    assert_eq!(crowd.board.closed.get(), 0);
    (crowd.board.acked.get(), crowd.audit())
}

fn local<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, work)
}

#[test]
fn every_server_delivers_everything_once_and_in_order() {
    for kind in [Kind::Reference, Kind::Memory, Kind::Sqlite] {
        let (acked, tally) = local(measure(kind));
        assert_eq!(acked, MESSAGES as u64, "{kind:?}");
        assert!(tally.is_clean(), "{kind:?}: {tally:?}");
        assert_eq!(tally.delivered, MESSAGES as u64 * MEMBERS / 2, "{kind:?}: three members a channel");
    }
}

#[test]
fn who_was_away_reads_everything() {
    let tally = local(async {
        let directory = tempfile::tempdir().expect("a directory");
        let population = Population { history: 250, ..Population::spread(3, 1) };
        let server = Server::start(Kind::Sqlite, directory.path(), &population, Pinning::None, None);
        let server = server.expect("starts");
        let way = Way::to(server.address, server.fingerprint).expect("a way");
        let mut crowd = Crowd::new();
        let entrance = Entrance { from_start: true, ..Entrance::default() };
        crowd.enter(&way, &population, 0..3, entrance).await.expect("everybody comes in");
        crowd.members.iter().for_each(|member| member.catch_up());
        assert!(crowd.board.settled().await, "everything comes");
        crowd.audit()
    });
    assert!(tally.is_clean(), "{tally:?}");
    assert_eq!(tally.pulled, 3 * (250 + 3), "the history and the three joins, for each of three");
}

#[test]
fn a_server_that_cheats_is_found_out() {
    let cheat = |change: fn(&mut Vec<cheat::Frame>)| local(cheat::measure(change));
    assert!(cheat(|_| {}).is_clean(), "an honest one is not accused");
    let lost = cheat(|frames| drop(frames.remove(3)));
    assert_eq!((lost.lost, lost.repeated, lost.reordered), (1, 0, 0));
    let repeated = cheat(|frames| frames.insert(4, frames[3].clone()));
    assert_eq!((repeated.lost, repeated.repeated, repeated.reordered), (0, 1, 0));
    let reordered = cheat(|frames| frames.swap(3, 4));
    assert_eq!((reordered.lost, reordered.repeated, reordered.reordered), (0, 0, 1));
    let damaged = cheat(|frames| frames[0][4] ^= 0xff);
    assert_eq!((damaged.lost, damaged.damaged), (1, 1));
}

/// A server of one member that is told what to send.
mod cheat {
    use std::net::SocketAddr;
    use std::path::Path;
    use std::rc::Rc;

    use mechat_certs::RelayIdentity;
    use mechat_protocol::{
        Body, ChannelId, Content, Entry, Epoch, Fingerprint, Nonce, Seq, UnixMillis, codec,
    };
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use crate::board::Board;
    use crate::follower::{Follower, Tally};
    use crate::frame::Stamp;
    use crate::link::Way;
    use crate::member::{Member, Shared};

    pub(super) type Frame = Vec<u8>;

    const CHANNEL: ChannelId = ChannelId(1);
    const ENTRIES: u64 = 8;

    /// A member follows a server whose frames were changed.
    pub(super) async fn measure(change: fn(&mut Vec<Frame>)) -> Tally {
        let directory = tempfile::tempdir().expect("a directory");
        let (address, fingerprint) = serve(directory.path(), change).await;
        let way = Way::to(address, fingerprint).expect("a way");
        let board = Rc::new(Board::default());
        board.enter(CHANNEL, Seq::ZERO);
        for seq in 1..=ENTRIES {
            board.acknowledged(CHANNEL, Seq(seq), Stamp(seq), seq);
        }
        let shared = Rc::new(Shared::new(Rc::clone(&board)));
        let member = Member::new(&shared, vec![(CHANNEL, Follower::after(Seq::ZERO))]);
        let link = way.connect(0).await.expect("connects");
        // Ends when the server closes.
        Rc::clone(&member).run(link).await;
        let mut tally = board.tally.get();
        member.finish(&mut tally);
        board.audit(&mut tally);
        tally
    }

    async fn serve(directory: &Path, change: fn(&mut Vec<Frame>)) -> (SocketAddr, Fingerprint) {
        let identity = RelayIdentity::load_or_create(directory, &[]).expect("an identity");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let acceptor = TlsAcceptor::from(identity.server_config());
        let mut frames: Vec<Frame> = (1..=ENTRIES).map(frame).collect();
        change(&mut frames);
        tokio::task::spawn_local(async move {
            let (stream, _) = listener.accept().await.expect("a client");
            let mut stream = acceptor.accept(stream).await.expect("TLS");
            stream.write_all(&frames.concat()).await.expect("the client reads");
            stream.shutdown().await.expect("the client reads");
        });
        (address, identity.fingerprint())
    }

    fn frame(seq: u64) -> Frame {
        let text = String::from_utf8(Stamp(seq).digits().to_vec()).expect("digits");
        let entry = Entry {
            channel: CHANNEL,
            epoch: Epoch(1),
            seq: Seq(seq),
            at_ms: UnixMillis(0),
            sender: crate::people::account(0),
            nonce: Some(Nonce(uuid::Uuid::from_u128(u128::from(seq)))),
            body: Body::said(Content::text(text).expect("short"), None),
        };
        codec::encode(&entry.into()).expect("fits").to_vec()
    }
}
