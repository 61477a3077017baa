//! What pages of other origins may do, as browsers read it from the headers.

use super::*;
use crate::api::{Host, HostRoute};

const PAGE: &str = "https://app.example";
const EXPOSED: &str =
    "Allow, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id";

fn from<'a>(origin: &'a str, ask: Ask<'a>) -> Ask<'a> {
    ask.with("Origin", origin)
}

/// Asks whether a page may send a request with this method.
fn preflight<'a>(origin: &'a str, method: &'a str, target: &'a str) -> Ask<'a> {
    let mut ask = from(origin, get(target))
        .with("Access-Control-Request-Method", method)
        .with("Access-Control-Request-Headers", "authorization, x-own");
    ask.method = Method::Options;
    ask
}

const NOTHING: [(&str, &str); 0] = [];

/// The headers that CORS adds, without `Vary`.
fn added(response: &Response) -> Vec<(&str, &str)> {
    let all = response.headers();
    all.filter(|(name, _)| name.to_ascii_lowercase().starts_with("access-control-"))
        .collect()
}

fn origin_of(response: &Response) -> Option<&str> {
    response.header("Access-Control-Allow-Origin")
}

/// Requests for which the API has different responses: found, refused, and of no route.
fn asks(origin: &str) -> Vec<(Ask<'_>, u16)> {
    vec![
        (from(origin, get("/")), 200),
        (from(origin, get("/.well-known/jwks.json")), 200),
        (from(origin, get("/secure-data")), 401),
        (from(origin, post("/login", "{}")), 400),
        (
            from(origin, post("/login", "{}").without("Content-Type")),
            415,
        ),
        (from(origin, post("/healthz", "")), 405),
        (from(origin, get("/nothing")), 404),
        (preflight(origin, "POST", "/login"), 204),
        (preflight(origin, "POST", "/nothing"), 404),
    ]
}

#[test]
fn without_the_setting_no_response_changes() {
    // No window whose seconds would be counted down.
    let unlimited = ("login_max_requests", "0");
    for (settings, differ) in [
        (&[unlimited][..], false),
        (
            &[
                unlimited,
                ("cors_origins", ""),
                ("cors_credentials", "on"),
                ("cors_headers", "X-Own"),
            ],
            false,
        ),
        (&[unlimited, ("cors_origins", PAGE)], true),
    ] {
        let (plain, set) = (app(&[unlimited]), app(settings));
        for (ask, status) in asks(PAGE) {
            let ask = ask.with("X-Request-Id", "same");
            let (without, with) = (ask.of(&plain), ask.of(&set));
            assert_eq!(without.status().0, status, "{}", ask.target);
            assert_eq!(without.body(), with.body(), "{}", ask.target);
            assert_eq!(without.header("Vary"), None);
            assert_eq!(added(&without), NOTHING);
            assert_eq!(
                without.headers().ne(with.headers()),
                differ,
                "{}",
                ask.target
            );
        }
    }
}

#[test]
fn a_page_of_a_permitted_origin_may_read_every_response() {
    let app = app(&[("cors_origins", "http://localhost:3000, https://app.example")]);
    for origin in [PAGE, "http://localhost:3000"] {
        for (ask, status) in asks(origin) {
            let response = ask.of(&app);
            assert_eq!(response.status().0, status, "{}", ask.target);
            assert_eq!(origin_of(&response), Some(origin), "{}", ask.target);
            let vary = response.header("Vary").unwrap();
            let named: Vec<&str> = vary.split(", ").collect();
            let expected = match ask.method {
                Method::Options => &["Origin", "Access-Control-Request-Method"][..],
                _ => &["Origin"],
            };
            assert_eq!(named, expected, "{}", ask.target);
            if status != 204 {
                let more = ("Access-Control-Expose-Headers", EXPOSED);
                assert!(added(&response).contains(&more), "{}", ask.target);
            }
            let credentials = response.header("Access-Control-Allow-Credentials");
            assert_eq!(credentials, None);
        }
    }
}

#[test]
fn a_page_of_another_origin_gets_nothing_and_caches_know() {
    let app = app(&[("cors_origins", "https://good.example, http://[::1]:3000")]);
    let long = format!("https://good.example{}", "a".repeat(8000));
    for origin in [
        "https://good.example.evil.com",
        "https://evilgood.example",
        "https://good.example@evil.com",
        "https://evil.com/https://good.example",
        "https://good.example:8443",
        "https://good.example:443",
        "http://good.example",
        "https://good.exampl",
        "ttps://good.example",
        "HTTPS://GOOD.EXAMPLE",
        "https://Good.example",
        "https://good.example.",
        "https://good.example/",
        " https://good.example",
        "https://good.example\r\nX: y",
        "https://good.example\0",
        "https://good.example, https://good.example",
        "https://good.example https://good.example",
        "http://[0:0:0:0:0:0:0:1]:3000",
        "null",
        "*",
        "",
        &long,
    ] {
        for (ask, status) in asks(origin) {
            let response = ask.of(&app);
            assert_eq!(response.status().0, status, "{origin:?} {}", ask.target);
            assert_eq!(added(&response), NOTHING, "{origin:?} {}", ask.target);
            let vary = response.header("Vary").unwrap();
            assert!(vary.starts_with("Origin"), "{origin:?}: {vary}");
        }
    }
    // Two are none, whichever comes first.
    let good = || from("https://good.example", get("/"));
    assert!(origin_of(&good().of(&app)).is_some());
    for second in ["https://good.example", "https://evil.com"] {
        let response = good().with("origin", second).of(&app);
        assert_eq!(added(&response), NOTHING);
    }
    // Without any, too: a cache must not hand this response to a page.
    let response = get("/").of(&app);
    assert_eq!(response.header("Vary"), Some("Origin"));
    assert_eq!(added(&response), NOTHING);
}

