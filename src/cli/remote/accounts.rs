//! Accounts on a server.

use sealgate::Secret;
use sealgate::store::AccountKind;
use sealgate::users::{User, UserSession};
use serde_json::{Value, json};

use super::address::{encode, named};
use super::problem::unreadable;
use super::server::Remote;
use super::values::{scope_of, scopes_in, string};
use crate::cli::Failure;
use crate::cli::administration::{Accounts, Edit};

impl Accounts for Remote {
    fn find(&self, name: &str) -> Result<Option<User>, Failure> {
        let found = self.found("GET", &named("users", name, ""), None)?;
        Ok(found.map(|user| user_of(&user)))
    }

    fn page(&self, kind: AccountKind, after: &str, most: u32) -> Result<Vec<User>, Failure> {
        let mut after = after.to_owned();
        loop {
            // Those of the other kind are in the same list.
            let (page, next) = Remote::page(self, "users", "users", &after, most)?;
            let mut users: Vec<User> = page.iter().map(user_of).collect();
            users.retain(|user| user.kind == kind);
            match next {
                Some(next) if users.is_empty() => after = next,
                _ => return Ok(users),
            }
        }
    }

    fn add_user(
        &self,
        name: &str,
        password: &Secret,
        scope: &str,
        claims: &str,
    ) -> Result<(), Failure> {
        let (password, claims) = (password_of(password)?, claims_of(claims)?);
        let body = json!({"name": name, "password": password, "scopes": scopes_in(scope), "claims": claims});
        self.done("POST", "users", Some(&body)).map(drop)
    }

    fn add_client(&self, name: &str, scope: &str) -> Result<Secret, Failure> {
        let body = json!({"name": name, "kind": "client", "scopes": scopes_in(scope)});
        self.secret_in(&self.done("POST", "users", Some(&body))?)
    }

    fn renew_secret(&self, name: &str) -> Result<Option<Secret>, Failure> {
        if !self.is_of_kind(AccountKind::Client, name)? {
            return Ok(None);
        }
        let answer = self.found("POST", &named("users", name, "/secret"), None)?;
        answer.map(|answer| self.secret_in(&answer)).transpose()
    }

    fn set_password(&self, name: &str, password: &Secret) -> Result<bool, Failure> {
        if !self.is_of_kind(AccountKind::User, name)? {
            return Ok(false);
        }
        let body = json!({"password": password_of(password)?});
        let answer = self.found("PUT", &named("users", name, "/password"), Some(&body))?;
        Ok(answer.is_some())
    }

    fn edit(&self, kind: AccountKind, name: &str, edit: Edit<'_>) -> Result<bool, Failure> {
        if !self.is_of_kind(kind, name)? {
            return Ok(false);
        }
        let body = match edit {
            Edit::Scope(scope) => json!({"scopes": scopes_in(scope)}),
            Edit::Claims(claims) => json!({ "claims": claims_of(claims)? }),
            Edit::Disabled(disabled) => json!({ "disabled": disabled }),
        };
        let answer = self.found("PATCH", &named("users", name, ""), Some(&body))?;
        Ok(answer.is_some())
    }

    fn unlock(&self, name: &str) -> Result<bool, Failure> {
        if !self.is_of_kind(AccountKind::User, name)? {
            return Ok(false);
        }
        let answer = self.found("POST", &named("users", name, "/unlock"), None)?;
        Ok(answer.is_some())
    }

    fn remove(&self, kind: AccountKind, name: &str) -> Result<bool, Failure> {
        if !self.is_of_kind(kind, name)? {
            return Ok(false);
        }
        let answer = self.found("DELETE", &named("users", name, ""), None)?;
        Ok(answer.is_some())
    }

    fn sessions(&self, name: &str) -> Result<Option<Vec<UserSession>>, Failure> {
        if !self.is_of_kind(AccountKind::User, name)? {
            return Ok(None);
        }
        let found = self.all(&format!("sessions?user={}", encode(name)), "sessions")?;
        let mut sessions: Vec<UserSession> = found
            .iter()
            .map(|session| UserSession {
                id: string(&session["id"]),
                started: session["created_at"].as_u64(),
                refreshed: session["used_at"].as_u64(),
                expires: session["expires_at"].as_u64().unwrap_or(0),
            })
            .collect();
        sessions.sort_by(|one, other| (one.started, &one.id).cmp(&(other.started, &other.id)));
        Ok(Some(sessions))
    }

    fn end_session(&self, id: &str) -> Result<bool, Failure> {
        let answer = self.found("DELETE", &named("sessions", id, ""), None)?;
        Ok(answer.is_some())
    }
}

impl Remote {
    fn is_of_kind(&self, kind: AccountKind, name: &str) -> Result<bool, Failure> {
        Ok(self.find(name)?.is_some_and(|user| user.kind == kind))
    }

    fn secret_in(&self, answer: &Value) -> Result<Secret, Failure> {
        let secret = answer["client_secret"].as_str();
        secret
            .map(Secret::from)
            .ok_or_else(|| unreadable(self.url()))
    }
}

fn password_of(password: &Secret) -> Result<&str, Failure> {
    password
        .expose_str()
        .map_err(|_| Failure::wrong("The password is not UTF-8."))
}

fn claims_of(claims: &str) -> Result<Value, Failure> {
    serde_json::from_str(claims).map_err(|_| Failure::wrong("The claims are not a JSON object."))
}

fn user_of(user: &Value) -> User {
    User {
        name: string(&user["name"]),
        kind: match user["kind"].as_str() {
            Some("client") => AccountKind::Client,
            _ => AccountKind::User,
        },
        scope: scope_of(&user["scopes"]),
        claims: user["claims"].to_string(),
        disabled: user["disabled"].as_bool().unwrap_or(false),
        created: user["created_at"].as_u64().unwrap_or(0),
        // Only the server compares it.
        version: 0,
    }
}
