//! Limits by name, and texts for URLs.

use serde_json::{Value, json};

use super::{Scenario, Step, step};

pub(crate) fn named_limits() -> Scenario {
    let of = |operation, user: &str, policy: &str, cost: u32| {
        step(
            operation,
            json!({"user": user, "policy": policy, "cost": cost}),
        )
    };
    let decided = |step: Step, allowed: bool, [limit, remaining, window]: [u32; 3]| {
        step.answers(json!({
            "allowed": allowed, "limit": limit, "remaining": remaining, "window": window,
        }))
    };
    let admit = |user: &str, policy: &str, cost: u32, allowed: bool, state: [u32; 3]| {
        decided(of("admit_policy", user, policy, cost), allowed, state)
    };
    let peek = |user: &str, policy: &str, cost: u32, allowed: bool, state: [u32; 3]| {
        decided(of("peek", user, policy, cost), allowed, state)
    };
    let wrong = |user: &str, policy: &str, cost: u32| {
        ["admit_policy", "peek"]
            .map(|operation| of(operation, user, policy, cost).refused("invalid_argument"))
    };
    let reset =
        |user: &str, policy: &str| step("reset_limit", json!({"user": user, "policy": policy}));
    let counted =
        |user: &str, policy: &str, any: bool| reset(user, policy).answers(json!({"counted": any}));
    let mut steps = vec![
        peek("alice", "default", 1, true, [2, 2, 3600]),
        // Without a cost it is 1.
        decided(
            step(
                "admit_policy",
                json!({"user": "alice", "policy": "default"}),
            ),
            true,
            [2, 1, 3600],
        ),
        // The users' own limit is the same one.
        step("admit", json!({"user": "alice"})).answers(json!({"allowed": true, "remaining": 0})),
        admit("alice", "default", 1, false, [2, 0, 3600]),
        step("admit", json!({"user": "alice"})).answers(json!({"allowed": false, "remaining": 0})),
        peek("alice", "default", 1, false, [2, 0, 3600]),
        peek("alice", "default", 0, true, [2, 0, 3600]),
        // Each policy counts apart, and as a whole or not at all.
        peek("alice", "exports", 10, true, [10, 10, 600]),
        admit("alice", "exports", 4, true, [10, 6, 600]),
        admit("alice", "exports", 7, false, [10, 6, 600]),
        admit("alice", "exports", 0, true, [10, 6, 600]),
        peek("alice", "exports", 6, true, [10, 6, 600]),
        admit("alice", "exports", 6, true, [10, 0, 600]),
        admit("bob", "exports", 10, true, [10, 0, 600]),
        counted("alice", "exports", true),
        counted("alice", "exports", false),
        peek("alice", "exports", 1, true, [10, 10, 600]),
        peek("bob", "exports", 1, false, [10, 0, 600]),
        counted("nobody", "exports", false),
        admit("alice", "default", 1, false, [2, 0, 3600]),
        counted("alice", "default", true),
        admit("alice", "default", 2, true, [2, 0, 3600]),
        // API keys are counted by their ids.
        admit("7Tq0mVxkQ2Lr", "machines", 2, true, [3, 1, 60]),
        // An IPv6 /64 is one address.
        admit("192.0.2.1", "guests", 1, true, [2, 1, 60]),
        admit("192.0.2.2", "guests", 1, true, [2, 1, 60]),
        admit("2001:db8::1", "guests", 1, true, [2, 1, 60]),
        admit("2001:db8::2", "guests", 1, true, [2, 0, 60]),
        admit("2001:db8::3", "guests", 1, false, [2, 0, 60]),
        admit("unix", "guests", 1, true, [2, 1, 60]),
        counted("2001:db8::4", "guests", true),
        reset("alice", "guests").refused("invalid_argument"),
        reset("alice", "nothing").refused("invalid_argument"),
        reset("alice", "login").refused("invalid_argument"),
    ];
    steps.extend(wrong("alice", "nothing", 1));
    steps.extend(wrong("alice", "Exports", 1));
    steps.extend(wrong("alice", "login", 1));
    steps.extend(wrong("alice", "exports", 11));
    steps.extend(wrong("alice", "default", 3));
    steps.extend(wrong("alice", "guests", 1));
    Scenario {
        name: "named limits",
        settings: &[
            ("max_requests", "2"),
            ("rate_limit_window", "3600"),
            (
                "limits",
                "exports: 10 per 600; guests: 2 per 60, per address; machines: 3 per 60, per api key",
            ),
        ],
        steps,
    }
}

pub(crate) fn no_limits() -> Scenario {
    let unlimited = || json!({"allowed": true, "limit": null, "remaining": null, "window": null});
    let of = |operation, cost: u32| {
        step(
            operation,
            json!({"user": "alice", "policy": "default", "cost": cost}),
        )
    };
    Scenario {
        name: "no limits",
        settings: &[("max_requests", "0")],
        steps: vec![
            of("admit_policy", 1).answers(unlimited()),
            of("admit_policy", 1000).answers(unlimited()),
            of("peek", 1).answers(unlimited()),
            step("reset_limit", json!({"user": "alice", "policy": "default"}))
                .answers(json!({"counted": false})),
        ],
    }
}

