//! Accounts, their sessions, and guesses at their passwords.

use serde_json::{Value, json};

use super::{ANOTHER, PASSWORD, Scenario, add, is_of, log_in, step, verify};

pub(crate) fn accounts() -> Scenario {
    let alice = |scope: &str, disabled: bool| json!({"name": "alice", "scope": scope, "disabled": disabled});
    let list = |users: Value| step("list_users", json!({})).answers(json!({"users": users}));
    let find = |user: &str| step("find_user", json!({"user": user}));
    let of = |operation, user: &str| step(operation, json!({"user": user}));
    let check = |user: &str, password: &str| {
        step(
            "check_password",
            json!({"user": user, "password": password}),
        )
    };
    let scoped = |scope: &str| {
        step(
            "log_in",
            json!({"user": "alice", "password": PASSWORD, "scope": scope}),
        )
    };
    let change = |current: &str, new: &str| {
        step(
            "change_password",
            json!({"user": "alice", "token": "${token}", "current": current, "new": new}),
        )
    };
    let with = |password: &str| step("log_in", json!({"user": "alice", "password": password}));
    let set_password = |user: &str, password: &str| {
        step("set_password", json!({"user": user, "password": password}))
    };
    let set_scope =
        |user: &str, scope: &str| step("set_scope", json!({"user": user, "scope": scope}));
    Scenario {
        name: "accounts",
        settings: &[("lockout_after", "0"), ("max_requests", "0")],
        steps: vec![
            list(json!([])),
            find("alice").answers(json!({"found": null})),
            of("disable_user", "alice").refused("not_found"),
            add("alice", "encrypt decrypt"),
            add("alice", "encrypt").refused("user_exists"),
            add("", "").refused("invalid_name"),
            add("carol", "a  b").refused("invalid_argument"),
            step(
                "add_user",
                json!({"user": "carol", "password": "password", "scope": ""}),
            )
            .refused("weak_password"),
            step(
                "add_user",
                json!({"user": "carol", "password": "", "scope": ""}),
            )
            .refused("weak_password"),
            list(json!([alice("encrypt decrypt", false)])),
            find("alice").answers(json!({"found": alice("encrypt decrypt", false)})),
            check("alice", PASSWORD).answers(json!({"scope": "encrypt decrypt"})),
            check("alice", ANOTHER).refused("login_failed"),
            check("nobody", PASSWORD).refused("login_failed"),
            with(ANOTHER).refused("login_failed"),
            scoped("admin").refused("invalid_argument"),
            scoped("decrypt")
                .answers(json!({"token": "*", "refresh_token": "*"}))
                .saves("narrow", "/token"),
            is_of(verify("${narrow}"), "alice", "decrypt"),
            // The own password.
            log_in("alice", "token", "refresh token"),
            change(ANOTHER, "a third harbour").refused("login_failed"),
            change(PASSWORD, "password").refused("weak_password"),
            is_of(verify("${token}"), "alice", "encrypt decrypt"),
            change(PASSWORD, ANOTHER),
            verify("${token}").refused("token_revoked"),
            verify("${narrow}").refused("token_revoked"),
            step("refresh", json!({"refresh_token": "${refresh token}"})).refused("token_revoked"),
            with(PASSWORD).refused("login_failed"),
            with(ANOTHER)
                .answers(json!({"token": "*", "refresh_token": "*"}))
                .saves("token", "/token"),
            // Anybody's.
            set_password("alice", "password").refused("weak_password"),
            set_password("nobody", PASSWORD).refused("not_found"),
            set_password("alice", PASSWORD),
            verify("${token}").refused("token_revoked"),
            log_in("alice", "token", "refresh token"),
            set_scope("alice", "a  b").refused("invalid_argument"),
            set_scope("nobody", "").refused("not_found"),
            set_scope("alice", "encrypt decrypt rewrap"),
            is_of(verify("${token}"), "alice", "encrypt decrypt"),
            set_scope("alice", "decrypt"),
            verify("${token}").refused("token_revoked"),
            log_in("alice", "token", "refresh token"),
            is_of(verify("${token}"), "alice", "decrypt"),
            of("disable_user", "alice"),
            list(json!([alice("decrypt", true)])),
            verify("${token}").refused("token_revoked"),
            with(PASSWORD).refused("login_failed"),
            of("enable_user", "alice"),
            verify("${token}").refused("token_revoked"),
            log_in("alice", "token", "refresh token"),
            of("revoke_user", "alice"),
            verify("${token}").refused("token_revoked"),
            of("remove_user", "alice"),
            of("remove_user", "alice").refused("not_found"),
            of("enable_user", "alice").refused("not_found"),
            of("unlock_user", "alice").refused("not_found"),
            with(PASSWORD).refused("login_failed"),
            list(json!([])),
            step("check_store", json!({})).answers(json!({"store": true})),
        ],
    }
}

