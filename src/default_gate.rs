//! The functions with the original program's names, on one gate configured from the environment.
//!
//! That gate is the library's only process-wide state, created on the first call. It uses the command's data directory, so
//! programs and the server on one machine accept each other's tokens and data.

use std::sync::OnceLock;

use crate::limiter::DEFAULT;
use crate::{Claims, Config, Error, Gate, Secret};

/// The gate behind the functions below.
///
/// # Errors
/// If a setting in the environment is invalid or the key ring cannot be used; the next call tries again.
pub fn default_gate() -> Result<&'static Gate, Error> {
    static GATE: OnceLock<Gate> = OnceLock::new();
    if let Some(gate) = GATE.get() {
        return Ok(gate);
    }
    // Not inside `get_or_init`: creating a gate logs, and a host's log function may call this function.
    let mut config = Config::new();
    config.load_like_the_command(None)?;
    let made = Gate::new(&config.settings()?.gate)?;
    Ok(GATE.get_or_init(|| made))
}

/// Encrypts text and returns base64.
///
/// # Errors
/// Those of [`default_gate`] and [`Gate::encrypt_data`].
pub fn encrypt_data(data: &str) -> Result<String, Error> {
    default_gate()?.encrypt_data(data.as_bytes(), b"")
}

/// Decrypts what [`encrypt_data`] returned.
///
/// # Errors
/// Those of [`default_gate`] and [`Gate::decrypt_data`].
pub fn decrypt_data(encrypted_data: &str) -> Result<Secret, Error> {
    default_gate()?.decrypt_data(encrypted_data, b"")
}

/// Replaces all but the first `visible_chars` characters with `*`.
pub fn mask_data(data: &str, visible_chars: usize) -> String {
    crate::logging::mask::mask(data, visible_chars)
}

/// Counts a request by `username` against the rate limit.
///
/// # Errors
/// Those of [`default_gate`]; [`Error::RateLimited`] if the limit is exceeded; [`Error::Store`] as [`Gate::limit`] returns it.
pub fn enforce_rate_limit(username: &str) -> Result<(), Error> {
    match default_gate()?.limit(username, DEFAULT, 1)? {
        Some(admission) => admission.into_result(),
        None => Ok(()),
    }
}

/// Verifies a token and returns its claims.
///
/// # Errors
/// Those of [`default_gate`]; [`Error::Token`] if the token is refused.
pub fn verify_token(token: &str) -> Result<Claims, Error> {
    Ok(default_gate()?.verify_token(token)?)
}
