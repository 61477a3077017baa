//! The contract of the API, without a socket: `access` covers tokens, scopes, limits and who may log in, `admin`
//! administration, `heads` what is answered before a body has arrived, `api_keys` API keys, `cors` web pages of other
//! origins, `items` batches and rewrapping, `limits` named limits, `proxy_limits` those that proxies name, `batch_costs`
//! what batches cost, `console` the page for administrators, `first_administrator` how the first one is created, `oauth`,
//! `oauth_errors` and `oauth_tokens` clients of OAuth 2.0, `openapi` and `openapi_responses` the document of the API,
//! `password` changes of the own password, `routes` the rest. `described` compares every response with that document.

mod access;
mod admin;
mod api_keys;
mod batch_costs;
mod console;
mod cors;
mod described;
mod first_administrator;
mod heads;
mod host;
mod items;
mod limits;
mod oauth;
mod oauth_errors;
mod oauth_tokens;
mod openapi;
mod openapi_responses;
mod password;
mod proxy_limits;
mod routes;

use described::{Described, Exchange};
use serde_json::Value;

use super::*;
use crate::Config;
use crate::{Error, Gate};

/// A process of the user running the tests.
fn own() -> Peer {
    of_user("127.0.0.1", me())
}

fn me() -> Option<u32> {
    Some(rustix::process::geteuid().as_raw())
}

fn of_user(address: &str, user: Option<u32>) -> Peer {
    Peer::local(address.parse().ok(), user)
}

/// A peer on a socket that other machines can reach.
fn stranger(address: &str) -> Peer {
    Peer::tcp(
        (address.parse::<std::net::IpAddr>().unwrap(), 4711).into(),
        ([0, 0, 0, 0], 5000).into(),
    )
}

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
    version_1_0: bool,
}

fn get(target: &str) -> Ask<'_> {
    Ask {
        method: Method::Get,
        target,
        headers: vec![("Host", "localhost:5000")],
        body: "",
        peer: own(),
        version_1_0: false,
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
        peer: own(),
        version_1_0: false,
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

    fn from(mut self, peer: Peer) -> Self {
        self.peer = peer;
        self
    }

    fn of(&self, app: &App) -> Response {
        let response = self.seen(|request| app.handle(request));
        self.compare(&response);
        response
    }

    /// Fails unless openapi.json describes the response. What a host adds is not in it.
    fn compare(&self, response: &Response) {
        let headers: Vec<_> = response.headers().collect();
        let exchange = Exchange {
            method: self.method.as_str(),
            target: self.target,
            status: response.status().0,
            headers: &headers,
            body: response.body(),
        };
        if let Err(wrong) = Described::here().check_beside_hosts(&exchange) {
            panic!("{wrong}");
        }
    }

    fn seen<T>(&self, by: impl FnOnce(&Request<'_>) -> T) -> T {
        by(&Request {
            method: &self.method,
            target: self.target,
            headers: Headers(
                self.headers
                    .iter()
                    .map(|(name, value)| (*name, value.as_bytes()))
                    .collect(),
            ),
            body: self.body.as_bytes(),
            peer: &self.peer,
            version_1_0: self.version_1_0,
            certificate: None,
        })
    }
}

/// What a request without a body costs.
fn cost(app: &App, method: &Method, target: &str) -> Cost {
    app.cost(&Begun::Found(app.find(method, target)), 0)
}

fn body(response: &Response) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

/// Checks everything an error must have and returns its code.
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
