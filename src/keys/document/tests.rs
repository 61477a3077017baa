use super::*;

fn ring(keys: usize) -> RingContents {
    let mut ring = RingContents::default();
    for _ in 0..keys {
        ring.add_new(RingKind::Token, None).unwrap();
        ring.add_new(RingKind::Data, None).unwrap();
    }
    ring
}

fn keys(ring: &RingContents) -> Vec<(&str, &[u8])> {
    let all = ring.token_keys.iter().chain(&ring.data_keys);
    all.map(|key| (key.id.as_str(), key.key.expose())).collect()
}

#[test]
fn a_ring_reads_as_it_was_written() {
    let ring = ring(3);
    let text = ring.to_text();
    let read = RingContents::parse(&text).unwrap();
    assert_eq!(keys(&read), keys(&ring));
    assert_eq!(*read.to_text(), *text);
}

#[test]
fn a_truncated_ring_is_rejected() {
    let text = ring(2).to_text();
    let whole = text.trim_ascii_end().len();
    for length in 0..whole {
        assert!(
            RingContents::parse(&text[..length]).is_err(),
            "{length} bytes"
        );
    }
}

#[test]
fn no_flipped_bit_changes_a_key_undetected() {
    let ring = ring(1);
    let mut text = ring.to_text();
    for at in 0..text.len() {
        for bit in 0..8 {
            text[at] ^= 1 << bit;
            if let Ok(read) = RingContents::parse(&text) {
                assert_eq!(keys(&read), keys(&ring), "bit {bit} of byte {at}");
            }
            text[at] ^= 1 << bit;
        }
    }
}

fn pairs() -> RingContents {
    let mut ring = ring(1);
    for algorithm in [TokenAlgorithm::EdDsa, TokenAlgorithm::Es256] {
        ring.add_new(RingKind::Token, Some(algorithm)).unwrap();
    }
    ring
}

#[test]
fn key_pairs_round_trip_in_a_version_2_ring() {
    let ring = pairs();
    let text = ring.to_text();
    let read = RingContents::parse(&text).unwrap();
    assert_eq!(keys(&read), keys(&ring));
    let algorithms: Vec<_> = read.token_keys.iter().map(|key| key.algorithm).collect();
    assert_eq!(algorithms, TokenAlgorithm::ALL.map(Some));
    assert_eq!(*read.to_text(), *text);
    let text = std::str::from_utf8(&text).unwrap();
    assert!(text.contains("\"version\": 2"));
    assert!(!text.contains("HS256"), "absent, as in older rings");
    let first = text.replacen("\"version\": 2", "\"version\": 1", 1);
    assert!(matches!(
        RingContents::parse(first.as_bytes()),
        Err(Fault::Damaged(_))
    ));
}

#[test]
fn no_key_is_accepted_under_another_algorithm() {
    let text = String::from_utf8(pairs().to_text().to_vec()).unwrap();
    for (from, to) in [
        ("\"EdDSA\"", "\"ES256\""),
        ("\"ES256\"", "\"EdDSA\""),
        ("\"EdDSA\"", "\"HS256\""),
        ("\"EdDSA\"", "\"RS256\""),
        ("\"EdDSA\"", "null"),
        (",\n      \"algorithm\": \"EdDSA\"", ""),
        (
            "\"data_keys\": [\n    {\n",
            "\"data_keys\": [\n    {\n\"algorithm\": \"EdDSA\",\n",
        ),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        assert!(
            RingContents::parse(changed.as_bytes()).is_err(),
            "{from} {to}"
        );
    }
}

#[test]
fn a_new_key_uses_the_configured_algorithm_else_the_newest_keys() {
    let mut ring = RingContents::default();
    let mut added = |algorithm| {
        ring.add_new(RingKind::Token, algorithm).unwrap();
        ring.token_algorithm().unwrap()
    };
    assert_eq!(added(None), TokenAlgorithm::Hs256);
    assert_eq!(added(Some(TokenAlgorithm::EdDsa)), TokenAlgorithm::EdDsa);
    assert_eq!(added(None), TokenAlgorithm::EdDsa);
    assert_eq!(added(Some(TokenAlgorithm::Hs256)), TokenAlgorithm::Hs256);
}

#[test]
fn bytes_that_are_not_a_private_key_are_skipped() {
    let mut ring = ring(1);
    let mut next = [[0xff; 32], [0; 32], [9; 32]].into_iter();
    ring.add_from(RingKind::Token, TokenAlgorithm::Es256, || {
        Ok(Zeroizing::new(next.next().unwrap()))
    })
    .unwrap();
    assert_eq!(ring.token_keys[1].key.expose(), [9; 32]);
}

#[test]
fn an_unknown_member_is_refused() {
    let text = String::from_utf8(ring(1).to_text().to_vec()).unwrap();
    for (from, to) in [
        ("\"version\"", "\"note\": 1, \"version\""),
        ("\"id\"", "\"state\": \"retired\", \"id\""),
    ] {
        assert!(RingContents::parse(text.replacen(from, to, 1).as_bytes()).is_err());
    }
    let old = text.replacen("\"version\": 1", "\"version\": 0", 1);
    assert!(matches!(
        RingContents::parse(old.as_bytes()),
        Err(Fault::Damaged(_))
    ));
}

#[test]
fn a_new_key_never_gets_an_id_in_use() {
    let mut ring = ring(1);
    let known: [u8; 32] = ring.data_keys[0].key.expose().try_into().unwrap();
    let mut next = [known, [7; 32]].into_iter();
    ring.add_from(RingKind::Data, TokenAlgorithm::Hs256, || {
        Ok(Zeroizing::new(next.next().unwrap()))
    })
    .unwrap();
    assert_eq!(ring.data_keys[1].key.expose(), [7; 32]);
    assert!(
        ring.add_from(RingKind::Data, TokenAlgorithm::Hs256, || Ok(
            Zeroizing::new(known)
        ))
        .is_err(),
        "no endless loop"
    );
    assert_eq!(ring.data_keys.len(), 2);
}

/// A buffer that grows leaves copies of the keys behind.
#[test]
fn the_text_of_a_ring_fits_the_memory_reserved_for_it() {
    for count in [1, 2, 20] {
        let text = ring(count).to_text();
        let reserved = 512 + 512 * 2 * count;
        assert!(
            text.len() <= reserved && text.capacity() == reserved,
            "{count}"
        );
    }
}
