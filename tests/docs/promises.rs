//! Everything that tests/promises.txt lists still exists: commands and their exit codes, settings, routes, problem types, C
//! symbols, statuses and constants, and the names of the Python package.
//!
//! What is new has to be on the list too; `SEALGATE_WRITE_PROMISES=1 cargo test --test docs promises` adds it at the end.
//! A line is only ever removed together with a breaking change.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::common::c::{checked, exported, library, python};
use crate::common::{Server, text, typed};
use crate::{http, read, root};

const LIST: &str = "tests/promises.txt";

/// Prints the names of the package and the members of its classes, but not what they inherit from elsewhere.
const PYTHON_NAMES: &str = r#"
import sealgate

error = sealgate.SealgateError
for name in sealgate.__all__:
    value = getattr(sealgate, name)
    if not isinstance(value, type):
        print("python", name)
        continue
    is_error = issubclass(value, error)
    print(*(("exception", name, value.status, value.code, value.http_status) if is_error else ("python", name)))
    inherited = vars(error) if is_error else ()
    for kind in value.__mro__:
        if kind.__module__.startswith("sealgate"):
            for member in vars(kind):
                if not member.startswith("_") and member not in inherited:
                    print("python", f"{name}.{member}")
"#;

/// The argument has the header's statuses, a line `status NAME NUMBER` for each. Prints them with the library's names.
const STATUS_NAMES: &str = r#"
import ctypes
import os
import sys

status_name = ctypes.CDLL(os.environ["SEALGATE_LIBRARY"]).sealgate_status_name
status_name.restype = ctypes.c_char_p
for line in sys.argv[1].splitlines():
    print(line, status_name(int(line.split()[-1])).decode())
"#;

/// A name, the arguments, and the standard input.
type Try<'a> = (&'a str, &'a [&'a str], &'a str);

const TRIES: [Try<'_>; 16] = [
    ("--version", &["--version"], ""),
    (
        "token issue",
        &["token", "issue", "--user", "alice", "--scope", "encrypt"],
        "",
    ),
    ("encrypt", &["encrypt"], "meet me at noon"),
    ("keys list", &["keys", "list"], ""),
    ("config --check", &["config", "--check"], ""),
    ("user add", &["user", "add", "alice"], "a long passphrase"),
    (
        "user add: the name is taken",
        &["user", "add", "alice"],
        "a long passphrase",
    ),
    (
        "user disable: no such account",
        &["user", "disable", "bob"],
        "",
    ),
    (
        "token verify: the token is refused",
        &["token", "verify"],
        "e30.e30.e30",
    ),
    ("decrypt: the data does not decrypt", &["decrypt"], "AAAA"),
    ("rewrap: a line does not decrypt", &["rewrap"], "AAAA\n"),
    (
        "healthcheck: no server answers",
        &["healthcheck", "--listen", "unix:/nonexistent/socket"],
        "",
    ),
    ("no such subcommand", &["encode"], ""),
    ("no such flag", &["mask", "--everything"], ""),
    (
        "a setting is malformed",
        &["serve", "--max-requests", "many"],
        "",
    ),
    (
        "a file is missing",
        &[
            "decrypt",
            "--in",
            "/nonexistent/file",
            "--out",
            "/nonexistent/out",
        ],
        "",
    ),
];

fn exit_codes(found: &mut BTreeSet<String>) {
    let (home, empty) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let without_ring: Try<'_> = ("keys list: there is no key ring", &["keys", "list"], "");
    let tries = TRIES.map(|tried| (home.path(), tried));
    for (home, (what, arguments, input)) in tries.into_iter().chain([(empty.path(), without_ring)])
    {
        let output = typed(home, arguments, input.as_bytes(), &[]);
        let code = output.status.code().unwrap();
        found.insert(format!("exit {code} {what}"));
    }
    fs::write(home.path().join(".local/state/sealgate/keys.json"), "{}").unwrap();
    let output = typed(home.path(), &["encrypt"], b"", &[]);
    let code = output.status.code().unwrap();
    found.insert(format!("exit {code} the key ring is damaged"));
}

