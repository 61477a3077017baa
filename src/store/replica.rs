//! What a shared store has revoked, in this process's memory, so that checking a token asks nobody.
//!
//! An entry takes 24 bytes, and with the table's free places 28 to 56; it leaves when the tokens that it refuses have expired.
//! Names and ids are kept as keyed hashes.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use siphasher::sip128::SipHasher13;

use super::Presented;
use super::shared::Entry;
use super::storable::storable;
use crate::Error;
use crate::base::random::random;

/// How many names with an account are remembered, in each of two halves; a half takes 2 MiB at most.
const KNOWN: usize = 64 << 10;

/// See the module.
pub(crate) struct Replica {
    hash_key: [u8; 16],
    tables: RwLock<Tables>,
    /// Grows whenever something is newly refused.
    epoch: AtomicU64,
}

type Key = [u64; 2];

#[derive(Default)]
struct Tables {
    /// When each revoked token or session may be forgotten.
    tokens: HashMap<Key, u64>,
    /// Until when a user's revoked tokens were issued, and when that may be forgotten.
    users: HashMap<Key, (u64, u64)>,
    disabled: HashSet<Key>,
    /// Names that have an account, as far as is known here: those used lately, and those before them.
    known: [HashSet<Key>; 2],
    /// How often an account was removed.
    removals: u64,
}

/// What is known of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The token, its session or all of its user's tokens were revoked, or its account is disabled.
    pub(crate) refused: bool,
    /// Whether its user is known to have an account.
    pub(crate) is_known: bool,
    /// For [`Replica::remember`].
    pub(crate) removals: u64,
}

impl Replica {
    pub(crate) fn new() -> Result<Self, Error> {
        let mut hash_key = [0; 16];
        random(&mut hash_key)?;
        Ok(Replica {
            hash_key,
            tables: RwLock::default(),
            epoch: AtomicU64::new(1),
        })
    }

