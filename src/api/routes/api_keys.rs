//! GET and POST `/api-keys`, POST `/api-keys/revoke`: API keys of the token's user, and those of everybody with the scope
//! `api-keys-admin`. A user's own key gets no scope that the token does not have, no key one that its owner's account does not
//! have, and no key makes others.

use std::time::Duration;

use serde_json::{Value, json};

use super::{form, members, text};
use crate::Claims;
use crate::api::permission::denied;
use crate::api::problem::Problem;
use crate::api::response::Response;
use crate::api::route::Call;
use crate::base::clock::unix_now;
use crate::base::json::Json;
use crate::base::names::narrow_scope;
use crate::tokens::{API_KEY_SCOPES, ApiKeyLimit, NewApiKey};

const BAD_KEY: &str = "The API key is not acceptable.";
const BAD_CHOICE: &str = "An API key is required.";

/// How many keys a response lists at most.
const PAGE: u32 = 100;

pub(super) fn list(call: &mut Call<'_>) -> Result<Response, Problem> {
    let claims = manager(call)?;
    let query = call.request.target.split_once('?').map_or("", |(_, it)| it);
    let value = |name| {
        form::value(query.as_bytes(), name).map_err(|fault| Problem::bad_request(fault.about(name)))
    };
    let (owner, after) = (value("owner")?, value("after")?);
    let owner = match &owner {
        Some(owner) => Some(owned(call, claims, owner)?),
        None if manages_all(claims) => None,
        None => Some(claims.subject()),
    };
    let keys = call.app.gate.api_keys();
    let keys = keys.list(owner, &after.unwrap_or_default(), PAGE)?;
    let is_full = keys.len() == PAGE as usize;
    let next = keys.last().filter(|_| is_full).map(|key| key.id.as_str());
    let listed: Vec<Value> = keys.iter().map(|key| key.to_json()).collect();
    let body = json!({"api_keys": listed, "next": next});
    Ok(Response::json(200, &body).no_store())
}

pub(super) fn add(call: &mut Call<'_>) -> Result<Response, Problem> {
    let claims = manager(call)?;
    let [owner, scope, expires_in, max_requests, window] = members(
        call.request,
        ["owner", "scope", "expires_in", "max_requests", "window"],
    )?;
    let owner = text(owner, "owner", BAD_KEY)?;
    let owner = match &owner {
        Some(owner) => owned(call, claims, owner)?,
        None => claims.subject(),
    };
    let asked = text(scope, "scope", BAD_KEY)?;
    let mut asked = asked.as_deref().map(str::to_owned);
    if owner == claims.subject() {
        asked = Some(own_scope(call, claims, asked)?);
    } else if call.app.gate.users().find(owner)?.is_none() {
        return Err(Problem::bad_member(BAD_KEY, "The owner has no account."));
    }
    let expires_in = number(expires_in, "expires_in")?;
    let max_requests = number(max_requests, "max_requests")?;
    let limit = match (max_requests, number(window, "window")?) {
        (None, None) => None,
        // It takes the place of the user's limit, so that users who choose it would have none.
        (Some(_), Some(_)) if !manages_all(claims) => {
            let problem = Problem::insufficient_scope(API_KEY_SCOPES[1]);
            return Err(denied(call, claims, problem));
        }
        (Some(max_requests), Some(window)) => Some(ApiKeyLimit {
            // Too many requests are refused as such.
            max_requests: u32::try_from(max_requests).unwrap_or(u32::MAX),
            window: Duration::from_secs(window),
        }),
        _ => {
            let detail = "max_requests and window belong together.";
            return Err(Problem::bad_member(BAD_KEY, detail));
        }
    };
    let caller = call.caller();
    let keys = call.app.gate.api_keys_by(call.asker(&caller));
    let (key, added) = keys.add(&NewApiKey {
        owner,
        scope: asked.as_deref(),
        expires_at: expires_in.map(|seconds| unix_now().saturating_add(seconds)),
        limit,
    })?;
    let mut body = added.to_json();
    body["api_key"] = key.expose_str().unwrap_or_default().into();
    Ok(Response::json(201, &body).no_store())
}

