//! The shared library exports what include/symbols.txt lists, which is what include/sealgate.h declares, and nothing else.
//!
//! `make header` rewrites the list (this test with SEALGATE_WRITE_HEADER=1). SEALGATE_LIB names another library to look at,
//! such as the released one.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // a test that panics has failed

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::common::c::{exported, library, root};

/// Every function of the header: a name of ours that an opening parenthesis follows, outside of comments.
fn declared() -> BTreeSet<String> {
    let header = fs::read_to_string(root().join("include/sealgate.h")).unwrap();
    let mut names = BTreeSet::new();
    let code = header
        .lines()
        .filter(|line| !line.trim_start().starts_with(['*', '/', '#']));
    for line in code {
        for (end, _) in line.match_indices('(') {
            let before = &line[..end];
            let start = before
                .rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .map_or(0, |at| at + 1);
            if before[start..].starts_with("sealgate_") {
                names.insert(before[start..].to_owned());
            }
        }
    }
    names
}

#[test]
fn the_exports_are_the_list_and_the_header_and_nothing_else() {
    let looked_at = std::env::var_os("SEALGATE_LIB").map_or_else(library, PathBuf::from);
    let exported = exported(&looked_at);
    let foreign: Vec<_> = exported
        .iter()
        .filter(|name| !name.starts_with("sealgate_"))
        .collect();
    assert!(foreign.is_empty(), "exported, and not ours: {foreign:?}");

    let list: String = exported.iter().map(|name| format!("{name}\n")).collect();
    let path = root().join("include/symbols.txt");
    if std::env::var_os("SEALGATE_WRITE_HEADER").is_some() {
        fs::write(&path, &list).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == list,
        "include/symbols.txt is not what the library exports. Rewrite it with: make header"
    );
    assert_eq!(exported, declared(), "the library, and the header");
}
