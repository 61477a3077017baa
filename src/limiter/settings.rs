//! How many requests are admitted.

use std::time::Duration;

/// The limit on requests.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `MAX_REQUESTS`; zero disables the limiter.
    pub max_requests: u32,
    /// `RATE_LIMIT_WINDOW`.
    pub window: Duration,
    /// `SEALGATE_LIMITER_MEMORY` in bytes.
    pub memory: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            max_requests: 5,
            window: Duration::from_secs(60),
            memory: 64 << 20,
        }
    }
}
