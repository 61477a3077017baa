//! Sessions.

use super::*;
use crate::store::{Change, MAX_SESSIONS, Moment, SessionChange, StoredSession, UserSession};

pub(crate) fn an_ended_session_is_gone_and_its_access_tokens_are_revoked(place: &dyn Place) {
    let store = place.open();
    assert!(store.add_account(&account("alice")).unwrap());
    assert!(store.begin_session(session("s", "r"), 1, 1_000).unwrap());
    store.end_session("s", AT).unwrap();
    assert!(store.session("s").unwrap().is_none());
    assert!(standing(&*store, "x", Some("s")).revoked);
    // Until its last access token has expired, which is later than asked for.
    let at = |now| Moment { now, forget: now };
    store.revoke_token("y", at(3_000)).unwrap();
    assert!(standing(&*store, "x", Some("s")).revoked);
    store.revoke_token("y", at(3_001)).unwrap();
    assert!(!standing(&*store, "x", Some("s")).revoked);
}

pub(crate) fn a_session_is_changed_as_decided_from_what_was_read(place: &dyn Place) {
    let store = place.open();
    assert!(store.add_account(&account("alice")).unwrap());
    assert!(store.begin_session(session("s", "r1"), 1, 1_000).unwrap());
    let change = |id, change: SessionChange<'_>| {
        let mut found = None;
        store
            .change_session(id, &mut |session| {
                found = session.cloned();
                change
            })
            .unwrap();
        found
    };
    let stored = |refresh: &str, expires| StoredSession {
        user: "alice".to_owned(),
        refresh: refresh.to_owned(),
        expires,
        enabled: true,
    };
    let next = Session {
        expires: 6_000,
        ..session("s", "r2")
    };
    assert_eq!(change("s", SessionChange::Keep), Some(stored("r1", 5_000)));
    assert_eq!(
        change("s", SessionChange::Replace { next, now: 1_500 }),
        Some(stored("r1", 5_000))
    );
    assert_eq!(change("s", SessionChange::Keep), Some(stored("r2", 6_000)));
    // A missing one is not created.
    assert_eq!(
        change(
            "t",
            SessionChange::Replace {
                next: session("t", "q1"),
                now: 1_500
            }
        ),
        None
    );
    assert_eq!(store.session("t").unwrap(), None);
    let generation = store.generation().unwrap();
    assert!(!standing(&*store, "x", Some("s")).revoked);
    assert_eq!(
        change("s", SessionChange::End(AT)),
        Some(stored("r2", 6_000))
    );
    assert_eq!(store.session("s").unwrap(), None);
    assert!(standing(&*store, "x", Some("s")).revoked);
    assert_ne!(
        store.generation().unwrap(),
        generation,
        "other processes notice"
    );
    assert!(store.begin_session(session("u", "r1"), 1, 1_000).unwrap());
    place.disable_all();
    assert!(!store.session("u").unwrap().unwrap().enabled);
}

pub(crate) fn the_sessions_of_a_user_are_listed_until_they_expire(place: &dyn Place) {
    let store = place.open();
    assert!(store.add_account(&account("alice")).unwrap());
    assert!(store.add_account(&account("bob")).unwrap());
    let begin = |id, user, issued| {
        let begun = Session {
            user,
            ..session(id, "r")
        };
        assert!(store.begin_session(begun, 1, issued).unwrap());
    };
    begin("later", "alice", 1_002);
    begin("earlier", "alice", 1_001);
    begin("other", "bob", 1_001);
    let next = session("later", "r2");
    let mut replace = |_: Option<&StoredSession>| SessionChange::Replace { next, now: 1_500 };
    store.change_session("later", &mut replace).unwrap();
    let listed = |id: &str, started, refreshed| UserSession {
        id: id.to_owned(),
        started: Some(started),
        refreshed,
        expires: 5_000,
    };
    let all = [
        listed("earlier", 1_001, None),
        listed("later", 1_002, Some(1_500)),
    ];
    assert_eq!(store.sessions("alice", 4_999).unwrap(), all);
    assert_eq!(store.sessions("alice", 5_000).unwrap(), []);
    assert_eq!(store.sessions("nobody", 1_000).unwrap(), []);
    store.end_session("later", AT).unwrap();
    assert_eq!(store.sessions("alice", 1_000).unwrap(), all[..1]);
    store.revoke_user("alice", AT).unwrap();
    assert_eq!(store.sessions("alice", 1_000).unwrap(), []);
    assert_eq!(store.sessions("bob", 1_000).unwrap().len(), 1);
}

