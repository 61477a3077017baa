//! The key ring.

use super::*;

/// As root, with a ring in a directory.
fn with_ring(folder: &std::path::Path) -> Root {
    let state = folder.join("state");
    let settings = [("data_dir", state.to_str().unwrap()), ("keys", "ring")];
    Root::new(&settings)
}

fn of_kind<'k>(keys: &'k Value, kind: &str, state: &str) -> Vec<&'k str> {
    let keys = keys["keys"].as_array().unwrap().iter();
    let found = keys.filter(|key| key["kind"] == kind && key["state"] == state);
    found.map(|key| key["id"].as_str().unwrap()).collect()
}

#[test]
fn keys_are_listed_rotated_retired_and_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let root = with_ring(folder.path());
    let response = root.ask(Method::Get, "/admin/v1/keys", "", &[]);
    let etag = response.header("ETag").unwrap().to_owned();
    let first = body(&response);
    assert_eq!(first["sealed"], false);
    let old = of_kind(&first, "data", "in_use")[0].to_owned();
    root.app.gate().encrypt_data(b"x", b"").unwrap();
    let counted = root.get("/admin/v1/keys");
    let key = counted["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["id"] == *old)
        .unwrap();
    assert_eq!(
        (&key["messages"], &key["in_ring"]),
        (&json!(1), &json!(true))
    );

    let in_use = root.post(&format!("/admin/v1/keys/{old}/retire"), &json!({}));
    assert_eq!(code(&in_use, 409), "key_conflict");
    let by_tag = [("If-Match", &*etag)];
    let rotated = root.ask(
        Method::Post,
        "/admin/v1/keys/rotate",
        r#"{"kind": "data"}"#,
        &by_tag,
    );
    assert_eq!(rotated.status().0, 200);
    let now = body(&rotated);
    assert_eq!(now["added"], json!(of_kind(&now, "data", "in_use")));
    assert_eq!(of_kind(&now, "data", "accepted"), [&*old]);
    assert_eq!(
        of_kind(&now, "token", "in_use"),
        of_kind(&first, "token", "in_use")
    );
    // The tag of before permits nothing more.
    for target in [
        "/admin/v1/keys/rotate".to_owned(),
        format!("/admin/v1/keys/{old}/retire"),
    ] {
        let refused = root.ask(Method::Post, &target, "", &by_tag);
        assert_eq!(code(&refused, 412), "precondition_failed", "{target}");
    }
    let etag = rotated.header("ETag").unwrap();
    let retired = root.ask(
        Method::Post,
        &format!("/admin/v1/keys/{old}/retire"),
        "",
        &[("If-Match", etag)],
    );
    assert_eq!(of_kind(&body(&retired), "data", "retired"), [&*old]);
    let accepted = root.post(&format!("/admin/v1/keys/{old}/accept"), &json!({}));
    assert_eq!(of_kind(&body(&accepted), "data", "accepted"), [&*old]);
    assert_eq!(accepted.header("ETag"), Some(etag));
    let both = body(&root.post("/admin/v1/keys/rotate", &json!({})));
    assert_eq!(both["added"].as_array().unwrap().len(), 2);
    assert_eq!(root.event("keys.rotate")["by"], "root");
    for target in ["/admin/v1/keys/x/retire", "/admin/v1/keys/%00/accept"] {
        assert_eq!(code(&root.post(target, &json!({})), 404), "not_found");
    }
    for wrong in [
        json!({"kind": "ring"}),
        json!({"grace_period": 0}),
        json!({"now": 1}),
    ] {
        assert_eq!(
            code(&root.post("/admin/v1/keys/rotate", &wrong), 400),
            "bad_member"
        );
    }
}

/// The key with this id in a list of keys.
fn key<'k>(keys: &'k Value, id: &str) -> &'k Value {
    let mut keys = keys["keys"].as_array().unwrap().iter();
    keys.find(|key| key["id"] == id).unwrap()
}

