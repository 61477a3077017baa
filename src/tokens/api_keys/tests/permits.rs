//! What an API key permits, and when it ends.

use super::*;
use crate::base::api_key::SIZE;

#[test]
fn the_claims_of_a_key_are_those_of_a_token_of_its_owner() {
    let keys = in_memory();
    let before = unix_now();
    let (text, id) = add(&keys, &new("nightly"));
    for _ in 0..3 {
        let claims = keys.verify(&text).unwrap();
        assert_eq!(claims.subject(), "nightly");
        assert_eq!(claims.scope(), OPEN_LOGIN_SCOPE);
        assert_eq!(claims.id(), Some(&*id));
        assert_eq!(claims.api_key(), Some(&*id));
        assert_eq!((claims.session(), claims.foreign_id()), (None, None));
        assert_eq!(claims.expires_at(), NEVER_EXPIRES);
        let issued = claims.issued_at().unwrap();
        assert!((before..=unix_now()).contains(&issued));
        let json: serde_json::Value = serde_json::from_str(claims.json()).unwrap();
        let expected = json!({
            "iss": "sealgate", "sub": "nightly", "username": "nightly", "scope": OPEN_LOGIN_SCOPE, "iat": issued, "jti": id
        });
        assert_eq!(json, expected);
    }
    let expires = unix_now() + 1_000;
    let (text, _) = add(
        &keys,
        &NewApiKey {
            scope: Some("a b"),
            expires_at: Some(expires),
            ..new("nightly")
        },
    );
    let claims = keys.verify(&text).unwrap();
    assert_eq!((claims.scope(), claims.expires_at()), ("a b", expires));
    let json: serde_json::Value = serde_json::from_str(claims.json()).unwrap();
    assert_eq!(json["exp"], expires);
}

#[test]
fn nothing_but_the_whole_key_is_accepted() {
    let keys = in_memory();
    let (text, id) = add(&keys, &new("a"));
    let (other, _) = add(&keys, &new("b"));
    assert!(keys.verify(&text).is_ok());
    for at in 0..SIZE {
        let wrong = with(&text, at, other_digit(&text, at));
        assert_eq!(
            keys.verify(&wrong).err(),
            Some(TokenError::Malformed),
            "{at}"
        );
    }
    for wrong in [
        "",
        "sg_",
        &text[..63],
        &format!("{text}0"),
        &format!(" {text}"),
        &text.to_lowercase(),
        &text.replace("sg_", "SG_"),
        &format!("{}é{}", &text[..20], &text[22..]),
        &id,
    ] {
        assert_eq!(
            keys.verify(wrong).err(),
            Some(TokenError::Malformed),
            "{wrong}"
        );
    }
    // Intact, but with another's secret, or of nobody.
    let mixed = format!("{}{}", &text[..15], &other[15..58]);
    assert_eq!(
        keys.verify(&text_of(&mixed)).err(),
        Some(TokenError::Invalid)
    );
    let unknown = new_key().unwrap();
    assert_eq!(keys.verify(&unknown).err(), Some(TokenError::Invalid));
    assert!(keys.verify(&text).is_ok() && keys.verify(&other).is_ok());
    // Nobody else's secret is ever taken for this one, whichever was seen first.
    assert_eq!(keys.owner_of(&text).as_deref(), Some("a"));
    assert_eq!(keys.owner_of(&unknown), None);
    assert_eq!(keys.owner_of("sg_"), None);
}

