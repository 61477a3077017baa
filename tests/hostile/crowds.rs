//! Crowds that drip, that do not read and that stay, and a good client beside each.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::load::{Crowd, good_client};
use crate::common::process::many_descriptors;
use crate::common::{PATIENCE, Server, promised};
use crate::{GET, alone, decrypt, good_client_waits, start};

/// Requests of the good client on a kept connection, and as many on fresh ones.
const REQUESTS: usize = 150;

const DEADLINES: &[(&str, &str)] = &[
    ("SEALGATE_HEAD_TIMEOUT", "2"),
    ("SEALGATE_BODY_TIMEOUT", "2"),
    ("SEALGATE_WRITE_TIMEOUT", "2"),
];

/// A crowd sends `first` and then a byte each time; beside it a good client is served, and after its deadline it is gone.
/// `memory`: KiB that may be resident for it.
fn dripping(name: &str, first: &[u8], byte: u8, clients: usize, memory: u64) {
    let _alone = alone();
    let home = tempfile::tempdir().unwrap();
    let server = start(&home, DEADLINES);
    let good = decrypt(&server);
    good_client(server.port, &good, 20);
    let (threads, resident) = (server.threads(), server.resident());
    many_descriptors();
    let begun = Instant::now();
    let crowd = Crowd::connect(server.port, clients, first);
    let connected = Instant::now();
    let over = AtomicBool::new(false);
    let served = thread::scope(|scope| {
        scope.spawn(|| crowd.drip(byte, Duration::from_millis(100), &over));
        let served = good_client(server.port, &good, REQUESTS);
        let open = server.descriptors();
        // By then they may be gone where anybody had to wait long for a turn.
        if begun.elapsed() < Duration::from_secs(2) {
            assert!(open >= clients, "{name}: gone too early");
        }
        let deadline = promised(Duration::from_millis(4500)).max(2 * connected.elapsed());
        wait_until_gone(name, &crowd, connected, deadline);
        over.store(true, Ordering::SeqCst);
        served
    });
    let grown = server.peak().saturating_sub(resident);
    println!(
        "{clients} {name}: {grown} KiB more at most, gone after {:.1?}",
        connected.elapsed()
    );
    served.assert_within(good_client_waits(100), name);
    assert!(grown < memory, "{name}: {grown} KiB");
    assert_eq!(server.threads(), threads, "{name}");
    server.stop();
}

fn wait_until_gone(name: &str, crowd: &Crowd, connected: Instant, deadline: Duration) {
    // Those that were told why are given time to read that, so long as they send.
    while crowd.gone() < crowd.len() {
        assert!(
            connected.elapsed() < deadline,
            "{name}: only {} of {} are gone",
            crowd.gone(),
            crowd.len()
        );
        thread::sleep(Duration::from_millis(50));
    }
}

fn dripping_heads(clients: usize) {
    let first = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nA: ";
    dripping("that drip heads", first, b'a', clients, 16 << 10);
}

/// Each begins with 12 KiB of a body that it says is longer, as long as one may be for a login.
fn dripping_bodies(clients: usize) {
    let head = "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 16384\r\n\r\n";
    let first = [head.as_bytes(), &[b' '; 12 << 10]].concat();
    let memory = (clients as u64) * 32 + (16 << 10);
    dripping("that drip bodies", &first, b' ', clients, memory);
}

fn dripping_chunks(clients: usize) {
    let first = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3fff\r\n";
    dripping("that drip chunks", first, b' ', clients, 16 << 10);
}

#[test]
fn clients_that_drip_heads_disturb_nobody() {
    dripping_heads(500);
}

#[test]
fn clients_that_drip_bodies_disturb_nobody() {
    dripping_bodies(500);
}

#[test]
#[ignore = "soak"]
fn soak_dripping() {
    dripping_heads(500);
    dripping_bodies(500);
    dripping_chunks(500);
    dripping_heads(3000);
}

