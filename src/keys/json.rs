//! Keys and changes of the ring as JSON, for programs in other languages. Times are seconds since 1970-01-01 UTC.

use std::path::Path;

use serde_json::{Value, json};

use super::{Changed, Generated, KeyList, KeyOrigin, KeyState};
use crate::base::clock::unix_now;
use crate::signing::TokenAlgorithm;

impl KeyOrigin {
    /// The key as a JSON object: `kind`, `id` (null if it has none), `algorithm`, `created`, `newest`, `signs_from`, `accepted`,
    /// `accepted_until` and `from`.
    pub fn to_json(&self) -> Value {
        json!({
            "kind": self.kind.name(),
            "id": (!self.id.is_empty()).then_some(&self.id),
            "algorithm": self.algorithm.map(TokenAlgorithm::name),
            "created": self.created,
            "newest": self.newest,
            "signs_from": self.signs_from,
            "accepted": self.state.accepts_at(unix_now()),
            "accepted_until": match self.state {
                KeyState::AcceptedUntil(time) => Some(time),
                _ => None,
            },
            "from": self.from,
        })
    }
}

impl KeyList {
    /// The list as a JSON object: `ring` is the ring's file, `complete` whether there are keys for tokens and for data, `keys`
    /// the keys with the number of `messages` that each has sealed, and `trouble` why these counts are too low, if they are.
    pub fn to_json(&self) -> Value {
        let keys = self.keys.iter().map(|key| {
            let mut described = key.to_json();
            described["messages"] = self.messages(key).into();
            described
        });
        json!({
            "ring": self.ring.as_deref().map(text),
            "complete": self.is_complete(),
            "keys": keys.collect::<Vec<_>>(),
            "trouble": self.usage.trouble,
        })
    }
}

impl Generated {
    /// The change as a JSON object: `ring` is the ring's file, `backup` that of the previous ring, `added` the new keys.
    pub fn to_json(&self) -> Value {
        json!({
            "ring": text(&self.ring),
            "backup": self.backup.as_deref().map(text),
            "added": self.added.iter().map(KeyOrigin::to_json).collect::<Vec<_>>(),
        })
    }
}

impl Changed {
    /// The change as a JSON object: `ring` is the ring's file, `changed` has kind and id of each key whose state has changed,
    /// `withdrawn` the ids of keys that were removed before they signed.
    pub fn to_json(&self) -> Value {
        let changed = self.keys.iter();
        json!({
            "ring": text(&self.ring),
            "changed": changed
                .map(|(kind, id, _)| json!({"kind": kind.name(), "id": id}))
                .collect::<Vec<_>>(),
            "withdrawn": self.withdrawn,
        })
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
