//! How a ring is assembled from its file and the settings.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::base::encoding::encode_hex;
use crate::cipher::DataKey;
use crate::signing::{TokenAlgorithm, TokenKey, token_key_id};
use crate::{Config, Error, Gate, Grant, Secret};

pub(super) const SECRET: &str = "a secret of at least thirty-two bytes";
pub(super) const KEY: &str = "0123456789abcdef0123456789abcdef";

pub(super) fn load(settings: &[(&str, &str)]) -> Result<KeyRing, Error> {
    let mut config = Config::new();
    for (name, value) in settings {
        config.set(name, value).unwrap();
    }
    collected(&config.settings().unwrap().gate.keys)
}

pub(super) fn collected(settings: &Settings) -> Result<KeyRing, Error> {
    let seal = seal::RingSeal::of(&settings.ring)?;
    KeyRing::collect(settings, &seal, collect::Missing::Make)
}

pub(super) fn gate(settings: &[(&str, &str)]) -> Gate {
    let mut config = Config::new();
    for (name, value) in settings {
        config.set(name, value).unwrap();
    }
    Gate::new(&config.settings().unwrap().gate).unwrap()
}

fn sentence(result: Result<KeyRing, Error>) -> String {
    match result {
        Err(Error::KeyRing(sentence)) => sentence,
        Err(other) => panic!("not a key ring error: {other:?}"),
        Ok(_) => panic!("loaded"),
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn key_ids_match_the_vectors() {
    let path = format!("{}/tests/vectors/key_ids.json", env!("CARGO_MANIFEST_DIR"));
    let vectors: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let mut seen = 0;
    for vector in vectors["vectors"].as_array().unwrap() {
        let bytes = |member: &str| -> Option<Vec<u8>> {
            let text = vector[member].as_str()?;
            let pairs = text.as_bytes().chunks(2);
            Some(
                pairs
                    .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
                    .collect(),
            )
        };
        if let (Some(key), Some(kid)) = (bytes("key_hex"), vector["token_key_id"].as_str()) {
            assert_eq!(token_key_id(&key).unwrap(), kid);
            seen += 1;
        }
        if let Some(private) = bytes("private_hex") {
            let algorithm = TokenAlgorithm::from_name(vector["algorithm"].as_str().unwrap());
            let key = TokenKey::new(algorithm.unwrap(), &private).unwrap();
            assert_eq!(vector["token_key_id"], key.id());
            assert_eq!(*key.bytes(), private);
            seen += 1;
        }
        if let (Some(key), Some(id)) = (bytes("aes_key_hex"), vector["data_key_id_hex"].as_str()) {
            let derived = DataKey::from_aes_key(&key).unwrap();
            assert_eq!(encode_hex(&derived.id()), id);
            assert_eq!(derived.bytes().to_vec(), bytes("sealing_key_hex").unwrap());
            seen += 1;
        }
    }
    assert!(
        seen >= 8,
        "the vectors have token keys, key pairs and data keys"
    );
}

#[test]
fn the_first_start_creates_a_ring_that_later_starts_use() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("state/sealgate");
    let settings = [("data_dir", folder.to_str().unwrap())];
    let first = gate(&settings);
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join(RING_FILE)), 0o600);
    let token = first
        .issue_token(&Grant {
            subject: "alice",
            scope: "",
            ..Grant::default()
        })
        .unwrap();
    let sealed = first.encrypt_data(b"data", b"").unwrap();

    let second = gate(&settings);
    assert_eq!(second.verify_token(&token).unwrap().subject(), "alice");
    assert_eq!(second.decrypt_data(&sealed, b"").unwrap().expose(), b"data");
    assert_eq!(
        fs::read_dir(&folder).unwrap().count(),
        3,
        "the ring, its lock and the usage counts, no temporary files"
    );
}

#[test]
fn concurrent_first_starts_create_one_ring() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("sealgate");
    let settings = [("data_dir", folder.to_str().unwrap())];
    let ids: Vec<String> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| load(&settings).unwrap().signing_key().id().to_owned()))
            .collect();
        starts
            .into_iter()
            .map(|start| start.join().unwrap())
            .collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]));
}

