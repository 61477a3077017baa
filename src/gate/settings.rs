//! What a gate is made of: a part for each room below it.

use crate::{keys, limiter, store, tokens, users};

/// Keys, tokens, accounts, encryption and the limit on requests.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Where keys come from, and when they are replaced.
    pub keys: keys::Settings,
    /// How long tokens live, and for whom they are.
    pub tokens: tokens::Settings,
    /// What a password costs, and when guessing is slowed down.
    pub users: users::Settings,
    /// How many requests of a user are admitted.
    pub limiter: limiter::Settings,
    /// Where accounts, sessions and revocations are kept: in the folder of the keys, and ephemeral as they are.
    pub store: store::Settings,
}
