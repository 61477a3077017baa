//! All API keys in memory: wrong keys are refused without reading the store, and known ones are found by a lookup.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use foldhash::fast::FixedState;
use openssl::memcmp;
use openssl::sha::sha256;
use siphasher::sip128::SipHasher24;

use crate::base::api_key::{ID_SIZE, KeyText};
use crate::base::random::random_bytes;
use crate::limiter::{Window, Windows};
use crate::store::StoredApiKey;
use crate::tokens::claims::Claims;
use crate::{Error, TokenError};

/// See the module. It is replaced as a whole when API keys change.
#[derive(Default)]
pub(super) struct Table {
    /// The number of changes that it includes; 0: nothing has been read yet.
    pub(super) changes: u64,
    // Only our own random ids are added, so nobody can choose ids that collide.
    entries: HashMap<[u8; ID_SIZE], Arc<Entry>, FixedState>,
}

/// An API key.
pub(super) struct Entry {
    pub(super) stored: StoredApiKey,
    /// A keyed hash of the secret and the checksum, once they have been presented: it takes a fraction of the time of SHA-256.
    tag: OnceLock<u128>,
    judged: ArcSwapOption<Judged>,
    window: Option<Arc<Window>>,
    /// The hour in which it was last used, and the one that the store knows of; 0: none.
    used: Arc<Hours>,
}

#[derive(Default)]
struct Hours {
    used: AtomicU64,
    written: AtomicU64,
}

/// What a key permits as long as the store's epoch is this one.
pub(super) struct Judged {
    pub(super) epoch: u64,
    pub(super) outcome: Result<Claims, TokenError>,
}

impl Table {
    /// The table of these keys. What is known of those in the table before is kept.
    pub(super) fn new(
        changes: u64,
        keys: Vec<StoredApiKey>,
        before: &Table,
        windows: &Windows,
    ) -> Self {
        let mut entries = HashMap::with_capacity_and_hasher(keys.len(), FixedState::default());
        for stored in keys {
            // One of another length cannot be presented.
            let Ok(id) = <[u8; ID_SIZE]>::try_from(stored.id.as_bytes()) else {
                continue;
            };
            let entry = match before.entries.get(&id) {
                Some(old) if old.is(&stored) => Arc::clone(old),
                old => Arc::new(Entry::new(stored, old, windows)),
            };
            entries.insert(id, entry);
        }
        Table { changes, entries }
    }

    pub(super) fn find(&self, id: &[u8]) -> Option<&Arc<Entry>> {
        self.entries.get(<&[u8; ID_SIZE]>::try_from(id).ok()?)
    }

    /// Those that were used in an hour that the store does not know of, and the hour.
    pub(super) fn unwritten(&self) -> Vec<(&Entry, u64)> {
        let hours = |entry: &Entry| {
            let used = entry.used.used.load(Ordering::Relaxed);
            (used > entry.used.written.load(Ordering::Relaxed)).then_some(used)
        };
        let entries = self.entries.values();
        entries
            .filter_map(|entry| Some((&**entry, hours(entry)?)))
            .collect()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

impl Entry {
    fn new(stored: StoredApiKey, old: Option<&Arc<Entry>>, windows: &Windows) -> Self {
        // A revoked key counts nothing.
        let limit = stored.limit.filter(|_| stored.revoked.is_none());
        let window = limit.map(|(requests, seconds)| {
            // Nobody gets a fresh window because the table is replaced.
            let same = old.filter(|old| old.stored.limit == limit);
            let kept = same.and_then(|old| old.window.clone());
            kept.unwrap_or_else(|| Arc::new(windows.window(requests, Duration::from_secs(seconds))))
        });
        let used = old.map(|old| Arc::clone(&old.used)).unwrap_or_default();
        let known = stored.used.unwrap_or(0);
        used.used.fetch_max(known, Ordering::Relaxed);
        used.written.fetch_max(known, Ordering::Relaxed);
        Entry {
            window,
            stored,
            tag: OnceLock::new(),
            judged: ArcSwapOption::empty(),
            used,
        }
    }

    /// Whether it is this key in this state: nothing else about a key changes.
    fn is(&self, stored: &StoredApiKey) -> bool {
        self.stored.hash == stored.hash && self.stored.revoked == stored.revoked
    }

    /// Whether the text is this key. How long it takes says nothing about the secret.
    pub(super) fn is_of(&self, text: KeyText<'_>, hash: &SipHasher24) -> bool {
        let tag = hash.hash(text.rest()).as_u128();
        if let Some(known) = self.tag.get()
            && known ^ tag == 0
        {
            return true;
        }
        let is_key = memcmp::eq(&sha256(text.secret()), &self.stored.hash) && text.is_intact();
        if is_key {
            // Another thread may have been faster.
            let _ = self.tag.set(tag);
        }
        is_key
    }

    /// What was decided in this epoch, if anything.
    pub(super) fn judged(&self, epoch: u64) -> Option<Result<Claims, TokenError>> {
        let judged = self.judged.load();
        let judged = judged.as_ref().filter(|judged| judged.epoch == epoch)?;
        Some(judged.outcome.clone())
    }

    pub(super) fn remember(&self, judged: Judged) {
        self.judged.store(Some(Arc::new(judged)));
    }

    /// Records a use. `true`: the store does not know of this hour.
    pub(super) fn note_use(&self, now: u64) -> bool {
        let hour = now - now % 3_600;
        self.used.used.load(Ordering::Relaxed) < hour
            && self.used.used.fetch_max(hour, Ordering::Relaxed) < hour
    }

    pub(super) fn note_written(&self, hour: u64) {
        self.used.written.fetch_max(hour, Ordering::Relaxed);
    }

    /// The hour in which it was last used.
    pub(super) fn last_used(&self) -> Option<u64> {
        Some(self.used.used.load(Ordering::Relaxed)).filter(|hour| *hour > 0)
    }

    /// Its own limit; `None`: it has none.
    pub(super) fn window(&self) -> Option<Arc<Window>> {
        self.window.clone()
    }

    /// Why it is refused whatever its owner may do.
    pub(super) fn check(&self, now: u64) -> Result<(), TokenError> {
        if self.stored.revoked.is_some() {
            return Err(TokenError::Revoked);
        }
        match self.stored.expires.is_some_and(|at| now >= at) {
            true => Err(TokenError::Expired),
            false => Ok(()),
        }
    }
}

/// A key for the hashes of secrets.
pub(super) fn new_hash() -> Result<SipHasher24, Error> {
    let key: [u8; 16] = random_bytes()?;
    Ok(SipHasher24::new_with_key(&key))
}
