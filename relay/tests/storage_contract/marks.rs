//! How far members have read.

use mechat_protocol::reply::Marks;
use mechat_protocol::request::Level;
use mechat_protocol::{ChannelId, Seq};
use mechat_relay::storage::{Storage, Write, Written};

use crate::setting::{Person, all, channel_of, contents, join, leave, one, person, say};

fn mark(channel: ChannelId, who: &Person, read: Option<u64>, level: Option<Level>) -> Write {
    Write::Mark { channel, account: who.id, read: read.map(Seq), level }
}

fn marks(read: u64, level: Level) -> Marks {
    Marks { read: Seq(read), level }
}

async fn kept(storage: &dyn Storage, channel: ChannelId, who: &Person) -> Option<Marks> {
    let members = contents(storage).await.members;
    members.into_iter().find(|row| (row.channel, row.account) == (channel, who.id)).map(|row| row.marks)
}

pub(crate) async fn a_membership_begins_with_its_own_entry_read(storage: &dyn Storage) {
    let (ann, bob) = (person(storage, "ann").await, person(storage, "bob").await);
    let lobby = channel_of(storage, "lobby", &[&ann, &bob]).await;
    assert_eq!(kept(storage, lobby, &ann).await, Some(marks(1, Level::All)));
    assert_eq!(kept(storage, lobby, &bob).await, Some(marks(2, Level::All)));
    let batch = vec![mark(lobby, &bob, None, Some(Level::None)), leave(lobby, &bob), join(lobby, &bob)];
    all(storage, batch).await;
    assert_eq!(kept(storage, lobby, &bob).await, Some(marks(4, Level::All)), "and begins anew");
    let den = crate::setting::make("den", Some(&ann));
    let Written::Channel(den, _) = one(storage, den).await else { panic!("made") };
    assert_eq!(kept(storage, den.id, &ann).await, Some(marks(1, Level::All)), "a host's too");
}

pub(crate) async fn marks_move_forward_up_to_the_head(storage: &dyn Storage) {
    let (ann, bob) = (person(storage, "ann").await, person(storage, "bob").await);
    let lobby = channel_of(storage, "lobby", &[&ann, &bob]).await;
    for (write, expected) in [
        (mark(lobby, &ann, Some(2), None), marks(2, Level::All)),
        (mark(lobby, &ann, Some(1), None), marks(2, Level::All)),
        (mark(lobby, &ann, None, Some(Level::Mentions)), marks(2, Level::Mentions)),
        (mark(lobby, &ann, Some(99), None), marks(2, Level::Mentions)),
    ] {
        assert_eq!(one(storage, write).await, Written::Marked(expected));
        assert_eq!(kept(storage, lobby, &ann).await, Some(expected));
    }
    let batch = vec![say(lobby, &bob, 1), mark(lobby, &ann, Some(99), Some(Level::None))];
    let expected = marks(3, Level::None);
    assert_eq!(all(storage, batch).await[1], Written::Marked(expected), "the head of the moment");
    assert_eq!(kept(storage, lobby, &bob).await, Some(marks(2, Level::All)), "each has their own");
}

pub(crate) async fn who_is_no_member_has_no_marks(storage: &dyn Storage) {
    let (ann, bob) = (person(storage, "ann").await, person(storage, "bob").await);
    let lobby = channel_of(storage, "lobby", &[&ann]).await;
    assert_eq!(one(storage, mark(lobby, &bob, Some(1), None)).await, Written::NotAMember);
    assert_eq!(one(storage, mark(ChannelId(99), &ann, Some(1), None)).await, Written::NoSuchChannel);
    let batch = vec![leave(lobby, &ann), mark(lobby, &ann, Some(1), None)];
    assert_eq!(all(storage, batch).await[1], Written::NotAMember);
    assert_eq!(kept(storage, lobby, &ann).await, None);
}
