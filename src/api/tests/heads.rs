//! What the head alone decides, and what is counted when the body arrives later.

use super::*;

/// The response known before the body of `length` bytes has arrived.
fn refused(app: &App, ask: &Ask<'_>, length: Option<usize>) -> Option<Response> {
    ask.seen(|request| app.admit(request, length)).err()
}

fn token(app: &App, scope: &str) -> String {
    let grant = crate::tokens::Grant {
        subject: "alice",
        scope,
        ..crate::tokens::Grant::default()
    };
    format!("Bearer {}", app.gate().issue_token(&grant).unwrap())
}

#[test]
fn errors_in_the_head_are_answered_before_the_body() {
    let app = app(&[]);
    let (reads, seals) = (token(&app, "secure-data"), token(&app, "encrypt"));
    let data = |token| post("/encrypt", "").with("Authorization", token);
    let text = |ask: Ask<'static>| {
        ask.without("Content-Type")
            .with("Content-Type", "text/plain")
    };
    for (ask, length, status, expected) in [
        (post("/nope", ""), 800_000, 404, "not_found"),
        (post("/healthz", ""), 800_000, 405, "method_not_allowed"),
        (post("/encrypt", ""), 800_000, 401, "missing_token"),
        (data("Bearer a.b.c"), 800_000, 401, "malformed_token"),
        (data(&reads), 800_000, 403, "insufficient_scope"),
        (text(post("/login", "")), 100, 415, "unsupported_media_type"),
        (text(post("/introspect", "")), 100, 401, "missing_token"),
        (post("/login", ""), 16_385, 413, "body_too_large"),
        (post("/refresh", ""), 16_385, 413, "body_too_large"),
        (get("/healthz"), 16_385, 413, "body_too_large"),
    ] {
        let what = format!("{} {}", ask.method, ask.target);
        let Some(response) = refused(&app, &ask, Some(length)) else {
            panic!("{what} is admitted");
        };
        let code = code(&response, status);
        assert!(code == expected || status == 401, "{what}: {code}");
    }
    for (ask, length) in [
        (post("/login", ""), Some(16_384)),
        (post("/login", ""), None),
        (data(&seals), Some(1 << 20)),
    ] {
        assert!(refused(&app, &ask, length).is_none(), "{}", ask.target);
    }
}

#[test]
fn a_chunked_body_that_is_too_long_is_refused_at_its_end() {
    let app = app(&[("max_credentials", "1024")]);
    for (size, status, name) in [(1024, 400, "bad_json"), (1025, 413, "body_too_large")] {
        let body = " ".repeat(size);
        let ask = post("/login", &body);
        let response = ask.seen(|request| {
            let admitted = app.admit(request, None).unwrap_or_else(|_| unreachable!());
            assert_eq!(admitted.max_body(), 1024);
            app.complete(request, Begun::Admitted(Box::new(admitted)))
        });
        assert_eq!(code(&response, status), name);
        // An engine that reads the body first gets the same response.
        assert_eq!(code(&ask.of(&app), status), name);
    }
}

#[test]
fn a_request_whose_body_arrives_later_is_counted_once() {
    let app = app(&[("max_requests", "3")]);
    let seals = token(&app, "encrypt");
    let ask = post("/encrypt", r#"{"data":"a"}"#).with("Authorization", &seals);
    let left = |response: &Response| {
        let limit = response.header("RateLimit").unwrap();
        limit.split_once("r=").unwrap().1[..1].to_owned()
    };
    let later = |length| {
        ask.seen(|request| {
            let admitted = app
                .admit(request, length)
                .unwrap_or_else(|_| unreachable!());
            app.complete(request, Begun::Admitted(Box::new(admitted)))
        })
    };
    assert_eq!(left(&later(Some(12))), "2");
    assert_eq!(left(&ask.of(&app)), "1");
    // A body of the wrong type counts, too.
    let wrong = post("/encrypt", "")
        .without("Content-Type")
        .with("Authorization", &seals);
    let response = refused(&app, &wrong, Some(100)).unwrap();
    assert_eq!(code(&response, 415), "unsupported_media_type");
    assert_eq!(left(&response), "0");
    let response = refused(&app, &ask, Some(100)).unwrap();
    assert_eq!(code(&response, 429), "rate_limited");
    assert_eq!(left(&response), "0");
}

#[test]
fn the_cost_is_that_of_the_route_however_much_has_been_checked() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), vec![b'x'; 70_000]).unwrap();
    let app = app(&[("secure_data_file", file.path().to_str().unwrap())]);
    let reads = token(&app, "secure-data encrypt decrypt");
    let authorized = |ask: Ask<'static>| ask.with("Authorization", &reads);
    for (ask, small, large) in [
        (get("/secure-data"), Cost::Large, Cost::Large),
        (post("/encrypt", ""), Cost::Quick, Cost::Large),
        (post("/decrypt", ""), Cost::Quick, Cost::Growing),
        (post("/logout", ""), Cost::Slow, Cost::Slow),
        (get("/healthz"), Cost::Quick, Cost::Large),
    ] {
        let what = ask.target;
        let ask = authorized(ask);
        let found = || Begun::Found(app.find(&ask.method, ask.target));
        let admitted = || {
            let admitted = ask.seen(|request| app.admit(request, None));
            Begun::Admitted(Box::new(admitted.unwrap_or_else(|_| unreachable!())))
        };
        for begun in [found(), admitted()] {
            assert_eq!(app.cost(&begun, 64 << 10), small, "{what}");
            assert_eq!(app.cost(&begun, (64 << 10) + 1), large, "{what}");
        }
    }
    // Refused whatever its body holds.
    assert_eq!(cost(&app, &Method::Post, "/secure-data"), Cost::Quick);
    assert_eq!(cost(&app, &Method::Get, "/nope"), Cost::Quick);
    assert_eq!(cost(&app, &Method::Options, "*"), Cost::Quick);
}
