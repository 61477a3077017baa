//! Ids and names as every store can keep them.

use std::borrow::Cow;

use crate::base::encoding::encode_hex;

/// PostgreSQL's text has no zero bytes, but ids and names in tokens of other programs may: those are kept as a hash. Whoever looks
/// one up has to do the same.
pub(super) fn storable(id: &str) -> Cow<'_, str> {
    match id.contains('\0') {
        false => Cow::Borrowed(id),
        true => Cow::Owned(format!(
            "sha256:{}",
            encode_hex(&openssl::sha::sha256(id.as_bytes()))
        )),
    }
}
