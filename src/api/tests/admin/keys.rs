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
        json!({"grace": 0}),
        json!({"now": 1}),
    ] {
        assert_eq!(
            code(&root.post("/admin/v1/keys/rotate", &wrong), 400),
            "bad_member"
        );
    }
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
