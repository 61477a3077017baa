//! `/admin/v1/keys`: the keys of the ring and of the settings, without any of their secrets.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::text;
use super::asked::{IfMatch, bad, flag, named, optional_members, seconds};
use crate::Error;
use crate::api::problem::Problem;
use crate::api::response::Response;
use crate::api::route::Call;
use crate::base::clock::unix_now;
use crate::keys::{KeyList, KeyOrigin, KeyState, NewKeys};
use crate::signing::TokenAlgorithm;

pub(super) fn list(call: &mut Call<'_>) -> Result<Response, Problem> {
    answer(call, json!({}))
}

pub(super) fn rotate(call: &mut Call<'_>) -> Result<Response, Problem> {
    let [kind, now, grace] = optional_members(call.request, ["kind", "now", "grace"])?;
    let kind = text(kind, "kind", "The kind of key is not acceptable.")?;
    let (token, data) = match kind.as_deref() {
        None => (true, true),
        Some("token") => (true, false),
        Some("data") => (false, true),
        Some(_) => return Err(bad("kind must be token or data.")),
    };
    let now = flag(now, "now")?.unwrap_or(false);
    let grace = seconds(grace, "grace")?.map(|seconds| Duration::from_secs(seconds.into()));
    let only_if = condition(call)?;
    let caller = call.caller();
    let admin = call.app.gate.key_admin_by(call.asker(&caller));
    let kinds = NewKeys { token, data, now };
    let grace = |kind| grace.or_else(|| admin.default_grace(kind));
    let rotated = admin
        .rotate_if(kinds, grace, only_if.as_deref())
        .map_err(in_conflict)?;
    let rotated = rotated.ok_or_else(Problem::precondition_failed)?;
    let added: Vec<&str> = rotated.added.iter().map(|key| &*key.id).collect();
    answer(call, json!({"added": added}))
}

pub(super) fn retire(call: &mut Call<'_>) -> Result<Response, Problem> {
    let [] = optional_members(call.request, [])?;
    set_state(call, KeyState::Retired)
}

pub(super) fn accept(call: &mut Call<'_>) -> Result<Response, Problem> {
    let [given] = optional_members(call.request, ["for"])?;
    let state = match seconds(given, "for")? {
        Some(seconds) => KeyState::AcceptedUntil(unix_now().saturating_add(seconds.into())),
        None => KeyState::Accepted,
    };
    set_state(call, state)
}

fn set_state(call: &mut Call<'_>, state: KeyState) -> Result<Response, Problem> {
    let id = named(call)?;
    let only_if = condition(call)?;
    let caller = call.caller();
    let admin = call.app.gate.key_admin_by(call.asker(&caller));
    if !admin.list()?.keys.iter().any(|key| key.id == id) {
        return Err(Problem::no_such_key());
    }
    let changed = admin.set_state_if(&[&id], state, only_if.as_deref());
    match changed.map_err(in_conflict)? {
        Some(_) => answer(call, json!({})),
        None => Err(Problem::precondition_failed()),
    }
}

/// What the ring does not permit now: the key is in use, or keys of the settings take its place.
fn in_conflict(error: Error) -> Problem {
    match error {
        Error::InvalidInput(sentence) | Error::Setting(sentence) => Problem::key_conflict(sentence),
        other => other.into(),
    }
}

/// The mark that the ring must have for a change.
fn condition(call: &Call<'_>) -> Result<Option<String>, Problem> {
    let if_match = IfMatch::of(call.request)?;
    if let IfMatch::Missing | IfMatch::Any = if_match {
        return Ok(None);
    }
    // The ring is compared again when nobody else can change it.
    let list = call.app.gate.key_admin().list()?;
    match if_match.permits(&etag(&list)) {
        true => Ok(Some(list.mark())),
        false => Err(Problem::precondition_failed()),
    }
}

fn etag(list: &KeyList) -> String {
    format!("\"{}\"", list.mark())
}

/// The list, with whatever else the body has.
fn answer(call: &Call<'_>, mut body: Value) -> Result<Response, Problem> {
    let list = call.app.gate.key_admin().list()?;
    let now = unix_now();
    let keys = list.keys.iter().map(|key| shown(&list, key, now));
    body["keys"] = keys.collect();
    body["sealed"] = list.sealed.into();
    let mut response = Response::json(200, &body).no_store();
    response.set("ETag", etag(&list));
    Ok(response)
}

fn shown(list: &KeyList, key: &KeyOrigin, now: u64) -> Value {
    let state = match key.state {
        _ if key.signs_from.is_some_and(|from| from > now) => "next",
        _ if key.newest => "in_use",
        state if state.accepts_at(now) => "accepted",
        _ => "retired",
    };
    json!({
        "id": (!key.id.is_empty()).then_some(&key.id),
        "kind": key.kind.name(),
        "state": state,
        "algorithm": key.algorithm.map(TokenAlgorithm::name),
        "created_at": key.created,
        "age_seconds": key.created.map(|created| now.saturating_sub(created)),
        "signs_from": key.signs_from,
        "accepted_until": match key.state {
            KeyState::AcceptedUntil(time) => Some(time),
            _ => None,
        },
        "in_ring": key.created.is_some(),
        "messages": list.messages(key),
    })
}