#[test]
fn a_ring_that_others_can_read_is_refused_with_the_command_that_fixes_it() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("sealgate");
    let settings = [("data_dir", folder.to_str().unwrap())];
    load(&settings).unwrap();
    let ring = folder.join(RING_FILE);
    for (path, loose, right) in [(&ring, 0o640, 0o600), (&folder, 0o755, 0o700)] {
        fs::set_permissions(path, fs::Permissions::from_mode(loose)).unwrap();
        let said = sentence(load(&settings));
        assert!(
            said.contains(&format!("chmod {right:o} {}", path.display())),
            "{said}"
        );
        fs::set_permissions(path, fs::Permissions::from_mode(right)).unwrap();
        load(&settings).unwrap();
    }
    let loose = home.path().join("loose");
    fs::create_dir(&loose).unwrap();
    fs::set_permissions(&loose, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(sentence(load(&[("data_dir", loose.to_str().unwrap())])).contains("chmod 700"));
}

#[test]
fn a_damaged_ring_is_reported_and_never_overwritten() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("sealgate");
    let settings = [("data_dir", folder.to_str().unwrap())];
    load(&settings).unwrap();
    let ring = folder.join(RING_FILE);
    let good = fs::read_to_string(&ring).unwrap();
    let damaged = [
        String::new(),
        good[..good.len() / 2].to_owned(),
        good.replace("sealgate key ring", "something else"),
        good.replace("\"version\": 1", "\"version\": 4"),
        good.replacen("\"key\": \"", "\"key\": \"AAAA", 1),
        "\0".repeat(300),
        "x".repeat(2 << 20),
    ];
    for text in damaged {
        fs::write(&ring, &text).unwrap();
        let said = sentence(load(&settings));
        let remedy = match text.contains("\"version\": 4") {
            true => "newer version of sealgate; use that version",
            false => "Restore it from a backup",
        };
        assert!(
            said.contains(ring.to_str().unwrap()) && said.contains(remedy),
            "{said}"
        );
        assert_eq!(fs::read_to_string(&ring).unwrap(), text, "untouched");
    }
    let no_data_keys =
        r#"{"format":"sealgate key ring","version":1,"token_keys":[],"data_keys":[]}"#;
    fs::write(&ring, no_data_keys).unwrap();
    assert!(sentence(load(&settings)).contains("has no token key"));
    fs::write(&ring, good).unwrap();
    load(&settings).unwrap();
}

#[test]
fn an_unwritable_folder_is_a_clear_error() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    let below_a_file = file.join("sealgate");
    let said = sentence(load(&[("data_dir", below_a_file.to_str().unwrap())]));
    assert!(
        said.contains("SEALGATE_DATA_DIR") || said.contains("cannot be read"),
        "{said}"
    );
}

#[test]
fn nothing_prints_a_key() {
    let gate = gate(&[
        ("keys", "ephemeral"),
        ("jwt_secret_key", SECRET),
        ("aes_key", KEY),
    ]);
    let shown = format!("{gate:?} {:?}", gate.key_origins());
    assert!(!shown.contains(SECRET) && !shown.contains(KEY), "{shown}");
}

#[test]
fn a_ring_never_exceeds_the_size_that_can_be_read() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("sealgate");
    load(&[("data_dir", folder.to_str().unwrap())]).unwrap();
    let before = fs::read(folder.join(RING_FILE)).unwrap();
    let added = write::change(&folder, &seal::RingSeal::new(None, None), |ring| {
        ring.token_keys.extend((0..9000).map(|n| document::RingKey {
            id: format!("{n:011}"),
            key: Secret::from(&[7; 32][..]),
            algorithm: Some(TokenAlgorithm::Hs256),
            created: 0,
            state: KeyState::Accepted,
            signs_from: None,
        }));
        Ok(true)
    });
    let said = added.err().unwrap().to_string();
    assert!(said.contains("larger than 1024 KiB"), "{said}");
    assert_eq!(fs::read(folder.join(RING_FILE)).unwrap(), before);
    assert!(!folder.join(RING_BACKUP_FILE).exists());
}

