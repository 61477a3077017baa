//! Who may do what, and how often.

use serde_json::json;

use super::*;

#[test]
fn exactly_one_token_is_required_in_the_header() {
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
    let foreign = log_in(&super::app(&[]));
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
fn the_error_for_a_missing_scope_names_it() {
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
    // Users are counted separately, and a refused token counts for no one.
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

/// A client that waits for Retry-After is admitted, and that is the rest of the window, rounded up.
#[test]
fn retry_after_is_the_wait_in_whole_seconds() {
    let app = app(&[("max_requests", "1"), ("rate_limit_window", "2")]);
    let token = log_in(&app);
    let ask = || get("/secure-data").with("Authorization", &token).of(&app);
    let before = std::time::Instant::now();
    assert_eq!(ask().status().0, 200);
    let after = std::time::Instant::now();
    let refused = ask();
    assert_eq!(code(&refused, 429), "rate_limited");
    let wait: u64 = refused.header("Retry-After").unwrap().parse().unwrap();
    let left = 2.0 - after.elapsed().as_secs_f64();
    assert!(wait as f64 >= left && wait <= 2, "{wait} s, {left} s left");
    std::thread::sleep(std::time::Duration::from_secs(wait));
    assert_eq!(ask().status().0, 200, "after {:?}", before.elapsed());
}

#[test]
fn logins_have_separate_limits() {
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
        .from(of_user("127.0.0.2", me()))
        .of(&app);
    assert_eq!(elsewhere.status().0, 200);
    let off = super::app(&[("login_max_requests", "0")]);
    // An IPv6 site gets four times as many, across all its networks and names.
    let sites = super::app(&[("login", "open"), ("login_max_requests", "3")]);
    let statuses = (0..20).map(|n| {
        let ask = json!({"username": format!("{n}")}).to_string();
        let from = stranger(&format!("2001:db8:0:{n:x}::1"));
        post("/login", &ask).from(from).of(&sites).status().0
    });
    assert_eq!(statuses.filter(|status| *status == 200).count(), 12);
    let elsewhere = post("/login", r#"{"username": "a"}"#)
        .from(stranger("2001:db8:1::1"))
        .of(&sites);
    assert_eq!(elsewhere.status().0, 200);
    // Neighbouring IPv4 addresses are counted separately.
    for n in 0..20 {
        let ask = json!({"username": format!("{n}")}).to_string();
        let from = stranger(&format!("192.0.2.{n}"));
        assert_eq!(post("/login", &ask).from(from).of(&sites).status().0, 200);
    }
    for _ in 0..200 {
        assert_eq!(
            post("/login", r#"{"username": "a"}"#).of(&off).status().0,
            200
        );
    }
}

#[test]
fn open_login_is_for_processes_of_the_servers_own_user() {
    let auto = app(&[("allowed_hosts", "my.test")]);
    let ask = || post("/login", r#"{"username": "a"}"#);
    let refused = |ask: Ask<'_>| code(&ask.of(&auto), 403) == "login_refused";
    assert!(refused(ask().from(stranger("192.0.2.1"))));
    assert!(
        refused(ask().from(stranger("127.0.0.1"))),
        "other machines can reach the listener"
    );
    let other = me().map(|me| me + 1);
    for address in ["127.0.0.1", "unix"] {
        assert!(refused(ask().from(of_user(address, other))), "{address}");
        assert!(refused(ask().from(of_user(address, None))), "{address}");
    }
    // Where nothing listens, no process has connected.
    let (gone, server) = (([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into());
    assert!(refused(ask().from(Peer::tcp(gone, server))));
    let mut old = ask();
    old.version_1_0 = true;
    assert!(refused(old));
    for proxy_header in [
        "X-Forwarded-For",
        "forwarded",
        "Via",
        "X-Real-IP",
        "x-forwarded-proto",
    ] {
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
        .from(of_user("unix", me()));
    assert_eq!(unix.of(&auto).status().0, 200);

    // The remedies, the safest first.
    let said = body(&ask().from(of_user("unix", other)).of(&auto));
    let detail = said["detail"].as_str().unwrap();
    let account = detail.find("sealgate user add NAME");
    assert!(
        account < detail.find("SEALGATE_LOGIN=open") && account.is_some(),
        "{detail}"
    );
    assert!(detail.contains("without a password"), "{detail}");

    let open = app(&[("login", "open")]);
    assert_eq!(
        ask()
            .from(stranger("192.0.2.1"))
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
fn a_connection_that_names_a_client_is_not_local() {
    let app = app(&[]);
    for client in [None, Some("127.0.0.1".parse().unwrap())] {
        let mut peer = own();
        peer.serve(client);
        let response = post("/login", r#"{"username": "a"}"#).from(peer).of(&app);
        assert_eq!(code(&response, 403), "login_refused");
    }
}

#[test]
fn a_caller_behind_a_trusted_proxy_is_not_local() {
    let app = app(&[
        ("trusted_proxies", "127.0.0.9"),
        ("forwarded_header", "X-Client"),
    ]);
    let ask = || post("/login", r#"{"username": "a"}"#);
    assert_eq!(
        code(&ask().with("X-Client", "203.0.113.9").of(&app), 403),
        "login_refused"
    );
    assert_eq!(
        code(&ask().from(of_user("127.0.0.9", me())).of(&app), 403),
        "login_refused"
    );
    assert_eq!(ask().of(&app).status().0, 200);
    for host in ["evil.test/.localhost", "user@x.localhost", "[[127.0.0.1]]"] {
        let response = ask().without("Host").with("Host", host).of(&app);
        assert_eq!(code(&response, 403), "login_refused", "{host}");
    }
}

#[test]
fn invalid_usernames_are_refused() {
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
fn only_logins_with_passwords_count_as_hashing() {
    let app = app(&[("password_memory", "1024"), ("password_passes", "1")]);
    let post_cost = |path: &str| cost(&app, &Method::Post, path);
    assert_eq!(post_cost("/login"), Cost::Quick);
    // Now there is a store, which may make a login wait.
    app.gate().revoke_user("bob").unwrap();
    assert_eq!(post_cost("/login"), Cost::Slow);
    let users = app.gate().users();
    users
        .add("alice", &"a quiet harbour".into(), "encrypt")
        .unwrap();
    assert_eq!(post_cost("/login"), Cost::Hashing);
    assert_eq!(cost(&app, &Method::Get, "/login"), Cost::Quick);
    for path in ["/refresh", "/logout", "/token", "/revoke"] {
        assert_eq!(post_cost(path), Cost::Slow, "{path}");
    }
    assert_eq!(post_cost("/password"), Cost::Hashing);
    assert_eq!(post_cost("/introspect"), Cost::Quick);
    let ask = json!({"username": "alice", "password": "a quiet harbour"}).to_string();
    let response = post("/login", &ask).of(&app);
    assert_eq!(response.status().0, 200);
    assert_eq!(response.header("Cache-Control"), Some("no-store"));
    let token = format!("Bearer {}", body(&response)["token"].as_str().unwrap());
    let sealed = post("/encrypt", r#"{"data": "x"}"#)
        .with("Authorization", &token)
        .of(&app);
    assert_eq!(sealed.status().0, 200);
}
