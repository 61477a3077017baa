//! Clients that mean no good: messages that are no hello, hellos that never end.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::Papers;

/// The alert reaches a client that goes on sending: the connection is not torn under it.
#[test]
fn what_is_no_hello_is_answered_with_an_alert() {
    const UNEXPECTED_MESSAGE: u8 = 10;
    const ILLEGAL_PARAMETER: u8 = 47;
    let Some(papers) = Papers::new() else { return };
    let secure = papers.serve(&[]);
    let record = |kind: u8, bytes: &[u8]| [&[kind, 3, 1, 0, bytes.len() as u8], bytes].concat();
    // A hello of 64 KiB in records of a hundred bytes, one of them after another.
    let long = [1, 1, 0, 0].into_iter().chain([7; 0x10000]);
    let long: Vec<u8> = long.collect();
    let long: Vec<Vec<u8>> = long.chunks(100).map(|part| record(22, part)).collect();
    for (pieces, alert) in [
        (vec![b"GET / HTTP/1.1\r\n\r\n".to_vec()], UNEXPECTED_MESSAGE),
        (
            vec![record(23, b"GET / HTTP/1.1\r\n\r\n")],
            UNEXPECTED_MESSAGE,
        ),
        (
            vec![record(22, &[2]), record(22, &[0, 0, 1, 1])],
            UNEXPECTED_MESSAGE,
        ),
        (vec![vec![0xFF; 1000]; 100], UNEXPECTED_MESSAGE),
        (long, ILLEGAL_PARAMETER),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", secure.port)).unwrap();
        for piece in &pieces {
            stream.write_all(piece).unwrap();
        }
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, [21, 3, 3, 0, 2, 2, alert], "{:?}", pieces[0]);
    }
    assert!(secure.fetch("/healthz", &[]).contains("ok"));
    secure.server.stop();
}
