//! What is revoked on one node is refused by all, soon.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::nodes::{Client, Fleet, Node, get, login, logout, sized};
use super::pgbouncer::PgBouncer;
use super::postgres::Postgres;
use super::trouble::{Proxy, Trouble};
use crate::common::people::Pair;
use crate::common::{Answer, PATIENCE};

/// What may pass on a busy machine with a debug build; the figures are printed.
const BOUND: Duration = Duration::from_secs(10);

/// Logs out on one node after the other beside requests to all of them; how long each revocation took to reach the last node.
fn delays(fleet: &Fleet, rounds: usize) -> Vec<Duration> {
    let over = AtomicBool::new(false);
    let loaded = Pair::of(&ask(&mut Client::new(), &fleet.nodes[0], &login("alice")));
    thread::scope(|scope| {
        let load = |node: usize| {
            let mut client = Client::new();
            let request = get("/secure-data", &loaded.token);
            while !over.load(Ordering::SeqCst) {
                let node = &fleet.nodes[node];
                let log = || node.with_server(|server| server.log());
                assert_eq!(ask(&mut client, node, &request).status, 200, "{}", log());
                thread::sleep(Duration::from_millis(2));
            }
        };
        for node in 0..fleet.nodes.len() {
            scope.spawn(move || load(node));
        }
        let rounds = (0..rounds).map(|round| delay(fleet, round));
        let delays = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| rounds.collect()));
        over.store(true, Ordering::SeqCst);
        delays.unwrap_or_else(|failure| std::panic::resume_unwind(failure))
    })
}

/// The answer as soon as the server knows what is revoked: on a busy machine it may not hear from the store for a second.
fn ask(client: &mut Client, node: &Node, request: &[u8]) -> Answer {
    let start = Instant::now();
    loop {
        let answer = client.ask(node, request).unwrap();
        if answer.status != 503 {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "{}", answer.body);
        thread::sleep(Duration::from_millis(20));
    }
}

fn delay(fleet: &Fleet, round: usize) -> Duration {
    let nodes = &fleet.nodes;
    let mut clients: Vec<Client> = nodes.iter().map(|_| Client::new()).collect();
    let here = round % nodes.len();
    let pair = Pair::of(&ask(&mut clients[here], &nodes[here], &login("alice")));
    let request = get("/secure-data", &pair.token);
    for (client, node) in clients.iter_mut().zip(nodes) {
        assert_eq!(ask(client, node, &request).status, 200);
    }
    let answer = ask(&mut clients[here], &nodes[here], &logout(&pair.token));
    assert_eq!(answer.status, 204);
    let start = Instant::now();
    // Where it was revoked it holds at once.
    let status = ask(&mut clients[here], &nodes[here], &request).status;
    assert_eq!(status, 401);
    for (client, node) in clients.iter_mut().zip(nodes) {
        while client.ask(node, &request).unwrap().status != 401 {
            assert!(start.elapsed() < PATIENCE, "a logout is not seen");
            thread::sleep(Duration::from_millis(1));
        }
    }
    let took = start.elapsed();
    // And it stays so.
    for (client, node) in clients.iter_mut().zip(nodes) {
        assert_eq!(ask(client, node, &request).status, 401);
    }
    took
}

fn judge(mut delays: Vec<Duration>, how: &str) {
    delays.sort_unstable();
    let last = delays.len() - 1;
    let (median, p99) = (delays[last / 2], delays[last * 99 / 100]);
    println!(
        "revocations {how}: {} in all, median {median:.1?}, p99 {p99:.1?}, slowest {:.1?}",
        delays.len(),
        delays[last]
    );
    assert!(p99 < BOUND);
}

#[test]
fn a_logout_reaches_every_node() {
    let fleet = Fleet::of(Postgres::alone(), 3, &["alice"], &[]);
    judge(delays(&fleet, sized(30, 500)), "with LISTEN");
}

/// Without notifications the servers look by themselves, four times a second.
#[test]
fn a_logout_reaches_every_node_through_pgbouncer_in_transaction_mode() {
    let mut fleet = Fleet::without_nodes(Postgres::alone());
    fleet.add("alice", "secure-data");
    let bouncer = PgBouncer::before(&fleet.postgres);
    for _ in 0..3 {
        fleet.start_node_through(vec![Proxy::to(bouncer.target())], &[]);
    }
    judge(delays(&fleet, sized(10, 200)), "through PgBouncer");
    // The proxy in front of PgBouncer closes its connections: they are opened again.
    for node in &fleet.nodes {
        node.trouble(Trouble::Reset);
        node.trouble(Trouble::None);
    }
    judge(delays(&fleet, 3), "through PgBouncer after a reset");
}
