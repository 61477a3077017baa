//! What each route accepts and returns.

use serde_json::json;

use super::*;

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
            "/rewrap",
            "/refresh",
            "/logout",
            "/password",
            "/token",
            "/revoke",
            "/introspect",
            "/limit",
            "/limit/reset",
            "/verify",
            "/verify/for/",
            "/api-keys",
            "/api-keys",
            "/api-keys/revoke",
            "/.well-known/jwks.json",
            "/.well-known/oauth-authorization-server",
            "/healthz",
            "/readyz",
            "/openapi.json"
        ]
    );
    assert_eq!(get("/?x=y").of(&app(&[])).status().0, 200);
}

#[test]
fn from_login_to_decrypted_data() {
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
fn every_decryption_failure_gets_the_same_response() {
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
    let foreign = super::app(&[]).gate().encrypt_data(b"x", b"").unwrap();
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
fn bodies_must_be_json_and_declared_as_such() {
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
    let mut ask = get("*");
    assert_eq!(code(&ask.of(&app), 404), "not_found");
    ask.method = Method::Options;
    let response = ask.of(&app);
    let allowed = Some("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    assert_eq!(
        (response.status().0, response.header("Allow")),
        (204, allowed)
    );
    let mut ask = get("/healthz");
    ask.method = Method::Head;
    assert_eq!(ask.of(&app).status().0, 200);
}

#[test]
fn every_response_has_the_common_headers() {
    let app = app(&[]);
    for ask in [
        get("/"),
        get("/nothing"),
        get("/healthz"),
        get("/readyz"),
        post("/login", "{}"),
        get("/secure-data"),
        post("/healthz", ""),
    ] {
        let is_index = ask.target == "/";
        let response = ask.of(&app);
        let kept = response.header("Cache-Control") != Some("no-store");
        assert_eq!(kept, is_index, "{response:?}");
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
fn a_changed_file_is_reloaded_and_a_missing_one_keeps_the_last_content() {
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
    let looked = std::time::Instant::now();
    assert_eq!(current(), "first");
    std::fs::write(&path, "second content").unwrap();
    let known = current();
    if looked.elapsed().as_millis() < 1000 {
        assert_eq!(known, "first", "checked once a second at most");
    }
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
fn host_headers_cannot_inject_a_response() {
    let mut response = Response::empty(200);
    response.set_header("X-Own", "fine").unwrap();
    for (name, value) in [
        ("", "a"),
        ("a b", "a"),
        ("a:", "a"),
        ("X", "a\r\nSet-Cookie: b"),
        ("X", "a\0"),
        ("X\n", "a"),
        ("content-length", "1"),
        ("Transfer-Encoding", "chunked"),
        ("CONNECTION", "close"),
        ("Date", "today"),
    ] {
        assert!(response.set_header(name, value).is_err());
    }
    assert_eq!(response.headers().count(), 1);
}

#[test]
fn a_panic_in_a_route_is_answered_with_500_and_reveals_nothing() {
    let mut config = Config::new();
    config.set("keys", "ephemeral").unwrap();
    let settings = config.settings().unwrap();
    let panics = HostRoute::new(Method::Get, "/panics", |_| panic!("canary"));
    let gate = Gate::new(&settings.gate).unwrap();
    let app = App::with_routes(gate, &settings.app, vec![panics]).unwrap();
    let response = get("/panics").of(&app);
    assert_eq!(code(&response, 500), "internal");
    assert!(!body(&response).to_string().contains("canary"));
    assert_eq!(get("/healthz").of(&app).status().0, 200);
}
