//! Headers that arrive slowly or never end: none keeps its connection for long, or its memory from others.

use std::time::Instant;

use super::*;
use crate::common::{promised, unless_held_up};

/// Header, TLS and the first head have one deadline together.
#[test]
fn a_slow_header_is_given_up_at_the_deadline_of_heads() {
    let _beside = beside_others();
    let home = tempfile::tempdir().unwrap();
    let server = start(&home, &[TRUSTED, REQUIRE, ("SEALGATE_HEAD_TIMEOUT", "2")]);
    let half_a_head = [LINE.as_bytes(), b"GET / HTTP/1.1\r\n"].concat();
    let longest = claiming(4080, 0x20, 0, &[]);
    let cases = [
        ("nothing", &b""[..], false, Err(End::Closed)),
        ("half a line", b"PROXY TCP4 ", false, Err(End::Closed)),
        ("half a signature", &SIGNATURE[..5], false, Err(End::Closed)),
        ("a dripping header", &longest, true, Err(End::Closed)),
        ("a header", LINE.as_bytes(), false, Err(End::Closed)),
        ("half a head", &half_a_head, false, Ok(408)),
    ];
    thread::scope(|scope| {
        for (name, first, dripping, expected) in cases {
            let server = &server;
            scope.spawn(move || {
                unless_held_up(Duration::from_millis(3900), || {
                    let begun = Instant::now();
                    let mut connection = Answers::new(server.connect());
                    let mut stream = connection.get_ref();
                    stream.write_all(first).unwrap();
                    while dripping && begun.elapsed() < Duration::from_millis(1800) {
                        stream.write_all(b"x").unwrap();
                        thread::sleep(Duration::from_millis(50));
                    }
                    let end = connection.next().map(|answer| answer.status);
                    let took = begun.elapsed();
                    assert_eq!(end, expected, "{name}");
                    assert!(took > Duration::from_millis(1900), "{name}: {took:?}");
                    assert!(
                        took < promised(Duration::from_millis(3500)),
                        "{name}: {took:?}"
                    );
                });
            });
        }
    });
    server.stop();
}

#[test]
fn at_the_limit_whoever_is_slow_with_its_header_goes_first() {
    let _beside = beside_others();
    let home = tempfile::tempdir().unwrap();
    let server = start(
        &home,
        &[TRUSTED, REQUIRE, ("SEALGATE_MAX_CONNECTIONS", "50")],
    );
    let kept = |client: u8| {
        let mut connection = Answers::new(server.connect());
        let first = [&from([192, 0, 2, client].into())[..], GET].concat();
        connection.get_mut().write_all(&first).unwrap();
        assert_eq!(connection.next().unwrap().status, 200);
        connection
    };
    let mut idle: Vec<_> = (0..47).map(kept).collect();
    let mut slow: Vec<_> = (0..3).map(|_| Answers::new(server.connect())).collect();
    for connection in &mut slow {
        connection
            .get_mut()
            .write_all(b"PROXY TCP4 192.0.2")
            .unwrap();
    }
    thread::sleep(Duration::from_millis(1500));
    let _new: Vec<_> = (100..103).map(kept).collect();
    for connection in &mut slow {
        assert!(matches!(connection.next(), Err(End::Closed | End::Reset)));
    }
    for connection in &mut idle {
        connection.get_mut().write_all(GET).unwrap();
        assert_eq!(connection.next().unwrap().status, 200);
    }
    server.stop();
}

/// Headers that never end count as the bytes they are.
#[test]
fn unfinished_headers_have_to_fit_into_the_memory_for_requests() {
    const MOST: usize = 1 << 20;
    const CLIENTS: usize = 400;
    let _beside = beside_others();
    let home = tempfile::tempdir().unwrap();
    let most = MOST.to_string();
    let settings = [
        TRUSTED,
        REQUIRE,
        ("SEALGATE_MAX_BUFFERED", &*most),
        ("SEALGATE_METRICS_LISTEN", "127.0.0.1:0"),
        ("SEALGATE_HEAD_TIMEOUT", "60"),
    ];
    let server = start(&home, &settings);
    let metrics = server.metrics_address();
    let ask_metrics = |first: &[u8]| {
        let mut stream = TcpStream::connect(metrics).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = stream.write_all(&[first, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"].concat());
        Answer::read(&mut stream).unwrap()
    };
    // Nobody stands between the metrics and their reader.
    assert_eq!(ask_metrics(LINE.as_bytes()).status, 400);
    let buffered = || {
        let page = ask_metrics(b"").body;
        let line = page
            .lines()
            .find(|line| line.starts_with("sealgate_buffered_bytes "));
        let number = line.unwrap().split(' ').nth(1).unwrap();
        number.parse::<f64>().unwrap() as usize
    };
    assert!(buffered() < 4096);
    let header = claiming(4080, 0x20, 0, &[0; 4000]);
    let mut crowd = Vec::new();
    let mut peak = 0;
    for number in 0..CLIENTS {
        let mut stream = server.connect();
        let _ = stream.write_all(&header);
        crowd.push(stream);
        if number % 50 == 49 {
            peak = peak.max(buffered());
        }
    }
    // The metrics are answered by another thread, which may be ahead of the workers.
    let until = Instant::now() + PATIENCE;
    while peak <= MOST / 2 && Instant::now() < until {
        thread::sleep(Duration::from_millis(5));
        peak = peak.max(buffered());
    }
    assert!(
        peak > MOST / 2,
        "{peak} bytes are counted for {CLIENTS} headers"
    );
    assert!(peak <= MOST + 64 * 1024, "{peak} bytes");
    let good = [LINE.as_bytes(), GET].concat();
    assert_eq!(outcome(server.connect(), &good, usize::MAX), "200");
    drop(crowd);
    server.stop();
}
