//! A shared store as a process uses it: with a replica of what is revoked, kept current by a thread.
//!
//! `reader` reads the store's log of changes into the replica, `thread` makes it do so, at least four times a second. Checking
//! a token asks the store only about users whom it has not been asked about before. If the store has not been heard of for a
//! second, or for as long as the settings permit, tokens are refused.

mod reader;
mod thread;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::shared::{Entry, Feed};
use super::{Presented, SharedSettings, SharedStore};
use crate::base::fork::outside;
use crate::base::process_thread::ProcessThread;
use crate::{Error, TokenError};
use reader::Reader;
use thread::Follower;

/// See the module.
pub(crate) struct Following {
    store: Arc<dyn SharedStore>,
    follower: Arc<Follower>,
    thread: ProcessThread,
    /// How long callers wait for the first reading of their process.
    patience: Duration,
}

/// What a shared store is known to be like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Health {
    /// Whether the store has been heard of within the last second.
    pub(crate) is_up: bool,
    /// How long ago it was heard of; `None`: never.
    pub(crate) age: Option<Duration>,
    /// How many tokens, sessions and users are revoked.
    pub(crate) revocations: usize,
    /// How many processes use it; `None`: not known.
    pub(crate) nodes: Option<u32>,
}

impl Following {
    /// Connects to nobody yet.
    pub(crate) fn new(
        store: Arc<dyn SharedStore>,
        settings: &SharedSettings,
    ) -> Result<Self, Error> {
        let feed: Arc<dyn Feed> = store.clone();
        Ok(Following {
            store,
            follower: Arc::new(Follower::new(Reader::new(feed, settings)?)),
            thread: ProcessThread::new(),
            patience: settings.timeout,
        })
    }

    pub(crate) fn store(&self) -> &Arc<dyn SharedStore> {
        &self.store
    }

    /// The epoch of the list of what is revoked; `None` if it is too old.
    pub(crate) fn epoch(&self) -> Option<u64> {
        self.is_current().then(|| self.reader().replica.epoch())
    }

    /// The same for results that depend on accounts alone.
    pub(crate) fn account_epoch(&self) -> Option<u64> {
        self.is_current()
            .then(|| self.reader().replica.account_epoch())
    }

    /// Whether the list may be used. Starts the thread if this process has none.
    fn is_current(&self) -> bool {
        if self.thread.is_started() && self.reader().is_fresh() {
            return true;
        }
        self.start();
        self.reader().is_fresh()
    }

    /// Reads the log now.
    ///
    /// # Errors
    /// [`Error::Store`] if that fails; what was read before stays in use while it is not too old.
    pub(crate) fn look(&self) -> Result<(), Error> {
        self.reader().look()
    }

    /// Refuses what this process has revoked, whether or not the store can be read again.
    pub(crate) fn apply(&self, own: &[Entry]) {
        self.reader().replica.apply(own.iter().cloned());
    }

    /// Whether an account has ever existed. Until the store has been read, one may have.
    pub(crate) fn has_had_accounts(&self) -> bool {
        self.reader().age().is_none() || self.reader().has_had_accounts()
    }

    pub(crate) fn api_key_changes(&self) -> u64 {
        self.reader().api_key_changes()
    }

    /// Whether the store takes changes, as of the last report of this process. Asks nobody.
    pub(crate) fn is_writable(&self) -> bool {
        self.store.is_up() && self.follower.is_writable.load(Ordering::Relaxed)
    }

    /// How many processes use the store, as of the last report of this process; 0: not known.
    pub(crate) fn nodes(&self) -> u32 {
        self.follower.nodes.load(Ordering::Relaxed)
    }

    pub(crate) fn health(&self) -> Health {
        let age = self.reader().age();
        let nodes = self.nodes();
        Health {
            is_up: age.is_some_and(|age| age <= SharedSettings::REFUSE_AFTER),
            age,
            revocations: self.reader().replica.len(),
            nodes: (nodes > 0).then_some(nodes),
        }
    }

    /// Until when a user's revoked tokens were issued.
    pub(crate) fn revoked_before(&self, user: &str) -> Result<Option<u64>, Error> {
        let replica = &self.reader().replica;
        match replica.revoked_before(user) {
            None if !replica.is_whole() => self.store.revoked_before(user),
            known => Ok(known),
        }
    }

    /// Refuses a token that was revoked, or whose user has no enabled account although `wants_accounts`. Asks the store only
    /// about users whom it has not asked about before (and about every token if the replica has no room for all that is revoked).
    pub(crate) fn check(
        &self,
        presented: Presented<'_>,
        wants_accounts: bool,
    ) -> Result<(), TokenError> {
        if !self.is_current() {
            return Err(TokenError::Unchecked);
        }
        let replica = &self.reader().replica;
        let standing = replica.standing(presented);
        if standing.refused {
            return Err(TokenError::Revoked);
        }
        if !replica.is_whole() {
            let asked = self.store.standing(presented).map_err(unchecked)?;
            if asked.is_revoked(presented.issued_at) {
                return Err(TokenError::Revoked);
            }
        }
        if !wants_accounts || !self.has_had_accounts() {
            return Ok(());
        }
        match standing.has_account {
            Some(true) => Ok(()),
            Some(false) => Err(TokenError::NoAccount),
            None => {
                let account = self.store.account(presented.subject).map_err(unchecked)?;
                if account.as_ref().is_some_and(|account| account.disabled) {
                    // The log has that, too.
                    return Err(TokenError::Revoked);
                }
                let has_account = account.is_some();
                replica.remember(presented.subject, has_account, standing.changes);
                has_account.then_some(()).ok_or(TokenError::NoAccount)
            }
        }
    }

    fn reader(&self) -> &Reader {
        &self.follower.reader
    }

    /// Starts the thread of this process, and waits for its first reading: what a child knows from its parent may be old.
    fn start(&self) {
        let run = || {
            let follower = Arc::clone(&self.follower);
            move || follower.run()
        };
        if let Err(error) = self.thread.start("sealgate-follow", run) {
            self.reader().has_now_tried();
            log::error!("The thread that follows the store cannot be started: {error}.");
        }
        let given_up = Instant::now() + self.patience;
        while !self.reader().has_tried() && Instant::now() < given_up {
            outside(|| std::thread::sleep(Duration::from_millis(2)));
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.follower.ends.store(true, Ordering::Release);
        self.thread.join();
    }
}

fn unchecked(error: Error) -> TokenError {
    log::error!(code = error.code(); "{error}");
    TokenError::Unchecked
}

#[cfg(test)]
mod tests;
