//! The secret that a ring is sealed under, and its change.

use super::*;

#[test]
fn sealing_and_unsealing_rewrite_the_ring() {
    let mut ring = Ring::made();
    let plain = ring.text();
    let (token, data) = (ring.ids(KeyKind::Token), ring.ids(KeyKind::Data));
    let to_be_sealed = |ring: &Ring| {
        let loaded = load(&ring.settings).unwrap();
        loaded.is_to_be_sealed(&ring.settings.ring)
    };
    assert!(!to_be_sealed(&ring), "there is no secret");
    assert!(sentence(seal(&ring.settings)).contains("no key or passphrase"));
    ring.settings.ring.ring_key = Some(secret(1));
    assert!(to_be_sealed(&ring));
    assert_eq!(seal(&ring.settings).unwrap(), ring.file());
    assert!(!to_be_sealed(&ring));
    assert_ne!(ring.text(), plain);
    assert_eq!(
        (ring.ids(KeyKind::Token), ring.ids(KeyKind::Data)),
        (token, data)
    );
    assert_eq!(unseal(&ring.settings).unwrap(), ring.file());
    assert_eq!(ring.text(), plain);
    let ephemeral = Settings {
        ephemeral: true,
        ..ring.settings.clone()
    };
    let loaded = load(&ephemeral).unwrap();
    assert!(!loaded.is_to_be_sealed(&ephemeral.ring), "there is no file");
}

#[test]
fn a_ring_sealed_under_a_new_secret_is_used_once_the_secret_file_has_it() {
    let mut ring = Ring::made();
    let file = ring.folder.join("secret");
    let put = |byte: u8| {
        use std::os::unix::fs::PermissionsExt;
        let text = crate::base::encoding::encode_base64(&[byte; 32]);
        fs::write(&file, format!("base64:{text}")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    };
    put(1);
    ring.settings.ring.ring_key_file = Some(file.clone());
    seal(&ring.settings).unwrap();
    let (keys, _) = Keys::load(&ring.settings).unwrap();
    // Another process has the new secret already.
    let mut new = ring.settings.clone();
    new.ring = RingSecrets {
        ring_key: Some(secret(2)),
        ring_key_previous: Some(secret(1)),
        ..RingSecrets::default()
    };
    seal(&new).unwrap();
    assert!(keys.reload().is_err() && keys.lacks_secret());
    // One that does not fit, and then the right one.
    put(3);
    assert!(keys.reload().is_err() && keys.lacks_secret());
    put(2);
    assert_eq!(keys.reload(), Ok(()));
    assert_eq!(keys.trouble(), None);
}

#[test]
fn a_secret_is_the_same_if_current_and_previous_are() {
    let of = |current: Option<u8>, previous: Option<u8>| {
        RingSeal::new(current.map(secret), previous.map(secret))
    };
    let seal = of(Some(1), Some(2));
    assert!(seal.has_secrets_of(&of(Some(1), Some(2))));
    for (current, previous) in [
        (Some(1), None),
        (Some(1), Some(3)),
        (Some(3), Some(2)),
        (None, None),
    ] {
        assert!(!seal.has_secrets_of(&of(current, previous)));
    }
    assert!(seal.seals() && !of(None, Some(2)).seals());
}

#[test]
fn the_ring_has_to_be_sealed_once_a_secret_is_set() {
    let mut ring = Ring::made();
    let is_to_be_sealed = |ring: &Ring| Keys::load(&ring.settings).unwrap().0.is_to_be_sealed();
    assert!(!is_to_be_sealed(&ring));
    ring.settings.ring.ring_key = Some(secret(1));
    assert!(is_to_be_sealed(&ring));
    seal(&ring.settings).unwrap();
    assert!(!is_to_be_sealed(&ring));
    let (keys, _) = Keys::load(&ring.settings).unwrap();
    ring.settings.ring.ring_key = Some(secret(2));
    ring.settings.ring.ring_key_previous = Some(secret(1));
    seal(&ring.settings).unwrap();
    assert!(keys.reload().is_err());
    assert!(keys.lacks_secret());
}
