//! How long tokens live, and for whom they are.

use std::time::Duration;

/// What is asked of every token, and what new ones get.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `SEALGATE_TOKEN_TTL`: how long a new token lives.
    pub token_ttl: Duration,
    /// `SEALGATE_REFRESH_TTL`: how long a refresh token lives; zero gives none.
    pub refresh_ttl: Duration,
    /// `SEALGATE_LEEWAY`: how far clocks may differ.
    pub leeway: Duration,
    /// `SEALGATE_ISSUER`: `iss` of new tokens, wanted in ours.
    pub issuer: String,
    /// `SEALGATE_AUDIENCE`: `aud` of new tokens, wanted where set.
    pub audience: Option<String>,
    /// `SEALGATE_TOKEN_CACHE`: how many checked tokens are remembered; zero remembers none.
    pub token_cache: usize,
}

impl Settings {
    /// How long after its making the last token can still be accepted.
    pub fn longest_life(&self) -> Duration {
        let longest = self.token_ttl.max(self.refresh_ttl);
        longest.saturating_add(self.leeway)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            token_ttl: Duration::from_secs(1800),
            refresh_ttl: Duration::from_secs(14 * 86_400),
            leeway: Duration::from_secs(5),
            issuer: "sealgate".to_owned(),
            audience: None,
            token_cache: 4096,
        }
    }
}
