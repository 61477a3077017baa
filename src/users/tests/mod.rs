//! Accounts: who can log in, and which passwords are acceptable. `hashes` has the hashes of passwords and what they cost.

mod hashes;

use std::time::{Duration, Instant};

use super::*;
use crate::Config;

/// With cheap hashes: their cost is not under test.
const CHEAP: &[(&str, &str)] = &[("password_memory", "1024"), ("password_passes", "1")];

pub(super) fn users(folder: &std::path::Path, settings: &[(&str, &str)]) -> Users {
    let mut config = Config::new();
    config
        .set("data_dir", folder.join("state").to_str().unwrap())
        .unwrap();
    for (name, value) in CHEAP.iter().chain(settings) {
        config.set(name, value).unwrap();
    }
    let gate = config.settings().unwrap().gate;
    Users::new(&gate.users, &gate.store).unwrap()
}

pub(super) const PASSWORD: &str = "a quiet harbour";

#[test]
fn passwords_are_8_to_128_characters_and_not_common() {
    let folder = tempfile::tempdir().unwrap();
    let users = users(folder.path(), &[]);
    let long = "ü".repeat(128);
    let too_long = "ü".repeat(129);
    let harbour = "a quiet harbour";
    for wrong in [
        "",
        "1234567",
        "ééééééé",
        &too_long,
        "password",
        "PassWord1",
        "Harbour-17",
    ] {
        let refused = users.add("harbour-17", &wrong.into(), "");
        assert!(matches!(refused, Err(Error::WeakPassword(_))), "{wrong}");
    }
    assert!(matches!(
        users.add("x", &Secret::new(vec![0xff; 20]), ""),
        Err(Error::WeakPassword(_))
    ));
    for (name, good) in [
        ("a", &long[..]),
        ("b", "        "),
        ("c", "12345678 12345678"),
        ("d", harbour),
    ] {
        users.add(name, &good.into(), "").unwrap();
    }
    assert!(users.set_password("a", &"12345678".into()).is_err());
    for name in ["", "a\nb", &"x".repeat(257)] {
        assert!(users.add(name, &PASSWORD.into(), "").is_err());
    }
    for scope in ["a  b", " a", "a\tb", "ä"] {
        assert!(users.add("e", &PASSWORD.into(), scope).is_err(), "{scope}");
        assert!(users.set_scope("a", scope).is_err(), "{scope}");
    }
    assert!(matches!(
        users.add("a", &PASSWORD.into(), ""),
        Err(Error::UserExists)
    ));
}

#[test]
fn only_the_password_of_an_enabled_account_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let users = users(folder.path(), &[("lockout_after", "0")]);
    assert_eq!(
        users.check("alice", &PASSWORD.into(), ""),
        Err(Error::LoginFailed),
        "nobody yet"
    );
    assert!(
        !folder.path().join("state").exists(),
        "checking creates nothing"
    );
    users.add("alice", &PASSWORD.into(), "encrypt").unwrap();
    users.add("zoe", &"another harbour".into(), "").unwrap();
    let login = users.check("alice", &PASSWORD.into(), "").unwrap();
    assert_eq!((login.name(), login.scope()), ("alice", "encrypt"));
    let again = users.check("alice", &PASSWORD.into(), "").unwrap();
    assert_eq!(login.version(), again.version());
    let first = login.version();
    for (name, password) in [
        ("alice", "A quiet harbour"),
        ("alice", ""),
        ("alice", "a quiet harbour "),
        ("alice", "another harbour"),
        ("Alice", PASSWORD),
        ("bob", PASSWORD),
        // The account whose hash stands in for that of an unknown name.
        ("yan", "another harbour"),
        ("zz", PASSWORD),
        ("", PASSWORD),
    ] {
        assert_eq!(
            users.check(name, &password.into(), ""),
            Err(Error::LoginFailed),
            "{name}"
        );
    }
    assert!(users.set_disabled("alice", true).unwrap());
    assert_eq!(
        users.check("alice", &PASSWORD.into(), ""),
        Err(Error::LoginFailed)
    );
    assert!(users.set_disabled("alice", false).unwrap());
    assert!(
        users
            .set_password("alice", &"a stormy harbour".into())
            .unwrap()
    );
    assert_eq!(
        users.check("alice", &PASSWORD.into(), ""),
        Err(Error::LoginFailed)
    );
    let login = users.check("alice", &"a stormy harbour".into(), "");
    assert_eq!(login.unwrap().version(), first + 3, "after three changes");
    assert!(users.remove("alice").unwrap());
    assert_eq!(
        users.check("alice", &"a stormy harbour".into(), ""),
        Err(Error::LoginFailed)
    );
    for changed in [
        users.remove("alice"),
        users.set_disabled("alice", true),
        users.set_scope("alice", ""),
        users.set_password("alice", &PASSWORD.into()),
    ] {
        assert!(!changed.unwrap());
    }
    let listed: Vec<String> = users
        .list("", 10)
        .unwrap()
        .into_iter()
        .map(|user| user.name)
        .collect();
    assert_eq!(listed, ["zoe"]);
    assert_eq!(users.find("alice").unwrap(), None);
    let zoe = users.find("zoe").unwrap().unwrap();
    assert_eq!((&*zoe.name, &*zoe.scope, zoe.disabled), ("zoe", "", false));
}

