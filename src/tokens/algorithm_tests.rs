//! What holds for every algorithm, and that none can be mistaken for another.

use jwt_simple::prelude::{
    ECDSAP256PublicKeyLike, ES256PublicKey, Ed25519PublicKey, HS256Key, MACLike,
};
use serde_json::{Value, json};

use super::strict::{Parts, ReadHeader};
use super::*;
use crate::base::encoding::{decode_url, encode_base64};
use crate::signing::{TokenAlgorithm, TokenKey};
use crate::{Config, Gate};

const PRIVATE: [u8; 32] = [7; 32];
const KEY_PAIRS: [TokenAlgorithm; 2] = [TokenAlgorithm::EdDsa, TokenAlgorithm::Es256];

fn gate(folder: &std::path::Path, settings: &[(&str, &str)]) -> Gate {
    let mut config = Config::new();
    let folder = folder.join("state");
    config.set("data_dir", folder.to_str().unwrap()).unwrap();
    for (name, value) in settings {
        config.set(name, value).unwrap();
    }
    Gate::new(&config.settings().unwrap().gate).unwrap()
}

fn grant(subject: &str) -> Grant<'_> {
    Grant {
        subject,
        scope: "encrypt",
        ..Grant::default()
    }
}

fn now() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

fn part(json: &Value) -> String {
    encode_url(json.to_string().as_bytes())
}

fn hmac(key: &[u8], signed: &str) -> Vec<u8> {
    HS256Key::from_bytes(key).authentication_tag(signed.as_bytes())
}

/// A gate whose only token key has this algorithm, in a handwritten ring.
fn gate_of(folder: &std::path::Path, algorithm: TokenAlgorithm) -> Gate {
    let key = TokenKey::new(algorithm, &PRIVATE).unwrap();
    drop(gate(folder, &[]));
    let ring = folder.join("state").join(crate::RING_FILE);
    let text = std::fs::read_to_string(&ring).unwrap();
    let mut text: Value = serde_json::from_str(&text).unwrap();
    text["version"] = json!(2);
    text["token_keys"] = json!([{
        "id": key.id(),
        "key": encode_base64(&PRIVATE),
        "created": 1,
        "algorithm": algorithm.name(),
    }]);
    std::fs::write(&ring, text.to_string()).unwrap();
    gate(folder, &[])
}

/// The claims of a token we would issue.
fn claims() -> Value {
    json!({"iss": "sealgate", "sub": "eve", "username": "eve", "exp": now() + 60})
}

#[test]
fn a_new_token_names_its_algorithm_and_has_its_keys_header() {
    for algorithm in TokenAlgorithm::ALL {
        let home = tempfile::tempdir().unwrap();
        let settings = [("token_algorithm", algorithm.name()), ("token_cache", "0")];
        let gate = gate(home.path(), &settings);
        let token = gate.issue_token(&grant("alice")).unwrap();
        let read = Unverified::read(&token).unwrap();
        let newest = gate.key_origins().into_iter().find(|key| key.newest);
        let newest = newest.unwrap();
        assert_eq!(newest.algorithm, Some(algorithm));
        assert_eq!(
            Value::from(read.header()),
            json!({"alg": algorithm.name(), "typ": "at+jwt", "kid": newest.id})
        );
        assert_eq!(gate.verify_token(&token).unwrap().subject(), "alice");
        let key = TokenKey::new(algorithm, &PRIVATE).unwrap();
        let header = part(&json!({"alg": algorithm.name(), "kid": key.id(), "typ": "at+jwt"}));
        assert_eq!(key.header(), header, "what jwt-simple writes");
        assert!(token.starts_with(&part(&Value::from(read.header()))));
    }
}

#[test]
fn issuer_audience_and_times_are_checked_with_every_algorithm() {
    for algorithm in TokenAlgorithm::ALL {
        let home = tempfile::tempdir().unwrap();
        let gate = |settings: &[(&str, &str)]| {
            gate(
                home.path(),
                &[
                    &[("token_algorithm", algorithm.name()), ("leeway", "0")],
                    settings,
                ]
                .concat(),
            )
        };
        let us = gate(&[("audience", "us")]);
        let token = us.issue_token(&grant("alice")).unwrap();
        assert_eq!(us.verify_token(&token).unwrap().subject(), "alice");
        for settings in [
            &[("audience", "them")][..],
            &[],
            &[("audience", "us"), ("issuer", "other")],
        ] {
            let judged = gate(settings).verify_token(&token);
            assert_eq!(judged, Err(TokenError::Invalid), "{algorithm} {settings:?}");
        }
        let plain = gate(&[]).issue_token(&grant("alice")).unwrap();
        assert_eq!(us.verify_token(&plain), Err(TokenError::Invalid));
        let over = Grant {
            ttl: Some(Duration::ZERO),
            ..grant("alice")
        };
        let token = us.issue_token(&over).unwrap();
        std::thread::sleep(Duration::from_millis(1100));
        assert_eq!(us.verify_token(&token), Err(TokenError::Expired));
    }
}

