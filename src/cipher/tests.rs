use serde_json::Value;

use super::sealed::{VERSION, check_plaintext_size};
use super::xaes::XaesKey;
use super::*;
use crate::base::encoding::decode_base64;
use crate::{Config, Error, Gate, Secret};

pub(super) fn unhex(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

pub(super) fn vectors(file: &str) -> Value {
    let path = format!("{}/tests/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn gate(settings: &[(&str, &str)]) -> Gate {
    let mut config = Config::new();
    for (name, value) in settings {
        config.set(name, value).unwrap();
    }
    Gate::new(&config.settings().unwrap().gate).unwrap()
}

fn ephemeral() -> Gate {
    gate(&[("keys", "ephemeral")])
}

const AES: [(&str, &str); 3] = [
    ("keys", "ephemeral"),
    ("aes_key", "0123456789abcdef0123456789abcdef"),
    ("aes_iv", "fedcba9876543210"),
];

#[test]
fn xaes_matches_the_vectors_of_its_specification() {
    for vector in vectors("xaes_256_gcm.json")["vectors"].as_array().unwrap() {
        let key: [u8; 32] = unhex(&vector["key_hex"]).try_into().unwrap();
        let nonce: [u8; 24] = unhex(&vector["nonce_hex"]).try_into().unwrap();
        let plaintext = unhex(&vector["plaintext_hex"]);
        let aad = unhex(&vector["aad_hex"]);
        let ciphertext = unhex(&vector["ciphertext_and_tag_hex"]);
        let key = XaesKey::new(&key).unwrap();
        assert_eq!(key.subkey_for_test().to_vec(), unhex(&vector["K1_hex"]));

        let mut sealed = vec![0; plaintext.len() + xaes::TAG];
        key.seal(&nonce, [&aad, b""], &plaintext, &mut sealed)
            .unwrap();
        assert_eq!(sealed, ciphertext);
        let mut opened = vec![0; plaintext.len()];
        key.open(&nonce, [b"", &aad], &sealed, &mut opened).unwrap();
        assert_eq!(opened, plaintext);
    }
}

/// The specification's accumulated test: all input is read from one SHAKE-128 stream, the ciphertexts go into another.
#[test]
fn xaes_agrees_over_ten_thousand_random_inputs() {
    use openssl::hash::{Hasher, MessageDigest, hash_xof};

    const ITERATIONS: usize = 10_000;
    let mut stream = vec![0; ITERATIONS * (32 + 24 + 2 + 2 * 255)];
    hash_xof(MessageDigest::shake_128(), b"", &mut stream).unwrap();
    let mut rest = &stream[..];
    let mut take = |size: usize| {
        let (taken, left) = rest.split_at(size);
        rest = left;
        taken
    };
    let mut all = Hasher::new(MessageDigest::shake_128()).unwrap();
    for _ in 0..ITERATIONS {
        let key = XaesKey::new(take(32).try_into().unwrap()).unwrap();
        let nonce = take(24).try_into().unwrap();
        let size = take(1)[0];
        let plaintext = take(size.into());
        let size = take(1)[0];
        let aad = take(size.into());
        let mut sealed = vec![0; plaintext.len() + xaes::TAG];
        key.seal(nonce, [aad, b""], plaintext, &mut sealed).unwrap();
        all.update(&sealed).unwrap();
        let mut opened = vec![0; plaintext.len()];
        key.open(nonce, [aad, b""], &sealed, &mut opened).unwrap();
        assert_eq!(opened, plaintext);
    }
    let mut result = [0; 32];
    all.finish_xof(&mut result).unwrap();
    let wanted = vectors("xaes_256_gcm.json")["accumulated"]["vectors"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["iterations"] == ITERATIONS)
        .map(|entry| unhex(&entry["result_hex"]))
        .unwrap();
    assert_eq!(result.to_vec(), wanted);
}

#[test]
fn sealing_adds_45_bytes_and_never_repeats() {
    let gate = ephemeral();
    let first = gate.seal(b"same", b"").unwrap();
    let second = gate.seal(b"same", b"").unwrap();
    assert_eq!(first.len(), 4 + 45);
    assert_eq!(first[..5], second[..5]);
    assert_ne!(first[5..29], second[5..29]);
    for size in [0, 1, 15, 16, 17, 4096, 100_000] {
        let data = vec![7; size];
        let sealed = gate.seal(&data, b"place").unwrap();
        assert_eq!(gate.open(&sealed, b"place").unwrap().expose(), data);
    }
}

#[test]
fn every_changed_bit_is_detected() {
    let gate = ephemeral();
    let sealed = gate.seal(b"some data", b"context").unwrap();
    for bit in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            gate.open(&changed, b"context"),
            Err(Error::Decrypt),
            "bit {bit}"
        );
    }
    for length in 0..sealed.len() {
        assert_eq!(
            gate.open(&sealed[..length], b"context"),
            Err(Error::Decrypt)
        );
    }
    for context in [&b""[..], b"contex", b"context\0", b"Context"] {
        assert_eq!(gate.open(&sealed, context), Err(Error::Decrypt));
    }
}

