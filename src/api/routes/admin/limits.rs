//! `/admin/v1/limits`: the limits, who is at one now, and forgetting what a limit has counted.

use serde_json::{Value, json};

use super::super::login_limit::{peek_address, reset_address};
use super::super::text;
use super::asked::{self, bad, only_members};
use crate::Error;
use crate::api::problem::Problem;
use crate::api::response::Response;
use crate::api::route::Call;
use crate::api::settings::BatchCost;
use crate::base::clock::exact_now;
use crate::gate::{LOGIN, Limited};
use crate::limiter::{Admission, Policy};
use crate::whole_seconds;

pub(super) fn list(call: &mut Call<'_>) -> Result<Response, Problem> {
    let limit = asked::limit(call)?;
    let policy = asked::text(call, "policy")?;
    let app = call.app;
    let found = app.gate.limited_now(|limited| {
        let is_login = limited.policy == LOGIN;
        is_login.then(|| peek_address(app, &limited.who)).flatten()
    });
    let listed: Vec<Value> = (found.iter())
        .filter(|(limited, ..)| {
            policy
                .as_ref()
                .is_none_or(|policy| *policy == limited.policy)
        })
        .take(limit as usize)
        .map(|(limited, state, refused)| shown(limited, state, *refused))
        .collect();
    let by_item = app.settings.batch_cost == BatchCost::Items;
    let policies = app.gate.all_policies(by_item);
    let policies: Vec<Value> = policies.iter().map(Policy::to_json).collect();
    let body = json!({"limited": listed, "policies": policies});
    Ok(Response::json(200, &body).no_store())
}

pub(super) fn reset(call: &mut Call<'_>) -> Result<Response, Problem> {
    const TITLE: &str = "The limit is not acceptable.";
    let [policy, kind, who] = only_members(call.request, ["policy", "kind", "who"])?;
    let missing = || bad(r#"Send {"policy": "default", "kind": "user", "who": "alice"}."#);
    let policy = text(policy, "policy", TITLE)?.ok_or_else(missing)?;
    let who = text(who, "who", TITLE)?.ok_or_else(missing)?;
    let kind = text(kind, "kind", TITLE)?.ok_or_else(missing)?;
    if !matches!(&*kind, "user" | "api-key" | "address") {
        return Err(bad("kind must be user, api-key or address."));
    }
    let caller = call.caller();
    let (gate, asker) = (&call.app.gate, call.asker(&caller));
    let done = match (&*policy, &*kind) {
        (LOGIN, "address") => reset_address(call, &who, asker),
        ("default", "api-key") => gate.reset_own_limit_by(&who, asker),
        _ => gate.reset_limit_by(&who, &policy, asker),
    };
    let reset = done.map_err(|error| match error {
        Error::InvalidInput(sentence) => bad(sentence),
        other => other.into(),
    })?;
    Ok(Response::json(200, &json!({"reset": reset})).no_store())
}

fn shown(limited: &Limited, state: &Admission, refused: bool) -> Value {
    // Rounded up once, so that it does not change with the moment of the question.
    let resets = exact_now() + state.reset;
    json!({
        "policy": limited.policy,
        "kind": limited.kind,
        "who": limited.who,
        "count": state.limit - state.remaining,
        "limit": state.limit,
        "window": state.window.as_secs(),
        "reset_at": whole_seconds(resets),
        "refused": refused,
    })
}
