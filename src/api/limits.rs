//! Counts requests against limits: the one of users, and the named ones, for whomever each of them counts.

use std::borrow::Cow;

use super::caller::Caller;
use super::host::Host;
use super::limit_headers::Counted;
use super::problem::Problem;
use super::request::Request;
use super::route::{AppInner, Call};
use super::settings::BatchCost;
use crate::gate::Charge;
use crate::limiter::{DEFAULT, Per};
use crate::{Claims, Error, Gate};

/// A named limit, and what a request costs under it.
pub(super) type Use = (String, u32);

/// Counts a request against the limit of users if `is_limited`, and against named ones: against all of them, or against
/// none if one has no room. `counted` receives their states also if the request is refused.
pub(super) fn count(
    app: &AppInner,
    request: &Request<'_>,
    claims: Option<&Claims>,
    (is_limited, named): (bool, &[Use]),
    counted: &mut Counted,
) -> Result<(), Problem> {
    if named.is_empty() {
        // Most requests: nothing has to be looked up or collected.
        let Some(claims) = claims.filter(|_| is_limited) else {
            return Ok(());
        };
        let Some(decision) = app.gate.decide(claims, !counted.is_at_once()) else {
            return Err(counted.stop());
        };
        let Some(admission) = decision.map_err(uncounted)? else {
            return Ok(());
        };
        counted.put(DEFAULT, admission);
        return match admission.allowed {
            true => Ok(()),
            false => Err(Problem::rate_limited(admission.reset)),
        };
    }
    let default = is_limited.then_some((DEFAULT, 1));
    let named = named.iter().map(|(policy, cost)| (policy.as_str(), *cost));
    let charges = default.into_iter().chain(named).map(|(policy, cost)| {
        let per = app.gate.policy(policy).map_or(Per::User, |found| found.per);
        Charge {
            policy,
            name: counted_name(app, request, claims, per),
            cost,
            api_key: claims.and_then(Claims::api_key),
        }
    });
    charge(&app.gate, &charges.collect::<Vec<_>>(), counted)
}

/// Counts a batch: its items against the named limits that count items and, if the settings say so, against the limit of
/// users, which has counted the request as one already. A refused batch is refused as a whole.
pub(super) fn count_items(call: &mut Call<'_>, items: usize) -> Result<(), Problem> {
    let (app, request, claims) = (call.app, call.request, call.claims);
    let gate = &app.gate;
    let by_item = gate.policies().filter(|policy| policy.cost_by_item);
    let mut charges = Vec::new();
    for policy in by_item {
        check_size(items, policy.limit, &policy.name)?;
        charges.push(Charge {
            policy: &policy.name,
            name: counted_name(app, request, claims, policy.per),
            cost: items as u32, // at most the limit
            api_key: None,
        });
    }
    // Without an admission the user has no limit.
    let default = call.counted.of_user();
    let default = default.filter(|_| app.settings.batch_cost == BatchCost::Items);
    if let (Some(admission), Some(claims)) = (default, claims) {
        check_size(items, admission.limit, DEFAULT)?;
        charges.push(Charge {
            policy: DEFAULT,
            name: claims.subject().into(),
            cost: items.saturating_sub(1) as u32,
            api_key: claims.api_key(),
        });
    }
    charges.retain(|charge| charge.cost > 0);
    charge(gate, &charges, call.counted)
}

/// A batch that costs more than a limit would be refused for ever.
fn check_size(items: usize, limit: u32, policy: &str) -> Result<(), Problem> {
    match items > limit as usize {
        true => Err(Problem::bad_member(
            "The items are not acceptable.",
            format!(
                "A batch may have at most {limit} items, because the limit {policy} admits no more."
            ),
        )),
        false => Ok(()),
    }
}

fn charge(gate: &Gate, charges: &[Charge<'_>], counted: &mut Counted) -> Result<(), Problem> {
    if !charges.is_empty() && counted.is_at_once() && gate.counts_in_store() {
        return Err(counted.stop());
    }
    let mut wait = None;
    for (policy, admission) in gate.charge(charges).map_err(uncounted)? {
        counted.put(policy, admission);
        if !admission.allowed {
            wait = wait.max(Some(admission.reset));
        }
    }
    match wait {
        None => Ok(()),
        Some(longest) => Err(Problem::rate_limited(longest)),
    }
}

/// The error for a request that could not be counted. That the store does not answer has been logged.
pub(super) fn uncounted(error: Error) -> Problem {
    match error {
        Error::Store(_) => {
            Problem::unavailable("Requests cannot be counted, because the store does not answer.")
        }
        other => other.into(),
    }
}

/// Whom a limit counts for this request.
fn counted_name<'a>(
    app: &AppInner,
    request: &Request<'_>,
    claims: Option<&'a Claims>,
    per: Per,
) -> Cow<'a, str> {
    let user = claims.map(Claims::subject).unwrap_or_default();
    match per {
        Per::User => user.into(),
        // A token is no API key. Its user counts under a name that no key's id has.
        Per::ApiKey => match claims.and_then(Claims::api_key) {
            Some(id) => id.into(),
            None => format!("user {user}").into(),
        },
        Per::Address => Caller::of(request, &app.settings).to_string().into(),
    }
}

/// Whether the limits that the host's routes name exist, can admit what a request costs, and know whom to count.
pub(super) fn check(gate: &Gate, host: &Host) -> Result<(), Error> {
    for route in &host.routes {
        let wrong = |what: &str| {
            Err(Error::InvalidInput(format!(
                "The route {} {what}.",
                route.path
            )))
        };
        for (at, (policy, cost)) in route.policies.iter().enumerate() {
            gate.check_cost(policy, *cost)?;
            let is_default = policy == DEFAULT;
            let again = route.policies[..at]
                .iter()
                .any(|(other, _)| other == policy);
            if again || (is_default && route.limited) {
                return wrong("is limited by the same policy twice");
            }
            let per = gate.policy(policy).map_or(Per::User, |found| found.per);
            if route.scope.is_none() && per != Per::Address {
                return wrong(
                    "is limited by a policy that counts users, and therefore needs a token",
                );
            }
        }
    }
    Ok(())
}