#[test]
fn the_store_is_checked_and_backed_up_if_there_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let users = users(folder.path(), &[]);
    let backup = folder.path().join("backup");
    assert!(!users.check_store().unwrap());
    assert!(!users.back_up_store(&backup).unwrap() && !backup.exists());
    users.add("alice", &PASSWORD.into(), "").unwrap();
    assert!(users.check_store().unwrap());
    assert!(users.back_up_store(&backup).unwrap() && backup.exists());
    let store = folder.path().join("state").join(store::STORE_FILE);
    let settings = store::Settings {
        data_dir: Some(folder.path().join("state")),
        ..store::Settings::default()
    };
    assert_eq!(Users::check_access(&settings), Ok(()));
    std::fs::set_permissions(&store, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    assert!(matches!(
        Users::check_access(&settings),
        Err(Error::Store(_))
    ));
    assert_eq!(Users::check_access(&store::Settings::default()), Ok(()));
}

#[test]
fn guessing_is_delayed_by_name_and_place_whether_or_not_the_account_exists() {
    let folder = tempfile::tempdir().unwrap();
    let users = users(folder.path(), &[("lockout_after", "3")]);
    users.add("alice", &PASSWORD.into(), "").unwrap();
    let second = Duration::from_secs(1);
    for name in ["alice", "nobody"] {
        for _ in 0..3 {
            assert_eq!(
                users.check(name, &"wrong password".into(), "a"),
                Err(Error::LoginFailed)
            );
        }
        let failed = Instant::now();
        let right = users.check(name, &PASSWORD.into(), "a");
        let put_off =
            matches!(right, Err(Error::RateLimited { retry_after }) if retry_after <= second);
        // On a stalled machine the second may have passed.
        assert!(put_off || failed.elapsed() > second, "{name}: {right:?}");
    }
    assert!(
        users.check("alice", &PASSWORD.into(), "b").is_ok(),
        "from elsewhere"
    );
    std::thread::sleep(Duration::from_millis(1_050));
    assert!(
        users.check("alice", &PASSWORD.into(), "a").is_ok(),
        "not for good"
    );
}

#[test]
fn the_right_password_resets_the_count_of_wrong_ones() {
    let folder = tempfile::tempdir().unwrap();
    let users = users(folder.path(), &[("lockout_after", "3")]);
    users.add("alice", &PASSWORD.into(), "").unwrap();
    for _ in 0..4 {
        for _ in 0..2 {
            let wrong = users.check("alice", &"wrong password".into(), "a");
            assert_eq!(wrong, Err(Error::LoginFailed));
        }
        assert!(users.check("alice", &PASSWORD.into(), "a").is_ok());
    }
}

