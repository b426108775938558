//! Every limit of the protocol, each with its unit, and the relations between them.
//!
//! Lengths are bytes of UTF-8 or of MessagePack unless the name says otherwise. A relay states those that a
//! client must respect in `welcome`; `docs/PROTOCOL.md` lists them all and a test compares.

/// Protocol version spoken by this crate.
pub const PROTOCOL_VERSION: u16 = 1;
/// TCP port a relay listens on when none is given.
pub const DEFAULT_PORT: u16 = 7667;

/// Bytes of the length prefix of a frame.
pub const FRAME_PREFIX_LEN: usize = 4;
/// Longest frame, in bytes without its prefix, once signed in (and from a relay, always).
pub const FRAME_LEN_MAX: usize = 65_536;
/// Longest frame a relay accepts, in bytes without its prefix, before sign-in.
pub const FRAME_LEN_MAX_PENDING: usize = 4_096;
/// Longest frame that is skipped and answered with `too_large`; a longer one closes the connection.
pub const FRAME_SKIP_MAX: usize = 1_048_576;
/// Deepest nesting of maps and arrays in a frame.
pub const DEPTH_MAX: usize = 10;

/// Characters of a name (account or channel).
pub const NAME_CHARS_MAX: usize = 32;
/// Bytes of a name.
pub const NAME_LEN_MAX: usize = 4 * NAME_CHARS_MAX;
/// Bytes of a message's text.
pub const TEXT_LEN_MAX: usize = 16_384;
/// Bytes of a message's binary data.
pub const DATA_LEN_MAX: usize = 16_384;
/// Bytes of a media type.
pub const MEDIA_TYPE_LEN_MAX: usize = 127;
/// Bytes of a channel's topic.
pub const TOPIC_LEN_MAX: usize = 224;
/// Bytes of a reaction's emoji.
pub const EMOJI_LEN_MAX: usize = 64;
/// Reactions to one message, of all people and emoji together.
pub const REACTIONS_MAX: usize = 128;
/// Pinned messages of one channel.
pub const PINS_MAX: usize = 100;
/// Bytes of what is searched for.
pub const QUERY_LEN_MAX: usize = 256;
/// Bytes of a relay's message of the day.
pub const MOTD_LEN_MAX: usize = 1_024;
/// Bytes of the software name in `hello` and `welcome`.
pub const AGENT_LEN_MAX: usize = 128;
/// Bytes of one OPAQUE message.
pub const OPAQUE_LEN_MAX: usize = 512;
/// Bytes of a resume token.
pub const TOKEN_LEN_MAX: usize = 64;
/// Bytes of an error's or a close's explanation.
pub const REASON_LEN_MAX: usize = 512;
/// Bytes of a DNS name (RFC 1035).
pub const HOST_LEN_MAX: usize = 253;

/// Entries of one history page.
pub const PAGE_ENTRIES_MAX: usize = 100;
/// Bytes of encoded entries in one history page; a page always carries at least one entry.
pub const PAGE_LEN_MAX: usize = 49_152;
/// Rows of one listing (channels, participants, connections).
pub const LIST_ROWS_MAX: usize = 100;
/// Names in one `typing` event.
pub const TYPISTS_MAX: usize = 16;
/// Presence changes in one event.
pub const PRESENCE_CHANGES_MAX: usize = 200;

