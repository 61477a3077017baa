//! Which clients are served, and which alerts the others get.

use std::io::{Read, Write};

use openssl::error::ErrorStack;
use openssl::ssl::{SslContextBuilder, SslVersion};
use openssl::x509::X509;

use super::papers::{Desk, Paper, ec_key, rsa_key};
use super::talk::{Talk, client, client_of};
use crate::server::socket::Stop;

const VERSIONS: [SslVersion; 2] = [SslVersion::TLS1_2, SslVersion::TLS1_3];

/// The reason for a refusal; the prefix differs between OpenSSL versions.
fn is_refused(desk: &Desk, context: SslContextBuilder, reason: &str) {
    match Talk::shaken(&desk.acceptor(), &context.build()) {
        Ok(_) => panic!("served, not refused with {reason}"),
        Err(said) => assert!(said.contains(reason), "{said}, not {reason}"),
    }
}

#[test]
fn tls_1_2_and_1_3_are_served_with_both_kinds_of_key() {
    for key in [ec_key(), rsa_key(2048)] {
        let desk = Desk::with_key(key);
        let acceptor = desk.acceptor();
        for version in VERSIONS {
            let context = client_of(&desk.root, version).build();
            let mut talk = Talk::shaken(&acceptor, &context).unwrap();
            assert_eq!(talk.client.ssl().version2(), Some(version));
            assert_eq!(talk.send(b"GET /"), b"GET /");
            assert_eq!(talk.server.write(b"200"), Ok(3));
            talk.carry(usize::MAX);
            let mut buffer = [0; 10];
            assert_eq!(talk.client.ssl_read(&mut buffer).unwrap(), 3);
            assert_eq!(talk.server.client(), None);
        }
    }
}

#[test]
fn older_versions_are_refused() {
    let desk = Desk::new();
    for version in [SslVersion::TLS1, SslVersion::TLS1_1] {
        is_refused(&desk, client_of(&desk.root, version), "protocol version");
    }
}

#[test]
fn only_the_ciphers_of_the_guidelines_are_accepted() {
    let suites = super::super::configuration::CIPHERS_1_2.split(':');
    let weak = "AES128-SHA AES256-GCM-SHA384 ECDHE-RSA-AES128-SHA ECDHE-ECDSA-AES256-SHA ECDHE-RSA-AES128-SHA256 \
                DHE-RSA-AES128-GCM-SHA256 DHE-RSA-AES256-SHA ECDHE-ECDSA-AES128-CCM ECDHE-ECDSA-AES128-CCM8 \
                ECDHE-ECDSA-NULL-SHA NULL-SHA256 AECDH-AES128-SHA ADH-AES128-GCM-SHA256 ECDHE-ECDSA-CAMELLIA128-SHA256";
    let desks = [Desk::with_key(ec_key()), Desk::with_key(rsa_key(2048))];
    for desk in &desks {
        for suite in weak.split_whitespace() {
            let mut context = client_of(&desk.root, SslVersion::TLS1_2);
            // Not every OpenSSL version knows each of them.
            if context.set_cipher_list(suite).is_ok() {
                is_refused(desk, context, "handshake failure");
            }
        }
    }
    for suite in suites {
        let mut context = client_of(&desks[0].root, SslVersion::TLS1_2);
        context.set_cipher_list(suite).unwrap();
        let desk = &desks[usize::from(suite.contains("RSA") && !suite.contains("ECDSA"))];
        let mut context = client_of(&desk.root, SslVersion::TLS1_2);
        context.set_cipher_list(suite).unwrap();
        let talk = Talk::shaken(&desk.acceptor(), &context.build()).unwrap();
        assert_eq!(talk.client.ssl().current_cipher().unwrap().name(), suite);
    }
    let mut context = client_of(&desks[0].root, SslVersion::TLS1_3);
    context.set_ciphersuites("TLS_AES_128_CCM_SHA256").unwrap();
    is_refused(&desks[0], context, "handshake failure");
}

