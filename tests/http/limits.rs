//! What the limiter promises under a flood, through the crate's public surface and by what the system counts.

#![cfg(target_os = "linux")] // which says in /proc what a process takes
#![allow(clippy::unwrap_used)] // a test that panics has failed

use sealgate::{Config, Gate};

use crate::common::own_process::run_alone;
use crate::common::process::resident_of;

/// The default of `SEALGATE_LIMITER_MEMORY`.
const BYTES: usize = 64 << 20;
/// For what else the process grows by meanwhile, and for whole pages.
const SLACK: usize = 8 << 20;

/// Resident memory in bytes, from the system.
fn resident() -> usize {
    usize::try_from(resident_of(std::process::id())).unwrap() << 10
}

/// In a separate process: the memory counted is that of all tests that a process runs.
#[test]
fn a_million_callers_stay_within_the_bytes_and_free_nobody() {
    run_alone("limits::a_million_callers_in_this_process");
}

#[test]
#[ignore = "another test runs it in a process of its own"]
fn a_million_callers_in_this_process() {
    let mut config = Config::new();
    for (name, value) in [("keys", "ephemeral"), ("rate_limit_window", "3600")] {
        config.set(name, value).unwrap();
    }
    let gate = Gate::new(&config.settings().unwrap().gate).unwrap();
    let admitted = |name: &str| gate.enforce_rate_limit(name).unwrap().allowed;
    for request in 0..5 {
        assert!(admitted("limited"), "request {request}");
    }
    assert!(!admitted("limited"));
    let before = resident();
    let mut highest = 0;
    // First each caller once, for which there is room; then again, so that their lists have to grow beyond it.
    for round in 0..2 {
        let mut let_in = 0;
        for caller in 0..1_000_000 {
            let_in += u32::from(admitted(&format!("caller {caller}")));
            if caller % 50_000 == 0 {
                highest = highest.max(resident());
                assert!(!admitted("limited"), "round {round}, caller {caller}");
            }
        }
        if round == 0 {
            assert_eq!(let_in, 1_000_000, "there is room for all of them");
        }
    }
    highest = highest.max(resident());
    assert!(!admitted("limited"));
    let grown = highest.saturating_sub(before);
    println!("a million callers took {} KiB", grown >> 10);
    assert!(grown <= BYTES + SLACK, "{grown} bytes");
}
