//! Custom claims in tokens, and what a token says about when it becomes valid.

use super::*;
use crate::base::custom_claims::CustomClaims;

fn with(claims: &str) -> Grant<'_> {
    Grant {
        claims,
        ..grant("alice")
    }
}

/// One gate for each algorithm.
fn gates() -> Vec<Gate> {
    ["HS256", "EdDSA", "ES256"]
        .map(|algorithm| gate(&[("token_algorithm", algorithm), ("audience", "us")]))
        .into()
}

#[test]
fn custom_claims_are_in_the_token_and_are_read_by_their_names() {
    let claims = r#"{"department": "ops", "level": 3, "on": true, "more": {"a": [null, 1.5]}, "\u0078": "\u00e4\"\u0000"}"#;
    for gate in gates() {
        let token = gate.issue_token(&with(claims)).unwrap();
        let read = gate.verify_token(&token).unwrap();
        assert_eq!(read.get("department").unwrap(), "ops");
        assert_eq!(read.get("level").unwrap().as_i64(), Some(3));
        assert_eq!(read.get("on").unwrap().as_bool(), Some(true));
        assert_eq!(read.get("more").unwrap(), json!({"a": [null, 1.5]}));
        assert_eq!(read.get("x").unwrap(), "\u{e4}\"\0");
        assert_eq!(read.get_json("more"), Some(r#"{"a":[null,1.5]}"#));
        assert_eq!(read.get_json("x"), Some(r#""ä\"\u0000""#));
        // Exactly by the name, and only at the top.
        for other in ["Department", "department ", "a", "", "\\u0078"] {
            assert_eq!((read.get(other), read.get_json(other)), (None, None));
        }
        // The others are still there, and say what they said.
        assert_eq!(read.get("sub").unwrap(), "alice");
        assert_eq!(read.get("aud").unwrap(), "us");
        let all: Value = serde_json::from_str(claims).unwrap();
        assert_eq!(Value::from(read.custom()), all);
        assert_eq!((read.subject(), read.scope()), ("alice", "encrypt decrypt"));
        // Verifying it again, from the cache, gives the same.
        assert_eq!(gate.verify_token(&token), Ok(read));
    }
}

#[test]
fn no_claims_leave_a_token_as_it_was() {
    for gate in gates() {
        for none in ["", "{}", " { } "] {
            let read = gate.issue_token(&with(none)).unwrap();
            let read = Unverified::read(&read).unwrap().claims();
            let names: Vec<&str> = read.keys().map(String::as_str).collect();
            let wanted = [
                "iss", "sub", "aud", "jti", "iat", "exp", "username", "scope",
            ];
            assert_eq!(names, wanted);
        }
    }
}

#[test]
fn no_custom_claim_shadows_another_in_any_spelling() {
    let gate = gate(&[]);
    for name in RESERVED_CLAIMS {
        let escaped: String = name
            .chars()
            .map(|c| format!("\\u{:04X}", c as u32))
            .collect();
        for spelled in [name.to_owned(), name.to_uppercase(), escaped] {
            for value in ["1", "\"root\"", "null", "[\"admin\"]"] {
                for claims in [
                    format!(r#"{{"{spelled}": {value}}}"#),
                    format!(r#"{{"a": 1, "{spelled}": {value}, "b": 2}}"#),
                ] {
                    let refused = gate.issue_token(&with(&claims)).unwrap_err();
                    assert_eq!(refused.code(), "invalid_argument", "{claims}");
                }
            }
        }
    }
    for claims in [
        "[]",
        "null",
        "{\"a\"",
        "{\"a\": 1, \"a\": 2}",
        "{\"a\0\": 1}",
    ] {
        let refused = gate.issue_token(&with(claims)).unwrap_err();
        assert_eq!(refused.code(), "invalid_argument", "{claims}");
    }
}

/// The largest claims, in every shape that comes near a limit of a reader.
#[test]
fn whatever_is_issued_is_accepted() {
    let members = |size: usize, member: &dyn Fn(usize) -> String| {
        let mut text = String::from("{");
        for n in 0.. {
            let member = member(n);
            if text.len() + member.len() + 2 > size {
                break;
            }
            text += &format!("{}{member}", if n == 0 { "" } else { "," });
        }
        text + "}"
    };
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let short = |n: usize| {
        let [high, low] = [n / digits.len(), n % digits.len()].map(|n| char::from(digits[n]));
        format!("\"{high}{low}\":0")
    };
    let claims = [
        members(MAX_CLAIMS, &short),
        format!("{{\"o\":{}}}", members(MAX_CLAIMS - 6, &short)),
        members(MAX_CLAIMS, &|n| format!("\"n{n}\":1e+308")),
        members(MAX_CLAIMS, &|n| format!("\"n{n}\":18446744073709551615")),
        members(MAX_CLAIMS, &|n| format!("\"n{n}\":\"ä\\u0000\u{1f600}\"")),
        format!("{}1{}", "{\"a\":".repeat(64), "}".repeat(64)),
        format!("{{\"a\":{}{}}}", "[".repeat(63), "]".repeat(63)),
        format!(
            "{{\"a\":\"{}\"}}",
            "\"\\".replace(['"', '\\'], "\\\"").repeat(1000)
        ),
    ];
    for gate in gates() {
        for claims in &claims {
            let token = gate.issue_token(&with(claims)).unwrap();
            let read = gate.verify_token(&token).unwrap();
            assert_eq!(
                Value::from(read.custom()),
                serde_json::from_str::<Value>(claims).unwrap()
            );
            assert_eq!(gate.introspect(&token).unwrap()["active"], true);
        }
    }
}

/// With the texts that fuzzing has found for the reader of JSON.
#[test]
fn whatever_is_accepted_as_claims_comes_back_with_its_value() {
    let corpus = format!("{}/fuzz/corpus/json", env!("CARGO_MANIFEST_DIR"));
    let gates = gates();
    let mut accepted = 0;
    for file in std::fs::read_dir(corpus).unwrap() {
        let text = std::fs::read(file.unwrap().path()).unwrap();
        let Ok(text) = String::from_utf8(text) else {
            continue;
        };
        for claims in [
            text.clone(),
            format!("{{\"inner\":{text}}}"),
            format!("{{\"inner\":[0,{text}],\"n\":1}}"),
        ] {
            let wanted = CustomClaims::read_any(&claims);
            for gate in &gates {
                let issued = gate.issue_token(&with(&claims));
                let Ok(wanted) = &wanted else {
                    assert!(matches!(issued, Err(Error::InvalidInput(_))), "{claims}");
                    continue;
                };
                let read = gate.verify_token(&issued.unwrap()).unwrap();
                let wanted = serde_json::to_value(wanted).unwrap();
                let custom = Value::from(read.custom());
                assert!(
                    custom == wanted || wanted.is_null() && custom == json!({}),
                    "{claims}"
                );
                accepted += 1;
            }
        }
    }
    assert!(accepted > 100, "{accepted}");
}

#[test]
fn claims_that_are_too_large_are_refused_before_and_with_the_token() {
    let gate = gate(&[]);
    let sized = |size: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(size - 8));
    assert!(gate.issue_token(&with(&sized(MAX_CLAIMS))).is_ok());
    let refused = gate.issue_token(&with(&sized(MAX_CLAIMS + 1))).unwrap_err();
    assert!(refused.to_string().contains("4096 bytes"), "{refused}");
    let (subject, scope) = ("\u{1f600}".repeat(256), "s".repeat(1024));
    let large = sized(MAX_CLAIMS);
    let grant = Grant {
        subject: &subject,
        scope: &scope,
        ..with(&large)
    };
    let refused = gate.issue_token(&grant).unwrap_err();
    assert!(refused.to_string().contains("8 KiB"), "{refused}");
}

/// Those of a token that somebody else with the key has issued: whatever it says, introspection says what we found.
#[test]
fn introspection_shows_custom_claims_beside_its_own_members() {
    let gate = gate(&[("jwt_secret_key", SECRET)]);
    let claims = r#"{"department": "ops", "more": {"active": false}}"#;
    let token = gate.issue_token(&with(claims)).unwrap();
    let said = gate.introspect(&token).unwrap();
    assert_eq!(said["department"], "ops");
    assert_eq!(said["more"], json!({"active": false}));
    assert_eq!(
        (&said["active"], &said["username"]),
        (&json!(true), &json!("alice"))
    );
    let foreign = json!({
        "username": "bob", "exp": now() + 60, "department": "sales", "active": false, "Active": "no", "token_type": "x",
        "client_id": "root", "sc_ope": "admin", "größe": 1,
    });
    let token = sign(
        SECRET.as_bytes(),
        r#"{"alg":"HS256"}"#,
        &foreign.to_string(),
    );
    let said = gate.introspect(&token).unwrap();
    let mut names: Vec<&str> = said.keys().map(String::as_str).collect();
    names.sort_unstable();
    let wanted = [
        "active",
        "department",
        "exp",
        "scope",
        "sub",
        "token_type",
        "username",
    ];
    assert_eq!(names, wanted);
    assert_eq!(
        (&said["active"], &said["token_type"]),
        (&json!(true), &json!("Bearer"))
    );
    assert_eq!(
        (&said["username"], &said["scope"]),
        (&json!("bob"), &json!(OPEN_LOGIN_SCOPE))
    );
}

#[test]
fn a_token_for_later_is_not_valid_yet() {
    let gate = gate(&[("leeway", "5")]);
    let from = |start: u64| Grant {
        not_before: Some(start),
        ttl: Some(Duration::from_secs(3600)),
        ..grant("alice")
    };
    let later = gate.issue_token(&from(now() + 600)).unwrap();
    assert_eq!(gate.verify_token(&later), Err(TokenError::NotYetValid));
    assert_eq!(gate.introspect(&later).unwrap()["active"], false);
    for start in [0, 1, now() - 60, now()] {
        let token = gate.issue_token(&from(start)).unwrap();
        let read = gate.verify_token(&token).unwrap();
        assert_eq!(read.get("nbf").unwrap(), start);
        assert_eq!(gate.introspect(&token).unwrap()["nbf"], start);
    }
    // It would never be valid.
    for start in [now() + 3700, u64::MAX] {
        let refused = gate.issue_token(&from(start)).unwrap_err();
        assert!(refused.to_string().contains("before it becomes valid"));
    }
    let plain = gate.issue_token(&grant("alice")).unwrap();
    assert_eq!(gate.verify_token(&plain).unwrap().get("nbf"), None);
}

#[test]
fn a_token_becomes_valid_at_its_time_also_if_it_was_refused_before() {
    let gate = gate(&[("leeway", "0")]);
    let start = now() + 2;
    let token = gate.issue_token(&Grant {
        not_before: Some(start),
        ..grant("alice")
    });
    let token = token.unwrap();
    let mut judged = gate.verify_token(&token);
    // Tokens are judged by a clock that may be some milliseconds behind this one.
    while now() <= start {
        // A stalled machine may come here late, never early.
        assert!(judged == Err(TokenError::NotYetValid) || now() >= start);
        std::thread::sleep(Duration::from_millis(20));
        judged = gate.verify_token(&token);
    }
    assert!(gate.verify_token(&token).is_ok());
}
