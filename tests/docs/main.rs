//! The pages at the root and in docs/ match the program: settings, routes, problem types, commands, links and examples.

#![allow(clippy::unwrap_used)] // a test that panics has failed

#[path = "../common/mod.rs"]
mod common;

mod claims;
mod features;
mod http;
mod links;
mod openapi;
mod pages;
#[cfg(target_os = "linux")]
mod promises;
mod rust_guide;
mod settings;

use std::fs;
use std::path::{Path, PathBuf};

const AT_THE_ROOT: [&str; 5] = [
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
    "RELEASING.md",
    "SECURITY.md",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(page: impl AsRef<Path>) -> String {
    let path = root().join(page);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Fails unless a page has this text between two marks; with SEALGATE_WRITE_DOCS it is written there.
fn is_current(page: &str, (start, end): (&str, &str), wanted: &str) {
    let before = read(page);
    let (head, rest) = before.split_once(start).expect("the table's start");
    let (_, tail) = rest.split_once(end).expect("the table's end");
    let current = format!("{head}{start}{wanted}{end}{tail}");
    if std::env::var_os("SEALGATE_WRITE_DOCS").is_some() {
        fs::write(root().join(page), &current).unwrap();
    } else {
        assert!(
            before == current,
            "rewrite {page} with: SEALGATE_WRITE_DOCS=1 cargo test --test docs"
        );
    }
}

/// The pages of docs/ and those at the root, relative to the root.
fn pages() -> Vec<PathBuf> {
    let mut pages = AT_THE_ROOT.map(PathBuf::from).to_vec();
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") {
            pages.push(Path::new("docs").join(name));
        }
    }
    pages.sort();
    pages
}

/// A page without its code blocks.
fn prose(text: &str) -> String {
    let mut in_code = false;
    let is_prose = |line: &&str| {
        let fence = line.starts_with("```");
        in_code ^= fence;
        !in_code && !fence
    };
    let lines: Vec<&str> = text.lines().filter(is_prose).collect();
    lines.join("\n")
}

/// The code blocks of this language, which may be none.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(opening) = lines.by_ref().find_map(|line| line.strip_prefix("```")) {
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if opening == language {
            blocks.push(block.join("\n"));
        }
    }
    blocks
}
