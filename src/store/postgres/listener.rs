//! The connection that hears of changes.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use super::client::{Connection, Database, Dedicated};
use crate::base::fork;
use crate::base::sync::lock;

/// After a connection could not be made, the next attempt.
const AGAIN: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Default)]
pub(super) struct Listener {
    /// `None` while there is none, or while it is in use.
    connection: Mutex<Option<Dedicated>>,
    /// Not before then is another one made.
    next: Mutex<Option<Instant>>,
}

impl Listener {
    /// See [`Feed::wait`](crate::store::shared::Feed::wait).
    pub(super) fn wait(&self, database: &Database, longest: Duration) -> bool {
        // The only thread that waits is the one that follows the store. No lock is held meanwhile: a fork need not wait.
        let mut connection = lock(&self.connection).take();
        connection = connection.filter(|connection| !connection.is_closed());
        // What was changed before it listened has to be read first.
        let notified = self.listen(database, &mut connection)
            || match &connection {
                Some(connection) => connection.wait(longest),
                None => {
                    fork::outside(|| thread::sleep(longest));
                    false
                }
            };
        *lock(&self.connection) = connection;
        notified
    }

    /// Makes the connection if there is none, and it is time. `true`: it is new.
    fn listen(&self, database: &Database, connection: &mut Option<Dedicated>) -> bool {
        let now = Instant::now();
        let is_time = lock(&self.next).is_none_or(|next| now >= next);
        if connection.is_some() || !is_time || database.is_down() {
            return false;
        }
        let listens = |connection: &mut Connection<'_>| connection.batch("LISTEN sealgate");
        let made = database.dedicated().ok();
        *connection = made.and_then(|mut new| new.run(listens).is_ok().then_some(new));
        *lock(&self.next) = match connection {
            Some(_) => None,
            None => Some(Instant::now() + AGAIN),
        };
        connection.is_some()
    }
}
