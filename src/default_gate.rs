//! The functions with the original program's names, over one gate that the environment configures.
//!
//! The only process-wide state of the library, made at the first call. It uses the command's data directory, so that
//! programs and the server on one machine accept what the others make.

use std::sync::OnceLock;

use crate::{Claims, Config, Error, Gate, Secret};

/// The gate behind the functions below.
///
/// # Errors
/// Where the environment's settings are wrong or the key ring is not usable; the next call tries again.
pub fn default_gate() -> Result<&'static Gate, Error> {
    static GATE: OnceLock<Gate> = OnceLock::new();
    if let Some(gate) = GATE.get() {
        return Ok(gate);
    }
    // Made while nobody waits for it: it logs, and a host's log function may call this too.
    let mut config = Config::new();
    config.load_like_the_command(None)?;
    let made = Gate::new(&config.settings()?.gate)?;
    Ok(GATE.get_or_init(|| made))
}

/// Encrypts a text and gives it as base64.
///
/// # Errors
/// Those of [`default_gate`] and [`Gate::encrypt_data`].
pub fn encrypt_data(data: &str) -> Result<String, Error> {
    default_gate()?.encrypt_data(data.as_bytes(), b"")
}

/// Decrypts what [`encrypt_data`] made.
///
/// # Errors
/// Those of [`default_gate`] and [`Gate::decrypt_data`].
pub fn decrypt_data(encrypted_data: &str) -> Result<Secret, Error> {
    default_gate()?.decrypt_data(encrypted_data, b"")
}

/// Replaces all but the first `visible_chars` characters by `*`.
pub fn mask_data(data: &str, visible_chars: usize) -> String {
    crate::logging::mask::mask(data, visible_chars)
}

/// Counts a request of `username`.
///
/// # Errors
/// Those of [`default_gate`]; [`Error::RateLimited`] where the limit is reached.
pub fn enforce_rate_limit(username: &str) -> Result<(), Error> {
    match default_gate()?.enforce_rate_limit(username) {
        Some(admission) => admission.into_result(),
        None => Ok(()),
    }
}

/// Checks a token and gives its claims.
///
/// # Errors
/// Those of [`default_gate`]; [`Error::Token`] where the token is refused.
pub fn verify_token(token: &str) -> Result<Claims, Error> {
    Ok(default_gate()?.verify_token(token)?)
}
