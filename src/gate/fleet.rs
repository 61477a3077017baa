//! Limits that several machines count together, in the shared store. Names do not leave the process: the store gets keyed
//! hashes of them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use zeroize::Zeroizing;

use crate::Error;
use crate::base::clock::coarse_milliseconds;
use crate::base::encoding::encode_hex;
use crate::base::hkdf::hkdf_sha256;
use crate::base::random::random;
use crate::keys::KeyRing;
use crate::limiter::shared::{Answer, Central, Shared, Whom, Wish};
use crate::limiter::{Admission, Settings};
use crate::store::Ledger;
use crate::store::windows::{Ask, Back, Taken, WindowStore};

const KEY_INFO: &[u8] = b"sealgate/limiter-names/v1";
/// How long a request waits for the store before the setting `limiter_down` decides.
const LONGEST: Duration = match cfg!(test) {
    false => Duration::from_millis(50),
    // On a busy machine as well.
    true => Duration::from_secs(60),
};
/// How often a process says that it counts, in milliseconds.
const SAY_EVERY: u64 = 10_000;
const NEVER: u64 = u64::MAX;

/// The limits of a gate with a shared store.
pub(super) struct Fleet {
    shared: Shared,
    windows: Arc<Windows>,
}

/// The store's windows, as a limiter uses them.
struct Windows {
    ledger: Arc<Ledger>,
    /// The key of the hashes.
    derived: ArcSwapOption<Derived>,
    /// Names this process among those that count, with its number.
    id: String,
    said: AtomicU64,
    nodes: AtomicU32,
}

/// Derived from the oldest token key, so all machines have the same one. When that key is retired, counts begin anew.
struct Derived {
    id: String,
    key: Zeroizing<[u8; 32]>,
}

impl Fleet {
    /// `None`: the store is not shared.
    pub(super) fn of(ledger: &Arc<Ledger>, settings: &Settings) -> Result<Option<Self>, Error> {
        let has_windows = ledger
            .following()
            .is_some_and(|following| following.store().windows().is_some());
        if !has_windows {
            return Ok(None);
        }
        let mut id = [0; 8];
        random(&mut id)?;
        let windows = Arc::new(Windows {
            ledger: Arc::clone(ledger),
            derived: ArcSwapOption::empty(),
            id: encode_hex(&id),
            said: AtomicU64::new(NEVER),
            nodes: AtomicU32::new(1),
        });
        let central = Arc::clone(&windows) as Arc<dyn Central>;
        Ok(Some(Fleet {
            shared: Shared::new(central, settings.down, settings.memory)?,
            windows,
        }))
    }

    /// Counts a request. `local` does so on this machine alone.
    pub(super) fn admit(
        &self,
        ring: &KeyRing,
        whom: Whom<'_>,
        cost: u32,
        local: impl FnOnce(u32) -> Option<Admission>,
    ) -> Option<Admission> {
        self.windows.use_key_of(ring);
        self.shared.admit(whom, cost, local)
    }

    pub(super) fn peek(
        &self,
        ring: &KeyRing,
        whom: Whom<'_>,
        cost: u32,
        local: impl FnOnce(u32) -> Option<Admission>,
    ) -> Option<Admission> {
        self.windows.use_key_of(ring);
        self.shared.peek(whom, cost, local)
    }

    pub(super) fn reset(&self, ring: &KeyRing, whom: Whom<'_>) -> Result<u32, Error> {
        self.windows.use_key_of(ring);
        self.shared.reset(whom)
    }

    /// How many calls of the store were answered, and how many were not.
    #[cfg(feature = "server")]
    pub(super) fn calls(&self) -> (u64, u64) {
        self.shared.calls()
    }
}