#[test]
fn opening_never_panics_for_any_input() {
    let gates = [ephemeral(), gate(&AES)];
    let mut seed = 1u32;
    let mut random = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    };
    for gate in &gates {
        let start = gate.seal(b"", b"").unwrap()[..5].to_vec();
        for length in 0..200usize {
            let noise: Vec<u8> = (0..length).map(|_| random()).collect();
            let _ = gate.open(&noise, b"");
            let aimed = [&start[..], &noise[..]].concat();
            assert_eq!(gate.open(&aimed, b""), Err(Error::Decrypt));
            let text = String::from_utf8_lossy(&noise).into_owned();
            let _ = gate.decrypt_data(&text, &noise);
        }
    }
}

#[test]
fn the_originals_cbc_works_when_enabled() {
    let sealing = gate(&AES);
    assert_eq!(sealing.cbc_mode(), CbcMode::Seal);
    let old = sealing.encrypt_data("hällo".as_bytes(), b"").unwrap();
    assert_eq!(
        old,
        sealing.encrypt_data("hällo".as_bytes(), b"").unwrap(),
        "one IV for all"
    );
    assert!(matches!(
        sealing.encrypt_data(b"x", b"context"),
        Err(Error::InvalidInput(_))
    ));
    assert_eq!(sealing.decrypt_data(&old, b"context"), Err(Error::Decrypt));

    let opening = gate(&[&AES[..], &[("cbc", "open")]].concat());
    assert_eq!(
        opening.decrypt_data(&old, b"").unwrap().expose(),
        "hällo".as_bytes()
    );
    let new = opening.encrypt_data(b"new", b"context").unwrap();
    assert_eq!(decode_base64(&new).unwrap()[0], VERSION);
    // Sealed data opens in each mode: the sealing key is the same.
    let off = gate(&[&AES[..], &[("cbc", "off")]].concat());
    for gate in [&sealing, &opening, &off] {
        assert_eq!(
            gate.decrypt_data(&new, b"context").unwrap().expose(),
            b"new"
        );
    }
    assert_eq!(off.decrypt_data(&old, b""), Err(Error::Decrypt));
}

#[test]
fn sealed_data_never_falls_back_to_cbc() {
    let gate = gate(&AES);
    let mut sealed = gate.seal(&[0; 3], b"").unwrap();
    sealed.truncate(OVERHEAD + 3);
    assert_eq!(sealed.len() % 16, 0, "a length that AES-CBC would accept");
    // Even when truncated below any sealed message's size, it still starts like one.
    assert_eq!(gate.open(&sealed[..32], b""), Err(Error::Decrypt));
    // About 8 of 2,000 damaged messages would end in valid padding by chance.
    for changed in 0..2000u32 {
        let mut damaged = sealed.clone();
        damaged[29..33].copy_from_slice(&changed.to_le_bytes());
        assert_eq!(gate.open(&damaged, b""), Err(Error::Decrypt));
    }
}