#[test]
fn a_preflight_is_answered_with_what_the_route_permits() {
    let routes = vec![
        HostRoute::new(Method::Put, "/orders/{id}", |_| Response::empty(204)).with_token("orders"),
        HostRoute::new(Method::Delete, "/orders/{id}", |_| Response::empty(204)),
    ];
    let mut config = Config::new();
    for (name, value) in [
        ("keys", "ephemeral"),
        ("cors_origins", PAGE),
        ("cors_headers", "If-Match, X-Own"),
        ("cors_credentials", "on"),
    ] {
        config.set(name, value).unwrap();
    }
    let settings = config.settings().unwrap();
    let gate = Gate::new(&settings.gate).unwrap();
    let app = App::with_routes(gate, &settings.app, routes).unwrap();
    for (target, methods) in [
        ("/login", "POST, OPTIONS"),
        ("/secure-data", "GET, HEAD, OPTIONS"),
        ("/orders/7", "PUT, DELETE, OPTIONS"),
    ] {
        // Whatever the page asks for, the browser decides by what is permitted.
        for asked in ["PUT", "GET", "nonsense"] {
            let response = preflight(PAGE, asked, target).of(&app);
            assert_eq!((response.status().0, response.body()), (204, &b""[..]));
            assert_eq!(
                added(&response),
                [
                    ("Access-Control-Allow-Origin", PAGE),
                    ("Access-Control-Allow-Credentials", "true"),
                    ("Access-Control-Allow-Methods", methods),
                    (
                        "Access-Control-Allow-Headers",
                        "Authorization, Content-Type, X-Request-Id, traceparent, tracestate, baggage, If-Match, X-Own"
                    ),
                    ("Access-Control-Max-Age", "7200"),
                ],
                "{target}"
            );
        }
    }
    for target in ["/orders", "/orders/", "/nothing", "/login/"] {
        let response = preflight(PAGE, "GET", target).of(&app);
        assert_eq!(code(&response, 404), "not_found", "{target}");
        assert_eq!(response.header("Access-Control-Allow-Methods"), None);
    }
    // OPTIONS without a method to ask for is no preflight.
    let plain = preflight(PAGE, "", "/login").without("Access-Control-Request-Method");
    let response = plain.of(&app);
    assert_eq!(response.header("Allow"), Some("POST, OPTIONS"));
    assert_eq!(response.header("Access-Control-Allow-Methods"), None);
    assert_eq!(origin_of(&response), Some(PAGE));
}

/// A proxy asks about the request of somebody else, so a preflight needs a token there like any other method.
#[test]
fn a_preflight_opens_no_door_for_proxies() {
    let app = app(&[("cors_origins", PAGE)]);
    let response = preflight(PAGE, "GET", "/verify/for/-/-/orders").of(&app);
    assert_eq!(code(&response, 401), "token_missing");
    assert_eq!(response.header("Access-Control-Allow-Methods"), None);
}

#[test]
fn preflights_count_against_no_limit() {
    let app = app(&[
        ("cors_origins", PAGE),
        ("max_requests", "1"),
        ("login_max_requests", "2"),
    ]);
    let token = log_in(&app);
    for target in ["/login", "/secure-data"] {
        for _ in 0..20 {
            let ask = preflight(PAGE, "POST", target).with("Authorization", &token);
            assert_eq!(ask.of(&app).status().0, 204);
        }
    }
    let counted = || from(PAGE, get("/secure-data")).with("Authorization", &token);
    assert_eq!(counted().of(&app).status().0, 200);
    let refused = counted().of(&app);
    assert_eq!(code(&refused, 429), "rate_limited");
    assert_eq!(origin_of(&refused), Some(PAGE));
    let exposed = refused.header("Access-Control-Expose-Headers").unwrap();
    for name in ["RateLimit", "RateLimit-Policy", "Retry-After"] {
        assert!(refused.header(name).is_some(), "{name}");
        assert!(exposed.split(", ").any(|known| known == name), "{name}");
    }
    assert_eq!(log_in(&app).split('.').count(), 3);
}

