//! A host program with routes of its own that wait: in this process, because the command has none.

use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use sealgate::Gate;
use sealgate::api::{App, HostRoute, Method, Response};
use sealgate::config::Config;
use sealgate::server::Server;

use crate::common::load::loopback;
use crate::common::wire::{Answers, End};
use crate::common::{PATIENCE, promised};
use crate::{GET, alone, beside_others};

const SLOW: &[u8] = b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn text(text: &'static str) -> Response {
    Response::new(200, "text/plain", text.into())
}

fn serve(settings: &[(&str, &str)], routes: Vec<HostRoute>) -> Server {
    let mut config = Config::new();
    for (name, value) in [("keys", "ephemeral"), ("listen", "127.0.0.1:0")] {
        config.set(name, value).unwrap();
    }
    for (name, value) in settings {
        config.set(name, value).unwrap();
    }
    let settings = config.settings().unwrap();
    let gate = Gate::new(&settings.gate).unwrap();
    let app = App::with_routes(gate, &settings.app, routes).unwrap();
    Server::start(app, &settings.server).unwrap()
}

/// A route that waits until it is let go, and the two ends for the test: what it says when it has begun, and what lets it go.
fn held() -> (HostRoute, Receiver<()>, Sender<()>) {
    let (begun, has_begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let may_go_on = Mutex::new(may_go_on);
    let route = HostRoute::new(Method::Get, "/slow", move |_| {
        let _ = begun.send(());
        // An error where the test has dropped its end: that lets it go too.
        let _ = may_go_on.lock().unwrap().recv();
        text("slow\n")
    });
    (route, has_begun, go_on)
}

fn connect(server: &Server) -> Answers<TcpStream> {
    let stream = TcpStream::connect(loopback(server.port().unwrap())).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Answers::new(stream)
}

/// What this process has computed.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap()
}

fn busy(during: impl FnOnce()) -> Duration {
    let before = cpu_time();
    during();
    cpu_time() - before
}

/// More requests wait behind the one that takes long, in the server and in the socket.
#[test]
fn nothing_is_computed_while_a_request_waits_for_something() {
    let _alone = alone();
    let (route, has_begun, go_on) = held();
    let server = serve(&[("workers", "1")], vec![route.blocking()]);
    let mut connection = connect(&server);
    // So many that the connection yields to others before it comes to the slow one, with more to read.
    let all = [&GET.repeat(35), SLOW, &GET.repeat(4000)].concat();
    let mut stream = connection.get_ref().try_clone().unwrap();
    let writer = thread::spawn(move || stream.write_all(&all));
    for _ in 0..35 {
        assert_eq!(connection.next().unwrap().status, 200);
    }
    has_begun.recv_timeout(PATIENCE).unwrap();
    thread::sleep(Duration::from_millis(100));
    let busy = busy(|| thread::sleep(Duration::from_millis(300)));
    println!("{busy:.1?} of 300 ms busy");
    assert!(busy < Duration::from_millis(100), "{busy:?}");
    drop(go_on);
    for _ in 0..4001 {
        assert_eq!(connection.next().unwrap().status, 200);
    }
    writer.join().unwrap().unwrap();
    server.stop(PATIENCE).unwrap();
}

#[test]
fn a_stop_waits_for_a_request_without_computing() {
    let _alone = alone();
    let (route, has_begun, go_on) = held();
    let server = serve(&[("workers", "1")], vec![route.blocking()]);
    let mut connection = connect(&server);
    connection.get_ref().write_all(SLOW).unwrap();
    has_begun.recv_timeout(PATIENCE).unwrap();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(500));
        drop(go_on);
    });
    let busy = busy(|| server.stop(PATIENCE).unwrap());
    println!("{busy:.1?} of 500 ms busy");
    assert!(busy < Duration::from_millis(100), "{busy:?}");
    let answer = connection.next().unwrap();
    assert_eq!(
        (answer.status, answer.headers["connection"].as_str()),
        (200, "close")
    );
    assert_eq!(connection.next().unwrap_err(), End::Closed);
}

