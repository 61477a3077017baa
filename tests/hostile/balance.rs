//! Workers join and leave as the load asks for it, and connections move between them meanwhile.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::wire::Answers;
use crate::{GET, alone, start};

const MISSING: &[u8] = b"GET /missing HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Asks without a pause, two requests at a time; how many were answered.
fn hammer(stream: std::net::TcpStream, until: Instant) -> usize {
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut connection = Answers::new(stream);
    let both = [GET, MISSING].concat();
    let mut answered = 0;
    while Instant::now() < until {
        connection.get_ref().write_all(&both).unwrap();
        assert_eq!(connection.next().unwrap().status, 200);
        assert_eq!(connection.next().unwrap().status, 404);
        answered += 2;
    }
    answered
}

#[test]
fn under_load_workers_join_and_no_answer_is_lost_or_out_of_order() {
    let _alone = alone();
    let home = tempfile::tempdir().unwrap();
    let server = start(&home, &[("SEALGATE_WORKERS", "4")]);
    let until = Instant::now() + Duration::from_secs(3);
    let answered: Vec<usize> = thread::scope(|scope| {
        let clients: Vec<_> = (0..12)
            .map(|_| scope.spawn(|| hammer(server.connect(), until)))
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .collect()
    });
    println!("answered: {answered:?}");
    assert!(answered.iter().all(|answered| *answered > 0));
    let worked = server.waits_of_threads("sealgate-worker");
    println!("waits of each worker: {worked:?}");
    assert_eq!(worked.len(), 4);
    // Who only waits for a first connection has waited once or twice.
    assert!(worked.iter().filter(|waits| **waits > 5).count() >= 2);
    server.stop();
}

#[test]
fn where_one_worker_is_enough_no_other_is_woken() {
    let _alone = alone();
    let home = tempfile::tempdir().unwrap();
    let server = start(&home, &[("SEALGATE_WORKERS", "4")]);
    let kept: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for stream in kept {
        let mut connection = Answers::new(stream);
        connection.get_ref().write_all(GET).unwrap();
        assert_eq!(connection.next().unwrap().status, 200);
        thread::sleep(Duration::from_millis(5));
    }
    let mut worked = server.waits_of_threads("sealgate-worker");
    worked.sort_unstable();
    assert!(worked[2] <= 5 && worked[3] > 5, "{worked:?}");
    server.stop();
}