#[test]
fn a_star_permits_every_origin_and_depends_on_none() {
    let app = app(&[("cors_origins", "*")]);
    for origin in [PAGE, "null", "https://evil.com"] {
        for (ask, _) in asks(origin)
            .into_iter()
            .filter(|(ask, _)| ask.target != "/login")
        {
            let response = ask.of(&app);
            assert_eq!(origin_of(&response), Some("*"), "{}", ask.target);
            let vary = match ask.method {
                Method::Options => Some("Access-Control-Request-Method"),
                _ => None,
            };
            assert_eq!(response.header("Vary"), vary, "{}", ask.target);
            assert_eq!(response.header("Access-Control-Allow-Credentials"), None);
        }
    }
    assert_eq!(origin_of(&get("/").of(&app)), Some("*"));
}

/// Any page that is open in a browser of the server's user could otherwise get tokens.
#[test]
fn a_login_without_an_account_is_not_for_every_page() {
    let ask = || post("/login", r#"{"username": "a"}"#);
    let every = app(&[("cors_origins", "*")]);
    let refused = from("https://evil.com", ask()).of(&every);
    assert_eq!(code(&refused, 403), "login_refused");
    let why = body(&refused)["detail"].to_string();
    assert!(why.contains("SEALGATE_CORS_ORIGINS"), "{why}");
    assert_eq!(ask().of(&every).status().0, 200);
    let one = app(&[("cors_origins", PAGE)]);
    assert_eq!(from(PAGE, ask()).of(&one).status().0, 200);
}

#[test]
fn what_a_hosts_route_sets_is_kept() {
    let with = |fields: &'static [(&'static str, &'static str)]| {
        HostRoute::new(Method::Get, &format!("/{}", fields.len()), move |_| {
            let mut response = Response::empty(200);
            for (name, value) in fields {
                response.set_header(name, value).unwrap();
            }
            response
        })
    };
    let mut config = Config::new();
    config.set("keys", "ephemeral").unwrap();
    config.set("cors_origins", PAGE).unwrap();
    let settings = config.settings().unwrap();
    let mut host = Host::new();
    for route in [
        with(&[("Access-Control-Allow-Origin", "*")]),
        with(&[
            ("vary", "Accept-Encoding,origin"),
            ("Access-Control-Expose-Headers", "ETag, retry-after"),
        ]),
        with(&[("Vary", "*"), ("ETag", "\"1\""), ("X", "y")]),
        with(&[("Vary", "Accept"), ("A", ""), ("B", ""), ("C", "")]),
    ] {
        host.add_route(route).unwrap();
    }
    let app = App::with_host(Gate::new(&settings.gate).unwrap(), &settings.app, host).unwrap();
    // Readable by everyone, as the host wants it.
    for origin in [PAGE, "https://other.example"] {
        let response = from(origin, get("/1")).of(&app);
        assert_eq!(added(&response), [("Access-Control-Allow-Origin", "*")]);
        assert_eq!(response.header("Vary"), Some("Origin"));
    }
    let merged = from(PAGE, get("/2")).of(&app);
    assert_eq!(merged.header("Vary"), Some("Accept-Encoding,origin"));
    assert_eq!(
        merged.header("Access-Control-Expose-Headers"),
        Some(
            "ETag, retry-after, Allow, RateLimit, RateLimit-Policy, WWW-Authenticate, X-Request-Id"
        )
    );
    assert_eq!(from(PAGE, get("/3")).of(&app).header("Vary"), Some("*"));
    let vary = from(PAGE, get("/4")).of(&app);
    assert_eq!(vary.header("Vary"), Some("Accept, Origin"));
}

#[test]
fn an_error_that_the_engine_finds_is_readable_too() {
    let app = app(&[("cors_origins", PAGE)]);
    let ask = from(PAGE, post("/encrypt", ""));
    for (problem, status) in [
        (Problem::bad_request("It is broken."), 400),
        (Problem::body_too_large(7), 413),
        (Problem::unavailable("It is too much."), 503),
    ] {
        let response = ask.seen(|request| app.refuse(request, problem));
        assert_eq!(response.status().0, status);
        assert_eq!(origin_of(&response), Some(PAGE));
    }
    // What the head alone decides.
    let early = ask.seen(|request| app.admit(request, Some(100))).err();
    let early = early.expect("there is no token");
    assert_eq!((early.status().0, origin_of(&early)), (401, Some(PAGE)));
}

#[test]
fn the_metrics_are_for_no_page() {
    let app = app(&[("cors_origins", "*")]);
    let mut host = Host::new();
    host.add_route(HostRoute::new(Method::Get, "/metrics", |_| {
        Response::empty(200)
    }))
    .unwrap();
    let metrics = app.with_host_alone(host).unwrap();
    let response = from(PAGE, get("/metrics")).of(&metrics);
    assert_eq!(response.status().0, 200);
    assert_eq!(added(&response), NOTHING);
}
