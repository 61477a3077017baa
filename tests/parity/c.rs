//! C: a program over the real header and library, with sanitizers, which makes a call for each line.

use std::path::PathBuf;

use sealgate::unix_now;
use serde_json::{Value, json};

use super::shown::{
    added_of, changed_of, introspected, listed, listed_api_keys, listed_clients, listed_sessions,
    listed_user,
};
use super::{Answer, Arguments, Asked, Place};
use crate::common::by_line::C;
use crate::common::text;

pub(super) struct InC {
    /// `None` once it has ended.
    program: Option<C>,
    home: PathBuf,
}

impl InC {
    pub(super) fn start(place: &Place) -> Self {
        let mut program = C::start_program("tests/parity/door.c", place.home.path());
        let pairs = place.pairs();
        let settings: Vec<(&str, &[u8])> = pairs
            .iter()
            .map(|(name, value)| (*name, value.as_bytes()))
            .collect();
        program.gate(&settings);
        InC {
            program: Some(program),
            home: place.home.path().to_owned(),
        }
    }

    fn out(&mut self, operation: &str, words: &[&[u8]]) -> Result<Vec<String>, String> {
        let program = self.program.as_mut().unwrap();
        let out = program.ask(operation, words)?;
        Ok(out.iter().map(|word| text(word)).collect())
    }

    /// A call that returns only a status, or what the others do not return.
    fn done(&mut self, operation: &str, words: &[&[u8]]) -> Answer {
        self.out(operation, words).map(|_| json!({}))
    }

    fn text(&mut self, operation: &str, name: &str, words: &[&[u8]]) -> Answer {
        let out = self.out(operation, words)?;
        Ok(json!({name: out[0]}))
    }

    fn json(&mut self, operation: &str, words: &[&[u8]]) -> Answer {
        let out = self.out(operation, words)?;
        Ok(serde_json::from_str(&out[0]).unwrap())
    }

    fn pair(&mut self, operation: &str, words: &[&[u8]]) -> Answer {
        let out = self.out(operation, words)?;
        Ok(json!({"token": out[0], "refresh_token": out[1]}))
    }

    fn keys(&mut self, operation: &str, of: &Arguments) -> Answer {
        let flags = [("token", 1), ("data", 2), ("now", 4)];
        let flags = flags.iter().filter(|(name, _)| of.flag(name));
        let flags = flags.map(|(_, flag)| flag).sum::<u32>().to_string();
        let (grace, seconds) = (digits(of.number("grace")), digits(of.number("seconds")));
        let (flags, grace, seconds) = (flags.as_bytes(), grace.as_bytes(), seconds.as_bytes());
        let (ids, passphrase) = (of.bytes("ids"), of.bytes("passphrase"));
        match operation {
            "list_keys" => self.json(operation, &[]).map(|list| listed(&list)),
            "generate_keys" => self.json(operation, &[flags]).map(|new| added_of(&new)),
            "rotate_keys" => {
                let new = self.json(operation, &[flags, grace])?;
                Ok(added_of(&new))
            }
            "retire_keys" => self.json(operation, &[ids]).map(|done| changed_of(&done)),
            "accept_keys" => {
                let done = self.json(operation, &[ids, seconds])?;
                Ok(changed_of(&done))
            }
            "export_keys" => self.text(operation, "exported", &[passphrase]),
            _ => {
                let new = self.json(operation, &[of.bytes("exported"), passphrase])?;
                Ok(added_of(&new))
            }
        }
    }

