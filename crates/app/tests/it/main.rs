//! Use cases and the hot path over a real database of either engine, with a clock that stands still and entropy from a
//! seed.

mod address_codes;
mod apps;
mod audit;
mod exposures;
mod gateways;
mod go_live;
mod house;
mod idempotency;
mod letters;
mod lifecycle;
mod log;
mod mail_codes;
mod passkeys;
mod people;
mod proofs;
mod races;
mod replay;
mod revocation;
mod ring;
mod scarcity;
mod simulators;
mod takeover;
mod tampering;
mod team;
mod webhooks;

keymint_testkit::on_both! {
    idempotency:
        the_same_call_again_answers_the_same_without_its_secret,
        another_body_or_another_call_is_refused,
        twenty_at_once_make_one_credential_and_show_one_secret,
        twenty_rolls_at_once_make_one_successor,
        merchants_and_apps_are_made_once,
        the_same_key_of_another_actor_is_another,
        a_call_that_was_refused_is_not_remembered,
        a_key_may_be_used_again_after_a_week,;
    lifecycle:
        after_a_roll_the_old_one_works_until_exactly_its_end,
        a_roll_without_grace_ends_the_old_one_at_once,
        a_retiring_one_is_revoked_at_once,
        a_credential_works_until_exactly_its_expiry,
        whatever_ended_by_time_makes_room_and_nothing_brings_it_back,
        a_disabled_app_stops_its_keys_until_it_is_enabled,
        live_needs_an_approved_merchant,
        a_suspended_merchant_keeps_its_test_keys_and_no_live_one,
        what_is_narrowed_is_narrow_when_the_change_returns,
        what_is_absent_and_what_is_foreign_look_the_same,
        what_can_be_used_is_listed_apart_from_what_has_ended_to_the_millisecond,
        a_token_stands_for_somebody_from_when_it_is_made_until_it_is_revoked,;
    revocation:
        nothing_is_accepted_after_a_change_that_ends_it_returned,
        each_of_two_revocations_at_once_is_true_when_it_answers,
        a_change_whose_caller_vanished_is_whole,
        what_the_process_before_left_half_done_is_waited_for,;
    people:
        a_session_ends_when_idle_and_in_any_case,
        guesses_are_counted_for_account_and_address_together,
        a_flood_of_sign_ins_is_shed,
        passwords_have_a_length_and_accounts_an_address_of_their_own,
        members_do_what_their_role_may_at_their_own_merchant,;
    proofs:
        of_ten_thousand_guesses_at_one_challenge_five_are_looked_at,
        an_account_has_nine_tries_in_an_hour_over_all_its_challenges,
        a_challenge_is_dead_after_ten_minutes,
        nobody_changes_their_own_role_and_one_owner_stays,
        what_is_needed_again_after_a_quarter_of_an_hour,
        an_edited_account_membership_session_or_invitation_is_worth_nothing,;
    address_codes:
        the_addresses_of_a_live_key_are_saved_with_both_codes_and_by_nobody_without,
        codes_for_addresses_are_good_for_one_list_of_one_key_in_one_session_once,
        addresses_need_no_codes_in_test_mode_or_where_the_vendor_asks_none,
        a_live_key_in_the_place_of_another_keeps_its_addresses,
        who_has_no_phone_gets_no_codes,;
    gateways:
        whoever_may_not_see_the_gateways_changes_none_of_them,;
    go_live:
        whoever_was_live_makes_another_live_key_without_the_list_and_nobody_else_does,;
    exposures:
        an_exposed_key_is_flagged_once_and_those_who_can_roll_it_hear_of_it,;
    letters:
        a_letter_is_kept_for_thirty_days_and_then_deleted,;
    mail_codes:
        codes_by_mail_are_turned_on_with_password_and_code_and_off_with_a_proof,
        a_mailed_code_is_good_for_one_challenge_one_act_and_one_session_once,
        codes_by_mail_come_last_and_end_with_what_asked_for_them,
        after_a_reset_by_mail_codes_by_mail_prove_nothing_for_a_day,
        a_team_that_wants_a_second_factor_takes_codes_by_mail,
        an_edited_account_or_challenge_of_codes_by_mail_is_worth_nothing,
        an_account_of_before_codes_by_mail_goes_on_and_can_turn_them_on,
        where_no_mail_goes_out_nobody_turns_codes_by_mail_on,;
    team:
        a_role_of_the_merchants_own_holds_for_all_who_have_it_from_their_next_request_on,
        who_may_not_manage_the_team_makes_no_role_and_another_merchants_is_none,
        a_merchant_has_three_owners_at_most_who_hear_of_each_other_and_the_first_one_stays,
        the_last_place_of_an_owner_is_given_once,
        a_merchant_that_asks_a_second_factor_of_everybody_lets_nobody_in_without,
        a_member_who_is_locked_out_is_let_in_again_by_an_owner,
        an_owner_resets_the_factors_of_a_member_of_this_team_alone,
        what_a_viewer_looks_at_is_written_down_and_of_nobody_else,
        owners_and_admins_hear_of_live_keys_and_of_live_mode_and_of_no_test_key,
        a_live_key_is_revoked_though_the_team_that_would_hear_of_it_cannot_be_read,;
    passkeys:
        a_passkey_lets_its_person_in_alone_and_as_the_second_step,
        an_answer_is_good_for_one_challenge_one_act_and_one_session_once,
        an_answer_that_is_one_thing_off_is_refused,
        a_passkey_lets_nobody_else_in_and_is_nobody_elses,
        a_counter_that_goes_back_is_refused,
        an_edited_or_moved_passkey_or_challenge_is_worth_nothing,
        adding_needs_the_password_and_a_proof_and_removing_a_proof,
        answers_with_a_passkey_are_counted_like_codes,
        an_account_has_ten_passkeys_at_most,
        without_the_consoles_address_no_password_becomes_enough,;
    simulators:
        of_eight_changes_of_one_version_one_wins,
        what_is_due_is_made_once_at_its_moment_also_by_the_next_process,
        a_move_whose_money_is_gone_leaves_everything_as_it_is,
        of_eight_payouts_at_once_the_wallet_pays_those_that_it_holds,;
    races:
        any_mix_of_issue_roll_and_revoke_is_explained_by_some_order,
        whatever_changed_is_written_in_four_places,
        no_live_key_survives_a_suspension,
        a_disabled_app_issues_nothing,;
    apps:
        of_twenty_at_once_one_app_has_the_email_and_one_the_phone_number,
        a_person_describes_the_company_before_the_first_app_of_a_product_that_asks,
        domains_that_were_edited_are_worth_nothing_and_widen_no_key,
        providers_that_were_edited_are_worth_nothing_and_widen_no_key,;
    audit:
        a_log_of_many_pages_is_intact,
        an_entry_that_was_edited_is_found,
        an_entry_that_was_taken_out_is_found,
        an_entry_that_was_put_in_is_found,
        a_check_while_changes_go_on_finds_nothing_wrong,;
    tampering:
        an_edited_row_is_refused_and_carried_on_by_nothing,
        a_row_that_cannot_be_read_is_refused,
        an_edit_that_decides_nothing_refuses_nobody,;
    ring:
        a_database_of_another_ring_does_not_start,
        a_new_key_in_front_of_the_old_one_changes_nothing_for_anybody,
        without_the_retired_key_nothing_of_it_is_accepted,;
    replay:
        a_signed_call_is_accepted_once_also_after_a_restart,
        a_clock_that_steps_back_opens_no_signature_again,;
    scarcity:
        without_random_bytes_nothing_is_made,;
    log:
        decisions_arrive_with_whose_they_were,
        what_was_logged_and_not_counted_before_a_kill_is_counted_once,
        what_does_not_fit_is_counted_exactly,
        a_decision_does_not_wait_for_a_crowd,
        nobody_elses_decisions_are_shown,
        what_is_older_than_its_days_goes_and_what_is_above_the_number_goes_first,
        a_file_gets_every_decision_as_a_line_and_may_be_moved_away,;
    webhooks:
        razorpays_endpoint_is_tried_for_a_day_then_disabled_and_its_owner_gets_a_mail,
        an_event_is_sent_once_more_for_fifteen_days_and_not_a_millisecond_longer,
        gone_disables_a_native_endpoint_and_writes_to_the_address_that_it_names,
        what_waits_for_a_disabled_endpoint_is_held_and_sent_when_it_is_enabled_within_a_day,
        an_endpoint_that_was_edited_in_the_database_gets_nothing,
        an_address_that_may_not_be_called_any_more_is_not_called,
        an_endpoint_that_does_not_answer_is_asked_seldom_and_loses_nothing,
        an_event_goes_to_those_who_are_asked_for_as_it_happens,
        of_many_events_at_once_each_is_written_and_sent_once_but_for_one_that_cannot_be,
        an_answer_that_no_database_keeps_is_recorded_all_the_same,
        an_endpoint_says_in_seconds_or_by_a_date_how_long_it_wants_to_be_left_alone,
        a_try_keeps_what_went_out_with_it_and_what_came_back,;
}