#[test]
fn a_key_never_permits_more_than_its_owners_account_does_now() {
    let keys = in_memory();
    keys.add_account("alice", "encrypt decrypt rewrap");
    let too_much = NewApiKey {
        scope: Some("encrypt admin"),
        ..new("alice")
    };
    assert!(matches!(keys.add(&too_much), Err(Error::InvalidInput(_))));
    let (all, _) = add(&keys, &new("alice"));
    let (some, _) = add(
        &keys,
        &NewApiKey {
            scope: Some("rewrap encrypt"),
            ..new("alice")
        },
    );
    let (none, _) = add(
        &keys,
        &NewApiKey {
            scope: Some(""),
            ..new("alice")
        },
    );
    let check = |expected: [&str; 3]| {
        let got = [&all, &some, &none].map(|text| scope(&keys, text).unwrap());
        assert_eq!(got, expected);
    };
    check(["encrypt decrypt rewrap", "rewrap encrypt", ""]);
    let set = |scope: &str| keys.change_account("alice", &Change::Scope(scope.to_owned()));
    set("encrypt");
    check(["encrypt", "encrypt", ""]);
    set("");
    check(["", "", ""]);
    // What the account gains, a key has only if it was given it.
    set("admin decrypt rewrap");
    check(["decrypt rewrap", "rewrap", ""]);
    // Names are compared as a whole.
    set("encrypted decrypt-more rewra");
    check(["", "", ""]);
}

#[test]
fn the_scopes_for_managing_keys_are_not_given_to_keys_by_default() {
    let keys = in_memory();
    keys.add_account("alice", "api-keys encrypt api-keys-admin");
    let (text, _) = add(&keys, &new("alice"));
    assert_eq!(scope(&keys, &text).unwrap(), "encrypt");
}

#[test]
fn keys_end_with_their_owners_account_and_do_not_come_to_its_successor() {
    for change in [Change::Disabled(true), Change::Removed] {
        let keys = in_memory();
        keys.add_account("alice", "encrypt");
        keys.add_account("bob", "encrypt");
        let (text, id) = add(&keys, &new("alice"));
        let (other, _) = add(&keys, &new("bob"));
        assert!(keys.verify(&text).is_ok());
        keys.change_account("alice", &change);
        assert_eq!(scope(&keys, &text), Err(TokenError::Revoked));
        match change {
            Change::Removed => keys.add_account("alice", "encrypt admin"),
            _ => keys.change_account("alice", &Change::Disabled(false)),
        }
        assert_eq!(scope(&keys, &text), Err(TokenError::Revoked));
        assert!(keys.find(&id).unwrap().unwrap().revoked_at.is_some());
        assert!(keys.verify(&other).is_ok());
        let (again, _) = add(&keys, &new("alice"));
        assert!(keys.verify(&again).is_ok());
    }
}

#[test]
fn once_accounts_exist_an_owner_needs_one_unless_login_is_open() {
    for (open_login, without) in [(false, Err(TokenError::NoAccount)), (true, Ok(()))] {
        let keys = ApiKeys::new(&store::Settings {
            open_login,
            ..settings(None)
        })
        .unwrap();
        let (text, _) = add(&keys, &new("nightly"));
        assert!(keys.verify(&text).is_ok(), "no accounts yet");
        keys.add_account("alice", "");
        assert_eq!(keys.verify(&text).map(drop), without);
        // Whoever had a key under this name before does not get what the account permits.
        keys.add_account("nightly", "encrypt");
        assert_eq!(scope(&keys, &text), Err(TokenError::Revoked));
        let (text, _) = add(&keys, &new("nightly"));
        assert_eq!(scope(&keys, &text).unwrap(), "encrypt");
    }
}