    fn accounts(&mut self, operation: &str, of: &Arguments) -> Answer {
        let (user, password, scope) = (of.bytes("user"), of.bytes("password"), of.bytes("scope"));
        let from = of.bytes("from");
        match operation {
            "add_user" => {
                let claims = of.json("claims");
                self.done(operation, &[user, password, scope, claims.as_bytes()])
            }
            "set_claims" => self.done(operation, &[user, of.json("claims").as_bytes()]),
            "user_claims" => {
                let claims = self.json(operation, &[user])?;
                Ok(json!({"claims": claims}))
            }
            "list_users" => {
                let users = self.json(operation, &[])?;
                let users = users.as_array().unwrap().iter().map(listed_user);
                Ok(json!({"users": users.collect::<Vec<_>>()}))
            }
            "find_user" => match self.json(operation, &[user]) {
                Ok(user) => Ok(json!({"found": listed_user(&user)})),
                Err(code) if code == "not_found" => Ok(json!({"found": null})),
                Err(code) => Err(code),
            },
            "set_password" => self.done(operation, &[user, password]),
            "set_scope" => self.done(operation, &[user, scope]),
            "check_password" => self.text(operation, "scope", &[user, password, from]),
            "change_password" => self.done(
                operation,
                &[user, of.bytes("current"), of.bytes("new"), from],
            ),
            "list_sessions" => {
                let sessions: Value = self.json(operation, &[user])?;
                Ok(listed_sessions(&sessions))
            }
            "end_session" => self.done(operation, &[of.bytes("id")]),
            "check_store" => match self.out(operation, &[]) {
                Ok(_) => Ok(json!({"store": true})),
                Err(code) if code == "not_found" => Ok(json!({"store": false})),
                Err(code) => Err(code),
            },
            "back_up" => {
                let file = self.home.join(of.text("file"));
                self.done(operation, &[file.to_str().unwrap().as_bytes()])
            }
            _ => self.done(operation, &[user]),
        }
    }
}

/// Texts for URLs, limits, API keys and clients.
impl InC {
    fn texts(&mut self, operation: &str, of: &Arguments) -> Answer {
        let max_age = digits(of.number("max_age"));
        let (context, max_age) = (of.bytes("context"), max_age.as_bytes());
        match operation {
            "encrypt_url_safe" => self.text(operation, "sealed", &[of.bytes("data"), context]),
            "decrypt_max_age" => {
                self.text(operation, "data", &[of.bytes("sealed"), context, max_age])
            }
            "sign" => self.text(operation, "signed", &[of.bytes("data"), context]),
            _ => self.text(operation, "data", &[of.bytes("signed"), context, max_age]),
        }
    }

    fn limits(&mut self, operation: &str, of: &Arguments) -> Answer {
        let (user, policy) = (of.bytes("user"), of.bytes("policy"));
        let cost = of.number("cost").unwrap_or(1).to_string();
        match operation {
            "reset_limit" => {
                let out = self.out(operation, &[user, policy])?;
                Ok(json!({"counted": out[0] == "1"}))
            }
            _ => self.admitted(operation, &[user, policy, cost.as_bytes()]),
        }
    }

    fn admitted(&mut self, operation: &str, words: &[&[u8]]) -> Answer {
        let out = self.out(operation, words)?;
        let [allowed, limit, remaining, window] = [0, 1, 2, 3].map(|at| out[at].parse().unwrap());
        // Without a limit there is no number of it.
        let number = |value: u64| (limit > 0).then_some(value);
        Ok(json!({
            "allowed": allowed == 1, "limit": number(limit), "remaining": number(remaining),
            "window": number(window / 1000),
        }))
    }

    fn api_keys(&mut self, operation: &str, of: &Arguments) -> Answer {
        let (owner, id) = (of.bytes("owner"), of.bytes("id"));
        match operation {
            "add_api_key" => {
                let expires_at = digits(of.number("ttl").map(|seconds| unix_now() + seconds));
                let limit = [of.number("requests"), of.number("window")].map(digits);
                let [requests, window] = limit.each_ref().map(|it| it.as_bytes());
                let is_scope_given: &[u8] = match of.given("scope") {
                    Some(_) => b"1",
                    None => b"",
                };
                let words = [
                    owner,
                    of.bytes("scope"),
                    expires_at.as_bytes(),
                    requests,
                    window,
                    is_scope_given,
                ];
                let out = self.out(operation, &words)?;
                Ok(json!({"key": out[0], "id": out[1]}))
            }
            "api_keys" => {
                let keys = self.json(operation, &[owner])?;
                Ok(listed_api_keys(&keys))
            }
            "admit_api_key" => self.admitted(operation, &[id]),
            "revoke_api_key" => self.done(operation, &[id]),
            _ => {
                let out = self.out(operation, &[owner])?;
                Ok(json!({"revoked": out[0].parse::<u64>().unwrap()}))
            }
        }
    }

