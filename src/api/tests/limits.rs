//! Named limits: what counts against them, what is reported, and that a refused request counts nothing and does nothing.

use serde_json::json;

use super::*;
use crate::Grant;
use crate::api::{HostCall, HostRoute};

pub(super) const LIMITS: (&str, &str) = (
    "limits",
    "exports: 10 per 3600; quick: 3 per 60; near: 4 per 60, per address; keyed: 5 per 60, per api key",
);

pub(super) fn app_of(settings: &[(&str, &str)], routes: Vec<HostRoute>) -> Result<App, Error> {
    let mut config = Config::new();
    config.set("keys", "ephemeral").unwrap();
    for (name, value) in settings {
        config.set(name, value).unwrap();
    }
    let settings = config.settings().unwrap();
    App::with_routes(Gate::new(&settings.gate).unwrap(), &settings.app, routes)
}

pub(super) fn bearer(app: &App, subject: &str, scope: &str) -> String {
    let grant = Grant {
        subject,
        scope,
        ..Grant::default()
    };
    format!("Bearer {}", app.gate().issue_token(&grant).unwrap())
}

fn done(_: &HostCall<'_>) -> Response {
    Response::new(200, "text/plain", b"done".to_vec())
}

fn route(path: &str) -> HostRoute {
    HostRoute::new(Method::Get, path, done)
}

/// A header field without the parameter that depends on the time.
fn without_time(field: &str) -> String {
    let items = field.split(", ").map(|item| {
        let (state, time) = item.rsplit_once(";t=").expect("a time");
        let seconds: u64 = time.parse().expect("seconds");
        assert!((1..=3600).contains(&seconds), "{item}");
        state
    });
    items.collect::<Vec<_>>().join(", ")
}

/// What is left of each limit that counted the request.
pub(super) fn left(response: &Response) -> String {
    response
        .header("RateLimit")
        .map_or_else(String::new, without_time)
}

