//! Writes: places, nonces, memberships.

use mechat_protocol::content::{Data, MediaType};
use mechat_protocol::request::HistoryRange;
use mechat_protocol::{AccountId, Body, ChannelId, Content, Epoch, Seq};
use mechat_relay::storage::{AccountRow, Storage, Written};

use crate::setting::{
    AT, all, append, channel, channel_of, contents, join, leave, make, new, new_seq, one, person, row, say,
    text,
};

async fn members(storage: &dyn Storage) -> Vec<(ChannelId, AccountId)> {
    contents(storage).await.members.iter().map(|row| (row.channel, row.account)).collect()
}

pub(crate) async fn seq_is_contiguous_from_one_in_each_channel(storage: &dyn Storage) {
    let ann = person(storage, "ann").await;
    let (one, two) = (channel(storage, "one").await, channel(storage, "two").await);
    let batch =
        vec![join(one, &ann), join(two, &ann), say(one, &ann, 1), say(two, &ann, 2), say(one, &ann, 3)];
    let first: Vec<Seq> = all(storage, batch).await.iter().map(new_seq).collect();
    assert_eq!(first, [Seq(1), Seq(1), Seq(2), Seq(2), Seq(3)]);
    let batch = vec![say(two, &ann, 4), say(one, &ann, 5)];
    let second: Vec<Seq> = all(storage, batch).await.iter().map(new_seq).collect();
    assert_eq!(second, [Seq(3), Seq(4)]);
    assert_eq!((row(storage, one).await.head, row(storage, two).await.head), (Seq(4), Seq(3)));
}

pub(crate) async fn a_batch_is_answered_in_its_order(storage: &dyn Storage) {
    let ann = person(storage, "ann").await;
    let lobby = channel(storage, "lobby").await;
    let batch = vec![
        join(lobby, &ann),
        make("lobby", None),
        say(lobby, &ann, 1),
        say(lobby, &ann, 1),
        join(lobby, &ann),
        say(ChannelId(99), &ann, 2),
        leave(lobby, &ann),
        say(lobby, &ann, 3),
    ];
    let written = all(storage, batch).await;
    assert!(
        matches!(
            &written[..],
            [
                Written::New(joined),
                Written::ChannelExists,
                Written::New(said),
                Written::Known(again),
                Written::Unchanged,
                Written::NoSuchChannel,
                Written::New(left),
                Written::NotAMember,
            ] if again == said && (joined.seq, said.seq, left.seq) == (Seq(1), Seq(2), Seq(3))
        ),
        "{written:?}"
    );
    assert_eq!(all(storage, Vec::new()).await, [], "an empty batch is one too");
}

pub(crate) async fn a_channel_begins_with_its_hosts_join(storage: &dyn Storage) {
    let ann = person(storage, "ann").await;
    let Written::Channel(hosted, Some(entry)) = one(storage, make("Den", Some(&ann))).await else {
        panic!("a host's channel has a first entry")
    };
    assert_eq!((hosted.name.as_str(), hosted.host, hosted.head), ("Den", Some(ann.id), Seq(1)));
    assert_eq!((entry.channel, entry.epoch, entry.seq), (hosted.id, hosted.epoch, Seq(1)));
    assert_eq!((entry.sender, entry.body, entry.at_ms, entry.nonce), (ann.name, Body::Joined, AT, None));
    let Written::Channel(own, None) = one(storage, make("lobby", None)).await else {
        panic!("a channel without a host has no entry")
    };
    assert_eq!((own.host, own.head, own.epoch, own.created), (None, Seq::ZERO, Epoch(1), AT));
    assert_ne!(own.id, hosted.id);
    assert_eq!(members(storage).await, [(hosted.id, ann.id)]);
    assert_eq!(contents(storage).await.channels, [hosted, own]);
}

pub(crate) async fn a_channels_name_is_taken_in_any_case(storage: &dyn Storage) {
    let ann = person(storage, "ann").await;
    let batch = vec![make("Général", Some(&ann)), make("GÉNÉRAL", Some(&ann))];
    let written = all(storage, batch).await;
    assert_eq!(written[1], Written::ChannelExists, "within one batch");
    assert_eq!(one(storage, make("général", None)).await, Written::ChannelExists, "and later");
    let loaded = contents(storage).await;
    assert_eq!((loaded.channels.len(), loaded.members.len()), (1, 1));
    assert_eq!(loaded.channels[0].head, Seq(1), "who is refused does not join");
}

