//! The table of settings is the program's. SEALGATE_WRITE_DOCS=1 rewrites it.

use std::collections::BTreeSet;

use sealgate::config::SETTINGS;

use crate::{is_current, pages, read};

const PAGE: &str = "docs/settings.md";
const START: &str = "<!-- settings: written by tests/docs/settings.rs -->\n";
const END: &str = "<!-- end of settings -->";

/// Names in capitals that are no settings: those of the build, of the tests, of the Python package and of the C header.
const OTHERS: [&str; 16] = [
    "SEALGATE_ABI_VERSION",
    "SEALGATE_BUILD_FEATURES",
    "SEALGATE_BUILD_LIBRARY",
    "SEALGATE_CONFIG",
    "SEALGATE_EVENT",
    "SEALGATE_GRACE_DEFAULT",
    "SEALGATE_KEYS_",
    "SEALGATE_LIBRARY",
    "SEALGATE_LITERAL",
    "SEALGATE_RESULT",
    "SEALGATE_STATUS_",
    "SEALGATE_TOKEN",
    "SEALGATE_VERSION_MAJOR",
    "SEALGATE_VERSION_MINOR",
    "SEALGATE_VERSION_STRING",
    "SEALGATE_WRITE_",
];

fn table() -> String {
    let mut table = String::from(
        "| environment | file, flag | value | default | meaning |\n| --- | --- | --- | --- | --- |\n",
    );
    for setting in SETTINGS {
        let names = match setting.flag() {
            Some(flag) => format!("`{}`, `--{flag}`", setting.name),
            None => format!("`{}`, no flag", setting.name),
        };
        let values: Vec<String> = setting
            .value_name
            .split('|')
            .map(|value| format!("`{value}`"))
            .collect();
        let default = match setting.default {
            "" => String::new(),
            default => format!("`{default}`"),
        };
        table += &format!(
            "| `{}` | {names} | {} | {default} | {} |\n",
            setting.env,
            values.join(", "),
            setting.help.replace('|', "\\|")
        );
    }
    table
}

#[test]
fn the_table_of_settings_is_current() {
    is_current(PAGE, (START, END), &table());
}

#[test]
fn every_setting_that_a_page_names_exists() {
    let known: BTreeSet<&str> = SETTINGS.iter().map(|setting| setting.env).collect();
    for page in pages() {
        let text = read(&page);
        for (at, _) in text.match_indices("SEALGATE_") {
            let rest = &text[at..];
            let end = rest
                .find(|c: char| !c.is_ascii_uppercase() && c != '_')
                .unwrap_or(rest.len());
            let (name, behind) = rest.split_at(end);
            let is_family = ["...", "` variable", "*"]
                .iter()
                .any(|mark| behind.starts_with(mark));
            assert!(
                known.contains(name)
                    || OTHERS.iter().any(|other| name.starts_with(other))
                    || (is_family && known.iter().any(|setting| setting.starts_with(name))),
                "{}: {name}",
                page.display()
            );
        }
    }
}
