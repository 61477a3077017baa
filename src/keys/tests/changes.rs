//! What the operator's changes and rotation do to a ring.

use super::*;

#[test]
fn an_import_adds_what_is_missing_and_changes_nothing_else() {
    let from = Ring::made();
    from.add(TOKEN);
    let next = |ring: &Ring| {
        let keys = list(&ring.settings).unwrap().keys;
        keys.iter().filter(|key| key.signs_from.is_some()).count()
    };
    assert_eq!(next(&from), 1);
    let exported = || export(&from.settings, &secret(1)).unwrap();
    // A new ring is the same one.
    let copy = Ring::none();
    let made = import(&copy.settings, exported(), &secret(1)).unwrap();
    assert_eq!((made.added.len(), made.backup), (3, None));
    assert_eq!(
        (copy.ids(KeyKind::Token), next(&copy)),
        (from.ids(KeyKind::Token), 1)
    );
    let before = copy.text();
    let again = import(&copy.settings, exported(), &secret(1)).unwrap();
    assert_eq!((again.added.len(), copy.text()), (0, before));
    // In another ring they verify and open, but only its own sign and seal.
    let other = Ring::made();
    let own = (other.ids(KeyKind::Token), other.ids(KeyKind::Data));
    let added = import(&other.settings, exported(), &secret(1)).unwrap();
    assert_eq!((added.added.len(), next(&other)), (3, 0));
    let (token, data) = (other.ids(KeyKind::Token), other.ids(KeyKind::Data));
    assert_eq!((token[2..].to_vec(), data[1..].to_vec()), own);
    assert_eq!(token[..2], from.ids(KeyKind::Token));
    assert!(sentence(import(&other.settings, exported(), &secret(2))).contains("passphrase"));
}

#[test]
fn a_key_that_differs_under_the_same_id_is_not_imported() {
    let (from, to) = (Ring::made(), Ring::made());
    let id = to.ids(KeyKind::Data).remove(0);
    // Data key ids are short; here a chance in four billion is helped along.
    let exported = export(&from.settings, &secret(1)).unwrap();
    let held = RingSeal::new(Some(secret(1)), None);
    let (text, at_rest) = held.open(exported).unwrap();
    let text = String::from_utf8(text.expose().to_vec()).unwrap();
    let same_id = text.replace(&from.ids(KeyKind::Data)[0], &id);
    let derivation = held.derivation(&at_rest).unwrap();
    let exported = held.seal(same_id.as_bytes(), &derivation).unwrap();
    let before = to.text();
    assert!(import(&to.settings, exported, &secret(1)).is_err());
    assert_eq!(to.text(), before);
}

#[test]
fn retiring_a_next_key_withdraws_it_and_setting_a_state_again_changes_nothing() {
    let ring = Ring::made();
    ring.add(TOKEN);
    let ids = ring.ids(KeyKind::Token);
    let said = sentence(ring.set(&ids[0], KeyState::Retired));
    assert!(
        said.contains("in use until the next one takes over"),
        "{said}"
    );
    let said = sentence(ring.set(&ids[1], KeyState::AcceptedUntil(unix_now() + 9)));
    assert!(said.contains("has not been used yet"), "{said}");
    let changed = ring.set(&ids[1], KeyState::Retired).unwrap();
    assert_eq!(changed.to_json()["ring"], ring.file().to_str().unwrap());
    assert_eq!(
        (changed.keys.len(), changed.withdrawn),
        (0, vec![ids[1].clone()])
    );
    assert_eq!(ring.ids(KeyKind::Token), ids[..1]);
    let said = sentence(ring.set(&ids[0], KeyState::Retired));
    assert!(
        said.contains("is the newest token key and is in use"),
        "{said}"
    );
    // A data key is used at once.
    ring.add(DATA);
    let old = ring.ids(KeyKind::Data).remove(0);
    let changed = ring.set(&old, KeyState::Retired).unwrap();
    assert_eq!(
        changed.keys,
        [(KeyKind::Data, old.clone(), KeyState::Accepted)]
    );
    assert!(changed.withdrawn.is_empty());
    // Not written again: the backup would then hold the same, and the ring before it would be lost.
    let backup = || fs::read(ring.folder.join(RING_BACKUP_FILE)).unwrap();
    let before = (ring.text(), backup());
    let changed = ring.set(&old, KeyState::Retired).unwrap();
    assert!(changed.keys.is_empty() && changed.withdrawn.is_empty());
    assert_eq!((ring.text(), backup()), before);
    assert!(sentence(ring.set("no such id", KeyState::Retired)).contains("No key of the ring"));
}

#[test]
fn only_the_kinds_asked_for_are_rotated_and_only_once() {
    let mut ring = Ring::made();
    let day = Duration::from_secs(86_400);
    ring.settings.rotation.rotate_token_key_after = day;
    ring.settings.rotation.rotate_data_key_after = day;
    let rotated = |kinds: NewKeys| {
        let added = rotate::rotate_old(&ring.settings, &ring.seal(), kinds).unwrap();
        added.iter().map(|key| key.kind).collect::<Vec<_>>()
    };
    assert!(rotated(BOTH).is_empty(), "too early");
    ring.age(86_400);
    assert_eq!(rotated(DATA), [KeyKind::Data]);
    assert!(rotated(DATA).is_empty(), "another process was faster");
    assert_eq!(rotated(BOTH), [KeyKind::Token]);
    assert!(rotated(BOTH).is_empty());
}

