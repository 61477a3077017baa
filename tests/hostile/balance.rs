//! Workers join and leave as the load asks for it, and connections move between them meanwhile.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::PATIENCE;
use crate::common::wire::Answers;
use crate::{GET, alone, start};

/// Its response is as quick to check as the other's, so that the clients are not busier than the server.
const OPTIONS: &[u8] = b"OPTIONS /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Asks without a pause, two requests at a time; how many were answered.
fn hammer(stream: TcpStream, over: &AtomicBool) -> usize {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut connection = Answers::new(stream);
    let both = [GET, OPTIONS].concat();
    let mut answered = 0;
    loop {
        connection.get_ref().write_all(&both).unwrap();
        assert_eq!(connection.next().unwrap().status, 200);
        assert_eq!(connection.next().unwrap().status, 204);
        answered += 2;
        if over.load(Ordering::Relaxed) {
            return answered;
        }
    }
}

#[test]
fn under_load_workers_join_and_no_answer_is_lost_or_out_of_order() {
    let _alone = alone();
    let home = tempfile::tempdir().unwrap();
    let server = start(&home, &[("SEALGATE_WORKERS", "4")]);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..12)
            .map(|_| scope.spawn(|| hammer(server.connect(), &over)))
            .collect();
        let joined = server.sees_a_second_worker();
        // While they are measured, and perhaps leave again.
        thread::sleep(Duration::from_secs(1));
        over.store(true, Ordering::Relaxed);
        for client in clients {
            assert!(client.join().unwrap() > 0);
        }
        assert!(joined, "no second worker took part");
    });
    server.stop();
}

#[test]
fn where_one_worker_is_enough_no_other_is_woken() {
    let _alone = alone();
    let home = tempfile::tempdir().unwrap();
    let server = start(&home, &[("SEALGATE_WORKERS", "4")]);
    let mut kept: Vec<_> = (0..20).map(|_| Answers::new(server.connect())).collect();
    let mut ask_each = || {
        for connection in &mut kept {
            connection.get_ref().write_all(GET).unwrap();
            assert_eq!(connection.next().unwrap().status, 200);
            thread::sleep(Duration::from_millis(5));
        }
    };
    ask_each();
    let waits = || -> BTreeMap<u32, u64> { server.waits_of_threads("sealgate-worker") };
    let before = waits();
    for _ in 0..10 {
        ask_each();
    }
    // Shared out evenly, a worker would have a quarter. A machine that stalls may have sent one or another connection to a
    // second worker, because the first seemed to be held up.
    let worked: Vec<_> = waits()
        .iter()
        .map(|(id, waits)| waits - before[id])
        .collect();
    let all: u64 = worked.iter().sum();
    let most = *worked.iter().max().unwrap();
    assert_eq!(worked.len(), 4);
    assert!(all >= 100 && most * 4 >= all * 3, "{worked:?}");
    server.stop();
}

#[test]
fn a_server_without_requests_does_not_wake_up_even_just_after_quick_ones() {
    let _alone = alone();
    let home = tempfile::tempdir().unwrap();
    let server = start(&home, &[("SEALGATE_WORKERS", "4")]);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let quick: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| hammer(server.connect(), &over)))
            .collect();
        thread::sleep(Duration::from_secs(1));
        over.store(true, Ordering::Relaxed);
        for client in quick {
            assert!(client.join().unwrap() > 0);
        }
    });
    // A connection stays open, with the deadline that it has.
    let mut kept = Answers::new(server.connect());
    kept.get_ref().write_all(GET).unwrap();
    assert_eq!(kept.next().unwrap().status, 200);
    let rests = || {
        let before = server.waits_of_threads("sealgate-worker");
        let used = server.cpu_time();
        thread::sleep(Duration::from_secs(3));
        // In ticks of 10 ms, of which one may have begun before.
        before == server.waits_of_threads("sealgate-worker")
            && server.cpu_time() - used <= Duration::from_millis(10)
    };
    // What the requests left behind may take a while: closed connections, lines to write.
    let begun = Instant::now();
    while !rests() {
        assert!(begun.elapsed() < PATIENCE, "it keeps waking up");
    }
    server.stop();
}
