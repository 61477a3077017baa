//! Many people log in at once: everybody gets an answer, hashing stays bounded, and so do the connections to the store.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use super::nodes::{Client, Fleet, login, sized};
use super::postgres::Postgres;
use crate::common::PATIENCE;

const CONNECTIONS: usize = 4;
/// Beside those: the one that follows changes, and one for the limiter.
const BESIDE: usize = 2;
const HASHES: u64 = 2;
/// argon2id's m of each hash, in KiB.
const MEMORY: u64 = 19_456;

#[test]
fn logins_at_once_share_a_bounded_number_of_hashes_and_connections() {
    let people = sized(120, 1000);
    let connections = CONNECTIONS.to_string();
    let (hashes, memory) = (HASHES.to_string(), MEMORY.to_string());
    let settings = [
        ("SEALGATE_STORE_CONNECTIONS", &*connections),
        ("SEALGATE_PASSWORD_HASHES", &*hashes),
        ("SEALGATE_PASSWORD_MEMORY", &*memory),
        // Whoever waits for a hash waits for all those before.
        ("SEALGATE_STORE_TIMEOUT", "60000"),
    ];
    let names: Vec<String> = (0..10).map(|number| format!("user{number}")).collect();
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    let fleet = Fleet::of(Postgres::alone(), 3, &names, &settings);
    let before: Vec<u64> = fleet
        .nodes
        .iter()
        .map(|node| node.with_server(|server| server.peak()))
        .collect();
    let (over, most) = (AtomicBool::new(false), AtomicUsize::new(0));
    let barrier = Barrier::new(people);
    let started = Instant::now();
    let statuses: Vec<u16> = thread::scope(|scope| {
        let watch = scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                let count = format!(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND application_name = 'sealgate'",
                    fleet.database
                );
                let count = fleet.postgres.primary.sql("postgres", &count);
                most.fetch_max(count.parse().unwrap(), Ordering::SeqCst);
                thread::sleep(std::time::Duration::from_millis(20));
            }
        });
        let running: Vec<_> = (0..people)
            .map(|person| {
                let (fleet, names, barrier) = (&fleet, &names, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    let mut client = Client::with_patience(PATIENCE * 5);
                    let node = &fleet.nodes[person % fleet.nodes.len()];
                    let answer = client.ask(node, &login(names[person % names.len()]));
                    answer.expect("an answer").status
                })
            })
            .collect();
        let statuses = running.into_iter().map(|one| one.join().unwrap());
        let statuses = statuses.collect();
        over.store(true, Ordering::SeqCst);
        watch.join().unwrap();
        statuses
    });
    let good = statuses.iter().filter(|status| **status == 200).count();
    println!(
        "{good} of {people} logins in {:.1?}, at most {} connections",
        started.elapsed(),
        most.load(Ordering::SeqCst)
    );
    // A server that is asked for too much at once may say so; nobody is refused for another reason.
    assert!(statuses.iter().all(|status| [200, 503].contains(status)));
    assert!(good > 0);
    let permitted = fleet.nodes.len() * (CONNECTIONS + BESIDE);
    let most = most.into_inner();
    assert!((1..=permitted).contains(&most), "{most} connections");
    for (node, before) in fleet.nodes.iter().zip(before) {
        let grown = node.with_server(|server| server.peak()) - before;
        // Beside the hashes, what the requests themselves take.
        assert!(grown < HASHES * MEMORY + 48 * 1024, "{grown} KiB");
    }
    // And the servers go on.
    fleet.wait_for(&login("user0"), 200);
}
