//! Sealgate issues and checks tokens (JWT), encrypts and decrypts data (AES), limits how often a caller may ask, and
//! keeps secrets out of logs. The same core is reached over HTTP (`sealgate serve`), from C (`sealgate.h`), from Python
//! (`import sealgate`), and from Rust: here. What one door makes, the others accept.
//!
//! # Which function for which case
//!
//! | you want to | use |
//! | --- | --- |
//! | keep data secret, as text | [`Gate::encrypt_data`], [`Gate::decrypt_data`] |
//! | keep data secret, as bytes | [`Gate::seal`], [`Gate::open`] |
//! | keep data of any size secret, in constant memory | [`Gate::seal_stream`], [`Gate::open_stream`] |
//! | move old data to the newest key | [`Gate::rewrap`], [`Gate::rewrap_data`] |
//! | tie data to its place (a row, a user), so that it opens nowhere else | the `context` of these |
//! | let somebody in and know them again | [`Gate::issue_token`], [`Gate::verify_token`] |
//! | stop a caller who asks too often | [`Gate::enforce_rate_limit`] |
//! | see which keys there are, or add new ones | [`keys::list`], [`keys::generate`] |
//! | show that a secret is there without showing it | [`mask`] |
//! | the original program's functions, configured by the environment | [`encrypt_data`], [`decrypt_data`], [`mask_data`], [`enforce_rate_limit`], [`verify_token`] |
//! | serve all this over HTTP | [`server::Server`] |
//! | serve it inside a `tiny_http::Server` that you have | [`server::tiny_http::Mount`] |
//! | answer requests without a socket | [`api::App`] |
//!
//! ```
//! # fn main() -> Result<(), sealgate::Error> {
//! use sealgate::{Config, Gate, Grant};
//!
//! let mut config = Config::new();
//! config.set("keys", "ephemeral")?;
//! let gate = Gate::new(&config.settings()?.gate)?;
//!
//! let sealed = gate.encrypt_data(b"4111 1111 1111 1111", b"orders/17/card")?;
//! assert_eq!(gate.decrypt_data(&sealed, b"orders/17/card")?.expose(), b"4111 1111 1111 1111");
//! assert!(gate.decrypt_data(&sealed, b"orders/18/card").is_err());
//!
//! let token = gate.issue_token(&Grant { subject: "alice", scope: "decrypt", ttl: None })?;
//! assert_eq!(gate.verify_token(&token)?.subject(), "alice");
//! # Ok(())
//! # }
//! ```

#[forbid(unsafe_code)]
pub mod api;
#[forbid(unsafe_code)]
mod base;
#[forbid(unsafe_code)]
mod cipher;
#[forbid(unsafe_code)]
pub mod config;
#[forbid(unsafe_code)]
mod default_gate;
#[forbid(unsafe_code)]
mod error;
#[allow(unsafe_code, unreachable_pub)] // its exports are reached by their symbols
mod ffi;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
#[forbid(unsafe_code)]
pub mod fuzzing;
#[forbid(unsafe_code)]
pub mod gate;
#[forbid(unsafe_code)]
pub mod keys;
#[forbid(unsafe_code)]
pub mod limiter;
#[forbid(unsafe_code)]
pub mod logging;
#[forbid(unsafe_code)]
pub mod server;
#[forbid(unsafe_code)]
mod signing;
#[forbid(unsafe_code)]
pub mod store;
#[forbid(unsafe_code)]
pub mod tokens;
#[forbid(unsafe_code)]
pub mod users;

pub use base::VERSION;
pub use base::clock::unix_now;
pub use base::data_dir::shell_word;
pub use base::secret::Secret;
pub use cipher::{
    CbcMode, MAX_PLAINTEXT, MAX_STREAM_CONTEXT, OVERHEAD, STREAM_CHUNK, STREAM_HEADER, Stream,
};
pub use config::{Config, Settings};
pub use default_gate::{
    decrypt_data, default_gate, encrypt_data, enforce_rate_limit, mask_data, verify_token,
};
pub use error::{Error, TokenError, whole_seconds};
#[doc(hidden)] // the command's
pub use ffi::save_address_space;
pub use gate::{Gate, Refreshed, Tokens, audit};
pub use keys::{KeyOrigin, RING_FILE};
pub use limiter::Admission;
pub use logging::mask::{DEFAULT_VISIBLE_CHARS, mask};
pub use signing::TokenAlgorithm;
pub use store::STORE_FILE;
pub use tokens::{Claims, Grant};
