//! From when and until when tokens are accepted: times, the cache, revocation.

use super::*;

#[test]
fn times_are_checked_with_the_leeway() {
    let gate = gate(&[("jwt_secret_key", SECRET), ("leeway", "5")]);
    let token = |claims: Value| {
        sign(
            SECRET.as_bytes(),
            r#"{"alg":"HS256","typ":"JWT"}"#,
            &claims.to_string(),
        )
    };
    let verify = |claims: Value| gate.verify_token(&token(claims)).map(|_| ());
    assert_eq!(verify(json!({"username": "a", "exp": now() - 3})), Ok(()));
    assert_eq!(
        verify(json!({"username": "a", "exp": now() - 7})),
        Err(TokenError::Expired)
    );
    assert_eq!(
        verify(json!({"username": "a", "exp": 0})),
        Err(TokenError::Expired)
    );
    assert_eq!(verify(json!({"username": "a", "exp": u64::MAX})), Ok(()));
    assert_eq!(
        verify(json!({"username": "a", "exp": now() + 9, "nbf": now() + 60})),
        Err(TokenError::NotYetValid)
    );
    assert_eq!(
        verify(json!({"username": "a", "exp": now() + 9, "iat": now() + 60})),
        Err(TokenError::NotYetValid)
    );
    assert_eq!(
        verify(json!({"username": "a", "exp": now() + 9, "nbf": now() + 2})),
        Ok(())
    );
    // Beyond 32 bits.
    for (name, late) in [("nbf", 1_u64 << 32), ("iat", u64::MAX)] {
        let mut claims = json!({"username": "a", "exp": u64::MAX});
        claims[name] = late.into();
        assert_eq!(verify(claims), Err(TokenError::NotYetValid));
    }
}

#[test]
fn the_leeway_is_exact_at_both_ends() {
    let seconds = Duration::from_secs;
    let times = Times {
        not_before: Some(seconds(1000)),
        expires_at: seconds(2000),
    };
    let (moment, leeway) = (Duration::from_nanos(1), seconds(5));
    for (now, judged) in [
        (seconds(995) - moment, Err(TokenError::NotYetValid)),
        (seconds(995), Ok(())),
        (seconds(2005), Ok(())),
        (seconds(2005) + moment, Err(TokenError::Expired)),
    ] {
        assert_eq!(times.check(now, leeway), judged, "{now:?}");
    }
}

#[test]
fn a_cached_token_is_refused_once_it_expires() {
    let gate = gate(&[("leeway", "0")]);
    let brief = Grant {
        ttl: Some(Duration::from_secs(1)),
        ..grant("alice")
    };
    // On a stalled machine it may expire before the second check.
    let mut attempts = (0..10).map(|_| {
        let token = gate.issue_token(&brief).unwrap();
        let first = gate.verify_token(&token).ok()?;
        (gate.verify_token(&token) == Ok(first.clone())).then_some((token, first))
    });
    let (token, first) = attempts.find_map(|good| good).expect("good at first");
    let last_good = first.expires_at();
    while now() <= last_good {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(gate.verify_token(&token), Err(TokenError::Expired));
}

#[test]
fn the_same_tokens_are_valid_with_and_without_a_cache() {
    let with = gate(&[("jwt_secret_key", SECRET)]);
    let without = gate(&[("jwt_secret_key", SECRET), ("token_cache", "0")]);
    let token = with.issue_token(&grant("alice")).unwrap();
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        // Before and after the unchanged token has been cached, and twice.
        for gate in [&with, &without, &with] {
            assert!(gate.verify_token(&changed).is_err(), "{at}");
        }
        assert_eq!(with.verify_token(&token), without.verify_token(&token));
    }
}

#[test]
fn no_lifetime_overflows() {
    let ring = "ephemeral";
    let mut config = crate::Config::new();
    config.set("keys", ring).unwrap();
    let mut settings = config.settings().unwrap().gate;
    let grant = |ttl| Grant {
        subject: "alice",
        scope: "",
        ttl,
        ..Grant::default()
    };
    let gate = Gate::new(&settings).unwrap();
    let longest = Duration::from_secs(MAX_TTL);
    let token = gate.issue_token(&grant(Some(longest))).unwrap();
    let claims = gate.verify_token(&token).unwrap();
    assert_eq!(claims.expires_at() - claims.issued_at().unwrap(), MAX_TTL);
    for ttl in [longest + Duration::from_nanos(1), Duration::MAX] {
        let refused = gate.issue_token(&grant(Some(ttl))).unwrap_err();
        assert!(refused.to_string().contains("ten years"), "{refused}");
    }
    // Settings built by a Rust program.
    settings.tokens.token_ttl = Duration::MAX;
    settings.tokens.leeway = Duration::MAX;
    let gate = Gate::new(&settings).unwrap();
    assert!(gate.issue_token(&grant(None)).is_err());
    let token = gate
        .issue_token(&grant(Some(Duration::from_secs(1))))
        .unwrap();
    assert!(gate.verify_token(&token).is_ok());
    assert!(settings.tokens.longest_life() > longest);
}

#[test]
fn a_token_is_revoked_by_its_id_or_else_by_what_is_signed() {
    let claims = |id: Option<&str>| {
        Claims::new(claims::Inner {
            id: id.map(str::to_owned),
            ..claims::Inner::default()
        })
    };
    let longest = "i".repeat(MAX_KEPT_ID);
    for id in ["i", &longest] {
        assert_eq!(revocation_id(&claims(Some(id)), "a.b.c"), id);
    }
    // With openssl: echo -n a.b | openssl dgst -sha256 -binary | basenc --base64url
    let hashed = "sha256:LnM23I66h-9HLfVow1SCq_JXXcPl6sDFxiuP-urCyTQ";
    for id in [None, Some(""), Some(&*format!("{longest}i"))] {
        for token in ["a.b.c", "a.b.other signature"] {
            assert_eq!(revocation_id(&claims(id), token), hashed);
        }
        assert_ne!(revocation_id(&claims(id), "a.c.c"), hashed);
    }
}

#[test]
fn lifetime_and_leeway_are_those_of_the_settings() {
    let settings = Settings {
        token_ttl: Duration::from_secs(77),
        leeway: Duration::from_secs(7),
        ..Settings::default()
    };
    let rules = TokenRules::new(&settings).unwrap();
    assert_eq!(
        (rules.ttl(), rules.leeway()),
        (settings.token_ttl, settings.leeway)
    );
}

#[test]
fn the_store_is_asked_about_the_session_or_the_foreign_id_and_the_time_of_issue() {
    let rules = TokenRules::new(&Settings {
        leeway: Duration::from_secs(7),
        ..Settings::default()
    })
    .unwrap();
    let presented = |id: Option<&str>, session: Option<&str>, foreign: Option<&str>| {
        let claims = Claims::new(claims::Inner {
            subject: "alice".to_owned(),
            issued_at: Some(100),
            id: id.map(str::to_owned),
            session: session.map(str::to_owned),
            foreign_id: foreign.map(str::to_owned),
            ..claims::Inner::default()
        });
        let presented = rules.presented(&claims, "revoked as");
        assert_eq!((presented.id, presented.subject), ("revoked as", "alice"));
        let session = presented.session.map(str::to_owned);
        (session, presented.issued_at.unwrap())
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(presented(Some("i"), Some("s"), None), (some("s"), 100));
    assert_eq!(presented(Some("i"), None, None), (None, 100));
    // The clock of another program may be ahead of ours.
    assert_eq!(presented(None, None, Some("f")), (some("f"), 93));
    assert_eq!(presented(None, None, None), (None, 93));
}
