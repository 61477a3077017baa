//! How long tokens live, and who they are for.

use std::time::Duration;

/// What every token must satisfy, and what new ones contain.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `SEALGATE_TOKEN_TTL`: how long a new token lives.
    pub token_ttl: Duration,
    /// `SEALGATE_REFRESH_TTL`: how long a refresh token lives; zero disables refresh tokens.
    pub refresh_ttl: Duration,
    /// `SEALGATE_LEEWAY`: how far clocks may differ.
    pub leeway: Duration,
    /// `SEALGATE_ISSUER`: `iss` of new tokens, required in our own tokens.
    pub issuer: String,
    /// `SEALGATE_AUDIENCE`: `aud` of new tokens, required if set.
    pub audience: Option<String>,
    /// `SEALGATE_TOKEN_CACHE`: how many checked tokens are cached; zero disables the cache.
    pub token_cache: usize,
}

impl Settings {
    /// How long after being issued a token can still be accepted.
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
