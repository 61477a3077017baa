//! What tokens contain, and what is refused as malformed or as another's.

use super::*;

#[test]
fn a_new_token_follows_the_documented_format() {
    let gate = gate(&[("jwt_secret_key", SECRET), ("audience", "us")]);
    let token = gate.issue_token(&grant("alice")).unwrap();
    let read = Unverified::read(&token).unwrap();
    let kid = token_key_id(SECRET.as_bytes()).unwrap();
    assert_eq!(
        Value::from(read.header().clone()),
        json!({"alg": "HS256", "typ": "at+jwt", "kid": kid})
    );
    let claims = read.claims();
    let names: Vec<&str> = claims.keys().map(String::as_str).collect();
    assert_eq!(names.len(), 8, "{names:?}");
    assert_eq!(claims["iss"], "sealgate");
    assert_eq!(claims["aud"], "us");
    assert_eq!(
        (&claims["sub"], &claims["username"]),
        (&json!("alice"), &json!("alice"))
    );
    assert_eq!(claims["scope"], "encrypt decrypt");
    assert_eq!(
        claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(),
        1800
    );
    assert_eq!(claims["jti"].as_str().unwrap().len(), 22);
    let verified = gate.verify_token(&token).unwrap();
    assert_eq!(verified.id(), claims["jti"].as_str());
    assert_eq!(verified.json(), Value::from(claims.clone()).to_string());
    assert!(verified.has_scope("decrypt") && !verified.has_scope("secure-data"));
    assert_ne!(gate.issue_token(&grant("alice")).unwrap(), token);
}

#[test]
fn only_a_token_of_ours_names_a_client() {
    let gate = gate(&[("jwt_secret_key", SECRET)]);
    let kid = token_key_id(SECRET.as_bytes()).unwrap();
    let ours = json!({"alg": "HS256", "typ": "at+jwt", "kid": kid}).to_string();
    let read = |header: &str, client: Value| {
        let claims = json!({
            "iss": "sealgate", "sub": "shop", "username": "shop", "exp": now() + 60, "client_id": client,
        });
        gate.verify_token(&sign(SECRET.as_bytes(), header, &claims.to_string()))
    };
    assert_eq!(
        read(&ours, json!("till")).unwrap().client_id(),
        Some("till")
    );
    let originals = read(r#"{"alg":"HS256","typ":"JWT"}"#, json!("till")).unwrap();
    assert_eq!(originals.client_id(), None);
    for wrong in [json!(null), json!(1), json!(["till"]), json!({"till": 1})] {
        assert_eq!(read(&ours, wrong), Err(TokenError::Malformed));
    }
    let user = gate.issue_token(&grant("alice")).unwrap();
    assert_eq!(gate.verify_token(&user).unwrap().client_id(), None);
}

#[test]
fn ambiguous_subjects_and_scopes_are_not_issued() {
    let gate = gate(&[]);
    let long = "ä".repeat(256);
    assert!(gate.issue_token(&grant(&long)).is_ok());
    for subject in ["", "a\nb", "a\u{7f}", "a\u{85}b", &"x".repeat(257)] {
        assert!(matches!(
            gate.issue_token(&grant(subject)),
            Err(Error::InvalidInput(_))
        ));
    }
    for scope in [" ", "a  b", "a ", "\"a\"", "a\\b", "ä", &"a".repeat(1025)] {
        let grant = Grant {
            subject: "alice",
            scope,
            ..Grant::default()
        };
        assert!(
            matches!(gate.issue_token(&grant), Err(Error::InvalidInput(_))),
            "{scope}"
        );
    }
}

#[test]
fn the_vectors_verify_as_expected() {
    let path = format!("{}/tests/vectors/tokens.json", env!("CARGO_MANIFEST_DIR"));
    let vectors: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let gate = gate(&[(
        "jwt_secret_key",
        vectors["jwt_secret_key"].as_str().unwrap(),
    )]);
    for vector in vectors["vectors"].as_array().unwrap() {
        let Some(token) = vector["token"].as_str() else {
            continue; // described by a recipe; `no_larger_than_8_kib` covers it
        };
        let name = &vector["name"];
        match gate.verify_token(token) {
            Ok(claims) => {
                assert_eq!(vector["expect"], "ok", "{name}");
                assert_eq!(claims.subject(), vector["user"], "{name}");
                assert_eq!(claims.scope(), vector["scope"], "{name}");
            }
            Err(error) => assert_eq!(vector["expect"], error.code(), "{name}"),
        }
    }
}

/// The type is a media type, so `application/` is allowed (RFC 7515, section 4.1.9).
#[test]
fn the_type_may_be_written_in_full_and_in_capitals() {
    let gate = gate(&[("jwt_secret_key", SECRET)]);
    let kid = token_key_id(SECRET.as_bytes()).unwrap();
    let claims = json!({"iss": "sealgate", "sub": "a", "exp": now() + 60}).to_string();
    let original = json!({"username": "a", "exp": now() + 60}).to_string();
    let judged = |typ: &str| {
        let header = json!({"alg": "HS256", "typ": typ, "kid": kid}).to_string();
        let ours = gate.verify_token(&sign(SECRET.as_bytes(), &header, &claims));
        let header = json!({"alg": "HS256", "typ": typ}).to_string();
        let theirs = gate.verify_token(&sign(SECRET.as_bytes(), &header, &original));
        (ours.is_ok(), theirs.is_ok())
    };
    for typ in [
        "at+jwt",
        "AT+JWT",
        "application/at+jwt",
        "Application/AT+JWT",
    ] {
        assert_eq!(judged(typ), (true, false), "{typ}");
    }
    for typ in ["JWT", "jwt"] {
        assert_eq!(judged(typ), (false, true), "{typ}");
    }
    for typ in [
        "",
        "application/",
        "at+jwt ",
        "text/at+jwt",
        "application/application/at+jwt",
        "application/JWT",
        "application/rt+jwt",
        "applications/at+jwt",
        "application:at+jwt",
        "application/at+jwt; charset=utf-8",
        "applicatio\u{e4}/at+jwt",
    ] {
        assert_eq!(judged(typ), (false, false), "{typ}");
    }
}

#[test]
fn a_header_without_an_algorithm_and_a_nonce_that_is_no_string_are_malformed() {
    let gate = gate(&[("jwt_secret_key", SECRET)]);
    let kid = token_key_id(SECRET.as_bytes()).unwrap();
    let judged = |header: Value, nonce: Option<Value>| {
        let mut claims = json!({"iss": "sealgate", "sub": "a", "username": "a", "exp": now() + 60});
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce;
        }
        let token = sign(SECRET.as_bytes(), &header.to_string(), &claims.to_string());
        gate.verify_token(&token).map(|_| ())
    };
    let original = json!({"alg": "HS256", "typ": "JWT"});
    for header in [
        json!({"alg": "HS256", "typ": "at+jwt", "kid": kid}),
        original,
    ] {
        for nonce in [None, Some(Value::Null), Some(json!("")), Some(json!("\"n"))] {
            assert_eq!(judged(header.clone(), nonce), Ok(()));
        }
        for nonce in [json!(1), json!(true), json!(["n"]), json!({"n": "null"})] {
            let judged = judged(header.clone(), Some(nonce));
            assert_eq!(judged, Err(TokenError::Malformed));
        }
        let mut nameless = header;
        nameless.as_object_mut().unwrap().remove("alg");
        assert_eq!(judged(nameless, None), Err(TokenError::Malformed));
    }
}