#[test]
fn a_missing_ring_is_not_created_by_rotation() {
    let mut ring = Ring::made();
    ring.settings.rotation.rotate_token_key_after = Duration::from_secs(60);
    ring.age(60);
    let (keys, _) = Keys::load(&ring.settings).unwrap();
    fs::remove_file(ring.file()).unwrap();
    let _ = fs::remove_file(ring.folder.join(RING_BACKUP_FILE));
    assert_eq!(keys.rotate_old(|| Ok(())).unwrap(), []);
    assert!(!ring.file().exists());
}

#[test]
fn an_open_ring_replaces_the_kind_of_key_that_is_old() {
    let day = Duration::from_secs(86_400);
    for (token, data, kind) in [
        (day, Duration::ZERO, KeyKind::Token),
        (Duration::ZERO, day, KeyKind::Data),
    ] {
        let mut ring = Ring::made();
        ring.settings.rotation.rotate_token_key_after = token;
        ring.settings.rotation.rotate_data_key_after = data;
        ring.age(86_400);
        let (keys, _) = Keys::load(&ring.settings).unwrap();
        assert_eq!(keys.age(), Some(day));
        let added = keys.rotate_old(|| Ok(())).unwrap();
        assert_eq!((added.len(), added[0].kind), (1, kind));
        assert_eq!(keys.current().newest_origin(kind).unwrap().id, added[0].id);
        assert!(keys.rotate_old(|| Ok(())).unwrap().is_empty());
    }
    let mut ring = Ring::made();
    assert_eq!(Keys::load(&ring.settings).unwrap().0.age(), None);
    ring.settings.rotation.rotate_token_key_after = day;
    ring.settings.rotation.rotate_data_key_after = day * 2;
    assert_eq!(Keys::load(&ring.settings).unwrap().0.age(), Some(day));
}

#[test]
fn the_algorithm_in_the_settings_brings_one_token_key_and_no_other() {
    let mut ring = Ring::made();
    ring.settings.rotation.token_algorithm = Some(TokenAlgorithm::Hs256);
    let before = (ring.ids(KeyKind::Token).len(), ring.ids(KeyKind::Data));
    let added = |ring: &Ring| rotate::to_set_algorithm(&ring.settings, &ring.seal()).unwrap();
    let new = added(&ring);
    assert_eq!((new.len(), new[0].kind), (1, KeyKind::Token));
    assert_eq!(new[0].algorithm, Some(TokenAlgorithm::Hs256));
    let after = (ring.ids(KeyKind::Token).len(), ring.ids(KeyKind::Data));
    assert_eq!(after, (before.0 + 1, before.1));
    assert_eq!(added(&ring), [], "another process was faster");
}

/// `Config` refuses this combination, but programs can fill in the settings themselves.
#[test]
fn a_secret_of_the_settings_leaves_the_ring_as_it_is() {
    let mut ring = Ring::none();
    ring.settings.rotation.token_algorithm = Some(TokenAlgorithm::Hs256);
    ring.add(BOTH);
    let before = ring.text();
    ring.settings.given.jwt_secret_key = Some(Secret::from(&[7; 32][..]));
    ring.settings.rotation.token_algorithm = Some(TokenAlgorithm::EdDsa);
    let (keys, added) = Keys::load(&ring.settings).unwrap();
    assert_eq!(added, []);
    assert_eq!(
        keys.current().signing_key().algorithm(),
        TokenAlgorithm::Hs256
    );
    assert_eq!(ring.text(), before);
}

#[test]
fn a_key_that_would_never_be_used_is_not_added() {
    let mut ring = Ring::made();
    let refused = |ring: &Ring, kinds: NewKeys| sentence(generate(&ring.settings, kinds));
    let given = Some(Secret::from(&[7; 32][..]));
    ring.settings.given.jwt_secret_key = given.clone();
    ring.settings.rotation.token_algorithm = None;
    assert!(refused(&ring, BOTH).contains("add only a data key with --data"));
    let said = refused(&ring, TOKEN);
    assert!(
        said.contains("JWT_SECRET_KEY is set") && !said.contains("--data"),
        "{said}"
    );
    assert_eq!(ring.add(DATA).len(), 1);
    ring.settings.given.aes_key = given;
    assert!(refused(&ring, BOTH).contains("JWT_SECRET_KEY and AES_KEY are set"));
    ring.settings.given.jwt_secret_key = None;
    assert!(refused(&ring, BOTH).contains("add only a token key with --token"));
    let said = refused(&ring, DATA);
    assert!(
        said.contains("AES_KEY is set") && !said.contains("--token"),
        "{said}"
    );
    assert_eq!(ring.add(TOKEN).len(), 1);
}

#[test]
fn a_key_is_old_from_its_age_on_and_never_without_one() {
    let now = unix_now();
    let age = Duration::from_secs;
    assert!(is_old(now - 10, age(10)) && is_old(now - 1_000, age(10)));
    assert!(!is_old(now - 10, age(3_600)));
    assert!(!is_old(now - 10, Duration::ZERO) && !is_old(0, Duration::ZERO));
}
