//! The lowest layer: code that every module may use and no other module owns. It knows nothing about tokens, keys, users
//! or HTTP routes.

pub(crate) mod address;
pub(crate) mod api_key;
pub(crate) mod binary;
pub(crate) mod calendar;
pub(crate) mod clock;
pub(crate) mod custom_claims;
pub(crate) mod encoding;
pub(crate) mod file_stamp;
pub(crate) mod fork;
pub(crate) mod given_file;
pub(crate) mod hkdf;
pub(crate) mod hmac;
pub(crate) mod http_syntax;
pub(crate) mod json;
pub(crate) mod names;
#[cfg(test)]
pub(crate) mod own_process;
pub(crate) mod private_files;
pub(crate) mod process_thread;
pub(crate) mod random;
pub(crate) mod replacement;
pub(crate) mod secret;
pub(crate) mod socket_owner;
pub(crate) mod sync;
pub(crate) mod threads;
pub(crate) mod trace;
pub(crate) mod waker;

/// This crate's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
