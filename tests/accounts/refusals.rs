//! What refresh, logout, introspection and tokens of users without an account are refused for.

#![allow(clippy::unwrap_used)] // a test that panics has failed

use crate::common::people::{PASSWORD, Pair, People, claims, login, refresh};
use crate::common::text;
use serde_json::json;

#[test]
fn refresh_logout_and_introspect_refuse_what_is_not_theirs() {
    let people = People::none();
    people.add("alice", "introspect");
    people.add("bob", "decrypt");
    let server = people.server(&[]);
    let (alice, bob) = (Pair::log_in(&server, "alice"), Pair::log_in(&server, "bob"));
    for (body, status, code) in [
        ("{}".to_owned(), 400, "bad_member"),
        (r#"{"refresh_token":7}"#.to_owned(), 400, "bad_member"),
        (r#"{"refresh_token":""}"#.to_owned(), 401, "token_missing"),
        (
            r#"{"refresh_token":"a.b.c"}"#.to_owned(),
            401,
            "token_malformed",
        ),
        // An access token is no refresh token.
        (
            json!({"refresh_token": bob.token}).to_string(),
            401,
            "token_malformed",
        ),
        (
            json!({"refresh_token": bob.refresh, "scope": 1}).to_string(),
            400,
            "bad_member",
        ),
    ] {
        let answer = server.post("/refresh", &body, None);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{body}"
        );
    }
    // A refresh token is no access token, whatever the route.
    assert_eq!(
        server.post("/decrypt", "{}", Some(&bob.refresh)).code(),
        "token_malformed"
    );
    assert_eq!(
        server.post("/logout", "", Some(&bob.refresh)).code(),
        "token_malformed"
    );
    assert_eq!(server.post("/logout", "", None).code(), "token_missing");
    assert_eq!(
        server.post("/introspect", "{}", None).code(),
        "token_missing"
    );
    assert_eq!(
        server.post("/introspect", "{}", Some(&bob.token)).code(),
        "insufficient_scope"
    );
    let ask = |content_type: &str, body: &str| {
        server.send(
            format!(
                "POST /introspect HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
                alice.token,
                body.len()
            )
            .as_bytes(),
        )
    };
    const FORM: &str = "application/x-www-form-urlencoded";
    for (content_type, body, status) in [
        ("text/plain", "token=x", 415),
        (FORM, "", 400),
        (FORM, "tokens=x", 400),
        (FORM, "token=x&token=y", 400),
        (FORM, "token=%zz", 400),
        ("application/json", r#"{"token":1}"#, 400),
    ] {
        assert_eq!(
            ask(content_type, body).status,
            status,
            "{content_type} {body}"
        );
    }
    // Of a dead token nothing is told but that (RFC 7662, section 2.2).
    for body in [
        "token=",
        "token=x",
        "token=a.b.c&token_type_hint=access_token",
    ] {
        assert_eq!(ask(FORM, body).json(), json!({"active": false}), "{body}");
    }
    let live = ask(
        FORM,
        &format!("token_type_hint=access_token&token={}", bob.token),
    )
    .json();
    assert_eq!(
        (&live["active"], &live["username"], &live["scope"]),
        (&json!(true), &json!("bob"), &json!("decrypt"))
    );
    assert_eq!(live["jti"], claims(&bob.token)["jti"]);
    assert_eq!(live["exp"], claims(&bob.token)["exp"]);
    let body = json!({"token": bob.refresh}).to_string();
    assert_eq!(
        server.post("/introspect", &body, Some(&alice.token)).json()["token_type"],
        "refresh_token"
    );
    let gone = Pair::of(&bob.refreshed(&server));
    assert_eq!(
        server.post("/introspect", &body, Some(&alice.token)).json(),
        json!({"active": false})
    );
    assert_eq!(server.post("/logout", "", Some(&gone.token)).status, 204);
    for dead in [&gone.token, &gone.refresh] {
        let body = json!({"token": dead}).to_string();
        assert_eq!(
            server.post("/introspect", &body, Some(&alice.token)).json(),
            json!({"active": false})
        );
    }
}

#[test]
fn a_server_whose_settings_give_no_refresh_tokens_takes_none() {
    let people = People::of(&["alice"]);
    let pair = Pair::log_in(&people.server(&[]), "alice");
    let without = people.server(&[("SEALGATE_REFRESH_TTL", "0")]);
    assert_eq!(
        login(&without, "alice", PASSWORD)
            .json()
            .get("refresh_token"),
        None
    );
    assert_eq!(refresh(&without, &pair.refresh).code(), "token_revoked");
}

/// Only a token that the server itself has signed says whether its user has an account.
#[test]
fn a_token_whose_user_has_no_account_says_so() {
    let people = People::of(&["alice"]);
    let issued = |name: &str| {
        let output = people.typed(&["token", "issue", "--user", name], "");
        text(&output.stdout).trim().to_owned()
    };
    let (stranger, removed) = (issued("nobody"), issued("alice"));
    let server = people.server(&[]);
    let ask = |token: &str| {
        let answer = server.get("/secure-data", Some(token));
        let code = match answer.status {
            200 => String::new(),
            _ => answer.code(),
        };
        (answer.status, code, answer.body)
    };
    let sentence = "The token's user has no account.";
    let (status, code, body) = ask(&stranger);
    assert_eq!((status, code.as_str()), (401, "token_revoked"), "{body}");
    assert!(
        body.contains(sentence) && body.contains("sealgate user add"),
        "{body}"
    );
    // One letter of the signature is another one: nothing is said.
    let changed = match stranger.strip_suffix('A') {
        Some(rest) => format!("{rest}Q"),
        None => format!("{}A", &stranger[..stranger.len() - 1]),
    };
    let (status, code, body) = ask(&changed);
    assert_eq!(status, 401);
    assert!(
        code != "token_revoked" && !body.contains("account"),
        "{body}"
    );
    assert_eq!(ask(&removed).0, 200);
    people.done(&["user", "remove", "alice"]);
    crate::common::people::within_a_second(|| ask(&removed).0 == 401);
    assert!(ask(&removed).2.contains("has been revoked"));
    people.add("nobody", "secure-data");
    crate::common::people::within_a_second(|| ask(&stranger).0 == 200);
    let log = server.stop();
    assert!(log.contains("event=denied result=token_revoked"), "{log}");
}

#[test]
fn these_routes_refuse_what_every_route_refuses() {
    let people = People::none();
    people.add("alice", "introspect");
    let server = people.server(&[("SEALGATE_MAX_BODY", "2048")]);
    let pair = Pair::log_in(&server, "alice");
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(80), "]".repeat(80));
    let large = format!("{{\"x\":\"{}\"}}", "x".repeat(4096));
    for path in ["/login", "/refresh", "/password", "/introspect"] {
        let post = |content_type: &str, body: &[u8]| {
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n{content_type}Content-Length: {}\r\n\r\n",
                pair.token,
                body.len()
            );
            server.send(&[head.as_bytes(), body].concat())
        };
        const JSON: &str = "Content-Type: application/json\r\n";
        for (content_type, body, status, code) in [
            ("", &b"{}"[..], 415, "unsupported_media_type"),
            (
                "Content-Type: text/plain\r\n",
                b"{}",
                415,
                "unsupported_media_type",
            ),
            (
                "Content-Type: application/json; charset=latin1\r\n",
                b"{}",
                415,
                "unsupported_media_type",
            ),
            (JSON, b"", 400, "bad_json"),
            (JSON, b"[1]", 400, "bad_json"),
            (JSON, b"{\"a\":\"\xff\"}", 400, "bad_json"),
            (JSON, b"{\"a\":1,\"a\":2}", 400, "bad_json"),
            (JSON, deep.as_bytes(), 400, "bad_json"),
            (JSON, b"{}", 400, "bad_member"),
            (JSON, large.as_bytes(), 413, "body_too_large"),
        ] {
            let answer = post(content_type, body);
            assert_eq!(
                answer.status, status,
                "{path} {content_type} {}",
                answer.body
            );
            assert_eq!(answer.code(), code, "{path} {content_type}");
            assert!(answer.headers.contains_key("x-request-id"));
            assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        }
    }
    for path in ["/login", "/refresh", "/logout", "/password", "/introspect"] {
        let get = server.get(path, Some(&pair.token));
        assert_eq!(
            (get.status, get.headers["allow"].as_str()),
            (405, "POST, OPTIONS"),
            "{path}"
        );
    }
    let twice = format!(
        "POST /logout HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {0}\r\nAuthorization: Bearer {0}\r\nContent-Length: 0\r\n\r\n",
        pair.token
    );
    assert_eq!(server.send(twice.as_bytes()).code(), "bad_request");
    assert_eq!(
        server.get("/introspect?token=x", Some(&pair.token)).status,
        405
    );
}