/// `size`: bytes of each answer, of which a Unix socket takes some 200 KB; `ceiling`: MiB of the server's own.
fn never_reading(clients: usize, size: usize, ceiling: u64) {
    let _alone = alone();
    let home = tempfile::tempdir().unwrap();
    let secret = home.path().join("large");
    std::fs::write(&secret, vec![b'x'; size / 4 * 3]).unwrap();
    let socket = home.path().join("socket");
    let listen = format!("127.0.0.1:0,unix:{}", socket.display());
    let max_buffered = (ceiling << 20).to_string();
    let settings = [
        ("SEALGATE_SECURE_DATA_FILE", secret.to_str().unwrap()),
        ("SEALGATE_LISTEN", &listen),
        ("SEALGATE_MAX_BUFFERED", &max_buffered),
        ("SEALGATE_BLOCKING_WORKERS", "4"),
    ];
    let server = start(&home, &[DEADLINES, &settings].concat());
    let good = decrypt(&server);
    let token = server.log_in("bad");
    good_client(server.port, &good, 20);
    let descriptors = server.settled_descriptors();
    let (threads, resident) = (server.threads(), server.resident());
    many_descriptors();
    let ask =
        format!("GET /secure-data HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
    let (crowd, served) = thread::scope(|scope| {
        let crowd = scope.spawn(|| Crowd::connect_unix(&socket, clients, ask.as_bytes()));
        let served = good_client(server.port, &good, REQUESTS);
        (crowd.join().unwrap(), served)
    });
    let took = server.waits_for_descriptors(descriptors, promised(Duration::from_millis(4500)));
    assert_eq!(crowd.gone(), clients);
    let grown = server.peak().saturating_sub(resident);
    println!(
        "{clients} that never read: {grown} KiB more at most, gone {took:.1?} after the good client"
    );
    served.assert_within(good_client_waits(100), "that never read");
    // What the allocator adds, and what answers take while they are made.
    let slack = 16 << 10;
    assert!(grown < (ceiling << 10) + slack, "{grown} KiB");
    // Large answers are made by the second pool.
    assert!(server.threads() <= threads + 4);
    server.stop();
}

#[test]
fn clients_that_never_read_disturb_nobody() {
    never_reading(100, 400_000, 2);
}

#[test]
#[ignore = "soak"]
fn soak_never_reading() {
    never_reading(500, 700_000, 64);
}

/// Clients that send requests without a pause, each read by a thread that throws the answers away.
fn never_pausing(clients: usize, requests: usize, limit: Duration) {
    let _alone = alone();
    let home = tempfile::tempdir().unwrap();
    let server = start(&home, &[]);
    let good = decrypt(&server);
    let over = AtomicBool::new(false);
    let streams: Vec<_> = (0..clients).map(|_| server.connect()).collect();
    let served = thread::scope(|scope| {
        for stream in &streams {
            scope.spawn(|| {
                let requests = GET.repeat(500);
                let start = Instant::now();
                while !over.load(Ordering::SeqCst) && start.elapsed() < PATIENCE {
                    if (&*stream).write_all(&requests).is_err() {
                        return;
                    }
                }
            });
            scope.spawn(|| {
                let mut answers = [0; 65536];
                while matches!((&*stream).read(&mut answers), Ok(1..)) {}
            });
        }
        let served = good_client(server.port, &good, requests);
        over.store(true, Ordering::SeqCst);
        for stream in &streams {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        served
    });
    served.assert_within(limit, "that never pause");
    server.stop();
}

/// They and the good client share the machine with the server: the limit says only that nobody is kept out.
#[test]
fn clients_that_never_pause_keep_nobody_out() {
    never_pausing(2, 100, good_client_waits(1000));
}

#[test]
#[ignore = "soak"]
fn soak_never_pausing() {
    never_pausing(4, REQUESTS, Duration::from_secs(1));
}

/// Connections that stay for nothing: `limit` KiB resident for each.
fn idle(clients: usize, limit: f64) {
    let _alone = alone();
    // The server has a limit of its own, which the command raises as far as it may.
    if many_descriptors() < clients as u64 + 500 {
        println!(
            "idle connections: not tried, the hard limit on descriptors is below {}",
            clients + 500
        );
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let server = start(
        &home,
        &[("SEALGATE_MAX_CONNECTIONS", &(clients + 100).to_string())],
    );
    let good = decrypt(&server);
    good_client(server.port, &good, 50);
    let (threads, resident) = (server.threads(), server.resident());
    let crowd = Crowd::connect(server.port, clients, GET);
    crowd.read_answers();
    let each = (server.resident().saturating_sub(resident)) as f64 / clients as f64;
    assert!(server.descriptors() >= clients);
    let served = good_client(server.port, &good, REQUESTS);
    println!(
        "{clients} idle connections: {each:.2} KiB each, {} threads",
        server.threads()
    );
    served.assert_within(good_client_waits(50), "idle connections");
    assert!(each <= limit, "{each:.2} KiB");
    assert_eq!(server.threads(), threads);
    assert_all_alive(&server, &crowd);
    server.stop();
}

fn assert_all_alive(server: &Server, crowd: &Crowd) {
    assert_eq!(crowd.gone(), 0);
    assert!(server.descriptors() >= crowd.len());
}

#[test]
fn ten_thousand_idle_connections_cost_next_to_nothing() {
    idle(10_000, 2.0);
}

#[test]
#[ignore = "soak"]
fn soak_idle() {
    idle(10_000, 2.0);
}

/// Somebody who sends requests without end has its turn as often as the others, however long it goes on.
#[test]
fn a_client_that_never_pauses_does_not_keep_the_others_waiting() {
    let _alone = alone();
    let home = tempfile::tempdir().unwrap();
    let server = start(&home, &[("SEALGATE_WORKERS", "1")]);
    let endless = server.connect();
    let served = thread::scope(|scope| {
        scope.spawn(|| while (&endless).write_all(&GET.repeat(1000)).is_ok() {});
        scope.spawn(|| {
            let mut buffer = vec![0; 1 << 20];
            while (&endless).read(&mut buffer).is_ok_and(|read| read > 0) {}
        });
        thread::sleep(Duration::from_secs(2));
        let served = good_client(server.port, GET, 100);
        let _ = endless.shutdown(std::net::Shutdown::Both);
        served
    });
    served.assert_within(good_client_waits(100), "a client that never pauses");
    // It would grow with each second.
    assert!(served.percentile(50) < good_client_waits(10) / 3);
    server.stop();
}
