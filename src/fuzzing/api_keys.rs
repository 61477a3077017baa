//! Properties of the reader of API keys, and of masking: only the one key that exists is accepted, and no secret is shown.

#![allow(clippy::unwrap_used)] // a panic is a finding

use std::sync::OnceLock;

use crate::base::api_key::{KeyText, SIZE, looks_like_key, secrets_in};
use crate::{Config, Gate, NewApiKey};

struct Known {
    gate: Gate,
    key: String,
}

fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let mut config = Config::new();
        config.set("keys", "ephemeral").unwrap();
        let gate = Gate::new(&config.settings().unwrap().gate).unwrap();
        let new = NewApiKey {
            owner: "alice",
            ..NewApiKey::default()
        };
        let (key, _) = gate.api_keys().add(&new).unwrap();
        let key = key.expose_str().unwrap().to_owned();
        Known { gate, key }
    })
}

/// Input: text in which `KEY` stands for the key that exists.
pub(crate) fn api_keys(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let known = known();
    // libFuzzer learns the secret from comparisons. On its own it is not an API key, and nothing masks it.
    if text.contains(&known.key[15..]) {
        return;
    }
    let text = text.replace("KEY", &known.key);
    let verified = known.gate.verify_token(&text);
    assert_eq!(verified.is_ok(), text == known.key);
    assert!(known.gate.refresh(&text, "").is_err());
    let read = KeyText::read(&text);
    if read.is_some_and(|key| key.is_intact()) {
        assert!(looks_like_key(&text) && text.len() == SIZE);
    }
    let masked = crate::mask(&text, usize::MAX);
    assert_eq!(masked.chars().count(), text.chars().count());
    assert!(!masked.contains(&known.key[15..]));
    assert_eq!(secrets_in(&masked).count(), 0);
    for visible in [0, 3, 17, 70] {
        assert!(!crate::mask(&text, visible).contains(&known.key[15..]));
    }
}
