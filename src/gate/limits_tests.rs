//! Named limits as a gate offers them, and the attack on a counter by floods of names.

use std::collections::BTreeMap;

use super::Charge;
use crate::metrics::Page;
use crate::{Config, Error, Gate, MetricsFormat};

fn gate(settings: &[(&str, &str)]) -> Gate {
    let mut config = Config::new();
    config.set("keys", "ephemeral").unwrap();
    let limits = "few: 3 per 60; many: 10 per 60; near: 5 per 60, per address";
    config.set("limits", limits).unwrap();
    for (name, value) in settings {
        config.set(name, value).unwrap();
    }
    Gate::new(&config.settings().unwrap().gate).unwrap()
}

fn left(gate: &Gate, policy: &str) -> u32 {
    let state = gate.peek_limit("alice", policy, 0).unwrap();
    state.map_or(u32::MAX, |state| state.remaining)
}

#[test]
fn what_a_policy_cannot_count_is_an_error_and_counts_nothing() {
    let gate = gate(&[]);
    for (name, policy, cost) in [
        ("alice", "other", 1),
        ("alice", "Default", 1),
        ("alice", "FEW", 1),
        ("alice", "", 1),
        ("alice", "few", 4),
        ("alice", "default", u32::MAX),
        ("alice", "near", 1),
        ("", "near", 1),
    ] {
        for asked in [
            gate.limit(name, policy, cost),
            gate.peek_limit(name, policy, cost),
        ] {
            assert!(matches!(asked, Err(Error::InvalidInput(_))), "{policy}");
        }
        let is_known = policy == "few" || policy == "default";
        assert_eq!(gate.reset_limit(name, policy).is_ok(), is_known, "{policy}");
    }
    assert_eq!((left(&gate, "few"), left(&gate, "default")), (3, 5));
}

#[test]
fn several_policies_count_all_or_none() {
    let gate = gate(&[]);
    let charge = |policy, cost| Charge {
        policy,
        name: "alice".into(),
        cost,
        api_key: None,
    };
    let allowed = |charges: &[Charge<'_>]| -> Vec<(String, bool)> {
        let states = gate.charge(charges).unwrap().into_iter();
        states
            .map(|(policy, state)| (policy.to_owned(), state.allowed))
            .collect()
    };
    let both = [charge("few", 2), charge("many", 2)];
    let of = |few, many| vec![("few".to_owned(), few), ("many".to_owned(), many)];
    assert_eq!(allowed(&both), of(true, true));
    assert_eq!(allowed(&both), of(false, true));
    assert_eq!((left(&gate, "few"), left(&gate, "many")), (1, 8));
    let wrong = gate.charge(&[charge("many", 1), charge("other", 1)]);
    assert!(wrong.is_err() && left(&gate, "many") == 8);
    assert!(allowed(&[]).is_empty());
    let mut page = Page::default();
    gate.collect(&mut page);
    let page = page.text(MetricsFormat::Prometheus);
    for (policy, result, count) in [
        ("few", "allowed", 1),
        ("few", "denied", 1),
        ("many", "allowed", 1),
        ("many", "denied", 0),
        ("near", "allowed", 0),
    ] {
        let sample = [("policy", policy), ("result", result)];
        let sample = sample.map(|(name, value)| format!("{name}=\"{value}\""));
        let line = page.lines().find(|line| {
            line.starts_with("sealgate_policy_decisions_total{")
                && sample.iter().all(|label| line.contains(label))
        });
        assert!(line.unwrap().ends_with(&format!(" {count}")), "{line:?}");
    }
}

#[test]
fn each_policy_counts_on_its_own_and_a_disabled_default_counts_nothing() {
    let gate = gate(&[("max_requests", "0")]);
    assert_eq!(gate.limit("alice", "default", 1_000), Ok(None));
    assert_eq!(gate.reset_limit("alice", "default"), Ok(false));
    let state = gate.limit("alice", "few", 3).unwrap().unwrap();
    assert_eq!((state.allowed, state.remaining), (true, 0));
    assert_eq!(left(&gate, "many"), 10);
    assert_eq!(gate.reset_limit("alice", "many"), Ok(false));
    assert_eq!(gate.reset_limit("alice", "few"), Ok(true));
    assert_eq!(left(&gate, "few"), 3);
    let names: Vec<&str> = gate.policies().map(|policy| &*policy.name).collect();
    assert_eq!(names, ["few", "many", "near"]);
}

/// The attack: floods of names that should push a used-up counter out of memory.
#[test]
fn no_flood_of_names_resets_a_counter() {
    let limits = "exports: 4 per 3600; other: 4 per 3600";
    let gate = gate(&[("limits", limits), ("limiter_memory", "65536")]);
    let ask = |name: &str, policy: &str, cost: u32| {
        let state = gate.limit(name, policy, cost).unwrap();
        state.unwrap().allowed
    };
    assert!(ask("limited", "exports", 3) && ask("limited", "exports", 1));
    let mut late = BTreeMap::new();
    for number in 0..60_000_u32 {
        let name = format!("caller {number}");
        for policy in ["exports", "other"] {
            ask(&name, policy, 1 + number % 4);
        }
        // Some come while there is no room any more, and come again.
        let name = format!("late {}", number % 500);
        if ask(&name, "exports", 1 + number % 3) {
            *late.entry(name).or_insert(0) += 1 + number % 3;
        }
        if number % 500 == 0 {
            assert!(!ask("limited", "exports", 1), "after {number}");
            let state = gate.peek_limit("limited", "exports", 1).unwrap();
            assert_eq!(state.unwrap().remaining, 0);
        }
    }
    assert!(late.values().all(|units| *units <= 4), "{late:?}");
    // Only what is meant to reset it does.
    assert_eq!(gate.reset_limit("limited", "exports"), Ok(true));
}
