//! The connection that hears of changes.

use std::sync::Mutex;

use super::client::Dedicated;

/// See the module; `None` while there is none, or while it is in use.
#[derive(Default)]
pub(super) struct Listener(pub(super) Mutex<Option<Dedicated>>);
