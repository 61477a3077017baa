//! A response that departs from openapi.json is noticed, and so is a fault of the document itself.

use serde_json::json;

use super::described::{Described, Exchange};
use super::openapi::planted;
use super::*;

/// A response that the document describes.
fn good(app: &App) -> (Response, Vec<(String, String)>) {
    let response = post("/login", r#"{"username": "alice"}"#).of(app);
    let headers = response.headers();
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let headers = headers.collect();
    (response, headers)
}

#[test]
fn faults_planted_in_the_document_are_noticed_in_a_response() {
    let (response, headers) = good(&app(&[]));
    let headers: Vec<_> = headers.iter().map(|(a, b)| (&**a, &**b)).collect();
    let exchange = Exchange {
        method: "POST",
        target: "/login?a=b",
        status: 200,
        headers: &headers,
        body: response.body(),
    };
    assert_eq!(Described::here().check(&exchange), Ok(()));
    let tokens = "/components/schemas/Tokens";
    for (pointer, value) in [
        ("/paths/~1login/post/responses/200", None),
        (
            "/paths/~1login/post/responses/200/content/application~1json",
            None,
        ),
        (
            "/paths/~1login/post/responses/200/headers/X-New",
            Some(json!({"required": true, "schema": {}})),
        ),
        (
            "/components/headers/NoStore/schema/enum",
            Some(json!(["private"])),
        ),
        (
            "/components/headers/RateLimit/schema/pattern",
            Some(json!("^[0-9]+$")),
        ),
        (
            &*format!("{tokens}/properties/expires_in/type"),
            Some(json!("string")),
        ),
        (
            &*format!("{tokens}/required"),
            Some(json!(["token", "refresh_token"])),
        ),
        (&*format!("{tokens}/properties/token_type"), None),
    ] {
        let described = Described::new(planted(pointer, value));
        assert!(described.check(&exchange).is_err(), "{pointer}");
    }
}

#[test]
fn a_response_that_departs_from_the_document_is_noticed() {
    let (response, headers) = good(&app(&[]));
    let check = |method: &str, status: u16, headers: &[(String, String)], body: &[u8]| {
        let headers: Vec<_> = headers.iter().map(|(a, b)| (&**a, &**b)).collect();
        Described::here().check(&Exchange {
            method,
            target: "/login",
            status,
            headers: &headers,
            body,
        })
    };
    assert_eq!(check("POST", 200, &headers, response.body()), Ok(()));
    for status in [201, 204, 400, 404, 418, 500] {
        assert!(check("POST", status, &headers, response.body()).is_err());
    }
    assert!(check("GET", 200, &headers, response.body()).is_err());
    let whole = body(&response);
    for name in ["token", "token_type", "expires_in"] {
        let mut less = whole.clone();
        less.as_object_mut().unwrap().remove(name);
        let less = less.to_string();
        assert!(
            check("POST", 200, &headers, less.as_bytes()).is_err(),
            "{name}"
        );
        let mut other = whole.clone();
        other[name] = json!([]);
        let other = other.to_string();
        assert!(
            check("POST", 200, &headers, other.as_bytes()).is_err(),
            "{name}"
        );
    }
    let mut more = whole.clone();
    more["another"] = 1.into();
    for wrong in [&*more.to_string(), "", "[]", "no JSON"] {
        assert!(
            check("POST", 200, &headers, wrong.as_bytes()).is_err(),
            "{wrong}"
        );
    }
    for (at, (name, _)) in headers.iter().enumerate() {
        let is_optional = name.starts_with("RateLimit");
        let mut fewer = headers.clone();
        fewer.remove(at);
        assert_eq!(
            check("POST", 200, &fewer, response.body()).is_ok(),
            is_optional,
            "{name}"
        );
        let mut other = headers.clone();
        other[at].1 = "another value".to_owned();
        assert!(
            check("POST", 200, &other, response.body()).is_err(),
            "{name}"
        );
    }
    let mut more = headers.clone();
    more.push((
        "Access-Control-Allow-Origin".to_owned(),
        "https://a.example".to_owned(),
    ));
    assert_eq!(check("POST", 200, &more, response.body()), Ok(()));
}

#[test]
fn a_problem_has_to_be_one_of_its_route_and_status() {
    let app = app(&[]);
    let response = get("/secure-data").of(&app);
    let headers: Vec<_> = response.headers().collect();
    let exchange = |target: &'static str, body: &[u8]| {
        Described::here().check(&Exchange {
            method: "GET",
            target,
            status: 401,
            headers: &headers,
            body,
        })
    };
    assert_eq!(exchange("/secure-data", response.body()), Ok(()));
    // The route needs no token.
    assert!(exchange("/healthz", response.body()).is_err());
    for (name, value) in [
        ("type", json!("urn:sealgate:problem:token_lost")),
        ("type", json!("urn:sealgate:problem:login_failed")),
        ("status", json!(403)),
        ("request_id", json!(7)),
        ("another", json!("member")),
    ] {
        let mut wrong = body(&response);
        wrong[name] = value.clone();
        let wrong = wrong.to_string();
        assert!(
            exchange("/secure-data", wrong.as_bytes()).is_err(),
            "{name}: {value}"
        );
    }
}
