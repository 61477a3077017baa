//! `/admin/v1/health`: whether the server can do its work, and the state of what it depends on.

use serde_json::{Value, json};

use super::super::health::troubles;
use crate::api::problem::Problem;
use crate::api::response::Response;
use crate::api::route::Call;
use crate::base::clock::unix_now;

pub(super) fn answer(call: &mut Call<'_>) -> Result<Response, Problem> {
    let gate = &call.app.gate;
    let troubles = troubles(gate);
    let is_ready = troubles.is_ok();
    let reasons: Vec<String> = match troubles {
        Ok(troubles) => troubles.into_iter().map(|(_, why)| why).collect(),
        Err((_, why)) => vec![why.to_owned()],
    };
    let health = gate.ledger().health();
    let (kind, is_up) = match &health {
        Some(health) => ("postgresql", health.is_up),
        None if gate.has_store() => ("sqlite", gate.ledger().epoch().is_some()),
        None => ("none", true),
    };
    let age = health.and_then(|health| health.age);
    let nodes = gate.nodes().unwrap_or_default();
    let nodes: Vec<Value> = nodes
        .iter()
        .map(|node| json!({"name": node.host, "seen_at": node.seen, "version": node.version}))
        .collect();
    let not_after = call.app.certificate.get().and_then(|ends| ends());
    let body = json!({
        "version": crate::VERSION,
        "started_at": call.app.started,
        "now": unix_now(),
        "ready": is_ready,
        "reasons": reasons,
        "store": {"kind": kind, "ready": is_up, "age_seconds": age.map(|age| age.as_secs())},
        "keys": {"sealed": gate.keys().current().is_sealed()},
        "certificate": not_after.map(|time| json!({"not_after": time})),
        "nodes": nodes,
        "accounts": gate.wants_passwords(),
    });
    Ok(Response::json(200, &body).no_store())
}
