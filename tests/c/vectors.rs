//! The vectors of tests/vectors, judged through the calls of C.
//!
//! xaes_256_gcm.json is the one file that no door can reach: its associated data is not that of sealed data. sealed.json
//! has the same algorithm in our format.

#![allow(clippy::unwrap_used)] // a test that panics has failed
#![cfg(target_os = "linux")]

use std::path::Path;

use crate::common::by_line::{C, hex, unhex};
use crate::common::c::root;
use crate::common::place::write_ring;
use crate::common::text;
use base64_simd::STANDARD;
use serde_json::Value;

fn vectors(file: &str) -> (Value, Vec<Value>) {
    let path = root().join("tests/vectors").join(file);
    let content: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let vectors = content["vectors"].as_array().unwrap().clone();
    assert!(!vectors.is_empty());
    (content, vectors)
}

fn bytes_of(vector: &Value, member: &str) -> Vec<u8> {
    unhex(vector[member].as_str().unwrap())
}

/// The outcome that a vector expects of opening.
fn expected(vector: &Value) -> Result<Vec<u8>, String> {
    match vector["expect"].as_str().unwrap() {
        "ok" => Ok(bytes_of(vector, "plaintext_hex")),
        status => Err(status.to_owned()),
    }
}

/// Makes the gate that has a vector's sealing key: from AES_KEY, or from a ring.
fn gate_of(c: &mut C, vector: &Value, rings: &Path) {
    match vector.get("aes_key_hex") {
        Some(_) => {
            let key = bytes_of(vector, "aes_key_hex");
            c.gate(&[("keys", b"ephemeral"), ("aes_key", &key)]);
        }
        None => {
            let key = vector["sealing_key_hex"].as_str().unwrap();
            let ring = rings.join(key);
            write_ring(&ring, &[7; 32], &unhex(key));
            c.gate(&[("data_dir", ring.to_str().unwrap().as_bytes())]);
        }
    }
}

#[test]
fn sealed_data_opens_or_not_as_the_vectors_say() {
    let home = tempfile::tempdir().unwrap();
    let mut c = C::start(home.path());
    for vector in vectors("sealed.json").1 {
        gate_of(&mut c, &vector, home.path());
        let context = bytes_of(&vector, "context_hex");
        let sealed = vector["sealed_base64"].as_str().unwrap();
        let name = &vector["name"];
        let opened = c.one("decrypt", &[sealed.as_bytes(), &context]);
        assert_eq!(opened, expected(&vector), "{name}");
        let bytes = STANDARD.decode_to_vec(sealed).unwrap();
        let opened = c.one("open", &[&bytes, &context]);
        assert_eq!(opened, expected(&vector), "{name}, as bytes");
    }
    c.end();
}

/// The greatest age that a vector permits, in digits; empty if any will do.
fn max_age(vector: &Value) -> String {
    vector["max_age"]
        .as_u64()
        .map_or_else(String::new, |age| age.to_string())
}

#[test]
fn data_with_a_time_opens_or_not_as_the_vectors_say() {
    let home = tempfile::tempdir().unwrap();
    let mut c = C::start(home.path());
    for vector in vectors("timed.json").1 {
        gate_of(&mut c, &vector, home.path());
        let context = bytes_of(&vector, "context_hex");
        let sealed = vector["text"].as_str().unwrap().as_bytes();
        let age = max_age(&vector);
        let opened = match age.is_empty() {
            true => c.one("decrypt", &[sealed, &context]),
            false => c.one("decrypt_fresh", &[sealed, &context, age.as_bytes()]),
        };
        assert_eq!(opened, expected(&vector), "{}", vector["name"]);
    }
    let made = c.one("encrypt_url_safe", &[b"noon", b"c"]).unwrap();
    let opened = c.one("decrypt_fresh", &[&made, b"c", b"3600"]);
    assert_eq!(opened, Ok(b"noon".to_vec()));
    c.end();
}

#[test]
fn signatures_are_judged_as_the_vectors_say() {
    let home = tempfile::tempdir().unwrap();
    let mut c = C::start(home.path());
    for vector in vectors("signed.json").1 {
        gate_of(&mut c, &vector, home.path());
        let context = bytes_of(&vector, "context_hex");
        let signed = vector["text"].as_str().unwrap().as_bytes();
        let judged = c.ask("unsign", &[signed, &context, max_age(&vector).as_bytes()]);
        let expected = match vector["expect"].as_str().unwrap() {
            "ok" => {
                let time = vector["time"].as_u64().unwrap().to_string();
                Ok(vec![bytes_of(&vector, "payload_hex"), time.into_bytes()])
            }
            status => Err(status.to_owned()),
        };
        assert_eq!(judged, expected, "{}", vector["name"]);
    }
    let made = c.one("sign", &[b"noon", b"c"]).unwrap();
    assert_eq!(
        c.one("unsign", &[&made, b"c", b"3600"]),
        Ok(b"noon".to_vec())
    );
    c.end();
}

