//! What a shared store has revoked, in this process's memory, so that checking a token asks nobody.
//!
//! A revoked token or session takes at most 32 bytes, a user whose tokens are revoked at most 45: a million revocations take
//! at most 32 MB. Each is kept until the tokens that it refuses have expired. At most 8 million are held; whatever else is
//! revoked then has to be asked of the store. For up to a million names, 32 MB at most, it is remembered whether they have an
//! account. Names and ids are kept as keyed hashes.

mod table;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use siphasher::sip128::SipHasher13;

use super::Presented;
use super::shared::Entry;
use super::storable::storable;
use crate::Error;
use crate::base::random::random_bytes;
use table::{Key, Table, word};

/// Each has a lock of its own.
const SHARDS: usize = 64;
/// How many revocations are held.
const MOST: usize = 8 << 20;
/// How many names are remembered in each of a shard's two halves.
const KNOWN: usize = 8 << 10;

/// See the module.
pub(crate) struct Replica {
    hash_key: [u8; 16],
    shards: Vec<RwLock<Shard>>,
    /// Grows whenever a token may be newly refused.
    epoch: AtomicU64,
    /// Grows whenever an account has changed.
    account_epoch: AtomicU64,
    revocations: AtomicUsize,
    most: usize,
    /// Whether there was room for all revocations.
    is_whole: AtomicBool,
}

#[derive(Default)]
struct Shard {
    tokens: Table<5>,
    /// With the time until which a user's revoked tokens were issued, in two words.
    users: Table<7>,
    /// Names of disabled accounts.
    disabled: Table<5>,
    /// Whether names have an account: those asked about lately, and those before them.
    known: [Table<5>; 2],
    /// How often an account of this shard has changed.
    changes: u64,
}

/// What is known of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The token, its session or all of its user's tokens were revoked, or its account is disabled.
    pub(crate) refused: bool,
    /// Whether its user has an account; `None`: the store has to be asked.
    pub(crate) has_account: Option<bool>,
    /// For [`Replica::remember`].
    pub(crate) changes: u64,
}

impl Replica {
    pub(crate) fn new() -> Result<Self, Error> {
        Replica::with_room(MOST)
    }

    fn with_room(most: usize) -> Result<Self, Error> {
        let hash_key: [u8; 16] = random_bytes()?;
        Ok(Replica {
            hash_key,
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            epoch: AtomicU64::new(1),
            account_epoch: AtomicU64::new(1),
            revocations: AtomicUsize::new(0),
            most,
            is_whole: AtomicBool::new(true),
        })
    }

    /// A result of one epoch has to be checked again in another. Never 0.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// The same for what depends on accounts alone.
    pub(crate) fn account_epoch(&self) -> u64 {
        self.account_epoch.load(Ordering::Acquire)
    }

    /// How many tokens, sessions and users are revoked.
    pub(crate) fn len(&self) -> usize {
        self.revocations.load(Ordering::Relaxed)
    }

