//! Where the store is, and whether users without an account are accepted.

use std::path::PathBuf;

/// Accounts, sessions and revocations.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// `SEALGATE_DATA_DIR`: where the store is. Without one, nothing can be revoked, unless keys are ephemeral.
    pub data_dir: Option<PathBuf>,
    /// `SEALGATE_KEYS=ephemeral`: revocations are lost with the gate's keys, unless there is a store already.
    pub ephemeral: bool,
    /// `SEALGATE_LOGIN=open`: tokens of users without an account are accepted, even if accounts exist.
    pub open_login: bool,
}
