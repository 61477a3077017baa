//! Transport: single bytes, small socket buffers, and peers that disconnect.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use openssl::ssl::{ShutdownState, SslVersion};
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size};

use super::super::wire::{READS, Wire};
use super::papers::Desk;
use super::talk::{Talk, client, client_of, is_open};
use crate::server::socket::{Socket, Stop};

const VERSIONS: [SslVersion; 2] = [SslVersion::TLS1_2, SslVersion::TLS1_3];
const MEGABYTE: usize = 1 << 20;

fn pattern() -> Vec<u8> {
    (0..MEGABYTE as u32).map(|n| (n ^ n >> 8) as u8).collect()
}

#[test]
fn the_handshake_works_byte_by_byte() {
    let desk = Desk::new();
    for version in VERSIONS {
        for at_a_time in [1, 2, 3, 100] {
            let context = client_of(&desk.root, version).build();
            let mut talk = Talk::start(&desk.acceptor(), &context);
            talk.shake(at_a_time).unwrap();
            assert_eq!(talk.send(b"GET /"), b"GET /");
        }
    }
}

#[test]
fn a_peer_may_vanish_at_any_byte_of_the_handshake() {
    let desk = Desk::new();
    let acceptor = desk.acceptor();
    for version in VERSIONS {
        let context = client_of(&desk.root, version).build();
        let mut place = 0;
        loop {
            let mut talk = Talk::start(&acceptor, &context);
            let mut left = place;
            let mut shaken = false;
            for _ in 0..1000 {
                let _ = talk.client.do_handshake();
                let before = talk.client.get_ref().outgoing.len();
                talk.carry(left);
                left -= before - talk.client.get_ref().outgoing.len();
                let read = talk.server.read(&mut [0; 10]);
                assert_eq!(read, Err(Stop::WantsRead));
                // The server's bytes must arrive even if the client sends nothing more.
                let mut buffer = [0; 8192];
                let received = std::io::Read::read(&mut talk.peer, &mut buffer).unwrap_or(0);
                talk.client.get_mut().incoming.extend(&buffer[..received]);
                shaken = is_open(&talk.server);
                if left == 0 || shaken {
                    break;
                }
            }
            if shaken {
                break;
            }
            drop(talk.peer);
            let end = talk.server.read(&mut [0; 10]);
            assert!(
                matches!(end, Ok(0) | Err(Stop::Broken)),
                "{end:?} at {place}"
            );
            talk.server.say_goodbye();
            place += 1;
        }
        assert!(place > 200, "the handshake has only {place} bytes");
    }
}

#[test]
fn a_megabyte_goes_through_a_small_socket_buffer_in_both_directions() {
    let desk = Desk::new();
    let data = pattern();
    for version in VERSIONS {
        let context = client_of(&desk.root, version).build();
        let mut talk = Talk::shaken(&desk.acceptor(), &context).unwrap();
        set_socket_send_buffer_size(&talk.server.socket().0, 4096).unwrap();
        set_socket_recv_buffer_size(&talk.peer, 4096).unwrap();
        set_socket_send_buffer_size(&talk.peer, 4096).unwrap();

        let (mut written, mut waits) = (0, 0);
        let mut moved = [Vec::new(), Vec::new()];
        let mut received = Vec::<u8>::new();
        let mut buffer = vec![0; 1 << 16];
        while received.len() < data.len() {
            // From a different address each time, like a buffer that grows or moves.
            moved[waits % 2] = data[written..].to_vec();
            match talk.server.write(&moved[waits % 2]) {
                Ok(more) => written += more,
                Err(Stop::WantsWrite) => waits += 1,
                Err(stop) => panic!("{stop:?}"),
            }
            talk.carry(5000);
            while let Ok(read @ 1..) = talk.client.ssl_read(&mut buffer) {
                received.extend(&buffer[..read]);
            }
        }
        assert!(received == data);
        assert!(waits > 100, "only {waits} waits for room");

        let (mut given, mut waits) = (0, 0);
        received.clear();
        while received.len() < data.len() {
            if given < data.len() && talk.client.get_ref().outgoing.is_empty() {
                given += talk.client.ssl_write(&data[given..]).unwrap();
            }
            talk.carry(5000);
            match talk.server.read(&mut buffer[..1000]) {
                Ok(read) => received.extend(&buffer[..read]),
                Err(Stop::WantsRead) => waits += 1,
                Err(stop) => panic!("{stop:?}"),
            }
            // Everything that OpenSSL buffers is read without polling the socket.
            while talk.server.has_unread() {
                let read = talk.server.read(&mut buffer[..1000]).unwrap();
                received.extend(&buffer[..read]);
            }
        }
        assert!(received == data);
        assert!(waits > 10, "only {waits} waits for data");
    }
}