/// Channels one account may be a member of.
pub const CHANNELS_PER_ACCOUNT_MAX: usize = 256;
/// Channels of one relay.
pub const CHANNELS_MAX: usize = 65_536;
/// Members of one channel.
pub const MEMBERS_PER_CHANNEL_MAX: usize = 65_536;
/// Requests of one connection that are not yet answered; more are refused with `busy`.
pub const IN_FLIGHT_MAX: usize = 512;
/// Of these, requests for pages of entries: each may be answered with `PAGE_LEN_MAX` bytes.
pub const HISTORIES_IN_FLIGHT_MAX: usize = 3;
/// Failed sign-ins on one connection before it is closed.
pub const SIGN_IN_ATTEMPTS_MAX: u32 = 5;
/// Registrations that are begun on one connection without a sign-in; one more closes it.
pub const REGISTRATIONS_MAX: u32 = 20;
/// Bytes of replies that wait for one connection before no further requests are read from it.
pub const OUTBOUND_LEN_MAX: usize = 16_384;
/// The same before sign-in.
pub const OUTBOUND_LEN_MAX_PENDING: usize = 4_096;
/// Bytes of entries and replies that are sealed for a connection at a time, one entry or reply more or less.
pub const DRAIN_LEN: usize = 32_768;
/// Bytes that the operating system holds for a connection before it has sent them, where it can be told so.
pub const UNSENT_LEN_MAX: u32 = 1_048_576;
/// Bytes that are held for one connection at most, whatever it does and does not read.
pub const HELD_LEN_MAX: usize = 262_144;
/// Bytes of a channel's newest entries that a relay holds for those who are behind; who is further behind is sent `lagged`.
pub const RING_LEN_MAX: usize = 1_048_576;
/// Bytes of them in all channels together; beyond that the oldest of all are given up.
pub const RINGS_LEN_MAX: usize = 33_554_432;
/// Bytes of a channel's entries that are handed on together.
pub const PUBLISH_LEN_MAX: usize = 32_768;

/// How much is taken from one connection at a time: a message weighs 1, a request with a longer reply all of this.
pub const BATCH_WEIGHT_MAX: usize = 64;
/// Connections at a time, unless the relay is told otherwise; further ones are closed with `relay_full`.
pub const CONNECTIONS_MAX: usize = 65_536;
/// Steps of TLS handshakes from one IPv4 address, or one /64 network of IPv6, that are computed or next at a time; further ones
/// wait. Of all addresses together as many are computed as the relay has processors but one, and one at least.
pub const HANDSHAKES_PER_ADDRESS_MAX: usize = 2;
/// TLS records that a client may send in its handshake.
pub const HANDSHAKE_RECORDS_MAX: usize = 32;
/// Connections that are not signed in, or a quarter of all that there may be if that is less; further ones are closed at once.
pub const PENDING_MAX: usize = 8_192;
/// Connections that are not signed in, however few there may be in all.
pub const PENDING_MIN: usize = 64;
/// Connections that are not signed in from one IPv4 address or one /64 network of IPv6, or a sixteenth of all such if that is less.
pub const PENDING_PER_ADDRESS_MAX: usize = 512;
/// The same, however few there may be in all.
pub const PENDING_PER_ADDRESS_MIN: usize = 16;

/// Milliseconds a TLS handshake may take.
pub const HANDSHAKE_TIMEOUT_MS: u64 = 10_000;
/// Milliseconds without a complete frame after which a connection that is not signed in is closed.
pub const PENDING_TIMEOUT_MS: u64 = 30_000;
/// Milliseconds that a connection may stand without being signed in, whatever it says.
pub const SIGN_IN_TIMEOUT_MS: u64 = 300_000;
/// Milliseconds after which a signed-in connection that sends nothing is closed.
pub const IDLE_TIMEOUT_MS: u64 = 90_000;
/// Milliseconds of silence after which a client sends `ping`.
pub const PING_INTERVAL_MS: u64 = 20_000;
/// Milliseconds without reading after which a peer with a full queue is closed.
pub const STUCK_TIMEOUT_MS: u64 = 30_000;
/// Milliseconds for which somebody counts as typing after they said so.
pub const TYPING_MS: u64 = 8_000;
/// Milliseconds after which a client says again that its user is typing.
pub const TYPING_INTERVAL_MS: u64 = 5_000;
/// Longest random delay, in milliseconds, that `go_away` asks for.
pub const GO_AWAY_DELAY_MAX_MS: u64 = 2_000;
/// Milliseconds a relay takes at most to drain and exit.
pub const SHUTDOWN_TIMEOUT_MS: u64 = 5_000;

