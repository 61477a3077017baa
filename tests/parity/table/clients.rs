//! OAuth 2.0 clients.

use serde_json::{Value, json};

use super::credentials::{claim, inactive, introspect, oauth};
use super::{PASSWORD, Scenario, Step, add, is_of, log_in, step, verify};

pub(crate) fn clients() -> Scenario {
    let list = |clients: Value| step("clients", json!({})).answers(json!({"clients": clients}));
    let shop =
        |scope: &str, disabled: bool| json!({"id": "shop", "scope": scope, "disabled": disabled});
    let add_client = |id: &str, scope: &str| step("add_client", json!({"id": id, "scope": scope}));
    let of = |operation, id: &str| step(operation, json!({"id": id}));
    let of_user = |operation, user: &str| step(operation, json!({"user": user}));
    let ask = |secret: &str, scope: &str| {
        step(
            "client_token",
            json!({"id": "shop", "secret": secret, "scope": scope}),
        )
    };
    let token = |secret: &str, name| {
        ask(secret, "")
            .answers(json!({"token": "*"}))
            .saves(name, "/token")
    };
    let set_scope =
        |id: &str, scope: &str| step("set_client_scope", json!({"id": id, "scope": scope}));
    let new_secret = |step: Step, name| step.answers(json!({"secret": "*"})).saves(name, "/secret");
    let refresh = |token: &str| oauth(step("refresh", json!({"refresh_token": token})));
    let both = || json!({"token": "*", "refresh_token": "*"});
    Scenario {
        name: "clients",
        settings: &[("lockout_after", "0"), ("max_requests", "0")],
        steps: vec![
            list(json!([])),
            ask("nothing", "").refused("login_failed"),
            of("renew_client_secret", "shop").refused("not_found"),
            new_secret(add_client("shop", "encrypt decrypt"), "secret"),
            add_client("shop", "").refused("user_exists"),
            add_client("", "").refused("invalid_name"),
            add_client("bäckerei", "").refused("invalid_name"),
            add_client("other", "a  b").refused("invalid_argument"),
            list(json!([shop("encrypt decrypt", false)])),
            // A token of its own.
            token("${secret}", "token"),
            is_of(verify("${token}"), "shop", "encrypt decrypt"),
            introspect("${token}").answers(json!({
                "active": true, "client": "shop", "scope": "encrypt decrypt", "kind": "Bearer",
            })),
            oauth(introspect("${token}")).answers(json!({
                "active": true, "client": "shop", "scope": "encrypt decrypt", "kind": "Bearer",
            })),
            claim("${token}", "client_id", json!("shop")),
            ask("${secret}", "decrypt")
                .answers(json!({"token": "*"}))
                .saves("narrow", "/token"),
            is_of(verify("${narrow}"), "shop", "decrypt"),
            ask("${secret}", "decrypt admin").refused("invalid_argument"),
            ask("${secret}A", "").refused("login_failed"),
            ask("", "").refused("login_failed"),
            // Neither is the other.
            add("alice", "decrypt"),
            add("shop", "").refused("user_exists"),
            add_client("alice", "").refused("user_exists"),
            step("log_in", json!({"user": "shop", "password": "${secret}"}))
                .refused("login_failed"),
            step(
                "check_password",
                json!({"user": "shop", "password": "${secret}"}),
            )
            .refused("login_failed"),
            step("client_token", json!({"id": "alice", "secret": PASSWORD}))
                .refused("login_failed"),
            step("find_user", json!({"user": "shop"})).answers(json!({"found": null})),
            step("list_users", json!({})).answers(json!({"users": [
                {"name": "alice", "scope": "decrypt", "disabled": false},
            ]})),
            of_user("disable_user", "shop").refused("not_found"),
            of_user("remove_user", "shop").refused("not_found"),
            of_user("unlock_user", "shop").refused("not_found"),
            of_user("list_sessions", "shop").refused("not_found"),
            of_user("user_claims", "shop").refused("not_found"),
            step("set_scope", json!({"user": "shop", "scope": ""})).refused("not_found"),
            step("set_claims", json!({"user": "shop", "claims": {}})).refused("not_found"),
            step(
                "set_password",
                json!({"user": "shop", "password": PASSWORD}),
            )
            .refused("not_found"),
            set_scope("alice", "").refused("not_found"),
            of("renew_client_secret", "alice").refused("not_found"),
            of("disable_client", "alice").refused("not_found"),
            of("remove_client", "alice").refused("not_found"),
            // A new secret.
            new_secret(of("renew_client_secret", "shop"), "renewed"),
            verify("${token}").refused("token_revoked"),
            ask("${secret}", "").refused("login_failed"),
            token("${renewed}", "token"),
            is_of(verify("${token}"), "shop", "encrypt decrypt"),
            // Other scopes.
            set_scope("shop", "a  b").refused("invalid_argument"),
            set_scope("shop", "encrypt decrypt rewrap"),
            is_of(verify("${token}"), "shop", "encrypt decrypt"),
            set_scope("shop", "decrypt"),
            verify("${token}").refused("token_revoked"),
            token("${renewed}", "token"),
            is_of(verify("${token}"), "shop", "decrypt"),
            step("client_token", json!({"id": "", "secret": "${renewed}"})).refused("login_failed"),
            // Disabled.
            of("disable_client", "shop"),
            list(json!([shop("decrypt", true)])),
            verify("${token}").refused("token_revoked"),
            oauth(inactive("${token}")),
            ask("${renewed}", "").refused("login_failed"),
            of("enable_client", "shop"),
            list(json!([shop("decrypt", false)])),
            verify("${token}").refused("token_revoked"),
            token("${renewed}", "token"),
            is_of(verify("${token}"), "shop", "decrypt"),
            oauth(step("revoke_token", json!({"token": "${token}"}))),
            verify("${token}").refused("token_revoked"),
            oauth(inactive("nonsense")),
            // Logins at the routes of OAuth.
            log_in("alice", "first", "first refresh"),
            oauth(introspect("${first refresh}")).answers(json!({
                "active": true, "user": "alice", "scope": "decrypt", "kind": "refresh_token",
            })),
            refresh("${first refresh}")
                .answers(both())
                .saves("second", "/token")
                .saves("second refresh", "/refresh_token"),
            is_of(verify("${second}"), "alice", "decrypt"),
            oauth(step(
                "refresh",
                json!({"refresh_token": "${second refresh}", "scope": "admin"}),
            ))
            .refused("invalid_argument"),
            refresh("${second}").refused("token_malformed"),
            refresh("${token}").refused("token_malformed"),
            refresh("nonsense").refused("token_malformed"),
            refresh("${first refresh}").refused("token_revoked"),
            verify("${second}").refused("token_revoked"),
            log_in("alice", "third", "third refresh"),
            oauth(step("revoke_token", json!({"token": "${third refresh}"}))),
            verify("${third}").refused("token_revoked"),
            refresh("${third refresh}").refused("token_revoked"),
            // Gone.
            token("${renewed}", "token"),
            of("remove_client", "shop"),
            of("remove_client", "shop").refused("not_found"),
            verify("${token}").refused("token_revoked"),
            ask("${renewed}", "").refused("login_failed"),
            list(json!([])),
        ],
    }
}