pub(crate) fn sessions() -> Scenario {
    let refresh = |token: &str| step("refresh", json!({"refresh_token": token}));
    let list = |sessions: Value| {
        step("list_sessions", json!({"user": "alice"})).answers(json!({"sessions": sessions}))
    };
    let session = |refreshed: bool| json!({"id": "*", "refreshed": refreshed});
    let end = |id: &str| step("end_session", json!({"id": id}));
    Scenario {
        name: "sessions",
        settings: &[("lockout_after", "0"), ("max_requests", "0")],
        steps: vec![
            step("list_sessions", json!({"user": "alice"})).refused("not_found"),
            end("nothing").refused("not_found"),
            add("alice", "encrypt decrypt"),
            add("bob", "decrypt"),
            list(json!([])),
            log_in("alice", "first", "first refresh"),
            list(json!([session(false)])).saves("first id", "/sessions/0/id"),
            refresh("${first refresh}")
                .answers(json!({"token": "*", "refresh_token": "*"}))
                .saves("second", "/token")
                .saves("second refresh", "/refresh_token"),
            list(json!([session(true)])),
            is_of(verify("${first}"), "alice", "encrypt decrypt"),
            // Logins are listed by the second in which they began.
            step("pause", json!({"milliseconds": 1100})),
            log_in("alice", "other", "other refresh"),
            log_in("bob", "of bob", "refresh of bob"),
            list(json!([session(true), session(false)])).saves("other id", "/sessions/1/id"),
            end("${first id}"),
            verify("${first}").refused("token_revoked"),
            verify("${second}").refused("token_revoked"),
            refresh("${second refresh}").refused("token_revoked"),
            end("${first id}").refused("not_found"),
            end("").refused("not_found"),
            end("' OR 1 = 1 --").refused("not_found"),
            is_of(verify("${other}"), "alice", "encrypt decrypt"),
            list(json!([session(false)])),
            // A refresh token that is used twice has been copied.
            refresh("${other refresh}")
                .answers(json!({"token": "*", "refresh_token": "*"}))
                .saves("third", "/token")
                .saves("third refresh", "/refresh_token"),
            refresh("${other refresh}").refused("token_revoked"),
            refresh("${third refresh}").refused("token_revoked"),
            verify("${third}").refused("token_revoked"),
            list(json!([])),
            end("${other id}").refused("not_found"),
            refresh("nonsense").refused("token_malformed"),
            refresh("${of bob}").refused("token_malformed"),
            refresh("").refused("token_missing"),
            is_of(verify("${of bob}"), "bob", "decrypt"),
        ],
    }
}

pub(crate) fn guesses() -> Scenario {
    let guess = || step("log_in", json!({"user": "alice", "password": ANOTHER}));
    let unlock = |user: &str| step("unlock_user", json!({"user": user}));
    Scenario {
        name: "guesses",
        settings: &[("lockout_after", "2"), ("max_requests", "0")],
        steps: vec![
            add("alice", "decrypt"),
            guess().refused("login_failed"),
            guess().refused("login_failed"),
            // On a slow machine the first delays may be over before the next attempt.
            guess().refused("rate_limited").in_the_end(),
            unlock("nobody").refused("not_found"),
            unlock("alice"),
            log_in("alice", "token", "refresh token"),
            guess().refused("login_failed"),
            guess().refused("login_failed"),
            // The own password is guessed under the same rule.
            step(
                "change_password",
                json!({"user": "alice", "token": "${token}", "current": "a guess", "new": "a third harbour"}),
            )
            .refused("rate_limited")
            .in_the_end(),
            is_of(verify("${token}"), "alice", "decrypt"),
        ],
    }
}
