//! How long the refusal of a client takes does not reveal the reason.

use std::time::Instant;

use sealgate::{Error, Secret};

use super::*;
use crate::logins::rank_sum;

#[test]
fn no_reason_to_refuse_a_client_takes_much_longer_than_another() {
    let (fastest, slowest) = fastest_and_slowest(&refusals(400));
    assert!(slowest < fastest * 3 / 2, "{fastest:?} {slowest:?}");
}

#[test]
#[ignore = "a statistical test of times wants a quiet machine: make soak"]
fn a_refused_client_takes_as_long_whatever_the_reason() {
    let times = refusals(4_000);
    let z = rank_sum(&times[0], &times[1]);
    println!(
        "a wrong secret, and one that is wrong at its end: z = {z:.2} (|z| > 3.29 where p < 0.001)"
    );
    // What a secret has in common with the right one cannot be measured, and the rest is far below what a network hides.
    assert!(z.abs() < 3.29, "the times differ: z = {z}");
    let (fastest, slowest) = fastest_and_slowest(&times);
    assert!(
        slowest - fastest < Duration::from_micros(2),
        "{fastest:?} {slowest:?}"
    );
}

fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted[sorted.len() / 2]
}

fn fastest_and_slowest(times: &[Vec<Duration>]) -> (Duration, Duration) {
    let medians = || times.iter().map(|times| median(times));
    (medians().min().unwrap(), medians().max().unwrap())
}

/// How long refusals take, for each of five reasons. In one process, so that nothing else is measured: over a network it is much
/// harder to see.
fn refusals(tries: usize) -> [Vec<Duration>; 5] {
    const NAMES: usize = 40;
    const FIRST: usize = 50; // turns that warm up
    let home = tempfile::tempdir().unwrap();
    let gate = gate_in(home.path());
    let names =
        |kind: &str| -> Vec<String> { (0..NAMES).map(|n| format!("{kind}-{n:02}")).collect() };
    let (shops, tills, nobody, users) =
        (names("shop"), names("till"), names("nope"), names("user"));
    let mut almost = Vec::new();
    let mut secrets = Vec::new();
    for (shop, till) in shops.iter().zip(&tills) {
        let secret = gate.clients().add(shop, "encrypt").unwrap();
        let mut last = secret.into_vec();
        let end = last.last_mut().unwrap();
        *end = if *end == b'A' { b'B' } else { b'A' };
        almost.push(Secret::new(last));
        secrets.push(gate.clients().add(till, "encrypt").unwrap());
        assert!(gate.clients().set_disabled(till, true).unwrap());
    }
    for user in &users {
        gate.users().add(user, &PASSWORD.into(), "").unwrap();
    }
    let wrong: Vec<Secret> = (0..NAMES).map(|_| Secret::from(&*"x".repeat(43))).collect();
    let cases = [
        ("a wrong secret", &shops, &wrong),
        ("a secret that is wrong at its end", &shops, &almost),
        ("an unknown client", &nobody, &wrong),
        ("a disabled client", &tills, &secrets),
        ("a user", &users, &wrong),
    ];
    let mut times = cases.map(|_| Vec::with_capacity(tries));
    for n in 0..(FIRST + tries) * cases.len() {
        // In turns, and each turn in another order, so that what drifts meets all alike.
        let (turn, at) = (n / cases.len(), (n + n / cases.len()) % cases.len());
        let (_, names, secrets) = cases[at];
        let started = Instant::now();
        let refused = gate.client_token(&names[turn % NAMES], &secrets[turn % NAMES], "");
        let took = started.elapsed();
        assert_eq!(refused, Err(Error::LoginFailed));
        if turn >= FIRST {
            times[at].push(took);
        }
    }
    for (case, times) in cases.iter().zip(&times) {
        println!(
            "{}: {} tries, median {:.2?}",
            case.0,
            times.len(),
            median(times)
        );
    }
    times
}
