//! API keys over HTTP: where they are accepted, who may manage whose, and that nobody gains a scope by them.

use serde_json::json;

use super::*;
use crate::{Grant, NewApiKey};

fn free() -> App {
    app(&[
        ("max_requests", "0"),
        ("password_memory", "1024"),
        ("password_passes", "1"),
    ])
}

fn bearer(app: &App, subject: &str, scope: &str) -> String {
    let grant = Grant {
        subject,
        scope,
        ..Grant::default()
    };
    format!("Bearer {}", app.gate().issue_token(&grant).unwrap())
}

fn with_accounts(accounts: &[(&str, &str)]) -> App {
    let app = free();
    for (name, scope) in accounts {
        let users = app.gate().users();
        users.add(name, &"a quiet harbour".into(), scope).unwrap();
    }
    app
}

/// Adds a key with this body and returns the response.
fn add(app: &App, token: &str, ask: &Value) -> Response {
    post("/api-keys", &ask.to_string())
        .with("Authorization", token)
        .of(app)
}

fn added(app: &App, token: &str, ask: &Value) -> (String, Value) {
    let response = add(app, token, ask);
    assert_eq!(response.status().0, 201, "{}", body(&response));
    assert_eq!(response.header("Cache-Control"), Some("no-store"));
    let body = body(&response);
    (
        format!("Bearer {}", body["api_key"].as_str().unwrap()),
        body,
    )
}

fn revoke(app: &App, token: &str, ask: &Value) -> Response {
    post("/api-keys/revoke", &ask.to_string())
        .with("Authorization", token)
        .of(app)
}