pub(super) fn revoke(call: &mut Call<'_>) -> Result<Response, Problem> {
    let claims = manager(call)?;
    let [id, owner] = members(call.request, ["id", "owner"])?;
    let id = text(id, "id", BAD_CHOICE)?;
    let owner = text(owner, "owner", BAD_CHOICE)?;
    let caller = call.caller();
    let keys = call.app.gate.api_keys_by(call.asker(&caller));
    let revoked = match (&id, &owner) {
        (Some(id), None) => {
            let whose = keys.find(id)?.map(|key| key.owner);
            // Nobody learns which keys others have.
            if whose.is_some_and(|owner| owner != claims.subject() && !manages_all(claims)) {
                return Err(denied(call, claims, Problem::no_such_api_key()));
            }
            if !keys.revoke(id)? {
                return Err(Problem::no_such_api_key());
            }
            1
        }
        (None, Some(owner)) => keys.revoke_all_of(owned(call, claims, owner)?)?,
        _ => {
            let detail = r#"Send {"id": "..."}, or {"owner": "..."} for all keys of a user."#;
            return Err(Problem::bad_member(BAD_CHOICE, detail));
        }
    };
    Ok(Response::json(200, &json!({"revoked": revoked})).no_store())
}

/// Whoever manages keys, with a token: if a key could make others, revoking it would not be the end of it.
fn manager<'c>(call: &Call<'c>) -> Result<&'c Claims, Problem> {
    let claims = call.claims.expect("the router lets nobody in without");
    match claims.api_key() {
        None => Ok(claims),
        Some(_) => {
            let problem = Problem::api_key_refused("API keys are managed with a token: log in.");
            Err(denied(call, claims, problem))
        }
    }
}

fn manages_all(claims: &Claims) -> bool {
    claims.has_scope(API_KEY_SCOPES[1])
}

/// An owner whose keys may be managed.
fn owned<'o>(call: &Call<'_>, claims: &Claims, owner: &'o str) -> Result<&'o str, Problem> {
    match owner == claims.subject() || manages_all(claims) {
        true => Ok(owner),
        false => {
            let problem = Problem::insufficient_scope(API_KEY_SCOPES[1]);
            Err(denied(call, claims, problem))
        }
    }
}

/// The scope of a user's own key: no more than the token's, or all of it that is of use to a key.
fn own_scope(call: &Call<'_>, claims: &Claims, asked: Option<String>) -> Result<String, Problem> {
    match asked {
        Some(asked) if asked.is_empty() => Ok(asked),
        Some(asked) => match narrow_scope(&asked, claims.scope()) {
            Ok(_) => Ok(asked),
            Err(error) => {
                let problem = Problem::bad_member(BAD_KEY, error.to_string());
                Err(denied(call, claims, problem))
            }
        },
        None => {
            let all = claims.scope().split(' ');
            let useful: Vec<&str> = all.filter(|name| !API_KEY_SCOPES.contains(name)).collect();
            Ok(useful.join(" "))
        }
    }
}

/// An optional member that must be a whole number, not below zero.
fn number(member: Option<Json<'_>>, name: &str) -> Result<Option<u64>, Problem> {
    let Some(value) = member else {
        return Ok(None);
    };
    let written = value.as_written();
    let number = written.parse().ok().or_else(|| {
        // 60.0 is a whole number, too.
        let number: f64 = written.parse().ok()?;
        let is_whole = number.fract() == 0.0 && (0.0..9.0e15).contains(&number);
        is_whole.then_some(number as u64)
    });
    match number {
        Some(number) => Ok(Some(number)),
        None => Err(Problem::bad_member(
            BAD_KEY,
            format!("{name} must be a whole number."),
        )),
    }
}
