//! Tokens: `format` has what they contain and what is malformed, `validity` from when and until when they are accepted,
//! `custom` custom claims, and `audience` whom tokens are for.

mod audience;
mod custom;
mod format;
mod validity;

use serde_json::{Value, json};

use super::*;
use crate::signing::token_key_id;
use crate::tokens::claims::Times;
use crate::{Config, Gate};

const SECRET: &str = "a secret of at least thirty-two bytes";

fn gate(settings: &[(&str, &str)]) -> Gate {
    let mut config = Config::new();
    config.set("keys", "ephemeral").unwrap();
    for (name, value) in settings {
        config.set(name, value).unwrap();
    }
    Gate::new(&config.settings().unwrap().gate).unwrap()
}

fn grant(subject: &str) -> Grant<'_> {
    Grant {
        subject,
        scope: "encrypt decrypt",
        ..Grant::default()
    }
}

/// Signs any header and claims, as a careless issuer might.
fn sign(key: &[u8], header: &str, claims: &str) -> String {
    let signed = format!(
        "{}.{}",
        encode_url(header.as_bytes()),
        encode_url(claims.as_bytes())
    );
    let key = openssl::pkey::PKey::hmac(key).unwrap();
    let digest = openssl::hash::MessageDigest::sha256();
    let mut signer = openssl::sign::Signer::new(digest, &key).unwrap();
    let tag = signer.sign_oneshot_to_vec(signed.as_bytes()).unwrap();
    format!("{signed}.{}", encode_url(&tag))
}

fn now() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()
}
