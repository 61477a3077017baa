//! What each choice of cargo features builds: docs/rust.md counts the crates, and nothing is built for a part that is switched
//! off. SEALGATE_WRITE_DOCS=1 rewrites the counts.

use std::collections::BTreeSet;
use std::process::Command;

use crate::common::text;
use crate::{is_current, root};

const PAGE: &str = "docs/rust.md";
const START: &str = "<!-- crates: written by tests/docs/features.rs -->\n";
const END: &str = "<!-- end of crates -->";

/// The choices that differ, as cargo names them and as the page does. `cli` needs the others, and `postgres` needs `store`.
const CHOICES: [(&str, &str); 7] = [
    ("", "none (`default-features = false`)"),
    ("store", "`store`"),
    ("server", "`server`"),
    ("server,store", "`server`, `store`"),
    ("store,postgres", "`store`, `postgres`"),
    ("server,store,postgres", "`server`, `store`, `postgres`"),
    ("cli", "all: the default"),
];

/// Crates that belong to a feature, each with those that it alone needs.
const OWN: [(&str, &[&str]); 4] = [
    ("store", &["rusqlite", "libsqlite3-sys", "hashlink"]),
    (
        "postgres",
        &[
            "tokio",
            "tokio-openssl",
            "tokio-postgres",
            "tokio-util",
            "postgres-openssl",
            "postgres-protocol",
            "postgres-types",
            "mio",
            "socket2",
            "stringprep",
            "whoami",
        ],
    ),
    (
        "server",
        &[
            "tiny_http",
            "httparse",
            "httpdate",
            "prometheus-client",
            "simplelog",
            "time",
        ],
    ),
    (
        "cli",
        &[
            "clap",
            "clap_builder",
            "clap_complete",
            "clap_mangen",
            "anstream",
            "listenfd",
            "signal-hook",
        ],
    ),
];

/// The crates that end up in the library or help to compile it, without build scripts and the crate itself.
fn crates(features: &str) -> BTreeSet<String> {
    let mut crates = tree(&["--no-default-features", "--features", features]);
    crates.retain(|line| !line.starts_with("sealgate "));
    crates
}

/// For one platform, so that the crates are the same wherever the tests run.
fn tree(arguments: &[&str]) -> BTreeSet<String> {
    let program = std::env::var_os("CARGO").unwrap();
    let output = Command::new(program)
        .args(["tree", "--locked", "--edges", "normal", "--prefix", "none"])
        .args(["--format", "{p}", "--target", "x86_64-unknown-linux-gnu"])
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
        .lines()
        .map(|line| line.trim_end_matches(" (*)").to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

fn has(crates: &BTreeSet<String>, name: &str) -> bool {
    crates
        .iter()
        .any(|line| line.split(' ').next() == Some(name))
}

#[test]
fn the_crates_of_each_choice_of_features_are_counted() {
    let mut table = String::from("| features | crates |\n| --- | --- |\n");
    for (features, name) in CHOICES {
        table += &format!("| {name} | {} |\n", crates(features).len());
    }
    let jwt_simple = tree(&["--package", "jwt-simple"]).len();
    table +=
        &format!("\n{jwt_simple} of them, in every build, are jwt-simple and what it needs.\n");
    is_current(PAGE, (START, END), &table);
}

#[test]
fn nothing_is_built_for_a_feature_that_is_off() {
    for (features, _) in CHOICES {
        let built = crates(features);
        for (feature, own) in OWN {
            let on = features == "cli" || features.split(',').any(|one| one == feature);
            for name in own {
                assert_eq!(
                    has(&built, name),
                    on,
                    "{name}, with the features {features}"
                );
            }
        }
        // What every choice needs.
        assert!(has(&built, "openssl") && has(&built, "jwt-simple"));
    }
}

#[test]
fn the_example_without_features_does_what_it_says() {
    let program = std::env::var_os("CARGO").unwrap();
    let output = Command::new(program)
        .args(["run", "--locked", "--quiet", "--example", "library"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 6, "{printed}");
    assert_eq!(
        lines[..2],
        ["alice may use: orders", "the card is 4111***************"]
    );
    assert!(lines[2].starts_with("of another order: "), "{printed}");
    assert_eq!(
        lines[3..5],
        ["request 1 is admitted", "request 2 is admitted"]
    );
    assert!(lines[5].starts_with("request 3: "), "{printed}");
}
