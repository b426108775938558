//! What a storage promises, for every implementation alike.
//!
//! Owns the list of promises; each is a function of a fresh storage in one of the modules below. A new
//! implementation joins by one line. What only a database on disk can do stands in `on_disk`.

mod accounts;
mod amendments;
mod log;
mod marks;
mod on_disk;
mod pages;
mod random;
mod search;
mod setting;
mod tokens;

/// Runs every promise on storages that `$fresh` makes; what it gives besides lives as long as the test.
macro_rules! keeps_the_contract {
    ($name:ident, $fresh:expr, [$($module:ident: $($promise:ident)+;)+]) => {
        mod $name {
            $($(#[tokio::test]
            async fn $promise() {
                let (_kept, storage) = $fresh;
                crate::$module::$promise(&storage).await;
            })+)+
        }
    };
}

macro_rules! every_storage {
    ($($promises:tt)+) => {
        keeps_the_contract!(memory, ((), mechat_relay::storage::MemoryStorage::default()), [$($promises)+]);
        keeps_the_contract!(sqlite, crate::setting::sqlite(), [$($promises)+]);
    };
}

every_storage! {
    accounts:
        a_new_storage_is_empty
        the_first_account_is_an_admin_and_no_other
        a_name_is_taken_in_any_case
        a_name_that_looks_like_another_is_refused
        a_credential_is_found_by_the_folded_name;
    log:
        seq_is_contiguous_from_one_in_each_channel
        a_batch_is_answered_in_its_order
        a_channel_begins_with_its_hosts_join
        a_channels_name_is_taken_in_any_case
        a_nonce_names_one_entry_for_good
        nonces_are_the_senders_own
        a_membership_changes_with_its_entry
        who_is_no_member_leaves_nothing
        who_is_no_member_says_nothing
        a_former_members_nonce_is_known
        what_is_written_to_no_channel_is_refused
        entries_are_read_as_they_were_written
        what_is_loaded_is_what_was_written;
    amendments:
        an_amendment_is_an_entry_and_changes_what_it_names
        what_is_so_already_is_no_entry
        an_amendments_nonce_names_one_entry_for_good
        only_a_message_that_stands_is_amended
        only_their_sender_edits_and_who_keeps_order_deletes
        a_deletion_takes_the_words_of_every_edit_with_it
        so_many_reactions_and_pins_and_no_more
        a_topic_is_the_channels_until_the_next
        pinned_messages_and_replies_are_listed_in_order;
    marks:
        a_membership_begins_with_its_own_entry_read
        marks_move_forward_up_to_the_head
        who_is_no_member_has_no_marks;
    search:
        every_word_must_be_in_it_the_newest_come_first
        no_query_is_a_command
        only_the_channels_that_are_asked_for_are_searched
        pages_follow_each_other_without_gap_or_repeat
        what_is_found_is_what_is_said_now;
    pages:
        the_latest_page_ends_at_the_head
        the_page_before_ends_below_its_seq
        the_page_after_begins_above_its_seq
        beyond_either_end_there_is_nothing
        a_page_is_cut_by_bytes_and_fits_in_a_frame
        walking_meets_every_entry_once;
    tokens:
        a_token_is_replaced_by_its_successor
        a_retry_is_told_as_such
        a_retry_after_the_successors_use_is_a_replay
        a_replay_revokes_its_session_and_no_other
        another_successor_is_a_replay
        a_token_ends_when_it_expires
        a_revoked_session_has_no_good_token;
}
