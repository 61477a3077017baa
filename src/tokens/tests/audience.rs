//! Whom a token is for: the audience of the settings, or another that is asked for by name.

use super::*;

fn for_whom(audience: &str) -> Grant<'_> {
    Grant {
        audience,
        ..grant("alice")
    }
}

#[test]
fn a_token_for_another_audience_is_accepted_only_where_that_is_asked_for() {
    for cache in ["0", "100"] {
        for ours in [None, Some("us")] {
            let mut settings = vec![("token_cache", cache), ("jwt_secret_key", SECRET)];
            settings.extend(ours.map(|ours| ("audience", ours)));
            let gate = gate(&settings);
            let token = gate.issue_token(&for_whom("confirm")).unwrap();
            // In this order and again: nothing that is cached by one is believed by the other.
            for _ in 0..2 {
                assert_eq!(gate.verify_token(&token), Err(TokenError::Invalid));
                let read = gate.verify_token_for(&token, "confirm").unwrap();
                assert_eq!(read.get("aud").unwrap(), "confirm");
                for other in ["", "Confirm", "confirm ", "us", "alice"] {
                    let judged = gate.verify_token_for(&token, other);
                    assert_eq!(judged, Err(TokenError::Invalid), "{other}");
                }
            }
            assert_eq!(gate.introspect(&token).unwrap()["active"], false);
            // One of ours is for nobody else.
            let own = gate.issue_token(&for_whom("")).unwrap();
            assert!(gate.verify_token(&own).is_ok());
            assert_eq!(
                gate.verify_token_for(&own, "confirm"),
                Err(TokenError::Invalid)
            );
            assert_eq!(gate.verify_token_for(&own, "us").is_ok(), ours.is_some());
            assert_eq!(gate.verify_token_for(&own, ""), Err(TokenError::Invalid));
            let same = gate.issue_token(&for_whom("us")).unwrap();
            assert_eq!(gate.verify_token(&same).is_ok(), ours.is_some());
            // The original's tokens have no audience, unless their issuer adds one.
            let original =
                |claims: Value| sign(SECRET.as_bytes(), r#"{"alg":"HS256"}"#, &claims.to_string());
            let plain = original(json!({"username": "bob", "exp": now() + 60}));
            assert_eq!(
                gate.verify_token_for(&plain, "confirm"),
                Err(TokenError::Invalid)
            );
            let named =
                original(json!({"username": "bob", "exp": now() + 60, "aud": ["x", "confirm"]}));
            assert!(gate.verify_token_for(&named, "confirm").is_ok());
            assert_eq!(gate.verify_token(&named), Err(TokenError::Invalid));
        }
    }
}

#[test]
#[cfg(feature = "store")]
fn a_token_for_another_audience_is_checked_like_any_other() {
    let gate = gate(&[("leeway", "0")]);
    let check = |token: &str| gate.verify_token_for(token, "confirm").map(|_| ());
    assert_eq!(check(""), Err(TokenError::Missing));
    assert_eq!(check("a.b.c"), Err(TokenError::Malformed));
    let token = gate.issue_token(&for_whom("confirm")).unwrap();
    assert_eq!(check(&token), Ok(()));
    assert_eq!(check(&format!("{token}A")), Err(TokenError::Invalid));
    let later = Grant {
        not_before: Some(now() + 600),
        ..for_whom("confirm")
    };
    let later = gate.issue_token(&later).unwrap();
    assert_eq!(check(&later), Err(TokenError::NotYetValid));
    // It can be revoked, here and by its user.
    assert_eq!(gate.revoke_token(&token).unwrap(), "alice");
    assert_eq!(check(&token), Err(TokenError::Revoked));
    let other = gate.issue_token(&for_whom("confirm")).unwrap();
    assert_eq!(check(&other), Ok(()));
    gate.revoke_user("alice").unwrap();
    assert_eq!(check(&other), Err(TokenError::Revoked));
}

#[test]
fn an_audience_has_at_most_256_bytes_and_no_control_characters() {
    let gate = gate(&[]);
    for good in ["a", "two words", "https://example.com/", &"ä".repeat(128)] {
        let token = gate.issue_token(&for_whom(good)).unwrap();
        assert!(gate.verify_token_for(&token, good).is_ok());
    }
    for wrong in ["a\0", "\n", "a\u{85}b", &"a".repeat(257)] {
        let refused = gate.issue_token(&for_whom(wrong)).unwrap_err();
        assert!(refused.to_string().contains("audience"), "{refused}");
    }
}
