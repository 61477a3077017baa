//! Sealgate issues and verifies tokens (JWT), encrypts and decrypts data (AES), limits request rates, and keeps secrets
//! out of logs. The same core is available over HTTP (`sealgate serve`), from C (`sealgate.h`), from Python
//! (`import sealgate`), and from Rust through this crate. What one door produces, the others accept.
//!
//! # Which function for which case
//!
//! | you want to | use |
//! | --- | --- |
//! | encrypt data, as text | [`Gate::encrypt_data`], [`Gate::decrypt_data`] |
//! | encrypt data, as bytes | [`Gate::seal`], [`Gate::open`] |
//! | encrypt data of any size, in constant memory | [`Gate::seal_stream`], [`Gate::open_stream`] |
//! | encrypt data, as text for a URL or a cookie, and refuse it once it is too old | [`Gate::encrypt_url_safe`], [`Gate::decrypt_fresh`] |
//! | sign data that everybody may read | [`Gate::sign`], [`Gate::unsign`] |
//! | re-encrypt old data under the newest key | [`Gate::rewrap`], [`Gate::rewrap_data`] |
//! | bind data to its place (a row, a user), so that it cannot be decrypted elsewhere | the `context` argument of these |
//! | issue a token, and verify it later | [`Gate::issue_token`], [`Gate::verify_token`] |
//! | let a machine in with a key of its own | [`Gate::api_keys`] |
//! | limit how often a caller may send requests | [`Gate::enforce_rate_limit`], [`Gate::limit`] |
//! | list keys, or add and replace them | [`Gate::key_admin`]; without a gate [`keys::list`], [`gate::KeyAdmin`] |
//! | add accounts, list them and their logins | [`Gate::users`] |
//! | show that a secret is present without revealing it | [`mask`] |
//! | call the original program's functions, configured from the environment | [`encrypt_data`], [`decrypt_data`], [`mask_data`], [`enforce_rate_limit`], [`verify_token`] |
//! | serve all this over HTTP | [`server::Server`] |
//! | serve it from a `tiny_http::Server` of your own | [`server::tiny_http::Mount`] |
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
//! let token = gate.issue_token(&Grant { subject: "alice", scope: "decrypt", ..Grant::default() })?;
//! assert_eq!(gate.verify_token(&token)?.subject(), "alice");
//! # Ok(())
//! # }
//! ```
//!
//! # Cargo features
//!
//! All are on by default. Without them (`default-features = false`) there remain tokens, encryption, the rate limit and
//! masking, and neither SQLite nor a client for PostgreSQL nor clap is built.
//!
//! | feature | what it adds |
//! | --- | --- |
//! | `server` | [`server`], [`api`], and `logging::init` |
//! | `store` | accounts, sessions and revoked tokens, which SQLite keeps, and `gate::backup`. Without it there are no accounts, whatever would add one or revoke a token returns [`Error::Store`], and a data directory in which another build has created a store is refused |
//! | `postgres` | a store that several servers share (`SEALGATE_STORE`); needs `store` |
//! | `cli` | the command; needs all others |
//! | `vendored-openssl` | OpenSSL, built from source and linked in |
//!
//! Every build knows every setting, so a program can read the settings file of a server.

// Some of it is used only by the parts that are switched off. A full build reports what nothing uses.
#![cfg_attr(
    not(all(feature = "server", feature = "postgres")),
    allow(dead_code, unused_imports)
)]

#[cfg_attr(not(feature = "server"), path = "api/without_server.rs")]
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
#[allow(unsafe_code, unreachable_pub)] // its exports are linked by symbol
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
mod metrics;
#[cfg_attr(not(feature = "server"), path = "server/without_server.rs")]
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
pub use base::private_files::shell_word;
pub use base::secret::Secret;
pub use base::trace::TraceParent;
pub use cipher::{
    CbcMode, MAX_PLAINTEXT, MAX_STREAM_CONTEXT, OVERHEAD, STREAM_CHUNK, STREAM_HEADER, Stream,
};
pub use config::{Config, Settings};
pub use default_gate::{
    decrypt_data, default_gate, encrypt_data, enforce_rate_limit, mask_data, verify_token,
};
pub use error::{Error, TokenError, whole_seconds};
#[doc(hidden)] // for the command only
pub use ffi::prepare_process;
pub use gate::{Gate, Refreshed, Tokens, Unsigned, audit};
pub use keys::{KeyKind, KeyOrigin, RING_FILE};
pub use limiter::Admission;
pub use logging::mask::{DEFAULT_VISIBLE_CHARS, mask};
#[cfg(feature = "server")]
pub use metrics::MetricsFormat;
pub use signing::TokenAlgorithm;
pub use store::STORE_FILE;
pub use tokens::{ApiKey, ApiKeyLimit, Claims, Grant, NewApiKey};
