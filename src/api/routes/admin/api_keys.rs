//! `/admin/v1/api-keys`: API keys of everybody.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::text;
use super::asked::{
    self, bad, knows_all_members, named, only_members, page, scope_names, scopes, whole,
};
use crate::api::problem::Problem;
use crate::api::response::Response;
use crate::api::route::Call;
use crate::base::clock::unix_now;
use crate::base::json::Json;
use crate::tokens::{ApiKey, ApiKeyLimit, NewApiKey};

pub(super) fn list(call: &mut Call<'_>) -> Result<Response, Problem> {
    let (limit, after) = (asked::limit(call)?, asked::text(call, "after")?);
    let owner = asked::text(call, "owner")?;
    let keys = call.app.gate.api_keys();
    let found = keys.list(owner.as_deref(), &after.unwrap_or_default(), limit + 1)?;
    let (found, more) = page(found, limit);
    let next = found.last().filter(|_| more).map(|key| key.id.clone());
    let listed: Vec<Value> = found.iter().map(shown).collect();
    let body = json!({"api_keys": listed, "next": next});
    Ok(Response::json(200, &body).no_store())
}

pub(super) fn add(call: &mut Call<'_>) -> Result<Response, Problem> {
    let [owner, names, expires_at, expires_in, limit] = only_members(
        call.request,
        ["owner", "scopes", "expires_at", "expires_in", "limit"],
    )?;
    let owner = text(owner, "owner", "The API key is not acceptable.")?;
    let owner = owner.ok_or_else(|| bad("owner is missing."))?;
    let scope = scopes(names)?;
    let expires_at = match (
        whole(expires_at, "expires_at")?,
        whole(expires_in, "expires_in")?,
    ) {
        (at, None) => at,
        (None, Some(seconds)) => Some(unix_now().saturating_add(seconds)),
        (Some(_), Some(_)) => return Err(bad("Send expires_at or expires_in, not both.")),
    };
    let gate = &call.app.gate;
    if gate.users().find(&owner)?.is_none() {
        return Err(bad("The owner has no account."));
    }
    let caller = call.caller();
    let (key, added) = gate.api_keys_by(call.asker(&caller)).add(&NewApiKey {
        owner: &owner,
        scope: scope.as_deref(),
        expires_at,
        limit: limit.map(own_limit).transpose()?,
    })?;
    let mut body = shown(&added);
    body["api_key"] = key.expose_str().unwrap_or_default().into();
    let mut response = Response::json(201, &body).no_store();
    response.set("Location", format!("/admin/v1/api-keys/{}", added.id));
    Ok(response)
}

pub(super) fn revoke(call: &mut Call<'_>) -> Result<Response, Problem> {
    let id = named(call)?;
    let caller = call.caller();
    let keys = call.app.gate.api_keys_by(call.asker(&caller));
    match keys.revoke(&id)? {
        true => Ok(Response::empty(204).no_store()),
        false => Err(Problem::no_such_api_key()),
    }
}

fn own_limit(limit: Json<'_>) -> Result<ApiKeyLimit, Problem> {
    let wrong = || bad(r#"limit must be an object: {"max_requests": 100, "window": 60}."#);
    let names = ["max_requests", "window"];
    let [max_requests, window] = limit.members(names).ok_or_else(wrong)?;
    knows_all_members(limit, &names)?;
    let max_requests = whole(max_requests, "max_requests")?.ok_or_else(wrong)?;
    let window = whole(window, "window")?.ok_or_else(wrong)?;
    Ok(ApiKeyLimit {
        // Too many requests are refused as such.
        max_requests: u32::try_from(max_requests).unwrap_or(u32::MAX),
        window: Duration::from_secs(window),
    })
}

fn shown(key: &ApiKey) -> Value {
    json!({
        "id": key.id,
        "owner": key.owner,
        "scopes": scope_names(&key.scope),
        "created_at": key.created,
        "expires_at": key.expires_at,
        "last_used": key.last_used,
        "revoked_at": key.revoked_at,
        "limit": key.limit.map(|limit| json!({
            "max_requests": limit.max_requests,
            "window": limit.window.as_secs(),
        })),
    })
}
