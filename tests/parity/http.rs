//! HTTP: a server in this process, asked over a socket. What HTTP lacks is done with the server's gate.

use std::io::Write;
use std::net::TcpStream;

use openssl::base64::encode_block;
use sealgate::api::App;
use sealgate::server::Server;
use sealgate::{Gate, Grant, TokenError};
use serde_json::{Value, json};

use super::shown::{introspected, listed_api_keys};
use super::{Answer, Arguments, Asked, Place};
use crate::common::PATIENCE;

pub(super) struct Http {
    gate: Gate,
    server: Server,
    port: u16,
}

impl Http {
    pub(super) fn start(gate: Gate, place: &Place, engine: &str) -> Self {
        let settings = place.loaded(&[("listen", "127.0.0.1:0"), ("engine", engine)]);
        let app = App::new(gate.clone(), &settings.app).unwrap();
        let server = Server::start(app, &settings.server).unwrap();
        assert_eq!(server.engine(), engine);
        let port = server.port().unwrap();
        Http { gate, server, port }
    }

    /// A token of an operator's program for a route. With accounts it needs one.
    fn token(&self, user: &str, scope: &str) -> String {
        if self.gate.wants_passwords() && self.gate.users().find(user).unwrap().is_none() {
            let password = "a harbour for doors".into();
            self.gate.users().add(user, &password, scope).unwrap();
        }
        let grant = Grant {
            subject: user,
            scope,
            ..Grant::default()
        };
        self.gate.issue_token(&grant).unwrap()
    }

    fn send(&self, method: &str, path: &str, token: &str, body: &Value) -> crate::common::Answer {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let authorization = format!("Authorization: Bearer {token}\r\n");
        self.send_text(method, path, &authorization, "application/json", &body)
    }

