//! The id that links a response to its line in the access log.

use std::sync::atomic::{AtomicU64, Ordering};

use once_cell::sync::Lazy;

use super::Request;
use crate::base::api_key::looks_like_key;
use crate::base::random::random;

/// The longest id accepted from a caller.
const MAX_LENGTH: usize = 64;

pub(super) struct RequestId(String);

impl RequestId {
    /// The caller's id if it is short and clean, otherwise a new one. Dots are refused so that no token can reach the log, and
    /// API keys for the same reason.
    pub(super) fn of(request: &Request<'_>) -> Self {
        let theirs = request.headers.get_text("X-Request-Id").filter(|id| {
            (1..=MAX_LENGTH).contains(&id.len())
                && id
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
                && !looks_like_key(id)
        });
        RequestId(theirs.map_or_else(new, str::to_owned))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Unique, not secret: a per-process random number and a counter.
fn new() -> String {
    static PROCESS: Lazy<String> = Lazy::new(|| {
        let mut bytes = [0; 4];
        // Without random bytes the counter alone still distinguishes the requests of this process.
        let _ = random(&mut bytes);
        format!("{:08x}-", u32::from_le_bytes(bytes))
    });
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    // At least eight digits.
    let digits = (64 - count.leading_zeros()).div_ceil(4).max(8);
    let mut id = String::with_capacity(PROCESS.len() + digits as usize);
    id.push_str(&PROCESS);
    for digit in (0..digits).rev() {
        let value = (count >> (4 * digit) & 15) as u32;
        id.push(char::from_digit(value, 16).unwrap_or('0'));
    }
    id
}