    /// Whether all revocations are here. Otherwise a token that is not refused may be revoked all the same.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole.load(Ordering::Acquire)
    }

    /// Whether it is worth reading all revocations again, because there is room for them now.
    pub(crate) fn has_room_again(&self) -> bool {
        !self.is_whole() && self.len() < self.most / 4 * 3
    }

    pub(crate) fn standing(&self, presented: Presented<'_>) -> Standing {
        let is_revoked = |id: &str| {
            let key = self.key(id);
            self.read(&key).tokens.find(&key).is_some()
        };
        let revoked = is_revoked(presented.id) || presented.session.is_some_and(is_revoked);
        let subject = self.key(presented.subject);
        let shard = self.read(&subject);
        // A token without an issue time may be older than the revocation.
        let too_old = shard
            .before(&subject)
            .is_some_and(|before| presented.issued_at.is_none_or(|issued| issued <= before));
        Standing {
            refused: revoked || too_old || shard.disabled.find(&subject).is_some(),
            has_account: shard.has_account(&subject),
            changes: shard.changes,
        }
    }

    /// Until when a user's revoked tokens were issued.
    pub(crate) fn revoked_before(&self, user: &str) -> Option<u64> {
        let key = self.key(user);
        self.read(&key).before(&key)
    }

    /// Remembers the store's answer whether a name has an account, unless an account has changed since `changes` was read:
    /// then the answer may be older than that change.
    pub(crate) fn remember(&self, name: &str, has_account: bool, changes: u64) {
        let key = self.key(name);
        let mut shard = self.write(&key);
        if shard.changes != changes || shard.has_account(&key).is_some() {
            return;
        }
        if shard.known[0].len() >= KNOWN {
            shard.known.swap(0, 1);
            shard.known[0] = Table::default();
        }
        shard.known[0].add(small(key, 1 + u32::from(has_account)));
    }

    /// Takes over entries, of which some may have been there before.
    pub(crate) fn apply(&self, entries: impl IntoIterator<Item = Entry>) {
        let (mut refuses, mut accounts) = (false, false);
        for entry in entries {
            accounts |= matches!(entry, Entry::Account { .. });
            refuses |= self.take(&entry);
        }
        // Afterwards: whoever has read the new epoch sees the entries.
        if accounts {
            self.account_epoch.fetch_add(1, Ordering::AcqRel);
        }
        if refuses {
            self.epoch.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Whatever was checked before has to be checked again.
    pub(crate) fn doubt(&self) {
        self.account_epoch.fetch_add(1, Ordering::AcqRel);
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// Before everything is read again: forgets which names have an account. What is revoked stays, and so do disabled accounts
    /// until [`end_anew`](Self::end_anew), so nothing is accepted meanwhile that was refused before.
    pub(crate) fn begin_anew(&self) {
        self.is_whole.store(true, Ordering::Release);
        for shard in &self.shards {
            let mut shard = write(shard);
            shard.known = Default::default();
            shard.changes += 1;
        }
    }

    /// Everything has been read anew; these accounts are disabled, and no others.
    pub(crate) fn end_anew(&self, disabled: &[DisabledName]) {
        let mut tables: Vec<Table<5>> = (0..SHARDS).map(|_| Table::default()).collect();
        for DisabledName(key) in disabled {
            let table = &mut tables[shard_of(key)];
            if table.find(key).is_none() {
                table.add(small(*key, u32::MAX));
            }
        }
        for (shard, disabled) in self.shards.iter().zip(tables) {
            write(shard).disabled = disabled;
        }
        self.doubt();
    }

    /// A name for [`end_anew`](Self::end_anew).
    pub(crate) fn disabled_name(&self, name: &str) -> DisabledName {
        DisabledName(self.key(name))
    }

    /// Removes what can no longer refuse a token.
    pub(crate) fn forget(&self, now: u64) {
        for shard in &self.shards {
            let mut shard = write(shard);
            let before = shard.revocations();
            shard.tokens.forget(now);
            shard.users.forget(now);
            let gone = before - shard.revocations();
            self.revocations.fetch_sub(gone, Ordering::Relaxed);
        }
    }

    /// Returns whether a token may be refused that was not before.
    fn take(&self, entry: &Entry) -> bool {
        match entry {
            Entry::Token { id, expires } => {
                let (key, expires) = (self.key(id), word(*expires));
                let mut shard = self.write(&key);
                if let Some(known) = shard.tokens.find_mut(&key) {
                    known[4] = known[4].max(expires);
                    return false;
                }
                if self.takes_one_more() {
                    shard.tokens.add(small(key, expires));
                }
                true
            }
            Entry::User {
                name,
                before,
                expires,
            } => {
                let (key, expires) = (self.key(name), word(*expires));
                let mut shard = self.write(&key);
                let known = shard.before(&key);
                let latest = known.map_or(*before, |known| known.max(*before));
                let [a, b, c, d] = key;
                let record = [a, b, c, d, expires, latest as u32, (latest >> 32) as u32];
                match shard.users.find_mut(&key) {
                    Some(old) => {
                        let expires = old[4].max(expires);
                        *old = record;
                        old[4] = expires;
                    }
                    None if self.takes_one_more() => shard.users.add(record),
                    None => {}
                }
                known != Some(latest)
            }
            Entry::Account { name, disabled } => {
                let key = self.key(name);
                let mut shard = self.write(&key);
                shard.changes += 1;
                let has_account = 1 + u32::from(disabled.is_some());
                for half in &mut shard.known {
                    if let Some(known) = half.find_mut(&key) {
                        known[4] = has_account;
                    }
                }
                let was_disabled = shard.disabled.remove(&key);
                match disabled {
                    Some(true) => {
                        shard.disabled.add(small(key, u32::MAX));
                        !was_disabled
                    }
                    Some(false) => false,
                    None => true,
                }
            }
        }
    }

    fn takes_one_more(&self) -> bool {
        if self.revocations.fetch_add(1, Ordering::Relaxed) < self.most {
            return true;
        }
        self.revocations.fetch_sub(1, Ordering::Relaxed);
        self.is_whole.store(false, Ordering::Release);
        false
    }

    fn key(&self, text: &str) -> Key {
        // The store may keep another form of it, in which the log names it.
        let hasher = SipHasher13::new_with_key(&self.hash_key);
        let hash = hasher.hash(storable(text).as_bytes());
        let (one, two) = (hash.h1, hash.h2);
        [
            one as u32,
            (one >> 32) as u32,
            two as u32,
            (two >> 32) as u32,
        ]
    }

    fn read(&self, key: &Key) -> RwLockReadGuard<'_, Shard> {
        let shard = &self.shards[shard_of(key)];
        shard.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, key: &Key) -> RwLockWriteGuard<'_, Shard> {
        write(&self.shards[shard_of(key)])
    }

    #[cfg(test)]
    fn bytes(&self) -> usize {
        let of = |shard: &RwLock<Shard>| {
            let shard = shard.read().unwrap();
            shard.tokens.bytes() + shard.users.bytes()
        };
        self.shards.iter().map(of).sum()
    }
}

/// The name of a disabled account.
pub(crate) struct DisabledName(Key);

impl Shard {
    fn before(&self, user: &Key) -> Option<u64> {
        let record = self.users.find(user)?;
        Some(u64::from(record[5]) | u64::from(record[6]) << 32)
    }

    fn has_account(&self, name: &Key) -> Option<bool> {
        let found = self.known.iter().find_map(|half| half.find(name));
        found.map(|record| record[4] == 2)
    }

    fn revocations(&self) -> usize {
        self.tokens.len() + self.users.len()
    }
}

fn small([a, b, c, d]: Key, last: u32) -> [u32; 5] {
    [a, b, c, d, last]
}

/// By another word than a table uses.
fn shard_of(key: &Key) -> usize {
    key[3] as usize % SHARDS
}

fn write(shard: &RwLock<Shard>) -> RwLockWriteGuard<'_, Shard> {
    shard.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