    fn send_text(
        &self,
        method: &str,
        path: &str,
        authorization: &str,
        kind: &str,
        body: &str,
    ) -> crate::common::Answer {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}\
             Content-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let answer = crate::common::Answer::read(&mut stream).expect("an answer");
        answer.is_described_for(request.as_bytes());
        answer
    }

    /// The body of a success, or the code of the problem as the other doors have it.
    fn ask_for(&self, method: &str, path: &str, token: &str, body: &Value) -> Answer {
        let answer = self.send(method, path, token, body);
        match answer.status {
            200 | 201 => Ok(answer.json()),
            204 => Ok(json!({})),
            _ => Err(match answer.code().as_str() {
                // HTTP has one code for every member that is not acceptable, and one for every use of an API key that is not.
                "bad_member" | "api_key_refused" => "invalid_argument".to_owned(),
                code => code.to_owned(),
            }),
        }
    }

    /// The same from a route of OAuth 2.0, which reads a form. Most of its codes stand for several of the other doors' codes.
    fn ask_oauth(&self, path: &str, authorization: &str, parameters: &[(&str, &str)]) -> Answer {
        // None of them has a character that a form escapes, but for spaces.
        let body: Vec<String> = parameters
            .iter()
            .map(|(name, value)| format!("{name}={}", value.replace(' ', "+")))
            .collect();
        let kind = "application/x-www-form-urlencoded";
        let answer = self.send_text("POST", path, authorization, kind, &body.join("&"));
        let said = answer.json();
        match said["error"].as_str() {
            None => {
                assert_eq!(answer.status, 200);
                Ok(said)
            }
            Some("invalid_client") => {
                assert_eq!(answer.status, 401);
                Err("login_failed".to_owned())
            }
            Some("invalid_grant") => {
                let mut refusals = [
                    TokenError::Malformed,
                    TokenError::Expired,
                    TokenError::Revoked,
                ]
                .into_iter();
                let why = refusals.find(|why| said["error_description"] == why.sentence());
                Err(why.unwrap().code().to_owned())
            }
            Some("invalid_scope" | "unsupported_token_type") => Err("invalid_argument".to_owned()),
            other => panic!("{path}: {other:?}: {said}"),
        }
    }

    /// Text for a client that may introspect: its id and its secret, in a form.
    fn introspector(&self) -> String {
        let (id, clients) = ("inspector", self.gate.clients());
        let secret = match clients.add(id, "introspect") {
            Ok(secret) => secret,
            Err(_) => clients.renew_secret(id).unwrap().unwrap(),
        };
        secret.expose_str().unwrap().to_owned()
    }

    fn limits(&self, operation: &str, of: &Arguments) -> Answer {
        let token = self.token("limiter", "limit limit-reset");
        let mut body = json!({"name": of.text("user"), "policy": of.text("policy")});
        if let Some(cost) = of.number("cost") {
            body["cost"] = cost.into();
        }
        if operation == "reset_limit" {
            let done = self.ask_for("POST", "/limit/reset", &token, &body)?;
            return Ok(json!({"counted": done["counted"]}));
        }
        body["peek"] = (operation == "peek").into();
        let done = self.ask_for("POST", "/limit", &token, &body)?;
        Ok(json!({
            "allowed": done["allowed"], "limit": done["limit"], "remaining": done["remaining"],
            "window": done["window"],
        }))
    }

    fn api_keys(&self, operation: &str, of: &Arguments) -> Answer {
        let token = self.token("key-admin", "api-keys-admin");
        match operation {
            "add_api_key" => {
                let mut body = json!({"owner": of.text("owner")});
                if let Some(scope) = of.given("scope") {
                    body["scope"] = scope.into();
                }
                let members = [
                    ("ttl", "expires_in"),
                    ("requests", "max_requests"),
                    ("window", "window"),
                ];
                for (name, member) in members {
                    if let Some(number) = of.number(name) {
                        body[member] = number.into();
                    }
                }
                let new = self.ask_for("POST", "/api-keys", &token, &body)?;
                Ok(json!({"key": new["api_key"], "id": new["id"]}))
            }
            "api_keys" => {
                let query = of.given("owner").map(|owner| format!("?owner={owner}"));
                let path = format!("/api-keys{}", query.unwrap_or_default());
                let list = self.ask_for("GET", &path, &token, &Value::Null)?;
                Ok(listed_api_keys(&list["api_keys"]))
            }
            "revoke_api_key" => {
                let body = json!({"id": of.text("id")});
                let done = self.ask_for("POST", "/api-keys/revoke", &token, &body)?;
                assert_eq!(done, json!({"revoked": 1}));
                Ok(json!({}))
            }
            _ => {
                let body = json!({"owner": of.text("owner")});
                self.ask_for("POST", "/api-keys/revoke", &token, &body)
            }
        }
    }

    fn oauth(&self, operation: &str, of: &Arguments) -> Answer {
        let scope = of.text("scope");
        match operation {
            "refresh" => {
                let form = [
                    ("grant_type", "refresh_token"),
                    ("refresh_token", of.text("refresh_token")),
                    ("scope", scope),
                ];
                let new = self.ask_oauth("/token", "", &form)?;
                Ok(json!({"token": new["access_token"], "refresh_token": new["refresh_token"]}))
            }
            "revoke_token" => self.ask_oauth("/revoke", "", &[("token", of.text("token"))]),
            "introspect" => {
                let secret = self.introspector();
                let form = [
                    ("token", of.text("token")),
                    ("client_id", "inspector"),
                    ("client_secret", &secret),
                ];
                let said = self.ask_oauth("/introspect", "", &form)?;
                Ok(introspected(&said))
            }
            _ => {
                let pair = format!("{}:{}", of.text("id"), of.text("secret"));
                let basic = encode_block(pair.replace(' ', "+").as_bytes());
                let authorization = format!("Authorization: Basic {basic}\r\n");
                let form = [("grant_type", "client_credentials"), ("scope", scope)];
                let new = self.ask_oauth("/token", &authorization, &form)?;
                Ok(json!({"token": new["access_token"]}))
            }
        }
    }

    fn data(&self, path: &str, member: &str, of: &Arguments) -> Answer {
        let token = self.token("data", "encrypt decrypt");
        let body = json!({member: of.text(if member == "data" { "data" } else { "sealed" }), "context": of.text("context")});
        self.ask_for("POST", path, &token, &body)
    }
}