#[test]
fn the_originals_data_is_made_and_opened_as_the_vectors_say() {
    let home = tempfile::tempdir().unwrap();
    let mut c = C::start(home.path());
    for vector in vectors("aes_cbc.json").1 {
        let name = &vector["name"];
        let [key, iv] = ["aes_key_hex", "aes_iv_hex"].map(|member| bytes_of(&vector, member));
        let [key, iv] = [key, iv].map(|value| [b"hex:", hex(&value).as_bytes()].concat());
        c.gate(&[("keys", b"ephemeral"), ("aes_key", &key), ("aes_iv", &iv)]);
        let encrypted = vector["ciphertext_base64"].as_str().unwrap();
        let opened = c.one("decrypt", &[encrypted.as_bytes(), b""]);
        assert_eq!(opened, expected(&vector), "{name}");
        if let Ok(bytes) = STANDARD.decode_to_vec(encrypted) {
            assert_eq!(c.one("open", &[&bytes, b""]), opened, "{name}, as bytes");
        }
        if let Ok(data) = opened {
            let made = c.one("encrypt", &[&data, b""]).map(|made| text(&made));
            assert_eq!(made.as_deref(), Ok(encrypted), "{name}");
        }
    }
    c.end();
}

#[test]
fn tokens_are_judged_as_the_vectors_say() {
    let home = tempfile::tempdir().unwrap();
    let mut c = C::start(home.path());
    let (file, vectors) = vectors("tokens.json");
    let secret = file["jwt_secret_key"].as_str().unwrap();
    c.gate(&[
        ("keys", b"ephemeral"),
        ("jwt_secret_key", secret.as_bytes()),
    ]);
    for vector in vectors {
        let token = vector["token"].as_str().map_or_else(
            || {
                let recipe = &vector["token_recipe"];
                let part = |name: &str| recipe[name].as_str().unwrap();
                let times = recipe["times"].as_u64().unwrap().try_into().unwrap();
                let middle = part("repeat").repeat(times);
                format!("{}{middle}{}", part("before"), part("after"))
            },
            str::to_owned,
        );
        let judged = c.ask("verify", &[token.as_bytes()]);
        let expected = match vector["expect"].as_str().unwrap() {
            "ok" => Ok(["user", "scope"].map(|member| {
                let text = vector[member].as_str().unwrap();
                text.as_bytes().to_vec()
            })),
            status => Err(status.to_owned()),
        };
        let expected = expected.map(|both| both.to_vec());
        assert_eq!(judged, expected, "{}", vector["name"]);
    }
    c.end();
}

#[test]
fn keys_have_the_ids_of_the_vectors() {
    let home = tempfile::tempdir().unwrap();
    let mut c = C::start(home.path());
    for vector in vectors("key_ids.json").1 {
        // Which keys there are, and under which ids, is one thing for all doors.
        if vector["kind"] == "key_pair" {
            continue;
        }
        let name = &vector["name"];
        let key = match vector["kind"].as_str().unwrap() {
            "aes_key" => bytes_of(&vector, "aes_key_hex"),
            _ => bytes_of(&vector, "key_hex"),
        };
        if vector["kind"] == "aes_key" {
            c.gate(&[("keys", b"ephemeral"), ("aes_key", &key)]);
        } else {
            let ring = home.path().join(hex(&key));
            write_ring(&ring, &key, key.first_chunk::<32>().unwrap());
            c.gate(&[("data_dir", ring.to_str().unwrap().as_bytes())]);
        }
        if let Some(id) = vector["data_key_id_hex"].as_str() {
            let sealed = c.one("seal", &[b"x", b""]).unwrap();
            assert_eq!(hex(&sealed[1..5]), id, "{name}");
        }
        if let Some(id) = vector["token_key_id"].as_str() {
            let token = text(&c.one("issue", &[b"alice", b""]).unwrap());
            let header = token.split('.').next().unwrap();
            let header = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(header).unwrap();
            let header: Value = serde_json::from_slice(&header).unwrap();
            assert_eq!(header["kid"], id, "{name}");
        }
    }
    c.end();
}

#[test]
fn data_is_masked_as_the_vectors_say() {
    let home = tempfile::tempdir().unwrap();
    let mut c = C::start(home.path());
    for vector in vectors("masking.json").1 {
        let visible = vector["visible_chars"].as_u64().unwrap();
        let visible = vec![b'x'; visible.try_into().unwrap()];
        let data = vector["data"].as_str().unwrap();
        let masked = c.one("mask", &[data.as_bytes(), &visible]).unwrap();
        assert_eq!(text(&masked), vector["masked"], "{}", vector["name"]);
    }
    c.end();
}
