//! The README tells the truth: its table of settings is the program's.
//!
//! SEALGATE_WRITE_README=1 rewrites the table.

#![allow(clippy::unwrap_used)] // a test that panics has failed

use std::fs;
use std::path::Path;

use sealgate::config::SETTINGS;

const START: &str = "<!-- settings: written by tests/readme.rs -->\n";
const END: &str = "<!-- end of settings -->";

fn table() -> String {
    let mut table = String::from(
        "| environment | file, flag | default | meaning |\n| --- | --- | --- | --- |\n",
    );
    for setting in SETTINGS {
        let names = match setting.flag() {
            Some(flag) => format!("`{}`, `--{flag}`", setting.name),
            None => format!("`{}`, no flag", setting.name),
        };
        let default = match setting.default {
            "" => String::new(),
            default => format!("`{default}`"),
        };
        let help = setting.help.replace('|', "\\|");
        table += &format!("| `{}` | {names} | {default} | {help} |\n", setting.env);
    }
    table
}

#[test]
fn the_table_of_settings_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let (before, rest) = readme
        .split_once(START)
        .expect("the README has the table's start");
    let (_, after) = rest
        .split_once(END)
        .expect("the README has the table's end");
    let current = format!("{before}{START}{}{END}{after}", table());
    if std::env::var_os("SEALGATE_WRITE_README").is_some() {
        fs::write(&path, &current).unwrap();
    } else {
        assert!(
            readme == current,
            "rewrite it with: SEALGATE_WRITE_README=1 cargo test --test readme"
        );
    }
}

#[test]
fn the_logrotate_snippet_is_the_one_in_packaging_and_logrotate_reads_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = root.join("packaging/sealgate.logrotate");
    let snippet = fs::read_to_string(&file).unwrap();
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    assert!(readme.contains(&format!("```\n{snippet}```\n")));
    let state = tempfile::tempdir().unwrap();
    let mut logrotate = std::process::Command::new("logrotate");
    logrotate
        .args(["--debug", "--state"])
        .arg(state.path().join("state"))
        .arg(&file);
    // Where it is not installed, only the text is compared.
    if let Ok(output) = logrotate.output() {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && !said.contains("error:"),
            "{said}"
        );
    }
}
