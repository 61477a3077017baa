//! Accounts, sessions and revoked tokens, and changes by several at once.

use super::*;

#[test]
fn a_change_is_seen_through_other_open_stores() {
    let place = Place::made();
    let one = SqliteStore::open(&place.folder).unwrap().unwrap();
    let other = SqliteStore::open(&place.folder).unwrap().unwrap();
    let before = other.generation().unwrap();
    assert!(
        one.change_account("alice", &Change::Disabled(true), AT)
            .unwrap()
    );
    assert_ne!(other.generation().unwrap(), before);
    assert!(other.account("alice").unwrap().unwrap().disabled);
    assert!(other.has_had_accounts().unwrap());
    assert!(one.change_account("alice", &Change::Removed, AT).unwrap());
    assert!(!other.change_account("alice", &Change::Removed, AT).unwrap());
    assert!(other.has_had_accounts().unwrap(), "it stays true");
    assert!(
        !SqliteStore::in_memory()
            .unwrap()
            .has_had_accounts()
            .unwrap()
    );
}

#[test]
fn an_ended_session_is_gone_and_its_access_tokens_are_revoked() {
    let store = SqliteStore::in_memory().unwrap();
    assert!(store.add_account(&account("alice")).unwrap());
    assert!(store.begin_session(session("s", "r"), 1, 1_000).unwrap());
    store.end_session("s", AT).unwrap();
    assert!(store.session("s").unwrap().is_none());
    assert!(standing(&store, "x", Some("s")).revoked);
    // Until its last access token has expired, which is later than asked for.
    let at = |now| Moment { now, forget: now };
    store.revoke_token("y", at(3_000)).unwrap();
    assert!(standing(&store, "x", Some("s")).revoked);
    store.revoke_token("y", at(3_001)).unwrap();
    assert!(!standing(&store, "x", Some("s")).revoked);
}

#[test]
fn a_new_password_replaces_the_old_one() {
    let store = SqliteStore::in_memory().unwrap();
    assert!(store.add_account(&account("alice")).unwrap());
    let new = PasswordHash {
        salt: vec![3; 16],
        hash: vec![4; 32],
        memory: 2048,
        passes: 5,
        lanes: 6,
    };
    let change = Change::Password(new.clone());
    assert!(store.change_account("alice", &change, AT).unwrap());
    assert_eq!(store.account("alice").unwrap().unwrap().password, new);
}

