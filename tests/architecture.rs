//! The map of rooms in docs/architecture.md holds: no file imports from a room above its own, no files import one another
//! in a circle, every file has a room, and none is too long to read.

#[path = "architecture/map.rs"]
mod map;
#[path = "architecture/source.rs"]
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use map::{Map, circles};
use source::Tree;

/// Lines that a file of `src` may have; tests may have more.
const MOST_LINES: usize = 400;

fn read(folder: &Path, below: &str, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = format!("{below}{}", name.expect("a name in UTF-8"));
        if path.is_dir() {
            read(&path, &format!("{name}/"), files);
        } else if name.ends_with(".rs") {
            files.insert(name, fs::read_to_string(&path).expect("a source"));
        }
    }
}

fn sources() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    read(&src, "", &mut files);
    files
}

fn the_map() -> Map {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.md");
    Map::read(&fs::read_to_string(page).expect("the page"))
}

fn report(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn no_import_goes_up() {
    report(&the_map().climbing(&Tree::read(&sources()).imports()));
}

#[test]
fn no_files_import_one_another_in_a_circle() {
    report(&circles(&Tree::read(&sources()).imports()));
}

#[test]
fn every_file_has_a_room_and_every_room_is_there() {
    report(&the_map().unknown(&sources().into_keys().collect()));
}

#[test]
fn no_file_is_too_long_to_read() {
    let files = sources();
    let tree = Tree::read(&files);
    let read: BTreeSet<&str> = tree.files().collect();
    let too_long = files
        .iter()
        .filter(|(name, text)| read.contains(name.as_str()) && text.lines().count() > MOST_LINES);
    let wrong: Vec<String> = too_long
        .map(|(name, text)| format!("src/{name}: {} lines", text.lines().count()))
        .collect();
    report(&wrong);
}

/// The event loop stays on the thread that `store/postgres/client` starts: everything else blocks.
#[test]
fn only_the_store_in_postgresql_knows_of_tokio() {
    let files = sources();
    let uses = files.iter().flat_map(|(name, text)| {
        let lines = text.lines().enumerate();
        let code = lines.filter(|(_, line)| !line.trim_start().starts_with("//"));
        let wrong = code.filter(|(_, line)| {
            ["tokio::", "tokio_postgres", "postgres_openssl"]
                .iter()
                .any(|library| line.contains(library))
        });
        wrong.map(move |(at, _)| (name, at + 1))
    });
    let (inside, outside): (Vec<_>, Vec<_>) =
        uses.partition(|(name, _)| name.starts_with("store/postgres/"));
    assert!(!inside.is_empty());
    let outside = outside
        .iter()
        .map(|(name, line)| format!("src/{name}:{line}"));
    report(&outside.collect::<Vec<_>>());
}

/// All modules have the same form: a folder with `mod.rs`, never a file beside a folder of its name.
#[test]
fn a_folder_has_its_module_in_mod_rs() {
    let files = sources();
    let beside = files.keys().filter(|name| {
        let folder = format!("{}/", name.trim_end_matches(".rs"));
        files.keys().any(|other| other.starts_with(&folder))
    });
    report(&beside.map(|name| format!("src/{name}")).collect::<Vec<_>>());
}

/// Small trees in which something is wrong.
mod planted {
    use super::*;

    const PAGE: &str =
        "```rooms\ntop: a\nmiddle, beside: b\nbase, error (may use one another): c\n```\n";
    const LIB: &str = "mod top;\nmod middle;\nmod beside;\nmod base;\nmod error;\npub use error::Error;\npub use top::Top;\n";

    /// With this in `middle/file.rs`.
    fn tree(text: &str) -> Tree {
        let files = [
            ("lib.rs", LIB),
            (
                "top.rs",
                "use crate::middle::Middle;\nuse crate::{Error, base};\npub struct Top;\npub fn g() {}",
            ),
            (
                "middle/mod.rs",
                "mod file;\nmod other;\npub use file::Middle;\npub const MOST: u32 = 1;",
            ),
            ("middle/file.rs", text),
            (
                "middle/other.rs",
                "use super::MOST;\nuse super::file::Middle;\npub struct Other;",
            ),
            (
                "beside.rs",
                "pub struct Beside;\n#[cfg(test)]\nmod tests {\n    use crate::top::Top;\n}",
            ),
            ("base.rs", "use crate::Error;\npub fn base() {}"),
            ("error.rs", "use crate::base;\npub struct Error;"),
        ];
        Tree::read(
            &files
                .map(|(name, text)| (name.to_owned(), text.to_owned()))
                .into(),
        )
    }

    fn climbing(text: &str) -> Vec<String> {
        Map::read(PAGE).climbing(&tree(text).imports())
    }

    #[test]
    fn imports_that_go_down_are_permitted() {
        let text = "use crate::{Error, base::base};\npub struct Middle;\n// crate::top\nconst A: &str = \"crate::top\";";
        assert_eq!(climbing(text), [""; 0]);
        // The ground floor of this map may use itself, and tests may use everything.
        let circles = circles(&tree(text).imports());
        assert!(
            circles
                .iter()
                .all(|wrong| wrong.contains("src/base.rs") || wrong.contains("src/error.rs")),
            "{circles:?}"
        );
    }

    #[test]
    fn an_import_that_goes_up_is_found_in_every_form() {
        for (text, line) in [
            ("use crate::top::Top;", 1),
            ("use crate::{\n    Error,\n    Top,\n};", 3),
            ("\nuse super::super::top;", 2),
            ("use crate::top as other;", 1),
            ("use super::super::top::*;", 1),
            ("pub use crate::top::{g as h};", 1),
            ("fn f() {\n    crate::top::g()\n}", 2),
            ("fn f(top: &crate::Top) {}", 1),
            ("mod inside {\n    use super::super::super::top::Top;\n}", 2),
            ("use crate::beside::Beside;", 1),
        ] {
            let found = climbing(text);
            let [wrong] = &found[..] else {
                panic!("{text}: {found:?}");
            };
            assert!(
                wrong.starts_with(&format!("src/middle/file.rs:{line}: ")),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_circle_is_found_with_its_lines() {
        let found = circles(&tree("use super::other::Other;\npub struct Middle;").imports());
        let wrong = [
            "src/middle/file.rs:1: super::other::Other is in src/middle/other.rs, which leads back here",
            "src/middle/other.rs:2: super::file::Middle is in src/middle/file.rs, which leads back here",
        ];
        for wrong in wrong {
            assert!(
                found.iter().any(|found| found == wrong),
                "{wrong}: {found:?}"
            );
        }
        // A folder's face that uses what its files define, and is used by them.
        let face = (
            "middle/mod.rs",
            "mod file;\nuse file::Middle;\npub struct Most(Middle);",
        );
        let file = ("middle/file.rs", "use super::Most;\npub struct Middle;");
        let files = [("lib.rs", "mod middle;"), face, file];
        let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(circles(&Tree::read(&files.into()).imports()).len(), 2);
    }

    #[test]
    fn a_file_without_a_room_and_a_room_without_files_are_found() {
        let files = [
            "top.rs",
            "new/mod.rs",
            "middle/mod.rs",
            "beside.rs",
            "base.rs",
            "lib.rs",
        ];
        let wrong = Map::read(PAGE).unknown(&files.map(str::to_owned).into());
        assert_eq!(
            wrong,
            [
                "src/new/mod.rs: no room of the map has this file",
                "error: a room of the map that is not in src"
            ]
        );
    }
}
