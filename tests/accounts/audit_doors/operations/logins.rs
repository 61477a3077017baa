//! Logins, and what is done with tokens, API keys and limits.

use sealgate::{Grant, Refreshed};
use serde_json::json;

use super::*;
use crate::common::people::login;

pub(super) fn logins() -> Vec<Operation> {
    vec![
        leaves(&[["login", "ok", ALICE]])
            .python("gate.check_password('alice', PASSWORD)")
            .rust(|rust, _| drop(rust.gate.users().check("alice", &PASSWORD.into(), ""))),
        leaves(&[["login", "ok", ALICE]])
            .python("held = gate.log_in('alice', PASSWORD)")
            .rust(|rust, held| rust.log_in("alice", PASSWORD, "", held))
            .http(|server, held| held.take(Pair::log_in(server, "alice"))),
        leaves(&[["login", "invalid_scope", ALICE]])
            .python("gate.log_in('alice', PASSWORD, 'admin')")
            .rust(|rust, held| rust.log_in("alice", PASSWORD, "admin", held))
            .http(|server, _| {
                let ask = json!({"username": "alice", "password": PASSWORD, "scope": "admin"});
                assert_eq!(server.post("/login", &ask.to_string(), None).status, 400);
            }),
        leaves(&[["login", "login_failed", "d***"]])
            .python("gate.log_in('dave', 'a noisy harbour')")
            .rust(|rust, held| rust.log_in("dave", "a noisy harbour", "", held))
            .http(|server, _| assert_eq!(login(server, "dave", "a noisy harbour").status, 401)),
        leaves(&[
            ["lockout", "put_off", "d***"],
            ["login", "rate_limited", "d***"],
        ])
        .python("gate.log_in('dave', PASSWORD)")
        .rust(|rust, held| rust.log_in("dave", PASSWORD, "", held))
        .http(|server, _| drop(login(server, "dave", PASSWORD))),
        leaves(&[
            ["lockout", "put_off", "d***"],
            ["account.password", "rate_limited", "d***"],
        ])
        .python("gate.change_password('dave', PASSWORD, 'a stormy harbour')")
        .rust(|rust, _| rust.change_password("dave", PASSWORD, "a stormy harbour")),
        leaves(&[["login", "bad_member", ALICE]]).http(|server, _| {
            let answer = server.post("/login", r#"{"username": "alice"}"#, None);
            assert_eq!(answer.status, 400);
        }),
        leaves(&[["refresh", "ok", ALICE]])
            .python("used = held.refresh_token; held = gate.refresh(used)")
            .rust(|rust, held| {
                let Ok(Refreshed::New(_, new)) = rust.gate.refresh(&held.refresh, "") else {
                    panic!("a refresh token works once");
                };
                held.used = std::mem::replace(&mut held.refresh, new.refresh_token.unwrap());
            })
            .http(|server, held| {
                let used = held.refresh.clone();
                held.take(Pair::of(&refresh(server, &used)));
                held.used = used;
            }),
        leaves(&[["refresh", "reused", ALICE]])
            .python("gate.refresh(used)")
            .rust(|rust, held| drop(rust.gate.refresh(&held.used, "")))
            .http(|server, held| assert_eq!(refresh(server, &held.used).status, 401)),
        leaves(&[["refresh", "token_revoked", ALICE]])
            .python("gate.refresh(held.refresh_token)")
            .rust(|rust, held| drop(rust.gate.refresh(&held.refresh, "")))
            .http(|server, held| assert_eq!(refresh(server, &held.refresh).status, 401)),
        leaves(&[["refresh", "token_malformed", "-"]])
            .python("gate.refresh('nonsense')")
            .rust(|rust, _| drop(rust.gate.refresh("nonsense", "")))
            .http(|server, _| assert_eq!(refresh(server, "nonsense").status, 401)),
        leaves(&[["denied", "token_missing", "-"]])
            .http(|server, _| assert_eq!(server.get("/secure-data", None).status, 401)),
        // Of the login that ended when a refresh token was used a second time.
        leaves(&[["denied", "token_revoked", ALICE]]).http(|server, held| {
            assert_eq!(server.get("/secure-data", Some(&held.token)).status, 401);
        }),
        leaves(&[
            ["login", "ok", ALICE],
            ["denied", "insufficient_scope", ALICE],
        ])
        .http(|server, held| {
            held.take(Pair::log_in(server, "alice"));
            let answer = server.post("/introspect", "{}", Some(&held.token));
            assert_eq!(answer.status, 403);
        }),
        leaves(&[["logout", "ok", ALICE]]).http(|server, held| {
            assert_eq!(server.post("/logout", "", Some(&held.token)).status, 204);
        }),
        leaves(&[["login", "ok", ALICE], ["session.end", "ok", ALICE]])
            .python("gate.log_in('alice', PASSWORD); gate.end_session(gate.list_sessions('alice')[-1].id)")
            .rust(|rust, held| {
                rust.log_in("alice", PASSWORD, "", held);
                let sessions = rust.gate.users().sessions("alice").unwrap().unwrap();
                drop(rust.gate.users().end_session(&sessions.last().unwrap().id));
            }),
        leaves(&[["session.end", "not_found", "-"]])
            .command(&["session", "end", "nothing"], "")
            .python("gate.end_session('nothing')")
            .rust(|rust, _| drop(rust.gate.users().end_session("nothing"))),
        leaves(&[["account.password", "weak_password", ALICE]])
            .python("gate.change_password('alice', PASSWORD, 'password')")
            .rust(|rust, _| rust.change_password("alice", PASSWORD, "password")),
        leaves(&[["account.password", "ok", ALICE]])
            .python("gate.change_password('alice', PASSWORD, PASSWORD)")
            .rust(|rust, _| rust.change_password("alice", PASSWORD, PASSWORD)),
        leaves(&[
            ["login", "ok", ALICE],
            ["account.password", "ok", ALICE],
        ])
        .http(|server, held| {
            held.take(Pair::log_in(server, "alice"));
            let ask = json!({"current_password": PASSWORD, "new_password": PASSWORD}).to_string();
            let answer = server.post("/password", &ask, Some(&held.token));
            assert_eq!(answer.status, 204);
        }),
    ]
}

pub(super) fn tokens() -> Vec<Operation> {
    vec![
        leaves(&[["token.issue", "ok", ALICE]])
            .command(&["token", "issue", "--user", "alice"], "")
            .python("token = gate.issue_token('alice')")
            .rust(|rust, held| {
                let grant = Grant {
                    subject: "alice",
                    scope: "",
                    ..Grant::default()
                };
                held.token = rust.gate.issue_token(&grant).unwrap();
            }),
        leaves(&[["revoke.token", "ok", ALICE]])
            .command(&["token", "revoke"], "{token}")
            .python("gate.revoke_token(token)")
            .rust(|rust, held| drop(rust.gate.revoke_token(&held.token))),
        leaves(&[["revoke.token", "token_malformed", "-"]])
            .command(&["token", "revoke"], "nonsense")
            .python("gate.revoke_token('nonsense')")
            .rust(|rust, _| drop(rust.gate.revoke_token("nonsense"))),
        leaves(&[["revoke.token", "ok", "-"]])
            .command(&["token", "revoke", "--id", "some-id"], "")
            .python("gate.revoke_token_id('some-id')")
            .rust(|rust, _| drop(rust.gate.revoke_token_id("some-id", None))),
        leaves(&[["revoke.token", "invalid_argument", "-"]])
            .command(&["token", "revoke", "--id", "no id"], "")
            .python("gate.revoke_token_id('no id')")
            .rust(|rust, _| drop(rust.gate.revoke_token_id("no id", None))),
        leaves(&[["revoke.user", "ok", ALICE]])
            .command(&["token", "revoke", "--user", "alice"], "")
            .python("gate.revoke_user('alice')")
            .rust(|rust, _| drop(rust.gate.revoke_user("alice"))),
        leaves(&[["api_key.add", "ok", ALICE]])
            .command(&["api-key", "add", "alice"], "")
            .python("key = gate.add_api_key('alice')")
            .rust(|rust, held| held.token = rust.add_key("").unwrap().id),
        leaves(&[["api_key.revoke", "ok", ALICE]])
            .command(&["api-key", "revoke"], "{token}")
            .python("gate.revoke_api_key(key.id)")
            .rust(|rust, held| drop(rust.gate.api_keys().revoke(&held.token))),
        leaves(&[["api_key.add", "invalid_argument", ALICE]])
            .command(&["api-key", "add", "alice", "--scope", "admin"], "")
            .python("gate.add_api_key('alice', 'admin')")
            .rust(|rust, _| drop(rust.add_key("admin"))),
        leaves(&[["api_key.revoke", "not_found", "-"]])
            .command(&["api-key", "revoke", "unknown"], "")
            .python("gate.revoke_api_key('unknown')")
            .rust(|rust, _| drop(rust.gate.api_keys().revoke("unknown"))),
        leaves(&[["api_key.revoke", "ok", ALICE]])
            .command(&["api-key", "revoke", "--owner", "alice"], "")
            .python("gate.revoke_api_keys_of('alice')")
            .rust(|rust, _| drop(rust.gate.api_keys().revoke_all_of("alice"))),
        leaves(&[["limit.reset", "not_found", ALICE]])
            .python("gate.reset_limit('alice')")
            .rust(|rust, _| drop(rust.gate.reset_limit("alice", "default"))),
        leaves(&[["account.remove", "ok", ALICE]])
            .command(&["user", "remove", "alice"], "")
            .python("gate.remove_user('alice')")
            .rust(|rust, _| drop(rust.gate.users().remove("alice"))),
        leaves(&[["account.remove", "not_found", ALICE]])
            .command(&["user", "remove", "alice"], "")
            .python("gate.remove_user('alice')")
            .rust(|rust, _| drop(rust.gate.users().remove("alice"))),
    ]
}
