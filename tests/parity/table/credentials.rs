//! Custom claims and API keys.

use sealgate::unix_now;
use serde_json::{Value, json};

use super::{ANOTHER, PASSWORD, Scenario, Step, add, is_of, log_in, step, verify};

/// An API key of the right form, which nobody has.
const UNKNOWN_KEY: &str = "sg_sE3I1asy8SC7tdYROzQx8YFv1ElOxfDni2qOyHSYKrMf4AMiHZiFGOB1dGeha";

pub(super) fn claim(token: &str, name: &str, value: Value) -> Step {
    step("claims_get", json!({"token": token, "name": name})).answers(json!({"value": value}))
}

pub(super) fn introspect(token: &str) -> Step {
    step("introspect", json!({"token": token}))
}

pub(super) fn inactive(token: &str) -> Step {
    introspect(token).answers(json!({"active": false}))
}

/// The same, at a route of OAuth 2.0 if the door has one.
pub(super) fn oauth(mut step: Step) -> Step {
    step.arguments["oauth"] = true.into();
    step
}

pub(crate) fn token_claims() -> Scenario {
    let issue = |more: Value| {
        let mut arguments = json!({"user": "alice", "scope": "decrypt"});
        let members = arguments.as_object_mut().unwrap();
        members.extend(more.as_object().unwrap().clone());
        step("issue_token", arguments).answers(json!({"token": "*"}))
    };
    let refused = |claims: Value| issue(json!({"claims": claims})).refused("invalid_argument");
    let verify_for = |token: &str, audience: &str| {
        step(
            "verify_token_audience",
            json!({"token": token, "audience": audience}),
        )
    };
    let claims = json!({
        "department": "ops", "level": 3, "remote": false, "nothing": null, "ratio": 1.5, "most": u64::MAX,
        "tags": ["a", {"sub": "nested"}], "two words": "grüezi \"mitenand\"",
    });
    let now = unix_now();
    let mut steps = vec![
        issue(json!({"claims": claims})).saves("token", "/token"),
        is_of(verify("${token}"), "alice", "decrypt"),
    ];
    for (name, value) in claims.as_object().unwrap() {
        steps.push(claim("${token}", name, value.clone()));
    }
    steps.extend([
        claim("${token}", "Department", Value::Null),
        claim("${token}", "", Value::Null),
        claim("${token}", "sub", json!("alice")),
        introspect("${token}").answers(json!({
            "active": true, "user": "alice", "scope": "decrypt", "kind": "Bearer", "claims": claims,
        })),
        refused(json!({"sub": "bob"})),
        refused(json!({"EXP": 1})),
        refused(json!({"clientId": "shop"})),
        refused(json!({"token-type": "Bearer"})),
        refused(json!({"": 1})),
        refused(json!({" department": 1})),
        refused(json!({"grüezi": 1})),
        refused(json!({"large": "x".repeat(4096)})),
        issue(json!({"claims": {}})).saves("plain", "/token"),
        claim("${plain}", "department", Value::Null),
        introspect("${plain}").answers(
            json!({"active": true, "user": "alice", "scope": "decrypt", "kind": "Bearer"}),
        ),
        // For one purpose.
        issue(json!({"audience": "confirm", "claims": {"address": "a@example.org"}}))
            .saves("link", "/token"),
        verify("${link}").refused("token_invalid"),
        inactive("${link}"),
        inactive(""),
        is_of(verify_for("${link}", "confirm"), "alice", "decrypt"),
        verify_for("${link}", "Confirm").refused("token_invalid"),
        verify_for("${plain}", "confirm").refused("token_invalid"),
        verify_for("nonsense", "confirm").refused("token_malformed"),
        verify_for("", "confirm").refused("token_missing"),
        oauth(step("revoke_token", json!({"token": "${link}"}))),
        verify_for("${link}", "confirm").refused("token_revoked"),
        // For later.
        issue(json!({"not_before": now + 600, "ttl": 1200})).saves("later", "/token"),
        verify("${later}").refused("token_not_yet_valid"),
        inactive("${later}"),
        issue(json!({"not_before": now - 600})).saves("earlier", "/token"),
        is_of(verify("${earlier}"), "alice", "decrypt"),
        issue(json!({"not_before": now + 600, "ttl": 60})).refused("invalid_argument"),
    ]);
    Scenario {
        name: "claims of tokens",
        settings: &[("leeway", "0"), ("max_requests", "0")],
        steps,
    }
}

