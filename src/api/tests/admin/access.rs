//! Who administers, and where.

use super::*;
use crate::tokens::NewApiKey;

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

#[test]
fn a_listed_certificate_administers_and_is_named_in_the_trail() {
    let app = served(&[
        ("tls_cert", "/c"),
        ("tls_key", "/k"),
        ("tls_client_ca", "/a"),
        ("admin_certificates", "ops, Doe, Jane"),
    ]);
    let ask = |subject: Option<&str>, headers: &[(&'static str, &'static str)], method: Method| {
        let mut ask = Ask {
            method,
            ..get("/admin/v1/users/root")
        };
        ask.headers.extend(headers);
        ask.seen(|request| {
            app.handle(&Request {
                method: request.method,
                target: request.target,
                headers: Headers(request.headers.0.clone()),
                body: b"",
                peer: request.peer,
                version_1_0: false,
                certificate: subject,
            })
        })
    };
    assert_eq!(
        ask(Some("CN=ops,O=Example"), &[], Method::Get).status().0,
        200
    );
    for subject in [
        None,
        Some("CN=other"),
        Some("O=ops"),
        Some("CN=ops,CN=other"),
        Some("CN=Ops"),
        Some(r"CN=Doe\, Jane"),
    ] {
        let refused = ask(subject, &[], Method::Get);
        assert_eq!(code(&refused, 401), "token_missing", "{subject:?}");
    }
    // A browser presents it whichever page asks.
    for header in [
        ("Origin", "https://evil.example"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-origin"),
    ] {
        let refused = ask(Some("CN=ops"), &[header], Method::Delete);
        assert_eq!(code(&refused, 401), "token_missing", "{header:?}");
    }
    // A token that is presented counts.
    let refused = ask(
        Some("CN=ops"),
        &[("Authorization", "Bearer x.y.z")],
        Method::Get,
    );
    assert_eq!(code(&refused, 401), "token_malformed");
    let removed = ask(Some("CN=ops"), &[], Method::Delete);
    assert_eq!(code(&removed, 409), "last_administrator");
    let events = app.gate().recent_events();
    let event = events
        .iter()
        .rev()
        .find(|event| event.event == "account.remove")
        .unwrap();
    assert_eq!((event.by(), event.user()), ("cert:ops", "root"));
}

#[test]
fn no_request_of_an_administrator_holds_up_a_worker() {
    let app = served(&[]);
    for (method, target) in everything() {
        let expected = match (method, target.as_str()) {
            (Method::Post, "/admin/v1/users") | (Method::Put, _) => Cost::Hashing,
            _ => Cost::Slow,
        };
        assert_eq!(cost(&app, method, &target), expected, "{method} {target}");
    }
}

#[test]
fn the_page_of_administration_lists_every_route() {
    let page = include_str!("../../../../docs/admin.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| "));
    let listed: std::collections::BTreeSet<String> = rows
        .filter_map(|row| row.split(" | ").next())
        .filter(|cell| cell.contains("`/admin/"))
        .map(|cell| cell.replace('`', ""))
        .collect();
    let routes = crate::api::routes::admin::ADMINISTRATION.routes.iter();
    let routes = routes
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    assert_eq!(listed, routes);
}