    fn clients(&mut self, operation: &str, of: &Arguments) -> Answer {
        let (id, scope) = (of.bytes("id"), of.bytes("scope"));
        match operation {
            "add_client" => self.text(operation, "secret", &[id, scope]),
            "renew_client_secret" => self.text(operation, "secret", &[id]),
            "clients" => {
                let clients = self.json(operation, &[])?;
                Ok(listed_clients(&clients, "id"))
            }
            "set_client_scope" => self.done(operation, &[id, scope]),
            "client_token" => self.text(operation, "token", &[id, of.bytes("secret"), scope]),
            _ => self.done(operation, &[id]),
        }
    }
}

/// A number as the program reads it; empty if there is none.
fn digits(number: Option<u64>) -> String {
    number.map_or(String::new(), |number| number.to_string())
}

impl Asked for InC {
    fn ask(&mut self, operation: &str, of: &Arguments) -> Option<Answer> {
        let (user, token, scope) = (of.bytes("user"), of.bytes("token"), of.bytes("scope"));
        let (sealed, context) = (of.bytes("sealed"), of.bytes("context"));
        Some(match operation {
            "issue_token" => {
                let ttl = of.number("ttl").unwrap_or(0).to_string();
                let claims = of.json("claims");
                let start = digits(of.number("not_before"));
                let more = [claims.as_bytes(), of.bytes("audience"), start.as_bytes()];
                let words = [&[user, scope, ttl.as_bytes()][..], &more].concat();
                self.text(operation, "token", &words)
            }
            "verify_token_audience" => {
                let out = self.out(operation, &[token, of.bytes("audience")]);
                out.map(|out| json!({"user": out[0], "scope": out[1]}))
            }
            "claims_get" => match self.json(operation, &[token, of.bytes("name")]) {
                Err(code) if code == "not_found" => Ok(json!({"value": null})),
                value => value.map(|value| json!({"value": value})),
            },
            "verify_token" => {
                let out = self.out(operation, &[token]);
                out.map(|out| json!({"user": out[0], "scope": out[1]}))
            }
            "introspect" => self
                .json(operation, &[token])
                .map(|said| introspected(&said)),
            "encrypt" => self.text(operation, "sealed", &[of.bytes("data"), context]),
            "decrypt" => self.text(operation, "data", &[sealed, context]),
            "rewrap" => self.text(operation, "sealed", &[sealed, context]),
            "mask" => {
                let visible = of.number("visible").unwrap().to_string();
                self.text(operation, "masked", &[of.bytes("data"), visible.as_bytes()])
            }
            "admit" => {
                let out = self.out(operation, &[user]);
                out.map(|out| {
                    let remaining: u64 = out[1].parse().unwrap();
                    json!({"allowed": out[0] == "1", "remaining": remaining})
                })
            }
            "public_keys" => {
                let set = self.json(operation, &[]);
                set.map(|set| json!({"keys": set["keys"].as_array().unwrap().len()}))
            }
            "log_in" => {
                let words = [user, of.bytes("password"), of.bytes("from"), scope];
                self.pair(operation, &words)
            }
            "refresh" => self.pair(operation, &[of.bytes("refresh_token"), scope]),
            "revoke_token" => self.done(operation, &[token]),
            "revoke_token_id" => self.done(operation, &[of.bytes("id")]),
            "list_keys" | "generate_keys" | "rotate_keys" | "retire_keys" | "accept_keys"
            | "export_keys" | "import_keys" => self.keys(operation, of),
            "add_user" | "list_users" | "find_user" | "set_password" | "set_scope"
            | "disable_user" | "enable_user" | "unlock_user" | "remove_user" | "check_password"
            | "change_password" | "list_sessions" | "end_session" | "check_store" | "back_up"
            | "revoke_user" | "set_claims" | "user_claims" => self.accounts(operation, of),
            "encrypt_url_safe" | "decrypt_max_age" | "sign" | "unsign" => self.texts(operation, of),
            "admit_policy" | "peek" | "reset_limit" => self.limits(operation, of),
            "add_api_key" | "api_keys" | "admit_api_key" | "revoke_api_key"
            | "revoke_api_keys_of" => self.api_keys(operation, of),
            "add_client"
            | "renew_client_secret"
            | "clients"
            | "set_client_scope"
            | "disable_client"
            | "enable_client"
            | "remove_client"
            | "client_token" => self.clients(operation, of),
            _ => return None,
        })
    }
}

impl Drop for InC {
    fn drop(&mut self) {
        let program = self.program.take();
        if !std::thread::panicking()
            && let Some(program) = program
        {
            program.end();
        }
    }
}
