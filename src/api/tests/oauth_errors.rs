//! What clients of OAuth 2.0 are refused, and with which error.

use serde_json::json;

use super::oauth::{
    GRANT, PASSWORD, add_client, alice, basic, error, form, is_good, text, with_alice,
};
use super::*;

#[test]
fn each_error_is_the_one_of_the_standard() {
    let app = with_alice(&[("login_max_requests", "0")]);
    let secret = add_client(&app, "shop", "encrypt decrypt");
    let other = add_client(&app, "till", "");
    let good = basic("shop", &secret);
    let (access, refresh) = alice(&app);
    app.gate().clients().add("gone", "").unwrap();
    assert!(app.gate().clients().remove("gone").unwrap());
    let refreshing = |token: &str| format!("grant_type=refresh_token&refresh_token={token}");
    let with = |more: &str| format!("{GRANT}&{more}");
    let secrets = |id: &str, secret: &str| with(&format!("client_id={id}&client_secret={secret}"));
    let cases: Vec<(Option<String>, String, u16, &str)> = vec![
        (None, String::new(), 400, "invalid_request"),
        (
            Some(good.clone()),
            "grant_type=".into(),
            400,
            "invalid_request",
        ),
        (
            Some(good.clone()),
            format!("{GRANT}&{GRANT}"),
            400,
            "invalid_request",
        ),
        (
            Some(good.clone()),
            with("scope=a&scope=a"),
            400,
            "invalid_request",
        ),
        (
            Some(good.clone()),
            with("scope=%ff"),
            400,
            "invalid_request",
        ),
        (
            Some(good.clone()),
            secrets("shop", &secret),
            400,
            "invalid_request",
        ),
        (
            Some(good.clone()),
            with("client_id=till"),
            400,
            "invalid_request",
        ),
        (None, with("client_secret=x"), 400, "invalid_request"),
        (
            None,
            "grant_type=refresh_token".into(),
            400,
            "invalid_request",
        ),
        (
            None,
            "grant_type=refresh_token&refresh_token=".into(),
            400,
            "invalid_request",
        ),
        // Whoever does not authenticate, and whoever is not that client.
        (None, GRANT.into(), 401, "invalid_client"),
        (None, with("client_id=shop"), 401, "invalid_client"),
        (
            Some(basic("shop", "wrong")),
            GRANT.into(),
            401,
            "invalid_client",
        ),
        (Some(basic("shop", "")), GRANT.into(), 401, "invalid_client"),
        (
            Some(basic("shop", &other)),
            GRANT.into(),
            401,
            "invalid_client",
        ),
        (
            Some(basic("till", &secret)),
            GRANT.into(),
            401,
            "invalid_client",
        ),
        (
            Some(basic("gone", &secret)),
            GRANT.into(),
            401,
            "invalid_client",
        ),
        (Some(basic("", "")), GRANT.into(), 401, "invalid_client"),
        (
            Some(basic("a%00b", &secret)),
            GRANT.into(),
            401,
            "invalid_client",
        ),
        (
            Some(basic("alice", PASSWORD)),
            GRANT.into(),
            401,
            "invalid_client",
        ),
        (
            None,
            secrets("alice", "a+quiet+harbour"),
            401,
            "invalid_client",
        ),
        (None, secrets("shop", "x"), 401, "invalid_client"),
        (Some("Basic !".into()), GRANT.into(), 401, "invalid_client"),
        (
            Some(format!("Bearer {access}")),
            GRANT.into(),
            401,
            "invalid_client",
        ),
        // A wrong client is refused although none is needed, and the refresh token is not used up.
        (
            Some(basic("shop", "wrong")),
            refreshing(&refresh),
            401,
            "invalid_client",
        ),
        // Which grants there are is no secret.
        (
            None,
            "grant_type=password&username=alice".into(),
            400,
            "unsupported_grant_type",
        ),
        (
            Some(good.clone()),
            "grant_type=Client_Credentials".into(),
            400,
            "unsupported_grant_type",
        ),
        (
            Some(good.clone()),
            with("scope=admin"),
            400,
            "invalid_scope",
        ),
        (
            Some(good.clone()),
            with("scope=encrypt++decrypt"),
            400,
            "invalid_scope",
        ),
        (
            Some(good.clone()),
            with("scope=encrypt%0Aadmin"),
            400,
            "invalid_scope",
        ),
        (
            None,
            format!("{}&scope=admin", refreshing(&refresh)),
            400,
            "invalid_scope",
        ),
        (None, refreshing("nonsense"), 400, "invalid_grant"),
        (None, refreshing(&access), 400, "invalid_grant"),
        (None, refreshing(&secret), 400, "invalid_grant"),
    ];
    for (authorization, body, status, code) in &cases {
        let mut ask = form("/token", body);
        if let Some(value) = authorization {
            ask = ask.with("Authorization", value);
        }
        assert_eq!(
            error(&ask.of(&app), *status),
            *code,
            "{authorization:?} {body}"
        );
    }
    let twice = form("/token", GRANT)
        .with("Authorization", &good)
        .with("Authorization", &good);
    assert_eq!(error(&twice.of(&app), 400), "invalid_request");
    // What was refused has used nothing up.
    let body = body(&form("/token", &refreshing(&refresh)).of(&app));
    assert!(is_good(&app, text(&body, "access_token")));
}

#[test]
fn a_body_that_is_no_form_is_an_invalid_request() {
    let app = with_alice(&[]);
    for path in ["/token", "/revoke"] {
        let json = r#"{"grant_type": "client_credentials", "token": "x"}"#;
        assert_eq!(error(&post(path, json).of(&app), 400), "invalid_request");
        let none = post(path, GRANT).without("Content-Type");
        assert_eq!(error(&none.of(&app), 400), "invalid_request");
        let long = "x".repeat(16_385);
        assert_eq!(code(&form(path, &long).of(&app), 413), "body_too_large");
        let with_charset = post(path, "").without("Content-Type").with(
            "Content-Type",
            "Application/X-WWW-Form-Urlencoded; charset=UTF-8",
        );
        assert_eq!(error(&with_charset.of(&app), 400), "invalid_request");
        let described = body(&with_charset.of(&app))["error_description"].clone();
        assert!(
            described.as_str().unwrap().contains("is missing"),
            "{described}"
        );
        assert_eq!(code(&get(path).of(&app), 405), "method_not_allowed");
    }
}

#[test]
fn a_client_cannot_log_in_with_a_password() {
    let app = with_alice(&[]);
    let secret = add_client(&app, "shop", "encrypt");
    for password in [&secret, PASSWORD] {
        let ask = json!({"username": "shop", "password": password}).to_string();
        assert_eq!(code(&post("/login", &ask).of(&app), 401), "login_failed");
    }
}