impl Windows {
    fn use_key_of(&self, ring: &KeyRing) {
        let oldest = ring.token_keys().next();
        let id = oldest.map_or("", |key| key.id());
        if self
            .derived
            .load()
            .as_ref()
            .is_some_and(|derived| derived.id == id)
        {
            return;
        }
        let mut key = Zeroizing::new([0; 32]);
        if let Some(oldest) = oldest
            && hkdf_sha256(&oldest.bytes(), KEY_INFO, &mut *key).is_err()
        {
            return;
        }
        let id = id.to_owned();
        self.derived.store(Some(Arc::new(Derived { id, key })));
    }

    fn key_of(&self, whom: Whom<'_>) -> Result<[u8; 16], Error> {
        let derived = self.derived.load();
        let derived = derived
            .as_ref()
            .ok_or(Error::Crypto("the names of a limit cannot be hashed"))?;
        // Entries end by the window that they were made for, so each window counts apart.
        let mut text = whom.policy.as_bytes().to_vec();
        text.push(0);
        text.extend_from_slice(&whom.window.as_nanos().to_be_bytes());
        text.extend_from_slice(whom.name);
        let mut key = [0; 16];
        hkdf_sha256(&*derived.key, &text, &mut key)?;
        Ok(key)
    }

    fn with<T>(&self, work: impl FnOnce(&dyn WindowStore) -> Result<T, Error>) -> Result<T, Error> {
        let following = self.ledger.following();
        let store = following.and_then(|following| following.store().windows());
        let missing = || Error::Store("The store has no windows for rate limits.".to_owned());
        work(store.ok_or_else(missing)?)
    }
}

/// A request that nothing is leased with.
fn ask(whom: Whom<'_>, key: [u8; 16], cost: u32) -> Ask {
    Ask {
        key,
        limit: whom.limit,
        window: whom.window,
        cost,
        wanted: cost,
        part: 1,
        hold: Duration::ZERO,
        patient: false,
        back: None,
    }
}

fn answer(taken: Taken) -> Answer {
    Answer {
        granted: taken.granted,
        entry: taken.entry,
        counted: taken.counted,
        wait: taken.wait,
        first: taken.first,
    }
}

impl Central for Windows {
    fn take(&self, whom: Whom<'_>, wish: Wish) -> Result<Answer, Error> {
        let ask = Ask {
            wanted: wish.wanted,
            part: wish.part,
            hold: wish.hold,
            patient: wish.patient,
            back: wish.back.map(|back| Back {
                entry: back.entry,
                granted: back.granted,
                unused: back.unused,
                sooner: back.sooner,
            }),
            ..ask(whom, self.key_of(whom)?, wish.cost)
        };
        self.with(|store| store.take(&ask, LONGEST).map(answer))
    }

    fn counted(&self, whom: Whom<'_>, cost: u32) -> Result<Answer, Error> {
        let ask = ask(whom, self.key_of(whom)?, cost);
        self.with(|store| store.counted(&ask, LONGEST).map(answer))
    }

    fn forget(&self, whom: Whom<'_>) -> Result<u32, Error> {
        let key = self.key_of(whom)?;
        // Somebody asked for it: there is time.
        self.with(|store| store.forget_window(&key, LONGEST.max(Duration::from_secs(1))))
    }

    fn nodes(&self, may_ask: bool) -> u32 {
        let now = coarse_milliseconds();
        let said = self.said.load(Ordering::Relaxed);
        let is_due = said == NEVER || now.saturating_sub(said) >= SAY_EVERY;
        let turn = |said| {
            self.said
                .compare_exchange(said, now, Ordering::Relaxed, Ordering::Relaxed)
        };
        if may_ask && is_due && turn(said).is_ok() {
            let id = format!("{}-{}", self.id, std::process::id());
            if let Ok(nodes) = self.with(|store| store.counting(&id, LONGEST)) {
                self.nodes.store(nodes, Ordering::Relaxed);
            }
        }
        self.nodes.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

#[cfg(all(test, feature = "postgres", feature = "server"))]
#[path = "fleet_tests.rs"]
mod tests;