pub(crate) async fn a_nonce_names_one_entry_for_good(storage: &dyn Storage) {
    let ann = person(storage, "ann").await;
    let here = channel_of(storage, "here", &[&ann]).await;
    let there = channel_of(storage, "there", &[&ann]).await;
    let other = append(here, &ann, Some(1), text("other words"));
    let batch = vec![say(here, &ann, 1), other.clone(), say(here, &ann, 2)];
    let written = all(storage, batch).await;
    let (first, second) = (new(written[0].clone()), new(written[2].clone()));
    assert_eq!(written[1], Written::Known(first.clone()), "in the same batch, whatever it says now");
    assert_eq!((first.seq, second.seq), (Seq(2), Seq(3)), "a known nonce consumes no seq");
    for again in [other, say(there, &ann, 1), say(ChannelId(99), &ann, 1)] {
        assert_eq!(one(storage, again).await, Written::Known(first.clone()), "in a later one, anywhere");
    }
    assert_eq!(row(storage, there).await.head, Seq(1));
    assert_eq!(new_seq(&one(storage, say(here, &ann, 3)).await), Seq(4));
}

pub(crate) async fn nonces_are_the_senders_own(storage: &dyn Storage) {
    let (ann, bob) = (person(storage, "ann").await, person(storage, "bob").await);
    let lobby = channel_of(storage, "lobby", &[&ann, &bob]).await;
    let written = all(storage, vec![say(lobby, &ann, 1), say(lobby, &bob, 1)]).await;
    let entries: Vec<_> = written.into_iter().map(new).collect();
    assert_eq!((&entries[0].sender, entries[0].seq), (&ann.name, Seq(3)));
    assert_eq!((&entries[1].sender, entries[1].seq), (&bob.name, Seq(4)));
    assert_eq!(one(storage, say(lobby, &bob, 1)).await, Written::Known(entries[1].clone()));
}

pub(crate) async fn a_membership_changes_with_its_entry(storage: &dyn Storage) {
    let (ann, bob) = (person(storage, "ann").await, person(storage, "bob").await);
    let lobby = channel(storage, "lobby").await;
    let batch = vec![join(lobby, &ann), join(lobby, &ann), leave(lobby, &ann), leave(lobby, &ann)];
    let written = all(storage, batch).await;
    assert_eq!((written[1].clone(), written[3].clone()), (Written::Unchanged, Written::Unchanged));
    let (joined, left) = (new(written[0].clone()), new(written[2].clone()));
    assert_eq!((joined.seq, joined.body, joined.sender), (Seq(1), Body::Joined, ann.name.clone()));
    assert_eq!((left.seq, left.body, left.sender), (Seq(2), Body::Left, ann.name.clone()));
    assert_eq!(members(storage).await, []);
    let written = all(storage, vec![join(lobby, &bob), join(lobby, &ann)]).await;
    assert_eq!(written.iter().map(new_seq).collect::<Vec<_>>(), [Seq(3), Seq(4)]);
    assert_eq!(members(storage).await, [(lobby, ann.id), (lobby, bob.id)]);
    assert_eq!(one(storage, join(lobby, &bob)).await, Written::Unchanged, "in a later batch");
    assert_eq!(row(storage, lobby).await.head, Seq(4), "what changes nothing consumes no seq");
}

pub(crate) async fn who_is_no_member_leaves_nothing(storage: &dyn Storage) {
    let (ann, bob) = (person(storage, "ann").await, person(storage, "bob").await);
    let (here, there) = (channel(storage, "here").await, channel(storage, "there").await);
    one(storage, join(here, &ann)).await;
    for stranger in [leave(here, &bob), leave(there, &ann)] {
        assert_eq!(one(storage, stranger).await, Written::Unchanged);
    }
    assert_eq!(members(storage).await, [(here, ann.id)]);
    assert_eq!((row(storage, here).await.head, row(storage, there).await.head), (Seq(1), Seq::ZERO));
}

pub(crate) async fn who_is_no_member_says_nothing(storage: &dyn Storage) {
    let (ann, bob) = (person(storage, "ann").await, person(storage, "bob").await);
    let here = channel_of(storage, "here", &[&bob]).await;
    let there = channel_of(storage, "there", &[&ann]).await;
    for stranger in
        [say(here, &ann, 1), append(here, &ann, None, text("without a nonce")), say(there, &bob, 1)]
    {
        let shown = format!("{stranger:?}");
        assert_eq!(one(storage, stranger).await, Written::NotAMember, "{shown}");
    }
    assert_eq!((row(storage, here).await.head, row(storage, there).await.head), (Seq(1), Seq(1)));
    assert_eq!(members(storage).await, [(here, bob.id), (there, ann.id)]);
    let batch =
        vec![say(here, &ann, 1), join(here, &ann), say(here, &ann, 1), leave(here, &ann), say(here, &ann, 2)];
    let written = all(storage, batch).await;
    assert_eq!((&written[0], &written[4]), (&Written::NotAMember, &Written::NotAMember), "within one batch");
    let seqs: Vec<Seq> = written[1..4].iter().map(new_seq).collect();
    assert_eq!(seqs, [Seq(2), Seq(3), Seq(4)], "neither a seq nor the nonce was used");
    assert_eq!(one(storage, say(here, &ann, 2)).await, Written::NotAMember, "a former member is none");
    assert_eq!(new_seq(&one(storage, say(there, &ann, 2)).await), Seq(2), "the nonce is free elsewhere too");
}

