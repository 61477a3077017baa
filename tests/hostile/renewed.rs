//! Crowds that come back as fast as they are closed, and good clients beside them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::common::load::{
    Crowd, Served, come_back, distant_clients, good_client, thinking_clients,
};
use crate::common::process::{limit_descriptors, many_descriptors};
use crate::common::{Server, promised};
use crate::{GET, alone, configure, start};

/// So short that an answer needs no second attempt of anybody.
const AT_ONCE: Duration = Duration::from_secs(1);

/// How `good` is served while so many clients from 127.0.0.`last` that send `first` come back as fast as they are closed.
fn beside_crowd(
    server: &Server,
    (last, clients): (u8, usize),
    first: &[u8],
    good: impl FnOnce(&AtomicBool) -> Served,
) -> Served {
    many_descriptors();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let crowd = scope.spawn(|| come_back(last, server.port, clients, first, &over));
        thread::sleep(Duration::from_secs(1));
        let served = good(&over);
        over.store(true, Ordering::SeqCst);
        println!("the crowd came back {} times", crowd.join().unwrap());
        served
    })
}

#[test]
fn more_silent_connections_than_descriptors_keep_nobody_waiting() {
    let _alone = alone();
    let home = tempfile::tempdir().unwrap();
    let log = home.path().join("log");
    let server = Server::start_with(home.path(), |command| {
        configure(command);
        command.env("SEALGATE_LOG_FILE", &log);
        limit_descriptors(command, 1024, "");
    });
    let served = beside_crowd(&server, (1, 1500), b"", |_| {
        good_client(server.port, GET, 100)
    });
    served.assert_within(promised(AT_ONCE), "silent connections that come back");
    assert!(served.percentile(100) < promised(AT_ONCE));
    server.stop();
    // One line says what to raise.
    let log = std::fs::read_to_string(log).unwrap();
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("WARN")).collect();
    let about_files = |line: &&&str| line.contains("1024 open files") && line.contains("ulimit -n");
    assert_eq!(warnings.iter().filter(about_files).count(), 1, "{log}");
}

/// The first of a body that never ends.
const SLOW: &[u8] = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n";

fn slow_bodies(last: u8, good: u32) {
    let _alone = alone();
    let home = tempfile::tempdir().unwrap();
    let server = start(&home, &[("SEALGATE_MAX_CONNECTIONS", "300")]);
    let served = beside_crowd(&server, (last, 300), SLOW, |over| {
        thread::scope(|scope| {
            let good = scope
                .spawn(|| thinking_clients(server.port, GET, good, Duration::from_secs(3), over));
            thread::sleep(Duration::from_secs(5));
            over.store(true, Ordering::SeqCst);
            good.join().unwrap()
        })
    });
    // A client that has just connected and is held up by a busy machine is slow as well: a release build permits none.
    let held_up = if cfg!(debug_assertions) {
        served.answers() / 100
    } else {
        0
    };
    served.assert_most_within(
        promised(AT_ONCE),
        held_up,
        &format!("slow bodies from 127.0.0.{last}"),
    );
    server.stop();
}

#[test]
fn slow_bodies_that_come_back_break_no_good_request() {
    slow_bodies(1, 24);
}

#[test]
fn slow_bodies_of_another_address_break_no_good_request() {
    slow_bodies(2, 24);
}

/// However many of all places the good ones have: those that are in the middle of something make room for one another.
#[test]
fn slow_bodies_break_no_good_request_where_half_of_all_are_good() {
    slow_bodies(1, 150);
}

/// They are there first, idle, when the crowd comes all at once.
#[test]
fn a_crowd_that_comes_at_once_pushes_out_nobody_between_two_requests() {
    let _alone = alone();
    let home = tempfile::tempdir().unwrap();
    let server = start(&home, &[("SEALGATE_MAX_CONNECTIONS", "300")]);
    let good = Crowd::connect(server.port, 150, GET);
    good.read_answers();
    beside_crowd(&server, (1, 300), SLOW, |_| {
        thread::sleep(Duration::from_secs(1));
        Served::default()
    });
    assert_eq!(good.gone(), 0);
    server.stop();
}

/// What they sent is no head start over those who have just come and have not said yet what they want, and neither is an
/// answer, which anybody gets.
#[test]
fn clients_that_come_back_keep_no_newcomer_out() {
    let _alone = alone();
    let home = tempfile::tempdir().unwrap();
    let server = start(&home, &[("SEALGATE_MAX_CONNECTIONS", "300")]);
    let long = [SLOW.strip_suffix(b"\r\n").unwrap(), b"X: ", &[b'x'; 4096]].concat();
    for (kind, first) in [
        ("silent", b"".to_vec()),
        ("slow", SLOW.to_vec()),
        ("answered before", [GET, SLOW].concat()),
        ("quick at first", long),
    ] {
        let served = beside_crowd(&server, (1, 400), &first, |_| {
            distant_clients(server.port, GET, 40, Duration::from_millis(20))
        });
        println!("{kind}: {} of 40, {:?}", served.answers(), served.lost);
        // All but those that a busy machine holds up for longer than the grace of a newcomer.
        assert!(served.answers() >= 20, "{kind}: {:?}", served.lost);
    }
    server.stop();
}
