//! The log of changes in a real PostgreSQL: nothing is missed, and nobody is asked about what is known.

use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use super::super::client::calls as client_calls;
use super::*;
use crate::TokenError;
use crate::store::following::Following;
use crate::store::shared::{Entry, Feed, News, Node, Position};

const AT: Moment = Moment {
    now: 1_000,
    forget: 9_999_999_999,
};

fn ids(news: &News) -> Vec<&str> {
    let News::Changes { entries, .. } = news else {
        panic!("{news:?}");
    };
    let mut ids: Vec<&str> = entries
        .iter()
        .map(|entry| match entry {
            Entry::Token { id, .. } => id.as_str(),
            Entry::User { name, .. } | Entry::Account { name, .. } => name.as_str(),
        })
        .collect();
    ids.sort_unstable();
    ids
}

fn position(news: &News) -> Position {
    match news {
        News::Changes { position, .. } => position.clone(),
        News::Lost => panic!("lost"),
    }
}

fn following(place: &Place) -> Following {
    let settings = SharedSettings {
        timeout: Duration::from_secs(60),
        stale: Duration::from_secs(3_600),
        ..SharedSettings::default()
    };
    Following::new(Arc::new(place.store()), &settings).unwrap()
}

fn presented<'a>(id: &'a str, subject: &'a str) -> Presented<'a> {
    Presented {
        id,
        session: None,
        subject,
        issued_at: Some(2_000),
    }
}

