//! Opens the store that several machines share, once for all that is made from the same settings.

use std::sync::Arc;

#[cfg(feature = "store")]
use super::MovableShared;
use super::{SharedSettings, SharedStore, postgres};
use crate::Error;

/// The shared store, if the settings name one. Connects to nobody yet.
pub(crate) fn open_shared(
    settings: &SharedSettings,
) -> Result<Option<Arc<dyn SharedStore>>, Error> {
    let Some(url) = &settings.url else {
        return Ok(None);
    };
    let store = (settings.opened).get_or_try_init(|| postgres::open(url, settings))?;
    Ok(Some(Arc::clone(store)))
}

/// The shared store that the settings name, for a copy of all of it: each statement may take a minute at least.
#[cfg(feature = "store")]
pub(crate) fn open_to_copy(settings: &SharedSettings) -> Result<Box<dyn MovableShared>, Error> {
    let Some(url) = &settings.url else {
        return Err(Error::Setting("SEALGATE_STORE is not set.".to_owned()));
    };
    postgres::open_to_copy(url, settings)
}
