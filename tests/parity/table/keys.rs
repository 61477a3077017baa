//! Keys: making, replacing, retiring and accepting them, and their publication.

use serde_json::{Value, json};

use super::{Scenario, is_of, step, verify};

/// A key of a list: for HS256 every key is used at once.
fn key(kind: &str, newest: bool, accepted: bool, messages: Option<u64>) -> Value {
    json!({"kind": kind, "newest": newest, "accepted": accepted, "next": false, "messages": messages})
}

pub(crate) fn keys() -> Scenario {
    let list = |keys: Value| {
        let ids = vec!["*"; keys.as_array().unwrap().len()];
        step("list_keys", json!({})).answers(json!({"keys": keys, "ids": ids}))
    };
    let retire = |ids: &str| step("retire_keys", json!({"ids": ids}));
    let accept = |ids: &str, seconds: Option<u64>| match seconds {
        None => step("accept_keys", json!({"ids": ids})),
        Some(seconds) => step("accept_keys", json!({"ids": ids, "seconds": seconds})),
    };
    let import = |exported: &str, passphrase: &str| {
        step(
            "import_keys",
            json!({"exported": exported, "passphrase": passphrase}),
        )
    };
    let changed = |changed: usize| json!({"changed": changed, "withdrawn": 0});
    let decrypt = |sealed: &str| step("decrypt", json!({"sealed": sealed}));
    Scenario {
        name: "keys",
        settings: &[("max_requests", "0")],
        steps: vec![
            step("issue_token", json!({"user": "alice", "scope": "decrypt"}))
                .answers(json!({"token": "*"}))
                .saves("token", "/token"),
            step("encrypt", json!({"data": "data"}))
                .answers(json!({"sealed": "*"}))
                .saves("sealed", "/sealed"),
            list(json!([
                key("token", true, true, None),
                key("data", true, true, Some(1))
            ]))
            .saves("first token key", "/ids/0")
            .saves("first data key", "/ids/1"),
            retire("${first data key}").refused("invalid_argument"),
            retire("nothing").refused("invalid_argument"),
            step("rotate_keys", json!({"data": true}))
                .answers(json!({"added": ["data"], "ids": ["*"]})),
            decrypt("${sealed}").answers(json!({"data": "data"})),
            step("rewrap", json!({"sealed": "${sealed}"}))
                .answers(json!({"sealed": "*"}))
                .saves("again", "/sealed"),
            list(json!([
                key("token", true, true, None),
                key("data", false, true, Some(1)),
                key("data", true, true, Some(1)),
            ])),
            retire("${first data key}").answers(changed(1)),
            retire("${first data key}").answers(changed(0)),
            decrypt("${sealed}").refused("key_retired"),
            step("rewrap", json!({"sealed": "${sealed}"})).refused("key_retired"),
            decrypt("${again}").answers(json!({"data": "data"})),
            accept("${first data key}", Some(3600)).answers(changed(1)),
            decrypt("${sealed}").answers(json!({"data": "data"})),
            accept("${first data key} ${first token key}", None).answers(changed(1)),
            accept("nothing", None).refused("invalid_argument"),
            is_of(verify("${token}"), "alice", "decrypt"),
            step("generate_keys", json!({"token": true, "data": true}))
                .answers(json!({"added": ["token", "data"], "ids": ["*", "*"]})),
            is_of(verify("${token}"), "alice", "decrypt"),
            step("rotate_keys", json!({"token": true, "grace": 0}))
                .answers(json!({"added": ["token"], "ids": ["*"]})),
            verify("${token}").refused("token_key_retired"),
            list(json!([
                key("token", false, false, None),
                key("token", false, false, None),
                key("token", true, true, None),
                key("data", false, true, Some(1)),
                key("data", false, true, Some(1)),
                key("data", true, true, Some(0)),
            ])),
            step("export_keys", json!({"passphrase": "too short"})).refused("invalid_argument"),
            step(
                "export_keys",
                json!({"passphrase": "correct horse battery"}),
            )
            .answers(json!({"exported": "*"}))
            .saves("exported", "/exported"),
            import("${exported}", "another passphrase").refused("invalid_argument"),
            import("nonsense", "correct horse battery").refused("invalid_argument"),
            import("", "correct horse battery").refused("invalid_argument"),
            import("${exported}", "correct horse battery").answers(json!({"added": [], "ids": []})),
            step("public_keys", json!({})).answers(json!({"keys": 0})),
            step("back_up", json!({"file": "copy"})),
            step("back_up", json!({"file": "copy"})).refused("invalid_argument"),
        ],
    }
}

/// With a public key, a new token key is published before it signs.
pub(crate) fn published_keys() -> Scenario {
    let public = |keys: usize| step("public_keys", json!({})).answers(json!({"keys": keys}));
    let rotate = |now: bool| {
        step("rotate_keys", json!({"token": true, "now": now}))
            .answers(json!({"added": ["token"], "ids": ["*"]}))
    };
    let token = |newest: bool, next: bool| json!({"kind": "token", "newest": newest, "accepted": true, "next": next, "messages": null});
    Scenario {
        name: "published keys",
        settings: &[("token_algorithm", "EdDSA"), ("max_requests", "0")],
        steps: vec![
            step("issue_token", json!({"user": "alice", "scope": ""}))
                .answers(json!({"token": "*"}))
                .saves("token", "/token"),
            public(1),
            rotate(false).saves("next", "/ids/0"),
            public(2),
            step("list_keys", json!({})).answers(json!({
                "keys": [token(true, false), token(false, true), key("data", true, true, Some(0))],
                "ids": ["*", "*", "*"],
            })),
            step("retire_keys", json!({"ids": "${next}"}))
                .answers(json!({"changed": 0, "withdrawn": 1})),
            public(1),
            rotate(true),
            public(2),
            is_of(verify("${token}"), "alice", ""),
        ],
    }
}