pub(crate) async fn a_former_members_nonce_is_known(storage: &dyn Storage) {
    let (ann, bob) = (person(storage, "ann").await, person(storage, "bob").await);
    let lobby = channel_of(storage, "lobby", &[&ann]).await;
    let written = all(storage, vec![say(lobby, &ann, 1), leave(lobby, &ann), say(lobby, &ann, 1)]).await;
    let said = new(written[0].clone());
    assert_eq!(written[2], Written::Known(said.clone()), "in the same batch");
    let other = append(lobby, &ann, Some(1), text("other words"));
    for again in [say(lobby, &ann, 1), other] {
        assert_eq!(one(storage, again).await, Written::Known(said.clone()), "in a later one");
    }
    assert_eq!(one(storage, say(lobby, &bob, 1)).await, Written::NotAMember, "but to its sender alone");
    assert_eq!(row(storage, lobby).await.head, Seq(3));
    assert_eq!(members(storage).await, [], "and nobody is a member by that");
}

pub(crate) async fn what_is_written_to_no_channel_is_refused(storage: &dyn Storage) {
    let ann = person(storage, "ann").await;
    for nowhere in [ChannelId(0), ChannelId(7)] {
        for write in [say(nowhere, &ann, 1), join(nowhere, &ann), leave(nowhere, &ann)] {
            let shown = format!("{write:?}");
            assert_eq!(one(storage, write).await, Written::NoSuchChannel, "{shown}");
        }
    }
    assert_eq!(members(storage).await, []);
    let lobby = channel_of(storage, "lobby", &[&ann]).await;
    assert_eq!(new_seq(&one(storage, say(lobby, &ann, 1)).await), Seq(2), "the nonce was not used");
}

pub(crate) async fn entries_are_read_as_they_were_written(storage: &dyn Storage) {
    let (ann, polina) = (person(storage, "ann").await, person(storage, "Полина").await);
    let lobby = channel(storage, "lobby").await;
    let media_type = MediaType::new("application/octet-stream".into()).expect("a media type");
    let bytes = Data::new((0..=255).collect()).expect("data");
    let bodies = [
        text("\u{0}\u{1b}[2J \u{202e}世界\r\n"),
        Body::said(Content::Data { media_type, bytes }, Some(Seq(1))),
        Body::said(Content::text("yes").expect("a text"), Some(Seq(2))),
    ];
    let mut batch = vec![join(lobby, &polina)];
    batch.extend((1..).zip(bodies).map(|(nonce, body)| append(lobby, &polina, Some(nonce), body)));
    batch.extend([
        join(lobby, &ann),
        append(lobby, &ann, None, text("without a nonce")),
        leave(lobby, &polina),
    ]);
    let written: Vec<_> = all(storage, batch).await.into_iter().map(new).collect();
    let read = storage.read_log(lobby, HistoryRange::Latest, 100).await.expect("storage works");
    assert_eq!(read.entries, written);
    assert_eq!(read.entries[1].sender.as_str(), "Полина");
}

pub(crate) async fn what_is_loaded_is_what_was_written(storage: &dyn Storage) {
    let (ann, bob) = (person(storage, "ann").await, person(storage, "bob").await);
    let Written::Channel(mut den, _) = one(storage, make("den", Some(&bob))).await else { panic!("made") };
    let lobby = channel(storage, "lobby").await;
    let batch = vec![say(den.id, &bob, 1), join(lobby, &ann), join(den.id, &ann), leave(den.id, &bob)];
    all(storage, batch).await;
    let loaded = contents(storage).await;
    let account = |who: &crate::setting::Person, admin| AccountRow {
        id: who.id,
        name: who.name.clone(),
        admin,
        created: AT,
    };
    assert_eq!(loaded.accounts, [account(&ann, true), account(&bob, false)]);
    den.head = Seq(4);
    assert_eq!(loaded.channels[0], den);
    assert_eq!((loaded.channels[1].id, loaded.channels[1].head), (lobby, Seq(1)));
    let mut members = [(den.id, ann.id), (lobby, ann.id)];
    members.sort_unstable();
    let loaded_members: Vec<_> = loaded.members.iter().map(|row| (row.channel, row.account)).collect();
    assert_eq!(loaded_members, members);
}
