//! POST `/limit` and `/limit/reset`: limits for applications in any language. They name whom they serve, and what for.

use serde_json::{Value, json};

use super::{Text, members, text};
use crate::api::problem::Problem;
use crate::api::response::Response;
use crate::api::route::Call;
use crate::base::json::Json;
use crate::base::names::valid_subject;
use crate::limiter::{Admission, DEFAULT};
use crate::{Error, whole_seconds};

const BAD_NAME: &str = "A name is required.";
const BAD_POLICY: &str = "The policy is not acceptable.";
const BAD_COST: &str = "The cost is not acceptable.";

pub(super) fn answer(call: &mut Call<'_>) -> Result<Response, Problem> {
    let [name, policy, cost, peek] = members(call.request, ["name", "policy", "cost", "peek"])?;
    let (name, policy) = (name_of(name)?, policy_of(policy)?);
    let cost = cost_of(cost)?;
    let peek = match peek.map(Json::as_written) {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => {
            let detail = "peek must be true or false.";
            return Err(Problem::bad_member("The body is not acceptable.", detail));
        }
    };
    let gate = &call.app.gate;
    if call.counted.is_at_once() && gate.counts_in_store() {
        return Err(call.counted.stop());
    }
    let admission = match peek {
        true => gate.peek_limit(&name, &policy, cost),
        false => gate.limit(&name, &policy, cost),
    };
    let admission = admission.map_err(problem)?;
    Ok(Response::json(200, &shown(&policy, admission)).no_store())
}

pub(super) fn reset(call: &mut Call<'_>) -> Result<Response, Problem> {
    let [name, policy] = members(call.request, ["name", "policy"])?;
    let (name, policy) = (name_of(name)?, policy_of(policy)?);
    let caller = call.caller();
    let counted = call
        .app
        .gate
        .reset_limit_by(&name, &policy, call.asker(&caller))
        .map_err(problem)?;
    let body = json!({"policy": &*policy, "counted": counted});
    Ok(Response::json(200, &body).no_store())
}

fn shown(policy: &str, admission: Option<Admission>) -> Value {
    let Some(admission) = admission else {
        return json!({
            "policy": policy,
            "allowed": true,
            "limit": null,
            "window": null,
            "remaining": null,
            "reset": 0,
        });
    };
    let reset = match admission.reset.is_zero() {
        true => 0,
        false => whole_seconds(admission.reset),
    };
    json!({
        "policy": policy,
        "allowed": admission.allowed,
        "limit": admission.limit,
        "window": admission.window.as_secs(),
        "remaining": admission.remaining,
        // A refused caller that tries again must not do so at once.
        "reset": if admission.allowed { reset } else { reset.max(1) },
    })
}

fn name_of(member: Option<Json<'_>>) -> Result<Text<'_>, Problem> {
    let wrong = |detail| Problem::bad_member(BAD_NAME, detail);
    let name = text(member, "name", BAD_NAME)?
        .ok_or_else(|| wrong(r#"Send {"name": "alice", "policy": "exports", "cost": 1}."#))?;
    match valid_subject(&name) {
        true => Ok(name),
        false => Err(wrong(
            "name must have 1 to 256 characters and no control characters.",
        )),
    }
}

fn policy_of(member: Option<Json<'_>>) -> Result<Text<'_>, Problem> {
    Ok(text(member, "policy", BAD_POLICY)?.unwrap_or(Text(DEFAULT.into())))
}

/// A whole number, however it is written: some languages write a cost of 3 as `3.0`.
fn cost_of(member: Option<Json<'_>>) -> Result<u32, Problem> {
    let Some(written) = member.map(Json::as_written) else {
        return Ok(1);
    };
    let is_cost = |cost: &f64| cost.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(cost);
    let cost = written.parse().ok().filter(is_cost);
    let wrong = || Problem::bad_member(BAD_COST, "cost must be a whole number, at least 0.");
    cost.map(|cost| cost as u32).ok_or_else(wrong) // within its bounds, and exact
}

fn problem(error: Error) -> Problem {
    match error {
        Error::InvalidInput(sentence) => {
            Problem::bad_member("The limit is not acceptable.", sentence)
        }
        other => other.into(),
    }
}
