//! The key ring: which keys there are, which one is the newest, and the ids by which tokens and data name them.
//!
//! Keys come from the environment and from the ring file; a key of the environment is always the newest. `ring` has all keys
//! of a gate, and `collect` puts it together. `document` is the ring file's text, `file` reads it, `write` changes it, `seal` is
//! how its text lies there, `watch` notices changes, `schedule` is when token keys sign, `manage`, `rotate` and `export` are
//! what operators do with it. `tally` counts what data keys seal, and `usage` keeps the numbers. What a key does is the
//! business of `signing` and `cipher`.

mod collect;
mod document;
#[cfg(any(test, fuzzing))]
pub(crate) use document::fuzz::documents;
mod export;
mod file;
mod manage;
mod origin;
mod ring;
mod ring_secret;
mod rotate;
mod schedule;
mod seal;
mod settings;
mod state;
mod tally;
mod usage;
mod watch;
mod write;

pub use export::{export, import, seal, unseal};
pub use file::{RING_BACKUP_FILE, RING_FILE};
pub use manage::{Generated, KeyList, NewKeys, generate, list};
pub use origin::KeyOrigin;
pub(crate) use ring::KeyRing;
pub use ring_secret::RingSecret;
pub use rotate::{Changed, rotate, set_state};
pub use settings::{GivenKeys, RingSecrets, Rotation, Settings};
pub use state::KeyState;
pub(crate) use state::Unusable;
pub(crate) use tally::write_all_at_exit;
pub use usage::{KeyUsage, USAGE_FILE};
pub(crate) use watch::Keys;

#[cfg(test)]
mod tests;
