//! What a gate learns from its store: which tokens are refused, when a new one may be issued, and that changes of others are
//! noticed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::store::{Account, Change, Moment, STORE_FILE, SqliteStore};

fn settings(folder: Option<&Path>, ephemeral: bool) -> Settings {
    Settings {
        data_dir: folder.map(Path::to_owned),
        ephemeral,
        open_login: false,
        ..Default::default()
    }
}

fn in_memory(open_login: bool) -> Ledger {
    Ledger::new(&Settings {
        open_login,
        ..settings(None, true)
    })
}

fn account(name: &str) -> Account {
    Account::example(name, "")
}

fn at(now: u64) -> Moment {
    Moment {
        now,
        forget: u64::MAX,
    }
}

fn presented(issued_at: Option<u64>) -> Presented<'static> {
    Presented {
        id: "token",
        session: Some("session"),
        subject: "alice",
        issued_at,
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn without_a_place_for_a_store_nothing_is_refused_and_nothing_can_be_stored() {
    let ledger = Ledger::new(&settings(None, false));
    assert_eq!(ledger.epoch(), Some(0));
    assert!(ledger.reading().unwrap().is_none());
    assert!(matches!(ledger.writing(), Err(Error::Setting(_))));
    assert_eq!(ledger.check(presented(None)), Ok(()));
    assert!(!ledger.wants_passwords() && ledger.is_writable());
    assert_eq!(ledger.look(), None);
}

#[test]
fn a_store_is_created_by_the_first_change_and_not_before() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("state");
    let ledger = Ledger::new(&settings(Some(&folder), false));
    assert!(ledger.reading().unwrap().is_none() && ledger.is_writable());
    assert_eq!(ledger.check(presented(None)), Ok(()));
    assert!(!folder.exists());
    ledger
        .writing()
        .unwrap()
        .revoke_user("bob", at(1_000))
        .unwrap();
    assert!(folder.join(STORE_FILE).exists());
    assert!(ledger.reading().unwrap().is_some());
}

#[test]
fn with_ephemeral_keys_only_a_store_that_exists_is_used() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("state");
    let ephemeral = || Ledger::new(&settings(Some(&folder), true));
    ephemeral()
        .writing()
        .unwrap()
        .revoke_user("alice", at(1_000))
        .unwrap();
    assert!(!folder.exists(), "it was in memory");
    let kept = Ledger::new(&settings(Some(&folder), false));
    kept.writing()
        .unwrap()
        .revoke_user("alice", at(1_000))
        .unwrap();
    let refused = ephemeral().check(presented(Some(1_000)));
    assert_eq!(refused, Err(TokenError::Revoked));
    // One that cannot be examined is not used, and left as it is.
    let broken = home.path().join("broken");
    fs::create_dir_all(broken.join(STORE_FILE)).unwrap();
    let ledger = Ledger::new(&settings(Some(&broken), true));
    ledger
        .writing()
        .unwrap()
        .revoke_user("alice", at(1_000))
        .unwrap();
    assert!(broken.join(STORE_FILE).is_dir());
}

#[test]
fn a_change_by_another_process_is_noticed() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("state");
    let ledger = Ledger::new(&settings(Some(&folder), false));
    assert_eq!(ledger.epoch(), Some(0));
    let other = SqliteStore::open_or_make(&folder).unwrap();
    let noticed = |what: &str, is: &dyn Fn() -> bool| {
        let most = Instant::now() + Duration::from_secs(60);
        while !is() {
            assert!(Instant::now() < most, "{what} is never noticed");
            thread::sleep(Duration::from_millis(10));
        }
    };
    noticed("a new store", &|| ledger.epoch() != Some(0));
    assert!(!ledger.wants_passwords());
    let before = ledger.epoch();
    assert!(other.add_account(&account("alice")).unwrap());
    noticed("an account", &|| ledger.epoch() != before);
    assert!(ledger.wants_passwords());
    // They stay required after the last account is removed.
    other
        .change_account("alice", &Change::Removed, at(1))
        .unwrap();
    assert_eq!(ledger.look(), None);
    assert!(ledger.wants_passwords());
}

#[test]
fn open_login_never_requires_passwords() {
    for open_login in [false, true] {
        let ledger = in_memory(open_login);
        assert!(!ledger.wants_passwords());
        let store = ledger.writing().unwrap();
        assert!(store.add_account(&account("alice")).unwrap());
        assert_eq!(ledger.look(), None);
        assert_eq!(ledger.wants_passwords(), !open_login);
    }
}

#[test]
fn while_the_store_cannot_be_used_no_token_is_accepted_or_issued() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("state");
    drop(SqliteStore::open_or_make(&folder).unwrap());
    let file = folder.join(STORE_FILE);
    set_mode(&file, 0o644);
    let ledger = Ledger::new(&settings(Some(&folder), false));
    assert!(matches!(ledger.look(), Some(Error::Store(_))));
    assert_eq!(ledger.epoch(), None);
    assert_eq!(ledger.check(presented(None)), Err(TokenError::Unchecked));
    assert!(matches!(ledger.issue_time("alice"), Err(Error::Store(_))));
    assert!(ledger.was_writable(), "not checked yet");
    assert!(!ledger.is_writable() && !ledger.was_writable());
    set_mode(&file, 0o600);
    assert_eq!(ledger.look(), None);
    assert!(ledger.epoch().is_some_and(|epoch| epoch > 0));
    assert_eq!(ledger.check(presented(None)), Ok(()));
    assert!(ledger.issue_time("alice").is_ok());
    ledger.asked.store(NEVER, Ordering::Relaxed);
    assert!(ledger.is_writable() && ledger.was_writable());
}

