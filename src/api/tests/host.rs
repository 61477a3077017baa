//! What a host program adds to the API.

use super::*;
use crate::Secret;
use crate::api::route::RouteRef;
use crate::api::{Host, HostCall, HostRoute};

fn text(call: &HostCall<'_>) -> Response {
    let user = call.claims().map_or("-", |claims| claims.subject());
    let id = call.parameter("id").unwrap_or("-");
    Response::new(200, "text/plain", format!("{user} {id}").into_bytes())
}

fn app_with(settings: &[(&str, &str)], routes: Vec<HostRoute>) -> Result<App, Error> {
    let mut config = Config::new();
    config.set("keys", "ephemeral").unwrap();
    for (name, value) in settings {
        config.set(name, value).unwrap();
    }
    let settings = config.settings().unwrap();
    App::with_routes(Gate::new(&settings.gate).unwrap(), &settings.app, routes)
}

#[test]
fn a_route_matches_only_its_paths_and_methods() {
    let routes = vec![
        HostRoute::new(Method::Get, "/orders/{id}", text),
        HostRoute::new(Method::Delete, "/orders/{id}", text),
        HostRoute::new(Method::Get, "/orders/{id}/lines/{line}", text),
    ];
    let app = app_with(&[], routes).unwrap();
    let response = get("/orders/7?x=y").of(&app);
    assert_eq!((response.status().0, response.body()), (200, &b"- 7"[..]));
    assert_eq!(response.header("Content-Type"), Some("text/plain"));
    assert!(response.header("X-Request-Id").is_some());
    for missing in ["/orders", "/orders/", "/orders/7/", "/orders/7/lines", "/x"] {
        assert_eq!(code(&get(missing).of(&app), 404), "not_found");
    }
    let mut ask = get("/orders/7");
    for (method, status) in [
        (Method::Head, 200),
        (Method::Delete, 200),
        (Method::Options, 204),
    ] {
        ask.method = method;
        assert_eq!(ask.of(&app).status().0, status);
    }
    assert_eq!(
        ask.of(&app).header("Allow"),
        Some("GET, HEAD, DELETE, OPTIONS")
    );
    ask.method = Method::Post;
    assert_eq!(code(&ask.of(&app), 405), "method_not_allowed");
    // The API's own routes still work.
    assert_eq!(get("/healthz").of(&app).status().0, 200);
}

#[test]
fn the_log_names_the_route_that_answers_if_another_ones_path_matches_too() {
    let routes = vec![
        HostRoute::new(Method::Get, "/orders/{id}", text),
        HostRoute::new(Method::Post, "/orders/new", text),
    ];
    let app = app_with(&[], routes).unwrap();
    for (method, path, number) in [
        (Method::Get, "/orders/new", 0),
        (Method::Post, "/orders/new", 1),
        // None answers: the first that matches.
        (Method::Put, "/orders/new", 0),
        (Method::Options, "/orders/new", 0),
    ] {
        let named = app.find(&method, path).0.route();
        assert!(
            matches!(named, Some(RouteRef::Host(found)) if found == number),
            "{method} {path}"
        );
    }
    assert!(app.find(&Method::Get, "/order/new").0.route().is_none());
}

#[test]
fn tokens_scopes_and_limits_are_enforced_on_host_routes() {
    let routes = vec![
        HostRoute::new(Method::Get, "/any", text).with_token(""),
        HostRoute::new(Method::Get, "/scoped/{id}", text).with_token("encrypt"),
        HostRoute::new(Method::Get, "/other", text).with_token("billing"),
        HostRoute::new(Method::Get, "/limited", text)
            .with_token("")
            .limited(),
    ];
    let app = app_with(&[("max_requests", "2")], routes).unwrap();
    let token = log_in(&app);
    assert_eq!(code(&get("/any").of(&app), 401), "token_missing");
    let of = |target| get(target).with("Authorization", &token).of(&app);
    for _ in 0..5 {
        assert_eq!(of("/any").body(), b"test_user -");
        assert_eq!(of("/scoped/9").body(), b"test_user 9");
    }
    assert_eq!(code(&of("/other"), 403), "insufficient_scope");
    let limited = of("/limited");
    assert_eq!(limited.header("RateLimit"), Some("\"default\";r=1;t=60"));
    assert_eq!(of("/secure-data").status().0, 200);
    assert_eq!(code(&of("/limited"), 429), "rate_limited");
}

