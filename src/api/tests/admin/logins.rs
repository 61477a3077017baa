//! Logins and API keys.

use super::*;

#[test]
fn logins_are_listed_and_ended() {
    let root = Root::new(&[]);
    root.add("alice", &["encrypt"]);
    let tokens = [(); 3].map(|()| token_of(&root.app, "alice"));
    assert_eq!(
        root.get("/admin/v1/sessions")["sessions"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
    let first = root.get("/admin/v1/sessions?user=alice&limit=2");
    let next = first["next"].as_str().unwrap();
    let rest = root.get(&format!("/admin/v1/sessions?user=alice&after={next}"));
    assert_eq!(
        (
            first["sessions"].as_array().unwrap().len(),
            rest["sessions"].as_array().unwrap().len()
        ),
        (2, 1)
    );
    let session = &first["sessions"][0];
    assert_eq!(
        (&session["user"], &session["used_at"]),
        (&json!("alice"), &Value::Null)
    );
    assert!(session["created_at"].is_u64() && session["expires_at"].is_u64());
    let id = session["id"].as_str().unwrap();
    let wrong = root.delete(&format!("/admin/v1/sessions/{id}?user=root"));
    assert_eq!(code(&wrong, 404), "not_found");
    assert_eq!(
        root.delete(&format!("/admin/v1/sessions/{id}?user=alice"))
            .status()
            .0,
        204
    );
    assert_eq!(
        code(&root.delete(&format!("/admin/v1/sessions/{id}")), 404),
        "not_found"
    );
    assert_eq!(code(&root.delete("/admin/v1/sessions"), 400), "bad_request");
    assert_eq!(
        body(&root.delete("/admin/v1/sessions?user=alice")),
        json!({"ended": 2})
    );
    for token in tokens {
        let refused = get("/verify").with("Authorization", &token).of(&root.app);
        assert_eq!(code(&refused, 401), "token_revoked");
    }
    let nobody = root.ask(Method::Get, "/admin/v1/sessions?user=nobody", "", &[]);
    assert_eq!(code(&nobody, 404), "not_found");
}

#[test]
fn api_keys_of_everybody_are_managed() {
    let root = Root::new(&[]);
    root.add("alice", &["encrypt", "decrypt"]);
    let ask = json!({"owner": "alice", "scopes": ["encrypt"], "expires_in": 60, "limit": {"max_requests": 9, "window": 60}});
    let added = root.post("/admin/v1/api-keys", &ask);
    assert_eq!(added.status().0, 201);
    let added = body(&added);
    let key = added["api_key"].as_str().unwrap().to_owned();
    assert_eq!(added["limit"], json!({"max_requests": 9, "window": 60}));
    let listed = root.get("/admin/v1/api-keys?owner=alice");
    assert_eq!(listed["api_keys"][0]["id"], added["id"]);
    assert!(!listed.to_string().contains(&key));
    assert_eq!(
        root.get("/admin/v1/api-keys?owner=root")["api_keys"],
        json!([])
    );
    for wrong in [
        json!({"scopes": []}),
        json!({"owner": "nobody"}),
        json!({"owner": "alice", "scopes": ["admin"]}),
        json!({"owner": "alice", "expires_at": 1}),
        json!({"owner": "alice", "expires_at": 9e9, "expires_in": 60}),
        json!({"owner": "alice", "limit": 7}),
        json!({"owner": "alice", "limit": {"max_requests": 9}}),
        json!({"owner": "alice", "limit": {"max_requests": 0, "window": 60}}),
        json!({"owner": "alice", "limit": {"max_requests": 9, "window": 60, "per": "user"}}),
        json!({"owner": "alice", "max_requests": 9}),
    ] {
        assert_eq!(
            code(&root.post("/admin/v1/api-keys", &wrong), 400),
            "bad_member",
            "{wrong}"
        );
    }
    assert!(root.app.gate().verify_token(&key).is_ok());
    let target = format!("/admin/v1/api-keys/{}", added["id"].as_str().unwrap());
    assert_eq!(root.delete(&target).status().0, 204);
    assert!(root.app.gate().verify_token(&key).is_err());
    assert_eq!(code(&root.delete("/admin/v1/api-keys/x"), 404), "not_found");
}
