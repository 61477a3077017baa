//! Backups as JSON, for programs in other languages. Times are seconds since 1970-01-01 UTC.

use serde_json::{Value, json};

use super::{BackupContents, KeyLosses, Restored};
use crate::keys::KeyKind;

impl BackupContents {
    /// The contents as a JSON object: `created`; `accounts` and `sessions`, null without a store; `ring`, whether there is a
    /// key ring; `ring_sealed`, whether its file is sealed; `token_keys` and `data_keys`, null if they are not known.
    pub fn to_json(&self) -> Value {
        let keys = self.ring.and_then(|ring| ring.keys);
        json!({
            "created": self.created,
            "accounts": self.store.map(|store| store.accounts),
            "sessions": self.store.map(|store| store.sessions),
            "ring": self.ring.is_some(),
            "ring_sealed": self.ring.is_some_and(|ring| ring.sealed),
            "token_keys": keys.map(|(token, _)| token),
            "data_keys": keys.map(|(_, data)| data),
        })
    }
}

impl Restored {
    /// What was done as a JSON object: `data_dir`, `contents`, `kept` (the directory with the state from before, else null) and
    /// `losses` (null if the previous keys are unknown), with the keys that are `missing` now and those that are
    /// `accepted_again`.
    pub fn to_json(&self) -> Value {
        let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
        json!({
            "data_dir": text(&self.data_dir),
            "contents": self.contents.to_json(),
            "kept": self.kept.as_deref().map(text),
            "losses": self.losses.as_ref().map(losses),
        })
    }
}

fn losses(losses: &KeyLosses) -> Value {
    let keys = |keys: &[(KeyKind, String)]| -> Value {
        keys.iter()
            .map(|(kind, id)| json!({"kind": kind.name(), "id": id}))
            .collect()
    };
    json!({
        "missing": keys(&losses.missing),
        "accepted_again": keys(&losses.accepted_again),
    })
}