pub(crate) fn account_claims() -> Scenario {
    let add = |user: &str, claims: Value| {
        step(
            "add_user",
            json!({"user": user, "password": PASSWORD, "scope": "decrypt", "claims": claims}),
        )
    };
    let set =
        |user: &str, claims: Value| step("set_claims", json!({"user": user, "claims": claims}));
    let claims = |claims: Value| {
        step("user_claims", json!({"user": "alice"})).answers(json!({"claims": claims}))
    };
    let refresh = |token: &str| {
        step("refresh", json!({"refresh_token": token}))
            .answers(json!({"token": "*", "refresh_token": "*"}))
    };
    let ops = || json!({"department": "ops"});
    Scenario {
        name: "claims of accounts",
        settings: &[("lockout_after", "0"), ("max_requests", "0")],
        steps: vec![
            step("user_claims", json!({"user": "alice"})).refused("not_found"),
            set("alice", ops()).refused("not_found"),
            add("alice", json!({"iss": "me"})).refused("invalid_argument"),
            add("alice", ops()),
            add("alice", ops()).refused("user_exists"),
            claims(ops()),
            step("list_users", json!({})).answers(json!({"users": [
                {"name": "alice", "scope": "decrypt", "disabled": false, "claims": ops()},
            ]})),
            log_in("alice", "token", "refresh token"),
            claim("${token}", "department", json!("ops")),
            introspect("${token}").answers(json!({
                "active": true, "user": "alice", "scope": "decrypt", "kind": "Bearer", "claims": ops(),
            })),
            introspect("${refresh token}").answers(json!({
                "active": true, "user": "alice", "scope": "decrypt", "kind": "refresh_token",
            })),
            // Another claim revokes nothing.
            set("alice", json!({"department": "ops", "level": 3})),
            claim("${token}", "level", Value::Null),
            refresh("${refresh token}")
                .saves("second", "/token")
                .saves("second refresh", "/refresh_token"),
            claim("${second}", "level", json!(3)),
            claim("${second}", "department", json!("ops")),
            set("alice", json!({"sid": "x"})).refused("invalid_argument"),
            set("alice", json!({"large": "x".repeat(4096)})).refused("invalid_argument"),
            claims(json!({"department": "ops", "level": 3})),
            is_of(verify("${second}"), "alice", "decrypt"),
            // Another value does.
            set("alice", json!({"department": "ops", "level": 4})),
            verify("${token}").refused("token_revoked"),
            verify("${second}").refused("token_revoked"),
            step("refresh", json!({"refresh_token": "${second refresh}"})).refused("token_revoked"),
            log_in("alice", "token", "refresh token"),
            claim("${token}", "level", json!(4)),
            set("alice", json!({})),
            verify("${token}").refused("token_revoked"),
            claims(json!({})),
            log_in("alice", "token", "refresh token"),
            claim("${token}", "department", Value::Null),
            set("alice", ops()),
            // They are for logins.
            step("issue_token", json!({"user": "alice", "scope": "decrypt"}))
                .answers(json!({"token": "*"}))
                .saves("issued", "/token"),
            claim("${issued}", "department", Value::Null),
        ],
    }
}

/// A key whose text and id are saved.
fn add_key(arguments: Value, key: &'static str, id: &'static str) -> Step {
    step("add_api_key", arguments)
        .answers(json!({"key": "*", "id": "*"}))
        .saves(key, "/key")
        .saves(id, "/id")
}

