//! The contract of each route, without a socket.

use serde_json::{Value, json};

use super::*;
use crate::Config;

const LOCAL: Peer = Peer {
    address: Some(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)),
    local: true,
};

fn app(settings: &[(&str, &str)]) -> App {
    let mut config = Config::new();
    config.set("keys", "ephemeral").unwrap();
    for (name, value) in settings {
        config.set(name, value).unwrap();
    }
    let settings = config.settings().unwrap();
    App::new(Gate::new(&settings.gate).unwrap(), &settings.app).unwrap()
}

struct Ask<'a> {
    method: Method,
    target: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    body: &'a str,
    peer: Peer,
}

fn get(target: &str) -> Ask<'_> {
    Ask {
        method: Method::Get,
        target,
        headers: vec![("Host", "localhost:5000")],
        body: "",
        peer: LOCAL,
    }
}

fn post<'a>(target: &'a str, body: &'a str) -> Ask<'a> {
    let headers = vec![
        ("Host", "localhost:5000"),
        ("Content-Type", "application/json"),
    ];
    Ask {
        method: Method::Post,
        target,
        headers,
        body,
        peer: LOCAL,
    }
}

impl<'a> Ask<'a> {
    fn with(mut self, name: &'a str, value: &'a str) -> Self {
        self.headers.push((name, value));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self
    }

    fn from(mut self, address: &str, local: bool) -> Self {
        self.peer = Peer {
            address: address.parse().ok(),
            local,
        };
        self
    }

    fn of(&self, app: &App) -> Response {
        app.handle(&Request {
            method: &self.method,
            target: self.target,
            headers: Headers(
                self.headers
                    .iter()
                    .map(|(name, value)| (*name, value.as_bytes()))
                    .collect(),
            ),
            body: self.body.as_bytes(),
            peer: self.peer,
        })
    }
}

fn body(response: &Response) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

/// Checks all that an error has to have, and gives its code.
fn code(response: &Response, status: u16) -> String {
    let body = body(response);
    assert_eq!(response.status().0, status, "{body}");
    assert_eq!(
        response.header("Content-Type"),
        Some("application/problem+json")
    );
    assert_eq!(body["status"], status);
    assert_eq!(body["error"], body["title"]);
    assert!(
        body["title"]
            .as_str()
            .is_some_and(|title| title.ends_with('.'))
    );
    assert!(
        body["detail"]
            .as_str()
            .is_some_and(|detail| !detail.is_empty())
    );
    assert_eq!(body["request_id"].as_str(), response.header("X-Request-Id"));
    let code = body["type"]
        .as_str()
        .unwrap()
        .strip_prefix("urn:sealgate:problem:")
        .unwrap();
    code.to_owned()
}