#[test]
fn errors_and_panics_of_host_routes_are_answered() {
    let routes = vec![
        HostRoute::fallible(Method::Get, "/fails", |_| Err(Error::Decrypt)),
        HostRoute::new(Method::Get, "/panics", |_| panic!("of the host")),
    ];
    let app = app_with(&[], routes).unwrap();
    assert_eq!(code(&get("/fails").of(&app), 400), "decrypt_failed");
    assert_eq!(code(&get("/panics").of(&app), 500), "internal");
}

#[test]
fn unreachable_and_ambiguous_routes_are_refused() {
    let route = |path: &str| HostRoute::new(Method::Get, path, text);
    let refused =
        |routes: Vec<HostRoute>| matches!(app_with(&[], routes), Err(Error::InvalidInput(_)));
    for path in [
        "", "x", "/a b", "/a?b", "/a#b", "/ä", "/{}", "/{a", "/a}b", "/x{a}", "/login", "/",
        "/{any}",
    ] {
        assert!(refused(vec![route(path)]), "{path}");
    }
    assert!(refused(vec![route("/a/{x}"), route("/a/b")]));
    assert!(refused(vec![route("/a"), route("/a")]));
    assert!(refused(vec![route("/a").limited()]));
    assert!(refused(vec![route("/a").with_token("two words")]));
    assert!(!refused(vec![
        route("/a/{x}"),
        route("/b/{x}"),
        route("/a")
    ]));
}

#[test]
fn an_invalid_status_is_an_error() {
    let app = |status| {
        let route = HostRoute::new(Method::Get, "/x", move |_| Response::empty(status));
        app_with(&[], vec![route]).unwrap()
    };
    for status in [0, 100, 101, 199, 600, 65_535] {
        assert_eq!(code(&get("/x").of(&app(status)), 500), "internal");
    }
    for status in [200, 204, 304, 418, 599] {
        assert_eq!(get("/x").of(&app(status)).status().0, status);
    }
}

#[test]
fn a_route_for_head_is_refused_because_it_would_never_be_reached() {
    let route = HostRoute::new(Method::Head, "/x", text);
    let error = app_with(&[], vec![route]).unwrap_err().to_string();
    assert!(error.contains("for GET"), "{error}");
}

#[test]
fn a_panic_whose_payload_panics_again_is_answered_too() {
    struct Payload;
    impl Drop for Payload {
        fn drop(&mut self) {
            panic!("again");
        }
    }
    let route = HostRoute::new(Method::Get, "/x", |_| std::panic::panic_any(Payload));
    let app = app_with(&[], vec![route]).unwrap();
    assert_eq!(code(&get("/x").of(&app), 500), "internal");
}

fn app_of(host: Host) -> App {
    let mut config = Config::new();
    config.set("keys", "ephemeral").unwrap();
    let settings = config.settings().unwrap();
    App::with_host(Gate::new(&settings.gate).unwrap(), &settings.app, host).unwrap()
}

