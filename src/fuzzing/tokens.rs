//! Properties of every accepted token: the input is signed with our key, but its header and claims are arbitrary.

#![allow(clippy::unwrap_used)] // a panic is a finding

use std::sync::OnceLock;

use jwt_simple::algorithms::{HS256Key, MACLike};
use jwt_simple::claims::NoCustomClaims;
use jwt_simple::prelude::{UnixTimeStamp, VerificationOptions};
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use serde_json::{Map, Value};

use crate::base::encoding::encode_url;
use crate::signing::token_key_id;
use crate::tokens::OPEN_LOGIN_SCOPE;
use crate::{Config, Gate};

const SECRET: &str = "a secret of at least thirty-two bytes";
const LEEWAY: u64 = 5;

struct Gates {
    ours: Gate,
    /// Without a cache.
    plain: Gate,
    /// With another secret.
    others: Gate,
    key_id: String,
}

fn gate(secret: &str, cache: &str) -> Gate {
    let mut config = Config::new();
    for (name, value) in [
        ("keys", "ephemeral"),
        ("jwt_secret_key", secret),
        ("token_cache", cache),
    ] {
        config.set(name, value).unwrap();
    }
    Gate::new(&config.settings().unwrap().gate).unwrap()
}

fn gates() -> &'static Gates {
    static GATES: OnceLock<Gates> = OnceLock::new();
    GATES.get_or_init(|| Gates {
        ours: gate(SECRET, "100"),
        plain: gate(SECRET, "0"),
        others: gate("another secret of thirty-two bytes", "0"),
        key_id: token_key_id(SECRET.as_bytes()).unwrap(),
    })
}

/// Input: the header's JSON, a line feed, the claims' JSON. `KEYID` in the header stands for our key's id.
pub(crate) fn tokens(input: &[u8]) {
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else {
        return;
    };
    let gates = gates();
    let (header, claims) = (&input[..end], &input[end + 1..]);
    let header = match std::str::from_utf8(header) {
        Ok(text) => text.replace("KEYID", &gates.key_id).into_bytes(),
        Err(_) => header.to_vec(),
    };
    let token = sign(&header, claims);
    let judged = gates.ours.verify_token(&token);
    assert_eq!(judged, gates.plain.verify_token(&token));
    assert_eq!(judged, gates.ours.verify_token(&token));
    assert!(gates.others.verify_token(&token).is_err());
    // It is only an access token: it has no login session.
    assert!(gates.ours.refresh(&token, "").is_err());
    let Ok(believed) = judged else { return };
    assert!(jwt_simple_accepts(&token));

    let header: Map<String, Value> = serde_json::from_slice(&header).unwrap();
    let claims: Map<String, Value> = serde_json::from_slice(claims).unwrap();
    let text = |of: &Map<String, Value>, name: &str| {
        of.get(name).map(|value| value.as_str().unwrap().to_owned())
    };
    assert_eq!(text(&header, "alg").as_deref(), Some("HS256"));
    for refused in [
        "crit", "b64", "jku", "jwk", "x5u", "x5c", "zip", "enc", "cty",
    ] {
        assert!(!header.contains_key(refused), "{refused}");
    }
    let typ = text(&header, "typ").map(|typ| typ.to_ascii_lowercase());
    let typ = typ
        .as_deref()
        .map(|typ| typ.strip_prefix("application/").unwrap_or(typ));
    let (subject, username) = (text(&claims, "sub"), text(&claims, "username"));
    match text(&header, "kid") {
        Some(id) => {
            assert_eq!((id, typ), (gates.key_id.clone(), Some("at+jwt")));
            assert_eq!(text(&claims, "iss").as_deref(), Some("sealgate"));
            assert_eq!(Some(believed.subject()), subject.as_deref());
            assert!(username.is_none() || username == subject);
            assert_eq!(believed.scope(), text(&claims, "scope").unwrap_or_default());
        }
        None => {
            assert!(matches!(typ, None | Some("jwt")));
            assert_eq!(Some(believed.subject()), username.as_deref());
            assert_eq!(believed.scope(), OPEN_LOGIN_SCOPE);
        }
    }
    assert!(!believed.subject().is_empty() && !believed.subject().chars().any(char::is_control));
    assert!(!claims.contains_key("aud"));
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let seconds = |at: &Value| at.as_u64().unwrap_or_else(|| at.as_f64().unwrap() as u64);
    let expires = seconds(&claims["exp"]);
    assert!(expires.saturating_add(LEEWAY + 1) >= now);
    assert_eq!(believed.expires_at(), expires);
    for begins in ["nbf", "iat"] {
        let begins = claims.get(begins).map_or(0, seconds);
        assert!(begins <= now + LEEWAY + 1);
    }
    // With any change it is not what was signed.
    let at = (expires as usize).wrapping_mul(7919) % token.len();
    let mut changed = token.into_bytes();
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).unwrap();
    assert!(gates.ours.verify_token(&changed).is_err());
}

/// Apart from the times, which it counts in 32 bits of seconds.
fn jwt_simple_accepts(token: &str) -> bool {
    let options = VerificationOptions {
        artificial_time: Some(UnixTimeStamp::default()),
        time_tolerance: Some(UnixTimeStamp::default()),
        accept_future: true,
        ..VerificationOptions::default()
    };
    HS256Key::from_bytes(SECRET.as_bytes())
        .verify_token::<NoCustomClaims>(token, Some(options))
        .is_ok()
}

fn sign(header: &[u8], claims: &[u8]) -> String {
    let signed = format!("{}.{}", encode_url(header), encode_url(claims));
    let key = PKey::hmac(SECRET.as_bytes()).unwrap();
    let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
    let tag = signer.sign_oneshot_to_vec(signed.as_bytes()).unwrap();
    format!("{signed}.{}", encode_url(&tag))
}