pub(crate) fn api_keys() -> Scenario {
    let refused = |arguments: Value| step("add_api_key", arguments).refused("invalid_argument");
    let list = |owner: Value, keys: Value| {
        let arguments = match owner {
            Value::Null => json!({}),
            owner => json!({"owner": owner}),
        };
        step("api_keys", arguments).answers(json!({"api_keys": keys}))
    };
    let listed = |owner: &str, scope: &str, expires: bool, revoked: bool| {
        json!({
            "owner": owner, "scope": scope, "requests": null, "window": null, "expires": expires, "revoked": revoked,
        })
    };
    let alices = |revoked: bool| {
        json!([
            listed("alice", "encrypt", false, revoked),
            listed("alice", "encrypt decrypt", false, false),
        ])
    };
    let of = |operation, user: &str| step(operation, json!({"user": user}));
    let set_scope = |scope: &str| step("set_scope", json!({"user": "alice", "scope": scope}));
    let revoke = |id: &str| step("revoke_api_key", json!({"id": id}));
    let revoke_all = |owner: &str, count: u64| {
        step("revoke_api_keys_of", json!({"owner": owner})).answers(json!({"revoked": count}))
    };
    Scenario {
        name: "API keys",
        settings: &[("leeway", "0"), ("max_requests", "0")],
        steps: vec![
            list(Value::Null, json!([])),
            revoke("nothing").refused("not_found"),
            add("alice", "encrypt decrypt"),
            add("bob", "decrypt"),
            add_key(json!({"owner": "alice", "scope": "encrypt"}), "key", "id"),
            is_of(verify("${key}"), "alice", "encrypt"),
            introspect("${key}").answers(json!({
                "active": true, "user": "alice", "scope": "encrypt", "kind": "api_key",
            })),
            add_key(json!({"owner": "alice"}), "whole", "whole id"),
            is_of(verify("${whole}"), "alice", "encrypt decrypt"),
            list(json!("alice"), alices(false)),
            list(json!("bob"), json!([])),
            list(json!("nobody"), json!([])),
            // Never more than the owner.
            refused(json!({"owner": "alice", "scope": "encrypt rewrap"})),
            refused(json!({"owner": "bob", "scope": "encrypt"})),
            refused(json!({"owner": "alice", "scope": "a  b"})),
            refused(json!({"owner": "", "scope": "decrypt"})),
            set_scope("decrypt"),
            is_of(verify("${key}"), "alice", ""),
            is_of(verify("${whole}"), "alice", "decrypt"),
            set_scope("encrypt decrypt rewrap"),
            is_of(verify("${key}"), "alice", "encrypt"),
            is_of(verify("${whole}"), "alice", "encrypt decrypt"),
            set_scope("encrypt decrypt"),
            // Wrong keys.
            verify("${key}A").refused("token_malformed"),
            verify("sg_${id}").refused("token_malformed"),
            verify(UNKNOWN_KEY).refused("token_invalid"),
            inactive(UNKNOWN_KEY),
            inactive("${key}A"),
            // What concerns tokens does not concern keys.
            step("revoke_token", json!({"token": "${key}"})).refused("invalid_argument"),
            oauth(step("revoke_token", json!({"token": "${key}"}))).refused("invalid_argument"),
            step("refresh", json!({"refresh_token": "${key}"})).refused("token_malformed"),
            step(
                "set_password",
                json!({"user": "alice", "password": ANOTHER}),
            ),
            of("revoke_user", "alice"),
            is_of(verify("${key}"), "alice", "encrypt"),
            // Revoked.
            revoke("${id}"),
            verify("${key}").refused("token_revoked"),
            inactive("${key}"),
            revoke("${id}"),
            revoke("nothing").refused("not_found"),
            list(json!("alice"), alices(true)),
            is_of(verify("${whole}"), "alice", "encrypt decrypt"),
            add_key(
                json!({"owner": "bob", "scope": "decrypt", "ttl": 1}),
                "short",
                "short id",
            ),
            add_key(json!({"owner": "bob", "scope": ""}), "of bob", "id of bob"),
            is_of(verify("${of bob}"), "bob", ""),
            list(
                json!("bob"),
                json!([
                    listed("bob", "", false, false),
                    listed("bob", "decrypt", true, false)
                ]),
            ),
            step("pause", json!({"milliseconds": 2100})),
            verify("${short}").refused("token_expired"),
            inactive("${short}"),
            revoke_all("alice", 1),
            revoke_all("alice", 0),
            revoke_all("nobody", 0),
            verify("${whole}").refused("token_revoked"),
            of("disable_user", "bob"),
            verify("${of bob}").refused("token_revoked"),
            of("enable_user", "bob"),
            verify("${of bob}").refused("token_revoked"),
            add_key(json!({"owner": "bob"}), "new", "new id"),
            is_of(verify("${new}"), "bob", "decrypt"),
            // Keys may outlive every token.
            add_key(
                json!({"owner": "bob", "scope": "decrypt", "ttl": 400_000_000}),
                "long",
                "long id",
            ),
            is_of(verify("${long}"), "bob", "decrypt"),
            of("remove_user", "bob"),
            verify("${new}").refused("token_revoked"),
        ],
    }
}

pub(crate) fn key_limits() -> Scenario {
    let admit = |key: &str, allowed: bool, limit: u32, remaining: u32, window: u32| {
        let [key, id] = ["${", "${id of "].map(|before| format!("{before}{key}}}"));
        step("admit_api_key", json!({"key": key, "id": id})).answers(json!({
            "allowed": allowed, "limit": limit, "remaining": remaining, "window": window,
        }))
    };
    let own = json!({"owner": "alice", "scope": "", "requests": 1, "window": 60});
    Scenario {
        name: "limits of API keys",
        settings: &[("max_requests", "3"), ("rate_limit_window", "3600")],
        steps: vec![
            add("alice", "decrypt"),
            add_key(own, "own", "id of own"),
            add_key(
                json!({"owner": "alice", "scope": "decrypt"}),
                "shared",
                "id of shared",
            ),
            step("api_keys", json!({"owner": "alice"})).answers(json!({"api_keys": [
                {"owner": "alice", "scope": "", "requests": 1, "window": 60, "expires": false, "revoked": false},
                {"owner": "alice", "scope": "decrypt", "requests": null, "window": null, "expires": false, "revoked": false},
            ]})),
            admit("own", true, 1, 0, 60),
            admit("own", false, 1, 0, 60),
            admit("shared", true, 3, 2, 3600),
            step("admit", json!({"user": "alice"})).answers(json!({"allowed": true, "remaining": 1})),
            admit("shared", true, 3, 0, 3600),
            admit("shared", false, 3, 0, 3600),
            admit("own", false, 1, 0, 60),
        ],
    }
}
