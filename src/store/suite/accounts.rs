//! Accounts, and changes by several at once.

use std::collections::BTreeSet;

use super::*;
use crate::store::{AccountKind, Change, Condition, Moment, PasswordHash};

/// A store with forty accounts.
fn crowd(place: &dyn Place) -> Box<dyn Store> {
    let store = place.open();
    for n in 0..40_u8 {
        let mut account = Account::example(&format!("m{n:02}"), "");
        crate::base::random::random(&mut account.password.hash).unwrap();
        assert!(store.add_account(&account).unwrap());
    }
    store
}

pub(crate) fn a_change_is_seen_through_other_open_stores(place: &dyn Place) {
    let one = place.open();
    let other = place.open();
    assert!(!one.has_had_accounts().unwrap());
    assert!(one.add_account(&account("alice")).unwrap());
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
}

pub(crate) fn a_new_password_replaces_the_old_one(place: &dyn Place) {
    let store = place.open();
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

pub(crate) fn a_change_that_removes_rights_revokes_the_tokens(place: &dyn Place) {
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
        let place = place.fresh();
        let store = place.open();
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
    let place = place.fresh();
    let store = place.open();
    assert!(store.add_account(&account("alice")).unwrap());
    assert!(!store.change_account("alice", &rehash(2), AT).unwrap());
    assert!(
        !store
            .change_account("nobody", &Change::Removed, AT)
            .unwrap()
    );
    assert!(!store.add_account(&account("alice")).unwrap());
}

pub(crate) fn users_and_clients_are_changed_and_listed_apart(place: &dyn Place) {
    let store = place.open();
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

pub(crate) fn when_an_account_was_unlocked_is_kept_for_a_while(place: &dyn Place) {
    let store = place.open();
    assert!(!store.unlock("alice", 1_000_000, AT).unwrap());
    assert_eq!(store.unlocked(&["alice"]).unwrap(), [None]);
    assert!(store.add_account(&account("alice")).unwrap());
    assert!(store.unlock("alice", 1_000_000, AT).unwrap());
    assert!(store.unlock("alice", 1_000_007, AT).unwrap());
    assert_eq!(
        store.unlocked(&["bob", "alice", "\0"]).unwrap(),
        [None, Some(1_000_007), None]
    );
    assert_eq!(store.unlocked(&[]).unwrap(), []);
    let later = Moment {
        now: 2_001,
        forget: 2_002,
    };
    store.revoke_token("t", later).unwrap();
    assert_eq!(store.unlocked(&["alice"]).unwrap(), [None]);
}

pub(crate) fn revocations_are_kept_until_they_expire_and_then_removed(place: &dyn Place) {
    let store = place.open();
    let rows = || place.count();
    for n in 0..50 {
        store.revoke_token(&format!("t{n}"), AT).unwrap();
    }
    store.revoke_user("alice", AT).unwrap();
    assert_eq!(rows(), 51);
    assert!(standing(&*store, "t7", None).revoked);
    assert_eq!(standing(&*store, "x", None).revoked_before, Some(1_000));
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
    assert!(standing(&*store, "very last", None).revoked);
}

pub(crate) fn concurrent_changes_lose_nothing(place: &dyn Place) {
    let stores = [(); 2].map(|()| place.open());
    assert!(stores[0].add_account(&account("alice")).unwrap());
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

pub(crate) fn the_stand_in_account_reveals_nothing_about_neighbouring_names(place: &dyn Place) {
    let store = crowd(place);
    let user = |name: &str| store.account_or_other(AccountKind::User, name).unwrap();
    let other = |name: &str| user(name).unwrap().name;
    assert_eq!(other("m07"), "m07");
    // As many names as fit between two accounts: if all had the same cost, it would lead to the next account's name.
    let names: Vec<String> = (0..200).map(|n| format!("m07-{n}")).collect();
    let others: Vec<String> = names.iter().map(|name| other(name)).collect();
    let distinct: BTreeSet<&String> = others.iter().collect();
    assert!(distinct.len() > 15, "{distinct:?}");
    let again: Vec<String> = names.iter().map(|name| other(name)).collect();
    assert_eq!(others, again, "a name has one cost");
    assert_eq!(
        place
            .fresh()
            .open()
            .account_or_other(AccountKind::User, "m07")
            .unwrap(),
        None
    );
}

pub(crate) fn an_account_of_one_kind_never_stands_in_for_the_other(place: &dyn Place) {
    let store = crowd(place);
    let find = |kind, name: &str| store.account_or_other(kind, name).unwrap();
    assert_eq!(find(AccountKind::Client, "m07"), None, "there is no client");
    for n in 0..40_u8 {
        let mut client = Account::example(&format!("c{n:02}"), "");
        client.kind = AccountKind::Client;
        crate::base::random::random(&mut client.password.hash).unwrap();
        assert!(store.add_account(&client).unwrap());
    }
    let mut found = BTreeSet::new();
    for n in 0..200 {
        for kind in [AccountKind::User, AccountKind::Client] {
            let other = find(kind, &format!("m07-{n}")).unwrap();
            assert_eq!(other.kind, kind);
            found.insert(other.name);
        }
    }
    assert!(found.len() > 30, "{found:?}");
    // The name of an account of the other kind is one like any unknown name.
    assert_eq!(
        find(AccountKind::Client, "m07").unwrap().kind,
        AccountKind::Client
    );
    assert_eq!(
        find(AccountKind::User, "c07").unwrap().kind,
        AccountKind::User
    );
    assert_eq!(find(AccountKind::Client, "c07").unwrap().name, "c07");
}

pub(crate) fn of_two_edits_of_one_version_one_is_made(place: &dyn Place) {
    let stores = [place.open(), place.open()];
    assert!(stores[0].add_account(&account("alice")).unwrap());
    for _ in 0..10 {
        let version = stores[0].account("alice").unwrap().unwrap().version;
        let only_if = Condition {
            version: Some(version),
            keeps: None,
        };
        let made: Vec<bool> = std::thread::scope(|scope| {
            let threads = stores.each_ref().map(|store| {
                scope.spawn(move || {
                    let changes = [
                        Change::Scope("encrypt".to_owned()),
                        Change::Claims(r#"{"a":1}"#.to_owned()),
                    ];
                    store.edit_account("alice", &changes, only_if, AT).unwrap()
                })
            });
            threads.map(|thread| thread.join().unwrap()).to_vec()
        });
        assert_eq!(made.iter().filter(|made| **made).count(), 1);
    }
    let alice = stores[1].account("alice").unwrap().unwrap();
    assert_eq!((&*alice.scope, &*alice.claims), ("encrypt", r#"{"a":1}"#));
    let nobody = stores[0].edit_account("nobody", &[Change::Removed], Condition::default(), AT);
    assert!(!nobody.unwrap());
}

pub(crate) fn the_last_account_with_a_scope_is_kept(place: &dyn Place) {
    let stores = [place.open(), place.open()];
    let keeps = Condition {
        version: None,
        keeps: Some("admin"),
    };
    let add = |name: &str, scope: &str| {
        assert!(
            stores[0]
                .add_account(&Account::example(name, scope))
                .unwrap()
        );
    };
    add("one", "encrypt admin");
    add("near", "administrator xadmin");
    let edit = |changes: &[Change]| stores[0].edit_account("one", changes, keeps, AT).unwrap();
    for changes in [
        &[Change::Removed][..],
        &[Change::Disabled(true)],
        &[Change::Scope("encrypt".to_owned())],
    ] {
        assert!(!edit(changes), "{changes:?}");
    }
    assert!(edit(&[Change::Scope("admin".to_owned())]));
    // Two that disable each other at once.
    for _ in 0..10 {
        add("other", "admin");
        let made: Vec<bool> = std::thread::scope(|scope| {
            let pairs = [(&stores[0], "one"), (&stores[1], "other")];
            let threads = pairs.map(|(store, name)| {
                let disable = [Change::Disabled(true)];
                scope.spawn(move || store.edit_account(name, &disable, keeps, AT).unwrap())
            });
            threads.map(|thread| thread.join().unwrap()).to_vec()
        });
        assert_eq!(made.iter().filter(|made| **made).count(), 1);
        let all = Condition::default();
        let enable = [Change::Disabled(false)];
        assert!(stores[0].edit_account("one", &enable, all, AT).unwrap());
        assert!(
            stores[0]
                .edit_account("other", &[Change::Removed], keeps, AT)
                .unwrap()
        );
    }
    assert!(!edit(&[Change::Removed]));
}

pub(crate) fn accounts_of_both_kinds_are_searched(place: &dyn Place) {
    let store = place.open();
    for name in ["a%b", "Alice", "alicia", "b_c", "\u{c4}rger"] {
        assert!(store.add_account(&account(name)).unwrap());
    }
    let client = Account {
        kind: AccountKind::Client,
        ..account("palice")
    };
    assert!(store.add_account(&client).unwrap());
    let found = |after: &str, containing: &str, most: u32| -> Vec<String> {
        let accounts = store.search_accounts(after, containing, most).unwrap();
        accounts.into_iter().map(|account| account.name).collect()
    };
    assert_eq!(found("", "ALIC", 9), ["Alice", "alicia", "palice"]);
    assert_eq!(found("Alice", "alic", 1), ["alicia"]);
    assert_eq!(found("", "", 9).len(), 6);
    // No character stands for others.
    assert_eq!(found("", "%", 9), ["a%b"]);
    assert_eq!(found("", "_", 9), ["b_c"]);
    assert_eq!(found("", "\u{c4}", 9), ["\u{c4}rger"]);
    assert_eq!(found("", "x", 9), [""; 0]);
}
