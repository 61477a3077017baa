//! Batches on `/encrypt`, `/decrypt` and `/rewrap`, and who may rewrap what.

use serde_json::json;

use super::*;
use crate::Grant;

const AES: [(&str, &str); 3] = [
    ("max_requests", "0"),
    ("aes_key", "0123456789abcdef0123456789abcdef"),
    ("aes_iv", "fedcba9876543210"),
];

fn ask(app: &App, token: &str, path: &str, body: &str) -> Response {
    post(path, body).with("Authorization", token).of(app)
}

fn token(app: &App, scope: &str) -> String {
    let grant = Grant {
        subject: "worker",
        scope,
        ..Grant::default()
    };
    format!("Bearer {}", app.gate().issue_token(&grant).unwrap())
}

/// The items of a response, which must be 200.
fn items(response: &Response) -> Vec<Value> {
    assert_eq!(response.status().0, 200, "{}", body(response));
    let body = body(response);
    assert_eq!(body.as_object().unwrap().len(), 1);
    body["items"].as_array().unwrap().clone()
}

#[test]
fn a_bad_item_does_not_affect_the_others() {
    let app = app(&[("max_requests", "0")]);
    let token = log_in(&app);
    let batch = json!({"items": [
        {"data": "one", "context": "a"}, {"data": 2}, 3, {}, {"data": "five \"ü\"\n"}, {"data_base64": "/wD+"},
        {"data": "x", "context": []}, {"data_base64": "%"}, {"data": "x", "unknown": {"a": [1, null, true, 1.5, "b"]}},
        null, [], "text", {"data": {"a": 1}}, {"data": [1]},
    ]});
    let sealed = items(&ask(&app, &token, "/encrypt", &batch.to_string()));
    assert_eq!(sealed.len(), 14);
    for (at, item) in sealed.iter().enumerate() {
        if [0, 4, 5, 8].contains(&at) {
            assert!(item["encrypted_data"].is_string(), "{at}: {item}");
            assert_eq!(item.as_object().unwrap().len(), 1);
        } else {
            assert_eq!(item["code"], "bad_member", "{at}: {item}");
            assert!(item["error"].as_str().unwrap().ends_with('.'));
            assert!(item["detail"].is_string());
        }
    }
    let encrypted = |at: usize| sealed[at]["encrypted_data"].clone();
    let batch = json!({"items": [
        {"encrypted_data": encrypted(0), "context": "a"}, {"encrypted_data": encrypted(0)}, {"data": encrypted(4)},
        {"encrypted_data": "AAAA"}, {"encrypted_data": encrypted(5)}, {"encrypted_data": 1},
    ]});
    for path in ["/rewrap", "/decrypt"] {
        let response = ask(&app, &token, path, &batch.to_string());
        let results = items(&response);
        let codes: Vec<_> = results.iter().map(|item| item["code"].as_str()).collect();
        let (bad, wrong) = (Some("decrypt_failed"), Some("bad_member"));
        assert_eq!(codes, [None, bad, None, bad, None, wrong], "{path}");
        if path == "/decrypt" {
            assert_eq!(response.header("Cache-Control"), Some("no-store"));
            assert_eq!(results[0], json!({"decrypted_data": "one"}));
            assert_eq!(results[2], json!({"decrypted_data": "five \"ü\"\n"}));
            assert_eq!(results[4], json!({"decrypted_data_base64": "/wD+"}));
        } else {
            let again = json!({"encrypted_data": results[0]["encrypted_data"], "context": "a"});
            let opened = ask(&app, &token, "/decrypt", &again.to_string());
            assert_eq!(body(&opened), json!({"decrypted_data": "one"}));
        }
    }
}

#[test]
fn a_batch_has_at_most_1000_items_and_is_one_request() {
    let app = app(&[("max_requests", "3")]);
    let token = log_in(&app);
    let batch = |size: usize| json!({"items": vec![json!({"data": "x"}); size]}).to_string();
    let response = ask(&app, &token, "/encrypt", &batch(1000));
    assert_eq!(items(&response).len(), 1000);
    assert!(response.header("RateLimit").unwrap().contains("r=2"));
    let response = ask(&app, &token, "/encrypt", &batch(1001));
    assert_eq!(code(&response, 400), "bad_member");
    assert!(body(&response)["detail"].as_str().unwrap().contains("1000"));
    assert!(items(&ask(&app, &token, "/encrypt", &batch(0))).is_empty());
    assert_eq!(
        code(&ask(&app, &token, "/encrypt", &batch(1)), 429),
        "rate_limited"
    );
}