#[test]
fn a_response_reports_every_limit_that_counted_the_request() {
    let routes = vec![
        route("/export")
            .with_token("")
            .limited()
            .limited_by("exports", 4)
            .limited_by("quick", 1),
        route("/near").limited_by("near", 2),
    ];
    let app = app_of(&[LIMITS], routes).unwrap();
    let alice = bearer(&app, "alice", "");
    let of = |token: &str| get("/export").with("Authorization", token).of(&app);
    let wait =
        |refused: &Response| -> u64 { refused.header("Retry-After").unwrap().parse().unwrap() };
    let good = of(&alice);
    assert_eq!(good.status().0, 200);
    assert_eq!(
        good.header("RateLimit-Policy"),
        Some(r#""default";q=5;w=60, "exports";q=10;w=3600, "quick";q=3;w=60"#)
    );
    assert_eq!(left(&good), r#""default";r=4, "exports";r=6, "quick";r=2"#);
    assert_eq!(of(&alice).status().0, 200);
    // Of 10 exports 2 are left. The others have room, and count nothing.
    for _ in 0..3 {
        let refused = of(&alice);
        assert_eq!(code(&refused, 429), "rate_limited");
        assert_eq!(
            left(&refused),
            r#""default";r=3, "exports";r=2, "quick";r=1"#
        );
        assert!(wait(&refused) > 3000);
    }
    assert_eq!(
        app.gate()
            .limit("alice", "quick", 1)
            .unwrap()
            .unwrap()
            .remaining,
        0
    );
    // Two refuse: the longest wait counts.
    assert!(wait(&of(&alice)) > 3000);
    // Without a token too, but by address; another user has limits of its own.
    assert_eq!(code(&get("/export").of(&app), 401), "token_missing");
    assert_eq!(of(&bearer(&app, "bob", "")).status().0, 200);
    for (address, status) in [
        ("192.0.2.1", 200),
        ("192.0.2.1", 200),
        ("192.0.2.1", 429),
        ("192.0.2.2", 200),
        ("2001:db8::1", 200),
        ("2001:db8::2", 200),
        ("2001:db8::3", 429),
    ] {
        let answer = get("/near").from(stranger(address)).of(&app);
        assert_eq!(answer.status().0, status, "{address}");
        assert_eq!(
            answer.header("RateLimit-Policy"),
            Some(r#""near";q=4;w=60"#)
        );
    }
}

#[test]
fn a_route_that_cannot_be_limited_as_it_says_is_refused() {
    for (route, what) in [
        (route("/a").with_token("").limited_by("other", 1), "policy"),
        (
            route("/a").with_token("").limited_by("Exports", 1),
            "policy",
        ),
        (
            route("/a").with_token("").limited_by("exports", 11),
            "at most 10",
        ),
        (
            route("/a").with_token("").limited_by("exports", 0),
            "cost of 0",
        ),
        (route("/a").limited_by("exports", 1), "needs a token"),
        (route("/a").limited_by("default", 1), "needs a token"),
        (
            route("/a")
                .with_token("")
                .limited()
                .limited_by("default", 1),
            "twice",
        ),
        (
            route("/a")
                .with_token("")
                .limited_by("quick", 1)
                .limited_by("quick", 2),
            "twice",
        ),
    ] {
        let error = app_of(&[LIMITS], vec![route]).expect_err(what);
        assert!(matches!(error, Error::InvalidInput(_)));
        assert!(error.to_string().contains(what), "{what}: {error}");
    }
    for good in [
        route("/a").with_token("").limited_by("default", 5),
        route("/a").limited_by("near", 4),
    ] {
        assert!(app_of(&[LIMITS], vec![good]).is_ok());
    }
}

fn limit(app: &App, body: &Value) -> Response {
    let token = bearer(app, "shop", "limit limit-reset");
    let path = match body.get("reset") {
        Some(_) => "/limit/reset",
        None => "/limit",
    };
    post(path, &body.to_string())
        .with("Authorization", &token)
        .of(app)
}

#[test]
fn an_application_counts_its_own_callers() {
    let app = app_of(&[LIMITS], Vec::new()).unwrap();
    let count = |given: Value| -> Value {
        let response = limit(&app, &given);
        assert_eq!(response.status().0, 200, "{}", body(&response));
        assert_eq!(response.header("Cache-Control"), Some("no-store"));
        // What the headers report would be the limits of the application.
        assert_eq!(response.header("RateLimit"), None);
        body(&response)
    };
    let state = |allowed: bool, remaining: u32| {
        json!({
            "policy": "exports", "allowed": allowed,
            "limit": 10, "window": 3600, "remaining": remaining, "reset": "later",
        })
    };
    let exports = |given: Value| -> Value {
        let mut found = count(given);
        assert!((1..=3600).contains(&found["reset"].as_u64().unwrap()));
        found["reset"] = "later".into();
        found
    };
    let alice = |cost: u32| json!({"name": "alice", "policy": "exports", "cost": cost});
    let mut peek = alice(6);
    peek["peek"] = true.into();
    assert_eq!(count(peek.clone())["reset"], 0, "nothing has been counted");
    assert_eq!(exports(alice(4)), state(true, 6));
    assert_eq!(exports(peek.clone()), state(true, 6));
    assert_eq!(exports(alice(7)), state(false, 6));
    assert_eq!(exports(alice(0)), state(true, 6));
    assert_eq!(exports(alice(6)), state(true, 0));
    assert_eq!(exports(peek), state(false, 0));
    for written in ["1.0", "10e-1", "0.1e1"] {
        let body = r#"{"name": "carol", "policy": "exports", "cost": COST}"#;
        let token = bearer(&app, "shop", "limit");
        let ask = body.replace("COST", written);
        let ask = post("/limit", &ask).with("Authorization", &token).of(&app);
        assert_eq!(ask.status().0, 200, "{written}");
    }
    assert_eq!(
        count(json!({"name": "carol", "policy": "exports", "cost": 0}))["remaining"],
        7
    );
    // Unless it says otherwise it counts one request against the limit of users.
    assert_eq!(count(json!({"name": "alice"}))["remaining"], 4);
    // A route of the server counts the same user.
    let own = bearer(&app, "alice", "secure-data");
    let own = get("/secure-data").with("Authorization", &own).of(&app);
    assert_eq!(left(&own), r#""default";r=3"#);
    // An address is the same in every spelling.
    let near = |name: &str| count(json!({"name": name, "policy": "near"}))["remaining"].clone();
    for (name, remaining) in [
        ("2001:db8::1", 3),
        ("2001:0DB8:0::ffff", 2),
        ("192.0.2.1", 3),
        ("::ffff:192.0.2.1", 2),
        ("unix", 3),
    ] {
        assert_eq!(near(name), remaining, "{name}");
    }
}

#[test]
fn a_disabled_limit_admits_everything() {
    let app = app_of(&[("max_requests", "0")], Vec::new()).unwrap();
    for cost in [0, 1, 4_000_000_000_u32] {
        let found = limit(&app, &json!({"name": "alice", "cost": cost}));
        let none = Value::Null;
        assert_eq!(
            body(&found),
            json!({
                "policy": "default", "allowed": true,
                "limit": none, "window": none, "remaining": none, "reset": 0,
            })
        );
    }
    let reset = limit(&app, &json!({"name": "alice", "reset": 1}));
    assert_eq!(body(&reset), json!({"policy": "default", "counted": false}));
}

#[test]
fn what_an_application_asks_for_is_checked_and_a_wrong_request_counts_nothing() {
    let app = app_of(&[LIMITS], Vec::new()).unwrap();
    for wrong in [
        json!({}),
        json!({"name": ""}),
        json!({"name": 1}),
        json!({"name": null}),
        json!({"name": "a\nb"}),
        json!({"name": "x".repeat(257)}),
        json!({"name": "alice", "policy": "other"}),
        json!({"name": "alice", "policy": "Default"}),
        json!({"name": "alice", "policy": "exports "}),
        json!({"name": "alice", "policy": ""}),
        json!({"name": "alice", "policy": 1}),
        json!({"name": "alice", "policy": "exports", "cost": 11}),
        json!({"name": "alice", "policy": "exports", "cost": -1}),
        json!({"name": "alice", "policy": "exports", "cost": 1.5}),
        json!({"name": "alice", "policy": "exports", "cost": "1"}),
        json!({"name": "alice", "policy": "exports", "cost": null}),
        json!({"name": "alice", "policy": "exports", "cost": 4_294_967_296_u64}),
        json!({"name": "alice", "policy": "exports", "cost": [1]}),
        json!({"name": "alice", "policy": "exports", "peek": 1}),
        json!({"name": "alice", "policy": "exports", "peek": "true"}),
        json!({"name": "alice", "policy": "near"}),
        json!({"name": "300.1.1.1", "policy": "near"}),
        json!({"reset": 1}),
        json!({"name": "alice", "policy": "other", "reset": 1}),
        json!({"name": "alice", "policy": "near", "reset": 1}),
    ] {
        assert_eq!(code(&limit(&app, &wrong), 400), "bad_member", "{wrong}");
    }
    for (policy, limit) in [("exports", 10), ("default", 5)] {
        let state = app.gate().peek_limit("alice", policy, 0);
        assert_eq!(state.unwrap().unwrap().remaining, limit);
    }
    for (path, scope) in [("/limit", "limit-reset"), ("/limit/reset", "limit")] {
        let token = bearer(&app, "shop", scope);
        let ask = post(path, r#"{"name": "alice"}"#);
        let refused = ask.with("Authorization", &token).of(&app);
        assert_eq!(code(&refused, 403), "insufficient_scope");
        assert_eq!(code(&post(path, "{}").of(&app), 401), "token_missing");
    }
}

#[test]
fn a_reset_leaves_the_whole_limit_to_one_name() {
    let app = app_of(&[LIMITS], Vec::new()).unwrap();
    let count = |name: &str| {
        body(&limit(
            &app,
            &json!({"name": name, "policy": "exports", "cost": 8}),
        ))
    };
    assert_eq!(count("alice")["allowed"], true);
    assert_eq!(count("bob")["allowed"], true);
    let reset = |name: &str| {
        body(&limit(
            &app,
            &json!({"name": name, "policy": "exports", "reset": 1}),
        ))
    };
    assert_eq!(
        reset("alice"),
        json!({"policy": "exports", "counted": true})
    );
    assert_eq!(reset("alice")["counted"], false);
    assert_eq!(count("alice")["allowed"], true);
    assert_eq!(count("bob")["allowed"], false);
}
