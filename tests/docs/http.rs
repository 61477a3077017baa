//! docs/http.md lists every route and every problem type of the program, and no others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use sealgate::api::{App, Headers, Method, Peer, Request};
use sealgate::{Config, Error, Gate};
use serde_json::Value;

use crate::{read, root};

const PAGE: &str = "docs/http.md";
const TYPE: &str = "urn:sealgate:problem:";

/// The cells of the rows of the table under this heading.
fn rows(page: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| "));
    rows.skip(2)
        .map(|row| row.split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

#[test]
fn every_route_is_listed_with_whether_it_needs_a_token() {
    let mut config = Config::new();
    config.set("keys", "ephemeral").unwrap();
    let settings = config.settings().unwrap();
    let app = App::new(Gate::new(&settings.gate).unwrap(), &settings.app).unwrap();
    let index = app.handle(&Request {
        method: &Method::Get,
        target: "/",
        headers: Headers::default(),
        body: b"",
        peer: &Peer::local(None, None),
        version_1_0: false,
        certificate: None,
    });
    let index: Value = serde_json::from_slice(index.body()).unwrap();
    let routes: BTreeMap<String, bool> = index["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|route| {
            let [method, path] = ["method", "path"].map(|name| route[name].as_str().unwrap());
            (
                format!("{method} {path}"),
                route["token"].as_bool().unwrap(),
            )
        })
        .collect();
    let page = read(PAGE);
    let listed: BTreeMap<String, bool> = rows(&page, "Routes")
        .iter()
        .map(|row| {
            let (name, _) = row[1].strip_prefix('[').unwrap().split_once(']').unwrap();
            // The refresh token of /refresh is a member of its body.
            let needs_token = !row[2].is_empty() && !row[2].contains("in the body");
            (name.replace('`', ""), needs_token)
        })
        .collect();
    assert_eq!(listed, routes);
    for name in routes.keys() {
        let heading = page.lines().any(|line| {
            line.strip_prefix("### ")
                .is_some_and(|heading| heading.split(", ").any(|part| part == name))
        });
        assert!(heading, "{name} has a section");
    }
}

/// The status and code of each problem that the sources of the API make; the code is empty if it is an error's.
fn made(folder: &Path, found: &mut BTreeSet<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            made(&path, found);
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        for call in source.split("Problem::new(").skip(1) {
            let mut arguments = call.split(',').map(str::trim);
            let (status, code) = (arguments.next().unwrap(), arguments.next().unwrap());
            let literal = code
                .strip_prefix('"')
                .and_then(|code| code.strip_suffix('"'));
            found.insert((status.to_owned(), literal.unwrap_or_default().to_owned()));
        }
        // The table of problems that always say the same: `name: 404 "not_found"`.
        let table = source
            .split_once("\nfixed! {")
            .map_or("", |(_, table)| table);
        let rows = table.lines().filter_map(|line| {
            line.split_once(": ")?
                .1
                .strip_suffix('"')?
                .split_once(" \"")
        });
        found.extend(rows.map(|(status, code)| (status.to_owned(), code.to_owned())));
    }
}

/// The status and code of every problem type.
pub(crate) fn problems() -> BTreeSet<(String, String)> {
    let mut problems = BTreeSet::new();
    made(&root().join("src/api"), &mut problems);
    // Those that have the code of the library's error.
    problems.retain(|(_, code)| !code.is_empty());
    for (status, error) in [
        ("400", Error::Decrypt),
        ("400", Error::KeyRetired),
        ("400", Error::NotFresh),
        ("400", Error::Signature),
        ("409", Error::UserExists),
    ] {
        problems.insert((status.to_owned(), error.code().to_owned()));
    }
    let errors = read("src/error.rs");
    let codes = errors.split('"').filter(|text| {
        text.starts_with("token_") && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'_'))
    });
    // A token that cannot be checked is answered as unavailable.
    for code in codes.filter(|code| *code != "token_unchecked") {
        problems.insert(("401".to_owned(), code.to_owned()));
    }
    problems
}

#[test]
fn every_problem_type_is_listed_with_its_status() {
    let problems = problems();
    let page = read(PAGE);
    let listed: BTreeSet<(String, String)> = rows(&page, "Errors")
        .iter()
        .map(|row| {
            let code = row[1].trim_matches('`').strip_prefix(TYPE).unwrap();
            (row[2].clone(), code.to_owned())
        })
        .collect();
    assert_eq!(listed, problems);
    assert!(problems.len() > 25, "{problems:?}");
}
