//! A shared store as a process uses it: with a replica of what is revoked, kept current by a thread.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::replica::Replica;
use super::shared::{Facts, News, Position};
use super::{Presented, SharedSettings, SharedStore};
use crate::base::clock::{coarse_milliseconds, unix_now};
use crate::base::fork::{Owner, forks, outside, section};
use crate::base::sync::lock;
use crate::base::threads;
use crate::{Error, TokenError};

/// How often the log of changes is read, even if no notification has come.
const READ_EVERY: Duration = Duration::from_millis(250);
/// How often what has expired is removed, in milliseconds.
const FORGET_EVERY: u64 = 60_000;
const NEVER: u64 = u64::MAX;

/// See the module.
pub(crate) struct Following {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    owner: Owner,
    /// The number of forks when the thread was started.
    started: AtomicU64,
    /// How long a thread waits for another one that reads for the first time.
    patience: Duration,
}

struct Shared {
    store: Arc<dyn SharedStore>,
    replica: Replica,
    /// How old its contents may be, in milliseconds.
    stale: u64,
    /// When the store was last heard of, in milliseconds of [`coarse_milliseconds`].
    heard: AtomicU64,
    position: Mutex<Option<Position>>,
    accounts: AtomicBool,
    api_keys: AtomicU64,
    is_up: AtomicBool,
    ends: AtomicBool,
}

impl Following {
    /// Connects to nobody yet.
    pub(crate) fn new(
        store: Arc<dyn SharedStore>,
        settings: &SharedSettings,
    ) -> Result<Self, Error> {
        Ok(Following {
            shared: Arc::new(Shared {
                store,
                replica: Replica::new()?,
                stale: u64::try_from(settings.stale.as_millis()).unwrap_or(u64::MAX),
                heard: AtomicU64::new(NEVER),
                position: Mutex::default(),
                accounts: AtomicBool::new(false),
                api_keys: AtomicU64::new(0),
                is_up: AtomicBool::new(true),
                ends: AtomicBool::new(false),
            }),
            thread: Mutex::default(),
            owner: Owner::this(),
            started: AtomicU64::new(NEVER),
            patience: settings.timeout,
        })
    }

    pub(crate) fn store(&self) -> &Arc<dyn SharedStore> {
        &self.shared.store
    }

    /// The epoch of the list of what is revoked; `None` if it is too old.
    pub(crate) fn epoch(&self) -> Option<u64> {
        // A child has no thread of its own yet.
        if self.started.load(Ordering::Acquire) != forks() || self.age().is_none() {
            self.start();
        }
        self.shared.is_fresh().then(|| self.shared.replica.epoch())
    }

    /// Reads the log now.
    ///
    /// # Errors
    /// [`Error::Store`] if that fails; what was read before stays in use while it is not too old.
    pub(crate) fn look(&self) -> Result<(), Error> {
        self.shared.look()
    }

    pub(crate) fn has_had_accounts(&self) -> bool {
        self.shared.accounts.load(Ordering::Relaxed)
    }

    pub(crate) fn api_key_changes(&self) -> u64 {
        self.shared.api_keys.load(Ordering::Relaxed)
    }

    /// Whether the store answered last.
    pub(crate) fn is_up(&self) -> bool {
        self.shared.is_up.load(Ordering::Relaxed)
    }

    /// How long ago the store was last heard of; `None`: never.
    pub(crate) fn age(&self) -> Option<Duration> {
        let heard = self.shared.heard.load(Ordering::Acquire);
        let age = || Duration::from_millis(coarse_milliseconds().saturating_sub(heard));
        (heard != NEVER).then(age)
    }

    pub(crate) fn revoked_before(&self, user: &str) -> Option<u64> {
        self.shared.replica.revoked_before(user)
    }

    /// Refuses a token that was revoked, or whose user has no enabled account although `wants_accounts`. Asks the store only
    /// about users whom it has not asked about before.
    pub(crate) fn check(
        &self,
        presented: Presented<'_>,
        wants_accounts: bool,
    ) -> Result<(), TokenError> {
        if self.epoch().is_none() {
            return Err(TokenError::Unchecked);
        }
        let standing = self.shared.replica.standing(presented);
        if standing.refused {
            return Err(TokenError::Revoked);
        }
        if standing.is_known || !wants_accounts || !self.has_had_accounts() {
            return Ok(());
        }
        match self.store().account(presented.subject) {
            Ok(Some(account)) if account.disabled => Err(TokenError::Revoked),
            Ok(Some(_)) => {
                (self.shared.replica).remember(presented.subject, standing.removals);
                Ok(())
            }
            Ok(None) => Err(TokenError::NoAccount),
            Err(error) => {
                log::error!(code = error.code(); "{error}");
                Err(TokenError::Unchecked)
            }
        }
    }