#[test]
fn public_keys_cannot_sign_tokens() {
    for algorithm in KEY_PAIRS {
        let home = tempfile::tempdir().unwrap();
        let gate = gate_of(home.path(), algorithm);
        let key = TokenKey::new(algorithm, &PRIVATE).unwrap();
        let jwk = gate.public_keys().remove(0);
        let mut known: Vec<Vec<u8>> = vec![jwk.to_string().into_bytes()];
        for member in ["x", "y", "kid"] {
            if let Some(text) = jwk[member].as_str() {
                known.push(text.into());
                known.push(decode_url(text).unwrap());
            }
        }
        match algorithm {
            TokenAlgorithm::EdDsa => {
                let public = Ed25519PublicKey::from_bytes(&known[2]).unwrap();
                known.extend([public.to_bytes(), public.to_der(), public.to_pem().into()]);
            }
            _ => {
                let point = [&[4], &known[2][..], &known[4][..]].concat();
                let public = ES256PublicKey::from_bytes(&point).unwrap();
                known.push(point);
                known.extend([public.public_key().to_bytes(), public.to_der().unwrap()]);
                known.push(public.to_pem().unwrap().into());
            }
        }
        for public in known {
            for named in ["HS256", algorithm.name()] {
                let header = json!({"alg": named, "kid": key.id(), "typ": "at+jwt"});
                let signed = format!("{}.{}", part(&header), part(&claims()));
                let token = format!("{signed}.{}", encode_url(&hmac(&public, &signed)));
                assert_eq!(gate.verify_token(&token), Err(TokenError::Invalid));
                // As long as the signatures of key pairs are.
                let tag = hmac(&public, &signed).repeat(2);
                let token = format!("{signed}.{}", encode_url(&tag));
                assert_eq!(gate.verify_token(&token), Err(TokenError::Invalid));
            }
        }
    }
}

#[test]
fn a_valid_signature_under_another_algorithms_name_is_refused() {
    for algorithm in TokenAlgorithm::ALL {
        let home = tempfile::tempdir().unwrap();
        let gate = match algorithm {
            TokenAlgorithm::Hs256 => continue, // the vectors of tokens have these
            _ => gate_of(home.path(), algorithm),
        };
        let id = TokenKey::new(algorithm, &PRIVATE).unwrap().id().to_owned();
        let sign = |header: &Value| {
            let signed = format!("{}.{}", part(header), part(&claims()));
            let signature = raw_signature(algorithm, &signed);
            format!("{signed}.{}", encode_url(&signature))
        };
        let header = |named: &str| json!({"alg": named, "kid": id, "typ": "at+jwt"});
        assert!(gate.verify_token(&sign(&header(algorithm.name()))).is_ok());
        for named in [
            "HS256", "EdDSA", "ES256", "Ed25519", "none", "", "ES384", "eddsa",
        ] {
            // Ed25519 is another name for our EdDSA.
            let is_ours = algorithm == TokenAlgorithm::EdDsa && named == "Ed25519";
            if is_ours {
                assert!(gate.verify_token(&sign(&header(named))).is_ok());
            } else if named != algorithm.name() {
                let judged = gate.verify_token(&sign(&header(named)));
                assert_eq!(judged, Err(TokenError::Invalid), "{algorithm} {named}");
            }
        }
        let mut brought = header(algorithm.name());
        brought["jwk"] = gate.public_keys().remove(0);
        assert_eq!(
            gate.verify_token(&sign(&brought)),
            Err(TokenError::Malformed)
        );
        // The original's format is accepted only with JWT_SECRET_KEY.
        let nameless = json!({"alg": algorithm.name(), "typ": "JWT"});
        assert_eq!(
            gate.verify_token(&sign(&nameless)),
            Err(TokenError::Invalid)
        );
        let cut = sign(&header(algorithm.name()));
        assert_eq!(
            gate.verify_token(&cut[..cut.len() - 2]),
            Err(TokenError::Invalid)
        );
    }
}

/// OpenSSL's signature of exactly this text.
fn raw_signature(algorithm: TokenAlgorithm, signed: &str) -> Vec<u8> {
    use openssl::bn::{BigNum, BigNumContext};
    use openssl::ec::{EcGroup, EcKey, EcPoint};
    use openssl::nid::Nid;
    use openssl::pkey::{Id, PKey};
    if algorithm == TokenAlgorithm::EdDsa {
        let key = PKey::private_key_from_raw_bytes(&PRIVATE, Id::ED25519).unwrap();
        let mut signer = openssl::sign::Signer::new_without_digest(&key).unwrap();
        return signer.sign_oneshot_to_vec(signed.as_bytes()).unwrap();
    }
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let scalar = BigNum::from_slice(&PRIVATE).unwrap();
    let mut point = EcPoint::new(&group).unwrap();
    let mut context = BigNumContext::new().unwrap();
    point.mul_generator2(&group, &scalar, &mut context).unwrap();
    let key = EcKey::from_private_components(&group, &scalar, &point).unwrap();
    let digest = openssl::sha::sha256(signed.as_bytes());
    let made = openssl::ecdsa::EcdsaSig::sign(&digest, &key).unwrap();
    [made.r(), made.s()]
        .map(|number| number.to_vec_padded(32).unwrap())
        .concat()
}

