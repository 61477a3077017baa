//! What the operator's changes of the ring do, and what a ring says about itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::collect::Missing;
use super::rotate::is_old;
use super::seal::RingSeal;
use super::state::Held;
use super::*;
use crate::base::clock::unix_now;
use crate::signing::TokenAlgorithm;
use crate::{Config, Error, Secret};

const BOTH: NewKeys = NewKeys {
    token: true,
    data: true,
    now: false,
};
const TOKEN: NewKeys = NewKeys {
    data: false,
    ..BOTH
};
const DATA: NewKeys = NewKeys {
    token: false,
    ..BOTH
};

struct Ring {
    _home: tempfile::TempDir,
    folder: PathBuf,
    settings: Settings,
}

impl Ring {
    /// Settings without a ring file yet. Token keys are EdDSA, so a new one is published before it signs.
    fn none() -> Ring {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("state");
        let mut settings = Settings {
            data_dir: Some(folder.clone()),
            ..Settings::default()
        };
        settings.rotation.token_algorithm = Some(TokenAlgorithm::EdDsa);
        Ring {
            _home: home,
            folder,
            settings,
        }
    }

    /// With one key of each kind.
    fn made() -> Ring {
        let ring = Ring::none();
        ring.add(BOTH);
        ring
    }

    fn add(&self, kinds: NewKeys) -> Vec<KeyOrigin> {
        generate(&self.settings, kinds).unwrap().added
    }

    fn file(&self) -> PathBuf {
        self.folder.join(RING_FILE)
    }

    fn text(&self) -> Vec<u8> {
        fs::read(self.file()).unwrap()
    }

    fn ids(&self, kind: KeyKind) -> Vec<String> {
        let keys = list(&self.settings).unwrap().keys.into_iter();
        keys.filter(|key| key.kind == kind)
            .map(|key| key.id)
            .collect()
    }

    fn seal(&self) -> RingSeal {
        RingSeal::of(&self.settings.ring).unwrap()
    }

    /// Lets all keys be as old as this.
    fn age(&self, seconds: u64) {
        write::change(&self.folder, &self.seal(), |ring| {
            for key in ring.token_keys.iter_mut().chain(&mut ring.data_keys) {
                key.created = unix_now() - seconds;
            }
            Ok(true)
        })
        .unwrap();
    }

    fn set(&self, id: &str, state: KeyState) -> Result<Changed, Error> {
        set_state(&self.settings, &[id], state)
    }
}

fn load(settings: &Settings) -> Result<KeyRing, Error> {
    KeyRing::collect(settings, &RingSeal::of(&settings.ring)?, Missing::Make)
}

fn secret(byte: u8) -> RingSecret {
    RingSecret::key(Secret::new(vec![byte; 32])).unwrap()
}

fn sentence<T>(result: Result<T, Error>) -> String {
    result.err().expect("an error").to_string()
}

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
fn a_missing_ring_whose_backup_exists_is_not_recreated() {
    let ring = Ring::made();
    ring.add(TOKEN);
    fs::remove_file(ring.file()).unwrap();
    let backup = ring.folder.join(RING_BACKUP_FILE);
    let said = sentence(load(&ring.settings));
    let command = format!("cp -p {} {}", backup.display(), ring.file().display());
    assert!(
        said.contains("is missing, but its backup") && said.contains(&command),
        "{said}"
    );
    assert!(sentence(generate(&ring.settings, BOTH)).contains("is missing"));
    fs::write(&backup, b"{}").unwrap();
    let said = sentence(load(&ring.settings));
    assert!(
        said.contains("cannot be used either") && !said.contains("cp -p"),
        "{said}"
    );
    assert!(!ring.file().exists());
    // The same advice for a ring that is damaged.
    let ring = Ring::made();
    ring.add(TOKEN);
    fs::write(ring.file(), b"{}").unwrap();
    assert!(sentence(load(&ring.settings)).contains("restore it with: cp -p"));
    fs::remove_file(ring.folder.join(RING_BACKUP_FILE)).unwrap();
    assert!(sentence(load(&ring.settings)).contains("from a backup of your own"));
}

#[test]
fn a_ring_without_a_data_key_is_damaged() {
    let ring = Ring::made();
    let mut text: serde_json::Value = serde_json::from_slice(&ring.text()).unwrap();
    text["data_keys"] = serde_json::json!([]);
    fs::write(ring.file(), text.to_string()).unwrap();
    assert!(sentence(load(&ring.settings)).contains("has no data key"));
}

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
fn a_key_is_old_from_its_age_on_and_never_without_one() {
    let now = unix_now();
    let age = Duration::from_secs;
    assert!(is_old(now - 10, age(10)) && is_old(now - 1_000, age(10)));
    assert!(!is_old(now - 10, age(3_600)));
    assert!(!is_old(now - 10, Duration::ZERO) && !is_old(0, Duration::ZERO));
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
fn a_ring_that_cannot_be_used_is_reported_and_the_previous_keys_stay() {
    let ring = Ring::made();
    let (keys, _) = Keys::load(&ring.settings).unwrap();
    let before = keys.current().generation();
    assert_eq!((keys.trouble(), keys.lacks_secret()), (None, false));
    assert_eq!(keys.reload(), Ok(()));
    let reloaded = keys.current().generation();
    assert_ne!(reloaded, before);
    let good = ring.text();
    fs::write(ring.file(), b"{}").unwrap();
    let said = sentence(keys.reload());
    assert!(said.contains(&ring.file().display().to_string()), "{said}");
    assert_eq!(keys.trouble(), Some(said));
    assert!(!keys.lacks_secret());
    assert_eq!(keys.current().generation(), reloaded);
    fs::write(ring.file(), good).unwrap();
    assert_eq!(keys.reload(), Ok(()));
    assert_eq!(keys.trouble(), None);
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
