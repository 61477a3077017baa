//! The route that reverse proxies ask for each request.

use serde_json::json;

use crate::common::{Answer, Server, run, sealgate};

fn ask(server: &Server, line: &str, headers: &[(&str, &str)]) -> Answer {
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    server.send(format!("{line} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").as_bytes())
}

fn token(server: &Server, user: &str, scope: &str) -> String {
    let body = json!({"username": user, "scope": scope}).to_string();
    let answer = server.post("/login", &body, None);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["token"].as_str().unwrap().to_owned()
}

#[test]
fn the_answer_says_whose_request_it_is() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(home.path(), &[("MAX_REQUESTS", "2")]);
    let bearer = |user, scope| format!("Bearer {}", token(&server, user, scope));
    let alice = bearer("alice", "encrypt decrypt");
    let good = ask(
        &server,
        "GET /verify?scope=encrypt",
        &[("Authorization", &alice)],
    );
    assert_eq!((good.status, &*good.body), (204, ""));
    assert_eq!(good.header("X-Auth-User"), Some("alice"));
    assert_eq!(good.header("X-Auth-Scope"), Some("encrypt decrypt"));
    assert_eq!(good.header("Cache-Control"), Some("no-store"));
    let expires: u64 = good.header("X-Auth-Expires").unwrap().parse().unwrap();
    assert!(expires > 1_700_000_000);
    // Nobody is taken for anybody else: a header loses spaces at its ends.
    let other = bearer("alice ", "encrypt");
    let good = ask(&server, "GET /verify", &[("Authorization", &other)]);
    assert_eq!(good.header("X-Auth-User"), Some("alice%20"));

    for (line, authorization, status, code) in [
        ("GET /verify", None, 401, "token_missing"),
        (
            "GET /verify",
            Some("Bearer no.to.ken"),
            401,
            "token_malformed",
        ),
        (
            "GET /verify?scope=secure-data",
            Some(&*alice),
            403,
            "insufficient_scope",
        ),
        (
            "GET /verify?scope=encrypt+secure-data",
            Some(&alice),
            403,
            "insufficient_scope",
        ),
        (
            "GET /verify?scope=encrypt&scope=decrypt",
            Some(&alice),
            400,
            "bad_request",
        ),
        ("GET /verify?scope=%22", Some(&alice), 400, "bad_request"),
        ("GET /verify?limit=other", Some(&alice), 400, "bad_request"),
        ("POST /verify", Some(&alice), 405, "method_not_allowed"),
    ] {
        let headers: Vec<_> = authorization
            .map(|value| ("Authorization", value))
            .into_iter()
            .collect();
        let answer = ask(&server, line, &headers);
        assert_eq!((answer.status, &*answer.code()), (status, code), "{line}");
        assert_eq!(answer.header("X-Auth-User"), None, "{line}");
    }
    // Only requests that ask for it count.
    for status in [204, 204, 429] {
        let counted = ask(
            &server,
            "GET /verify?limit=default",
            &[("Authorization", &alice)],
        );
        assert_eq!(counted.status, status);
        assert!(counted.header("RateLimit").is_some());
        let uncounted = ask(&server, "GET /verify", &[("Authorization", &alice)]);
        assert_eq!(uncounted.status, 204);
    }
    server.stop();
}

/// What is required stands in front of the client's path, whose query changes nothing.
#[test]
fn for_envoy_the_original_path_follows() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(home.path(), &[]);
    let alice = format!("Bearer {}", token(&server, "alice", "encrypt"));
    for (line, status) in [
        ("POST /verify/for/encrypt/-/orders/7?scope=decrypt", 204),
        ("DELETE /verify/for/encrypt/default/", 204),
        ("OPTIONS /verify/for/-/-/", 204),
        ("GET /verify/for/decrypt/-/orders/7?scope=encrypt", 403),
        ("GET /verify/for/decrypt/-/for/encrypt/-/", 403),
        ("GET /verify/for/encrypt/other/", 400),
        ("GET /verify/for/encrypt/-", 400),
        ("GET /verify/for", 404),
    ] {
        let answer = ask(&server, line, &[("Authorization", &alice)]);
        assert_eq!(answer.status, status, "{line}: {}", answer.body);
    }
    server.stop();
}

#[test]
fn the_log_names_the_original_request_and_its_trace() {
    let home = tempfile::tempdir().unwrap();
    let audit = home.path().join("audit");
    let server = Server::start(
        home.path(),
        &[
            (
                "SEALGATE_VERIFY_HEADERS",
                "Remote-User,Remote-Scope,Remote-Until",
            ),
            ("SEALGATE_AUDIT_FILE", audit.to_str().unwrap()),
        ],
    );
    let alice = format!("Bearer {}", token(&server, "alice", "encrypt"));
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    let headers = [
        ("Authorization", &*alice),
        ("X-Forwarded-Method", "POST"),
        ("X-Forwarded-Uri", "/secret/path?token=abc"),
        ("traceparent", &parent),
    ];
    let good = ask(&server, "GET /verify", &headers);
    assert_eq!(good.header("Remote-User"), Some("alice"));
    assert_eq!(ask(&server, "GET /verify", &headers[1..]).status, 401);
    let wrong = [("traceparent", "00-0-0-0"), ("traceparent", &parent)];
    assert_eq!(ask(&server, "GET /healthz", &wrong).status, 200);
    let log = server.stop();
    let line = log
        .lines()
        .find(|line| line.contains("for_method=POST"))
        .unwrap();
    assert!(line.contains("for_path=/se***"), "{line}");
    assert!(
        line.contains(&format!("trace={trace} span=00f067aa0ba902b7")),
        "{line}"
    );
    assert!(!log.contains("abc") && !log.contains("secret"), "{log}");
    let healthz = log.lines().find(|line| line.contains("/healthz")).unwrap();
    assert!(!healthz.contains("trace="), "{healthz}");
    let trail = std::fs::read_to_string(audit).unwrap();
    let denied = trail
        .lines()
        .find(|line| line.contains("event=denied"))
        .unwrap();
    assert!(denied.contains(&format!("trace={trace}")), "{denied}");
}

#[test]
fn three_names_are_wanted_for_the_headers() {
    let home = tempfile::tempdir().unwrap();
    for wrong in ["A,B", "A,B,C,D", "A,B,a", "A,B,Content-Length", "A,B,C D"] {
        let mut check = sealgate(home.path());
        check
            .args(["config", "--check"])
            .env("SEALGATE_VERIFY_HEADERS", wrong);
        let checked = run(check, b"");
        assert_eq!(checked.status.code(), Some(2), "{wrong}");
    }
}
