//! The common form of what several doors return as JSON.

use serde_json::{Map, Value, json};

pub(super) fn introspected(said: &Value) -> Value {
    if said["active"] != true {
        return said.clone();
    }
    let mut shown = json!({"active": true, "scope": said["scope"], "kind": said["token_type"]});
    match said.get("client_id") {
        Some(client) => shown["client"] = client.clone(),
        None => shown["user"] = said["username"].clone(),
    }
    let custom: Map<String, Value> = said
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| !OF_TOKENS.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if !custom.is_empty() {
        shown["claims"] = custom.into();
    }
    shown
}

/// What the response of an introspection has besides custom claims.
const OF_TOKENS: [&str; 12] = [
    "active",
    "token_type",
    "username",
    "client_id",
    "scope",
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "nbf",
    "jti",
];

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
    let mut shown =
        json!({"name": user["name"], "scope": user["scope"], "disabled": user["disabled"]});
    if user["claims"] != json!({}) {
        shown["claims"] = user["claims"].clone();
    }
    shown
}

/// Without the ids: they are random, and so is their order.
pub(super) fn listed_api_keys(keys: &Value) -> Value {
    let keys = keys.as_array().unwrap().iter();
    let mut shown: Vec<Value> = keys
        .map(|key| {
            assert!(!key["created"].is_null(), "{key}");
            json!({
                "owner": key["owner"], "scope": key["scope"], "requests": key["max_requests"], "window": key["window"],
                "expires": !key["expires_at"].is_null(), "revoked": !key["revoked_at"].is_null(),
            })
        })
        .collect();
    shown.sort_by_key(|key| {
        [key["owner"].to_string(), key["scope"].to_string()]
            .map(|it| it.trim_matches('"').to_owned())
    });
    json!({"api_keys": shown})
}

/// `id` is the name of the member that has the client's id.
pub(super) fn listed_clients(clients: &Value, id: &str) -> Value {
    let clients = clients.as_array().unwrap().iter();
    let shown = clients.map(|client| {
        json!({"id": client[id], "scope": client["scope"], "disabled": client["disabled"]})
    });
    json!({"clients": shown.collect::<Vec<_>>()})
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
