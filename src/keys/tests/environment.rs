//! Keys of the environment: with a ring beside them and without one.

use std::fs;

use super::collected::{KEY, SECRET, collected, gate, load};
use super::*;
use crate::cipher::DataKey;
use crate::signing::token_key_id;
use crate::{Config, Error, Grant};

#[test]
fn environment_keys_are_the_newest_and_ring_keys_still_work() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("sealgate");
    let settings = [("data_dir", folder.to_str().unwrap())];
    let before = gate(&settings);
    let token = before
        .issue_token(&Grant {
            subject: "alice",
            scope: "",
            ..Grant::default()
        })
        .unwrap();
    let sealed = before.seal(b"data", b"").unwrap();

    let with_keys = [
        &settings[..],
        &[("jwt_secret_key", SECRET), ("aes_key", KEY)],
    ]
    .concat();
    let after = gate(&with_keys);
    assert_eq!(after.verify_token(&token).unwrap().subject(), "alice");
    assert_eq!(after.open(&sealed, b"").unwrap().expose(), b"data");
    let ring = load(&with_keys).unwrap();
    assert_eq!(
        ring.signing_key().id(),
        token_key_id(SECRET.as_bytes()).unwrap()
    );
    assert_eq!(
        ring.newest_data_key().id(),
        DataKey::from_aes_key(KEY.as_bytes()).unwrap().id()
    );
    assert_eq!(
        after.seal(b"", b"").unwrap()[1..5],
        ring.newest_data_key().id()
    );
    let listed: Vec<String> = ring
        .origins()
        .iter()
        .map(|origin| origin.from.clone())
        .collect();
    assert!(
        listed[0].contains("keys.json") && listed[2] == "JWT_SECRET_KEY",
        "{listed:?}"
    );
    assert_eq!(listed[3], "AES_KEY (read as 32 raw bytes)");
}

#[test]
fn environment_keys_alone_need_no_folder_and_create_none() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("sealgate");
    let keys = [("jwt_secret_key", SECRET), ("aes_key", KEY)];
    load(&keys).unwrap();
    load(&[&keys[..], &[("data_dir", folder.to_str().unwrap())]].concat()).unwrap();
    assert!(!folder.exists());
    assert!(matches!(load(&keys[..1]), Err(Error::Setting(_))));
    load(&[
        ("keys", "ephemeral"),
        ("data_dir", folder.to_str().unwrap()),
    ])
    .unwrap();
    assert!(!folder.exists());
}

#[test]
fn a_key_in_both_places_counts_once() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("sealgate");
    let settings = [("data_dir", folder.to_str().unwrap())];
    load(&settings).unwrap();
    let text = fs::read_to_string(folder.join(RING_FILE)).unwrap();
    let ring: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut config = Config::new();
    config.set("data_dir", folder.to_str().unwrap()).unwrap();
    let key = crate::base::encoding::decode_base64(ring["token_keys"][0]["key"].as_str().unwrap())
        .unwrap();
    config.set("jwt_secret_key", &key).unwrap();
    let loaded = collected(&config.settings().unwrap().gate.keys).unwrap();
    assert_eq!(loaded.token_keys.len(), 1);
    assert_eq!(
        loaded.settings_token_key().unwrap().key.id(),
        token_key_id(&key).unwrap()
    );
    let origins: Vec<_> = loaded
        .origins
        .iter()
        .map(|key| (key.kind, &*key.from))
        .collect();
    assert_eq!(origins.len(), 2, "{origins:?}");
    assert!(origins[0].0 == KeyKind::Data && origins[1] == (KeyKind::Token, "JWT_SECRET_KEY"));
}

#[test]
fn an_environment_secret_cannot_be_a_key_pair() {
    let mut config = Config::new();
    for (name, value) in [("jwt_secret_key", SECRET), ("token_algorithm", "ES256")] {
        config.set(name, value).unwrap();
    }
    let said = config.settings().unwrap_err().to_string();
    assert!(
        said.contains("HS256") && said.contains("Unset one"),
        "{said}"
    );
    assert!(!said.contains(SECRET));
    config.set("token_algorithm", "HS256").unwrap();
    assert!(config.settings().is_ok());
}
