//! What every backend has to do: one suite of tests, which each runs with a [`Place`] of its own.

pub(super) mod accounts;
pub(super) mod api_keys;
pub(super) mod sessions;

use super::{Account, Moment, Presented, Session, Store, TokenState};

/// Where a backend keeps the data of one test.
pub(super) trait Place {
    /// Another handle on the same data, as another process would have it.
    fn open(&self) -> Box<dyn Store>;
    /// Another place, without data.
    fn fresh(&self) -> Box<dyn Place>;
    /// How many sessions, revoked tokens and users with revoked tokens are stored.
    fn count(&self) -> i64;
    /// Disables all accounts, without anything else that belongs to it.
    fn disable_all(&self);
}

/// Defines each test of the suite; the expression makes its place.
macro_rules! suite {
    ($place:expr) => {
        $crate::store::suite::each! { $place;
            accounts::a_change_is_seen_through_other_open_stores;
            accounts::a_new_password_replaces_the_old_one;
            accounts::a_change_that_removes_rights_revokes_the_tokens;
            accounts::users_and_clients_are_changed_and_listed_apart;
            accounts::when_an_account_was_unlocked_is_kept_for_a_while;
            accounts::revocations_are_kept_until_they_expire_and_then_removed;
            accounts::concurrent_changes_lose_nothing;
            accounts::the_stand_in_account_reveals_nothing_about_neighbouring_names;
            accounts::an_account_of_one_kind_never_stands_in_for_the_other;
            sessions::an_ended_session_is_gone_and_its_access_tokens_are_revoked;
            sessions::a_session_is_changed_as_decided_from_what_was_read;
            sessions::the_sessions_of_a_user_are_listed_until_they_expire;
            sessions::sessions_per_account_are_limited_and_the_oldest_is_dropped;
            sessions::a_login_succeeds_only_for_the_account_as_it_was_checked;
            sessions::of_many_refreshes_of_one_session_one_wins;
            sessions::no_session_outlives_the_revocation_that_it_began_beside;
            accounts::of_two_edits_of_one_version_one_is_made;
            accounts::the_last_account_with_a_scope_is_kept;
            accounts::accounts_of_both_kinds_are_searched;
            sessions::all_sessions_are_listed_in_pages;
            api_keys::a_key_is_kept_as_it_was_added;
            api_keys::keys_are_listed_in_order_and_by_owner;
            api_keys::only_changes_of_api_keys_move_their_number_and_they_move_no_other;
            api_keys::the_last_use_never_goes_back;
            api_keys::an_owner_has_a_bounded_number_of_keys_revoked_or_not;
        }
    };
}

macro_rules! each {
    ($place:expr; $($module:ident::$name:ident;)*) => {
        $(
            #[test]
            fn $name() {
                $crate::store::suite::$module::$name(&$place);
            }
        )*
    };
}

pub(super) use {each, suite};

const AT: Moment = Moment {
    now: 1_000,
    forget: 2_000,
};

fn account(name: &str) -> Account {
    Account::example(name, "encrypt decrypt")
}

pub(super) fn session<'a>(id: &'a str, refresh: &'a str) -> Session<'a> {
    Session {
        id,
        user: "alice",
        refresh,
        expires: 5_000,
        access_expires: 3_000,
    }
}

fn standing(store: &dyn Store, id: &str, session: Option<&str>) -> TokenState {
    let presented = Presented {
        id,
        session,
        subject: "alice",
        issued_at: Some(1_000),
    };
    store.standing(presented).unwrap()
}