#[test]
fn only_the_groups_of_the_guidelines_are_accepted() {
    let desk = Desk::new();
    for version in VERSIONS {
        for group in ["P-521", "X448"] {
            let mut context = client_of(&desk.root, version);
            context.set_groups_list(group).unwrap();
            is_refused(&desk, context, "handshake failure");
        }
        for group in ["X25519", "P-256", "P-384"] {
            let mut context = client_of(&desk.root, version);
            // In TLS 1.2 the certificate's curve must be among them; the first one is the one under test.
            let groups = match group {
                "P-256" => group.to_owned(),
                _ => format!("{group}:P-256"),
            };
            context.set_groups_list(&groups).unwrap();
            Talk::shaken(&desk.acceptor(), &context.build()).unwrap();
        }
    }
}

#[test]
fn a_client_that_guesses_another_group_is_asked_again() {
    let desk = Desk::new();
    let mut context = client_of(&desk.root, SslVersion::TLS1_3);
    context.set_groups_list("P-521:P-256").unwrap();
    let context = context.build();
    for at_a_time in [1, 7, usize::MAX] {
        let mut talk = Talk::start(&desk.acceptor(), &context);
        talk.shake(at_a_time).unwrap();
        assert_eq!(talk.send(b"GET /"), b"GET /");
    }
}

/// RFC 8446, section 4.2.10: early data sent before the client learned that it has to send a second hello.
#[test]
fn early_data_before_a_second_hello_is_skipped() {
    let desk = Desk::new();
    let mut context = client_of(&desk.root, SslVersion::TLS1_3);
    context.set_groups_list("P-521:P-256").unwrap();
    let context = context.build();
    let early = |length: u16| {
        let head = [&[23, 3, 3][..], &length.to_be_bytes()].concat();
        [head, vec![7; length.into()]].concat()
    };
    let retried = |announced: bool, early: &[u8], at_a_time: usize| {
        let mut talk = Talk::start(&desk.acceptor(), &context);
        let _ = talk.client.do_handshake();
        let mut hello: Vec<u8> = talk.client.get_mut().outgoing.drain(..).collect();
        if announced {
            announce_early_data(&mut hello);
        }
        // All at once, as clients send it, or later and in pieces.
        for bytes in [hello, early.to_vec()].concat().chunks(at_a_time) {
            talk.peer.write_all(bytes).unwrap();
            let _ = talk.server.read(&mut [0; 100]);
        }
        let mut answers = vec![0; 1 << 16];
        let mut read = talk.peer.read(&mut answers).unwrap();
        talk.client.get_mut().incoming.extend(&answers[..read]);
        let _ = talk.client.do_handshake();
        talk.carry(usize::MAX);
        let _ = talk.server.read(&mut [0; 100]);
        read += talk.peer.read(&mut answers[read..]).unwrap_or(0);
        answers.truncate(read);
        answers
    };
    let spec = [20, 3, 3, 0, 1, 1];
    for at_a_time in [100, 1000, usize::MAX] {
        for early in [
            early(100),
            [&spec[..], &early(20), &early(1000), &early(3)].concat(),
            early(16_384),
            early(16_384 + 17),
            early(1000).repeat(40),
        ] {
            let answers = retried(true, &early, at_a_time);
            let hello = [&spec[..], &[22, 3, 3]].concat();
            let answered = answers.windows(hello.len()).any(|bytes| bytes == hello);
            assert!(answered, "{} {at_a_time} {answers:?}", early.len());
        }
        // It is limited, and a client that has not announced any must not send any.
        for (announced, count) in [(false, 1), (true, 80)] {
            let answers = retried(announced, &early(1000).repeat(count), at_a_time);
            let unexpected = [21, 3, 3, 0, 2, 2, 10];
            assert!(
                answers.ends_with(&unexpected),
                "{announced} {at_a_time} {answers:?}"
            );
        }
    }
}

/// Adds the extension to a hello in one record.
fn announce_early_data(hello: &mut Vec<u8>) {
    let extensions = 5 + 4 + 2 + 32 + 1 + usize::from(hello[43]);
    let ciphers = usize::from(u16::from_be_bytes([
        hello[extensions],
        hello[extensions + 1],
    ]));
    // After the ciphers and the one compression method.
    let extensions = extensions + 2 + ciphers + 2;
    for length in [3, 7, extensions] {
        let sum = u16::from_be_bytes([hello[length], hello[length + 1]]) + 4;
        hello[length..length + 2].copy_from_slice(&sum.to_be_bytes());
    }
    hello.extend([0, 42, 0, 0]);
}

