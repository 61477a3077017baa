//! Administration: who administers, and what each route answers.

use serde_json::json;

use super::*;
use crate::tokens::NewApiKey;

const PASSWORD: &str = "a quiet harbour";

/// With the administrator root.
fn served(settings: &[(&str, &str)]) -> App {
    let cheap = [("password_memory", "1024"), ("password_passes", "1")];
    let app = app(&[&cheap, settings].concat());
    let users = app.gate().users();
    users
        .add("root", &PASSWORD.into(), "admin encrypt")
        .unwrap();
    app
}

fn token_of(app: &App, user: &str) -> String {
    let ask = json!({"username": user, "password": PASSWORD}).to_string();
    let response = post("/login", &ask).of(app);
    assert_eq!(response.status().0, 200, "{user}");
    format!("Bearer {}", body(&response)["token"].as_str().unwrap())
}

/// Asks as root.
struct Root {
    app: App,
    token: String,
}

impl Root {
    fn new(settings: &[(&str, &str)]) -> Self {
        let app = served(settings);
        let token = token_of(&app, "root");
        Root { app, token }
    }

    fn ask(&self, method: Method, target: &str, body: &str, headers: &[(&str, &str)]) -> Response {
        let mut ask = Ask {
            method,
            ..post(target, body).with("Authorization", &self.token)
        };
        for (name, value) in headers {
            ask = ask.with(name, value);
        }
        ask.of(&self.app)
    }

    fn get(&self, target: &str) -> Value {
        let response = self.ask(Method::Get, target, "", &[]);
        assert_eq!(response.status().0, 200, "{target}");
        assert_eq!(response.header("Cache-Control"), Some("no-store"));
        body(&response)
    }

    fn post(&self, target: &str, body: &Value) -> Response {
        self.ask(Method::Post, target, &body.to_string(), &[])
    }

    fn add(&self, name: &str, scopes: &[&str]) -> Value {
        let ask = json!({"name": name, "password": PASSWORD, "scopes": scopes});
        let response = self.post("/admin/v1/users", &ask);
        assert_eq!(response.status().0, 201, "{name}: {}", body(&response));
        body(&response)
    }

    fn patch(&self, target: &str, etag: &str, edit: &Value) -> Response {
        self.ask(
            Method::Patch,
            target,
            &edit.to_string(),
            &[("If-Match", etag)],
        )
    }

    fn delete(&self, target: &str) -> Response {
        self.ask(Method::Delete, target, "", &[])
    }

    /// The latest event of this kind.
    fn event(&self, event: &str) -> Value {
        let events = self.get(&format!("/admin/v1/audit?event={event}&limit=1"));
        events["events"][0].clone()
    }
}

/// Every route of administration, with something in place of its parameter.
fn everything() -> Vec<(&'static Method, String)> {
    let routes = crate::api::routes::admin::ADMINISTRATION.routes.iter();
    let target = |path: &str| path.replace("{name}", "root").replace("{id}", "x");
    routes
        .map(|route| (&route.method, target(route.path)))
        .collect()
}

