//! Policies and costs that a reverse proxy names.

use super::limits::{LIMITS, app_of, bearer, left};
use super::*;

#[test]
fn a_proxy_names_policies_and_costs() {
    let app = app_of(&[LIMITS], Vec::new()).unwrap();
    let alice = bearer(&app, "alice", "encrypt");
    let ask = |target: &str| get(target).with("Authorization", &alice).of(&app);
    for (target, status, remaining) in [
        ("/verify?policy=exports&cost=3", 204, r#""exports";r=7"#),
        ("/verify?policy=exports", 204, r#""exports";r=6"#),
        ("/verify?policy=exports&cost=0", 204, r#""exports";r=6"#),
        ("/verify?policy=exports&cost=7", 429, r#""exports";r=6"#),
        (
            "/verify?limit=default&policy=exports&cost=2",
            204,
            r#""default";r=4, "exports";r=4"#,
        ),
        ("/verify?policy=default&cost=2", 204, r#""default";r=2"#),
        (
            "/verify/for/-/default,exports:4/orders/7?cost=0",
            204,
            r#""default";r=1, "exports";r=0"#,
        ),
        (
            "/verify/for/encrypt/exports,default/",
            429,
            r#""default";r=1, "exports";r=0"#,
        ),
        ("/verify/for/encrypt/default/", 204, r#""default";r=0"#),
    ] {
        let answer = ask(target);
        assert_eq!(answer.status().0, status, "{target}");
        assert_eq!(left(&answer), remaining, "{target}");
        assert_eq!(answer.header("X-Auth-User").is_some(), status == 204);
    }
    for target in [
        "/verify?policy=other",
        "/verify?policy=",
        "/verify?policy=exports&cost=",
        "/verify?policy=exports&cost=-1",
        "/verify?policy=exports&cost=%2B1",
        "/verify?policy=exports&cost=11",
        "/verify?policy=exports&cost=99999999999",
        "/verify?policy=exports&policy=quick",
        "/verify?cost=1",
        "/verify?limit=exports",
        "/verify?limit=default&policy=default",
        "/verify?scope=",
        "/verify?scope",
        "/verify?%73cope=a&scope=b",
        "/verify/for//-/",
        "/verify/for/-/other/",
        "/verify/for/-/exports:/",
        "/verify/for/-/exports:x/",
        "/verify/for/-/exports:11/",
        "/verify/for/-/exports,exports/",
        "/verify/for/-/exports,/",
        "/verify/for/-//",
    ] {
        assert_eq!(code(&ask(target), 400), "bad_request", "{target}");
    }
    assert_eq!(
        code(&ask("/verify?%73cope=nope"), 403),
        "insufficient_scope"
    );
    // Whoever has no token does not learn which policies there are.
    for target in ["/verify?policy=other", "/verify?policy=exports"] {
        assert_eq!(code(&get(target).of(&app), 401), "token_missing");
    }
    // The address is the client's, and the user without an API key counts apart from every key.
    let near = get("/verify?policy=near").with("Authorization", &alice);
    let near = near.from(stranger("192.0.2.9")).of(&app);
    assert_eq!(left(&near), r#""near";r=3"#);
    let keyed = ask("/verify?policy=keyed");
    assert_eq!(left(&keyed), r#""keyed";r=4"#);
    let remaining = |name, policy| {
        let state = app.gate().peek_limit(name, policy, 0);
        state.unwrap().unwrap().remaining
    };
    assert_eq!(remaining("alice", "keyed"), 5);
    assert_eq!(remaining("user alice", "keyed"), 4);
    assert_eq!(remaining("192.0.2.9", "near"), 3);
}
