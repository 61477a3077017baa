//! Stands in for `postgres` in builds without the cargo feature of that name: there is no shared store.

use std::sync::Arc;

use super::{SharedSettings, SharedStore, StoreUrl};
use crate::Error;

const NOT_BUILT: &str =
    "needs a build of sealgate with the cargo feature postgres, and this one is without";

/// Stands in for the client, as far as builds without it use it.
pub(super) mod client {
    pub(in crate::store) mod url {
        /// Refuses every address.
        pub(in crate::store) fn check(_text: &str) -> Result<(), String> {
            Err(super::super::NOT_BUILT.to_owned())
        }
    }
}

/// Always fails; no address gets here.
pub(super) fn migrate(_url: &StoreUrl, _settings: &SharedSettings) -> Result<(i64, i64), Error> {
    Err(Error::Setting(format!("SEALGATE_STORE {NOT_BUILT}.")))
}

/// The same.
pub(super) fn open(
    _url: &StoreUrl,
    _settings: &SharedSettings,
) -> Result<Arc<dyn SharedStore>, Error> {
    Err(Error::Setting(format!("SEALGATE_STORE {NOT_BUILT}.")))
}

/// The same.
#[cfg(feature = "store")]
pub(super) fn open_to_copy(
    _url: &StoreUrl,
    _settings: &SharedSettings,
) -> Result<Box<dyn super::MovableShared>, Error> {
    Err(Error::Setting(format!("SEALGATE_STORE {NOT_BUILT}.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_refused_with_what_to_do() {
        let wrong = StoreUrl::parse(b"postgres://me:s3cret@db/x").unwrap_err();
        assert!(wrong.contains("cargo feature postgres"), "{wrong}");
        assert!(!wrong.contains("s3cret"), "{wrong}");
    }
}
