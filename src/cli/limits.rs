//! `sealgate limits`: lists the limits on requests, and on a server also who is at one, and resets them.

use std::time::Duration;

use clap::{ArgMatches, Command};
use sealgate::api::BatchCost;
use sealgate::limiter::Policy;
use serde_json::{Value, json};

use super::args::{flag, operand, option, text};
use super::remote::AtLimit;
use super::settings::{LIMITS, add_flags};
use super::table::{aligned, grouped, harmless, or_dash, rfc3339};
use super::{Failure, Remote, load_settings, print_json, remark, write_output};

/// The limit on logins from an address, which is not among the limits on requests.
const LOGIN: &str = "login";

pub(super) fn command() -> Command {
    let current = Command::new("current")
        .about("List who is at a limit now; only with --server")
        .long_about(
            "List who is at a limit of a server now: those who have used it up or were refused, as far as that server has noticed. \
             Only with --server, because what has been counted is known only to each server.",
        )
        .arg(option(
            "policy",
            "NAME",
            "Only those at this limit: default, login or a name in SEALGATE_LIMITS",
        ))
        .arg(flag("json", "Print JSON for programs"));
    let reset = Command::new("reset")
        .about("Forget what a limit has counted for somebody; only with --server")
        .long_about(
            "Forget what a limit of a server has counted for a user, an API key or an address, who then have the whole limit again. \
             Only with --server, because what has been counted is known only to each server.",
        )
        .arg(
            option(
                "policy",
                "NAME",
                "The limit: default, login or a name in SEALGATE_LIMITS",
            )
            .required(true),
        )
        .arg(
            option("kind", "KIND", "What WHO is")
                .value_parser(["user", "api-key", "address"])
                .required(true),
        )
        .arg(operand(
            "who",
            "WHO",
            "As sealgate limits current shows it; put -- before one that begins with a hyphen",
        ));
    let command = Command::new("limits")
        .about("List the limits on requests, as the settings define them")
        .long_about(
            "List the limits on requests, as serve would use them with the same flags: the one of users, called default, and \
             those in SEALGATE_LIMITS. With --server, list those of that server. What they have counted is known only to each \
             server: sealgate --server URL limits current lists who is at a limit.",
        )
        .args_conflicts_with_subcommands(true)
        .arg(flag("json", "Print JSON for programs"));
    add_flags(command, &[LIMITS])
        .subcommand(current)
        .subcommand(reset)
}

pub(super) fn run(matches: &ArgMatches, remote: Option<&Remote>) -> Result<(), Failure> {
    match (matches.subcommand(), remote) {
        (None, None) => list(matches, &defined(matches)?),
        (None, Some(remote)) => list(matches, &remote.limits()?.0),
        (Some((what, _)), None) => Err(Failure::wrong(format!(
            "What has been counted is known only to each server. Name one: sealgate --server URL limits {what}"
        ))),
        (Some(("current", matches)), Some(remote)) => current(matches, remote),
        (Some((_, matches)), Some(remote)) => reset(matches, remote),
    }
}

/// The limit of users, which no policy can replace, and the policies.
fn defined(matches: &ArgMatches) -> Result<Vec<Policy>, Failure> {
    let settings = load_settings(matches)?;
    let limiter = &settings.gate.limiter;
    let default = limiter.of_users(settings.app.batch_cost == BatchCost::Items);
    Ok([vec![default], limiter.named()?].concat())
}

fn list(matches: &ArgMatches, policies: &[Policy]) -> Result<(), Failure> {
    if matches.get_flag("json") {
        let policies: Vec<Value> = policies.iter().map(Policy::to_json).collect();
        return print_json(&json!({ "limits": policies }));
    }
    let rows = policies.iter().map(|policy| {
        [
            harmless(&policy.name),
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

fn cost(policy: &Policy) -> &'static str {
    match policy.cost_by_item {
        true => "its items",
        false => "1",
    }
}

fn seconds(window: Duration) -> String {
    format!("{} s", grouped(window.as_secs()))
}

fn current(matches: &ArgMatches, remote: &Remote) -> Result<(), Failure> {
    let (policies, mut limited) = remote.limits()?;
    if let Some(wanted) = matches.get_one::<String>("policy") {
        let names = policies.iter().map(|policy| policy.name.as_str());
        let names: Vec<&str> = names.chain([LOGIN]).collect();
        // Nobody would be at it, which looks like good news.
        if !names.contains(&&**wanted) {
            return Err(Failure::wrong(format!(
                "The server {} has no limit {}. It has: {}.",
                remote.url(),
                harmless(wanted),
                harmless(&names.join(", "))
            )));
        }
        limited.retain(|one| one.policy == *wanted);
    }
    if matches.get_flag("json") {
        let limited: Vec<Value> = limited.iter().map(at_limit_json).collect();
        return print_json(&json!({ "limited": limited }));
    }
    if limited.is_empty() {
        remark("Nobody is at a limit.");
        return Ok(());
    }
    let rows = limited.iter().map(|one| {
        [
            harmless(&one.policy),
            harmless(&one.kind),
            harmless(&one.who),
            grouped(one.count),
            grouped(one.limit),
            seconds(one.window),
            or_dash(rfc3339(one.resets).unwrap_or_default()),
            if one.refused { "yes" } else { "no" }.to_owned(),
        ]
    });
    let heading = [
        "POLICY",
        "KIND",
        "WHO",
        "COUNT",
        "LIMIT",
        "WINDOW",
        "ROOM FROM",
        "REFUSED",
    ];
    write_output(aligned(heading, rows).as_bytes())
}

fn at_limit_json(one: &AtLimit) -> Value {
    json!({
        "policy": one.policy,
        "kind": one.kind,
        "who": one.who,
        "count": one.count,
        "limit": one.limit,
        "window": one.window.as_secs(),
        "resets": rfc3339(one.resets),
        "refused": one.refused,
    })
}

fn reset(matches: &ArgMatches, remote: &Remote) -> Result<(), Failure> {
    let [policy, kind, who] = ["policy", "kind", "who"].map(|name| text(matches, name));
    let done = remote.reset_limit(policy, kind, who)?;
    let whom = format!("{} for the {kind} {}", harmless(policy), harmless(who));
    let said = match done {
        true => format!("Reset the limit {whom}.\n"),
        false => format!("Nothing was counted under the limit {whom}.\n"),
    };
    write_output(said.as_bytes())
}
