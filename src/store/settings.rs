//! Where the store is, and who is good without an account.

use std::path::PathBuf;

/// Accounts, sessions and revocations.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// `SEALGATE_DATA_DIR`: where the store lives. Without one, nothing can be revoked, unless keys are ephemeral.
    pub data_dir: Option<PathBuf>,
    /// `SEALGATE_KEYS=ephemeral`: what is revoked is forgotten with the gate's keys, unless there is a store already.
    pub ephemeral: bool,
    /// `SEALGATE_LOGIN=open`: tokens of users without an account are good, also where there are accounts.
    pub open_login: bool,
}
