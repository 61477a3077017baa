//! A gate's settings: one part for each module below it.

use crate::logging::AuditSettings;
use crate::{keys, limiter, store, tokens, users};

/// Keys, tokens, accounts, encryption and the limit on requests.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Where keys come from, and when they are replaced.
    pub keys: keys::Settings,
    /// How long tokens live, and who they are for.
    pub tokens: tokens::Settings,
    /// What a password hash costs, and when guessing is slowed down.
    pub users: users::Settings,
    /// How many requests each user may make.
    pub limiter: limiter::Settings,
    /// Where accounts, sessions and revocations are kept: in the data directory, or in memory if the keys are ephemeral.
    pub store: store::Settings,
    /// Where audit events go besides the log.
    pub audit: AuditSettings,
}