pub(crate) fn sessions_per_account_are_limited_and_the_oldest_is_dropped(place: &dyn Place) {
    let store = place.open();
    assert!(store.add_account(&account("alice")).unwrap());
    for n in 0..MAX_SESSIONS + 3 {
        let id = format!("s{n}");
        let begun = Session {
            expires: 5_000 + u64::from(n),
            ..session(&id, "r")
        };
        assert!(store.begin_session(begun, 1, 1_000).unwrap());
    }
    assert_eq!(store.session("s2").unwrap(), None);
    assert!(store.session("s3").unwrap().is_some());
}

pub(crate) fn a_login_succeeds_only_for_the_account_as_it_was_checked(place: &dyn Place) {
    let store = place.open();
    assert!(store.add_account(&account("alice")).unwrap());
    assert!(store.begin_session(session("s", "r"), 1, 1_000).unwrap());
    let other = Change::Password(account("x").password);
    assert!(store.change_account("alice", &other, AT).unwrap());
    assert!(!store.begin_session(session("t", "r"), 1, 1_001).unwrap());
    assert!(store.begin_session(session("t", "r"), 2, 1_001).unwrap());
    assert!(
        !store.begin_session(session("v", "r"), 2, 1_000).unwrap(),
        "all tokens until then were revoked while the password was checked"
    );
    assert!(
        store
            .change_account("alice", &Change::Disabled(true), AT)
            .unwrap()
    );
    assert!(!store.begin_session(session("u", "r"), 3, 1_001).unwrap());
}

pub(crate) fn of_many_refreshes_of_one_session_one_wins(place: &dyn Place) {
    let store = place.open();
    assert!(store.add_account(&account("alice")).unwrap());
    assert!(store.begin_session(session("s", "r1"), 1, 1_000).unwrap());
    let stores: Vec<_> = (0..8).map(|_| place.open()).collect();
    let won = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for (number, store) in stores.iter().enumerate() {
            let won = &won;
            scope.spawn(move || {
                let refresh = format!("r2-{number}");
                let next = session("s", &refresh);
                let mut wins = false;
                let changed = store.change_session("s", &mut |found| {
                    wins = found.is_some_and(|found| found.refresh == "r1");
                    match wins {
                        true => SessionChange::Replace { next, now: 1_500 },
                        false => SessionChange::Keep,
                    }
                });
                changed.unwrap();
                won.fetch_add(usize::from(wins), std::sync::atomic::Ordering::Relaxed);
            });
        }
    });
    assert_eq!(won.into_inner(), 1);
    assert!(
        store
            .session("s")
            .unwrap()
            .unwrap()
            .refresh
            .starts_with("r2-")
    );
}

pub(crate) fn no_session_outlives_the_revocation_that_it_began_beside(place: &dyn Place) {
    let store = place.open();
    assert!(store.add_account(&account("alice")).unwrap());
    for round in 0..20 {
        let issued = 2_000 + round;
        let at = Moment {
            now: issued,
            forget: 9_000,
        };
        let (begins, revokes) = (place.open(), place.open());
        let begun = std::thread::scope(|scope| {
            let revoking = scope.spawn(move || revokes.revoke_user("alice", at));
            let begun = begins.begin_session(
                Session {
                    expires: 9_000,
                    ..session(&format!("s{round}"), "r")
                },
                1,
                issued,
            );
            revoking.join().unwrap().unwrap();
            begun.unwrap()
        });
        let left = store.sessions("alice", 1_000).unwrap();
        assert_eq!(left, [], "round {round}, begun: {begun}");
    }
}

pub(crate) fn all_sessions_are_listed_in_pages(place: &dyn Place) {
    let store = place.open();
    assert!(store.add_account(&account("alice")).unwrap());
    for id in ["c", "a", "b"] {
        assert!(store.begin_session(session(id, "r"), 1, 1_000).unwrap());
    }
    let page = |after: &str, now: u64, most: u32| -> Vec<String> {
        let found = store.all_sessions(after, now, most).unwrap();
        assert!(
            found
                .iter()
                .all(|(user, session)| user == "alice" && session.started == Some(1_000))
        );
        found.into_iter().map(|(_, session)| session.id).collect()
    };
    assert_eq!(page("", 1_000, 2), ["a", "b"]);
    assert_eq!(page("b", 1_000, 2), ["c"]);
    assert_eq!(page("", 5_000, 9), [""; 0], "expired");
}
