//! A connection and the task that moves its bytes.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::AbortHandle;
use tokio_postgres::Client;

/// See the module. Its socket is closed at once when it is dropped, even if the server owes an answer: a server that never
/// answers would otherwise hold the socket for ever.
pub(super) struct Link {
    client: Client,
    driver: AbortHandle,
    /// Whether the server has sent a warning.
    warned: Arc<AtomicBool>,
}

impl Link {
    pub(super) fn new(client: Client, driver: AbortHandle, warned: Arc<AtomicBool>) -> Self {
        Link {
            client,
            driver,
            warned,
        }
    }

    /// Whether the server has sent a warning since this was asked last.
    pub(super) fn take_warning(&self) -> bool {
        self.warned.swap(false, Ordering::AcqRel)
    }
}

impl Deref for Link {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
