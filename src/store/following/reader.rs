//! Reads what a shared store has revoked into the replica. Of several threads that want it at the same time, one reads for all.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::Error;
use crate::base::clock::coarse_milliseconds;
use crate::base::fork::{forks, outside};
use crate::base::sync::lock;
use crate::store::SharedSettings;
use crate::store::replica::Replica;
use crate::store::shared::{Entry, Facts, Feed, News, Position};

const NEVER: u64 = u64::MAX;

/// See the module.
pub(super) struct Reader {
    pub(super) replica: Replica,
    feed: Arc<dyn Feed>,
    turn: Mutex<Turn>,
    /// How long a thread waits for another one that reads.
    patience: Duration,
    /// How old the replica may be, in milliseconds.
    stale: u64,
    /// When the store was last heard of, in milliseconds of [`coarse_milliseconds`].
    heard: AtomicU64,
    /// The number of forks of the process that last tried to read.
    tried: AtomicU64,
    /// Whether it was logged that the store is lost, and that tokens are refused.
    lost: AtomicBool,
    refused: AtomicBool,
    accounts: AtomicBool,
    api_keys: AtomicU64,
}

/// Who reads, and up to where has been read.
#[derive(Default)]
struct Turn {
    position: Option<Position>,
    /// The number of forks of the process whose thread reads now.
    reads: Option<u64>,
    /// How many readings have begun, and the number of the last one that ended, with what came of it.
    begun: u64,
    ended: (u64, Option<Error>),
    waiting: Vec<Thread>,
}

/// A thread's turn to read; ends when dropped.
struct MyTurn<'r> {
    reader: &'r Reader,
    number: u64,
    done: Result<Position, Error>,
}

impl Reader {
    pub(super) fn new(feed: Arc<dyn Feed>, settings: &SharedSettings) -> Result<Self, Error> {
        Ok(Reader {
            replica: Replica::new()?,
            feed,
            turn: Mutex::default(),
            patience: settings.timeout,
            stale: u64::try_from(settings.stale.as_millis()).unwrap_or(u64::MAX),
            heard: AtomicU64::new(NEVER),
            tried: AtomicU64::new(NEVER),
            lost: AtomicBool::new(false),
            refused: AtomicBool::new(false),
            accounts: AtomicBool::new(false),
            api_keys: AtomicU64::new(0),
        })
    }

    pub(super) fn feed(&self) -> &dyn Feed {
        &*self.feed
    }

    /// Whether the replica is young enough to be used.
    pub(super) fn is_fresh(&self) -> bool {
        self.age_in_milliseconds()
            .is_some_and(|age| age <= self.stale)
    }

    /// How long ago the store was last heard of; `None`: never.
    pub(super) fn age(&self) -> Option<Duration> {
        self.age_in_milliseconds().map(Duration::from_millis)
    }

    fn age_in_milliseconds(&self) -> Option<u64> {
        let heard = self.heard.load(Ordering::Acquire);
        (heard != NEVER).then(|| coarse_milliseconds().saturating_sub(heard))
    }

    /// Whether this process has tried to read, with or without success.
    pub(super) fn has_tried(&self) -> bool {
        self.tried.load(Ordering::Acquire) == forks()
    }

    /// Nobody needs to wait for this process to read: it has, or it cannot.
    pub(super) fn has_now_tried(&self) {
        self.tried.store(forks(), Ordering::Release);
    }

    pub(super) fn has_had_accounts(&self) -> bool {
        self.accounts.load(Ordering::Acquire)
    }

    pub(super) fn api_key_changes(&self) -> u64 {
        self.api_keys.load(Ordering::Relaxed)
    }