fn listed(app: &App, token: &str, target: &str) -> Vec<String> {
    let response = get(target).with("Authorization", token).of(app);
    assert_eq!(response.status().0, 200, "{}", body(&response));
    let body = body(&response);
    let keys = body["api_keys"].as_array().unwrap().iter();
    keys.map(|key| key["owner"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_key_is_accepted_wherever_a_token_is() {
    let app = free();
    let mine = bearer(
        &app,
        "alice",
        "api-keys secure-data encrypt decrypt introspect",
    );
    let (key, body_of) = added(&app, &mine, &json!({}));
    assert_eq!(body_of["owner"], "alice");
    assert_eq!(body_of["scope"], "secure-data encrypt decrypt introspect");
    let secure = get("/secure-data").with("Authorization", &key).of(&app);
    assert_eq!(secure.status().0, 200);
    let sealed = post("/encrypt", r#"{"data": "x"}"#)
        .with("Authorization", &key)
        .of(&app);
    let ask = body(&sealed).to_string();
    let opened = post("/decrypt", &ask).with("Authorization", &key).of(&app);
    assert_eq!(body(&opened), json!({"decrypted_data": "x"}));
    let verified = get("/verify?scope=encrypt+decrypt")
        .with("Authorization", &key)
        .of(&app);
    assert_eq!(verified.status().0, 204);
    assert_eq!(verified.header("X-Auth-User"), Some("alice"));
    assert_eq!(verified.header("X-Auth-Expires"), Some("253402300799"));
    let text = key.strip_prefix("Bearer ").unwrap();
    let ask = json!({ "token": text }).to_string();
    let said = post("/introspect", &ask)
        .with("Authorization", &key)
        .of(&app);
    let expected = json!({
        "active": true, "token_type": "api_key", "username": "alice", "iss": "sealgate", "sub": "alice",
        "iat": body_of["created"], "jti": body_of["id"], "scope": body_of["scope"]
    });
    assert_eq!(body(&said), expected);
    let lacking = get("/verify?scope=admin")
        .with("Authorization", &key)
        .of(&app);
    assert_eq!(code(&lacking, 403), "insufficient_scope");
    let response = revoke(&app, &mine, &json!({"id": body_of["id"]}));
    assert_eq!(body(&response), json!({"revoked": 1}));
    let refused = get("/secure-data").with("Authorization", &key).of(&app);
    assert_eq!(code(&refused, 401), "token_revoked");
    let service = bearer(&app, "x", "introspect");
    let said = post("/introspect", &ask).with("Authorization", &service);
    assert_eq!(body(&said.of(&app)), json!({"active": false}));
}

#[test]
fn a_key_is_no_token_and_a_token_is_no_key() {
    let app = free();
    let token = bearer(&app, "alice", "api-keys encrypt");
    let (key, _) = added(&app, &token, &json!({}));
    let text = key.strip_prefix("Bearer ").unwrap();
    let ask = json!({ "refresh_token": text }).to_string();
    assert_eq!(
        code(&post("/refresh", &ask).of(&app), 401),
        "token_malformed"
    );
    let out = post("/logout", "").with("Authorization", &key).of(&app);
    assert_eq!(code(&out, 403), "api_key_refused");
    assert!(app.gate().verify_token(text).is_ok(), "it stays");
    assert!(matches!(
        app.gate().revoke_token(text),
        Err(Error::InvalidInput(_))
    ));
    // A token behind the prefix is no key, whatever it has inside.
    let token = token.strip_prefix("Bearer ").unwrap();
    for wrong in [format!("sg_{token}"), format!("sg_{}", &token[..61])] {
        let wrong = format!("Bearer {wrong}");
        let refused = get("/verify").with("Authorization", &wrong).of(&app);
        assert_eq!(code(&refused, 401), "token_malformed");
    }
    let unknown = "Bearer sg_0123456789AB0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg0WCBPd";
    let refused = get("/verify").with("Authorization", unknown).of(&app);
    assert_eq!(code(&refused, 401), "token_invalid");
}

#[test]
fn nobody_gains_a_scope_by_a_key_of_their_own() {
    let app = with_accounts(&[("alice", "api-keys encrypt decrypt admin")]);
    // A login that asked for less than the account has.
    let narrow = bearer(&app, "alice", "api-keys encrypt");
    for scope in [
        "decrypt",
        "encrypt decrypt",
        "admin",
        "api-keys-admin",
        "encrypt  ",
    ] {
        let refused = add(&app, &narrow, &json!({ "scope": scope }));
        assert_eq!(code(&refused, 400), "bad_member", "{scope}");
    }
    let (_, made) = added(&app, &narrow, &json!({}));
    assert_eq!(made["scope"], "encrypt");
    let (_, made) = added(&app, &narrow, &json!({"owner": "alice", "scope": ""}));
    assert_eq!(made["scope"], "");
    // A token with more than the account has, as the command can issue.
    let wide = bearer(&app, "alice", "api-keys rewrap");
    assert_eq!(code(&add(&app, &wide, &json!({})), 400), "bad_member");
}

#[test]
fn a_key_cannot_make_list_or_revoke_keys() {
    let app = with_accounts(&[("alice", "api-keys api-keys-admin encrypt")]);
    let token = bearer(&app, "alice", "api-keys api-keys-admin encrypt");
    let all = json!({"scope": "api-keys api-keys-admin encrypt"});
    let (key, made) = added(&app, &token, &all);
    let refused = |response: Response| assert_eq!(code(&response, 403), "api_key_refused");
    refused(add(&app, &key, &json!({})));
    refused(revoke(&app, &key, &json!({"id": made["id"]})));
    refused(get("/api-keys").with("Authorization", &key).of(&app));
    assert_eq!(listed(&app, &token, "/api-keys"), ["alice"]);
}

#[test]
fn users_manage_their_own_keys_and_administrators_those_of_everybody() {
    let app = with_accounts(&[
        ("alice", "api-keys encrypt"),
        ("bob", "decrypt"),
        ("root", "api-keys-admin"),
    ]);
    let alice = bearer(&app, "alice", "api-keys encrypt");
    let root = bearer(&app, "root", "api-keys-admin");
    added(&app, &alice, &json!({}));
    let (bobs, made) = added(&app, &root, &json!({"owner": "bob"}));
    assert_eq!(
        (&made["owner"], &made["scope"]),
        (&json!("bob"), &json!("decrypt"))
    );
    // Of somebody else, alice learns nothing.
    for response in [
        add(&app, &alice, &json!({"owner": "bob"})),
        revoke(&app, &alice, &json!({"owner": "bob"})),
        get("/api-keys?owner=bob")
            .with("Authorization", &alice)
            .of(&app),
    ] {
        assert_eq!(code(&response, 403), "insufficient_scope");
        let challenge = response.header("WWW-Authenticate").unwrap();
        assert!(
            challenge.ends_with(r#"scope="api-keys-admin""#),
            "{challenge}"
        );
    }
    for id in [&made["id"], &json!("000000000000"), &json!("")] {
        let response = revoke(&app, &alice, &json!({ "id": id }));
        assert_eq!(code(&response, 404), "not_found");
    }
    assert!(
        get("/verify")
            .with("Authorization", &bobs)
            .of(&app)
            .status()
            .0
            == 204
    );
    assert_eq!(listed(&app, &alice, "/api-keys"), ["alice"]);
    assert_eq!(listed(&app, &alice, "/api-keys?owner=alice"), ["alice"]);
    let mut all = listed(&app, &root, "/api-keys");
    all.sort();
    assert_eq!(all, ["alice", "bob"]);
    assert_eq!(listed(&app, &root, "/api-keys?owner=bob"), ["bob"]);
    assert_eq!(listed(&app, &root, "/api-keys?owner="), [""; 0]);
    // More than the account has, or for nobody, not even an administrator can give.
    for ask in [
        json!({"owner": "bob", "scope": "encrypt"}),
        json!({"owner": "nobody"}),
        json!({"owner": ""}),
        json!({"owner": "root", "scope": "encrypt"}),
    ] {
        assert_eq!(code(&add(&app, &root, &ask), 400), "bad_member", "{ask}");
    }
    let response = revoke(&app, &root, &json!({"owner": "bob"}));
    assert_eq!(body(&response), json!({"revoked": 1}));
    let refused = get("/verify").with("Authorization", &bobs).of(&app);
    assert_eq!(code(&refused, 401), "token_revoked");
    // Whoever has neither scope manages nothing.
    let bob = bearer(&app, "bob", "decrypt");
    for response in [
        add(&app, &bob, &json!({})),
        revoke(&app, &bob, &json!({"owner": "bob"})),
        get("/api-keys").with("Authorization", &bob).of(&app),
    ] {
        assert_eq!(code(&response, 403), "insufficient_scope");
    }
}

#[test]
fn members_that_make_no_sense_are_refused() {
    let app = free();
    let token = bearer(&app, "alice", "api-keys api-keys-admin encrypt");
    for ask in [
        json!({"scope": 7}),
        json!({"owner": ["alice"]}),
        json!({"expires_in": 0}),
        json!({"expires_in": -1}),
        json!({"expires_in": 1.5}),
        json!({"expires_in": "60"}),
        json!({"expires_in": u64::MAX}),
        json!({"max_requests": 5}),
        json!({"window": 60}),
        json!({"max_requests": 0, "window": 60}),
        json!({"max_requests": 5, "window": 0}),
        json!({"max_requests": 4_294_967_297_u64, "window": 60}),
        json!({"max_requests": 5, "window": u64::MAX}),
    ] {
        assert_eq!(code(&add(&app, &token, &ask), 400), "bad_member", "{ask}");
    }
    for ask in [
        json!({}),
        json!({"id": 7}),
        json!({"id": "a", "owner": "alice"}),
    ] {
        assert_eq!(
            code(&revoke(&app, &token, &ask), 400),
            "bad_member",
            "{ask}"
        );
    }
    for query in ["owner=%zz", "owner=alice&owner=alice", "after=%ff"] {
        let target = format!("/api-keys?{query}");
        let response = get(&target).with("Authorization", &token).of(&app);
        assert_eq!(code(&response, 400), "bad_request", "{query}");
    }
    assert_eq!(listed(&app, &token, "/api-keys"), [""; 0]);
}

#[test]
fn nobody_gives_a_key_of_their_own_another_limit() {
    let app = free();
    let token = bearer(&app, "alice", "api-keys encrypt");
    let ask = json!({"max_requests": 10_000_000, "window": 1});
    assert_eq!(code(&add(&app, &token, &ask), 403), "insufficient_scope");
    assert_eq!(listed(&app, &token, "/api-keys"), [""; 0]);
}

#[test]
fn whole_numbers_may_be_written_in_any_way() {
    let app = free();
    let token = bearer(&app, "alice", "api-keys api-keys-admin");
    let ask = r#"{"expires_in": 3.6e3, "max_requests": 5.0, "window": 60}"#;
    let response = post("/api-keys", ask)
        .with("Authorization", &token)
        .of(&app);
    assert_eq!(response.status().0, 201);
    let made = body(&response);
    assert_eq!(
        (&made["max_requests"], &made["window"]),
        (&json!(5), &json!(60))
    );
    let expires = made["expires_at"].as_u64().unwrap();
    // The clock may have moved on in between.
    let after = expires - made["created"].as_u64().unwrap();
    assert!((3_540..=3_600).contains(&after), "{after}");
}

#[test]
fn a_list_goes_on_where_the_page_before_ended() {
    let app = free();
    let token = bearer(&app, "alice", "api-keys");
    for _ in 0..101 {
        let new = NewApiKey {
            owner: "alice",
            ..NewApiKey::default()
        };
        app.gate().api_keys().add(&new).unwrap();
    }
    let page = |target: &str| body(&get(target).with("Authorization", &token).of(&app));
    let first = page("/api-keys");
    let next = first["next"].as_str().unwrap();
    assert_eq!(first["api_keys"].as_array().unwrap().len(), 100);
    let rest = page(&format!("/api-keys?after={next}"));
    assert_eq!(rest["api_keys"].as_array().unwrap().len(), 1);
    assert_eq!(rest["next"], Value::Null);
    assert!(rest["api_keys"][0]["id"].as_str().unwrap() > next);
    for key in first["api_keys"].as_array().unwrap() {
        assert_eq!(key.as_object().unwrap().len(), 9, "{key}");
    }
}

#[test]
fn a_key_is_counted_against_its_own_limit_or_else_as_its_owner() {
    let app = app(&[("max_requests", "2")]);
    let add = |limit| {
        let new = NewApiKey {
            owner: "alice",
            limit,
            ..NewApiKey::default()
        };
        let (key, _) = app.gate().api_keys().add(&new).unwrap();
        format!("Bearer {}", key.expose_str().unwrap())
    };
    let limit = crate::ApiKeyLimit {
        max_requests: 3,
        window: std::time::Duration::from_secs(3_600),
    };
    let (own, other, plain) = (add(Some(limit)), add(Some(limit)), add(None));
    let ask = |key: &str, target: &str| get(target).with("Authorization", key).of(&app);
    let counted = |key: &str, status: u16, left: u32, policy: &str| {
        let response = ask(key, "/secure-data");
        assert_eq!(response.status().0, status);
        assert_eq!(response.header("RateLimit-Policy"), Some(policy));
        let limit = response.header("RateLimit").unwrap();
        assert!(
            limit.starts_with(&format!(r#""default";r={left};"#)),
            "{limit}"
        );
    };
    let (keys, owners) = (r#""default";q=3;w=3600"#, r#""default";q=2;w=60"#);
    for left in [2, 1, 0] {
        counted(&own, 200, left, keys);
    }
    counted(&own, 429, 0, keys);
    assert_eq!(ask(&own, "/verify?limit=default").status().0, 429);
    // Neither another key nor the owner has been counted.
    counted(&other, 200, 2, keys);
    counted(&plain, 200, 1, owners);
    counted(&bearer(&app, "alice", "secure-data"), 200, 0, owners);
    counted(&plain, 429, 0, owners);
    counted(&other, 200, 1, keys);
}

#[test]
fn a_key_that_is_sent_as_a_request_id_is_not_used_as_one() {
    let app = free();
    let key = crate::base::api_key::new_key().unwrap();
    let response = get("/healthz").with("X-Request-Id", &key).of(&app);
    assert_ne!(response.header("X-Request-Id"), Some(key.as_str()));
    let harmless = format!("x{}", &key[1..]);
    let response = get("/healthz").with("X-Request-Id", &harmless).of(&app);
    assert_eq!(response.header("X-Request-Id"), Some(&*harmless));
}
