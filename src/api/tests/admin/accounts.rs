//! Accounts.

use super::*;

#[test]
fn an_account_is_added_shown_changed_and_removed() {
    let root = Root::new(&[]);
    let ask = json!({"name": "alice", "password": PASSWORD, "scopes": ["encrypt"], "claims": {"team": "blue"}});
    let added = root.post("/admin/v1/users", &ask);
    assert_eq!(added.status().0, 201);
    assert_eq!(added.header("Location"), Some("/admin/v1/users/alice"));
    let alice = body(&added);
    assert_eq!(added.header("ETag"), alice["etag"].as_str());
    assert_eq!(alice["claims"], json!({"team": "blue"}));
    assert_eq!(
        (&alice["kind"], &alice["disabled"]),
        (&json!("user"), &json!(false))
    );
    assert_eq!(root.get("/admin/v1/users/alice"), alice);
    assert_eq!(
        code(&root.post("/admin/v1/users", &ask), 409),
        "user_exists"
    );
    for (member, value, refusal) in [
        ("name", "", "invalid_name"),
        ("name", "a\nb", "invalid_name"),
        ("password", "short", "weak_password"),
    ] {
        let mut ask = json!({"name": "bob", "password": PASSWORD});
        ask[member] = value.into();
        assert_eq!(code(&root.post("/admin/v1/users", &ask), 400), refusal);
    }
    let client = json!({"name": "b\u{e4}ckerei", "kind": "client"});
    assert_eq!(
        code(&root.post("/admin/v1/users", &client), 400),
        "invalid_name"
    );

    let token = token_of(&root.app, "alice");
    let target = "/admin/v1/users/alice";
    let etag = alice["etag"].as_str().unwrap();
    let edit = json!({"scopes": ["decrypt", "encrypt"], "claims": {}, "disabled": true});
    let changed = root.patch(target, etag, &edit);
    assert_eq!(changed.status().0, 200);
    let changed = body(&changed);
    assert_eq!(changed["scopes"], json!(["decrypt", "encrypt"]));
    assert_eq!(
        (&changed["claims"], &changed["disabled"]),
        (&json!({}), &json!(true))
    );
    let refused = get("/verify").with("Authorization", &token).of(&root.app);
    assert_eq!(code(&refused, 401), "token_revoked");
    // What was read before no longer permits a change.
    let again = root.patch(target, etag, &json!({"disabled": false}));
    assert_eq!(code(&again, 412), "precondition_failed");
    let by_tag = [("If-Match", etag)];
    let refused = root.ask(Method::Delete, target, "", &by_tag);
    assert_eq!(code(&refused, 412), "precondition_failed");
    let blind = root.ask(Method::Patch, target, r#"{"disabled": false}"#, &[]);
    assert_eq!(code(&blind, 428), "precondition_required");
    for (tag, status) in [
        ("W/\"1\"", 412),
        ("abc", 400),
        ("\"x\", \"y\"", 412),
        ("", 400),
    ] {
        let response = root.patch(target, tag, &json!({"disabled": false}));
        assert_eq!(response.status().0, status, "{tag}");
    }
    let list = format!("\"x\", {}", changed["etag"].as_str().unwrap());
    assert_eq!(
        root.patch(target, &list, &json!({"disabled": false}))
            .status()
            .0,
        200
    );
    assert_eq!(
        root.patch(target, "*", &json!({"scopes": []})).status().0,
        200
    );
    assert_eq!(root.delete(target).status().0, 204);
    for response in [
        root.delete(target),
        root.patch(target, "*", &json!({"disabled": true})),
    ] {
        assert_eq!(code(&response, 404), "not_found");
    }
    // An account of the same name is another one.
    let other = root.add("alice", &["encrypt"]);
    assert_ne!(other["etag"], alice["etag"]);
}

#[test]
fn passwords_are_set_and_accounts_unlocked() {
    let root = Root::new(&[("lockout_after", "1")]);
    root.add("alice", &["encrypt"]);
    const NEW: &str = "a stormy harbour";
    let set = |password: Value| {
        let ask = json!({"password": password}).to_string();
        root.ask(Method::Put, "/admin/v1/users/alice/password", &ask, &[])
    };
    assert_eq!(code(&set(json!("short")), 400), "weak_password");
    assert_eq!(code(&set(json!(7)), 400), "bad_member");
    assert_eq!(set(json!(NEW)).status().0, 204);
    let login = |password: &str| {
        let ask = json!({"username": "alice", "password": password}).to_string();
        post("/login", &ask).of(&root.app)
    };
    for _ in 0..2 {
        login(PASSWORD);
    }
    assert_eq!(code(&login(NEW), 429), "rate_limited");
    let until = root.get("/admin/v1/users/alice")["locked_until"].as_u64();
    assert!(until.is_some_and(|until| until >= crate::unix_now()));
    let listed = root.get("/admin/v1/users?q=alice");
    assert!(listed["users"][0]["locked_until"].is_u64());
    let unlocked = root.post("/admin/v1/users/alice/unlock", &json!({}));
    let alice = root.get("/admin/v1/users/alice");
    assert_eq!(alice["locked_until"], Value::Null);
    assert_eq!(body(&unlocked), json!({"unlocked": true}));
    assert_eq!(login(NEW).status().0, 200);
    for target in [
        "/admin/v1/users/nobody/unlock",
        "/admin/v1/users/nobody/secret",
    ] {
        assert_eq!(code(&root.post(target, &json!({})), 404), "not_found");
    }
}

#[test]
fn a_clients_secret_is_shown_once() {
    let root = Root::new(&[]);
    let ask = json!({"name": "shop", "kind": "client", "scopes": ["encrypt"]});
    let added = body(&root.post("/admin/v1/users", &ask));
    let secret = added["client_secret"].as_str().unwrap();
    assert_eq!((secret.len(), &added["kind"]), (43, &json!("client")));
    assert!(
        root.app
            .gate()
            .client_token("shop", &secret.into(), "")
            .is_ok()
    );
    let shown = root.get("/admin/v1/users/shop");
    assert!(!shown.to_string().contains(secret) && shown.get("client_secret").is_none());
    let renewed = root.post("/admin/v1/users/shop/secret", &json!({}));
    let new = body(&renewed)["client_secret"].as_str().unwrap().to_owned();
    assert!(
        root.app
            .gate()
            .client_token("shop", &secret.into(), "")
            .is_err()
    );
    assert!(
        root.app
            .gate()
            .client_token("shop", &new.as_str().into(), "")
            .is_ok()
    );
    let password = json!({"password": PASSWORD}).to_string();
    let refused = root.ask(Method::Put, "/admin/v1/users/shop/password", &password, &[]);
    assert_eq!(code(&refused, 409), "other_kind");
    for target in ["/admin/v1/users/shop/unlock", "/admin/v1/users/root/secret"] {
        assert_eq!(
            code(&root.post(target, &json!({})), 409),
            "other_kind",
            "{target}"
        );
    }
    let etag = shown["etag"].as_str().unwrap();
    let etag = root.get("/admin/v1/users/shop")["etag"]
        .as_str()
        .map_or(etag.to_owned(), str::to_owned);
    let claims = root.patch("/admin/v1/users/shop", &etag, &json!({"claims": {"a": 1}}));
    assert_eq!(code(&claims, 400), "bad_member");
    let disabled = root.patch("/admin/v1/users/shop", &etag, &json!({"disabled": true}));
    assert_eq!(body(&disabled)["disabled"], true);
    for (name, value) in [("password", json!(PASSWORD)), ("claims", json!({"a": 1}))] {
        let mut ask = json!({"name": "till", "kind": "client", "scopes": []});
        ask[name] = value;
        assert_eq!(code(&root.post("/admin/v1/users", &ask), 400), "bad_member");
    }
}

#[test]
fn names_with_any_character_are_addressed() {
    let root = Root::new(&[]);
    let names = [
        "a/b",
        "a%2Fb",
        "a b",
        "a+b",
        "?",
        "#",
        "..",
        ".",
        "%",
        "\u{e4}\u{1f600}",
        "'\"<>&",
        "a;b=c",
        "~",
        "users",
        "\u{2028}",
        "{name}",
        "password",
        "a\\b",
        "+",
        "*",
    ];
    for name in names {
        let ask = json!({"name": name, "password": PASSWORD, "scopes": []});
        let added = root.post("/admin/v1/users", &ask);
        assert_eq!(added.status().0, 201, "{name}");
        let address = added.header("Location").unwrap().to_owned();
        assert!(address.is_ascii() && !address.contains(' '), "{address}");
        assert_eq!(root.get(&address)["name"], name, "{address}");
        let etag = body(&added)["etag"].as_str().unwrap().to_owned();
        let changed = root.patch(&address, &etag, &json!({"disabled": true}));
        assert_eq!(body(&changed)["name"], name);
        let password = match address.split_once('?') {
            Some((path, query)) => format!("{path}/password?{query}"),
            None => format!("{address}/password"),
        };
        let new = json!({"password": PASSWORD}).to_string();
        assert_eq!(
            root.ask(Method::Put, &password, &new, &[]).status().0,
            204,
            "{password}"
        );
    }
    assert_eq!(
        root.get("/admin/v1/users")["users"]
            .as_array()
            .unwrap()
            .len(),
        names.len() + 1
    );
    for name in names {
        let encoded: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
        assert_eq!(
            root.delete(&format!("/admin/v1/users/{encoded}"))
                .status()
                .0,
            204,
            "{name}"
        );
    }
    for wrong in ["%", "%zz", "%ff", "%c3", "a%2"] {
        let response = root.ask(Method::Get, &format!("/admin/v1/users/{wrong}"), "", &[]);
        assert_eq!(code(&response, 400), "bad_request", "{wrong}");
    }
    for nothing in [
        "/admin/v1/users/",
        "/admin/v1/users//unlock",
        "/admin/v1/",
        "/admin/v1/users/a/b/c",
    ] {
        let response = root.ask(Method::Get, nothing, "", &[]);
        assert!([404, 405].contains(&response.status().0), "{nothing}");
    }
}

#[test]
fn what_is_not_understood_changes_nothing() {
    let root = Root::new(&[]);
    let alice = root.add("alice", &["encrypt"]);
    for ask in [
        json!({}),
        json!({"name": "bob", "scopes": []}),
        json!({"name": "bob", "password": PASSWORD, "scopes": "encrypt"}),
        json!({"name": "bob", "password": PASSWORD, "scopes": ["a b"]}),
        json!({"name": "bob", "password": PASSWORD, "scopes": [""]}),
        json!({"name": "bob", "password": PASSWORD, "scopes": [7]}),
        json!({"name": "bob", "password": PASSWORD, "scopes": ["caf\u{e9}"]}),
        json!({"name": "bob", "password": PASSWORD, "scopes": [], "claims": []}),
        json!({"name": "bob", "password": PASSWORD, "scopes": [], "claims": {"sub": "root"}}),
        json!({"name": "bob", "password": PASSWORD, "scopes": [], "kind": "root"}),
        json!({"name": "bob", "password": PASSWORD, "scopes": [], "disable": true}),
        json!({"name": "bob", "password": PASSWORD, "scopes": [], "Name": "carol"}),
    ] {
        assert_eq!(
            code(&root.post("/admin/v1/users", &ask), 400),
            "bad_member",
            "{ask}"
        );
    }
    for text in ["", "[]", "null", "{", r#"{"name": "a", "name": "b"}"#] {
        let response = root.ask(Method::Post, "/admin/v1/users", text, &[]);
        assert_eq!(code(&response, 400), "bad_json", "{text}");
    }
    let target = "/admin/v1/users/alice";
    for edit in [
        json!({}),
        json!({"disabled": "true"}),
        json!({"disabled": null}),
        json!({"scope": "admin"}),
        json!({"scopes": null}),
        json!({"claims": null}),
        json!({"disabled": true, "etag": "x"}),
    ] {
        assert_eq!(
            code(&root.patch(target, "*", &edit), 400),
            "bad_member",
            "{edit}"
        );
    }
    let form = Ask {
        method: Method::Post,
        ..post("/admin/v1/users/alice/unlock", "a=b")
            .without("Content-Type")
            .with("Content-Type", "application/x-www-form-urlencoded")
            .with("Authorization", &root.token)
    };
    assert_eq!(code(&form.of(&root.app), 415), "unsupported_media_type");
    let large = format!(r#"{{"password": "{}"}}"#, "x".repeat(20_000));
    let response = root.ask(Method::Put, "/admin/v1/users/alice/password", &large, &[]);
    assert_eq!(code(&response, 413), "body_too_large");
    for query in [
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=x",
        "limit=",
        "limit=1&limit=2",
        "after=%zz",
    ] {
        let response = root.ask(Method::Get, &format!("/admin/v1/users?{query}"), "", &[]);
        assert_eq!(code(&response, 400), "bad_request", "{query}");
    }
    assert_eq!(root.get(target), alice);
}

#[test]
fn the_last_administrator_stays_unless_that_is_asked_for() {
    let root = Root::new(&[]);
    let target = "/admin/v1/users/root";
    for edit in [json!({"disabled": true}), json!({"scopes": ["encrypt"]})] {
        assert_eq!(
            code(&root.patch(target, "*", &edit), 409),
            "last_administrator",
            "{edit}"
        );
    }
    assert_eq!(code(&root.delete(target), 409), "last_administrator");
    assert_eq!(root.event("account.remove")["result"], "last_administrator");
    // A disabled one does not count, nor one whose scope only begins like it.
    let other = root.add("other", &["admin"]);
    root.add("third", &["administrator", "x-admin"]);
    let disabled = root.patch(
        "/admin/v1/users/other",
        other["etag"].as_str().unwrap(),
        &json!({"disabled": true}),
    );
    assert_eq!(disabled.status().0, 200);
    assert_eq!(code(&root.delete(target), 409), "last_administrator");
    let enabled = root.patch("/admin/v1/users/other", "*", &json!({"disabled": false}));
    assert_eq!(enabled.status().0, 200);
    assert_eq!(
        code(&root.delete(&format!("{target}?last=maybe")), 400),
        "bad_request"
    );
    assert_eq!(root.delete("/admin/v1/users/other").status().0, 204);
    assert_eq!(root.delete(&format!("{target}?last=yes")).status().0, 204);
    assert_eq!(
        code(&root.ask(Method::Get, target, "", &[]), 401),
        "token_revoked"
    );
}

#[test]
fn accounts_are_listed_in_pages_and_found_by_a_part_of_their_names() {
    let root = Root::new(&[]);
    let users = root.app.gate().users();
    for n in 0..7 {
        users
            .add(&format!("User {n}"), &PASSWORD.into(), "")
            .unwrap();
    }
    root.app.gate().clients().add("shop", "").unwrap();
    let (mut after, mut names) = (String::new(), Vec::new());
    loop {
        let page = root.get(&format!("/admin/v1/users?limit=2&after={after}"));
        for user in page["users"].as_array().unwrap() {
            names.push(user["name"].as_str().unwrap().to_owned());
        }
        match page["next"].as_str() {
            Some(next) => after = next.replace(' ', "+"),
            None => break,
        }
    }
    assert_eq!(names.len(), 9);
    assert!(names.is_sorted() && names.contains(&"shop".to_owned()));
    let found = root.get("/admin/v1/users?q=uSER+3");
    assert_eq!(found["users"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&found["users"][0]["name"], &found["next"]),
        (&json!("User 3"), &Value::Null)
    );
    assert_eq!(root.get("/admin/v1/users?q=%25")["users"], json!([]));
}