    /// Reads what was committed until now, or waits until another thread has begun to after this call and is done.
    pub(super) fn look(&self) -> Result<(), Error> {
        let given_up = Instant::now() + self.patience;
        let mut wanted = None;
        loop {
            {
                let mut turn = lock(&self.turn);
                // What is being read already may have been asked for before the caller's change.
                let wanted = *wanted.get_or_insert(turn.begun + 1);
                if turn.ended.0 >= wanted {
                    return turn.ended.1.clone().map_or(Ok(()), Err);
                }
                // A thread of the parent process never comes back.
                if turn.reads != Some(forks()) {
                    turn.reads = Some(forks());
                    turn.begun += 1;
                    let (number, position) = (turn.begun, turn.position.clone());
                    drop(turn);
                    return self.take_turn(number, position);
                }
                turn.waiting.push(thread::current());
            }
            // No lock is held: a child that is forked meanwhile would find it locked.
            let left = given_up.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Store(
                    "The list of what is revoked is still being read from the store.".to_owned(),
                ));
            }
            outside(|| thread::park_timeout(left));
        }
    }

    fn take_turn(&self, number: u64, position: Option<Position>) -> Result<(), Error> {
        let mut turn = MyTurn {
            reader: self,
            number,
            done: Err(Error::Store("Reading the store has failed.".to_owned())),
        };
        // Before the store is asked: what is committed later may be missing.
        let now = coarse_milliseconds();
        turn.done = self.read(position);
        let done = turn.done.as_ref().map(drop).map_err(Clone::clone);
        if done.is_ok() {
            self.heard.store(now, Ordering::Release);
        }
        self.has_now_tried();
        drop(turn);
        self.log_change(done.as_ref().err());
        done
    }

    fn read(&self, position: Option<Position>) -> Result<Position, Error> {
        if let Some(since) = position.filter(|_| !self.replica.has_room_again()) {
            match self.feed.news(&since)? {
                News::Changes {
                    position,
                    facts,
                    entries,
                } => {
                    self.replica.apply(entries);
                    self.learn(facts);
                    return Ok(position);
                }
                News::Lost => {}
            }
        }
        self.replica.begin_anew();
        let mut disabled = Vec::new();
        let (position, facts) = self.feed.snapshot(&mut |entry| match &entry {
            Entry::Account {
                name,
                disabled: Some(true),
            } => disabled.push(self.replica.disabled_name(name)),
            _ => self.replica.apply([entry]),
        })?;
        self.replica.end_anew(&disabled);
        self.learn(facts);
        Ok(position)
    }

    fn learn(&self, facts: Facts) {
        self.api_keys.fetch_max(facts.api_keys, Ordering::Relaxed);
        if self.accounts.swap(facts.accounts, Ordering::AcqRel) != facts.accounts {
            // Tokens of users without an account are refused from now on.
            self.replica.doubt();
        }
    }

    /// Logs once that the store is lost, that tokens are refused because of it, and that it is back.
    pub(super) fn log_change(&self, error: Option<&Error>) {
        let Some(error) = error else {
            self.refused.store(false, Ordering::Relaxed);
            if self.lost.swap(false, Ordering::Relaxed) {
                log::info!("The store answers again.");
            }
            return;
        };
        let age = self.age_in_milliseconds();
        if age.is_some_and(|age| age <= refuse_after()) {
            return;
        }
        let is_refused = age.is_none_or(|age| age > self.stale);
        if !self.lost.swap(true, Ordering::Relaxed) {
            self.refused.store(is_refused, Ordering::Relaxed);
            match is_refused {
                true => log::warn!("{error} Tokens are refused until the store answers."),
                false => log::warn!(
                    "{error} Tokens are checked against the list of revocations from before, until it is {} s old \
                     (SEALGATE_STORE_DOWN).",
                    self.stale / 1000
                ),
            }
        } else if is_refused && !self.refused.swap(true, Ordering::Relaxed) {
            log::warn!(
                "The list of revocations is more than {} s old. Tokens are refused until the store answers.",
                self.stale / 1000
            );
        }
    }
}

impl Drop for MyTurn<'_> {
    fn drop(&mut self) {
        let waiting = {
            let mut turn = lock(&self.reader.turn);
            turn.reads = None;
            let result = match &self.done {
                Ok(position) => {
                    turn.position = Some(position.clone());
                    None
                }
                Err(error) => Some(error.clone()),
            };
            turn.ended = (self.number, result);
            std::mem::take(&mut turn.waiting)
        };
        waiting.iter().for_each(Thread::unpark);
    }
}

/// In milliseconds: from this age on, the store counts as lost.
fn refuse_after() -> u64 {
    u64::try_from(SharedSettings::REFUSE_AFTER.as_millis()).unwrap_or(u64::MAX)
}
