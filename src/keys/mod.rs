//! The key ring: which keys exist, which one is the newest, and the ids by which tokens and data name them.
//!
//! Keys come from the environment and from the ring file; an environment key is always the newest. `ring` holds all keys
//! of a gate and `collect` assembles it. `document` is the text of the ring file, `file` reads it, `write` changes it,
//! `seal` encrypts it at rest, `kind` has the kinds of key, `watch` detects changes, `schedule` decides when token keys
//! sign, `place` is where the ring is, the data directory or a store that machines share, `manage`, `rotate` and `export`
//! are the operator's commands, `backup_copy` is for backups, and `store_copy` for copies of a whole store. `tally` counts the messages
//! that data keys seal, `recording` has the counts recorded, and `usage` stores them; `json` writes descriptions of keys. What a key does is up to `signing`
//! and `cipher`.

mod backup_copy;
mod collect;
mod document;
#[cfg(any(test, fuzzing))]
pub(crate) use document::fuzz::documents;
mod export;
mod file;
mod json;
mod kind;
mod manage;
mod origin;
mod place;
mod recording;
mod ring;
mod ring_secret;
mod rotate;
mod schedule;
mod seal;
mod settings;
mod state;
#[cfg(feature = "store")]
mod store_copy;
mod tally;
mod usage;
mod watch;
mod write;

pub use backup_copy::KeyLosses;
pub(crate) use backup_copy::{
    MAX_RING, RingCopy, new_passphrase_key, passphrase_key, usage_for_backup,
};
pub(crate) use export::{export, import, seal, unseal};
pub use file::{RING_BACKUP_FILE, RING_FILE};
pub use kind::KeyKind;
pub use manage::{Generated, KeyList, NewKeys, list};
pub(crate) use manage::{generate, list_in_use};
pub use origin::KeyOrigin;
pub(crate) use ring::KeyRing;
pub use ring_secret::RingSecret;
pub use rotate::Changed;
pub(crate) use rotate::{rotate, rotate_if, set_state, set_state_if};
pub use settings::{GivenKeys, RingSecrets, Rotation, Settings};
pub use state::KeyState;
pub(crate) use state::Unusable;
#[cfg(feature = "store")]
pub(crate) use store_copy::MovedRing;
pub(crate) use tally::write_all_at_exit;
pub use usage::{KeyUsage, USAGE_FILE};
pub(crate) use watch::Keys;

#[cfg(test)]
mod tests;
