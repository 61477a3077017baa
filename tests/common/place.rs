//! A data directory with a key ring, and the command that works on it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::{run, sealgate, text};

/// A data directory of its own in a home of its own.
pub struct Place {
    pub home: tempfile::TempDir,
    pub folder: PathBuf,
}

impl Place {
    pub fn new() -> Place {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("state");
        Place { home, folder }
    }

    pub fn with_ring() -> Place {
        let place = Place::new();
        assert!(place.keys("generate").status.success());
        place
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = sealgate(self.home.path());
        command
            .args(arguments)
            .env("SEALGATE_DATA_DIR", &self.folder);
        command
    }

    pub fn keys(&self, what: &str) -> Output {
        run(self.command(&["keys", what]), b"")
    }

    pub fn ring(&self) -> PathBuf {
        self.folder.join("keys.json")
    }

    pub fn backup(&self) -> PathBuf {
        self.folder.join("keys.json.bak")
    }

    /// The id of the newest key of this kind.
    pub fn newest(&self, kind: &str) -> String {
        let listed = run(self.command(&["keys", "list", "--json"]), b"");
        let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
        let mut keys = listed["keys"].as_array().unwrap().iter().rev();
        let key = keys.find(|key| key["kind"] == kind).unwrap();
        key["id"].as_str().unwrap().to_owned()
    }

    /// What `keys` says when it fails, with exit code 2.
    pub fn refused(&self, what: &str) -> String {
        let output = self.keys(what);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stdout.is_empty());
        text(&output.stderr)
    }
}

/// Makes a folder a data directory whose ring has these two keys, under the ids that the documentation of the format gives
/// them.
pub fn write_ring(folder: &Path, token_key: &[u8], data_key: &[u8]) {
    let id = |key: &[u8], size: usize| {
        let mut id = [0; 8];
        let mut context = openssl::pkey_ctx::PkeyCtx::new_id(openssl::pkey::Id::HKDF).unwrap();
        context.derive_init().unwrap();
        context
            .set_hkdf_md(openssl::md::Md::sha256())
            .and_then(|()| context.set_hkdf_key(key))
            .and_then(|()| context.add_hkdf_info(b"sealgate/key-id/v1"))
            .unwrap();
        context.derive(Some(&mut id[..size])).unwrap();
        id[..size].to_vec()
    };
    let stored = |id: String, key: &[u8]| {
        let key = base64_simd::STANDARD.encode_to_string(key);
        serde_json::json!([{"id": id, "key": key, "created": 1_735_689_600}])
    };
    let token_id = base64_simd::URL_SAFE_NO_PAD.encode_to_string(id(token_key, 8));
    let data_id: String = id(data_key, 4)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let ring = serde_json::json!({
        "format": "sealgate key ring",
        "version": 1,
        "token_keys": stored(token_id, token_key),
        "data_keys": stored(data_id, data_key),
    });
    fs::create_dir_all(folder).unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
    let path = folder.join("keys.json");
    fs::write(&path, ring.to_string()).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// The token keys and the data keys of a ring file; `None` where there is no file. Whatever else it is, is a failure.
pub fn stored(path: &Path) -> Option<[Vec<String>; 2]> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => panic!("{}: {error}", path.display()),
    };
    let ring: serde_json::Value = serde_json::from_slice(&text)
        .unwrap_or_else(|error| panic!("{} is damaged: {error}", path.display()));
    assert_eq!(fs::metadata(path).unwrap().mode() & 0o7777, 0o600);
    Some(["token_keys", "data_keys"].map(|kind| {
        let keys = ring[kind].as_array().unwrap();
        keys.iter().map(|key| key["key"].to_string()).collect()
    }))
}
