//! Two machines count together in a real PostgreSQL.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use crate::store::Cluster;
use crate::{Config, Error, Gate};

fn gate(address: &str, folder: &Path, settings: &[(&str, &str)]) -> Gate {
    let mut config = Config::new();
    let state = folder.join("state");
    for (name, value) in [
        ("store", address),
        ("store_timeout", "60000"),
        ("ring_key", &"ab".repeat(32)),
        ("data_dir", state.to_str().unwrap()),
        ("limits", "few: 4 per 3600; near: 2 per 3600, per address"),
        ("rate_limit_window", "3600"),
    ]
    .iter()
    .chain(settings)
    {
        config.set(name, value).unwrap();
    }
    Gate::new(&config.settings().unwrap().gate).unwrap()
}

#[test]
fn machines_share_every_kind_of_limit() {
    let (address, folder) = (Cluster::shared().database(), tempfile::tempdir().unwrap());
    let down = [("limiter_down", "closed")];
    let [a, b] = [(); 2].map(|()| gate(&address, folder.path(), &down));
    let ask = |gate: &Gate, name: &str, policy: &str, cost: u32| {
        let state = gate.limit(name, policy, cost).unwrap().unwrap();
        (state.allowed, state.remaining)
    };
    assert_eq!(ask(&a, "alice", "few", 3), (true, 1));
    assert_eq!(ask(&b, "alice", "few", 2), (false, 1));
    assert_eq!(ask(&b, "alice", "few", 1), (true, 0));
    assert_eq!(ask(&a, "alice", "few", 1), (false, 0));
    assert_eq!(ask(&a, "bob", "few", 4), (true, 0));
    for (n, gate) in [&a, &b, &a, &b, &a].into_iter().enumerate() {
        assert_eq!(ask(gate, "alice", "default", 1), (true, 4 - n as u32));
    }
    assert_eq!(ask(&b, "alice", "default", 1), (false, 0));
    assert_eq!(ask(&a, "192.0.2.1", "near", 2), (true, 0));
    assert_eq!(ask(&b, "::ffff:192.0.2.1", "near", 1), (false, 0));
    // Names never reach the store.
    let (_, name) = address.rsplit_once('/').unwrap();
    let text = Cluster::shared().sql(
        name,
        "SELECT string_agg(encode(key, 'escape'), ' ') FROM sealgate.windows",
    );
    assert!(!text.contains("alice") && !text.is_empty());
    // What one resets, the other admits again.
    assert_eq!(a.reset_limit("alice", "few"), Ok(true));
    let seen = || {
        let state = b.peek_limit("alice", "few", 4).unwrap().unwrap();
        (state.allowed, state.remaining)
    };
    assert_eq!(seen(), (true, 4));
    assert_eq!(ask(&a, "alice", "few", 4), (true, 0));
}

#[test]
fn without_the_store_a_closed_limit_admits_nothing_and_an_open_one_all() {
    let folder = tempfile::tempdir().unwrap();
    let address = Cluster::shared().database();
    // The ring is made while the store is there.
    let made = gate(&address, folder.path(), &[]);
    drop(made);
    for (down, expected) in [("closed", false), ("open", true)] {
        let gate = gate(&address, folder.path(), &[("limiter_down", down)]);
        let (_, name) = address.rsplit_once('/').unwrap();
        Cluster::shared().sql(name, "ALTER TABLE sealgate.windows RENAME TO gone");
        for _ in 0..10 {
            let state = gate.limit("alice", "few", 1);
            match expected {
                true => assert!(state.unwrap().unwrap().allowed, "{down}"),
                false => assert!(matches!(state, Err(Error::Store(_))), "{down}"),
            }
            let asked = gate.enforce_rate_limit("alice").unwrap();
            assert_eq!(asked.allowed, expected, "{down}");
        }
        Cluster::shared().sql(name, "ALTER TABLE sealgate.gone RENAME TO windows");
    }
}
