//! Sessions: a login begins one, and its refresh tokens are a family. Only the newest of them is good, and only once: using
//! it replaces it. An older one must be a copy, because its owner has the newer one; using it ends the whole family.

use super::Claims;
use crate::Error;
use crate::store::{Moment, Session, SessionChange, Store, StoredSession};

/// A refresh token whose signature and times are good.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RefreshToken<'a> {
    id: &'a str,
    session: &'a str,
    user: &'a str,
}

/// What the use of a refresh token is to its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefreshUse {
    /// It is the newest one.
    Good,
    /// It is an older one, which has been used before.
    Reused,
    /// There is no such session (any more), or its account is removed or disabled.
    Gone,
}

impl<'a> RefreshToken<'a> {
    /// `None` if the claims have no id or name no session.
    pub(crate) fn of(claims: &'a Claims) -> Option<Self> {
        Some(RefreshToken {
            id: claims.id()?,
            session: claims.session()?,
            user: claims.subject(),
        })
    }

    /// The rule. `session`: the one that the token names.
    fn judge(self, session: Option<&StoredSession>, now: u64) -> RefreshUse {
        match session.filter(|session| session.user == self.user) {
            None => RefreshUse::Gone,
            Some(session) if session.refresh != self.id => RefreshUse::Reused,
            Some(session) if !session.enabled || session.expires <= now => RefreshUse::Gone,
            Some(_) => RefreshUse::Good,
        }
    }

    /// Whether it could be exchanged now.
    pub(crate) fn is_good(self, store: &dyn Store, now: u64) -> Result<bool, Error> {
        let session = store.session(self.session)?;
        Ok(self.judge(session.as_ref(), now) == RefreshUse::Good)
    }

    /// Uses it: replaces it by the refresh token of `next`, the same session, or ends the session. Of several who use it at
    /// once, in any process, one gets [`RefreshUse::Good`].
    pub(crate) fn exchange(
        self,
        store: &dyn Store,
        next: Session<'_>,
        now: u64,
    ) -> Result<RefreshUse, Error> {
        let mut used = RefreshUse::Gone;
        store.change_session(self.session, &mut |session| {
            used = self.judge(session, now);
            match used {
                RefreshUse::Good => SessionChange::Replace { next, now },
                RefreshUse::Reused => SessionChange::End(Moment {
                    now,
                    forget: next.access_expires,
                }),
                RefreshUse::Gone => SessionChange::Keep,
            }
        })?;
        Ok(used)
    }
}

