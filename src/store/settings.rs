//! Where the store is, and whether users without an account are accepted.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use once_cell::sync::OnceCell;

use super::{SharedStore, StoreUrl};

/// Accounts, sessions and revocations.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// `SEALGATE_DATA_DIR`: where the store is. Without one, nothing can be revoked, unless keys are ephemeral.
    pub data_dir: Option<PathBuf>,
    /// `SEALGATE_KEYS=ephemeral`: revocations are lost with the gate's keys, unless there is a store already.
    pub ephemeral: bool,
    /// `SEALGATE_LOGIN=open`: tokens of users without an account are accepted, even if accounts exist.
    pub open_login: bool,
    /// `SEALGATE_STORE` and what belongs to it: a store that several machines share, in place of the one in the data directory.
    pub shared: SharedSettings,
}

/// A store that several machines share.
#[derive(Clone)]
pub struct SharedSettings {
    /// `SEALGATE_STORE`: where it is; `None`: the store is in the data directory.
    pub url: Option<StoreUrl>,
    /// `SEALGATE_STORE_PASSWORD_FILE`: the password, read for each connection.
    pub password_file: Option<PathBuf>,
    /// `SEALGATE_STORE_TIMEOUT`: how long a call may wait for it.
    pub timeout: Duration,
    /// `SEALGATE_STORE_CONNECTIONS`: how many connections a process may have for its calls.
    pub connections: u32,
    /// `SEALGATE_STORE_DOWN`: how old the list of revocations may be before tokens are refused.
    pub stale: Duration,
    /// The store once it is in use: whatever is made from clones of these settings shares its connections.
    pub(crate) opened: Opened,
}

/// See [`open_shared`](super::open_shared).
pub(crate) type Opened = Arc<OnceCell<Arc<dyn SharedStore>>>;

impl SharedSettings {
    /// With `SEALGATE_STORE_DOWN=refuse`. The list is read four times a second.
    pub(crate) const REFUSE_AFTER: Duration = Duration::from_secs(1);

    /// For work on whole tables, which waits for others that do the same: each statement may take a minute at least.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code))]
    pub(super) fn patient(&self) -> Self {
        SharedSettings {
            timeout: self.timeout.max(Duration::from_secs(60)),
            ..self.clone()
        }
    }
}

impl fmt::Debug for SharedSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedSettings")
            .field("url", &self.url)
            .field("password_file", &self.password_file)
            .field("timeout", &self.timeout)
            .field("connections", &self.connections)
            .field("stale", &self.stale)
            .finish_non_exhaustive()
    }
}

impl Default for SharedSettings {
    fn default() -> Self {
        SharedSettings {
            url: None,
            password_file: None,
            timeout: Duration::from_secs(2),
            connections: 8,
            stale: Self::REFUSE_AFTER,
            opened: Opened::default(),
        }
    }
}
