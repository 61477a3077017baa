//! Clients of OAuth 2.0: who gets which tokens. `oauth_errors` has what they are refused, `oauth_tokens` what happens to the
//! tokens.

use serde_json::json;

use super::*;
use crate::base::encoding::encode_base64;
use crate::store::{Account, AccountKind};

pub(super) const PASSWORD: &str = "a quiet harbour";
pub(super) const GRANT: &str = "grant_type=client_credentials";

/// With cheap hashes, and the user alice.
pub(super) fn with_alice(settings: &[(&str, &str)]) -> App {
    let cheap = [("password_memory", "1024"), ("password_passes", "1")];
    let app = app(&[&cheap[..], settings].concat());
    let users = app.gate().users();
    users
        .add("alice", &PASSWORD.into(), "encrypt decrypt")
        .unwrap();
    app
}

pub(super) fn add_client(app: &App, id: &str, scope: &str) -> String {
    let secret = app.gate().clients().add(id, scope).unwrap();
    secret.expose_str().unwrap().to_owned()
}

pub(super) fn form<'a>(target: &'a str, body: &'a str) -> Ask<'a> {
    const FORM: &str = "application/x-www-form-urlencoded";
    post(target, body)
        .without("Content-Type")
        .with("Content-Type", FORM)
}

pub(super) fn basic(id: &str, secret: &str) -> String {
    format!(
        "Basic {}",
        encode_base64(format!("{id}:{secret}").as_bytes())
    )
}

/// Checks what every error of RFC 6749 has, and returns its code.
pub(super) fn error(response: &Response, status: u16) -> String {
    let body = body(response);
    assert_eq!(response.status().0, status, "{body}");
    assert_eq!(response.header("Content-Type"), Some("application/json"));
    assert_eq!(response.header("Cache-Control"), Some("no-store"));
    assert_eq!(response.header("Pragma"), Some("no-cache"));
    assert!(!body["error_description"].as_str().unwrap().is_empty());
    let challenge = response.header("WWW-Authenticate");
    assert_eq!(challenge.is_some(), status == 401, "{challenge:?}");
    assert!(challenge.is_none_or(|challenge| challenge.starts_with("Basic ")));
    body["error"].as_str().unwrap().to_owned()
}

pub(super) fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name}: {body}"))
}

/// The access token and the refresh token of a login.
pub(super) fn alice(app: &App) -> (String, String) {
    let ask = json!({"username": "alice", "password": PASSWORD}).to_string();
    let body = body(&post("/login", &ask).of(app));
    let text = |name| text(&body, name).to_owned();
    (text("token"), text("refresh_token"))
}

/// Whether an access token is accepted.
pub(super) fn is_good(app: &App, token: &str) -> bool {
    let bearer = format!("Bearer {token}");
    let response = get("/verify").with("Authorization", &bearer).of(app);
    response.status().0 == 204
}

#[test]
fn the_examples_of_the_standards_get_what_the_standards_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/oauth.json");
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let app = app(&[]);
    let hash = text(&vectors, "secret_hash_hex");
    let mut client = Account::example(text(&vectors, "client_id"), "introspect");
    client.kind = AccountKind::Client;
    client.password.hash = (0..hash.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hash[at..at + 2], 16).unwrap())
        .collect();
    let store = app.gate().ledger().writing().unwrap();
    assert!(store.add_account(&client).unwrap());
    let vectors = vectors["vectors"].as_array().unwrap();
    assert!(vectors.len() >= 9);
    for vector in vectors {
        let mut ask = form(text(vector, "path"), text(vector, "body"));
        if let Some(authorization) = vector["authorization"].as_str() {
            ask = ask.with("Authorization", authorization);
        }
        let response = ask.of(&app);
        let body = body(&response);
        assert_eq!(response.status().0, vector["status"], "{vector} {body}");
        assert_eq!(body["error"], vector["error"], "{vector}");
        match text(vector, "path") {
            "/token" => assert_eq!(body["access_token"].is_string(), vector["status"] == 200),
            "/introspect" if vector["status"] == 200 => {
                assert_eq!(body, json!({"active": false}));
            }
            _ => {}
        }
    }
}

