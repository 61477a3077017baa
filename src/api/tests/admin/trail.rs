//! The trail, limits, settings, health and figures.

use super::*;

#[test]
fn the_trail_names_the_author_of_every_change() {
    let root = Root::new(&[]);
    root.add("alice", &["encrypt"]);
    let target = "/admin/v1/users/alice";
    root.patch(
        target,
        "*",
        &json!({"scopes": [], "claims": {"a": 1}, "disabled": true}),
    );
    root.post("/admin/v1/users/alice/unlock", &json!({}));
    root.delete(target);
    for (event, result) in [
        ("account.add", "ok"),
        ("account.scopes", "ok"),
        ("account.claims", "ok"),
        ("account.disable", "ok"),
        ("account.unlock", "ok"),
        ("account.remove", "ok"),
    ] {
        let found = root.event(event);
        assert_eq!(
            (&found["event"], &found["result"]),
            (&json!(event), &json!(result))
        );
        assert_eq!(
            (&found["user"], &found["by"]),
            (&json!("alice"), &json!("root"))
        );
        assert!(found["time"].is_u64() && found["request_id"].is_string());
    }
    // A login has none.
    assert!(root.event("login").get("by").is_none());
    assert_eq!(
        root.get("/admin/v1/audit?by=root&user=alice&event=account.add")["events"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(root.get("/admin/v1/audit?by=alice")["events"], json!([]));
    assert_eq!(root.get("/admin/v1/audit?user=ali")["events"], json!([]));
    assert_eq!(
        root.get("/admin/v1/audit?q=ACCOUNT.UNL")["events"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(root.get("/admin/v1/audit?until=7")["events"], json!([]));
    let all = root.get("/admin/v1/audit");
    let (first, last) = (
        all["first"].as_u64().unwrap(),
        all["last"].as_u64().unwrap(),
    );
    assert_eq!(all["events"][0]["seq"].as_u64(), Some(last));
    let older = root.get(&format!("/admin/v1/audit?before={}&limit=1", last));
    assert_eq!(older["events"][0]["seq"].as_u64(), Some(last - 1));
    assert_eq!(
        root.get(&format!("/admin/v1/audit?after={last}"))["events"],
        json!([])
    );
    assert_eq!(
        root.get(&format!("/admin/v1/audit?after={first}"))["events"]
            .as_array()
            .unwrap()
            .len() as u64,
        last - first
    );
}

#[test]
fn a_password_typed_as_a_name_is_masked_in_the_trail() {
    let root = Root::new(&[]);
    let ask = json!({"username": "hunter2 hunter2", "password": "x"}).to_string();
    assert_eq!(post("/login", &ask).of(&root.app).status().0, 401);
    let event = root.event("login");
    assert_eq!(event["result"], "login_failed");
    assert!(!event.to_string().contains("hunter2"), "{event}");
    let found = root.get("/admin/v1/audit?user=hunter2+hunter2&event=login");
    assert_eq!(found["events"].as_array().unwrap().len(), 1);
}

#[test]
fn whoever_is_at_a_limit_is_listed_and_reset() {
    let root = Root::new(&[
        ("max_requests", "2"),
        ("limits", "exports: 1 per 60; places: 1 per 60, per address"),
        ("login_max_requests", "3"),
    ]);
    let gate = root.app.gate();
    for _ in 0..3 {
        gate.enforce_rate_limit("alice");
    }
    gate.enforce_rate_limit("bob");
    gate.limit("carol", "exports", 1).unwrap();
    gate.limit("192.0.2.1", "places", 1).unwrap();
    for _ in 0..3 {
        let ask = json!({"username": "mallory", "password": "x"}).to_string();
        post("/login", &ask).of(&root.app);
    }
    let listed = root.get("/admin/v1/limits")["limited"]
        .as_array()
        .unwrap()
        .clone();
    let of = |policy: &str| {
        let found = listed.iter().filter(|one| one["policy"] == policy);
        found
            .map(|one| {
                (
                    one["kind"].clone(),
                    one["who"].clone(),
                    one["refused"].clone(),
                )
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of("default"),
        [(json!("user"), json!("alice"), json!(true))]
    );
    assert_eq!(
        of("exports"),
        [(json!("user"), json!("carol"), json!(false))]
    );
    assert_eq!(
        of("places"),
        [(json!("address"), json!("192.0.2.1"), json!(false))]
    );
    assert_eq!(
        of("login"),
        [(json!("address"), json!("127.0.0.1"), json!(true))]
    );
    let alice = listed.iter().find(|one| one["who"] == "alice").unwrap();
    assert_eq!(
        (&alice["count"], &alice["limit"], &alice["window"]),
        (&json!(2), &json!(2), &json!(60))
    );
    assert!(alice["reset_at"].as_u64().unwrap() >= crate::unix_now());
    let reset = |policy: &str, kind: &str, who: &str| {
        root.post(
            "/admin/v1/limits/reset",
            &json!({"policy": policy, "kind": kind, "who": who}),
        )
    };
    for (policy, kind, who) in [
        ("default", "user", "alice"),
        ("exports", "user", "carol"),
        ("places", "address", "192.0.2.1"),
        ("login", "address", "127.0.0.1"),
    ] {
        assert_eq!(
            body(&reset(policy, kind, who)),
            json!({"reset": true}),
            "{policy}"
        );
        assert_eq!(
            body(&reset(policy, kind, who)),
            json!({"reset": false}),
            "{policy}"
        );
        assert_eq!(root.event("limit.reset")["by"], "root");
    }
    assert_eq!(root.get("/admin/v1/limits")["limited"], json!([]));
    for (policy, kind, who) in [
        ("none", "user", "x"),
        ("places", "address", "x"),
        ("login", "address", "x"),
        ("default", "x", "x"),
        ("default", "api-key", "x"),
    ] {
        assert_eq!(
            code(&reset(policy, kind, who), 400),
            "bad_member",
            "{policy} {kind}"
        );
    }
}

#[test]
fn the_limits_themselves_are_listed_as_the_command_lists_them() {
    let of =
        |settings: &[(&str, &str)]| Root::new(settings).get("/admin/v1/limits")["policies"].clone();
    assert_eq!(
        of(&[
            ("max_requests", "0"),
            ("rate_limit_window", "90"),
            ("batch_cost", "items"),
        ]),
        json!([{"name": "default", "limit": null, "window": 90, "per": "user", "cost_by_item": true}])
    );
    let listed = of(&[
        ("max_requests", "7"),
        (
            "limits",
            "exports: 1 per 60; bulk: 9 per 30, per api key, cost by item",
        ),
    ]);
    assert_eq!(
        listed,
        json!([
            {"name": "default", "limit": 7, "window": 60, "per": "user", "cost_by_item": false},
            {"name": "exports", "limit": 1, "window": 60, "per": "user", "cost_by_item": false},
            {"name": "bulk", "limit": 9, "window": 30, "per": "api key", "cost_by_item": true},
        ])
    );
}

#[test]
fn an_api_keys_own_limit_is_listed_and_reset() {
    let root = Root::new(&[]);
    let ask =
        json!({"owner": "root", "scopes": ["encrypt"], "limit": {"max_requests": 1, "window": 60}});
    let added = body(&root.post("/admin/v1/api-keys", &ask));
    let (id, key) = (
        added["id"].as_str().unwrap(),
        added["api_key"].as_str().unwrap(),
    );
    let claims = root.app.gate().verify_token(key).unwrap();
    assert!(root.app.gate().admit(&claims).unwrap().allowed);
    let listed = root.get("/admin/v1/limits?policy=default");
    let one = &listed["limited"][0];
    assert_eq!(
        (&one["kind"], &one["who"], &one["refused"]),
        (&json!("api-key"), &json!(id), &json!(false))
    );
    let ask = json!({"policy": "default", "kind": "api-key", "who": id});
    assert_eq!(
        body(&root.post("/admin/v1/limits/reset", &ask)),
        json!({"reset": true})
    );
    assert!(root.app.gate().admit(&claims).unwrap().allowed);
}

#[test]
fn secrets_are_shown_by_their_length() {
    let secret = "0123456789abcdef0123456789abcdef";
    let root = Root::new(&[("jwt_secret_key", secret), ("token_ttl", "600")]);
    let response = root.ask(Method::Get, "/admin/v1/settings", "", &[]);
    assert!(!String::from_utf8_lossy(response.body()).contains(secret));
    let listed = body(&response)["settings"].as_array().unwrap().clone();
    assert_eq!(listed.len(), crate::config::SETTINGS.len());
    let of = |name: &str| {
        listed
            .iter()
            .find(|one| one["name"] == name)
            .unwrap()
            .clone()
    };
    let key = of("jwt_secret_key");
    assert_eq!(
        (&key["value"], &key["length"], &key["secret"]),
        (&Value::Null, &json!(32), &json!(true))
    );
    let ttl = of("token_ttl");
    assert_eq!(
        (&ttl["value"], &ttl["variable"], &ttl["is_default"]),
        (&json!("600"), &json!("SEALGATE_TOKEN_TTL"), &json!(false))
    );
    assert_eq!(
        of("window_that_is_not_there"
            .replace("window_that_is_not_there", "grace")
            .as_str())["is_default"],
        true
    );
}

#[test]
fn health_and_figures_are_reported() {
    let root = Root::new(&[]);
    let health = root.get("/admin/v1/health");
    assert_eq!(
        (&health["version"], &health["ready"]),
        (&json!(crate::VERSION), &json!(true))
    );
    assert_eq!(
        (&health["reasons"], &health["nodes"], &health["certificate"]),
        (&json!([]), &json!([]), &Value::Null)
    );
    assert_eq!(
        (&health["accounts"], &health["keys"]["sealed"]),
        (&json!(true), &json!(false))
    );
    let figures = root.get("/admin/v1/stats");
    assert_eq!(figures["interval"], 10);
    for name in [
        "requests",
        "refused",
        "errors",
        "limited",
        "logins",
        "failed_logins",
        "p50_ms",
        "p99_ms",
    ] {
        assert_eq!(figures[name], json!([]), "the first slot is not over");
    }
}
