//! Rust: a gate.

use std::path::PathBuf;
use std::time::Duration;

use sealgate::audit::Asker;
use sealgate::gate::backup::Backup;
use sealgate::keys::{Changed, Generated, KeyState, NewKeys, RingSecret};
use sealgate::{Error, Gate, Grant, Refreshed, Secret, TokenError, Tokens, unix_now};
use serde_json::{Value, json};

use super::{Answer, Arguments, Asked, Place};

pub(super) struct Rust {
    gate: Gate,
    settings: sealgate::gate::Settings,
    home: PathBuf,
}

impl Rust {
    pub(super) fn new(gate: Gate, place: &Place) -> Self {
        Rust {
            gate,
            settings: place.loaded(&[]).gate,
            home: place.home.path().to_owned(),
        }
    }

    fn call(&self, operation: &str, of: &Arguments) -> Option<Result<Value, Error>> {
        Some(match operation {
            "issue_token" | "verify_token" | "introspect" | "log_in" | "refresh"
            | "revoke_token" | "revoke_token_id" | "revoke_user" | "public_keys" => {
                self.tokens(operation, of)
            }
            "encrypt" | "decrypt" | "rewrap" | "mask" | "admit" => self.data(operation, of),
            "list_keys" | "generate_keys" | "rotate_keys" | "retire_keys" | "accept_keys"
            | "export_keys" | "import_keys" => self.keys(operation, of),
            "add_user" | "list_users" | "find_user" | "set_password" | "set_scope"
            | "disable_user" | "enable_user" | "unlock_user" | "remove_user" | "check_password"
            | "change_password" | "list_sessions" | "end_session" | "check_store" | "back_up" => {
                self.accounts(operation, of)
            }
            _ => return None,
        })
    }

    fn tokens(&self, operation: &str, of: &Arguments) -> Result<Value, Error> {
        let gate = &self.gate;
        let (user, token, scope) = (of.text("user"), of.text("token"), of.text("scope"));
        Ok(match operation {
            "issue_token" => {
                let mut grant = Grant {
                    subject: user,
                    scope,
                    ..Grant::default()
                };
                grant.ttl = of.number("ttl").map(Duration::from_secs);
                json!({"token": gate.issue_token(&grant)?})
            }
            "verify_token" => {
                let claims = gate.verify_token(token)?;
                json!({"user": claims.subject(), "scope": claims.scope()})
            }
            "introspect" => introspected(&Value::Object(gate.introspect(token)?)),
            "log_in" => {
                let password = of.text("password").into();
                pair(gate.log_in(user, &password, of.text("from"), scope)?)
            }
            "refresh" => match gate.refresh(of.text("refresh_token"), scope)? {
                Refreshed::New(_, new) => pair(new),
                Refreshed::UsedBefore(_) => return Err(TokenError::Revoked.into()),
            },
            "revoke_token" => nothing(gate.revoke_token(token)?),
            "revoke_token_id" => nothing(gate.revoke_token_id(of.text("id"), None)?),
            "revoke_user" => nothing(gate.revoke_user(user)?),
            _ => json!({"keys": gate.public_keys().len()}),
        })
    }

    fn data(&self, operation: &str, of: &Arguments) -> Result<Value, Error> {
        let (gate, context, sealed) = (&self.gate, of.bytes("context"), of.text("sealed"));
        Ok(match operation {
            "encrypt" => json!({"sealed": gate.encrypt_data(of.bytes("data"), context)?}),
            "decrypt" => {
                let opened = gate.decrypt_data(sealed, context)?;
                json!({"data": opened.expose_str().unwrap()})
            }
            "rewrap" => json!({"sealed": gate.rewrap_data(sealed, context)?}),
            "mask" => {
                let visible = of.number("visible").unwrap() as usize;
                json!({"masked": sealgate::mask(of.text("data"), visible)})
            }
            _ => {
                let admission = gate.enforce_rate_limit(of.text("user")).unwrap();
                json!({"allowed": admission.allowed, "remaining": admission.remaining})
            }
        })
    }

    fn keys(&self, operation: &str, of: &Arguments) -> Result<Value, Error> {
        let keys = self.gate.key_admin();
        let kinds = NewKeys {
            token: of.flag("token"),
            data: of.flag("data"),
            now: of.flag("now"),
        };
        let ids: Vec<&str> = of.text("ids").split(' ').collect();
        Ok(match operation {
            "list_keys" => listed(&keys.list()?.to_json()),
            "generate_keys" => added(&keys.generate(kinds)?),
            "rotate_keys" => {
                let grace = of.number("grace").map(Duration::from_secs);
                let rotated = keys.rotate(kinds, |kind| grace.or(keys.default_grace(kind)));
                added(&rotated?)
            }
            "retire_keys" => changed(&keys.set_state(&ids, KeyState::Retired)?),
            "accept_keys" => {
                let state = of.number("seconds").map_or(KeyState::Accepted, |seconds| {
                    KeyState::AcceptedUntil(unix_now() + seconds)
                });
                changed(&keys.set_state(&ids, state)?)
            }
            "export_keys" => {
                let exported = keys.export(&passphrase(of)?)?;
                json!({"exported": exported.expose_str().unwrap()})
            }
            _ => added(&keys.import(of.text("exported").into(), &passphrase(of)?)?),
        })
    }

