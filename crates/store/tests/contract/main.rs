//! What the store promises, on both engines: each case is written once and mounted twice.

mod belongings;
mod credentials;
mod kept;
mod ledger;
mod logs;
mod migrations;
mod moves;
mod owners;
mod ownership;
mod people;
mod sample;
mod server;
mod small;
mod sqlite_file;
mod statements;
mod transactions;
mod webhooks;

keymint_testkit::on_both! {
    statements:
        every_statement_prepares,;
    owners:
        merchants_come_back_as_they_went_in,
        merchants_are_listed_by_the_bytes_of_their_ids,
        an_email_belongs_to_one_merchant,
        activation_is_set_and_its_reason_taken_away,
        apps_come_back_as_they_went_in,
        a_name_belongs_to_one_app_of_a_merchant_and_product,
        an_app_is_disabled_and_enabled,
        apps_of_another_merchant_are_not_listed,;
    belongings:
        a_company_comes_back_as_it_went_in_and_is_written_over,
        a_logo_belongs_to_its_app_and_merchant,
        domains_come_back_in_their_order,
        providers_come_back_in_their_order,
        an_email_and_a_phone_number_of_another_app_are_found,
        a_live_key_works_until_its_end_and_a_test_key_is_none,;
    credentials:
        credentials_come_back_as_they_went_in,
        every_status_comes_back,
        what_may_change_changes_and_nothing_else,
        a_slot_holds_one_active_credential,
        two_concurrent_inserts_into_one_slot_leave_one,
        a_slot_is_free_again_when_its_insert_was_given_up,
        expired_credentials_free_their_slots,
        a_key_id_belongs_to_one_credential,
        credentials_are_listed_with_their_owners_and_their_last_use,
        the_keys_of_an_owner_are_those_not_revoked,
        a_row_that_cannot_be_read_is_corrupt_and_not_absent,;
    ledger:
        a_change_is_written_four_times,
        numbers_are_dense_and_in_the_order_of_commits,
        a_number_that_was_not_committed_is_given_again,
        entries_of_a_merchant_are_its_own,;
    logs:
        entries_come_back_as_they_went_in,
        filters_narrow_and_none_of_them_widens,
        numbers_rise_and_pages_do_not_overlap,
        newer_entries_are_those_of_later_batches,
        a_quiet_key_is_found_among_busy_ones,
        only_what_was_allowed_is_a_use,
        hours_count_what_was_logged_and_nothing_else,
        what_is_old_goes_piece_by_piece_and_nothing_else,
        a_line_that_cannot_be_read_is_corrupt_and_not_absent,;
    people:
        accounts_come_back_and_an_address_has_one,
        a_passkey_is_one_persons_and_each_use_of_it_is_noted_once,
        a_person_is_one_thing_at_each_merchant,
        a_session_is_found_by_its_digest_until_it_is_ended,;
    small:
        settings_are_stored_once,
        whoever_asks_for_a_nul_finds_nothing,
        answers_are_remembered_until_they_are_pruned,
        counts_under_quotas_are_those_of_the_last_write_until_they_are_old,
        the_same_key_of_another_actor_is_another,
        tokens_live_until_they_are_revoked,
        sandbox_objects_come_back_as_they_went_in,
        a_reference_belongs_to_one_object_of_an_app_and_none_is_no_reference,
        sandbox_objects_are_listed_newest_first_and_then_by_bytes,;
    kept:
        transactions_are_paged_newest_first_and_stay_with_their_app,
        a_transaction_is_found_by_exactly_its_id,
        what_was_kept_before_there_was_a_list_stands_in_it,;
    moves:
        an_object_changes_from_the_version_that_was_read_and_only_once,
        moves_wake_in_their_order_and_stand_with_the_apps_clock,
        money_moves_where_it_is_and_every_posting_is_kept,
        answers_of_simulators_are_an_apps_own_until_they_are_forgotten,;
    transactions:
        what_was_dropped_never_was,
        readers_see_what_was_committed_and_nothing_else,
        one_gives_up_while_twenty_commit,
        writers_that_are_cut_off_anywhere_leave_all_or_nothing,
        whoever_goes_away_in_the_queue_leaves_nobody_waiting,
        whoever_settles_has_read_what_is_on_disk,
        a_refused_statement_leaves_the_others_standing,;
    migrations:
        a_second_start_changes_nothing,
        an_edited_migration_is_refused,
        a_newer_schema_is_refused,
        a_migration_that_was_cut_off_leaves_nothing,;
    ownership:
        a_second_process_is_refused,
        whoever_comes_after_the_owner_may_open,;
    webhooks:
        endpoints_come_back_as_they_went_in_and_are_those_of_their_app_and_mode,
        secrets_end_when_their_successor_says_and_else_never,
        what_is_due_is_found_by_its_endpoint_the_longest_waiting_first,
        tries_are_kept_and_a_delivery_is_held_dropped_and_sent_again,
        what_is_too_old_goes_with_its_deliveries_and_their_tries,
        one_with_a_subject_is_due_when_those_before_it_are_done_with,
        what_is_written_together_is_as_though_it_were_written_one_by_one,
        one_that_cannot_be_written_takes_those_with_it_that_are_written_together,
        what_is_written_alone_is_there_as_a_whole_or_not_at_all,
        what_is_written_alone_and_cut_off_leaves_all_or_nothing,
        what_was_written_before_the_tables_were_lean_stands_in_them,;
}