fn within_a_minute(what: &str, is: impl Fn() -> bool) {
    let given_up = Instant::now() + Duration::from_secs(60);
    while !is() {
        assert!(Instant::now() < given_up, "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_change_that_begins_first_and_is_committed_last_is_not_missed_and_none_is_read_twice() {
    let place = Place::new();
    let store = place.store();
    let (mut since, _) = store.snapshot(&mut |_| ()).unwrap();
    let (has_begun, begun) = channel();
    let (go_on, goes_on) = channel::<()>();
    let other = place.store();
    let late = thread::spawn(move || {
        other.change(|change| {
            revoke_token(change, "late", AT.forget)?;
            has_begun.send(()).unwrap();
            goes_on.recv().unwrap();
            Ok(())
        })
    });
    begun.recv().unwrap();
    for id in ["a", "b", "c"] {
        store.revoke_token(id, AT).unwrap();
        let news = store.news(&since).unwrap();
        assert_eq!(ids(&news), [id]);
        since = position(&news);
    }
    let before = store.snapshot(&mut |entry| {
        assert!(!matches!(entry, Entry::Token { id, .. } if id == "late"));
    });
    go_on.send(()).unwrap();
    late.join().unwrap().unwrap();
    for since in [since, before.unwrap().0] {
        let news = store.news(&since).unwrap();
        assert_eq!(ids(&news), ["late"]);
        assert!(ids(&store.news(&position(&news)).unwrap()).is_empty());
    }
}

#[test]
fn an_account_is_reported_as_it_is_and_not_as_the_log_has_it() {
    let place = Place::new();
    let store = place.store();
    let (since, facts) = store.snapshot(&mut |_| ()).unwrap();
    assert!(!facts.accounts);
    assert!(store.add_account(&Account::example("alice", "")).unwrap());
    for disabled in [true, false, true] {
        let change = Change::Disabled(disabled);
        assert!(store.change_account("alice", &change, AT).unwrap());
    }
    let state = |wanted: Option<bool>| {
        let News::Changes { entries, facts, .. } = store.news(&since).unwrap() else {
            panic!("lost");
        };
        assert!(facts.accounts);
        let accounts = entries.iter().filter_map(|entry| match entry {
            Entry::Account { disabled, .. } => Some(*disabled),
            _ => None,
        });
        let accounts: Vec<_> = accounts.collect();
        assert!(accounts.len() > 3 && accounts.iter().all(|it| *it == wanted));
    };
    state(Some(true));
    let mut disabled = Vec::new();
    store
        .snapshot(&mut |entry| {
            disabled.extend(matches!(entry, Entry::Account { .. }).then_some(entry))
        })
        .unwrap();
    assert_eq!(
        disabled,
        [Entry::Account {
            name: "alice".to_owned(),
            disabled: Some(true),
        }]
    );
    assert!(store.change_account("alice", &Change::Removed, AT).unwrap());
    state(None);
}

#[test]
fn a_pruned_log_a_crash_and_another_server_are_noticed() {
    let place = Place::new();
    let store = place.store();
    let (since, _) = store.snapshot(&mut |_| ()).unwrap();
    store.revoke_token("a", AT).unwrap();
    // Not old enough.
    store.maintain().unwrap();
    assert_eq!(ids(&store.news(&since).unwrap()), ["a"]);
    place.sql("UPDATE sealgate.changes SET made = made - interval '1 hour'");
    // Transactions of other tests may be older.
    within_a_minute("removal", || {
        store.maintain().unwrap();
        place.sql("SELECT count(*) FROM sealgate.changes") == "0"
    });
    assert!(matches!(store.news(&since), Ok(News::Lost)));
    let now = || store.snapshot(&mut |_| ()).unwrap().0;
    within_a_minute("a newer position", || {
        matches!(store.news(&now()), Ok(News::Changes { .. }))
    });
    let now = now();
    // A crash empties the table with the server's mark.
    place.sql("TRUNCATE sealgate.server");
    assert!(matches!(store.news(&now), Ok(News::Lost)));
    let (again, _) = store.snapshot(&mut |_| ()).unwrap();
    assert_ne!(again.server, now.server);
    assert!(matches!(store.news(&now), Ok(News::Lost)));
    assert!(matches!(store.news(&again), Ok(News::Changes { .. })));
}

#[test]
fn while_a_transaction_goes_on_the_entries_after_it_stay_in_the_log() {
    let place = Place::new();
    let store = place.store();
    let (has_begun, begun) = channel();
    let (go_on, goes_on) = channel::<()>();
    let other = place.store();
    let long = thread::spawn(move || {
        other.change(|change| {
            revoke_token(change, "long", AT.forget)?;
            has_begun.send(()).unwrap();
            goes_on.recv().unwrap();
            Ok(())
        })
    });
    begun.recv().unwrap();
    store.revoke_token("a", AT).unwrap();
    let (since, _) = store.snapshot(&mut |_| ()).unwrap();
    place.sql("UPDATE sealgate.changes SET made = made - interval '1 hour'");
    store.maintain().unwrap();
    assert_eq!(place.sql("SELECT count(*) FROM sealgate.changes"), "1");
    assert!(matches!(store.news(&since), Ok(News::Changes { .. })));
    go_on.send(()).unwrap();
    long.join().unwrap().unwrap();
    assert_eq!(ids(&store.news(&since).unwrap()), ["long"]);
}

#[test]
fn more_pages_than_one_are_read() {
    let place = Place::new();
    let store = place.store();
    store.snapshot(&mut |_| ()).unwrap();
    place.sql(
        "INSERT INTO sealgate.revoked_tokens SELECT 't' || n, 9999999999 FROM generate_series(1, 45000) AS n;
         INSERT INTO sealgate.revoked_users SELECT 'u' || n, 7, 9999999999 FROM generate_series(1, 20000) AS n",
    );
    let mut seen = std::collections::BTreeSet::new();
    store
        .snapshot(&mut |entry| match entry {
            Entry::Token { id, .. } => assert!(seen.insert(id)),
            Entry::User {
                name, before: 7, ..
            } => assert!(seen.insert(name)),
            other => panic!("{other:?}"),
        })
        .unwrap();
    assert_eq!(seen.len(), 65_000);
}

#[test]
fn processes_that_are_alive_are_counted() {
    let place = Place::new();
    let store = place.store();
    let node = |id: &str| Node {
        id: id.to_owned(),
        host: "here".to_owned(),
    };
    assert_eq!(store.report(&node("a")).unwrap(), 1);
    assert_eq!(store.report(&node("b")).unwrap(), 2);
    assert_eq!(store.report(&node("a")).unwrap(), 2);
    place.sql("UPDATE sealgate.nodes SET seen = seen - interval '1 minute' WHERE id = 'a'");
    assert_eq!(store.report(&node("b")).unwrap(), 1);
    place.sql("UPDATE sealgate.nodes SET seen = seen - interval '2 days' WHERE id = 'a'");
    store.maintain().unwrap();
    assert_eq!(place.sql("SELECT id FROM sealgate.nodes"), "b");
}

#[test]
fn a_revocation_reaches_others_and_known_users_cost_no_call() {
    let place = Place::new();
    let (here, there) = (following(&place), following(&place));
    let store = place.store();
    for name in ["alice", "bob"] {
        assert!(store.add_account(&Account::example(name, "")).unwrap());
    }
    let check = |id: &str, name: &str| there.check(presented(id, name), true);
    within_a_minute("the accounts", || {
        there.epoch().is_some() && there.has_had_accounts() && there.api_key_changes() > 0
    });
    assert_eq!(check("token", "alice"), Ok(()));
    assert_eq!(check("token", "carol"), Err(TokenError::NoAccount));
    assert_eq!(check("token", "bob"), Ok(()));
    let before = client_calls();
    for number in 0..100 {
        let id = number.to_string();
        let epoch = there.epoch();
        here.store().revoke_token(&id, AT).unwrap();
        let own = client_calls();
        within_a_minute("a revocation", || there.epoch() != epoch);
        assert_eq!(check(&id, "alice"), Err(TokenError::Revoked));
        assert_eq!(check("token", "alice"), Ok(()));
        assert_eq!(check("token", "carol"), Err(TokenError::NoAccount));
        assert_eq!(there.revoked_before("alice").unwrap(), None);
        assert_eq!(client_calls(), own, "nobody was asked");
    }
    assert!(client_calls() > before, "changes are counted as calls");
    // What was made elsewhere reaches the names, too.
    let change = Change::Disabled(true);
    assert!(store.change_account("bob", &change, AT).unwrap());
    within_a_minute("a disabled account", || check("token", "bob").is_err());
    let epoch = there.account_epoch();
    assert!(store.add_account(&Account::example("carol", "")).unwrap());
    within_a_minute("a new account", || check("token", "carol").is_ok());
    assert!(there.account_epoch() > epoch);
    let odd = "from\0afar";
    store.revoke_token(odd, AT).unwrap();
    within_a_minute("an odd id", || check(odd, "alice").is_err());
}

#[test]
fn an_own_change_counts_at_once_even_if_the_store_is_lost_right_after() {
    let cluster = Cluster::with("fsync = off\n");
    let url = StoreUrl::parse(cluster.database().as_bytes()).unwrap();
    let settings = SharedSettings {
        url: Some(url),
        timeout: Duration::from_secs(30),
        stale: Duration::from_secs(3_600),
        ..SharedSettings::default()
    };
    let store = open(settings.url.as_ref().unwrap(), &settings).unwrap();
    let following = Following::new(store, &settings).unwrap();
    within_a_minute("the first reading", || following.epoch().is_some());
    assert_eq!(following.check(presented("token", "alice"), true), Ok(()));
    let epoch = following.epoch();
    drop(cluster);
    following.apply(&[Entry::Token {
        id: "token".to_owned(),
        expires: AT.forget,
    }]);
    assert_ne!(following.epoch(), epoch);
    assert_eq!(
        following.check(presented("token", "alice"), true),
        Err(TokenError::Revoked)
    );
    assert_eq!(following.check(presented("other", "alice"), true), Ok(()));
    within_a_minute("the loss", || !following.health().is_up);
}

/// Tokens would be refused meanwhile, for the same thread reads what is revoked.
#[test]
fn reports_wait_for_no_standby_that_is_gone() {
    let more = "fsync = off\nsynchronous_commit = off\nsynchronous_standby_names = 'gone'\n";
    let cluster = Cluster::with(more);
    let address = cluster.database();
    let first = store(&address);
    assert!(first.add_account(&Account::example("alice", "")).unwrap());
    drop(first);
    let (_, name) = address.rsplit_once('/').unwrap();
    cluster.sql(
        "postgres",
        &format!("ALTER DATABASE {name} SET synchronous_commit = on"),
    );
    let url = StoreUrl::parse(address.as_bytes()).unwrap();
    let settings = SharedSettings {
        timeout: Duration::from_secs(2),
        ..SharedSettings::default()
    };
    let store = PostgresStore::new(&url, &settings).unwrap();
    assert!(
        store.add_account(&Account::example("bob", "")).is_err(),
        "commits wait"
    );
    let node = Node {
        id: "a".to_owned(),
        host: "here".to_owned(),
    };
    let store = PostgresStore::new(&url, &settings).unwrap();
    assert_eq!(store.report(&node).unwrap(), 1);
    store.maintain().unwrap();
}