#[test]
fn a_revoked_key_is_refused_at_once_and_others_are_not() {
    let keys = in_memory();
    let (one, id) = add(&keys, &new("alice"));
    let (two, _) = add(&keys, &new("alice"));
    let (bobs, _) = add(&keys, &new("bob"));
    for text in [&one, &two, &bobs] {
        assert!(keys.verify(text).is_ok());
    }
    assert!(keys.revoke(&id).unwrap());
    let first = keys.find(&id).unwrap().unwrap().revoked_at.unwrap();
    assert_eq!(scope(&keys, &one), Err(TokenError::Revoked));
    assert_eq!(keys.owner_of(&one).as_deref(), Some("alice"));
    assert!(keys.verify(&two).is_ok() && keys.verify(&bobs).is_ok());
    // Again is no fault, and it keeps its time.
    assert!(keys.revoke(&id).unwrap());
    assert_eq!(keys.find(&id).unwrap().unwrap().revoked_at, Some(first));
    for unknown in ["", "000000000000", "x", &"é".repeat(6), &one] {
        assert!(!keys.revoke(unknown).unwrap(), "{unknown}");
    }
    assert_eq!(keys.revoke_all_of("alice").unwrap(), 1);
    assert_eq!(keys.revoke_all_of("alice").unwrap(), 0);
    assert_eq!(scope(&keys, &two), Err(TokenError::Revoked));
    assert!(keys.verify(&bobs).is_ok());
    // Somebody who only knows the id learns nothing about it.
    let wrong = with(&one, 30, other_digit(&one, 30));
    let wrong = text_of(&wrong[..58]);
    assert_eq!(keys.verify(&wrong).err(), Some(TokenError::Invalid));
}

#[test]
fn an_expired_key_is_refused() {
    let keys = in_memory();
    let (text, id) = add(
        &keys,
        &NewApiKey {
            expires_at: Some(unix_now() + 3_600),
            ..new("alice")
        },
    );
    assert!(keys.verify(&text).is_ok());
    let table = keys.table.load();
    let entry = table.find(id.as_bytes()).unwrap();
    let expires = entry.stored.expires.unwrap();
    assert_eq!(entry.check(expires - 1), Ok(()));
    assert_eq!(entry.check(expires), Err(TokenError::Expired));
    let soon = add(
        &keys,
        &NewApiKey {
            expires_at: Some(unix_now() + 1),
            ..new("alice")
        },
    );
    let start = Instant::now();
    while scope(&keys, &soon.0) != Err(TokenError::Expired) {
        assert!(start.elapsed() < Duration::from_secs(60));
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_a_key_cannot_be_made_from_is_refused_and_nothing_is_stored() {
    let keys = in_memory();
    let limit = |max_requests, window| {
        Some(ApiKeyLimit {
            max_requests,
            window,
        })
    };
    let minute = Duration::from_secs(60);
    for wrong in [
        new(""),
        new("a\nb"),
        new(&"x".repeat(257)),
        NewApiKey {
            scope: Some(" a"),
            ..new("a")
        },
        NewApiKey {
            scope: Some("a  b"),
            ..new("a")
        },
        NewApiKey {
            scope: Some("\"a\""),
            ..new("a")
        },
        NewApiKey {
            expires_at: Some(0),
            ..new("a")
        },
        NewApiKey {
            expires_at: Some(unix_now()),
            ..new("a")
        },
        NewApiKey {
            expires_at: Some(u64::MAX),
            ..new("a")
        },
        NewApiKey {
            limit: limit(0, minute),
            ..new("a")
        },
        NewApiKey {
            limit: limit(u32::MAX, minute),
            ..new("a")
        },
        NewApiKey {
            limit: limit(1, Duration::ZERO),
            ..new("a")
        },
        NewApiKey {
            limit: limit(1, Duration::from_millis(1_500)),
            ..new("a")
        },
        NewApiKey {
            limit: limit(1, Duration::MAX),
            ..new("a")
        },
    ] {
        let refused = keys.add(&wrong);
        assert!(matches!(refused, Err(Error::InvalidInput(_))), "{wrong:?}");
    }
    assert_eq!(keys.list(None, "", 10).unwrap(), []);
    assert!(!keys.revoke("000000000000").unwrap());
    // Nothing of this needed a store.
    assert!(keys.ledger.reading().unwrap().is_none());
    let nowhere = ApiKeys::new(&store::Settings::default()).unwrap();
    assert!(matches!(nowhere.add(&new("a")), Err(Error::Setting(_))));
}
