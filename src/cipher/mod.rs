//! Sealing and opening data: the sealed format, with and without a time, the sealed stream, signed data, and the original's
//! AES-CBC.
//!
//! Owns the meaning of the bytes. Which key is the newest and where keys come from is up to the ring (`keys`).

mod cbc;
mod openssl_contexts;
mod sealed;
mod sealed_with_time;
mod signed;
mod stream;
mod stream_chunks;
mod xaes;

pub(crate) use cbc::CbcKey;
pub use cbc::CbcMode;
pub(crate) use sealed::{DataKey, DataKeyId, is_timed, key_id_of, opened_size};
pub use sealed::{MAX_PLAINTEXT, OVERHEAD};
pub(crate) use signed::signer_of;
pub(crate) use stream::FindKey;
pub use stream::{MAX_STREAM_CONTEXT, STREAM_CHUNK, Stream};
pub use stream_chunks::STREAM_HEADER;

#[cfg(test)]
mod tests;