/// Anyone with an ES256 signature can compute a second one of the same text (s becomes n - s).
#[cfg(feature = "store")]
#[test]
fn a_revoked_token_stays_revoked_under_another_signature() {
    let home = tempfile::tempdir().unwrap();
    let gate = gate_of(home.path(), TokenAlgorithm::Es256);
    let key = TokenKey::new(TokenAlgorithm::Es256, &PRIVATE).unwrap();
    let header = json!({"alg": "ES256", "kid": key.id(), "typ": "at+jwt"});
    // Without a `jti`, as PyJWT issues them.
    let signed = format!("{}.{}", part(&header), part(&claims()));
    let signature = raw_signature(TokenAlgorithm::Es256, &signed);
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let order = openssl::bn::BigNum::from_hex_str(order).unwrap();
    let s = openssl::bn::BigNum::from_slice(&signature[32..]).unwrap();
    let other = [&signature[..32], &(&order - &s).to_vec_padded(32).unwrap()].concat();
    let [first, second] = [signature, other].map(|made| format!("{signed}.{}", encode_url(&made)));
    assert!(gate.verify_token(&first).is_ok() && gate.verify_token(&second).is_ok());
    gate.revoke_token(&first).unwrap();
    for token in [first, second] {
        assert_eq!(gate.verify_token(&token), Err(TokenError::Revoked));
    }
}

#[test]
fn the_signature_vectors_verify_as_expected() {
    let path = format!("{}/tests/vectors/jws.json", env!("CARGO_MANIFEST_DIR"));
    let vectors: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut judged = [0, 0];
    for vector in vectors["vectors"].as_array().unwrap() {
        let algorithm = TokenAlgorithm::from_name(vector["algorithm"].as_str().unwrap()).unwrap();
        let private = openssl::bn::BigNum::from_hex_str(vector["key_hex"].as_str().unwrap());
        let private = private.unwrap().to_vec_padded(32).unwrap();
        let key = TokenKey::new(algorithm, &private).unwrap();
        let good = signature_is_good(
            &key,
            vector["kid"].as_str(),
            vector["jws"].as_str().unwrap(),
        );
        assert_eq!(vector["expect"] == "valid", good, "{}", vector["name"]);
        judged[usize::from(good)] += 1;
    }
    assert!(judged[0] > 90 && judged[1] > 10, "{judged:?}");
}

/// The steps of a token check before the claims, which these vectors lack.
fn signature_is_good(key: &TokenKey, kid: Option<&str>, jws: &str) -> bool {
    let step = || -> Result<(), TokenError> {
        let parts = Parts::split(jws)?;
        let header_json = parts.header_json()?;
        let header = ReadHeader::read(&header_json)?;
        decode_url(jws.split('.').nth(1).unwrap()).ok_or(TokenError::Malformed)?;
        if header.key_id.as_deref() != kid || header.alg.is_none() {
            return Err(TokenError::Invalid);
        }
        header.require_algorithm(key.algorithm())?;
        match key.verify(jws) {
            // jwt-simple reads the claims as well, once the signature is valid.
            Err(TokenError::Malformed) if key.algorithm() == TokenAlgorithm::EdDsa => Ok(()),
            judged => judged,
        }
    };
    step().is_ok()
}

#[test]
fn only_public_keys_of_accepted_keys_are_published() {
    let home = tempfile::tempdir().unwrap();
    let hs256 = gate(home.path(), &[]);
    assert_eq!(hs256.public_keys(), Vec::<Value>::new());
    let eddsa = gate(home.path(), &[("token_algorithm", "EdDSA")]);
    let shown = eddsa.public_keys();
    assert_eq!(shown.len(), 1);
    let members: Vec<&str> = shown[0]
        .as_object()
        .unwrap()
        .keys()
        .map(|name| &**name)
        .collect();
    let mut members = members;
    members.sort_unstable();
    assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]);
    let es256 = gate(home.path(), &[("token_algorithm", "ES256")]);
    let shown = es256.public_keys();
    assert_eq!(
        (&shown[0]["crv"], &shown[1]["crv"]),
        (&json!("Ed25519"), &json!("P-256"))
    );
    assert_eq!(shown[1]["use"], "sig");
    assert!(
        !json!(shown).to_string().contains("\"d\""),
        "no private key"
    );
}