/// Decision 4 of the design: with the CBC endpoint a caller can compute raw AES under `AES_KEY` (the first block of CBC(x)
/// is AES(x ^ IV)), and XAES's message keys are derived with raw AES. The sealing key must therefore be a different one.
#[test]
fn what_cbc_leaks_does_not_open_sealed_data() {
    let gate = gate(&AES);
    let iv = AES[2].1.as_bytes();
    let aes_of = |block: &[u8; 16]| -> [u8; 16] {
        let plaintext: Vec<u8> = block.iter().zip(iv).map(|(a, b)| a ^ b).collect();
        let given = {
            let mut config = Config::new();
            for (name, value) in AES {
                config.set(name, value).unwrap();
            }
            config.settings().unwrap().gate.keys.given
        };
        let key = CbcKey::new(
            given.aes_key.as_ref().unwrap(),
            given.aes_iv.as_ref().unwrap().expose().try_into().unwrap(),
        )
        .unwrap();
        key.encrypt(&plaintext).unwrap()[..16].try_into().unwrap()
    };
    let open_with_derived =
        |sealed: &[u8], aes: &dyn Fn(&[u8; 16]) -> [u8; 16]| -> Option<Vec<u8>> {
            let l = u128::from_be_bytes(aes(&[0; 16]));
            let k1 = (l << 1) ^ if l >> 127 == 1 { 0x87 } else { 0 };
            let mut message_key = Vec::new();
            for counter in [1, 2] {
                let mut block = [0, counter, b'X', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
                block[4..].copy_from_slice(&sealed[5..17]);
                let block = (u128::from_be_bytes(block) ^ k1).to_be_bytes();
                message_key.extend(aes(&block));
            }
            let tag = sealed.len() - 16;
            openssl::symm::decrypt_aead(
                openssl::symm::Cipher::aes_256_gcm(),
                &message_key,
                Some(&sealed[17..29]),
                &sealed[..5],
                &sealed[29..tag],
                &sealed[tag..],
            )
            .ok()
        };
    let sealed = gate.seal(b"a secret", b"").unwrap();
    assert_eq!(open_with_derived(&sealed, &aes_of), None);

    // The attack itself works: if the key is used raw, it opens the message.
    let raw = DataKey::new(AES[1].1.as_bytes().try_into().unwrap()).unwrap();
    let weak = raw.seal(b"", b"a secret").unwrap();
    assert_eq!(
        open_with_derived(&weak, &aes_of).as_deref(),
        Some(&b"a secret"[..])
    );
}

#[test]
fn cbc_matches_the_python_original() {
    for vector in vectors("aes_cbc.json")["vectors"].as_array().unwrap() {
        let key = Secret::new(unhex(&vector["aes_key_hex"]));
        let iv: [u8; 16] = unhex(&vector["aes_iv_hex"]).try_into().unwrap();
        let cbc = CbcKey::new(&key, &iv).unwrap();
        let encrypted = decode_base64(vector["ciphertext_base64"].as_str().unwrap()).unwrap();
        if vector["expect"] != "ok" {
            assert_eq!(
                cbc.decrypt(&encrypted),
                Err(Error::Decrypt),
                "{}",
                vector["name"]
            );
            continue;
        }
        let plaintext = unhex(&vector["plaintext_hex"]);
        assert_eq!(
            cbc.encrypt(&plaintext).unwrap(),
            encrypted,
            "{}",
            vector["name"]
        );
        assert_eq!(cbc.decrypt(&encrypted).unwrap().expose(), plaintext);
    }
}

#[test]
fn a_message_has_at_most_a_gibibyte() {
    assert_eq!(check_plaintext_size(MAX_PLAINTEXT), Ok(()));
    // Never written to and refused before it is read, so it takes no memory.
    let large = vec![0; MAX_PLAINTEXT + 1];
    let key = DataKey::new(&[7; 32]).unwrap();
    for refused in [
        key.seal(b"", &large).unwrap_err(),
        key.seal_into(b"", &large, &mut []).unwrap_err(),
    ] {
        assert!(refused.to_string().contains("1024 MiB"), "{refused}");
    }
    let sealed = MAX_PLAINTEXT + OVERHEAD;
    assert_eq!(opened_size(sealed), Some(MAX_PLAINTEXT));
    assert_eq!(opened_size(sealed + 1), None);
    assert_eq!(opened_size(OVERHEAD), Some(0));
    assert_eq!(opened_size(OVERHEAD - 1), None);
}

#[test]
fn the_modes_of_cbc_have_names() {
    let shown = CbcMode::ALL.map(|mode| mode.to_string());
    assert_eq!(shown, ["off", "open", "seal"]);
    assert_eq!(CbcMode::ALL.map(CbcMode::name), ["off", "open", "seal"]);
}
