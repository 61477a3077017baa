//! Administration: `access` has who administers and where, `accounts`, `locks`, `logins`, `keys` and `trail` what the routes answer,
//! `races` changes by several at once.

mod access;
mod accounts;
mod keys;
mod locks;
mod logins;
mod races;
mod trail;

use serde_json::json;

use super::*;

const PASSWORD: &str = "a quiet harbour";

/// With the administrator root.
fn served(settings: &[(&str, &str)]) -> App {
    let cheap = [("password_memory", "1024"), ("password_passes", "1")];
    let app = app(&[&cheap, settings].concat());
    let users = app.gate().users();
    users
        .add("root", &PASSWORD.into(), "admin encrypt")
        .unwrap();
    app
}

fn token_of(app: &App, user: &str) -> String {
    let ask = json!({"username": user, "password": PASSWORD}).to_string();
    let response = post("/login", &ask).of(app);
    assert_eq!(response.status().0, 200, "{user}");
    format!("Bearer {}", body(&response)["token"].as_str().unwrap())
}

/// Asks as root.
struct Root {
    app: App,
    token: String,
}

impl Root {
    fn new(settings: &[(&str, &str)]) -> Self {
        let app = served(settings);
        let token = token_of(&app, "root");
        Root { app, token }
    }

    fn ask(&self, method: Method, target: &str, body: &str, headers: &[(&str, &str)]) -> Response {
        let mut ask = Ask {
            method,
            ..post(target, body).with("Authorization", &self.token)
        };
        for (name, value) in headers {
            ask = ask.with(name, value);
        }
        ask.of(&self.app)
    }

    fn get(&self, target: &str) -> Value {
        let response = self.ask(Method::Get, target, "", &[]);
        assert_eq!(response.status().0, 200, "{target}");
        assert_eq!(response.header("Cache-Control"), Some("no-store"));
        body(&response)
    }

    fn post(&self, target: &str, body: &Value) -> Response {
        self.ask(Method::Post, target, &body.to_string(), &[])
    }

    fn add(&self, name: &str, scopes: &[&str]) -> Value {
        let ask = json!({"name": name, "password": PASSWORD, "scopes": scopes});
        let response = self.post("/admin/v1/users", &ask);
        assert_eq!(response.status().0, 201, "{name}: {}", body(&response));
        body(&response)
    }

    fn patch(&self, target: &str, etag: &str, edit: &Value) -> Response {
        self.ask(
            Method::Patch,
            target,
            &edit.to_string(),
            &[("If-Match", etag)],
        )
    }

    fn delete(&self, target: &str) -> Response {
        self.ask(Method::Delete, target, "", &[])
    }

    /// The latest event of this kind.
    fn event(&self, event: &str) -> Value {
        let events = self.get(&format!("/admin/v1/audit?event={event}&limit=1"));
        events["events"][0].clone()
    }
}

/// Every route of administration, with something in place of its parameter.
fn everything() -> Vec<(&'static Method, String)> {
    let routes = crate::api::routes::admin::ADMINISTRATION.routes.iter();
    let target = |path: &str| path.replace("{name}", "root").replace("{id}", "x");
    routes
        .map(|route| (&route.method, target(route.path)))
        .collect()
}
