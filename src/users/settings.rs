//! What a password hash costs, and when guessing is slowed down.

/// How passwords are hashed, and when wrong ones cause delays.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `SEALGATE_PASSWORD_MEMORY` in KiB: argon2id's m.
    pub password_memory: u32,
    /// `SEALGATE_PASSWORD_PASSES`: argon2id's t.
    pub password_passes: u32,
    /// `SEALGATE_PASSWORD_LANES`: argon2id's p.
    pub password_lanes: u32,
    /// `SEALGATE_PASSWORD_HASHES`: how many are computed at once; zero for as many as there are cores.
    pub password_hashes: usize,
    /// `SEALGATE_LOCKOUT_AFTER`: wrong passwords before attempts are delayed; zero disables delays.
    pub lockout_after: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            password_memory: 19_456,
            password_passes: 2,
            password_lanes: 1,
            password_hashes: 0,
            lockout_after: 5,
        }
    }
}