#[test]
fn the_originals_format_needs_jwt_secret_key() {
    let claims = json!({"username": "bob", "exp": now() + 60}).to_string();
    let token = sign(SECRET.as_bytes(), r#"{"alg":"HS256","typ":"JWT"}"#, &claims);
    let claims = gate(&[("jwt_secret_key", SECRET)])
        .verify_token(&token)
        .unwrap();
    assert_eq!(
        (claims.subject(), claims.scope()),
        ("bob", OPEN_LOGIN_SCOPE)
    );
    assert_eq!((claims.issued_at(), claims.id()), (None, None));
    assert_eq!(gate(&[]).verify_token(&token), Err(TokenError::Invalid));
}

#[test]
fn a_token_in_the_originals_format_cannot_widen_its_own_scope() {
    let gate = gate(&[("jwt_secret_key", SECRET)]);
    let claims = json!({"username": "bob", "sub": "admin", "scope": "admin", "exp": now() + 60});
    let token = sign(SECRET.as_bytes(), r#"{"alg":"HS256"}"#, &claims.to_string());
    let claims = gate.verify_token(&token).unwrap();
    assert_eq!(
        (claims.subject(), claims.scope()),
        ("bob", OPEN_LOGIN_SCOPE)
    );
}

#[test]
fn a_token_in_the_originals_format_for_another_audience_is_foreign() {
    let claims = json!({"username": "bob", "exp": now() + 60, "aud": "billing"}).to_string();
    let token = sign(SECRET.as_bytes(), r#"{"alg":"HS256"}"#, &claims);
    let gate_for =
        |audience: &[(&str, &str)]| gate(&[&[("jwt_secret_key", SECRET)], audience].concat());
    assert_eq!(gate_for(&[]).verify_token(&token), Err(TokenError::Invalid));
    assert_eq!(
        gate_for(&[("audience", "us")]).verify_token(&token),
        Err(TokenError::Invalid)
    );
    assert!(
        gate_for(&[("audience", "billing")])
            .verify_token(&token)
            .is_ok()
    );
    let plain = json!({"username": "bob", "exp": now() + 60}).to_string();
    let plain = sign(SECRET.as_bytes(), r#"{"alg":"HS256"}"#, &plain);
    assert!(gate_for(&[("audience", "us")]).verify_token(&plain).is_ok());
}

#[test]
fn issuer_and_audience_must_be_ours() {
    let us = gate(&[("jwt_secret_key", SECRET), ("audience", "us")]);
    let them = gate(&[("jwt_secret_key", SECRET), ("audience", "them")]);
    let nobody = gate(&[("jwt_secret_key", SECRET)]);
    let other_issuer = gate(&[("jwt_secret_key", SECRET), ("issuer", "other")]);
    let token = us.issue_token(&grant("alice")).unwrap();
    assert!(us.verify_token(&token).is_ok());
    for gate in [&them, &nobody, &other_issuer] {
        assert_eq!(gate.verify_token(&token), Err(TokenError::Invalid));
    }
    let plain = nobody.issue_token(&grant("alice")).unwrap();
    assert_eq!(
        us.verify_token(&plain),
        Err(TokenError::Invalid),
        "an audience is required"
    );
}

#[test]
fn no_larger_than_8_kib() {
    let gate = gate(&[("jwt_secret_key", SECRET)]);
    let claims = json!({"username": "a", "exp": now() + 60, "pad": "x".repeat(6100)}).to_string();
    let header = r#"{"alg":"HS256"}"#;
    let token = sign(SECRET.as_bytes(), header, &claims);
    assert!(token.len() > MAX_TOKEN);
    assert_eq!(gate.verify_token(&token), Err(TokenError::Malformed));
    let claims = json!({"username": "a", "exp": now() + 60, "pad": "x".repeat(6000)}).to_string();
    assert!(
        gate.verify_token(&sign(SECRET.as_bytes(), header, &claims))
            .is_ok()
    );
}

/// Users, scopes and settings are far too short for that, but a Rust program can set an issuer of any length.
#[test]
fn the_longest_token_that_is_issued_is_the_longest_that_is_accepted() {
    let mut longest = 0;
    // With each algorithm, since base64 cannot produce every length.
    for algorithm in ["HS256", "EdDSA", "ES256"] {
        let mut config = Config::new();
        config.set("keys", "ephemeral").unwrap();
        config.set("token_algorithm", algorithm).unwrap();
        let mut settings = config.settings().unwrap().gate;
        let mut issued = |size: usize| {
            settings.tokens.issuer = "i".repeat(size);
            let gate = Gate::new(&settings).unwrap();
            match gate.issue_token(&grant("alice")) {
                Ok(token) => {
                    assert!(gate.verify_token(&token).is_ok(), "{size}");
                    Some(token.len())
                }
                Err(Error::InvalidInput(said)) if said.contains("8 KiB") => None,
                Err(other) => panic!("{other}"),
            }
        };
        let (mut size, mut too_long) = (100_usize, 8000);
        while too_long - size > 1 {
            let middle = size.midpoint(too_long);
            match issued(middle) {
                Some(_) => size = middle,
                None => too_long = middle,
            }
        }
        let most = issued(size).unwrap();
        assert!(most > MAX_TOKEN - 3, "{algorithm}: {most}");
        longest = longest.max(most);
    }
    assert_eq!(longest, MAX_TOKEN);
}

/// A refresh token is marked as one; a holder of the original's secret must not be able to create one by omitting the mark.
#[test]
fn a_token_without_a_key_id_cannot_be_used_to_refresh() {
    let gate = gate(&[("jwt_secret_key", SECRET)]);
    let claims = json!({"username": "alice", "exp": now() + 60, "sid": "a"}).to_string();
    for (typ, accepted) in [
        ("", true),
        (r#","typ":"JWT""#, true),
        (r#","typ":"rt+jwt""#, false),
    ] {
        let header = format!(r#"{{"alg":"HS256"{typ}}}"#);
        let token = sign(SECRET.as_bytes(), &header, &claims);
        assert_eq!(gate.verify_token(&token).is_ok(), accepted, "{typ}");
        assert_eq!(gate.subject_of(&token, TokenUse::Refresh), None, "{typ}");
    }
}

#[test]
fn arbitrary_input_is_refused_without_a_panic() {
    let gate = gate(&[("jwt_secret_key", SECRET)]);
    let token = gate.issue_token(&grant("alice")).unwrap();
    assert_eq!(gate.verify_token(""), Err(TokenError::Missing));
    for at in 0..token.len() {
        assert!(gate.verify_token(&token[..at]).is_err());
        for replacement in ["A", "_", ".", "=", " ", "\0", "ä"] {
            if token[at..=at] != *replacement {
                let changed = format!("{}{replacement}{}", &token[..at], &token[at + 1..]);
                assert!(gate.verify_token(&changed).is_err(), "{at} {replacement}");
            }
        }
    }
    for noise in [
        "..",
        "a.b.c",
        "....",
        "\u{fffd}",
        " ",
        "null",
        "e30.e30.",
        "e30.e30.e30",
    ] {
        assert!(gate.verify_token(noise).is_err());
    }
}