fn log_in(app: &App) -> String {
    let response = post("/login", r#"{"username": "test_user"}"#).of(app);
    assert_eq!(response.status().0, 200);
    format!("Bearer {}", body(&response)["token"].as_str().unwrap())
}

#[test]
fn the_list_of_endpoints() {
    let response = get("/").of(&app(&[]));
    let body = body(&response);
    assert_eq!(response.status().0, 200);
    assert_eq!(
        (&body["name"], &body["version"]),
        (&json!("sealgate"), &json!(crate::VERSION))
    );
    assert!(body["message"].as_str().unwrap().starts_with("Welcome"));
    let paths: Vec<&str> = body["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        paths,
        [
            "/",
            "/login",
            "/secure-data",
            "/encrypt",
            "/decrypt",
            "/healthz",
            "/readyz"
        ]
    );
    assert_eq!(get("/?x=y").of(&app(&[])).status().0, 200);
}

#[test]
fn the_way_from_login_to_the_opened_data() {
    let app = app(&[("secure_data", "top secret")]);
    let response = post("/login", r#"{"username": "test_user"}"#).of(&app);
    let login = body(&response);
    assert_eq!(response.header("Cache-Control"), Some("no-store"));
    assert_eq!(
        (&login["token_type"], &login["expires_in"]),
        (&json!("Bearer"), &json!(1800))
    );
    let token = format!("bEaReR {}", login["token"].as_str().unwrap());

    let response = get("/secure-data").with("Authorization", &token).of(&app);
    let sealed = body(&response);
    assert_eq!(
        response.header("RateLimit-Policy"),
        Some(r#""default";q=5;w=60"#)
    );
    assert_eq!(response.header("RateLimit"), Some(r#""default";r=4;t=60"#));

    for member in ["encrypted_data", "data"] {
        let ask = json!({member: sealed["encrypted_data"]}).to_string();
        let response = post("/decrypt", &ask)
            .with("Authorization", &token)
            .of(&app);
        assert_eq!(body(&response), json!({"decrypted_data": "top secret"}));
        assert_eq!(response.header("Cache-Control"), Some("no-store"));
    }
}

#[test]
fn encrypting_and_decrypting_with_a_context_and_any_bytes() {
    let app = app(&[("max_requests", "0")]);
    let token = log_in(&app);
    let ask = |path: &str, body: Value| {
        post(path, &body.to_string())
            .with("Authorization", &token)
            .of(&app)
    };
    let sealed = body(&ask(
        "/encrypt",
        json!({"data": "hällo", "context": "row/1"}),
    ));
    let again = json!({"encrypted_data": sealed["encrypted_data"], "context": "row/1"});
    let response = ask("/decrypt", again);
    assert_eq!(body(&response)["decrypted_data"], "hällo");
    assert_eq!(response.header("RateLimit"), None, "the limit is off");
    let elsewhere = json!({"encrypted_data": sealed["encrypted_data"], "context": "row/2"});
    assert_eq!(code(&ask("/decrypt", elsewhere), 400), "decrypt_failed");

    let sealed = body(&ask("/encrypt", json!({"data_base64": "/wD+"})));
    assert_eq!(
        body(&ask("/decrypt", sealed)),
        json!({"decrypted_data_base64": "/wD+"})
    );
    for wrong in [
        json!({}),
        json!({"data": "a", "data_base64": "YQ=="}),
        json!({"data_base64": "%"}),
        json!({"data": 1}),
    ] {
        assert_eq!(code(&ask("/encrypt", wrong), 400), "bad_member");
    }
    assert_eq!(
        code(&ask("/encrypt", json!({"data": "a", "context": 1})), 400),
        "bad_member"
    );
}

#[test]
fn what_does_not_decrypt_has_one_wording_for_every_cause() {
    let app = app(&[("max_requests", "0")]);
    let token = log_in(&app);
    let detail = |data: &str| {
        let response = post("/decrypt", &json!({"encrypted_data": data}).to_string())
            .with("Authorization", &token)
            .of(&app);
        assert_eq!(code(&response, 400), "decrypt_failed", "{data}");
        let body = body(&response);
        (body["title"].clone(), body["detail"].clone())
    };
    let sealed = app.gate().encrypt_data(b"x", b"elsewhere").unwrap();
    let foreign = super::tests::app(&[])
        .gate()
        .encrypt_data(b"x", b"")
        .unwrap();
    let first = detail("");
    for data in [
        "%%%",
        "AAAA",
        &sealed,
        &foreign,
        &sealed[4..],
        &"A".repeat(100_000),
    ] {
        assert_eq!(detail(data), first);
    }
    let missing = post("/decrypt", "{}")
        .with("Authorization", &token)
        .of(&app);
    assert_eq!(code(&missing, 400), "bad_member");
}

#[test]
fn tokens_are_wanted_once_and_in_the_header() {
    let app = app(&[]);
    let good = log_in(&app);
    let bare = good.strip_prefix("Bearer ").unwrap();
    let missing = get("/secure-data").of(&app);
    assert_eq!(code(&missing, 401), "token_missing");
    assert_eq!(missing.header("WWW-Authenticate"), Some("Bearer"));
    let basic = format!("Basic {bare}");
    let glued = format!("Bearer{bare}");
    for value in ["", "Bearer", "Bearer ", &basic, bare, &glued] {
        assert_eq!(
            code(
                &get("/secure-data").with("Authorization", value).of(&app),
                401
            ),
            "token_missing"
        );
    }
    let in_query = format!("/secure-data?token={bare}&access_token={bare}");
    assert_eq!(code(&get(&in_query).of(&app), 401), "token_missing");
    let twice = get("/secure-data")
        .with("Authorization", &good)
        .with("authorization", &good)
        .of(&app);
    assert_eq!(code(&twice, 400), "bad_request");
    let malformed = get("/secure-data")
        .with("Authorization", "Bearer a.b.c")
        .of(&app);
    assert_eq!(code(&malformed, 401), "token_malformed");
    assert_eq!(
        malformed.header("WWW-Authenticate"),
        Some(r#"Bearer error="invalid_token", error_description="Token is malformed""#)
    );
    let foreign = log_in(&super::tests::app(&[]));
    assert_eq!(
        code(
            &get("/secure-data").with("Authorization", &foreign).of(&app),
            401
        ),
        "token_invalid"
    );
    let spaced = format!("Bearer   {bare} ");
    assert_eq!(
        get("/secure-data")
            .with("Authorization", &spaced)
            .of(&app)
            .status()
            .0,
        200
    );
}

#[test]
fn a_token_without_the_scope_is_told_which_one() {
    let app = app(&[]);
    let login = post("/login", r#"{"username": "a", "scope": "decrypt"}"#).of(&app);
    let token = format!("Bearer {}", body(&login)["token"].as_str().unwrap());
    let response = get("/secure-data").with("Authorization", &token).of(&app);
    assert_eq!(code(&response, 403), "insufficient_scope");
    assert_eq!(
        response.header("WWW-Authenticate"),
        Some(r#"Bearer error="insufficient_scope", scope="secure-data""#)
    );
    for scope in ["admin", "decrypt admin", "decrypt  encrypt"] {
        let ask = json!({"username": "a", "scope": scope}).to_string();
        assert_eq!(code(&post("/login", &ask).of(&app), 400), "bad_member");
    }
}

#[test]
fn five_requests_in_sixty_seconds_then_429() {
    let app = app(&[]);
    let token = log_in(&app);
    for left in [4, 3, 2, 1, 0] {
        let response = get("/secure-data").with("Authorization", &token).of(&app);
        assert_eq!(response.status().0, 200);
        assert!(
            response
                .header("RateLimit")
                .unwrap()
                .contains(&format!("r={left};"))
        );
    }
    for ask in [
        get("/secure-data"),
        post("/decrypt", "{}"),
        post("/encrypt", "{}"),
    ] {
        let response = ask.with("Authorization", &token).of(&app);
        assert_eq!(code(&response, 429), "rate_limited");
        let wait: u64 = response.header("Retry-After").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait));
        assert!(
            response
                .header("RateLimit")
                .unwrap()
                .starts_with(r#""default";r=0;t="#)
        );
    }
    // Another user is another caller, and a refused token counts for nobody.
    let other = post("/login", r#"{"username": "other"}"#).of(&app);
    let other = format!("Bearer {}", body(&other)["token"].as_str().unwrap());
    assert_eq!(
        get("/secure-data")
            .with("Authorization", &other)
            .of(&app)
            .status()
            .0,
        200
    );
}

#[test]
fn logins_have_limits_of_their_own() {
    let app = app(&[("login_max_requests", "3")]);
    for user in ["a", "b", "c"] {
        let ask = json!({"username": user}).to_string();
        let response = post("/login", &ask).of(&app);
        assert_eq!(response.status().0, 200);
        assert!(
            response
                .header("RateLimit-Policy")
                .unwrap()
                .starts_with(r#""login";q=3"#)
        );
    }
    let response = post("/login", r#"{"username": "d"}"#).of(&app);
    assert_eq!(code(&response, 429), "rate_limited");
    assert!(response.header("Retry-After").is_some());
    let elsewhere = post("/login", r#"{"username": "d"}"#)
        .from("127.0.0.2", true)
        .of(&app);
    assert_eq!(elsewhere.status().0, 200);
    let off = super::tests::app(&[("login_max_requests", "0")]);
    for _ in 0..200 {
        assert_eq!(
            post("/login", r#"{"username": "a"}"#).of(&off).status().0,
            200
        );
    }
}

#[test]
fn open_login_is_for_callers_of_this_machine() {
    let auto = app(&[("allowed_hosts", "my.test")]);
    let ask = || post("/login", r#"{"username": "a"}"#);
    let refused = |ask: Ask<'_>| code(&ask.of(&auto), 403) == "login_refused";
    assert!(refused(ask().from("192.0.2.1", false)));
    assert!(
        refused(ask().from("127.0.0.1", false)),
        "the listener can be reached by others"
    );
    for proxy_header in ["X-Forwarded-For", "forwarded", "Via"] {
        assert!(refused(ask().with(proxy_header, "x")), "{proxy_header}");
    }
    for host in [
        "evil.test",
        "localhost.evil.test",
        "192.0.2.1:5000",
        "127.0.0.1.evil.test",
        "",
        "[::2]:80",
        "my.test.evil",
    ] {
        assert!(refused(ask().without("Host").with("Host", host)), "{host}");
    }
    for host in [
        "localhost",
        "LOCALHOST:1",
        "a.localhost",
        "127.0.0.1:5000",
        "127.9.9.9",
        "[::1]:5000",
        "[::1]",
        "my.test",
        "my.test:80",
    ] {
        assert_eq!(
            ask()
                .without("Host")
                .with("Host", host)
                .of(&auto)
                .status()
                .0,
            200,
            "{host}"
        );
    }
    let unix = ask()
        .without("Host")
        .with("Host", "anything")
        .from("unix", true);
    assert_eq!(unix.of(&auto).status().0, 200);

    let open = app(&[("login", "open")]);
    assert_eq!(
        ask()
            .from("192.0.2.1", false)
            .with("Via", "x")
            .of(&open)
            .status()
            .0,
        200
    );
    assert_eq!(
        code(&ask().of(&app(&[("login", "off")])), 403),
        "login_refused"
    );
}

#[test]
fn names_that_are_no_usernames_are_refused() {
    let app = app(&[("login_max_requests", "0")]);
    let long = json!({"username": "x".repeat(257)}).to_string();
    for wrong in [
        "{}",
        r#"{"username": ""}"#,
        r#"{"username": 1}"#,
        r#"{"username": null}"#,
        r#"{"username": "a\nb"}"#,
        &long,
    ] {
        assert_eq!(
            code(&post("/login", wrong).of(&app), 400),
            "bad_member",
            "{wrong}"
        );
    }
    let longest = json!({"username": "ü".repeat(256)}).to_string();
    assert_eq!(post("/login", &longest).of(&app).status().0, 200);
}

#[test]
fn bodies_must_be_json_and_say_so() {
    let app = app(&[("login_max_requests", "0")]);
    for wrong in [
        "",
        "x",
        "{",
        "[]",
        "\"a\"",
        r#"{"username":"a","username":"b"}"#,
        "{\"username\":\"a\"} x",
    ] {
        assert_eq!(
            code(&post("/login", wrong).of(&app), 400),
            "bad_json",
            "{wrong}"
        );
    }
    let deep = format!("{{\"username\":{}1{}}}", "[".repeat(70), "]".repeat(70));
    assert_eq!(code(&post("/login", &deep).of(&app), 400), "bad_json");
    let good = r#"{"username":"a"}"#;
    for wrong in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin1",
        "",
    ] {
        let response = post("/login", good)
            .without("Content-Type")
            .with("Content-Type", wrong)
            .of(&app);
        assert_eq!(code(&response, 415), "unsupported_media_type", "{wrong}");
    }
    assert_eq!(
        code(&post("/login", good).without("Content-Type").of(&app), 415),
        "unsupported_media_type"
    );
    for right in [
        "Application/JSON",
        "application/json; charset=UTF-8",
        "application/problem+json",
    ] {
        let response = post("/login", good)
            .without("Content-Type")
            .with("Content-Type", right)
            .of(&app);
        assert_eq!(response.status().0, 200, "{right}");
    }
}

#[test]
fn unknown_paths_and_methods() {
    let app = app(&[]);
    for path in [
        "/nothing",
        "/login/",
        "//",
        "/Secure-Data",
        "/secure-data/..",
    ] {
        assert_eq!(code(&get(path).of(&app), 404), "not_found");
    }
    let response = get("/login").of(&app);
    assert_eq!(code(&response, 405), "method_not_allowed");
    assert_eq!(response.header("Allow"), Some("POST, OPTIONS"));
    let mut ask = get("/secure-data");
    ask.method = Method::Trace;
    let response = ask.of(&app);
    assert_eq!(code(&response, 405), "method_not_allowed");
    assert_eq!(response.header("Allow"), Some("GET, HEAD, OPTIONS"));
    let mut ask = get("/decrypt");
    ask.method = Method::Options;
    let response = ask.of(&app);
    assert_eq!(
        (response.status().0, response.header("Allow")),
        (204, Some("POST, OPTIONS"))
    );
    assert!(response.body().is_empty());
    let mut ask = get("/healthz");
    ask.method = Method::Head;
    assert_eq!(ask.of(&app).status().0, 200);
}

#[test]
fn every_answer_has_its_headers() {
    let app = app(&[]);
    for ask in [
        get("/"),
        get("/nothing"),
        get("/healthz"),
        get("/readyz"),
        post("/login", "{}"),
    ] {
        let response = ask.of(&app);
        assert!(
            response
                .header("X-Request-Id")
                .is_some_and(|id| id.len() >= 8)
        );
        assert_eq!(response.header("X-Content-Type-Options"), Some("nosniff"));
        assert!(response.header("Content-Type").is_some());
    }
    let id = |theirs: &str| {
        get("/")
            .with("X-Request-Id", theirs)
            .of(&app)
            .header("X-Request-Id")
            .unwrap()
            .to_owned()
    };
    assert_eq!(id("abc-DEF_123"), "abc-DEF_123");
    let long = "a".repeat(65);
    for unclean in ["", "a b", "a.b", "a\"b", "ä", &long] {
        assert_ne!(id(unclean), unclean);
    }
    assert_ne!(id("a.b"), id("a.b"));
}

#[test]
fn a_changed_file_is_noticed_and_a_lost_one_leaves_the_last_content() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    std::fs::write(&path, "first").unwrap();
    let app = app(&[
        ("secure_data_file", path.to_str().unwrap()),
        ("max_requests", "0"),
    ]);
    let token = log_in(&app);
    let current = || {
        let sealed = body(&get("/secure-data").with("Authorization", &token).of(&app));
        let sealed = sealed["encrypted_data"].as_str().unwrap().to_owned();
        String::from_utf8(app.gate().decrypt_data(&sealed, b"").unwrap().into_vec()).unwrap()
    };
    assert_eq!(current(), "first");
    std::fs::write(&path, "second content").unwrap();
    assert_eq!(current(), "first", "looked at once a second at most");
    let second = std::time::Duration::from_millis(1050);
    std::thread::sleep(second);
    assert_eq!(current(), "second content");
    std::fs::remove_file(&path).unwrap();
    std::thread::sleep(second);
    assert_eq!(current(), "second content");
    std::fs::write(&path, vec![b'x'; (1 << 20) + 1]).unwrap();
    std::thread::sleep(second);
    assert_eq!(current(), "second content");

    let start = |path: &std::path::Path| {
        let mut config = Config::new();
        config.set("keys", "ephemeral").unwrap();
        config
            .set("secure_data_file", path.to_str().unwrap())
            .unwrap();
        let settings = config.settings().unwrap();
        App::new(Gate::new(&settings.gate).unwrap(), &settings.app)
            .unwrap_err()
            .to_string()
    };
    assert!(start(&path).contains("larger than 1 MiB"));
    assert!(start(folder.path()).contains("not a file"));
    assert!(start(&folder.path().join("none")).contains("cannot be read"));
}

#[test]
fn headers_of_a_host_cannot_write_an_answer_of_their_own() {
    let mut response = Response::empty(200);
    response.set_header("X-Own", "fine").unwrap();
    for (name, value) in [
        ("", "a"),
        ("a b", "a"),
        ("a:", "a"),
        ("X", "a\r\nSet-Cookie: b"),
        ("X", "a\0"),
        ("X\n", "a"),
    ] {
        assert!(response.set_header(name, value).is_err());
    }
    assert_eq!(response.headers().count(), 1);
}