#[test]
fn data_that_does_not_fit_is_reported_as_unread() {
    let desk = Desk::new();
    let mut talk = Talk::shaken(&desk.acceptor(), &client(&desk.root).build()).unwrap();
    talk.client.ssl_write(b"0123456789").unwrap();
    talk.carry(usize::MAX);
    assert!(!talk.server.has_unread());
    assert_eq!(talk.server.read(&mut [0; 4]), Ok(4));
    assert!(talk.server.has_unread());
    assert_eq!(talk.server.read(&mut [0; 100]), Ok(6));
    assert!(!talk.server.has_unread());
    assert_eq!(talk.server.read(&mut [0; 100]), Err(Stop::WantsRead));

    // One read of the socket returns several records.
    for text in [b"first", b"other"] {
        talk.client.ssl_write(text).unwrap();
    }
    talk.carry(usize::MAX);
    assert_eq!(talk.server.read(&mut [0; 100]), Ok(5));
    assert!(talk.server.has_unread());
    assert_eq!(talk.server.read(&mut [0; 100]), Ok(5));
    assert!(!talk.server.has_unread());
}

#[test]
fn a_client_that_has_closed_its_side_still_gets_its_response() {
    let desk = Desk::new();
    for version in VERSIONS {
        for with_notice in [true, false] {
            let context = client_of(&desk.root, version).build();
            let mut talk = Talk::shaken(&desk.acceptor(), &context).unwrap();
            talk.client.ssl_write(b"GET /").unwrap();
            if with_notice {
                talk.client.shutdown().unwrap();
            }
            talk.carry(usize::MAX);
            talk.peer.shutdown(Shutdown::Write).unwrap();
            assert_eq!(talk.server.read(&mut [0; 100]), Ok(5));
            assert_eq!(talk.server.read(&mut [0; 100]), Ok(0));
            assert_eq!(talk.server.read(&mut [0; 100]), Ok(0));
            assert_eq!(talk.server.write(b"200 OK"), Ok(6));
            talk.server.say_goodbye();
            talk.carry(usize::MAX);
            let mut buffer = [0; 100];
            if !with_notice {
                assert_eq!(talk.client.ssl_read(&mut buffer).unwrap(), 6);
            } else {
                assert!(talk.client.get_ref().incoming.len() > 6);
            }
        }
    }
}

#[test]
fn close_notify_is_sent_and_further_input_can_be_read() {
    let desk = Desk::new();
    for version in VERSIONS {
        let context = client_of(&desk.root, version).build();
        let mut talk = Talk::shaken(&desk.acceptor(), &context).unwrap();
        talk.server.say_goodbye();
        talk.client.ssl_write(b"more").unwrap();
        talk.carry(usize::MAX);
        let mut buffer = [0; 100];
        assert!(talk.client.ssl_read(&mut buffer).is_err());
        assert!(talk.client.get_shutdown().contains(ShutdownState::RECEIVED));
        assert_eq!(talk.server.read(&mut buffer), Ok(4));
    }
    // During a handshake no close_notify is sent.
    let mut talk = Talk::start(&desk.acceptor(), &client(&desk.root).build());
    talk.server.say_goodbye();
    assert_eq!(talk.server.read(&mut [0; 10]), Err(Stop::WantsRead));
    talk.shake(usize::MAX).unwrap();
}

#[test]
fn a_client_that_reads_nothing_does_not_block_a_handshake_or_a_close() {
    let desk = Desk::new();
    let mut talk = Talk::shaken(&desk.acceptor(), &client(&desk.root).build()).unwrap();
    set_socket_send_buffer_size(&talk.server.socket().0, 4096).unwrap();
    let data = pattern();
    while talk.server.write(&data).is_ok() {}
    assert_eq!(talk.server.write(&data), Err(Stop::WantsWrite));
    talk.server.say_goodbye();
    drop(talk.peer);
    assert_eq!(talk.server.write(&data), Err(Stop::Broken));
}

