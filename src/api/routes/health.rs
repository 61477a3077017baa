//! GET `/healthz` and `/readyz`, for supervisors and load balancers.

use std::time::Duration;

use serde_json::json;

use crate::api::problem::Problem;
use crate::api::response::Response;
use crate::api::route::{AppInner, Call, Cost};
use crate::{Gate, logging};

/// The process is running and answers requests.
pub(super) fn alive(_call: &mut Call<'_>) -> Result<Response, Problem> {
    Ok(Response::json(200, &json!({"status": "ok"})).no_store())
}

/// The server can also do its work: the newest key seals and opens; the store, if there is one, can be read and written. A
/// log or an audit trail that cannot be written, or a key ring that can no longer be used, is reported as well.
pub(super) fn ready(call: &mut Call<'_>) -> Result<Response, Problem> {
    let troubles = troubles(&call.app.gate);
    let mut body = json!({"status": "ready"});
    for (name, sentence) in troubles.map_err(|(name, sentence)| unready(name, sentence))? {
        body[name] = sentence.into();
    }
    Ok(Response::json(200, &body).no_store())
}

/// What is wrong, and with what. The error: why the server cannot do its work at all.
pub(super) fn troubles(
    gate: &Gate,
) -> Result<Vec<(&'static str, String)>, (&'static str, &'static str)> {
    if !gate.can_seal() {
        return Err(("keys", "The keys do not work."));
    }
    if gate.ledger().epoch().is_none() {
        return Err(("store", "The store of accounts cannot be used."));
    }
    let is_writable = gate.ledger().is_writable();
    let health = gate.ledger().health();
    if !is_writable && health.is_none() {
        return Err(("store", "The store of accounts cannot be written."));
    }
    let mut found = Vec::new();
    // Reported, but no reason to take the server out of service: requests are still answered.
    // A shared store is the same for all servers: whoever takes one of them out of service for it takes out all.
    match health {
        Some(health) if !health.is_up => found.push(("store", stale(health.age))),
        Some(_) if !is_writable => found.push((
            "store",
            "The shared store cannot be written, so logins and revocations fail.".to_owned(),
        )),
        _ => {}
    }
    found.extend(logging::trouble().map(|trouble| ("log", trouble)));
    found.extend(gate.trail().trouble().map(|trouble| ("audit", trouble)));
    if let Some(trouble) = gate.key_trouble() {
        log::debug!("not in use: {trouble}");
        let sentence = match gate.keys().lacks_secret() {
            true => {
                "The key ring is sealed under a secret that this server does not have, so it cannot be used; the previous \
                 keys are in use. Restart the server with SEALGATE_RING_KEY or SEALGATE_RING_KEY_FILE."
            }
            false => "The key ring has changed and cannot be used; the previous keys are in use.",
        };
        found.push(("keys", sentence.to_owned()));
    }
    Ok(found)
}

fn stale(age: Option<Duration>) -> String {
    format!(
        "The shared store does not answer. Tokens are checked against the revocations of {} s ago.",
        age.unwrap_or_default().as_secs()
    )
}

/// A store that could not be written is tried again, on disk.
pub(super) fn ready_cost(app: &AppInner) -> Cost {
    match app.gate.store_was_writable() {
        true => Cost::Quick,
        false => Cost::Slow,
    }
}

/// The response's member `name` holds the sentence; the cause is in the server's log.
fn unready(name: &'static str, sentence: &'static str) -> Problem {
    let detail = format!("{sentence} The server's log has the reason.");
    Problem::unavailable(detail).with_member(name, sentence)
}