/// Bytes of a channel's description in a listing.
pub const CHANNEL_INFO_MAX: usize = 640;
/// Bytes that an entry's keys, ids and times take at most besides its content and names.
pub const ENTRY_OVERHEAD_MAX: usize = 512;

const _: () = {
    let larger = if TEXT_LEN_MAX > DATA_LEN_MAX { TEXT_LEN_MAX } else { DATA_LEN_MAX };
    let reactions = REACTIONS_MAX * (NAME_LEN_MAX + EMOJI_LEN_MAX + 24);
    let entry = larger + MEDIA_TYPE_LEN_MAX + 2 * NAME_LEN_MAX + reactions + ENTRY_OVERHEAD_MAX;
    assert!(2 * NAME_LEN_MAX + TOPIC_LEN_MAX + 160 <= CHANNEL_INFO_MAX, "names, topic, keys and numbers");
    assert!(entry <= PAGE_LEN_MAX, "the largest entry fits in a page");
    assert!(PAGE_LEN_MAX + ENTRY_OVERHEAD_MAX <= FRAME_LEN_MAX, "the largest page fits in a frame");
    assert!(LIST_ROWS_MAX * CHANNEL_INFO_MAX <= FRAME_LEN_MAX, "the longest listing fits in a frame");
    assert!(
        PRESENCE_CHANGES_MAX * (NAME_LEN_MAX + 64) <= FRAME_LEN_MAX,
        "the longest presence event fits in a frame"
    );
    assert!(
        FRAME_LEN_MAX_PENDING >= OPAQUE_LEN_MAX + NAME_LEN_MAX + AGENT_LEN_MAX + 256,
        "sign-in fits before sign-in"
    );
    assert!(
        FRAME_LEN_MAX_PENDING < FRAME_LEN_MAX && FRAME_LEN_MAX < FRAME_SKIP_MAX,
        "limits grow with trust"
    );
    let listing = LIST_ROWS_MAX * CHANNEL_INFO_MAX;
    let pages = HISTORIES_IN_FLIGHT_MAX * (PAGE_LEN_MAX + ENTRY_OVERHEAD_MAX);
    assert!(
        OUTBOUND_LEN_MAX + listing + pages + DRAIN_LEN <= HELD_LEN_MAX,
        "what waits, what one more batch is answered with, and what is sealed"
    );
    assert!(
        PUBLISH_LEN_MAX + FRAME_LEN_MAX <= RING_LEN_MAX,
        "a ring holds more than what is handed on at once"
    );
    assert!(RING_LEN_MAX <= RINGS_LEN_MAX, "a part is not more than the whole");
    assert!(PENDING_MAX < CONNECTIONS_MAX, "strangers cannot take every place");
    assert!(16 * PENDING_PER_ADDRESS_MAX <= PENDING_MAX, "one address cannot take every place");
    assert!(PENDING_PER_ADDRESS_MIN < PENDING_MIN, "nor of few");
    assert!(HISTORIES_IN_FLIGHT_MAX <= IN_FLIGHT_MAX, "a part is not more than the whole");
    assert!(2 * PING_INTERVAL_MS < IDLE_TIMEOUT_MS, "one lost ping does not end a session");
    assert!(PENDING_TIMEOUT_MS < SIGN_IN_TIMEOUT_MS, "silence is noticed first");
    assert!(PING_INTERVAL_MS < PENDING_TIMEOUT_MS, "a client that pings may take its time to sign in");
    assert!(TYPING_INTERVAL_MS < TYPING_MS, "who goes on typing stays shown");
    assert!(TYPISTS_MAX * (NAME_LEN_MAX + 8) <= FRAME_LEN_MAX, "the longest typing event fits in a frame");
    assert!(GO_AWAY_DELAY_MAX_MS < SHUTDOWN_TIMEOUT_MS, "clients are told to go before the relay is gone");
};
