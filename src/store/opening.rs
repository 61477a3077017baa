//! Opens the store that several machines share, once for all that is made from the same settings.

use std::sync::Arc;

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