    /// A result of one epoch has to be checked again in another. Never 0.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    pub(crate) fn standing(&self, presented: Presented<'_>) -> Standing {
        let tables = self.read();
        let subject = self.key(presented.subject);
        let is_revoked = |id: &str| tables.tokens.contains_key(&self.key(id));
        // A token without an issue time may be older than the revocation.
        let too_old = tables.users.get(&subject).is_some_and(|(before, _)| {
            (presented.issued_at).is_none_or(|issued| issued <= *before)
        });
        Standing {
            refused: too_old
                || tables.disabled.contains(&subject)
                || is_revoked(presented.id)
                || presented.session.is_some_and(is_revoked),
            is_known: tables.known.iter().any(|half| half.contains(&subject)),
            removals: tables.removals,
        }
    }

    /// Until when a user's revoked tokens were issued.
    pub(crate) fn revoked_before(&self, user: &str) -> Option<u64> {
        let tables = self.read();
        tables.users.get(&self.key(user)).map(|(before, _)| *before)
    }

    /// Remembers that a name has an account, if none was removed since `removals` was read.
    pub(crate) fn remember(&self, name: &str, removals: u64) {
        let mut tables = self.write();
        if tables.removals != removals {
            return;
        }
        if tables.known[0].len() >= KNOWN {
            tables.known.swap(0, 1);
            tables.known[0].clear();
        }
        let key = self.key(name);
        tables.known[0].insert(key);
    }

    /// Takes over entries, of which some may have been there before.
    pub(crate) fn apply(&self, entries: &[Entry]) {
        let mut tables = self.write();
        let mut is_news = false;
        for entry in entries {
            is_news |= self.take(&mut tables, entry);
        }
        if is_news {
            self.epoch.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Forgets which accounts are disabled or exist, before everything is read again. What was revoked stays.
    pub(crate) fn begin_anew(&self) {
        let mut tables = self.write();
        tables.disabled.clear();
        tables.known = Default::default();
        tables.removals += 1;
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// Removes what can no longer refuse a token.
    pub(crate) fn forget(&self, now: u64) {
        let mut tables = self.write();
        tables.tokens.retain(|_, expires| *expires >= now);
        tables.users.retain(|_, (_, expires)| *expires >= now);
        let (tokens, users) = (tables.tokens.len(), tables.users.len());
        tables.tokens.shrink_to(tokens * 2);
        tables.users.shrink_to(users * 2);
    }

    /// How many tokens, users and disabled accounts there are.
    #[cfg(test)]
    fn len(&self) -> usize {
        let tables = self.read();
        tables.tokens.len() + tables.users.len() + tables.disabled.len()
    }

    /// Returns whether more is refused than before.
    fn take(&self, tables: &mut Tables, entry: &Entry) -> bool {
        match entry {
            Entry::Token { id, expires } => {
                let before = tables.tokens.insert(self.key(id), *expires);
                if let Some(before) = before.filter(|before| before > expires) {
                    tables.tokens.insert(self.key(id), before);
                }
                before.is_none()
            }
            Entry::User {
                name,
                before,
                expires,
            } => {
                let known = tables.users.entry(self.key(name)).or_insert((0, 0));
                let is_news = known.0 < *before;
                *known = (known.0.max(*before), known.1.max(*expires));
                is_news
            }
            Entry::Account { name, disabled } => {
                let key = self.key(name);
                match disabled {
                    Some(true) => tables.disabled.insert(key),
                    // Tokens that were refused for want of an account are in no cache.
                    Some(false) => {
                        tables.disabled.remove(&key);
                        false
                    }
                    None => {
                        tables.disabled.remove(&key);
                        tables.removals += 1;
                        for half in &mut tables.known {
                            half.remove(&key);
                        }
                        // Even if it was not known here: another process may have issued its tokens.
                        true
                    }
                }
            }
        }
    }

    fn key(&self, text: &str) -> Key {
        let hash = SipHasher13::new_with_key(&self.hash_key).hash(storable(text).as_bytes());
        [hash.h1, hash.h2]
    }

    fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tables> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(id: &str, expires: u64) -> Entry {
        Entry::Token {
            id: id.to_owned(),
            expires,
        }
    }

    fn user(name: &str, before: u64, expires: u64) -> Entry {
        Entry::User {
            name: name.to_owned(),
            before,
            expires,
        }
    }

    fn account(name: &str, disabled: Option<bool>) -> Entry {
        Entry::Account {
            name: name.to_owned(),
            disabled,
        }
    }

    fn standing(replica: &Replica, issued_at: Option<u64>) -> Standing {
        replica.standing(Presented {
            id: "token",
            session: Some("session"),
            subject: "alice",
            issued_at,
        })
    }

    #[test]
    fn a_token_is_refused_by_its_id_its_session_its_user_and_its_account() {
        for (entry, refused) in [
            (token("token", 9), true),
            (token("session", 9), true),
            (token("alice", 9), false),
            (user("alice", 10, 99), true),
            (user("alice", 9, 99), false),
            (user("token", 10, 99), false),
            (account("alice", Some(true)), true),
            (account("alice", Some(false)), false),
            (account("alice", None), false),
        ] {
            let replica = Replica::new().unwrap();
            replica.apply(std::slice::from_ref(&entry));
            assert_eq!(standing(&replica, Some(10)).refused, refused, "{entry:?}");
        }
        let replica = Replica::new().unwrap();
        replica.apply(&[user("alice", 1, 99)]);
        assert!(standing(&replica, None).refused, "it may be older");
    }

    #[test]
    fn the_epoch_moves_only_if_something_is_newly_refused() {
        let replica = Replica::new().unwrap();
        for (entry, moves) in [
            (token("a", 9), true),
            (token("a", 9), false),
            (token("a", 12), false),
            (user("alice", 10, 99), true),
            (user("alice", 10, 99), false),
            (user("alice", 9, 120), false),
            (user("alice", 11, 120), true),
            (account("bob", Some(true)), true),
            (account("bob", Some(true)), false),
            (account("bob", Some(false)), false),
            (account("bob", None), true),
        ] {
            let before = replica.epoch();
            replica.apply(std::slice::from_ref(&entry));
            assert_eq!(replica.epoch() != before, moves, "{entry:?}");
        }
    }

    #[test]
    fn entries_are_forgotten_when_their_tokens_have_expired_and_the_latest_end_counts() {
        let replica = Replica::new().unwrap();
        replica.apply(&[
            token("token", 20),
            token("token", 10),
            user("alice", 5, 30),
            user("alice", 4, 25),
        ]);
        replica.forget(20);
        assert_eq!(replica.len(), 2);
        replica.forget(21);
        assert_eq!(replica.len(), 1);
        assert_eq!(replica.revoked_before("alice"), Some(5));
        replica.forget(31);
        assert_eq!((replica.len(), replica.revoked_before("alice")), (0, None));
    }

    #[test]
    fn a_name_is_known_until_its_account_is_removed_and_memory_is_bounded() {
        let replica = Replica::new().unwrap();
        let seen = standing(&replica, None);
        assert!(!seen.is_known);
        replica.remember("alice", seen.removals);
        assert!(standing(&replica, None).is_known);
        replica.apply(&[account("alice", None)]);
        assert!(!standing(&replica, None).is_known);
        replica.remember("alice", seen.removals);
        assert!(
            !standing(&replica, None).is_known,
            "it was read before the removal"
        );
        let now = standing(&replica, None).removals;
        replica.remember("alice", now);
        for n in 0..3 * KNOWN {
            replica.remember(&n.to_string(), now);
        }
        let tables = replica.read();
        assert!(tables.known.iter().all(|half| half.len() <= KNOWN));
    }

    #[test]
    fn an_id_with_a_zero_byte_is_found_as_the_store_names_it() {
        let replica = Replica::new().unwrap();
        replica.apply(&[token(&storable("a\0b"), 20)]);
        let presented = Presented {
            id: "a\0b",
            session: None,
            subject: "alice",
            issued_at: Some(1),
        };
        assert!(replica.standing(presented).refused);
    }

    #[test]
    fn reading_anew_keeps_what_was_revoked() {
        let replica = Replica::new().unwrap();
        replica.apply(&[token("token", 20), account("alice", Some(true))]);
        replica.begin_anew();
        assert!(standing(&replica, None).refused);
        let replica = Replica::new().unwrap();
        replica.apply(&[account("alice", Some(true))]);
        replica.begin_anew();
        assert!(
            !standing(&replica, None).refused,
            "it may have been enabled since"
        );
    }
}
