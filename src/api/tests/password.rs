//! POST `/password`: who may change which password, and what follows.

use serde_json::json;

use super::*;
use crate::Secret;
use crate::api::host::Host;

const PASSWORD: &str = "a quiet harbour";
const NEW: &str = "a stormy harbour";

/// With an account for alice.
fn with_alice(settings: &[(&str, &str)]) -> App {
    let cheap = [("password_memory", "1024"), ("password_passes", "1")];
    let app = app(&[&cheap, settings].concat());
    let users = app.gate().users();
    users.add("alice", &PASSWORD.into(), "encrypt").unwrap();
    app
}

fn login(app: &App, password: &str) -> Response {
    let ask = json!({"username": "alice", "password": password}).to_string();
    post("/login", &ask).of(app)
}

fn token(app: &App, password: &str) -> String {
    let response = login(app, password);
    assert_eq!(response.status().0, 200);
    format!("Bearer {}", body(&response)["token"].as_str().unwrap())
}

fn change(app: &App, token: &str, current: &str, new: &str) -> Response {
    let ask = json!({"current_password": current, "new_password": new}).to_string();
    post("/password", &ask).with("Authorization", token).of(app)
}

#[test]
fn a_changed_password_ends_every_login() {
    let app = with_alice(&[]);
    let (first, second) = (token(&app, PASSWORD), token(&app, PASSWORD));
    let response = change(&app, &first, PASSWORD, NEW);
    assert_eq!((response.status().0, response.body()), (204, &b""[..]));
    assert!(response.header("RateLimit").unwrap().contains(r#""login""#));
    for token in [&first, &second] {
        let refused = change(&app, token, NEW, PASSWORD);
        assert_eq!(code(&refused, 401), "token_revoked");
    }
    assert_eq!(code(&login(&app, PASSWORD), 401), "login_failed");
    token(&app, NEW);
}

#[test]
fn a_token_alone_changes_no_password() {
    let app = with_alice(&[("lockout_after", "0")]);
    let token = token(&app, PASSWORD);
    for current in ["", NEW, "A quiet harbour"] {
        assert_eq!(
            code(&change(&app, &token, current, NEW), 401),
            "login_failed"
        );
    }
    let ask = json!({"current_password": PASSWORD, "new_password": NEW}).to_string();
    assert_eq!(
        code(&post("/password", &ask).of(&app), 401),
        "token_missing"
    );
    let forged = format!("{token}x");
    let refused = post("/password", &ask)
        .with("Authorization", &forged)
        .of(&app);
    assert_eq!(refused.status().0, 401);
    token_is_good(&app, &token);
    assert_eq!(login(&app, PASSWORD).status().0, 200);
}

fn token_is_good(app: &App, token: &str) {
    let response = get("/verify").with("Authorization", token).of(app);
    assert_eq!(response.status().0, 204);
}

/// The body cannot name another user.
#[test]
fn only_the_password_of_the_tokens_user_is_changed() {
    let app = with_alice(&[("lockout_after", "0")]);
    let users = app.gate().users();
    users.add("bob", &"the harbour of bob".into(), "").unwrap();
    let token = token(&app, PASSWORD);
    for name in ["username", "user", "sub", "name"] {
        let mut ask = json!({"current_password": "the harbour of bob", "new_password": NEW});
        ask[name] = "bob".into();
        let ask = ask.to_string();
        let refused = post("/password", &ask)
            .with("Authorization", &token)
            .of(&app);
        assert_eq!(code(&refused, 401), "login_failed");
    }
    assert!(users.check("bob", &"the harbour of bob".into(), "").is_ok());
}

#[test]
fn what_is_no_new_password_is_refused_before_anything_is_checked() {
    let app = with_alice(&[("lockout_after", "1")]);
    let token = token(&app, PASSWORD);
    let long = "x".repeat(129);
    for weak in ["", "1234567", "iloveyou1", &long] {
        assert_eq!(
            code(&change(&app, &token, "a guess", weak), 400),
            "weak_password"
        );
    }
    let beyond = "x".repeat(4097);
    for body in [
        json!({}),
        json!({"current_password": PASSWORD}),
        json!({"new_password": NEW}),
        json!({"current_password": 1, "new_password": NEW}),
        json!({"current_password": PASSWORD, "new_password": null}),
        json!({"current_password": PASSWORD, "new_password": [NEW]}),
        json!({"current_password": beyond, "new_password": NEW}),
        json!({"current_password": PASSWORD, "new_password": beyond}),
    ] {
        let body = body.to_string();
        let refused = post("/password", &body)
            .with("Authorization", &token)
            .of(&app);
        assert_eq!(code(&refused, 400), "bad_member", "{body}");
    }
    for body in ["", "[]", r#"{"new_password": "x", "new_password": "y"}"#] {
        let refused = post("/password", body)
            .with("Authorization", &token)
            .of(&app);
        assert_eq!(code(&refused, 400), "bad_json", "{body}");
    }
    let form = post("/password", "new_password=x")
        .without("Content-Type")
        .with("Content-Type", "application/x-www-form-urlencoded")
        .with("Authorization", &token)
        .of(&app);
    assert_eq!(code(&form, 415), "unsupported_media_type");
    // None of them counted as a wrong password.
    assert_eq!(change(&app, &token, PASSWORD, NEW).status().0, 204);
}

#[test]
fn guesses_delay_changes_and_logins_alike() {
    let app = with_alice(&[("lockout_after", "1")]);
    let token = token(&app, PASSWORD);
    let started = std::time::Instant::now();
    // The delays grow beyond whatever holds this test up.
    loop {
        let refused = change(&app, &token, "a guess", NEW);
        if refused.status().0 == 429 && login(&app, PASSWORD).status().0 == 429 {
            assert_eq!(code(&refused, 429), "rate_limited");
            assert!(refused.header("Retry-After").is_some());
            break;
        }
        assert!(started.elapsed() < std::time::Duration::from_secs(60));
    }
    token_is_good(&app, &token);
}

#[test]
fn changes_count_against_the_limit_on_logins() {
    let app = with_alice(&[("login_max_requests", "3"), ("lockout_after", "0")]);
    let token = token(&app, PASSWORD);
    for _ in 0..2 {
        assert_eq!(code(&change(&app, &token, NEW, NEW), 401), "login_failed");
    }
    assert_eq!(
        code(&change(&app, &token, PASSWORD, NEW), 429),
        "rate_limited"
    );
    assert_eq!(code(&login(&app, PASSWORD), 429), "rate_limited");
    // From elsewhere the password is still the old one.
    let ask = json!({"username": "alice", "password": PASSWORD}).to_string();
    let there = post("/login", &ask).from(stranger("192.0.2.7")).of(&app);
    assert_eq!(there.status().0, 200);
}

#[test]
fn who_has_no_account_here_changes_no_password() {
    // Open login.
    let open = app(&[("password_memory", "1024"), ("password_passes", "1")]);
    let token = log_in(&open);
    assert_eq!(
        code(&change(&open, &token, PASSWORD, NEW), 401),
        "login_failed"
    );
    let off = with_alice(&[("login", "off")]);
    let grant = crate::Grant {
        subject: "alice",
        scope: "",
        ..crate::Grant::default()
    };
    let token = format!("Bearer {}", off.gate().issue_token(&grant).unwrap());
    assert_eq!(
        code(&change(&off, &token, PASSWORD, NEW), 403),
        "password_refused"
    );
    let users = off.gate().users();
    assert!(users.check("alice", &Secret::from(PASSWORD), "").is_ok());
}

#[test]
fn a_host_with_accounts_of_its_own_keeps_their_passwords() {
    let mut config = Config::new();
    config.set("keys", "ephemeral").unwrap();
    let settings = config.settings().unwrap();
    let gate = Gate::new(&settings.gate).unwrap();
    let host = Host::new().with_accounts(|_, _| Some("encrypt".to_owned()));
    let app = App::with_host(gate, &settings.app, host).unwrap();
    let token = token(&app, PASSWORD);
    let refused = change(&app, &token, PASSWORD, NEW);
    assert_eq!(code(&refused, 403), "password_refused");
}

#[test]
fn an_api_key_changes_no_password() {
    let app = with_alice(&[]);
    let new = crate::NewApiKey {
        owner: "alice",
        ..crate::NewApiKey::default()
    };
    let (key, _) = app.gate().api_keys().add(&new).unwrap();
    let key = format!("Bearer {}", key.expose_str().unwrap());
    let refused = change(&app, &key, PASSWORD, NEW);
    assert_eq!(code(&refused, 403), "password_refused");
    assert_eq!(login(&app, PASSWORD).status().0, 200);
}