#[test]
fn a_replaced_key_is_accepted_for_the_grace_that_is_asked_for_and_again_for_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let root = with_ring(folder.path());
    let before = root.get("/admin/v1/keys");
    let (token, data) = (
        of_kind(&before, "token", "in_use")[0].to_owned(),
        of_kind(&before, "data", "in_use")[0].to_owned(),
    );
    let close_to = |time: &Value, seconds: u64| {
        let expected = crate::unix_now() + seconds;
        let time = time.as_u64().unwrap();
        assert!((expected - 60..=expected).contains(&time), "{time}");
    };
    // Both kinds, also the one that is accepted indefinitely otherwise.
    let rotated = body(&root.post("/admin/v1/keys/rotate", &json!({"grace": 3000})));
    for id in [&token, &data] {
        close_to(&key(&rotated, id)["accepted_until"], 3000);
    }
    let accept = format!("/admin/v1/keys/{data}/accept");
    let accepted = body(&root.post(&accept, &json!({"for": 500.0})));
    close_to(&key(&accepted, &data)["accepted_until"], 500);
    let accepted = body(&root.post(&accept, &json!({"for": 0})));
    assert_eq!(key(&accepted, &data)["state"], "retired");
    let accepted = body(&root.post(&accept, &json!({})));
    assert_eq!(key(&accepted, &data)["accepted_until"], Value::Null);
    let most = u64::from(u32::MAX);
    let accepted = body(&root.post(&accept, &json!({ "for": most })));
    close_to(&key(&accepted, &data)["accepted_until"], most);
    // No grace at all ends every token, older keys' too.
    let rotated = body(&root.post(
        "/admin/v1/keys/rotate",
        &json!({"kind": "token", "grace": 0}),
    ));
    assert_eq!(key(&rotated, &token)["state"], "retired");
    assert_eq!(of_kind(&rotated, "token", "accepted"), [""; 0]);
}

#[test]
fn a_token_key_with_a_public_key_signs_at_once_if_the_replaced_one_gets_no_grace() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let settings = [
        ("data_dir", state.to_str().unwrap()),
        ("keys", "ring"),
        ("token_algorithm", "EdDSA"),
    ];
    let root = Root::new(&settings);
    let rotated = body(&root.post(
        "/admin/v1/keys/rotate",
        &json!({"kind": "token", "grace": 60}),
    ));
    assert_eq!(of_kind(&rotated, "token", "next").len(), 1);
    let rotated = body(&root.post(
        "/admin/v1/keys/rotate",
        &json!({"kind": "token", "grace": 0}),
    ));
    let added = rotated["added"][0].as_str().unwrap();
    assert_eq!(of_kind(&rotated, "token", "in_use"), [added]);
    assert_eq!(key(&rotated, added)["signs_from"], Value::Null);
}

#[test]
fn seconds_that_are_none_are_refused_with_a_sentence_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let root = with_ring(folder.path());
    let before = body(&root.post("/admin/v1/keys/rotate", &json!({"kind": "data"})));
    let old = of_kind(&before, "data", "accepted")[0].to_owned();
    for wrong in [
        "-1",
        "1.5",
        "\"60\"",
        "null",
        "[]",
        "true",
        "4294967296",
        "1e300",
        "-0.5",
    ] {
        for (target, name) in [
            ("/admin/v1/keys/rotate".to_owned(), "grace"),
            (format!("/admin/v1/keys/{old}/accept"), "for"),
        ] {
            let ask = format!("{{\"{name}\": {wrong}}}");
            let refused = root.ask(Method::Post, &target, &ask, &[]);
            assert_eq!(code(&refused, 400), "bad_member", "{ask}");
            let sentence =
                format!("{name} must be a whole number of seconds from 0 to 4294967295.");
            assert_eq!(body(&refused)["detail"], sentence, "{ask}");
        }
    }
    // Retiring is for good.
    let retire = format!("/admin/v1/keys/{old}/retire");
    assert_eq!(
        code(&root.post(&retire, &json!({"for": 60})), 400),
        "bad_member"
    );
    assert_eq!(root.get("/admin/v1/keys")["keys"], before["keys"]);
}

#[test]
fn no_response_has_key_material() {
    let folder = tempfile::tempdir().unwrap();
    let root = with_ring(folder.path());
    root.post("/admin/v1/keys/rotate", &json!({}));
    let ring = std::fs::read_to_string(folder.path().join("state/keys.json")).unwrap();
    let ring: Value = serde_json::from_str(&ring).unwrap();
    let mut secrets = Vec::new();
    fn texts(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::String(text) if text.len() >= 40 => found.push(text.clone()),
            Value::Array(items) => items.iter().for_each(|it| texts(it, found)),
            Value::Object(members) => members.values().for_each(|it| texts(it, found)),
            _ => {}
        }
    }
    texts(&ring, &mut secrets);
    assert!(secrets.len() >= 4, "the ring's keys");
    secrets.push(PASSWORD.to_owned());
    for (method, target) in everything() {
        if *method != Method::Get {
            continue;
        }
        let response = root.ask(Method::Get, &target, "", &[]);
        let text = String::from_utf8_lossy(response.body());
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{target}");
        }
    }
}

#[test]
fn keys_that_are_lost_with_the_process_are_not_managed() {
    let root = Root::new(&[]);
    let listed = root.get("/admin/v1/keys");
    assert_eq!(listed["keys"][0]["in_ring"], false);
    let refused = root.post("/admin/v1/keys/rotate", &json!({}));
    assert_eq!(code(&refused, 409), "key_conflict");
}
