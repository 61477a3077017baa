//! What a ring says about its keys.

use super::*;

#[test]
fn the_public_keys_are_those_of_accepted_key_pairs() {
    let ring = Ring::made();
    let names = || {
        let jwks = load(&ring.settings).unwrap().public_jwks();
        let ids = jwks
            .iter()
            .map(|jwk| jwk["kid"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    let first = ring.ids(KeyKind::Token);
    assert_eq!(names(), first);
    generate(&ring.settings, NewKeys { now: true, ..TOKEN }).unwrap();
    assert_eq!(names(), ring.ids(KeyKind::Token));
    ring.set(&first[0], KeyState::Retired).unwrap();
    assert_eq!(names(), ring.ids(KeyKind::Token)[1..]);
}

#[test]
fn a_data_key_in_both_places_counts_once() {
    let mut ring = Ring::made();
    let aes_key = [9; 32];
    let derived = crate::cipher::DataKey::from_aes_key(&aes_key).unwrap();
    let id = crate::base::encoding::encode_hex(&derived.id());
    write::change(&ring.folder, &ring.seal(), |ring| {
        ring.data_keys.push(document::RingKey {
            id: id.clone(),
            key: Secret::from(&derived.bytes()[..]),
            algorithm: None,
            created: 1,
            state: KeyState::Accepted,
            signs_from: None,
        });
        Ok(true)
    })
    .unwrap();
    let first = ring.ids(KeyKind::Data).remove(0);
    ring.settings.given.aes_key = Some(Secret::from(&aes_key[..]));
    ring.settings.given.aes_key_form = "raw bytes";
    assert_eq!(ring.ids(KeyKind::Data), [first, id.clone()]);
    let keys = list(&ring.settings).unwrap().keys;
    let ours = keys.iter().find(|key| key.id == id).unwrap();
    assert_eq!(ours.from, "AES_KEY (read as 32 raw bytes)");
    assert_eq!(
        keys.iter().filter(|key| key.kind == KeyKind::Token).count(),
        1
    );
}

#[test]
fn a_held_key_is_accepted_as_its_state_says() {
    let now = unix_now();
    for (state, accepted) in [
        (KeyState::Accepted, true),
        (KeyState::AcceptedUntil(now + 3_600), true),
        (KeyState::AcceptedUntil(now), false),
        (KeyState::Retired, false),
    ] {
        let held = Held {
            key: "key",
            state,
            signs_from: None,
        };
        let expected = if accepted {
            Ok(&"key")
        } else {
            Err(Unusable::Retired)
        };
        assert_eq!(held.accepted(), expected, "{state:?}");
    }
}

#[test]
fn messages_are_counted_for_data_keys_of_the_ring_only() {
    let ring = Ring::made();
    let mut settings = ring.settings.clone();
    {
        let (keys, _) = Keys::load(&settings).unwrap();
        assert!(keys.keeps_usage());
        (0..3).for_each(|_| keys.current().count_sealed());
        keys.write_usage();
        let usage = list(&settings).unwrap().usage;
        assert_eq!(
            usage.messages(&ring.ids(KeyKind::Data)[0]),
            3,
            "while it is open"
        );
    }
    settings.given.aes_key = Some(Secret::from(&[7; 32][..]));
    let listed = list(&settings).unwrap();
    let counts = listed
        .keys
        .iter()
        .map(|key| (key.kind, listed.messages(key)));
    let counts: Vec<_> = counts.collect();
    assert_eq!(
        counts,
        [
            (KeyKind::Token, None),
            (KeyKind::Data, Some(3)),
            (KeyKind::Data, None)
        ]
    );
    settings.ephemeral = true;
    let (keys, _) = Keys::load(&settings).unwrap();
    assert!(!keys.keeps_usage());
}

#[test]
fn a_ring_is_complete_with_a_key_of_each_kind() {
    let home = tempfile::tempdir().unwrap();
    let nothing_there = home.path().join("state");
    let complete = |token: bool, data: bool| {
        let mut settings = Settings {
            data_dir: Some(nothing_there.clone()),
            ..Settings::default()
        };
        settings.given.jwt_secret_key = token.then(|| Secret::from(&[7; 32][..]));
        settings.given.aes_key = data.then(|| Secret::from(&[7; 32][..]));
        let ring = KeyRing::as_it_is(&settings).unwrap();
        assert_eq!(list(&settings).unwrap().is_complete(), ring.is_complete());
        ring.is_complete()
    };
    for (token, data) in [(false, false), (true, false), (false, true), (true, true)] {
        assert_eq!(complete(token, data), token && data, "{token} {data}");
    }
    assert!(!Path::exists(&nothing_there));
    // AES-CBC is neither.
    let ring = Ring::made();
    let mut keys = list(&ring.settings).unwrap();
    keys.keys.retain(|key| key.kind == KeyKind::Data);
    keys.keys.push(KeyOrigin {
        kind: KeyKind::AesCbc,
        ..keys.keys[0].clone()
    });
    assert!(!keys.is_complete());
}

#[test]
fn cbc_opens_and_seals_as_the_mode_says() {
    for (mode, opens, seals) in [
        ("off", false, false),
        ("open", true, false),
        ("seal", true, true),
    ] {
        let mut config = Config::new();
        for (name, value) in [
            ("keys", "ephemeral"),
            ("aes_key", "0123456789abcdef0123456789abcdef"),
            ("aes_iv", "0123456789abcdef"),
            ("cbc", mode),
        ] {
            config.set(name, value).unwrap();
        }
        let ring = load(&config.settings().unwrap().gate.keys).unwrap();
        assert_eq!(ring.cbc_for_opening().is_some(), opens, "{mode}");
        assert_eq!(ring.cbc_for_sealing().is_some(), seals, "{mode}");
        let mut origins = ring.origins().into_iter();
        let cbc = origins.find(|key| key.kind == KeyKind::AesCbc);
        let newest = cbc.map(|key| key.newest);
        assert_eq!(newest, opens.then_some(seals), "{mode}");
    }
}

#[test]
fn a_key_is_described_by_what_is_known_of_it() {
    let mut key = KeyOrigin {
        kind: KeyKind::Token,
        id: "abc".to_owned(),
        from: "JWT_SECRET_KEY".to_owned(),
        algorithm: Some(TokenAlgorithm::Hs256),
        created: None,
        newest: true,
        signs_from: None,
        state: KeyState::Accepted,
    };
    assert_eq!(key.to_string(), "token key abc from JWT_SECRET_KEY");
    key.algorithm = Some(TokenAlgorithm::EdDsa);
    key.state = KeyState::AcceptedUntil(0);
    assert_eq!(
        key.to_string(),
        "token key abc (EdDSA) from JWT_SECRET_KEY, accepted for a time"
    );
    key.signs_from = Some(0);
    key.state = KeyState::Retired;
    assert_eq!(
        key.to_string(),
        "token key abc (EdDSA) from JWT_SECRET_KEY, next: it signs in 0 s, retired"
    );
    let cbc = KeyOrigin {
        kind: KeyKind::AesCbc,
        id: String::new(),
        from: "AES_KEY".to_owned(),
        algorithm: None,
        signs_from: None,
        state: KeyState::Accepted,
        ..key
    };
    assert_eq!(cbc.to_string(), "AES-CBC key from AES_KEY");
}

#[test]
fn a_key_is_the_next_one_until_its_time_has_come() {
    let ring = Ring::made();
    for _ in 0..3 {
        ring.add(TOKEN);
    }
    let now = unix_now();
    let starts = [None, Some(now - 200), Some(now - 100), Some(now + 9_000)];
    write::change(&ring.folder, &ring.seal(), |ring| {
        for (key, start) in ring.token_keys.iter_mut().zip(starts) {
            key.signs_from = start;
        }
        Ok(true)
    })
    .unwrap();
    let keys = list(&ring.settings).unwrap().keys.into_iter();
    let keys = keys.filter(|key| key.kind == KeyKind::Token);
    let shown: Vec<_> = keys.map(|key| (key.newest, key.signs_from)).collect();
    assert_eq!(
        shown,
        [
            (false, None),
            (false, None),
            (true, None),
            (false, Some(now + 9_000))
        ]
    );
}
