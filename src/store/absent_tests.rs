//! What a gate does in a build without the store: nothing can be stored, and a store of another build is never ignored.

use std::fs;
use std::path::PathBuf;

use crate::base::private_files;
use crate::{Config, Error, Gate, Grant, STORE_FILE, TokenError};

const NOT_BUILT: &str = "This build of sealgate has no store for accounts, sessions and revoked tokens. Build it with the \
                         cargo feature store.";

struct Place {
    _home: tempfile::TempDir,
    folder: PathBuf,
}

impl Place {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("state");
        Place {
            _home: home,
            folder,
        }
    }

    fn gate(&self, keys: &str) -> Result<Gate, Error> {
        let mut config = Config::new();
        config.set("data_dir", self.folder.to_str().unwrap())?;
        config.set("keys", keys)?;
        Gate::new(&config.settings()?.gate)
    }

    /// As another build creates it; what it contains does not matter here.
    fn create_store(&self) {
        private_files::make(&self.folder).unwrap();
        fs::write(self.folder.join(STORE_FILE), "SQLite format 3").unwrap();
    }
}

fn without_a_directory(keys: &[(&str, &str)]) -> Gate {
    let mut config = Config::new();
    for (name, value) in keys {
        config.set(name, value).unwrap();
    }
    Gate::new(&config.settings().unwrap().gate).unwrap()
}

fn token(gate: &Gate) -> Result<String, Error> {
    gate.issue_token(&Grant {
        subject: "alice",
        scope: "decrypt",
        ..Grant::default()
    })
}

#[test]
fn tokens_need_no_store() {
    let place = Place::new();
    let gate = place.gate("ring").unwrap();
    let issued = token(&gate).unwrap();
    assert_eq!(gate.verify_token(&issued).unwrap().subject(), "alice");
    assert!(!gate.has_store() && gate.check_store().is_ok());
    assert!(!gate.wants_passwords());
    // Another gate on the same ring accepts it.
    let other = place.gate("ring").unwrap();
    assert!(other.verify_token(&issued).is_ok());
}

#[test]
fn what_needs_a_store_names_the_feature() {
    let place = Place::new();
    let secret = "a secret of at least thirty-two bytes";
    for gate in [
        place.gate("ring").unwrap(),
        without_a_directory(&[("keys", "ephemeral")]),
        without_a_directory(&[
            ("jwt_secret_key", secret),
            ("aes_key", "0123456789abcdef0123456789abcdef"),
        ]),
    ] {
        let issued = token(&gate).unwrap();
        let password = "a quiet harbour".into();
        for refused in [
            gate.users().add("alice", &password, "decrypt").err(),
            gate.revoke_token(&issued).err(),
            gate.revoke_token_id("some-id", None).err(),
            gate.revoke_user("alice").err(),
        ] {
            assert_eq!(refused, Some(Error::Store(NOT_BUILT.to_owned())));
        }
        // Nothing was revoked, and the answers are those of a gate without accounts.
        assert!(gate.verify_token(&issued).is_ok());
        assert_eq!(gate.users().list("", 10), Ok(Vec::new()));
        assert_eq!(gate.users().find("alice"), Ok(None));
        assert_eq!(gate.users().set_disabled("alice", true), Ok(false));
        let login = gate.log_in("alice", &password, "192.0.2.1", "");
        assert_eq!(login.err(), Some(Error::LoginFailed));
    }
    assert!(!place.folder.join(STORE_FILE).exists());
}

#[test]
fn a_gate_is_not_created_beside_a_store_that_it_cannot_read() {
    for keys in ["ring", "ephemeral"] {
        let place = Place::new();
        place.create_store();
        let refused = place.gate(keys).err();
        let Some(Error::Store(sentence)) = refused else {
            panic!("{keys}: {refused:?}");
        };
        assert!(
            sentence.contains(STORE_FILE) && sentence.contains("the cargo feature store"),
            "{sentence}"
        );
    }
    // Nor where a store was lost, as in every build.
    let place = Place::new();
    private_files::make(&place.folder).unwrap();
    fs::write(place.folder.join(format!("{STORE_FILE}-wal")), "pages").unwrap();
    assert!(matches!(place.gate("ring").err(), Some(Error::Store(_))));
}

#[test]
fn once_another_build_has_created_a_store_no_token_is_accepted_or_issued() {
    let place = Place::new();
    let gate = place.gate("ring").unwrap();
    let issued = token(&gate).unwrap();
    assert!(gate.verify_token(&issued).is_ok());
    place.create_store();
    // At once, rather than at the next of the checks that are made a few times a second.
    let refused = gate.check_store();
    assert!(matches!(refused, Err(Error::Store(_))), "{refused:?}");
    assert_eq!(
        gate.verify_token(&issued).err(),
        Some(TokenError::Unchecked)
    );
    assert!(matches!(token(&gate).err(), Some(Error::Store(_))));
    for refused in [
        gate.revoke_token(&issued).err(),
        gate.users().list("", 10).err(),
        gate.log_in("alice", &"a quiet harbour".into(), "", "")
            .err(),
    ] {
        assert!(refused.is_some());
    }
    // Data needs no store.
    let sealed = gate.encrypt_data(b"text", b"").unwrap();
    assert_eq!(gate.decrypt_data(&sealed, b"").unwrap().expose(), b"text");
    // Moved away again, as an operator would.
    fs::remove_file(place.folder.join(STORE_FILE)).unwrap();
    assert_eq!(gate.check_store(), Ok(()));
    assert!(gate.verify_token(&issued).is_ok());
}