/// The subcommands that `--help` of this command lists, and theirs.
fn commands(words: &[&str], found: &mut BTreeSet<String>) {
    let home = tempfile::tempdir().unwrap();
    let help = typed(home.path(), &[words, &["--help"]].concat(), b"", &[]);
    let help = text(&help.stdout);
    let Some((_, list)) = help.split_once("\nCommands:\n") else {
        return;
    };
    for line in list.lines().take_while(|line| line.starts_with("  ")) {
        let word = line[2..].split(' ').next().unwrap();
        // A continuation line of a description starts with more spaces.
        if !word.is_empty() && word != "help" {
            let words = [words, &[word]].concat();
            found.insert(format!("command {}", words.join(" ")));
            commands(&words, found);
        }
    }
}

fn settings(found: &mut BTreeSet<String>) {
    let home = tempfile::tempdir().unwrap();
    let printed = typed(home.path(), &["config", "--json"], b"", &[]);
    let printed: Value = serde_json::from_slice(&printed.stdout).unwrap();
    for setting in printed["settings"].as_array().unwrap() {
        let [name, variable] = ["name", "env"].map(|name| setting[name].as_str().unwrap());
        let flag = match setting["flag"].as_str() {
            Some(flag) => format!("--{}", flag.trim_start_matches('-')),
            None => "no flag".to_owned(),
        };
        found.insert(format!("setting {name} {variable} {flag}"));
    }
}

fn routes(found: &mut BTreeSet<String>) {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(home.path(), &[("SEALGATE_KEYS", "ephemeral")]);
    let index = server.get("/", None).json();
    for route in index["endpoints"].as_array().unwrap() {
        let [method, path] = ["method", "path"].map(|name| route[name].as_str().unwrap());
        found.insert(format!("route {method} {path}"));
    }
    server.stop();
    found.insert("exit 0 serve: SIGTERM".to_owned());
}

fn is_literal(first: char) -> bool {
    first == '"' || first.is_ascii_digit()
}

/// Symbols of the library; constants of the header, and its statuses with the library's name for each.
fn c(found: &mut BTreeSet<String>) {
    found.extend(
        exported(&library())
            .iter()
            .map(|name| format!("symbol {name}")),
    );
    let mut statuses = String::new();
    for line in read("include/sealgate.h").lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [name, "=", number] if name.starts_with("SEALGATE_STATUS_") => {
                statuses += &format!("status {name} {}\n", number.trim_end_matches(','));
            }
            ["#define", name, ref value @ ..]
                if !name.contains("VERSION") && value.concat().starts_with(is_literal) =>
            {
                found.insert(format!("constant {name} {}", value.join(" ")));
            }
            _ => {}
        }
    }
    let home = tempfile::tempdir().unwrap();
    let mut names = python(home.path());
    let lines = checked(names.args(["-c", STATUS_NAMES, &statuses]));
    found.extend(lines.lines().map(str::to_owned));
}

fn python_names(found: &mut BTreeSet<String>) {
    let home = tempfile::tempdir().unwrap();
    let lines = checked(python(home.path()).args(["-c", PYTHON_NAMES]));
    found.extend(lines.lines().map(str::to_owned));
}

#[test]
fn nothing_that_was_promised_is_gone_and_what_is_new_is_on_the_list() {
    let mut found = BTreeSet::new();
    exit_codes(&mut found);
    commands(&[], &mut found);
    settings(&mut found);
    routes(&mut found);
    c(&mut found);
    python_names(&mut found);
    for (status, code) in http::problems() {
        found.insert(format!("problem {code} {status}"));
    }

    let list = read(LIST);
    let promised = list
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let promised: BTreeSet<String> = promised.map(str::to_owned).collect();
    let new: Vec<&String> = found.difference(&promised).collect();
    if std::env::var_os("SEALGATE_WRITE_PROMISES").is_some() {
        let added: String = new.iter().map(|line| format!("{line}\n")).collect();
        fs::write(root().join(LIST), list + &added).unwrap();
    } else {
        assert!(
            new.is_empty(),
            "not in {LIST}: {new:#?}; add it with: SEALGATE_WRITE_PROMISES=1 cargo test --test docs promises"
        );
    }
    let gone: Vec<&String> = promised.difference(&found).collect();
    assert!(gone.is_empty(), "promised in {LIST}, and gone: {gone:#?}");
    assert!(promised.len() > 350, "{} promises", promised.len());
}
