//! `sealgate limits`: lists the limits on requests as the settings define them.

use std::time::Duration;

use clap::{ArgMatches, Command};
use sealgate::Settings;
use sealgate::api::BatchCost;
use sealgate::limiter::{Per, Policy};
use serde_json::{Value, json};

use super::args::flag;
use super::settings::{LIMITS, add_flags};
use super::table::{aligned, grouped};
use super::{Failure, load_settings, print_json, write_output};

pub(super) fn command() -> Command {
    let command = Command::new("limits")
        .about("List the limits on requests, as the settings define them")
        .long_about(
            "List the limits on requests, as serve would use them with the same flags: the one of users, called default, and \
             those in SEALGATE_LIMITS. What they have counted is known only to each server.",
        )
        .arg(flag("json", "Print JSON for programs"));
    add_flags(command, &[LIMITS])
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let settings = load_settings(matches)?;
    let policies = listed(&settings, settings.gate.limiter.named()?);
    if matches.get_flag("json") {
        let policies: Vec<Value> = policies.iter().map(policy_json).collect();
        return print_json(&json!({ "limits": policies }));
    }
    let rows = policies.iter().map(|policy| {
        [
            policy.name.clone(),
            match policy.limit {
                0 => "off".to_owned(),
                limit => grouped(limit.into()),
            },
            seconds(policy.window),
            policy.per.to_string(),
            cost(policy).to_owned(),
        ]
    });
    write_output(aligned(["NAME", "LIMIT", "WINDOW", "PER", "A BATCH COSTS"], rows).as_bytes())
}

/// The limit of users, which no policy can replace, and the policies.
fn listed(settings: &Settings, named: Vec<Policy>) -> Vec<Policy> {
    let limiter = &settings.gate.limiter;
    let default = Policy {
        name: "default".to_owned(),
        limit: limiter.max_requests,
        window: limiter.window,
        per: Per::User,
        cost_by_item: settings.app.batch_cost == BatchCost::Items,
    };
    [vec![default], named].concat()
}

fn cost(policy: &Policy) -> &'static str {
    match policy.cost_by_item {
        true => "its items",
        false => "1",
    }
}

fn seconds(window: Duration) -> String {
    format!("{} s", grouped(window.as_secs()))
}

fn policy_json(policy: &Policy) -> Value {
    json!({
        "name": policy.name,
        "limit": (policy.limit > 0).then_some(policy.limit),
        "window": policy.window.as_secs(),
        "per": policy.per.name(),
        "cost_by_item": policy.cost_by_item,
    })
}
