//! The key ring of a server.

use std::path::PathBuf;

use sealgate::keys::{Changed, Generated, KeyKind, KeyList, KeyState, NewKeys};
use sealgate::{KeyOrigin, TokenAlgorithm};
use serde_json::{Value, json};

use super::address::named;
use super::problem::unreadable;
use super::server::Remote;
use super::values::string;
use crate::cli::Failure;

impl Remote {
    pub(in crate::cli) fn keys(&self) -> Result<KeyList, Failure> {
        let answer = self.done("GET", "keys", None)?;
        self.key_list(&answer)
    }

    /// `grace`: for how many seconds the replaced keys are accepted; otherwise as the server's settings say.
    pub(in crate::cli) fn rotate(
        &self,
        kinds: NewKeys,
        grace: Option<u32>,
    ) -> Result<Generated, Failure> {
        let mut body = json!({"now": kinds.now});
        if let Some(seconds) = grace {
            body["grace"] = seconds.into();
        }
        match (kinds.token, kinds.data) {
            (true, false) => body["kind"] = "token".into(),
            (false, true) => body["kind"] = "data".into(),
            _ => {}
        }
        let answer = self.done("POST", "keys/rotate", Some(&body))?;
        let added = answer["added"].as_array().map(Vec::as_slice);
        let added = added.unwrap_or_default();
        let mut keys = self.key_list(&answer)?.keys;
        keys.retain(|key| added.iter().any(|id| id.as_str() == Some(&*key.id)));
        Ok(Generated {
            ring: PathBuf::from(self.url()),
            backup: None,
            added: keys,
        })
    }

    pub(in crate::cli) fn retire_keys(&self, ids: &[&str]) -> Result<Changed, Failure> {
        let (changed, _) = self.change_keys(ids, "/retire", None)?;
        Ok(changed)
    }

    /// `seconds`: for how long; otherwise indefinitely. Returns also the keys' state, whose times are by the server's clock.
    pub(in crate::cli) fn accept_keys(
        &self,
        ids: &[&str],
        seconds: Option<u32>,
    ) -> Result<(Changed, KeyState), Failure> {
        let body = seconds.map(|seconds| json!({ "for": seconds }));
        let (changed, state) = self.change_keys(ids, "/accept", body.as_ref())?;
        Ok((changed, state.unwrap_or(KeyState::Accepted)))
    }

    /// One key after the other. Returns also the state of the last one, unless it is gone.
    fn change_keys(
        &self,
        ids: &[&str],
        what: &str,
        body: Option<&Value>,
    ) -> Result<(Changed, Option<KeyState>), Failure> {
        let before = self.keys()?.keys;
        for id in ids {
            if !before.iter().any(|key| key.id == *id) {
                return Err(Failure::wrong(format!(
                    "There is no key {} on {}. Nothing was changed. To list them: sealgate keys list",
                    crate::cli::table::harmless(id),
                    self.url()
                )));
            }
        }
        for id in ids {
            self.done("POST", &named("keys", id, what), body)?;
        }
        let after = self.keys()?.keys;
        let mut changed = Changed {
            ring: PathBuf::from(self.url()),
            keys: Vec::new(),
            withdrawn: Vec::new(),
        };
        for key in before.into_iter().filter(|key| ids.contains(&&*key.id)) {
            match after
                .iter()
                .find(|now| now.kind == key.kind && now.id == key.id)
            {
                None => changed.withdrawn.push(key.id),
                Some(now) if now.state != key.state => {
                    changed.keys.push((key.kind, key.id, key.state));
                }
                Some(_) => {}
            }
        }
        let last = after.iter().rfind(|key| ids.contains(&&*key.id));
        Ok((changed, last.map(|key| key.state)))
    }

    fn key_list(&self, answer: &Value) -> Result<KeyList, Failure> {
        let rows = answer["keys"]
            .as_array()
            .ok_or_else(|| unreadable(self.url()))?;
        let keys = rows.iter().map(|key| self.key_of(key));
        let usage = rows
            .iter()
            .filter_map(|key| Some((string(&key["id"]), key["messages"].as_u64()?)));
        Ok(KeyList {
            ring: Some(PathBuf::from(self.url())),
            keys: keys.collect::<Result<_, Failure>>()?,
            usage: usage.collect(),
            sealed: answer["sealed"].as_bool().unwrap_or(false),
        })
    }

    fn key_of(&self, key: &Value) -> Result<KeyOrigin, Failure> {
        let kind = [KeyKind::Token, KeyKind::Data, KeyKind::AesCbc]
            .into_iter()
            .find(|kind| key["kind"] == kind.name())
            .ok_or_else(|| unreadable(self.url()))?;
        let place = match key["in_ring"].as_bool() {
            Some(true) => "the key ring",
            _ => "the settings",
        };
        let state = &key["state"];
        Ok(KeyOrigin {
            kind,
            id: string(&key["id"]),
            from: format!("{place} of {}", self.url()),
            algorithm: key["algorithm"]
                .as_str()
                .and_then(TokenAlgorithm::from_name),
            created: key["created_at"].as_u64(),
            newest: state == "in_use",
            signs_from: key["signs_from"].as_u64(),
            state: match (key["accepted_until"].as_u64(), state == "retired") {
                (Some(until), _) => KeyState::AcceptedUntil(until),
                (None, true) => KeyState::Retired,
                (None, false) => KeyState::Accepted,
            },
        })
    }
}