#[test]
fn a_client_gets_a_token_for_itself() {
    let app = with_alice(&[("max_requests", "0")]);
    let secret = add_client(&app, "shop & till", "encrypt decrypt");
    let encoded = basic("shop+%26+till", &secret);
    let in_form =
        format!("client_id=shop+%26+till&client_secret={secret}&{GRANT}&unknown=x&scope=");
    for ask in [
        form("/token", GRANT).with("Authorization", &encoded),
        form("/token", "scope=&grant_type=client%5Fcredentials").with("Authorization", &encoded),
        form("/token", &in_form),
    ] {
        let response = ask.of(&app);
        let body = body(&response);
        assert_eq!(response.status().0, 200, "{body}");
        assert_eq!(response.header("Cache-Control"), Some("no-store"));
        assert_eq!(response.header("Pragma"), Some("no-cache"));
        let token = text(&body, "access_token");
        let whole = json!({
            "access_token": token, "token_type": "Bearer", "expires_in": 1800, "scope": "encrypt decrypt",
        });
        assert_eq!(body, whole);
        let claims = app.gate().verify_token(token).unwrap();
        assert_eq!(
            (claims.subject(), claims.client_id()),
            ("shop & till", Some("shop & till"))
        );
        assert_eq!(
            (claims.scope(), claims.session()),
            ("encrypt decrypt", None)
        );
        let written: Value = serde_json::from_str(claims.json()).unwrap();
        assert_eq!(written.get("username"), None);
        let bearer = format!("Bearer {token}");
        let sealed = post("/encrypt", r#"{"data": "x"}"#)
            .with("Authorization", &bearer)
            .of(&app);
        assert_eq!(sealed.status().0, 200);
    }
    let narrower = format!("{GRANT}&scope=decrypt");
    let narrower = form("/token", &narrower).with("Authorization", &encoded);
    let body = body(&narrower.of(&app));
    assert_eq!(body["scope"], "decrypt");
    let token = text(&body, "access_token");
    assert!(!app.gate().verify_token(token).unwrap().has_scope("encrypt"));
}

#[test]
fn one_kind_of_token_is_not_taken_for_another() {
    let app = with_alice(&[("login_max_requests", "0"), ("max_requests", "0")]);
    let secret = add_client(&app, "shop", "introspect encrypt");
    let good = basic("shop", &secret);
    let body = body(&form("/token", GRANT).with("Authorization", &good).of(&app));
    let of_client = text(&body, "access_token");
    let (access, refresh) = alice(&app);
    assert!(is_good(&app, of_client) && is_good(&app, &access));
    for no_access_token in [&*refresh, &secret, "shop", ""] {
        assert!(!is_good(&app, no_access_token), "{no_access_token}");
    }
    for no_refresh_token in [of_client, &access, &secret] {
        let ask = format!("grant_type=refresh_token&refresh_token={no_refresh_token}");
        assert_eq!(error(&form("/token", &ask).of(&app), 400), "invalid_grant");
        let ask = json!({"refresh_token": no_refresh_token}).to_string();
        assert_eq!(
            code(&post("/refresh", &ask).of(&app), 401),
            "token_malformed"
        );
    }
    for no_secret in [of_client, &access, &refresh] {
        let ask = form("/token", GRANT);
        let wrong = basic("shop", no_secret);
        let response = ask.with("Authorization", &wrong).of(&app);
        assert_eq!(error(&response, 401), "invalid_client");
    }
    // Introspection distinguishes the kinds.
    for (token, kind, user, client) in [
        (of_client, "Bearer", None, Some("shop")),
        (&access, "Bearer", Some("alice"), None),
        (&refresh, "refresh_token", Some("alice"), None),
    ] {
        let ask = format!("token={token}&token_type_hint=nonsense");
        let ask = form("/introspect", &ask).with("Authorization", &good);
        let found = super::body(&ask.of(&app));
        assert_eq!(found["token_type"], kind);
        assert_eq!(found["username"].as_str(), user);
        assert_eq!(found["client_id"].as_str(), client);
        assert_eq!(found["sub"].as_str(), user.or(client));
    }
    let ask = format!("token={secret}");
    let ask = form("/introspect", &ask).with("Authorization", &good);
    assert_eq!(super::body(&ask.of(&app)), json!({"active": false}));
}