#[test]
fn a_batch_is_read_as_strictly_as_any_body() {
    let app = app(&[("max_requests", "0")]);
    let token = log_in(&app);
    for (wrong, expected) in [
        (r#"{"items": {}}"#, "bad_member"),
        (r#"{"items": "x"}"#, "bad_member"),
        (r#"{"items": null}"#, "bad_member"),
        (r#"{"items": [], "data": "x"}"#, "bad_member"),
        (r#"{"context": "x", "items": []}"#, "bad_member"),
        (r#"{"items": [], "items": []}"#, "bad_json"),
        (r#"{"items": [{"data": "a", "data": "b"}]}"#, "bad_json"),
        (r#"{"items": [{"x": 1, "\u0078": 2}]}"#, "bad_json"),
        (r#"{"items": [{"data": {"x": 1, "x": 2}}]}"#, "bad_json"),
        (r#"{"items": [[{"x": 1, "x": 2}]]}"#, "bad_json"),
        (r#"{"data": "a", "data": "a"}"#, "bad_json"),
        (r#"{"x": 1, "x": 1, "data": "a"}"#, "bad_json"),
        (r#"{"items": [{"data": "a"}"#, "bad_json"),
        (r#"{"items": [{"data": "a"},]}"#, "bad_json"),
        (r#"{"items": []} x"#, "bad_json"),
        (r#"[{"data": "a"}]"#, "bad_json"),
        (r#"{"items": [{"data": "\ud800"}]}"#, "bad_json"),
    ] {
        for path in ["/encrypt", "/decrypt", "/rewrap"] {
            assert_eq!(
                code(&ask(&app, &token, path, wrong), 400),
                expected,
                "{path} {wrong}"
            );
        }
    }
    // The body, items, an item and its member are four levels of the 64.
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"items": [{{"data": "a", "x": {open}{close}}}]}}"#)
    };
    assert_eq!(items(&ask(&app, &token, "/encrypt", &nested(61))).len(), 1);
    for depth in [62, 10_000] {
        let response = ask(&app, &token, "/encrypt", &nested(depth));
        assert_eq!(code(&response, 400), "bad_json");
        assert_eq!(body(&response)["detail"], "It is nested too deeply.");
    }
}

#[test]
fn rewrapping_needs_its_own_scope_or_both_others() {
    let app = app(&[("max_requests", "0")]);
    let sealed = app.gate().encrypt_data(b"secret", b"row/1").unwrap();
    let send = json!({"encrypted_data": sealed, "context": "row/1"}).to_string();
    for scope in ["rewrap", "decrypt encrypt", "encrypt x decrypt"] {
        let response = ask(&app, &token(&app, scope), "/rewrap", &send);
        let fresh = body(&response)["encrypted_data"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_ne!(fresh, sealed);
        let opened = app.gate().decrypt_data(&fresh, b"row/1").unwrap();
        assert_eq!(opened.expose(), b"secret");
    }
    for scope in ["decrypt", "encrypt", "secure-data", ""] {
        let response = ask(&app, &token(&app, scope), "/rewrap", &send);
        assert_eq!(code(&response, 403), "insufficient_scope");
    }
    let bare = post("/rewrap", &send).of(&app);
    assert_eq!(code(&bare, 401), "token_missing");
    let elsewhere = json!({"encrypted_data": sealed, "context": "row/2"}).to_string();
    let response = ask(&app, &token(&app, "rewrap"), "/rewrap", &elsewhere);
    assert_eq!(code(&response, 400), "decrypt_failed");
}

#[test]
fn aes_cbc_data_is_rewrapped_only_for_callers_who_may_decrypt_and_encrypt() {
    let old = app(&[&AES[..], &[("cbc", "seal")]].concat());
    let encrypted = old.gate().encrypt_data(b"from the seed", b"").unwrap();
    let send = json!({"encrypted_data": encrypted}).to_string();
    let with_context = json!({"encrypted_data": encrypted, "context": "a"}).to_string();
    let open = app(&[&AES[..], &[("cbc", "open")]].concat());
    let off = app(&[&AES[..], &[("cbc", "off")]].concat());

    let (both, alone) = (
        token(&open, "rewrap decrypt encrypt"),
        token(&open, "rewrap"),
    );
    let response = ask(&open, &both, "/rewrap", &send);
    let sealed = body(&response)["encrypted_data"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        off.gate().decrypt_data(&sealed, b"").unwrap().expose(),
        b"from the seed"
    );

    // The same response whatever the padding: no oracle.
    let first = ask(&open, &alone, "/rewrap", &send);
    assert_eq!(code(&first, 400), "decrypt_failed");
    let damaged = json!({"encrypted_data": "A".repeat(64)}).to_string();
    let second = ask(&open, &alone, "/rewrap", &damaged);
    assert_eq!(body(&first)["detail"], body(&second)["detail"]);
    assert_eq!(body(&first)["title"], body(&second)["title"]);

    assert_eq!(
        code(&ask(&open, &both, "/rewrap", &with_context), 400),
        "decrypt_failed"
    );
    let response = ask(&off, &token(&off, "decrypt encrypt"), "/rewrap", &send);
    assert_eq!(code(&response, 400), "decrypt_failed");
    let response = ask(&old, &token(&old, "decrypt encrypt"), "/rewrap", &send);
    assert_eq!(code(&response, 400), "bad_member");
    assert!(
        body(&response)["detail"]
            .as_str()
            .unwrap()
            .contains("SEALGATE_CBC=open")
    );
}