#[test]
fn records_are_passed_on_whole_and_socket_reads_per_call_are_bounded() {
    let (server, mut peer) = UnixStream::pair().unwrap();
    server.set_nonblocking(true).unwrap();
    let mut wire = Wire::new(Arc::new(Socket(server.into())), Vec::new(), 0);
    let mut buffer = [0; 100];
    let mut read = |wire: &mut Wire, asked: usize| {
        let read = wire.read(&mut buffer[..asked]);
        read.map_err(|error| error.kind())
    };
    let record = [23, 3, 3, 0, 3, 1, 2, 3];
    for &byte in &record[..7] {
        peer.write_all(&[byte]).unwrap();
        assert_eq!(read(&mut wire, 5), Err(ErrorKind::WouldBlock));
        assert!(!wire.has_whole_record());
    }
    assert!((7..=16).contains(&wire.memory()));
    // The rest, another record, and part of a third.
    peer.write_all(&[&record[7..], &record, &record[..6]].concat())
        .unwrap();
    for _ in 0..2 {
        assert_eq!(read(&mut wire, 5), Ok(5));
        assert!(wire.has_whole_record());
        assert_eq!(read(&mut wire, 2), Ok(2));
        assert_eq!(read(&mut wire, 100), Ok(1));
    }
    assert!(!wire.has_whole_record());
    peer.write_all(&record[6..]).unwrap();
    assert_eq!(read(&mut wire, 5), Ok(5));
    assert_eq!(read(&mut wire, 3), Ok(3));
    assert_eq!(wire.memory(), 0);

    wire.begin();
    for _ in 0..READS {
        assert_eq!(read(&mut wire, 5), Err(ErrorKind::WouldBlock));
    }
    peer.write_all(&record).unwrap();
    assert_eq!(read(&mut wire, 5), Err(ErrorKind::WouldBlock));
    wire.begin();
    assert_eq!(read(&mut wire, 5), Ok(5));
}

fn held(bytes: &[u8]) -> (Wire, Arc<Socket>, UnixStream) {
    let (ours, peer) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    peer.set_nonblocking(true).unwrap();
    let socket = Arc::new(Socket(ours.into()));
    let mut wire = Wire::new(socket.clone(), Vec::new(), 0);
    wire.hold();
    wire.write_all(bytes).unwrap();
    (wire, socket, peer)
}

fn received(peer: &mut UnixStream) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = peer.read(&mut buffer) {
        all.extend(&buffer[..read]);
    }
    all
}

#[test]
fn what_is_held_goes_out_with_what_follows_or_at_once() {
    let (mut wire, _, mut peer) = held(b"ticket ");
    assert_eq!(received(&mut peer), b"");
    wire.let_go(true);
    assert_eq!(received(&mut peer), b"");
    assert_eq!(wire.write(b"response").unwrap(), 8);
    assert_eq!(received(&mut peer), b"ticket response");
    assert_eq!(wire.memory(), 0);

    let (mut wire, _, mut peer) = held(b"ticket");
    wire.let_go(false);
    assert_eq!(received(&mut peer), b"ticket");
    assert_eq!(wire.memory(), 0);
}

#[test]
fn what_is_held_comes_first_however_little_fits() {
    let ticket: Vec<u8> = (0..200_000u32).map(|n| (n >> 8) as u8).collect();
    let (mut wire, socket, mut peer) = held(&ticket);
    while socket.send(b"earlier ").is_ok() {}
    wire.let_go(false);
    let mut all = Vec::new();
    let response = pattern();
    let mut written = 0;
    while written < response.len() {
        match wire.write(&response[written..]) {
            Ok(more) => written += more,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                let more = received(&mut peer);
                assert!(!more.is_empty(), "it blocks although there is room");
                all.extend(more);
            }
        }
    }
    all.extend(received(&mut peer));
    let rest = [ticket, response].concat();
    assert!(all.ends_with(&rest), "{} bytes", all.len());
    assert!(all[..all.len() - rest.len()].starts_with(b"earlier earlier "));
}