#[test]
fn new_keys_are_the_newest_and_old_ones_still_work() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("sealgate");
    let given = [("data_dir", folder.to_str().unwrap())];
    let mut config = Config::new();
    config.set(given[0].0, given[0].1).unwrap();
    let settings = config.settings().unwrap().gate.keys;
    assert_eq!(list(&settings).unwrap().ring, None);
    assert!(!folder.exists(), "listing creates nothing");

    let both = NewKeys {
        token: true,
        data: true,
        now: false,
    };
    let made = generate(&settings, both).unwrap();
    assert_eq!((made.added.len(), made.backup), (2, None));
    let before = gate(&given);
    let grant = Grant {
        subject: "alice",
        scope: "",
        ..Grant::default()
    };
    let token = before.issue_token(&grant).unwrap();
    let sealed = before.seal(b"data", b"").unwrap();

    let added = generate(&settings, both).unwrap();
    assert_eq!(added.backup, Some(folder.join(RING_BACKUP_FILE)));
    let after = gate(&given);
    assert_eq!(after.verify_token(&token).unwrap().subject(), "alice");
    assert_eq!(after.open(&sealed, b"").unwrap().expose(), b"data");
    let mut newest = after.key_origins();
    newest.retain(|key| key.newest);
    assert_eq!(newest, added.added);
    assert_eq!(list(&settings).unwrap().keys, after.key_origins());
    // A gate created earlier learns the new keys when it sees a token or data that names them.
    let token = after.issue_token(&grant).unwrap();
    assert_eq!(before.verify_token(&token).unwrap().subject(), "alice");
    let before = gate(&given);
    generate(&settings, both).unwrap();
    let sealed = gate(&given).seal(b"data", b"").unwrap();
    assert_eq!(before.open(&sealed, b"").unwrap().expose(), b"data");
}

#[test]
fn a_new_algorithm_applies_from_the_next_start_and_the_old_key_stays_accepted() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("sealgate");
    let start = |algorithm: Option<&str>| {
        let mut settings = vec![("data_dir", folder.to_str().unwrap()), ("refresh_ttl", "0")];
        settings.extend(algorithm.map(|name| ("token_algorithm", name)));
        gate(&settings)
    };
    let grant = Grant {
        subject: "alice",
        scope: "",
        ..Grant::default()
    };
    let algorithms = |gate: &Gate| -> Vec<_> {
        let keys = gate.key_origins().into_iter();
        keys.filter(|key| key.kind == KeyKind::Token)
            .map(|key| (key.algorithm.unwrap(), key.state == KeyState::Accepted))
            .collect()
    };
    let first = start(None);
    let token = first.issue_token(&grant).unwrap();
    assert_eq!(
        algorithms(&start(Some("HS256"))),
        [(TokenAlgorithm::Hs256, true)]
    );
    let before = crate::base::clock::unix_now();
    let second = start(Some("EdDSA"));
    assert_eq!(
        algorithms(&second),
        [
            (TokenAlgorithm::Hs256, false),
            (TokenAlgorithm::EdDsa, true)
        ]
    );
    let KeyState::AcceptedUntil(end) = second.key_origins()[0].state else {
        panic!("it has an end");
    };
    assert!(
        (before + 2705..before + 2800).contains(&end),
        "until its last token has expired, which it signs until the next one is known"
    );
    let next = &second.key_origins()[1];
    assert!(
        next.signs_from.unwrap() >= before + 900 && !next.newest && second.key_origins()[0].newest
    );
    assert_eq!(second.verify_token(&token).unwrap().subject(), "alice");
    let token = second.issue_token(&grant).unwrap();
    assert_eq!(first.verify_token(&token).unwrap().subject(), "alice");
    // Without the setting the ring's algorithm stays, and so it does with the same value.
    for said in [None, Some("EdDSA")] {
        assert_eq!(
            algorithms(&start(said)),
            [
                (TokenAlgorithm::Hs256, false),
                (TokenAlgorithm::EdDsa, true)
            ]
        );
    }
    let third = start(Some("HS256"));
    let keys = third.key_origins();
    let token_keys: Vec<_> = keys
        .iter()
        .filter(|key| key.kind == KeyKind::Token)
        .collect();
    assert_eq!(token_keys.len(), 3);
    assert!(token_keys[2].newest, "no client has to know it");
}
