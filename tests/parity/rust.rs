//! Rust: a gate.

use std::path::PathBuf;
use std::time::Duration;

use sealgate::audit::Asker;
use sealgate::gate::backup::Backup;
use sealgate::keys::{Changed, Generated, KeyState, NewKeys, RingSecret};
use sealgate::store::AccountKind;
use sealgate::{
    Admission, ApiKeyLimit, Error, Gate, Grant, NewApiKey, Refreshed, Secret, TokenError, Tokens,
    unix_now,
};
use serde_json::{Value, json};

use super::shown::{
    added_of, changed_of, introspected, listed, listed_api_keys, listed_clients, listed_sessions,
    listed_user,
};
use super::{Answer, Arguments, Asked, Place};
use crate::common::text;

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
            "verify_token_audience" | "claims_get" => self.claims(operation, of),
            "encrypt" | "decrypt" | "rewrap" | "mask" => self.data(operation, of),
            "encrypt_url_safe" | "decrypt_max_age" | "sign" | "unsign" => self.texts(operation, of),
            "admit" | "admit_policy" | "peek" | "reset_limit" => self.limits(operation, of),
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
            "list_keys" | "generate_keys" | "rotate_keys" | "retire_keys" | "accept_keys"
            | "export_keys" | "import_keys" => self.keys(operation, of),
            "add_user" | "list_users" | "find_user" | "set_password" | "set_scope"
            | "set_claims" | "user_claims" | "disable_user" | "enable_user" | "unlock_user"
            | "remove_user" | "check_password" | "change_password" | "list_sessions"
            | "end_session" | "check_store" | "back_up" => self.accounts(operation, of),
            _ => return None,
        })
    }

    fn tokens(&self, operation: &str, of: &Arguments) -> Result<Value, Error> {
        let gate = &self.gate;
        let (user, token, scope) = (of.text("user"), of.text("token"), of.text("scope"));
        Ok(match operation {
            "issue_token" => {
                let claims = of.json("claims");
                let grant = Grant {
                    subject: user,
                    scope,
                    ttl: of.number("ttl").map(Duration::from_secs),
                    claims: &claims,
                    audience: of.text("audience"),
                    not_before: of.number("not_before"),
                };
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
            _ => {
                let visible = of.number("visible").unwrap() as usize;
                json!({"masked": sealgate::mask(of.text("data"), visible)})
            }
        })
    }

    fn claims(&self, operation: &str, of: &Arguments) -> Result<Value, Error> {
        let token = of.text("token");
        Ok(match operation {
            "verify_token_audience" => {
                let claims = self.gate.verify_token_for(token, of.text("audience"))?;
                json!({"user": claims.subject(), "scope": claims.scope()})
            }
            _ => json!({"value": self.gate.verify_token(token)?.get(of.text("name"))}),
        })
    }

    fn texts(&self, operation: &str, of: &Arguments) -> Result<Value, Error> {
        let (gate, context) = (&self.gate, of.bytes("context"));
        let max_age = of.number("max_age").map(Duration::from_secs);
        Ok(match operation {
            "encrypt_url_safe" => {
                json!({"sealed": gate.encrypt_url_safe(of.bytes("data"), context)?})
            }
            "decrypt_max_age" => {
                let opened = gate.decrypt_fresh(of.text("sealed"), context, max_age.unwrap())?;
                json!({"data": opened.expose_str().unwrap()})
            }
            "sign" => json!({"signed": gate.sign(of.bytes("data"), context)?}),
            _ => {
                let unsigned = gate.unsign(of.text("signed"), context, max_age)?;
                json!({"data": text(&unsigned.payload)})
            }
        })
    }

    fn limits(&self, operation: &str, of: &Arguments) -> Result<Value, Error> {
        let (gate, user, policy) = (&self.gate, of.text("user"), of.text("policy"));
        let cost = of.number("cost").unwrap_or(1) as u32;
        Ok(match operation {
            "admit" => {
                let admission = gate.enforce_rate_limit(user).unwrap();
                json!({"allowed": admission.allowed, "remaining": admission.remaining})
            }
            "admit_policy" => admitted(gate.limit(user, policy, cost)?),
            "peek" => admitted(gate.peek_limit(user, policy, cost)?),
            _ => json!({"counted": gate.reset_limit(user, policy)?}),
        })
    }

    fn api_keys(&self, operation: &str, of: &Arguments) -> Result<Value, Error> {
        let keys = self.gate.api_keys();
        let (owner, id) = (of.text("owner"), of.text("id"));
        Ok(match operation {
            "add_api_key" => {
                let limit = of.number("requests").zip(of.number("window"));
                let (key, added) = keys.add(&NewApiKey {
                    owner,
                    scope: of.given("scope"),
                    expires_at: of.number("ttl").map(|seconds| unix_now() + seconds),
                    limit: limit.map(|(requests, seconds)| ApiKeyLimit {
                        max_requests: requests as u32,
                        window: Duration::from_secs(seconds),
                    }),
                })?;
                json!({"key": key.expose_str().unwrap(), "id": added.id})
            }
            "api_keys" => {
                let keys = keys.list(of.given("owner"), "", 100)?;
                let keys: Value = keys.iter().map(|key| key.to_json()).collect();
                listed_api_keys(&keys)
            }
            "admit_api_key" => admitted(self.gate.admit_api_key(id)?),
            "revoke_api_key" => return changed_user(keys.revoke(id)?),
            _ => json!({"revoked": keys.revoke_all_of(owner)?}),
        })
    }

    fn clients(&self, operation: &str, of: &Arguments) -> Result<Value, Error> {
        let clients = self.gate.clients();
        let (id, scope) = (of.text("id"), of.text("scope"));
        let secret = |secret: &Secret| json!({"secret": secret.expose_str().unwrap()});
        Ok(match operation {
            "add_client" => secret(&clients.add(id, scope)?),
            "renew_client_secret" => match clients.renew_secret(id)? {
                Some(new) => secret(&new),
                None => return changed_user(false),
            },
            "clients" => {
                let clients = clients.list("", 100)?;
                let clients: Value = clients.iter().map(|client| client.to_json()).collect();
                listed_clients(&clients, "name")
            }
            "set_client_scope" => return changed_user(clients.set_scope(id, scope)?),
            "disable_client" => return changed_user(clients.set_disabled(id, true)?),
            "enable_client" => return changed_user(clients.set_disabled(id, false)?),
            "remove_client" => return changed_user(clients.remove(id)?),
            _ => {
                let secret = of.text("secret").into();
                json!({"token": self.gate.client_token(id, &secret, scope)?.token})
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
            "add_user" => match of.json("claims").as_str() {
                "" => nothing(users.add(user, &password, of.text("scope"))?),
                claims => {
                    nothing(users.add_with_claims(user, &password, of.text("scope"), claims)?)
                }
            },
            "set_claims" => return changed_user(users.set_claims(user, &of.json("claims"))?),
            "user_claims" => match users.find(user)? {
                Some(user) if user.kind == AccountKind::User => {
                    json!({"claims": user.to_json()["claims"]})
                }
                _ => return changed_user(false),
            },
            "list_users" => {
                let users = users.list("", 100)?;
                json!({"users": users.iter().map(|user| listed_user(&user.to_json())).collect::<Vec<_>>()})
            }
            "find_user" => {
                // It finds clients as well.
                let found = users.find(user)?.filter(|it| it.kind == AccountKind::User);
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

fn admitted(admission: Option<Admission>) -> Value {
    json!({
        "allowed": admission.is_none_or(|it| it.allowed),
        "limit": admission.map(|it| it.limit),
        "remaining": admission.map(|it| it.remaining),
        "window": admission.map(|it| it.window.as_secs()),
    })
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
