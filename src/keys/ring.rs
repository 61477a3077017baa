//! All keys of a gate: which one is used for new tokens and data, and which one a token or sealed data names.

use std::sync::Arc;

use super::kind::KeyKind;
use super::origin::KeyOrigin;
use super::schedule::signing;
use super::settings::RingSecrets;
use super::state::{Held, Unusable};
use super::tally::Tally;
use super::usage::{FlushMode, Journal};
use crate::base::clock::unix_now;
use crate::base::encoding::encode_hex;
use crate::cipher::{CbcKey, CbcMode, DataKey, DataKeyId};
use crate::signing::TokenKey;

/// All keys of a gate. Immutable: a key change creates a new ring.
pub(crate) struct KeyRing {
    /// Oldest first, in the order in which they start signing; never empty.
    pub(super) token_keys: Vec<Held<TokenKey>>,
    /// Oldest first; never empty.
    pub(super) data_keys: Vec<Held<DataKey>>,
    /// Whether the newest token key is `JWT_SECRET_KEY`, the only key that signs tokens without a key id.
    pub(super) secret_from_settings: bool,
    pub(super) cbc: Option<CbcKey>,
    pub(super) cbc_mode: CbcMode,
    pub(super) origins: Vec<KeyOrigin>,
    /// Whether there is a ring file, and whether it is sealed under the current secret.
    pub(super) has_file: bool,
    pub(super) sealed: bool,
    /// Counts the messages that the newest data key seals, if it is from the ring file.
    pub(super) tally: Option<Arc<Tally>>,
    /// Distinguishes this ring from every other one in the process.
    pub(super) generation: u64,
}

impl KeyRing {
    /// The token key that signs now.
    pub(crate) fn signing_key(&self) -> &TokenKey {
        let place = self.signing_place();
        &self
            .token_keys
            .get(place)
            .expect("a ring has a token key")
            .key
    }

    pub(super) fn signing_place(&self) -> usize {
        match self.token_keys.last() {
            // The clock is read only when it matters.
            Some(newest) if newest.signs_from.is_none() => self.token_keys.len() - 1,
            _ => signing(&self.token_keys, unix_now(), |held| {
                (held.signs_from, held.state)
            }),
        }
    }

    /// The public keys of all accepted token keys that have one, oldest first (RFC 7517).
    pub(crate) fn public_jwks(&self) -> Vec<serde_json::Value> {
        let keys = self.token_keys.iter();
        keys.filter_map(|held| held.accepted().ok()?.public_jwk())
            .collect()
    }

    /// Oldest first; empty only if keys may be missing.
    pub(crate) fn token_keys(&self) -> impl Iterator<Item = &TokenKey> {
        self.token_keys.iter().map(|held| &held.key)
    }

    /// The key that a token names.
    pub(crate) fn token_key(&self, id: &str) -> Result<&Held<TokenKey>, Unusable> {
        let held = self.token_keys.iter().find(|held| held.key.id() == id);
        held.ok_or(Unusable::Unknown)
    }

    /// The key whose own tokens have this encoded header.
    pub(crate) fn token_key_with_header(&self, header: &str) -> Option<&Held<TokenKey>> {
        let mut keys = self.token_keys.iter();
        keys.rfind(|held| held.key.header() == header)
    }

    /// Identifies this ring: a result that was verified under one generation has to be verified again under another.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// `JWT_SECRET_KEY`, if it is set: the key of tokens that name none.
    pub(crate) fn settings_token_key(&self) -> Option<&Held<TokenKey>> {
        self.token_keys.last().filter(|_| self.secret_from_settings)
    }

    pub(crate) fn newest_data_key(&self) -> &DataKey {
        &self.data_keys.last().expect("a ring has a data key").key
    }

    /// Counts the messages sealed from now on in `journal`, if the key is from the ring file: only those have a creation
    /// time.
    pub(super) fn count_in(&mut self, journal: &Arc<Journal>) {
        let kept = self
            .newest_origin(KeyKind::Data)
            .filter(|origin| origin.created.is_some());
        self.tally = kept.map(|origin| Tally::new(journal, origin.id.clone()));
    }

    /// Counts one message sealed by the newest data key.
    pub(crate) fn count_sealed(&self) {
        if let Some(tally) = &self.tally {
            tally.count();
        }
    }

    pub(super) fn has_unwritten_usage(&self) -> bool {
        self.tally
            .as_ref()
            .is_some_and(|tally| tally.has_unwritten())
    }

    pub(super) fn write_usage(&self, mode: FlushMode) {
        if let Some(tally) = &self.tally {
            tally.write(mode);
        }
    }

    /// The key that sealed data names.
    pub(crate) fn data_key(&self, id: DataKeyId) -> Result<&DataKey, Unusable> {
        let held = self.data_keys.iter().find(|held| held.key.id() == id);
        held.ok_or(Unusable::Unknown)?.accepted()
    }

    /// Whether it has keys for tokens and for data.
    pub(super) fn is_complete(&self) -> bool {
        !self.token_keys.is_empty() && !self.data_keys.is_empty()
    }

    /// The original's AES-CBC key, if it may decrypt data.
    pub(crate) fn cbc_for_opening(&self) -> Option<&CbcKey> {
        self.cbc.as_ref()
    }

    /// The original's AES-CBC key, if it encrypts new data.
    pub(crate) fn cbc_for_sealing(&self) -> Option<&CbcKey> {
        self.cbc.as_ref().filter(|_| self.cbc_mode == CbcMode::Seal)
    }

    pub(crate) fn cbc_mode(&self) -> CbcMode {
        self.cbc_mode
    }

    /// Whether the ring file still has to be sealed under the secret that the settings name.
    pub(crate) fn is_to_be_sealed(&self, secrets: &RingSecrets) -> bool {
        self.has_file
            && !self.sealed
            && (secrets.ring_key.is_some() || secrets.ring_key_file.is_some())
    }

    /// Whether its file is sealed.
    pub(crate) fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// The keys without their secrets, in their current state.
    pub(crate) fn origins(&self) -> Vec<KeyOrigin> {
        let now = unix_now();
        let signing = self.token_keys.get(self.signing_place());
        let token = signing.map(|held| held.key.id().to_owned());
        let data = self.data_keys.last().map(|held| encode_hex(&held.key.id()));
        let mut origins = self.origins.clone();
        for origin in &mut origins {
            origin.newest = match origin.kind {
                KeyKind::Token => Some(&origin.id) == token.as_ref(),
                KeyKind::Data => Some(&origin.id) == data.as_ref(),
                KeyKind::AesCbc => self.cbc_mode == CbcMode::Seal,
            };
            origin.signs_from = origin
                .signs_from
                .filter(|time| *time > now && !origin.newest);
        }
        origins
    }

    /// The most recently added key of this kind, even if it does not sign yet.
    pub(super) fn newest_origin(&self, kind: KeyKind) -> Option<&KeyOrigin> {
        self.origins.iter().rfind(|origin| origin.kind == kind)
    }
}