#[test]
fn clients_choose_the_cipher() {
    let desk = Desk::new();
    for suite in ["TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_256_GCM_SHA384"] {
        let mut context = client(&desk.root);
        context
            .set_ciphersuites(&format!("{suite}:TLS_AES_128_GCM_SHA256"))
            .unwrap();
        let talk = Talk::shaken(&desk.acceptor(), &context.build()).unwrap();
        assert_eq!(talk.client.ssl().current_cipher().unwrap().name(), suite);
    }
}

#[test]
fn http_1_1_or_1_0_is_negotiated_and_other_protocols_are_refused() {
    let desk = Desk::new();
    for version in VERSIONS {
        for (offered, agreed) in [
            (&b"\x08http/1.1"[..], &b"http/1.1"[..]),
            (b"\x02h2\x08http/1.1", b"http/1.1"),
            (b"\x08http/1.0\x08http/1.1", b"http/1.1"),
            (b"\x02h2\x08http/1.0", b"http/1.0"),
        ] {
            let mut context = client_of(&desk.root, version);
            context.set_alpn_protos(offered).unwrap();
            let talk = Talk::shaken(&desk.acceptor(), &context.build()).unwrap();
            assert_eq!(talk.client.ssl().selected_alpn_protocol(), Some(agreed));
        }
        for offered in [&b"\x02h2"[..], b"\x02h2\x03foo", b"\x08http/0.9"] {
            let mut context = client_of(&desk.root, version);
            context.set_alpn_protos(offered).unwrap();
            is_refused(&desk, context, "no application protocol");
        }
        let talk = Talk::shaken(&desk.acceptor(), &client_of(&desk.root, version).build());
        assert_eq!(talk.unwrap().client.ssl().selected_alpn_protocol(), None);
    }
}

#[test]
fn the_whole_chain_is_sent_and_nothing_else() {
    let root = Paper::authority("Root");
    let between = root.issue(&super::papers::Wanted {
        subject: &[("CN", "Between")],
        is_authority: true,
        ..Default::default()
    });
    let own = Paper::of_server(ec_key(), &between);
    let mut desk = Desk::asking(&root, false);
    let chain = [own.pem(), between.pem()].concat();
    desk.settings.tls_cert = Some(desk.file("chain.pem", &chain));
    desk.settings.tls_key = Some(desk.file("own.pem", &own.key_pem()));
    let talk = Talk::shaken(&desk.acceptor(), &client(&root).build()).unwrap();
    let sent = talk.client.ssl().peer_cert_chain().unwrap();
    let sent: Vec<Vec<u8>> = sent.iter().map(|paper| paper.to_pem().unwrap()).collect();
    assert_eq!(sent, [own.pem(), between.pem()]);
}

