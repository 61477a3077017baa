//! A host program with routes of its own, in one process with the server: what blocks there holds up nobody else.

#![allow(clippy::unwrap_used)] // a test that panics has failed
#![cfg(target_os = "linux")] // the pool engine's

use std::io::Write;
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::load::{good_client, loopback, slow_requests};
use crate::common::wire::{Answers, End};
use crate::common::{PATIENCE, promised};
use sealgate::api::{App, HostRoute, Method, Response};
use sealgate::server::Server;
use sealgate::{Config, Gate};

const BLOCKED: Duration = Duration::from_secs(2);

fn serve(settings: &[(&str, &str)], routes: Vec<HostRoute>) -> Server {
    let mut config = Config::new();
    let fixed = [
        ("keys", "ephemeral"),
        ("listen", "127.0.0.1:0"),
        ("max_requests", "0"),
    ];
    for (name, value) in fixed.iter().chain(settings) {
        config.set(name, value).unwrap();
    }
    let settings = config.settings().unwrap();
    let app = App::with_routes(Gate::new(&settings.gate).unwrap(), &settings.app, routes).unwrap();
    Server::start(app, &settings.server).unwrap()
}

fn waiting() -> HostRoute {
    HostRoute::new(Method::Get, "/wait", |_| {
        thread::sleep(BLOCKED);
        Response::new(200, "text/plain", b"done".to_vec())
    })
    .blocking()
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}

#[test]
fn a_hundred_handlers_that_block_hold_up_nobody() {
    let server = serve(&[("workers", "2")], vec![waiting()]);
    let port = server.port().unwrap();
    let started = Instant::now();
    let (blocked, good) = thread::scope(|scope| {
        let blocked = scope.spawn(move || slow_requests(port, &get("/wait"), 100, PATIENCE));
        thread::sleep(Duration::from_millis(100));
        let good = good_client(port, &get("/healthz"), 300);
        (blocked.join().unwrap(), good)
    });
    good.assert_within(promised(Duration::from_millis(250)), "blocking handlers");
    // Sixteen at a time: in seven rounds of two seconds all of them have been answered.
    assert!(blocked.lost.is_empty(), "{:?}", blocked.lost);
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    server.stop(PATIENCE).unwrap();
}

/// A route that waits until the test lets go of the other end.
fn held() -> (HostRoute, Sender<()>) {
    let (held, let_go) = mpsc::channel::<()>();
    let let_go = Mutex::new(let_go);
    let route = HostRoute::new(Method::Get, "/wait", move |_| {
        let _ = let_go.lock().unwrap().recv();
        Response::new(200, "text/plain", b"done".to_vec())
    });
    (route.blocking(), held)
}

#[test]
fn past_the_queue_the_answer_is_503_and_at_once() {
    let (route, held) = held();
    let server = serve(&[("blocking_workers", "1")], vec![route]);
    let port = server.port().unwrap();
    let mut clients: Vec<_> = (0..60)
        .map(|_| {
            let stream = TcpStream::connect(loopback(port)).unwrap();
            (&stream).write_all(&get("/wait")).unwrap();
            Answers::new(stream)
        })
        .collect();
    let mut told = 0;
    let mut look = |client: &mut Answers<TcpStream>| {
        let wait = Some(Duration::from_millis(5));
        client.get_ref().set_read_timeout(wait).unwrap();
        match client.next() {
            Ok(answer) => {
                assert_eq!(answer.status, 503);
                told += 1;
                false
            }
            Err(end) => {
                assert_eq!(end, End::Silent);
                true
            }
        }
    };
    // One runs, or none yet, sixteen wait, and the others are told so.
    let start = Instant::now();
    while clients.len() > 17 {
        assert!(start.elapsed() < PATIENCE, "{} wait", clients.len());
        clients.retain_mut(&mut look);
    }
    clients.retain_mut(&mut look);
    assert!((43..=44).contains(&told), "{told}");
    // Those that wait are dropped when the grace is over, and the stop says so.
    let stopping = Instant::now();
    assert!(server.stop(Duration::from_millis(200)).is_err());
    let took = stopping.elapsed();
    assert!(took < promised(2 * BLOCKED), "{took:?}");
    drop(held);
}

#[test]
fn a_worker_that_a_route_holds_up_is_noticed() {
    let (entered, enters) = mpsc::channel();
    let (held, let_go) = mpsc::channel::<()>();
    let let_go = Mutex::new(let_go);
    let stuck = HostRoute::new(Method::Get, "/stuck", move |_| {
        let _ = entered.send(());
        let _ = let_go.lock().unwrap().recv();
        Response::new(200, "text/plain", b"done".to_vec())
    });
    let (waits, kept) = self::held();
    let server = serve(&[("workers", "2")], vec![stuck, waits]);
    let port = server.port().unwrap();
    assert!(server.is_alive(PATIENCE));
    // A route on the second pool holds up no worker.
    let mut blocking = TcpStream::connect(loopback(port)).unwrap();
    blocking.write_all(&get("/wait")).unwrap();
    assert!(server.is_alive(PATIENCE));

    let mut stuck = TcpStream::connect(loopback(port)).unwrap();
    stuck.write_all(&get("/stuck")).unwrap();
    enters.recv_timeout(PATIENCE).unwrap();
    assert!(!server.is_alive(Duration::from_millis(200)));
    held.send(()).unwrap();
    assert!(server.is_alive(PATIENCE));
    drop(kept);
    server.stop(PATIENCE).unwrap();
    assert!(!server.is_alive(Duration::ZERO));
}