#[test]
fn accounts_of_the_host_decide_who_gets_which_token() {
    let app = app_of(
        Host::new().with_accounts(|user, password| match (user, password) {
            ("alice", "right") => Some("encrypt reports".to_owned()),
            ("odd", _) => Some("two  spaces".to_owned()),
            _ => None,
        }),
    );
    let log_in = |sent: &str| {
        let mut ask = post("/login", sent);
        // Open login would refuse a remote caller.
        ask.peer = stranger("192.0.2.1");
        ask.of(&app)
    };
    let token = body(&log_in(r#"{"username":"alice","password":"right"}"#))["token"].clone();
    let claims = app.gate().verify_token(token.as_str().unwrap()).unwrap();
    assert_eq!(
        (claims.subject(), claims.scope()),
        ("alice", "encrypt reports")
    );
    let less = log_in(r#"{"username":"alice","password":"right","scope":"encrypt"}"#);
    let token = body(&less)["token"].clone();
    let claims = app.gate().verify_token(token.as_str().unwrap()).unwrap();
    assert_eq!(claims.scope(), "encrypt");
    for (sent, status, expected) in [
        (
            r#"{"username":"alice","password":"wrong"}"#,
            401,
            "login_failed",
        ),
        (
            r#"{"username":"odd","password":"right"}"#,
            401,
            "login_failed",
        ),
        (r#"{"username":"alice"}"#, 400, "bad_member"),
        (
            r#"{"username":"alice","password":"right","scope":"decrypt"}"#,
            400,
            "bad_member",
        ),
    ] {
        assert_eq!(code(&log_in(sent), status), expected, "{sent}");
    }
    assert_eq!(cost(&app, &Method::Post, "/login"), Cost::Slow);
    assert_eq!(cost(&app, &Method::Get, "/login"), Cost::Quick);
}

#[test]
fn the_host_supplies_the_confidential_data() {
    let supplied = std::sync::atomic::AtomicBool::new(false);
    let app = app_of(Host::new().with_secure_data(move || {
        match supplied.swap(true, std::sync::atomic::Ordering::Relaxed) {
            false => Ok(Secret::from("the host's")),
            true => Err(Error::Io("gone".into())),
        }
    }));
    let token = log_in(&app);
    let ask = || get("/secure-data").with("Authorization", &token).of(&app);
    let encrypted = body(&ask())["encrypted_data"].clone();
    let opened = app.gate().decrypt_data(encrypted.as_str().unwrap(), b"");
    assert_eq!(opened.unwrap().expose(), b"the host's");
    assert_eq!(code(&ask(), 500), "internal");
    assert_eq!(cost(&app, &Method::Head, "/secure-data?x"), Cost::Slow);
}

#[test]
fn a_route_receives_the_clients_address_behind_a_proxy_too() {
    let who = HostRoute::new(Method::Get, "/who", |call: &HostCall<'_>| {
        let client = format!("{:?}", call.client());
        Response::new(200, "text/plain", client.into_bytes())
    });
    let app = app_with(&[("trusted_proxies", "10.0.0.1")], vec![who]).unwrap();
    for (peer, client) in [("192.0.2.7", "192.0.2.7"), ("10.0.0.1", "203.0.113.9")] {
        let ask = get("/who").with("X-Forwarded-For", "203.0.113.9");
        let answer = ask.from(stranger(peer)).of(&app);
        assert_eq!(answer.body(), format!("Some({client})").as_bytes());
    }
}

#[test]
fn only_the_route_that_blocks_is_slow() {
    let routes = vec![
        HostRoute::new(Method::Get, "/orders/{id}", text).blocking(),
        HostRoute::new(Method::Get, "/quick", text),
        HostRoute::new(Method::Delete, "/orders/{id}", text),
    ];
    let app = app_with(&[], routes).unwrap();
    for (method, path, expected) in [
        (Method::Get, "/orders/7", Cost::Slow),
        (Method::Head, "/orders/7?x", Cost::Slow),
        (Method::Delete, "/orders/7", Cost::Quick),
        (Method::Get, "/quick", Cost::Quick),
        (Method::Get, "/orders", Cost::Quick),
        (Method::Get, "/secure-data", Cost::Quick),
        // Slow only if the store could not be written.
        (Method::Get, "/readyz", Cost::Quick),
    ] {
        assert_eq!(cost(&app, &method, path), expected, "{method} {path}");
    }
}

#[test]
fn a_host_cannot_set_headers_that_frame_the_response() {
    let mut response = Response::empty(200);
    for name in ["content-length", "Transfer-Encoding", "connection"] {
        assert!(response.set_header(name, "1").is_err(), "{name}");
    }
    assert!(response.set_status(101).is_err() && response.set_status(600).is_err());
    response.set_status(201).unwrap();
    response.set_body(b"made".to_vec());
    assert_eq!((response.status().0, response.body()), (201, &b"made"[..]));
}
