//! Limits that several machines count together, in the shared store. Names do not leave the process: the store gets keyed
//! hashes of them.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use zeroize::Zeroizing;

use crate::Error;
use crate::base::hkdf::{FirstBlock, hkdf_sha256};
use crate::base::random::random_bytes;
use crate::keys::Keys;
use crate::limiter::Settings;
use crate::limiter::shared::{Answer, Central, Named, Return, Shared, Whom, Wish};
use crate::store::windows::{Ask, Back, Taken, WindowStore};
use crate::store::{Ledger, SharedStore};

const KEY_INFO: &[u8] = b"sealgate/limiter-names/v1";
/// How long a request waits for the store before the setting `limiter_down` decides.
const LONGEST: Duration = match cfg!(test) {
    false => Duration::from_millis(50),
    // On a busy machine as well.
    true => Duration::from_secs(60),
};
/// How long a reset, or work that no request waits for, may take.
const UNHURRIED: Duration = Duration::from_secs(1);
/// How many windows without counts are removed at once, and how often in a row.
const TIDIED: u32 = 4_000;
const TIMES: u32 = 50;

/// The store's windows, as a limiter uses them.
struct Windows {
    ledger: Arc<Ledger>,
    keys: Arc<Keys>,
    /// The key of the hashes.
    derived: ArcSwapOption<Derived>,
    /// Names this process among those that lease.
    asker: i32,
}

/// Derived from the oldest token key, so all machines have the same one. When that key is retired, all counts start again.
struct Derived {
    id: String,
    key: FirstBlock,
}

/// The limits of a gate in its shared store; `None`: the store is not shared.
pub(super) fn of(
    ledger: &Arc<Ledger>,
    keys: &Arc<Keys>,
    settings: &Settings,
) -> Result<Option<Shared>, Error> {
    if ledger.following().is_none() {
        return Ok(None);
    }
    let asker: [u8; 4] = random_bytes()?;
    let windows = Windows {
        ledger: Arc::clone(ledger),
        keys: Arc::clone(keys),
        derived: ArcSwapOption::empty(),
        asker: i32::from_be_bytes(asker),
    };
    Shared::new(Arc::new(windows), settings.down, settings.memory).map(Some)
}

impl Windows {
    fn derived(&self) -> Result<Arc<Derived>, Error> {
        let ring = self.keys.current();
        let oldest = ring.token_keys().next();
        let id = oldest.map_or("", |key| key.id());
        let known = self.derived.load_full();
        if let Some(known) = known.filter(|known| known.id == id) {
            return Ok(known);
        }
        let oldest = oldest.ok_or_else(|| {
            let text = "Rate limits need a token key, and the key ring has none.";
            Error::Store(text.to_owned())
        })?;
        let mut key = Zeroizing::new([0; 32]);
        hkdf_sha256(&oldest.bytes(), KEY_INFO, &mut *key)?;
        let derived = Arc::new(Derived {
            id: id.to_owned(),
            key: FirstBlock::under(&*key),
        });
        self.derived.store(Some(Arc::clone(&derived)));
        Ok(derived)
    }

    fn key_of(&self, whom: Whom<'_>) -> Result<[u8; 16], Error> {
        let derived = self.derived()?;
        // Entries end by the window that they were made for, so each window counts apart.
        let mut text = whom.policy.as_bytes().to_vec();
        text.push(0);
        text.extend_from_slice(&whom.window.as_nanos().to_be_bytes());
        text.extend_from_slice(whom.name);
        let mut key = [0; 16];
        key.copy_from_slice(&derived.key.of(&text)[..16]);
        Ok(key)
    }

    fn store(&self) -> Result<&dyn SharedStore, Error> {
        match self.ledger.following() {
            Some(following) => Ok(&**following.store()),
            None => Err(Error::Store("There is no shared store.".to_owned())),
        }
    }

    /// A request that nothing is leased with.
    fn ask(&self, whom: Whom<'_>, cost: u32) -> Result<Ask, Error> {
        Ok(Ask {
            key: self.key_of(whom)?,
            limit: whom.limit,
            window: whom.window,
            cost,
            wanted: cost,
            hold: Duration::ZERO,
            asker: self.asker,
            patient: false,
            back: None,
        })
    }
}

fn answer(taken: Taken) -> Answer {
    Answer {
        granted: taken.granted,
        lease: taken.lease,
        later: taken.later,
        counted: taken.counted,
        wait: taken.wait,
        first: taken.first,
    }
}

fn back(lease: Return) -> Back {
    Back {
        lease: lease.lease,
        spent: lease.spent,
    }
}

impl Central for Windows {
    fn take(&self, whom: Whom<'_>, wish: Wish) -> Result<Answer, Error> {
        let ask = Ask {
            wanted: wish.wanted,
            hold: wish.hold,
            patient: wish.patient,
            back: wish.back.map(back),
            ..self.ask(whom, wish.cost)?
        };
        let taken = self.store()?.take(&ask, LONGEST).map(answer)?;
        if let Some(following) = self.ledger.following() {
            // Starts the thread that counts the nodes, if nothing has done so yet.
            let _ = following.epoch();
        }
        Ok(taken)
    }

    fn give_back(&self, all: &[(Named, Return)]) -> Result<(), Error> {
        let all = all.iter().map(|(named, lease)| {
            let key = self.key_of(named.whom())?;
            Ok((key, back(lease.clone())))
        });
        let all = all.collect::<Result<Vec<_>, Error>>()?;
        WindowStore::give_back(self.store()?, &all, UNHURRIED)
    }

    fn counted(&self, whom: Whom<'_>, cost: u32) -> Result<Answer, Error> {
        let ask = self.ask(whom, cost)?;
        self.store()?.counted(&ask, LONGEST).map(answer)
    }

    fn forget(&self, whom: Whom<'_>) -> Result<u32, Error> {
        let key = self.key_of(whom)?;
        self.store()?.forget_window(&key, UNHURRIED)
    }

    fn tidy(&self) -> Result<(), Error> {
        // In steps, so that none holds many rows for long.
        for _ in 0..TIMES {
            if self.store()?.forget_windows(TIDIED)? < TIDIED {
                break;
            }
        }
        Ok(())
    }

    fn nodes(&self) -> u32 {
        let following = self.ledger.following();
        following.map_or(0, |following| following.nodes())
    }
}

#[cfg(all(test, feature = "postgres", feature = "server"))]
#[path = "fleet_tests.rs"]
mod tests;
