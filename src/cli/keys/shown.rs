//! Prints keys and changes to the ring.

use clap::ArgMatches;
use sealgate::keys::{Generated, KeyState};
use sealgate::{KeyOrigin, TokenAlgorithm, unix_now};
use serde_json::{Value, json};

use crate::cli::table::{harmless, rfc3339};
use crate::cli::{Failure, print_json, write_output};

pub(super) fn created(key: &KeyOrigin) -> Option<String> {
    key.created.and_then(rfc3339)
}

pub(super) fn key_json(key: &KeyOrigin) -> Value {
    json!({
        "kind": key.kind.name(),
        "id": (!key.id.is_empty()).then_some(&key.id),
        "algorithm": key.algorithm.map(TokenAlgorithm::name),
        "created": created(key),
        "newest": key.newest,
        "signs_from": key.signs_from.and_then(rfc3339),
        "accepted": key.state.accepts_at(unix_now()),
        "accepted_until": until(key.state),
        "from": key.from,
    })
}

/// When a key stops being accepted, if it does.
pub(super) fn until(state: KeyState) -> Option<String> {
    match state {
        KeyState::AcceptedUntil(time) => rfc3339(time),
        _ => None,
    }
}

/// `existed`: whether there was a ring before.
pub(super) fn report(
    matches: &ArgMatches,
    generated: &Generated,
    existed: bool,
) -> Result<(), Failure> {
    if matches.get_flag("json") {
        return print_json(&json!({
            "ring": generated.ring.to_string_lossy(),
            "backup": generated.backup.as_ref().map(|path| path.to_string_lossy()),
            "added": generated.added.iter().map(key_json).collect::<Vec<_>>(),
        }));
    }
    write_output(report_text(generated, existed).as_bytes())
}

fn report_text(generated: &Generated, existed: bool) -> String {
    let ring = harmless(&generated.ring.to_string_lossy());
    let mut text = match existed {
        false => format!("Created the key ring {ring}\n"),
        true => format!("Changed the key ring {ring}\n"),
    };
    for key in &generated.added {
        let begins = match (key.signs_from, key.algorithm) {
            (Some(time), _) => format!(
                ", published as the next one: it signs from {} (in {} s; --now signs at once)",
                rfc3339(time).unwrap_or_default(),
                time.saturating_sub(unix_now())
            ),
            (None, Some(algorithm)) if algorithm != TokenAlgorithm::Hs256 && key.newest => {
                ": it signs at once; clients with a copy of jwks.json reject its tokens until they fetch it again".to_owned()
            }
            _ => String::new(),
        };
        text.push_str(&format!("  new {} key {}{begins}\n", key.kind, key.id));
    }
    if !existed {
        text.push_str("Back it up: data sealed under its keys cannot be decrypted without it.\n");
        return text;
    }
    if let Some(backup) = &generated.backup {
        let backup = harmless(&backup.to_string_lossy());
        text.push_str(&format!("Previous ring: {backup}\n"));
    }
    text.push_str(
        "Running servers load the new keys within half a second. To see which are used or accepted: sealgate keys list\n",
    );
    text
}