/// Its time is over while a route of its own still runs, which nothing can end.
#[test]
fn a_stop_ends_in_its_time_whatever_a_route_does() {
    let _beside = beside_others();
    for blocking in [false, true] {
        let (mut route, has_begun, go_on) = held();
        if blocking {
            route = route.blocking();
        }
        let server = serve(&[("workers", "1")], vec![route]);
        let connection = connect(&server);
        connection.get_ref().write_all(SLOW).unwrap();
        has_begun.recv_timeout(PATIENCE).unwrap();
        let told = Instant::now();
        assert!(server.stop(Duration::from_millis(300)).is_err());
        assert!(
            told.elapsed() < promised(Duration::from_secs(2)),
            "{:?}",
            told.elapsed()
        );
        drop(go_on);
    }
}

#[test]
fn a_route_may_stop_its_server() {
    let _beside = beside_others();
    let server: Arc<OnceLock<Server>> = Arc::default();
    let own = Arc::downgrade(&server);
    let stop = HostRoute::new(Method::Get, "/slow", move |_| {
        let server = own.upgrade().unwrap();
        let _ = server.get().unwrap().stop(Duration::from_millis(100));
        text("stopped\n")
    });
    server
        .set(serve(&[("workers", "2")], vec![stop]))
        .unwrap_or_else(|_| unreachable!());
    let server = server.get().unwrap();
    connect(server).get_ref().write_all(SLOW).unwrap();
    let told = Instant::now();
    assert_eq!(server.wait(), Ok(()));
    assert!(
        told.elapsed() < promised(Duration::from_secs(3)),
        "{:?}",
        told.elapsed()
    );
}

/// Nothing is read while a route is waited for, and so it is unread when the answer is out and the connection over.
#[test]
fn a_last_answer_is_whole_whatever_came_behind_its_request() {
    let _beside = beside_others();
    let (begun, has_begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let large = HostRoute::new(Method::Get, "/slow", move |_| {
        let _ = begun.send(());
        let _ = may_go_on.lock().unwrap().recv();
        Response::new(200, "text/plain", vec![b'x'; 1 << 20])
    });
    let server = serve(&[], vec![large.blocking()]);
    let mut connection = connect(&server);
    let mut stream = connection.get_ref();
    let last = b"GET /slow HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(last).unwrap();
    has_begun.recv_timeout(PATIENCE).unwrap();
    stream.write_all(GET).unwrap();
    drop(go_on);
    thread::sleep(Duration::from_millis(300));
    let answer = connection.next().unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, 1 << 20));
    assert_eq!(connection.next().unwrap_err(), End::Closed);
    server.stop(PATIENCE).unwrap();
}

/// A route that waits without having said so keeps its worker, and those that are connected to it, but nobody else.
#[test]
fn a_route_that_holds_up_its_worker_does_not_hold_up_newcomers() {
    let _beside = beside_others();
    let (route, has_begun, go_on) = held();
    let server = serve(&[("workers", "3")], vec![route]);
    let mut held_up = connect(&server);
    held_up.get_ref().write_all(SLOW).unwrap();
    has_begun.recv_timeout(PATIENCE).unwrap();
    // A worker that has been at one turn for some milliseconds counts as held up.
    thread::sleep(Duration::from_millis(100));
    for number in 0..5 {
        let start = Instant::now();
        let mut connection = connect(&server);
        connection.get_ref().write_all(GET).unwrap();
        assert_eq!(connection.next().unwrap().status, 200);
        let took = start.elapsed();
        let limit = promised(Duration::from_secs(1));
        assert!(took < limit, "number {number}: {took:?}");
    }
    drop(go_on);
    assert_eq!(held_up.next().unwrap().status, 200);
    server.stop(PATIENCE).unwrap();
}