#[cfg(test)]
#[cfg(feature = "store")]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;
    use crate::store::{Account, Presented, SqliteStore};

    fn with_alice(store: SqliteStore) -> SqliteStore {
        assert!(store.add_account(&Account::example("alice", "")).unwrap());
        store
    }

    fn session<'a>(id: &'a str, refresh: &'a str) -> Session<'a> {
        Session {
            id,
            user: "alice",
            refresh,
            expires: 5_000,
            access_expires: 3_000,
        }
    }

    fn token<'a>(session: &'a str, id: &'a str) -> RefreshToken<'a> {
        RefreshToken {
            id,
            session,
            user: "alice",
        }
    }

    fn is_revoked(store: &SqliteStore, session: &str) -> bool {
        let presented = Presented {
            id: "x",
            session: Some(session),
            subject: "alice",
            issued_at: Some(1_000),
        };
        store.standing(presented).unwrap().revoked
    }

    #[test]
    fn only_the_newest_token_of_a_live_session_is_good() {
        let stored = |refresh: &str, expires, enabled| StoredSession {
            user: "alice".to_owned(),
            refresh: refresh.to_owned(),
            expires,
            enabled,
        };
        for (session, expected) in [
            (None, RefreshUse::Gone),
            (Some(stored("r", 1_001, true)), RefreshUse::Good),
            (Some(stored("r", 1_000, true)), RefreshUse::Gone),
            (Some(stored("r", 5_000, false)), RefreshUse::Gone),
            (Some(stored("", 5_000, true)), RefreshUse::Reused),
            (Some(stored("R", 5_000, true)), RefreshUse::Reused),
            // A copy is one, whatever has become of its session.
            (Some(stored("q", 1_000, true)), RefreshUse::Reused),
            (Some(stored("q", 5_000, false)), RefreshUse::Reused),
        ] {
            let used = token("s", "r").judge(session.as_ref(), 1_000);
            assert_eq!(used, expected, "{session:?}");
        }
        let stranger = RefreshToken {
            user: "bob",
            ..token("s", "r")
        };
        for refresh in ["r", "q"] {
            let session = stored(refresh, 5_000, true);
            assert_eq!(stranger.judge(Some(&session), 1_000), RefreshUse::Gone);
        }
    }

    #[test]
    fn a_second_use_of_a_refresh_token_ends_its_session_and_no_other() {
        let store = with_alice(SqliteStore::in_memory().unwrap());
        assert!(store.begin_session(session("s", "r1"), 1, 1_000).unwrap());
        assert!(store.begin_session(session("t", "q1"), 1, 1_000).unwrap());
        let exchange = |id, used, next| {
            let next = session(id, next);
            token(id, used).exchange(&store, next, 1_000).unwrap()
        };
        let is_good = |session, id| token(session, id).is_good(&store, 1_000).unwrap();
        assert_eq!(exchange("s", "r1", "r2"), RefreshUse::Good);
        assert_eq!(exchange("s", "r2", "r3"), RefreshUse::Good);
        // Whether a token is good can be asked without using it.
        assert!(is_good("s", "r3") && is_good("s", "r3") && !is_good("s", "r1"));
        assert!(!is_revoked(&store, "s"));
        assert_eq!(exchange("s", "r1", "r4"), RefreshUse::Reused);
        assert!(is_revoked(&store, "s") && !is_good("s", "r3") && !is_good("s", "r4"));
        for used in ["r1", "r3", "r4"] {
            assert_eq!(exchange("s", used, "r5"), RefreshUse::Gone, "{used}");
        }
        assert_eq!(exchange("t", "q1", "q2"), RefreshUse::Good);
        assert!(is_good("t", "q2") && !is_revoked(&store, "t"));
        // A stranger's token does not end it.
        let stranger = RefreshToken {
            user: "bob",
            ..token("t", "q1")
        };
        let used = stranger.exchange(&store, session("t", "q3"), 1_000);
        assert_eq!(used.unwrap(), RefreshUse::Gone);
        assert!(is_good("t", "q2") && !is_revoked(&store, "t"));
    }

    #[test]
    fn of_many_who_use_one_token_at_once_one_wins_and_the_session_ends() {
        const USERS: usize = 8;
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("state");
        let first = with_alice(SqliteStore::open_or_make(&folder).unwrap());
        // As two processes have it open.
        let stores = [first, SqliteStore::open_or_make(&folder).unwrap()];
        for round in 0..10 {
            let id = format!("s{round}");
            let begun = stores[0].begin_session(session(&id, "r"), 1, 1_000);
            assert!(begun.unwrap());
            let start = Barrier::new(USERS);
            let mut uses = thread::scope(|scope| {
                let threads = (0..USERS).map(|number| {
                    let (id, start, store) = (&id, &start, &stores[number % 2]);
                    scope.spawn(move || {
                        let next = format!("r{number}");
                        start.wait();
                        let next = session(id, &next);
                        token(id, "r").exchange(store, next, 1_000).unwrap()
                    })
                });
                let threads: Vec<_> = threads.collect();
                let uses = threads.into_iter().map(|thread| thread.join().unwrap());
                uses.collect::<Vec<_>>()
            });
            uses.sort_by_key(|used| *used as u8);
            let mut expected = vec![RefreshUse::Gone; USERS];
            expected[..2].copy_from_slice(&[RefreshUse::Good, RefreshUse::Reused]);
            assert_eq!(uses, expected);
            for store in &stores {
                assert_eq!(store.session(&id).unwrap(), None);
                assert!(is_revoked(store, &id));
            }
        }
    }
}
