use super::*;

fn key(byte: u8) -> Option<RingSecret> {
    RingSecret::key(Secret::new(vec![byte; 32]))
}

fn sealed(seal: &RingSeal, before: &AtRest) -> Secret {
    seal.seal(b"ring", &seal.derivation(before).unwrap())
        .unwrap()
}

fn opened(seal: &RingSeal, text: &Secret) -> Result<Vec<u8>, Fault> {
    seal.open(text.clone())
        .map(|(text, _)| text.expose().to_vec())
}

#[test]
fn opens_only_under_its_secret_or_the_previous_one() {
    let passphrase = RingSecret::passphrase(b"correct horse battery");
    for secret in [key(1), passphrase] {
        let seal = RingSeal::new(secret.clone(), None);
        let text = sealed(&seal, &AtRest::Plain);
        assert_eq!(opened(&seal, &text).unwrap(), b"ring");
        let later = RingSeal::new(key(2), secret.clone());
        let (_, at_rest) = later.open(text.clone()).unwrap();
        assert!(matches!(at_rest, AtRest::Outdated));
        let other = RingSeal::new(key(2), key(3));
        assert_eq!(opened(&other, &text), Err(Fault::OtherSecret));
        let none = RingSeal::new(None, None);
        assert_eq!(opened(&none, &text), Err(Fault::Sealed));
    }
}

#[test]
fn a_rewritten_ring_keeps_its_salt_and_gets_a_new_nonce() {
    let seal = RingSeal::new(key(1), None);
    let first = sealed(&seal, &AtRest::Plain);
    let (_, at_rest) = seal.open(first.clone()).unwrap();
    let second = sealed(&seal, &at_rest);
    let read = |text: &Secret| serde_json::from_slice::<Envelope>(text.expose()).unwrap();
    let (first, second) = (read(&first), read(&second));
    assert!(first.key == second.key && first.sealed != second.sealed);
}

/// A passphrase may have the bytes of a key, and then each opens what the other sealed. Only a key is good enough without
/// Argon2id.
#[test]
fn a_rewritten_ring_is_sealed_as_its_secret_requires() {
    let bytes = [b'a'; 32];
    let (key, passphrase) = (key(b'a'), RingSecret::passphrase(&bytes));
    for (before, after, is_stretched) in [
        (&passphrase, &key, false),
        (&key, &passphrase, true),
        (&passphrase, &passphrase, true),
    ] {
        let text = sealed(&RingSeal::new(before.clone(), None), &AtRest::Plain);
        let seal = RingSeal::new(after.clone(), None);
        let (_, at_rest) = seal.open(text).unwrap();
        let derivation = seal.derivation(&at_rest).unwrap();
        let stretches = matches!(derivation, Derivation::Argon2id { .. });
        assert_eq!(stretches, is_stretched);
    }
}

#[test]
fn nothing_modified_opens() {
    let seal = RingSeal::new(key(1), None);
    let text = sealed(&seal, &AtRest::Plain);
    let mut changed = text.expose().to_vec();
    for at in 0..changed.len() {
        for bit in 0..8 {
            changed[at] ^= 1 << bit;
            // White space, and an unknown format, which the ring's own reader rejects.
            match seal.open(Secret::from(&changed[..])) {
                Err(_) | Ok((_, AtRest::Plain)) => {}
                Ok((opened, _)) => assert_eq!(opened.expose(), b"ring", "byte {at} bit {bit}"),
            }
            changed[at] ^= 1 << bit;
        }
    }
    let costly = text.expose().to_vec();
    let costly = String::from_utf8(costly).unwrap().replace(
        r#""kdf": "hkdf-sha256","#,
        r#""kdf": "argon2id", "memory_kib": 4000000000, "passes": 3, "lanes": 1,"#,
    );
    assert_eq!(
        opened(&seal, &Secret::new(costly.into_bytes())),
        Err(Fault::Damaged("is damaged"))
    );
}

#[test]
fn short_passphrases_and_keys_of_other_sizes_are_rejected() {
    assert!(RingSecret::passphrase(b"elevenchars").is_none());
    assert!(RingSecret::passphrase("zwölfzeichen".as_bytes()).is_some());
    assert!(RingSecret::passphrase(&[b'x'; 1025]).is_none());
    assert!(RingSecret::passphrase(&[0xff; 20]).is_none());
    assert!(RingSecret::key(Secret::new(vec![1; 31])).is_none());
}

/// As in docs/formats.md: another program has to arrive at the same text.
#[test]
fn a_ring_is_sealed_in_a_context_that_names_how_its_key_is_derived() {
    let salt = "AAECAwQFBgcICQoLDA0ODw==".to_owned();
    let context = |derivation: Derivation| String::from_utf8(derivation.context()).unwrap();
    assert_eq!(
        context(Derivation::HkdfSha256 { salt: salt.clone() }),
        "sealgate sealed key ring 1 hkdf-sha256 AAECAwQFBgcICQoLDA0ODw=="
    );
    let argon2id = Derivation::Argon2id {
        memory_kib: 65_536,
        passes: 3,
        lanes: 4,
        salt,
    };
    assert_eq!(
        context(argon2id),
        "sealgate sealed key ring 1 argon2id 65536 3 4 AAECAwQFBgcICQoLDA0ODw=="
    );
}

#[test]
fn a_ring_of_a_newer_version_is_not_taken_for_a_damaged_one() {
    let seal = RingSeal::new(key(1), None);
    let text = sealed(&seal, &AtRest::Plain);
    let text = str::from_utf8(text.expose()).unwrap();
    let mut ring: serde_json::Value = serde_json::from_str(text).unwrap();
    for (version, fault) in [(2, Fault::Newer), (0, Fault::Damaged("is damaged"))] {
        ring["version"] = version.into();
        let text = Secret::from(ring.to_string().as_bytes());
        assert_eq!(opened(&seal, &text), Err(fault), "{version}");
    }
}