#[test]
fn claims_are_those_that_a_token_can_have() {
    let folder = tempfile::tempdir().unwrap();
    let users = users(folder.path(), &[]);
    let add = |name: &str, scope: &str, claims: &str| {
        users.add_with_claims(name, &PASSWORD.into(), scope, claims)
    };
    let found = |name: &str| users.find(name).unwrap().unwrap();
    for wrong in ["", "null", r#"{"sub": "root"}"#, r#"{"a": 1, "a": 1}"#] {
        assert!(matches!(
            add("alice", "", wrong),
            Err(Error::InvalidInput(_))
        ));
        assert!(matches!(
            users.set_claims("alice", wrong),
            Err(Error::InvalidInput(_))
        ));
    }
    assert_eq!(users.find("alice").unwrap(), None);
    assert_eq!(users.set_claims("alice", "{}"), Ok(false));
    add("alice", "encrypt", r#"{ "department": "ops" }"#).unwrap();
    assert_eq!(found("alice").claims, r#"{"department":"ops"}"#);
    let login = users.check("alice", &PASSWORD.into(), "").unwrap();
    assert_eq!(login.claims(), r#"{"department":"ops"}"#);
    assert_eq!(users.set_claims("alice", r#"{"level": 1}"#), Ok(true));
    assert_eq!(found("alice").claims, r#"{"level":1}"#);
    assert!(users.set_claims("alice", r#"{"Iss": 1}"#).is_err());
    assert_eq!(found("alice").claims, r#"{"level":1}"#);
    assert_eq!(users.set_claims("alice", "{}"), Ok(true));
    users.add("bob", &PASSWORD.into(), "").unwrap();
    assert_eq!(found("bob").claims, "{}");
    let login = users.check("bob", &PASSWORD.into(), "").unwrap();
    assert_eq!(login.claims(), "{}");
}

#[test]
fn an_account_has_no_more_claims_than_its_tokens_have_room_for() {
    let folder = tempfile::tempdir().unwrap();
    let users = users(folder.path(), &[]);
    let sized = |size: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(size - 8));
    let add = |name: &str, scope: &str, claims: &str| {
        users.add_with_claims(name, &PASSWORD.into(), scope, claims)
    };
    let too_large = |done: Result<(), Error>| {
        let said = done.unwrap_err().to_string();
        assert!(said.contains("too large for a token"), "{said}");
    };
    let scope = "s".repeat(1024);
    // A quotation mark takes two bytes of JSON, and the name is in the token twice.
    let name = "\"".repeat(256);
    let room = claims::MAX_IN_TOKEN - 2 * (2 * 256 + 2) - 1024;
    too_large(add(&name, &scope, &sized(room + 1)));
    add(&name, &scope, &sized(room)).unwrap();
    too_large(users.set_claims(&name, &sized(room + 1)).map(|_| ()));
    assert_eq!(users.set_scope(&name, ""), Ok(true));
    assert_eq!(users.set_claims(&name, &sized(room + 1)), Ok(true));
    too_large(users.set_scope(&name, &scope).map(|_| ()));
    // Without claims there is always room.
    assert_eq!(users.set_claims(&name, "{}"), Ok(true));
    assert_eq!(users.set_scope(&name, &scope), Ok(true));
}

#[test]
fn a_user_changes_the_own_password_and_only_with_the_current_one() {
    let folder = tempfile::tempdir().unwrap();
    let users = users(folder.path(), &[("lockout_after", "0")]);
    let change = |name: &str, current: &str, new: &str| {
        users.change_password(name, &current.into(), &new.into(), "")
    };
    let new = "a stormy harbour";
    assert_eq!(change("alice", PASSWORD, new), Err(Error::LoginFailed));
    users.add("alice", &PASSWORD.into(), "encrypt").unwrap();
    for (name, current) in [
        ("alice", new),
        ("alice", ""),
        ("Alice", PASSWORD),
        ("", PASSWORD),
    ] {
        let refused = change(name, current, new);
        assert_eq!(refused, Err(Error::LoginFailed), "{name} {current}");
    }
    for weak in ["", "1234567", "iloveyou1"] {
        let refused = change("alice", PASSWORD, weak);
        assert!(matches!(refused, Err(Error::WeakPassword(_))), "{weak}");
    }
    let before = users.check("alice", &PASSWORD.into(), "").unwrap();
    change("alice", PASSWORD, new).unwrap();
    assert!(users.check("alice", &PASSWORD.into(), "").is_err());
    let login = users.check("alice", &new.into(), "").unwrap();
    assert_eq!(login.scope(), "encrypt");
    assert_eq!(login.version(), before.version() + 1);
    assert!(users.set_disabled("alice", true).unwrap());
    assert_eq!(change("alice", new, PASSWORD), Err(Error::LoginFailed));
}

/// Of an administrator and a user who set a password at the same time, the administrator must not lose.
#[test]
fn an_own_password_is_not_changed_once_the_account_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let users = users(folder.path(), &[]);
    users.add("alice", &PASSWORD.into(), "").unwrap();
    let checked = users.check("alice", &PASSWORD.into(), "").unwrap();
    users
        .set_password("alice", &"of the operator".into())
        .unwrap();
    let change = Change::OwnPassword {
        password: users.hasher.hash(&"of the thief".into()).unwrap(),
        version: checked.version(),
    };
    assert!(!users.change("alice", change).unwrap());
    users.check("alice", &"of the operator".into(), "").unwrap();
}

#[test]
fn a_wrong_current_password_delays_logins_too() {
    let folder = tempfile::tempdir().unwrap();
    let users = users(folder.path(), &[("lockout_after", "1")]);
    users.add("alice", &PASSWORD.into(), "").unwrap();
    let from = "192.0.2.1";
    let guess = || users.change_password("alice", &"a guess".into(), &"a third one".into(), from);
    // The delays grow beyond whatever holds this test up.
    let started = Instant::now();
    while guess() != Err(Error::LoginFailed) || !is_delayed(&users, from) {
        assert!(started.elapsed() < Duration::from_secs(60));
    }
}

pub(super) fn is_delayed(users: &Users, from: &str) -> bool {
    matches!(
        users.check("alice", &PASSWORD.into(), from),
        Err(Error::RateLimited { .. })
    )
}
