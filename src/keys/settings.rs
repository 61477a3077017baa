//! Where keys come from, and when they are replaced.

use std::path::PathBuf;
use std::time::Duration;

use super::RingSecret;
use crate::Secret;
use crate::cipher::CbcMode;
use crate::signing::TokenAlgorithm;
use crate::store::SharedSettings;

/// Keys from the environment and the ring.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// `SEALGATE_DATA_DIR`: where the key ring is stored. Without one, keys must be given or ephemeral.
    pub data_dir: Option<PathBuf>,
    /// `SEALGATE_STORE`: a store that several machines share, where the ring is instead.
    pub shared: SharedSettings,
    /// `SEALGATE_RING_COPY`: whether a copy of a shared ring, sealed as it is there, is kept in the data directory.
    pub copy: bool,
    /// `SEALGATE_KEYS=ephemeral`: random keys that are lost with the gate.
    pub ephemeral: bool,
    /// Keys that the settings provide.
    pub given: GivenKeys,
    /// The secrets that the ring file is sealed under.
    pub ring: RingSecrets,
    /// How new keys of the ring take over.
    pub rotation: Rotation,
}

/// Environment keys: always the newest of their kind.
#[derive(Debug, Clone, Default)]
pub struct GivenKeys {
    /// `JWT_SECRET_KEY`, at least 32 bytes.
    pub jwt_secret_key: Option<Secret>,
    /// `AES_KEY`: 16, 24 or 32 bytes.
    pub aes_key: Option<Secret>,
    /// How the text of `AES_KEY` was decoded, for start-up log lines.
    pub aes_key_form: &'static str,
    /// `AES_IV`: 16 bytes.
    pub aes_iv: Option<Secret>,
    /// How the text of `AES_IV` was decoded, for start-up log lines.
    pub aes_iv_form: &'static str,
    /// `SEALGATE_CBC`; if unset, `seal` when `AES_IV` is set, else `off`.
    pub cbc: Option<CbcMode>,
}

/// The secrets that open the ring file.
#[derive(Debug, Clone, Default)]
pub struct RingSecrets {
    /// `SEALGATE_RING_KEY`: the secret that the ring file is sealed under.
    pub ring_key: Option<RingSecret>,
    /// `SEALGATE_RING_KEY_FILE`: a file that contains it.
    pub ring_key_file: Option<PathBuf>,
    /// `SEALGATE_RING_KEY_PREVIOUS`: a secret that the ring file may still be sealed under.
    pub ring_key_previous: Option<RingSecret>,
    /// `SEALGATE_RING_KEY_PREVIOUS_FILE`: a file that contains it.
    pub ring_key_previous_file: Option<PathBuf>,
}

/// When keys of the ring are replaced, by what, and how long the old ones are accepted.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// `SEALGATE_TOKEN_ALGORITHM`: how new tokens are signed; if unset, with the algorithm of the ring's newest token key,
    /// or HS256 if there is none yet.
    pub token_algorithm: Option<TokenAlgorithm>,
    /// `SEALGATE_TOKEN_KEY_LEAD`: how long a new token key with a public key is published before it signs; zero: it signs
    /// at once.
    pub token_key_lead: Duration,
    /// `SEALGATE_ROTATE_TOKEN_KEY_AFTER`: the age at which a server replaces the ring's token key; zero: never.
    pub rotate_token_key_after: Duration,
    /// `SEALGATE_ROTATE_DATA_KEY_AFTER`: the same for the data key.
    pub rotate_data_key_after: Duration,
    /// How long the tokens of a replaced key are accepted by default: until the last one has expired, usually a refresh
    /// token.
    pub token_grace: Duration,
}

impl Default for Rotation {
    fn default() -> Self {
        Rotation {
            token_algorithm: None,
            token_key_lead: Duration::from_secs(900),
            rotate_token_key_after: Duration::ZERO,
            rotate_data_key_after: Duration::ZERO,
            // A refresh token's two weeks, plus 5 s of clock skew.
            token_grace: Duration::from_secs(1_209_605),
        }
    }
}
