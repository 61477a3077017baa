//! Properties of every text that is read as a settings file: errors name what is wrong, and no secret is shown.

#![allow(clippy::unwrap_used)] // a panic is a finding

use std::path::Path;

use super::*;
use crate::Error;

/// Values that contain this are secret.
const CANARY: &str = "canary";

/// The text of a settings file.
pub(crate) fn settings(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let path = Path::new("a.toml");
    let table = toml::from_str::<toml::Table>(text).unwrap_or_default();
    let mut config = Config::new();
    let mut faults = config.take_text(text, path);
    // A host name would be resolved.
    config.values.remove("listen");
    let wrong = config.judge().faults;
    assert_eq!(config.settings().is_err(), !wrong.is_empty());
    faults.extend(wrong.into_iter().map(Error::Setting));
    // Names are shown, without control characters.
    let shows_secrets = !table.keys().any(|name| name.contains(CANARY));
    for fault in &faults {
        let Error::Setting(sentence) = fault else {
            panic!("{fault:?}");
        };
        assert!(
            !shows_secrets || !sentence.contains(CANARY) || !is_of_secret(sentence, &table),
            "{sentence}"
        );
        assert!(!sentence.chars().any(|c| c.is_control()), "{sentence:?}");
        let names = SETTINGS
            .iter()
            .any(|setting| sentence.contains(setting.name) || sentence.contains(setting.env));
        assert!(
            names || sentence.contains(" in line ") || sentence.contains("setting in a.toml"),
            "{sentence}"
        );
    }
}

/// Whether the sentence shows the value of a secret. (Paths and the like may be shown.)
fn is_of_secret(sentence: &str, table: &toml::Table) -> bool {
    table.iter().any(|(name, value)| {
        let secret = SETTINGS
            .iter()
            .any(|setting| setting.name == name && setting.secret);
        secret
            && value
                .as_str()
                .is_some_and(|value| value.contains(CANARY) && sentence.contains(value.trim()))
    })
}