    fn accounts(&self, operation: &str, of: &Arguments) -> Result<Value, Error> {
        let users = self.gate.users();
        let (user, password) = (of.text("user"), Secret::from(of.text("password")));
        Ok(match operation {
            "add_user" => nothing(users.add(user, &password, of.text("scope"))?),
            "list_users" => {
                let users = users.list("", 100)?;
                json!({"users": users.iter().map(|user| listed_user(&user.to_json())).collect::<Vec<_>>()})
            }
            "find_user" => {
                let found = users.find(user)?;
                json!({"found": found.map(|user| listed_user(&user.to_json()))})
            }
            "set_password" => return changed_user(users.set_password(user, &password)?),
            "set_scope" => return changed_user(users.set_scope(user, of.text("scope"))?),
            "disable_user" => return changed_user(users.set_disabled(user, true)?),
            "enable_user" => return changed_user(users.set_disabled(user, false)?),
            "unlock_user" => return changed_user(users.unlock(user)?),
            "remove_user" => return changed_user(users.remove(user)?),
            "check_password" => {
                let login = users.check(user, &password, of.text("from"))?;
                json!({"scope": login.scope()})
            }
            "change_password" => {
                let (current, new) = (of.text("current").into(), of.text("new").into());
                nothing(users.change_password(user, &current, &new, of.text("from"))?)
            }
            "list_sessions" => match users.sessions(user)? {
                Some(sessions) => {
                    let sessions: Value =
                        sessions.iter().map(|session| session.to_json()).collect();
                    listed_sessions(&sessions)
                }
                None => return changed_user(false),
            },
            "end_session" => return changed_user(users.end_session(of.text("id"))?.is_some()),
            "check_store" => json!({"store": users.check_store()?}),
            _ => {
                let backup = Backup::new(&self.settings, Asker::LIBRARY);
                let written = backup.write_file(&self.home.join(of.text("file")), None)?;
                nothing(written.unwrap())
            }
        })
    }
}

impl Asked for Rust {
    fn ask(&mut self, operation: &str, arguments: &Arguments) -> Option<Answer> {
        let answer = self.call(operation, arguments)?;
        Some(answer.map_err(|error| match error {
            // The other doors have a code for what `false` and `None` are in Rust.
            Error::Io(sentence) if sentence == NOT_FOUND => NOT_FOUND.to_owned(),
            error => error.code().to_owned(),
        }))
    }
}

const NOT_FOUND: &str = "not_found";

fn changed_user(there: bool) -> Result<Value, Error> {
    match there {
        true => Ok(json!({})),
        false => Err(Error::Io(NOT_FOUND.to_owned())),
    }
}

fn nothing<T>(_: T) -> Value {
    json!({})
}

fn passphrase(of: &Arguments) -> Result<RingSecret, Error> {
    RingSecret::passphrase(of.bytes("passphrase"))
        .ok_or_else(|| Error::InvalidInput("A passphrase of another length.".to_owned()))
}

fn pair(new: Tokens) -> Value {
    json!({"token": new.token, "refresh_token": new.refresh_token})
}

fn added(generated: &Generated) -> Value {
    added_of(&generated.to_json())
}

fn changed(changed: &Changed) -> Value {
    changed_of(&changed.to_json())
}

// The common form of what several doors return as JSON.

pub(super) fn introspected(said: &Value) -> Value {
    match said["active"] == true {
        true => json!({
            "active": true, "user": said["username"], "scope": said["scope"], "kind": said["token_type"],
        }),
        false => said.clone(),
    }
}

pub(super) fn listed(list: &Value) -> Value {
    let keys = list["keys"].as_array().unwrap();
    let shown = keys.iter().map(|key| {
        json!({
            "kind": key["kind"], "newest": key["newest"], "accepted": key["accepted"],
            "next": !key["signs_from"].is_null(), "messages": key["messages"],
        })
    });
    json!({"keys": shown.collect::<Vec<_>>(), "ids": ids(&list["keys"])})
}

pub(super) fn added_of(generated: &Value) -> Value {
    let added = generated["added"].as_array().unwrap();
    let kinds: Vec<&Value> = added.iter().map(|key| &key["kind"]).collect();
    json!({"added": kinds, "ids": ids(&generated["added"])})
}

pub(super) fn changed_of(changed: &Value) -> Value {
    let count = |name: &str| changed[name].as_array().unwrap().len();
    json!({"changed": count("changed"), "withdrawn": count("withdrawn")})
}

pub(super) fn listed_user(user: &Value) -> Value {
    json!({"name": user["name"], "scope": user["scope"], "disabled": user["disabled"]})
}

pub(super) fn listed_sessions(sessions: &Value) -> Value {
    let sessions = sessions.as_array().unwrap().iter();
    let shown = sessions.map(|session| {
        let is_known = |name: &str| !session[name].is_null();
        assert!(is_known("started") && is_known("expires"), "{session}");
        json!({"id": session["id"], "refreshed": is_known("refreshed")})
    });
    json!({"sessions": shown.collect::<Vec<_>>()})
}

fn ids(keys: &Value) -> Vec<&Value> {
    let keys = keys.as_array().unwrap();
    keys.iter().map(|key| &key["id"]).collect()
}
