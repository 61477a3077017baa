//! `sealgate limits` lists what the settings define, and what is wrong with them is one clear line.

use std::fs;

use serde_json::{Value, json};

use crate::common::{said, text, typed};

const LIMITS: (&str, &str) = (
    "SEALGATE_LIMITS",
    "exports: 10 per 3600; bulk: 1000 per 60, per api key, cost by item",
);

#[test]
fn limits_are_listed_as_the_settings_define_them() {
    let home = tempfile::tempdir().unwrap();
    let listed = typed(
        home.path(),
        &["limits"],
        b"",
        &[LIMITS, ("MAX_REQUESTS", "0")],
    );
    assert_eq!(
        text(&listed.stdout),
        "NAME     LIMIT  WINDOW   PER      A BATCH COSTS\n\
         default  off    60 s     user     1\n\
         exports  10     3,600 s  user     1\n\
         bulk     1,000  60 s     api key  its items\n"
    );
    let file = home.path().join("limits");
    fs::write(&file, "# ours\nnear: 4 per 60, per address\n").unwrap();
    let file = file.to_str().unwrap();
    let flags = [
        "limits",
        "--json",
        "--limits-file",
        file,
        "--batch-cost",
        "items",
    ];
    let listed = typed(home.path(), &flags, b"", &[]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(
        listed,
        json!({"limits": [
            {"name": "default", "limit": 5, "window": 60, "per": "user", "cost_by_item": true},
            {"name": "near", "limit": 4, "window": 60, "per": "address", "cost_by_item": false},
        ]})
    );
}

#[test]
fn a_settings_file_may_have_an_array_of_limits() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("sealgate.toml");
    fs::write(
        &file,
        "limits = [\"exports: 10 per 3600\", \"bulk: 1000 per 60, per api key, cost by item\"]\n",
    )
    .unwrap();
    let config = ["limits", "--config", file.to_str().unwrap()];
    let listed = typed(home.path(), &config, b"", &[]);
    assert_eq!(
        text(&listed.stdout),
        text(&typed(home.path(), &["limits"], b"", &[LIMITS]).stdout)
    );
}

#[test]
fn wrong_limits_are_refused_wherever_they_are_read() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("limits");
    fs::write(&file, "exports: 10 per 3600\nexports: 20 per 60\n").unwrap();
    let file = ("SEALGATE_LIMITS_FILE", file.to_str().unwrap());
    for (settings, what) in [
        (
            &[("SEALGATE_LIMITS", "default: 10 per 60")][..],
            "SEALGATE_LIMITS must be policies",
        ),
        (
            &[("SEALGATE_LIMITS", "exports: 10")][..],
            "Policy 1 must be written as",
        ),
        (&[file][..], "Policy 2 has the name of an earlier one"),
        (
            &[("SEALGATE_LIMITS_FILE", "/nonexistent")][..],
            "cannot be read",
        ),
        (&[LIMITS, file][..], "are both set"),
    ] {
        let commands: [&[&str]; 4] = [
            &["limits"],
            &["config", "--check"],
            &["serve", "--listen", "127.0.0.1:0"],
            &["encrypt"],
        ];
        for command in commands {
            let refused = typed(home.path(), command, b"", settings);
            assert_eq!(refused.status.code(), Some(2), "{command:?} {settings:?}");
            assert!(
                said(&refused).contains(what),
                "{command:?}: {}",
                said(&refused)
            );
        }
    }
    // Nothing has been created.
    assert!(!home.path().join(".local").exists());
}