/// RFC 8446, sections 5.1 and 6.2. The client reads the alert although it is still sending.
#[test]
fn anything_but_a_hello_is_answered_with_an_alert() {
    let acceptor = Desk::new().acceptor();
    let context = client(&Paper::authority("Nobody")).build();
    const UNEXPECTED: u8 = 10;
    const OVERFLOW: u8 = 22;
    const ILLEGAL: u8 = 47;
    const DECODE: u8 = 50;
    const VERSION: u8 = 70;
    let record = |kind: u8, bytes: &[u8]| {
        let length = (bytes.len() as u16).to_be_bytes();
        [&[kind, 3, 1], &length[..], bytes].concat()
    };
    let in_pieces = |bytes: &[u8]| -> Vec<u8> {
        let pieces = bytes.chunks(1);
        pieces.flat_map(|piece| record(22, piece)).collect()
    };
    for (bytes, alert) in [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), UNEXPECTED),
        (b"\n".to_vec(), UNEXPECTED),
        (vec![255; 64], UNEXPECTED),
        // The SSL 2.0 hello.
        (
            vec![0x80, 0x2e, 1, 3, 1, 0, 0x15, 0, 0, 0, 0x10],
            UNEXPECTED,
        ),
        // Records of other types, and an empty one.
        (record(20, &[1]), UNEXPECTED),
        (record(21, &[1, 0]), UNEXPECTED),
        (record(23, b"GET /"), UNEXPECTED),
        (record(24, &[1, 0, 1, 0]), UNEXPECTED),
        (record(22, &[]), UNEXPECTED),
        // Finished or a key exchange as the first message; the same in pieces.
        (record(22, &[20, 0, 0, 4, 1, 2, 3, 4]), UNEXPECTED),
        (in_pieces(&[16, 0, 0, 1, 1]), UNEXPECTED),
        // A record of another type between the pieces of a hello, and a second message after it.
        (
            [record(22, &[1, 0]), record(21, &[1, 0])].concat(),
            UNEXPECTED,
        ),
        (record(22, &[1, 0, 0, 1, 7, 1]), UNEXPECTED),
        (record(22, &[1, 0, 0, 0]), DECODE),
        (record(22, &[1, 0, 0x40, 1]), ILLEGAL),
        (in_pieces(&[1, 0xFF, 0xFF, 0xFF]), ILLEGAL),
        (vec![22, 3, 1, 0x40, 1], OVERFLOW),
        // Records with an unknown TLS version, the second one after a piece of a hello.
        (vec![22, 4], VERSION),
        ([record(22, &[1, 0]), vec![22, 0]].concat(), VERSION),
    ] {
        let mut talk = Talk::start(&acceptor, &context);
        talk.peer.write_all(&bytes).unwrap();
        assert_eq!(
            talk.server.read(&mut [0; 100]),
            Err(Stop::Refused),
            "{bytes:?}"
        );
        assert!(ErrorStack::get().errors().is_empty());
        let mut answer = [0; 100];
        let read = talk.peer.read(&mut answer).unwrap();
        assert_eq!(answer[..read], [21, 3, 3, 0, 2, 2, alert], "{bytes:?}");

        talk.peer.write_all(&[7; 50]).unwrap();
        assert_eq!(talk.server.read(&mut [0; 100]), Ok(50));
        assert_eq!(talk.server.read(&mut [0; 100]), Err(Stop::WantsRead));
        assert_eq!(talk.server.write(b"x"), Err(Stop::Broken));
        talk.server.say_goodbye();
        assert_eq!(talk.server.client(), None);
        assert_eq!(talk.server.memory(), 0);
    }
}

#[test]
fn a_hello_with_any_wrong_byte_does_no_harm() {
    let desk = Desk::new();
    let acceptor = desk.acceptor();
    let mut talk = Talk::start(&acceptor, &client(&desk.root).build());
    let _ = talk.client.do_handshake();
    let hello: Vec<u8> = talk.client.get_ref().outgoing.iter().copied().collect();
    for place in 0..hello.len() {
        for change in [1, 0x80, 0xFF] {
            let mut wrong = hello.clone();
            wrong[place] ^= change;
            let mut talk = Talk::start(&acceptor, &client(&desk.root).build());
            talk.peer.write_all(&wrong).unwrap();
            let read = talk.server.read(&mut [0; 100]);
            assert!(
                matches!(read, Err(Stop::Refused | Stop::WantsRead)),
                "{read:?}"
            );
            assert!(ErrorStack::get().errors().is_empty());
        }
    }
    talk.shake(usize::MAX).unwrap();
}

#[test]
fn stale_errors_on_this_thread_are_ignored() {
    let desk = Desk::new();
    let mut talk = Talk::start(&desk.acceptor(), &client(&desk.root).build());
    let stale = || X509::from_pem(b"no certificate").unwrap_err().put();
    stale();
    assert_eq!(talk.server.read(&mut [0; 10]), Err(Stop::WantsRead));
    talk.shake(usize::MAX).unwrap();
    stale();
    assert_eq!(talk.server.read(&mut [0; 10]), Err(Stop::WantsRead));
    stale();
    assert_eq!(talk.server.write(b"200"), Ok(3));
    assert!(ErrorStack::get().errors().is_empty());
    let mut sent = [0; 100];
    assert!(talk.peer.read(&mut sent).unwrap() > 3);
}