    /// Starts the thread of this process, after one reading. No lock is held while the store is asked: a child that was
    /// forked meanwhile would find it locked.
    fn start(&self) {
        let (before, now) = (self.started.load(Ordering::Acquire), forks());
        let (order, failed) = (Ordering::AcqRel, Ordering::Acquire);
        if before == now
            || (self.started)
                .compare_exchange(before, now, order, failed)
                .is_err()
        {
            return self.await_first_reading();
        }
        let _ = self.shared.look();
        let shared = Arc::clone(&self.shared);
        match threads::spawn("sealgate-follow", move || shared.follow()) {
            // A handle of the parent's thread is of no use.
            Ok(new) => std::mem::forget(lock(&self.thread).replace(new)),
            Err(error) => {
                self.started.store(NEVER, Ordering::Release);
                log::error!("The thread that follows the store cannot be started: {error}.");
            }
        }
    }

    /// Waits while another thread reads for the first time.
    fn await_first_reading(&self) {
        let given_up = Instant::now() + self.patience;
        while self.age().is_none() && self.is_up() && Instant::now() < given_up {
            outside(|| thread::sleep(Duration::from_millis(2)));
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Release);
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            match self.owner.changed() {
                true => std::mem::forget(thread),
                false => outside(|| drop(thread.join())),
            }
        }
    }
}

impl Shared {
    fn is_fresh(&self) -> bool {
        let heard = self.heard.load(Ordering::Acquire);
        heard != NEVER && coarse_milliseconds().saturating_sub(heard) <= self.stale
    }

    fn follow(&self) {
        let mut forgot = coarse_milliseconds();
        while !self.ends.load(Ordering::Acquire) {
            let _section = section();
            self.store.wait(READ_EVERY);
            let _ = self.look();
            if coarse_milliseconds().saturating_sub(forgot) >= FORGET_EVERY {
                forgot = coarse_milliseconds();
                self.replica.forget(unix_now());
                if let Err(error) = self.store.maintain() {
                    log::debug!("{error}");
                }
            }
        }
    }

    /// Reads the log, or everything if the log does not reach back far enough.
    fn look(&self) -> Result<(), Error> {
        // Before the store is asked: what is committed later may be missing.
        let now = coarse_milliseconds();
        let read = self.read();
        let is_up = read.is_ok();
        if is_up {
            self.heard.store(now, Ordering::Release);
        }
        if self.is_up.swap(is_up, Ordering::Relaxed) != is_up {
            match &read {
                Ok(()) => log::info!("The store can be used again."),
                Err(error) => log::error!(
                    "{error} Tokens are {} until it can be used.",
                    match self.stale {
                        stale if stale > SharedSettings::REFUSE_AFTER.as_millis() as u64 =>
                            format!(
                                "checked against an old list for {} s, and then refused,",
                                stale / 1000
                            ),
                        _ => "refused".to_owned(),
                    }
                ),
            }
        }
        read
    }

    /// Several threads may do so at the same time: to take over an entry twice changes nothing.
    fn read(&self) -> Result<(), Error> {
        let known = lock(&self.position).clone();
        if let Some(known) = &known {
            match self.store.news(known)? {
                News::Changes {
                    position,
                    facts,
                    entries,
                } => {
                    self.replica.apply(&entries);
                    self.learn(facts);
                    self.go_on_from(position, known);
                    return Ok(());
                }
                News::Lost => self.replica.begin_anew(),
            }
        }
        let (position, facts) = self
            .store
            .snapshot(&mut |entry| self.replica.apply(&[entry]))?;
        self.learn(facts);
        *lock(&self.position) = Some(position);
        Ok(())
    }

    /// Another thread may have read further meanwhile, or may have read everything.
    fn go_on_from(&self, position: Position, known: &Position) {
        let mut current = lock(&self.position);
        if (current.as_ref()).is_some_and(|current| {
            current.server == known.server && current.transaction <= position.transaction
        }) {
            *current = Some(position);
        }
    }

    fn learn(&self, facts: Facts) {
        self.accounts.store(facts.accounts, Ordering::Relaxed);
        self.api_keys.fetch_max(facts.api_keys, Ordering::Relaxed);
    }
}
