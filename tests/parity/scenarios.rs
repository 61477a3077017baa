//! Each scenario of the table, at every door.

use super::{compare, table};

#[test]
fn tokens_are_the_same_at_every_door() {
    compare(&table::tokens());
}

#[test]
fn data_is_the_same_at_every_door() {
    compare(&table::data());
}

#[test]
fn keys_are_the_same_at_every_door() {
    compare(&table::keys());
}

#[test]
fn published_keys_are_the_same_at_every_door() {
    compare(&table::published_keys());
}

#[test]
fn accounts_are_the_same_at_every_door() {
    compare(&table::accounts());
}

#[test]
fn sessions_are_the_same_at_every_door() {
    compare(&table::sessions());
}

#[test]
fn guesses_are_the_same_at_every_door() {
    compare(&table::guesses());
}

#[test]
fn limits_are_the_same_at_every_door() {
    compare(&table::limits());
}

#[test]
fn claims_of_tokens_are_the_same_at_every_door() {
    compare(&table::token_claims());
}

#[test]
fn claims_of_accounts_are_the_same_at_every_door() {
    compare(&table::account_claims());
}

#[test]
fn api_keys_are_the_same_at_every_door() {
    compare(&table::api_keys());
}

#[test]
fn limits_of_api_keys_are_the_same_at_every_door() {
    compare(&table::key_limits());
}

#[test]
fn clients_are_the_same_at_every_door() {
    compare(&table::clients());
}

#[test]
fn named_limits_are_the_same_at_every_door() {
    compare(&table::named_limits());
}

#[test]
fn a_disabled_limit_is_the_same_at_every_door() {
    compare(&table::no_limits());
}

#[test]
fn texts_for_urls_are_the_same_at_every_door() {
    compare(&table::texts());
}