#[test]
fn only_tokens_with_the_scope_admin_administer() {
    let root = Root::new(&[]);
    root.add(
        "alice",
        &["encrypt", "decrypt", "api-keys-admin", "metrics"],
    );
    let alice = token_of(&root.app, "alice");
    let (key, _) = root
        .app
        .gate()
        .api_keys()
        .add(&NewApiKey {
            owner: "root",
            scope: Some("admin"),
            ..NewApiKey::default()
        })
        .unwrap();
    let key = format!("Bearer {}", key.expose_str().unwrap());
    let all = everything();
    assert!(all.len() > 20);
    for (method, target) in &all {
        let ask = |token: Option<&str>| {
            let ask = Ask {
                method: (*method).clone(),
                ..post(target, "{}")
            };
            match token {
                Some(token) => ask.with("Authorization", token).of(&root.app),
                None => ask.of(&root.app),
            }
        };
        let what = format!("{method} {target}");
        assert_eq!(code(&ask(None), 401), "token_missing", "{what}");
        assert_eq!(
            code(&ask(Some("Bearer x.y.z")), 401),
            "token_malformed",
            "{what}"
        );
        let refused = ask(Some(&alice));
        assert_eq!(code(&refused, 403), "insufficient_scope", "{what}");
        let challenge = refused.header("WWW-Authenticate").unwrap();
        assert!(challenge.contains(r#"scope="admin""#), "{challenge}");
        assert_eq!(code(&ask(Some(&key)), 403), "api_key_refused", "{what}");
    }
    // Nothing of that was done.
    assert_eq!(
        root.get("/admin/v1/users")["users"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn an_open_login_never_administers() {
    for mode in ["auto", "open"] {
        let app = app(&[("login", mode)]);
        for scope in [
            "admin",
            "secure-data admin",
            "admin secure-data encrypt decrypt",
        ] {
            let ask = json!({"username": "root", "scope": scope}).to_string();
            assert_eq!(code(&post("/login", &ask).of(&app), 400), "bad_member");
        }
        let token = log_in(&app);
        for (method, target) in everything() {
            let ask = Ask {
                method: method.clone(),
                ..post(&target, "{}").with("Authorization", &token)
            };
            assert_eq!(code(&ask.of(&app), 403), "insufficient_scope", "{target}");
        }
    }
    // Nor where accounts exist and anybody may log in under their names.
    let app = served(&[("login", "open")]);
    let ask = json!({"username": "root"}).to_string();
    let token = body(&post("/login", &ask).of(&app))["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let ask = get("/admin/v1/users").with("Authorization", &token);
    assert_eq!(ask.of(&app).status().0, 401);
    let token = format!("Bearer {token}");
    let ask = get("/admin/v1/users").with("Authorization", &token);
    assert_eq!(code(&ask.of(&app), 403), "insufficient_scope");
}

#[test]
fn administration_is_there_for_processes_of_this_machine_only() {
    let root = Root::new(&[("trusted_proxies", "192.0.2.9")]);
    let ask = |peer: Peer| {
        get("/admin/v1/health")
            .with("Authorization", &root.token)
            .from(peer)
    };
    assert_eq!(ask(own()).of(&root.app).status().0, 200);
    assert_eq!(
        ask(of_user("127.0.0.1", None)).of(&root.app).status().0,
        200
    );
    for peer in [
        stranger("192.0.2.1"),
        stranger("127.0.0.1"),
        of_user("192.0.2.9", me()),
    ] {
        assert_eq!(code(&ask(peer).of(&root.app), 404), "not_found");
    }
    for header in ["Forwarded", "Via", "X-Forwarded-For", "X-Real-IP"] {
        let ask = ask(own()).with(header, "192.0.2.7");
        assert_eq!(code(&ask.of(&root.app), 404), "not_found", "{header}");
    }
    let old = Ask {
        version_1_0: true,
        ..ask(own())
    };
    assert_eq!(code(&old.of(&root.app), 404), "not_found");
    // Also for other methods: nobody learns that there is something.
    for method in [Method::Options, Method::Put, Method::Head] {
        let ask = Ask {
            method,
            ..ask(stranger("192.0.2.1"))
        };
        assert_eq!(ask.of(&root.app).status().0, 404);
    }
    let options = Ask {
        method: Method::Options,
        ..ask(own())
    };
    assert_eq!(
        options.of(&root.app).header("Allow"),
        Some("GET, HEAD, OPTIONS")
    );
    let users = Ask {
        method: Method::Put,
        ..get("/admin/v1/users/root")
    };
    let users = users.of(&root.app);
    assert_eq!(code(&users, 405), "method_not_allowed");
    assert_eq!(
        users.header("Allow"),
        Some("GET, HEAD, PATCH, DELETE, OPTIONS")
    );
}

#[test]
fn a_listener_of_its_own_serves_administration_and_little_else() {
    let elsewhere = served(&[("admin_listen", "127.0.0.1:0")]);
    let token = token_of(&elsewhere, "root");
    let ask = |target: &'static str| get(target).with("Authorization", &token);
    assert_eq!(
        code(&ask("/admin/v1/health").of(&elsewhere), 404),
        "not_found"
    );
    let there = elsewhere.for_administration();
    // Whoever reaches it, it was meant to be reached.
    for peer in [own(), stranger("192.0.2.1")] {
        let response = ask("/admin/v1/health").from(peer).of(&there);
        assert_eq!(response.status().0, 200);
    }
    for target in ["/healthz", "/readyz", "/openapi.json"] {
        assert_eq!(get(target).of(&there).status().0, 200, "{target}");
    }
    token_of(&there, "root");
    for target in [
        "/",
        "/secure-data",
        "/.well-known/jwks.json",
        "/verify",
        "/api-keys",
    ] {
        // The document describes the other listeners.
        let response = ask(target).seen(|request| there.handle(request));
        assert_eq!(code(&response, 404), "not_found", "{target}");
    }
}

#[test]
fn pages_of_other_origins_get_no_access() {
    let root = Root::new(&[("cors_origins", "https://app.example")]);
    let origin = ("Origin", "https://app.example");
    let response = root.ask(Method::Get, "/admin/v1/users", "", &[origin]);
    assert_eq!(response.status().0, 200);
    let preflight = root.ask(
        Method::Options,
        "/admin/v1/users",
        "",
        &[origin, ("Access-Control-Request-Method", "POST")],
    );
    for response in [response, preflight] {
        let mut names = response
            .headers()
            .map(|(name, _)| name.to_ascii_lowercase());
        assert!(names.all(|name| !name.starts_with("access-control-")));
    }
}

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
    let unlocked = root.post("/admin/v1/users/alice/unlock", &json!({}));
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
        json!({"name": "bob", "password": PASSWORD}),
        json!({"name": "", "password": PASSWORD, "scopes": []}),
        json!({"name": "a\nb", "password": PASSWORD, "scopes": []}),
        json!({"name": "bob", "password": "short", "scopes": []}),
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

#[test]
fn routes_of_a_host_do_not_take_those_of_administration() {
    for path in [
        "/admin/v1/users",
        "/admin/v1/users/{who}",
        "/admin/v1/{what}",
        "/admin/v1/users/alice",
    ] {
        let mut host = Host::new();
        let route = HostRoute::new(Method::Get, path, |_| Response::empty(200));
        assert!(host.add_route(route).is_err(), "{path}");
    }
    let mut host = Host::new();
    for path in ["/admin", "/admin/users", "/admin/v2/users"] {
        let route = HostRoute::new(Method::Get, path, |_| Response::empty(200));
        host.add_route(route).unwrap();
    }
}