#[test]
fn after_a_failed_change_writing_is_tried_again() {
    let place = Place::made();
    let store = SqliteStore::open(&place.folder).unwrap().unwrap();
    let Pool::File { last_change, .. } = &store.pool else {
        panic!("not in a file");
    };
    let fail = || {
        let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
        last_change.note::<()>(&Err(rusqlite::Error::SqliteFailure(full, None)));
        assert!(last_change.failed());
    };
    let generation = store.generation().unwrap();
    assert_eq!(store.check_writable(), Ok(()));
    fail();
    // Another process is changing the store: it is writable.
    let other = rusqlite::Connection::open(place.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(store.check_writable(), Ok(()));
    drop(other);
    fail();
    assert_eq!(store.check_writable(), Ok(()));
    assert!(!last_change.failed());
    assert_eq!(store.generation(), Ok(generation), "nobody sees the test");
    // A connection that may not write; without doubt nobody tries to.
    store
        .pool
        .with(|connection| connection.pragma_update(None, "query_only", true))
        .unwrap();
    assert_eq!(store.check_writable(), Ok(()));
    fail();
    let refused = store.check_writable();
    assert!(matches!(refused, Err(Error::Store(said)) if said.contains("write permission")));
    assert!(last_change.failed());
}

#[test]
fn idle_connections_are_kept_up_to_a_limit() {
    let place = Place::made();
    let store = SqliteStore::open(&place.folder).unwrap().unwrap();
    let idle = || match &store.pool {
        Pool::File { idle, .. } => idle.lock().unwrap().len(),
        Pool::Memory(_) => panic!("not in a file"),
    };
    /// Holds this many connections at once.
    fn nested(store: &SqliteStore, deep: usize) {
        if deep > 0 {
            let inside = store.pool.with(|_| {
                nested(store, deep - 1);
                Ok(())
            });
            inside.unwrap();
        }
    }
    for (deep, kept) in [(1, 1), (3, 3), (1, 3), (9, 4)] {
        nested(&store, deep);
        assert_eq!(idle(), kept, "after {deep} at once");
    }
}

#[test]
fn a_change_that_removes_rights_revokes_the_tokens() {
    let password = account("x").password;
    let rehash = |version| Change::Rehash {
        password: password.clone(),
        version,
    };
    let claims = |json: &str| Change::Claims(json.to_owned());
    for (change, takes_back) in [
        (Change::Password(password.clone()), true),
        (rehash(1), false),
        (Change::Scope("encrypt decrypt admin".to_owned()), false),
        (Change::Scope("encrypt".to_owned()), true),
        (Change::Scope(String::new()), true),
        (claims(r#"{"a":1,"b":"x","more":[]}"#), false),
        (claims(r#"{"b":"x","a":1}"#), false),
        (claims(r#"{"a":1}"#), true),
        (claims(r#"{"a":2,"b":"x"}"#), true),
        (claims("{}"), true),
        (Change::Disabled(true), true),
        (Change::Disabled(false), false),
        (Change::Removed, true),
    ] {
        let store = SqliteStore::in_memory().unwrap();
        let alice = Account {
            claims: r#"{"a":1,"b":"x"}"#.to_owned(),
            ..account("alice")
        };
        assert!(store.add_account(&alice).unwrap());
        assert!(store.begin_session(session("s", "r1"), 1, 1_000).unwrap());
        assert!(store.change_account("alice", &change, AT).unwrap());
        if let (Change::Claims(new), Some(alice)) = (&change, store.account("alice").unwrap()) {
            assert_eq!((&alice.claims, alice.version), (new, 2));
        }
        let back = store.revoked_before("alice").unwrap();
        assert_eq!(back, takes_back.then_some(AT.now), "{change:?}");
        let lives = store.session("s").unwrap().is_some();
        assert_eq!(lives, !takes_back, "{change:?}");
    }
    let store = SqliteStore::in_memory().unwrap();
    assert!(store.add_account(&account("alice")).unwrap());
    assert!(!store.change_account("alice", &rehash(2), AT).unwrap());
    assert!(
        !store
            .change_account("nobody", &Change::Removed, AT)
            .unwrap()
    );
    assert!(!store.add_account(&account("alice")).unwrap());
}

#[test]
fn users_and_clients_are_changed_and_listed_apart() {
    let store = SqliteStore::in_memory().unwrap();
    assert!(store.add_account(&account("alice")).unwrap());
    let client = Account {
        kind: AccountKind::Client,
        ..account("shop")
    };
    assert!(store.add_account(&client).unwrap());
    assert_eq!(store.account("shop").unwrap(), Some(client.clone()));
    let same_name = Account {
        kind: AccountKind::User,
        ..client
    };
    assert!(
        !store.add_account(&same_name).unwrap(),
        "a name has one kind"
    );
    for (kind, name) in [(AccountKind::User, "alice"), (AccountKind::Client, "shop")] {
        let listed = store.accounts(kind, "", 10).unwrap();
        let names: Vec<&str> = listed.iter().map(|account| &*account.name).collect();
        assert_eq!(names, [name]);
    }
    for change in [
        Change::Password(account("x").password),
        Change::Scope("admin".to_owned()),
        Change::Disabled(true),
        Change::Removed,
    ] {
        let before = ["alice", "shop"].map(|name| store.account(name).unwrap());
        assert!(!store.change_account("shop", &change, AT).unwrap());
        assert!(!store.change_client("alice", &change, AT).unwrap());
        let after = ["alice", "shop"].map(|name| store.account(name).unwrap());
        assert_eq!(before, after, "{change:?}");
    }
    assert!(store.change_client("shop", &Change::Removed, AT).unwrap());
    assert_eq!(store.revoked_before("shop").unwrap(), Some(AT.now));
    assert!(store.account("alice").unwrap().is_some());
}

#[test]
fn a_login_succeeds_only_for_the_account_as_it_was_checked() {
    let store = SqliteStore::in_memory().unwrap();
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

#[test]
fn a_session_is_changed_as_decided_from_what_was_read() {
    let store = SqliteStore::in_memory().unwrap();
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
    assert!(!standing(&store, "x", Some("s")).revoked);
    assert_eq!(
        change("s", SessionChange::End(AT)),
        Some(stored("r2", 6_000))
    );
    assert_eq!(store.session("s").unwrap(), None);
    assert!(standing(&store, "x", Some("s")).revoked);
    assert!(
        store.generation().unwrap() > generation,
        "other processes notice"
    );
    assert!(store.begin_session(session("u", "r1"), 1, 1_000).unwrap());
    let disable = "UPDATE accounts SET disabled = 1";
    store
        .change(|change| change.execute(disable, []).map(drop))
        .unwrap();
    assert!(!store.session("u").unwrap().unwrap().enabled);
}

#[test]
fn the_sessions_of_a_user_are_listed_until_they_expire() {
    let store = SqliteStore::in_memory().unwrap();
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

#[test]
fn when_an_account_was_unlocked_is_kept_for_a_while() {
    let store = SqliteStore::in_memory().unwrap();
    assert!(!store.unlock("alice", 1_000_000, AT).unwrap());
    assert_eq!(store.unlocked("alice").unwrap(), None);
    assert!(store.add_account(&account("alice")).unwrap());
    assert!(store.unlock("alice", 1_000_000, AT).unwrap());
    assert!(store.unlock("alice", 1_000_007, AT).unwrap());
    assert_eq!(store.unlocked("alice").unwrap(), Some(1_000_007));
    assert_eq!(store.unlocked("bob").unwrap(), None);
    let later = Moment {
        now: 2_001,
        forget: 2_002,
    };
    store.revoke_token("t", later).unwrap();
    assert_eq!(store.unlocked("alice").unwrap(), None);
}

#[test]
fn sessions_per_account_are_limited_and_the_oldest_is_dropped() {
    let store = SqliteStore::in_memory().unwrap();
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

#[test]
fn revocations_are_kept_until_they_expire_and_then_removed() {
    let store = SqliteStore::in_memory().unwrap();
    let rows = || -> i64 {
        store
            .pool
            .with(|connection| {
                connection.query_row(
                    "SELECT (SELECT count(*) FROM revoked_tokens) + (SELECT count(*) FROM revoked_users)
                         + (SELECT count(*) FROM sessions)",
                    [],
                    |row| row.get(0),
                )
            })
            .unwrap()
    };
    for n in 0..50 {
        store.revoke_token(&format!("t{n}"), AT).unwrap();
    }
    store.revoke_user("alice", AT).unwrap();
    assert_eq!(rows(), 51);
    assert!(standing(&store, "t7", None).revoked);
    assert_eq!(standing(&store, "x", None).revoked_before, Some(1_000));
    let at = |now| Moment {
        now,
        forget: now + 1,
    };
    store.revoke_token("last", at(2_000)).unwrap();
    assert_eq!(rows(), 52, "kept until the very end");
    store.revoke_token("very last", at(2_002)).unwrap();
    assert_eq!(rows(), 1);
    // A second revocation does not shorten the first.
    store
        .revoke_token(
            "very last",
            Moment {
                now: 2_002,
                forget: 0,
            },
        )
        .unwrap();
    assert!(standing(&store, "very last", None).revoked);
}

#[test]
fn concurrent_changes_lose_nothing() {
    let place = Place::made();
    let stores = [(); 2].map(|()| SqliteStore::open(&place.folder).unwrap().unwrap());
    std::thread::scope(|scope| {
        for (number, store) in stores.iter().chain(&stores).enumerate() {
            scope.spawn(move || {
                for n in 0..10 {
                    assert!(
                        store
                            .add_account(&account(&format!("{number}-{n}")))
                            .unwrap()
                    );
                }
            });
        }
    });
    assert_eq!(
        stores[0]
            .accounts(AccountKind::User, "", 100)
            .unwrap()
            .len(),
        41
    );
    assert_eq!(
        stores[0]
            .accounts(AccountKind::User, "3-8", 100)
            .unwrap()
            .len(),
        2
    );
}
