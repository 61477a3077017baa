//! HTTP: a server in this process, asked over a socket. What HTTP lacks is done with the server's gate.

use std::io::Write;
use std::net::TcpStream;

use sealgate::api::App;
use sealgate::server::Server;
use sealgate::{Gate, Grant};
use serde_json::{Value, json};

use super::rust::introspected;
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
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
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
            200 => Ok(answer.json()),
            204 => Ok(json!({})),
            _ => Err(match answer.code().as_str() {
                // HTTP has one code for every member that is not acceptable.
                "bad_member" => "invalid_argument".to_owned(),
                code => code.to_owned(),
            }),
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
                let limit = answer.header("RateLimit").unwrap();
                let remaining = limit.split_once("r=").unwrap().1.split_once(';').unwrap().0;
                let remaining: u64 = remaining.parse().unwrap();
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

fn pair(done: Value) -> Value {
    json!({"token": done["token"], "refresh_token": done["refresh_token"]})
}