#[test]
fn a_revoked_token_is_refused() {
    let now = unix_now();
    for id in ["token", "session"] {
        let ledger = in_memory(false);
        let check = || ledger.check(presented(Some(now)));
        ledger
            .writing()
            .unwrap()
            .revoke_token("another", at(now))
            .unwrap();
        assert_eq!(check(), Ok(()));
        ledger.writing().unwrap().revoke_token(id, at(now)).unwrap();
        assert_eq!(check(), Err(TokenError::Revoked), "{id}");
    }
    let ledger = in_memory(false);
    let store = ledger.writing().unwrap();
    store.revoke_user("bob", at(now)).unwrap();
    assert_eq!(ledger.check(presented(Some(now))), Ok(()));
    store.revoke_user("alice", at(now)).unwrap();
    for (issued, accepted) in [
        (None, false),
        (Some(now - 1), false),
        (Some(now), false),
        (Some(now + 1), true),
    ] {
        let check = ledger.check(presented(issued));
        assert_eq!(check.is_ok(), accepted, "{issued:?}");
        assert_eq!(check.err(), (!accepted).then_some(TokenError::Revoked));
    }
}

#[test]
fn once_accounts_exist_a_user_needs_one_that_is_enabled() {
    for (open_login, without) in [(false, Err(TokenError::NoAccount)), (true, Ok(()))] {
        let ledger = in_memory(open_login);
        let store = ledger.writing().unwrap();
        let check = || ledger.check(presented(Some(u64::MAX >> 1)));
        assert_eq!(check(), Ok(()), "no accounts yet");
        assert!(store.add_account(&account("bob")).unwrap());
        assert_eq!(check(), without);
        assert!(store.add_account(&account("alice")).unwrap());
        assert_eq!(check(), Ok(()));
        store
            .change_account("alice", &Change::Disabled(true), at(1))
            .unwrap();
        assert_eq!(check(), Err(TokenError::Revoked));
        store
            .change_account("alice", &Change::Disabled(false), at(1))
            .unwrap();
        assert_eq!(check(), Ok(()));
    }
}

#[test]
fn a_new_token_is_issued_later_than_the_last_revocation() {
    let ledger = in_memory(false);
    let store = ledger.writing().unwrap();
    store.revoke_user("alice", at(unix_now())).unwrap();
    assert_eq!(ledger.look(), None);
    let before = store.revoked_before("alice").unwrap().unwrap();
    let issued = ledger.issue_time("alice").unwrap();
    assert!(issued > before && issued <= unix_now());
    // Others do not wait for it. On a stalled machine one call may take long, but not all.
    let waits = |user: &str| {
        let start = Instant::now();
        let issued = ledger.issue_time(user).unwrap();
        assert!(issued <= unix_now());
        start.elapsed() > Duration::from_secs(1)
    };
    assert!(!(0..5).all(|_| waits("bob")));
    assert!(!(0..5).all(|_| waits("alice")), "it is over");
}

#[test]
fn after_a_clock_was_set_back_a_login_waits_a_second_and_no_longer() {
    let ledger = in_memory(false);
    let later = unix_now() + 3_600;
    let store = ledger.writing().unwrap();
    store.revoke_user("alice", at(later)).unwrap();
    assert_eq!(ledger.look(), None);
    let issued = ledger.issue_time("alice").unwrap();
    assert!(issued <= unix_now(), "it keeps to the clock");
    let presented = presented(Some(issued));
    assert_eq!(ledger.check(presented), Err(TokenError::Revoked));
}

#[test]
fn a_check_is_due_at_first_and_then_once_it_is_old_enough() {
    let last = AtomicU64::new(NEVER);
    assert!(is_due(&last, u64::MAX));
    let first = last.load(Ordering::Relaxed);
    assert_ne!(first, NEVER);
    assert!(!is_due(&last, 3_600_000), "an hour has not passed");
    assert_eq!(last.load(Ordering::Relaxed), first);
    last.fetch_sub(1_000, Ordering::Relaxed);
    assert!(is_due(&last, 1_000));
    assert!(last.load(Ordering::Relaxed) >= first);
}

#[test]
fn with_a_stopped_clock_each_revocation_is_followed_by_a_second_of_its_own() {
    let year_10000 = 253_402_300_799;
    for (now, before, next) in [
        (0, 0, Some(1)),
        (0, 5, Some(6)),
        (year_10000, year_10000 + 3, Some(year_10000 + 4)),
        (year_10000, year_10000, Some(year_10000 + 1)),
        (year_10000, 1_000, None),
        // A clock that runs reaches that time by itself.
        (1_000, 1_000, None),
        (1_000, 5_000, None),
    ] {
        assert_eq!(next_of_a_stopped_clock(now, before), next, "{now} {before}");
    }
}