impl Asked for Http {
    fn ask(&mut self, operation: &str, of: &Arguments) -> Option<Answer> {
        let token = of.text("token");
        Some(match operation {
            "client_token" => self.oauth(operation, of),
            "refresh" | "revoke_token" | "introspect" if of.flag("oauth") => {
                self.oauth(operation, of)
            }
            "claims_get" => {
                let own = self.token("introspector", "introspect");
                let said = self.ask_for("POST", "/introspect", &own, &json!({"token": token}));
                said.map(|said| json!({"value": said[of.text("name")]}))
            }
            "admit_policy" | "peek" | "reset_limit" => self.limits(operation, of),
            "add_api_key" | "api_keys" | "revoke_api_key" | "revoke_api_keys_of" => {
                self.api_keys(operation, of)
            }
            "admit_api_key" => {
                let answer =
                    self.send("GET", "/verify?limit=default", of.text("key"), &Value::Null);
                let (policy, limit) = (
                    answer.header("RateLimit-Policy"),
                    answer.header("RateLimit"),
                );
                let (policy, limit) = (policy.unwrap(), limit.unwrap());
                Ok(json!({
                    "allowed": answer.status == 204, "limit": field(policy, "q"),
                    "remaining": field(limit, "r"), "window": field(policy, "w"),
                }))
            }
            "verify_token" => {
                let answer = self.send("GET", "/verify", token, &Value::Null);
                match answer.status {
                    204 => Ok(json!({
                        "user": answer.header("X-Auth-User").unwrap(),
                        "scope": answer.header("X-Auth-Scope").unwrap(),
                    })),
                    _ => Err(answer.code()),
                }
            }
            "introspect" => {
                let own = self.token("introspector", "introspect");
                let said = self.ask_for("POST", "/introspect", &own, &json!({"token": token}));
                said.map(|said| introspected(&said))
            }
            "encrypt" => self
                .data("/encrypt", "data", of)
                .map(|done| json!({"sealed": done["encrypted_data"]})),
            "decrypt" => self
                .data("/decrypt", "encrypted_data", of)
                .map(|done| json!({"data": done["decrypted_data"]})),
            "rewrap" => self
                .data("/rewrap", "encrypted_data", of)
                .map(|done| json!({"sealed": done["encrypted_data"]})),
            "admit" => {
                let token = self.token(of.text("user"), "");
                let answer = self.send("GET", "/verify?limit=default", &token, &Value::Null);
                let remaining = field(answer.header("RateLimit").unwrap(), "r");
                assert_eq!(
                    answer.status,
                    if answer.body.is_empty() { 204 } else { 429 }
                );
                Ok(json!({"allowed": answer.status == 204, "remaining": remaining}))
            }
            "log_in" => {
                let mut body =
                    json!({"username": of.text("user"), "password": of.text("password")});
                if !of.text("scope").is_empty() {
                    body["scope"] = of.text("scope").into();
                }
                self.ask_for("POST", "/login", "", &body).map(pair)
            }
            "refresh" => {
                let body =
                    json!({"refresh_token": of.text("refresh_token"), "scope": of.text("scope")});
                self.ask_for("POST", "/refresh", "", &body).map(pair)
            }
            "revoke_token" => self.ask_for("POST", "/logout", token, &Value::Null),
            "change_password" => {
                let body =
                    json!({"current_password": of.text("current"), "new_password": of.text("new")});
                self.ask_for("POST", "/password", token, &body)
            }
            "public_keys" => {
                let answer = self.send("GET", "/.well-known/jwks.json", "", &Value::Null);
                Ok(json!({"keys": answer.json()["keys"].as_array().unwrap().len()}))
            }
            _ => return None,
        })
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        let stopped = self.server.stop(PATIENCE);
        if !std::thread::panicking() {
            stopped.unwrap();
        }
    }
}

/// A number of a `RateLimit` header with one limit.
fn field(header: &str, name: &str) -> u64 {
    let mut fields = header.split(';').filter_map(|field| field.split_once('='));
    let (_, number) = fields.find(|(own, _)| *own == name).unwrap();
    number.parse().unwrap()
}

fn pair(done: Value) -> Value {
    json!({"token": done["token"], "refresh_token": done["refresh_token"]})
}