pub(crate) fn texts() -> Scenario {
    let link = |data: &str, context: &str| {
        step(
            "encrypt_url_safe",
            json!({"data": data, "context": context}),
        )
        .answers(json!({"sealed": "*"}))
    };
    let decrypt = |sealed: &str, context: &str| {
        step("decrypt", json!({"sealed": sealed, "context": context}))
    };
    let fresh = |sealed: &str, context: &str, max_age: u64| {
        step(
            "decrypt_max_age",
            json!({"sealed": sealed, "context": context, "max_age": max_age}),
        )
    };
    let sign = |data: &str, context: &str| {
        step("sign", json!({"data": data, "context": context})).answers(json!({"signed": "*"}))
    };
    let unsign = |signed: &str, context: &str, max_age: Option<u64>| {
        let mut arguments = json!({"signed": signed, "context": context});
        if let Some(max_age) = max_age {
            arguments["max_age"] = max_age.into();
        }
        step("unsign", arguments)
    };
    let text = "grüezi \"mitenand\"";
    let data = |step: Step| step.answers(json!({"data": text}));
    let retired = ["token", "data"].map(|_| "*");
    let key = |kind: &str, messages: Value| json!({"kind": kind, "newest": true, "accepted": true, "next": false, "messages": messages});
    Scenario {
        name: "texts",
        settings: &[("leeway", "0"), ("max_requests", "0")],
        steps: vec![
            link(text, "confirm").saves("link", "/sealed"),
            data(decrypt("${link}", "confirm")),
            data(fresh("${link}", "confirm", 60)),
            decrypt("${link}", "reset").refused("decrypt_failed"),
            fresh("${link}", "reset", 60).refused("decrypt_failed"),
            fresh("A${link}", "confirm", 60).refused("decrypt_failed"),
            fresh("", "confirm", 60).refused("decrypt_failed"),
            fresh("%%%", "confirm", 60).refused("decrypt_failed"),
            link("", "").saves("empty", "/sealed"),
            fresh("${empty}", "", 60).answers(json!({"data": ""})),
            // Without a time.
            step("encrypt", json!({"data": text, "context": "confirm"}))
                .answers(json!({"sealed": "*"}))
                .saves("timeless", "/sealed"),
            fresh("${timeless}", "confirm", 60).refused("not_fresh"),
            fresh("${timeless}", "reset", 60).refused("decrypt_failed"),
            sign(text, "unsubscribe").saves("signed", "/signed"),
            data(unsign("${signed}", "unsubscribe", None)),
            data(unsign("${signed}", "unsubscribe", Some(60))),
            unsign("${signed}", "reset", None).refused("signature_invalid"),
            unsign("A${signed}", "unsubscribe", None).refused("signature_invalid"),
            unsign("${signed}A", "unsubscribe", None).refused("signature_invalid"),
            unsign("", "unsubscribe", None).refused("signature_invalid"),
            unsign("%%%", "unsubscribe", Some(60)).refused("signature_invalid"),
            sign("", "").saves("signed empty", "/signed"),
            unsign("${signed empty}", "", None).answers(json!({"data": ""})),
            // One is never taken for the other.
            unsign("${link}", "confirm", None).refused("signature_invalid"),
            decrypt("${signed}", "unsubscribe").refused("decrypt_failed"),
            fresh("${signed}", "unsubscribe", 60).refused("decrypt_failed"),
            // Too old.
            step("pause", json!({"milliseconds": 2100})),
            fresh("${link}", "confirm", 1).refused("not_fresh"),
            fresh("${link}", "confirm", 0).refused("not_fresh"),
            fresh("${link}", "reset", 1).refused("decrypt_failed"),
            data(fresh("${link}", "confirm", 3600)),
            data(decrypt("${link}", "confirm")),
            unsign("${signed}", "unsubscribe", Some(1)).refused("not_fresh"),
            unsign("${signed}", "unsubscribe", Some(0)).refused("not_fresh"),
            unsign("${signed}", "reset", Some(1)).refused("signature_invalid"),
            data(unsign("${signed}", "unsubscribe", Some(3600))),
            // Under another key the time remains.
            step("list_keys", json!({}))
                .answers(json!({
                    "keys": [key("token", Value::Null), key("data", json!(3))], "ids": retired,
                }))
                .saves("data key", "/ids/1"),
            step("rotate_keys", json!({"data": true}))
                .answers(json!({"added": ["data"], "ids": ["*"]})),
            step("rewrap", json!({"sealed": "${link}", "context": "confirm"}))
                .answers(json!({"sealed": "*"}))
                .saves("again", "/sealed"),
            data(fresh("${again}", "confirm", 3600)),
            fresh("${again}", "confirm", 1).refused("not_fresh"),
            data(unsign("${signed}", "unsubscribe", None)),
            step("retire_keys", json!({"ids": "${data key}"}))
                .answers(json!({"changed": 1, "withdrawn": 0})),
            fresh("${link}", "confirm", 3600).refused("key_retired"),
            unsign("${signed}", "unsubscribe", None).refused("key_retired"),
            data(fresh("${again}", "confirm", 3600)),
        ],
    }
}
