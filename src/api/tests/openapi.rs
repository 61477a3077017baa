//! openapi.json and the routes agree in both directions, and it is served.

use serde_json::{Map, json};

use super::described::Described;
use super::*;
use crate::api::route::{Access, Route};
use crate::api::routes::{API, admin::ADMINISTRATION};

const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];
const KINDS: [&str; 3] = [
    "application/json",
    "application/x-www-form-urlencoded",
    "text/plain",
];

fn all_routes() -> impl Iterator<Item = &'static Route> {
    [&API, &ADMINISTRATION]
        .into_iter()
        .flat_map(|table| table.routes)
}

/// Whether a path of the document, perhaps with parameters, is this route's.
fn is_of(route: &Route, template: &str) -> bool {
    match route.is_prefix {
        true => template.split('{').next() == Some(route.path),
        false => template == route.path,
    }
}

/// The methods with their operations of each path.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let items = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        let methods = methods.filter(|(name, _)| METHODS.contains(&name.as_str()));
        methods.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    });
    items.collect()
}

/// The kinds of body that a route accepts; none if it ignores the body.
fn kinds(route: &Route) -> Vec<&'static str> {
    let accepted = |kind: &str| {
        let ask = post("/", "");
        let ask = ask.without("Content-Type").with("Content-Type", kind);
        ask.seen(|request| (route.takes)(request).is_ok())
    };
    // A body that may be missing is ignored only if anything may be there.
    match accepted("text/plain") {
        true => Vec::new(),
        false => KINDS.into_iter().filter(|kind| accepted(kind)).collect(),
    }
}

/// The security requirement: sets of scopes, one of which a token needs.
fn security(access: &Access) -> Value {
    let sets: Vec<&str> = match access {
        Access::Anyone => Vec::new(),
        Access::Token(sets) => sets.to_vec(),
        Access::Demanded => vec![""],
        Access::Unlimited(scope) => vec![scope],
        Access::UnlimitedOrClient(scope) => return json!([{"token": [scope]}, {"client": []}]),
        Access::AsLogin => vec![""],
        Access::Administrator => vec!["admin"],
    };
    let set = |names: &str| {
        let names: Vec<&str> = names.split_whitespace().collect();
        json!({ "token": names })
    };
    sets.into_iter().map(set).collect()
}

/// The statuses that follow from a route's access and kind of body, and whether it has them.
fn by_access(route: &Route) -> Vec<(&'static str, bool)> {
    // OAuth has no 415: its routes refuse other kinds of body with 400.
    let by_type = {
        let ask = post("/", "").without("Content-Type");
        let ask = ask.with("Content-Type", "text/plain");
        let taken = ask.seen(|request| (route.takes)(request));
        taken.is_err_and(|problem| problem.status() == 415)
    };
    let (token, scope, limit) = match route.access {
        Access::Anyone => return vec![("415", by_type)],
        Access::Token(_) | Access::Demanded | Access::AsLogin => (true, true, true),
        Access::Unlimited(scope) => (true, !scope.is_empty(), false),
        Access::Administrator => (true, true, false),
        // Wrong secrets are limited.
        Access::UnlimitedOrClient(_) => (true, true, true),
    };
    vec![
        ("401", token),
        // A route of logins, which API keys are none of.
        ("403", scope || route.path == "/logout"),
        ("415", by_type),
        ("429", limit),
    ]
}

/// Where the table of routes and the document differ.
fn differences(document: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let described = operations(document);
    for (path, method, operation) in &described {
        let route = all_routes().find(|route| {
            let same = route.method.as_str().eq_ignore_ascii_case(method);
            is_of(route, path) && (same || route.is_prefix)
        });
        let Some(route) = route else {
            wrong.push(format!("{method} {path} is no route"));
            continue;
        };
        let mut compare = |what: &str, here: Value, there: Value| {
            if here != there {
                wrong.push(format!("{method} {path}: {what}: {here}, not {there}"));
            }
        };
        let content = operation["requestBody"]["content"].as_object();
        let content: Vec<&String> = content.map_or_else(Vec::new, |kinds| kinds.keys().collect());
        compare("summary", route.about.into(), operation["summary"].clone());
        compare(
            "security",
            security(&route.access),
            operation["security"].clone(),
        );
        compare("body", json!(kinds(route)), json!(content));
        let responses = operation["responses"].as_object().unwrap();
        let any = document["x-any-request"]["responses"].as_object().unwrap();
        for status in any.keys() {
            compare(status, true.into(), responses.contains_key(status).into());
        }
        for (status, has) in by_access(route) {
            compare(status, has.into(), responses.contains_key(status).into());
        }
    }
    for route in all_routes() {
        let methods = match route.is_prefix {
            true => METHODS.to_vec(),
            false => vec![route.method.as_str()],
        };
        for method in methods {
            let known = |(path, name, _): &(&str, &str, &Value)| {
                is_of(route, path) && name.eq_ignore_ascii_case(method)
            };
            if !described.iter().any(known) {
                wrong.push(format!("{method} {} is not described", route.path));
            }
        }
    }
    wrong
}

#[test]
fn the_document_and_the_table_of_routes_agree() {
    let document = Described::here().document();
    assert_eq!(differences(document), [""; 0]);
    assert_eq!(
        operations(document).len(),
        all_routes().count() + METHODS.len() - 1
    );
}

/// The document with one thing changed.
pub(super) fn planted(pointer: &str, value: Option<Value>) -> Value {
    let mut document = Described::here().document().clone();
    let (above, name) = pointer.rsplit_once('/').unwrap();
    let name = name.replace("~1", "/");
    let above = document.pointer_mut(above).expect("what is changed");
    let above: &mut Map<String, Value> = above.as_object_mut().unwrap();
    match value {
        Some(value) => drop(above.insert(name, value)),
        None => drop(above.remove(&name).expect("what is removed")),
    }
    document
}

#[test]
fn faults_planted_in_the_document_differ_from_the_table() {
    for (pointer, value) in [
        ("/paths/~1healthz", None),
        ("/paths/~1new", Some(json!({"get": {}}))),
        ("/paths/~1login/post", None),
        ("/paths/~1login/put", Some(json!({}))),
        ("/paths/~1verify~1for~1{scope}~1{limit}~1{path}/trace", None),
        ("/paths/~1encrypt/post/security", Some(json!([]))),
        (
            "/paths/~1rewrap/post/security/1/token",
            Some(json!(["decrypt"])),
        ),
        (
            "/paths/~1logout/post/security/0/token",
            Some(json!(["logout"])),
        ),
        ("/paths/~1login/post/requestBody", None),
        (
            "/paths/~1logout/post/requestBody",
            Some(json!({"content": {"application/json": {}}})),
        ),
        (
            "/paths/~1introspect/post/requestBody/content/application~1x-www-form-urlencoded",
            None,
        ),
        ("/paths/~1encrypt/post/responses/429", None),
        ("/paths/~1encrypt/post/responses/415", None),
        ("/paths/~1introspect/post/responses/429", None),
        ("/paths/~1logout/post/responses/429", Some(json!({}))),
        ("/paths/~1token/post/responses/415", Some(json!({}))),
        (
            "/paths/~1introspect/post/security/1/client",
            Some(json!(["introspect"])),
        ),
        ("/paths/~1password/post/responses/429", None),
        ("/paths/~1password/post/security", Some(json!([]))),
        ("/paths/~1healthz/get/responses/431", None),
        ("/paths/~1healthz/get/summary", Some(json!("Another"))),
    ] {
        let document = planted(pointer, value);
        assert!(!differences(&document).is_empty(), "{pointer}");
    }
}

/// The examples are what readers copy, and what clients are generated and tested with.
#[test]
fn every_example_has_the_form_that_it_stands_beside() {
    fn visit(described: &Described, value: &Value, count: &mut usize) {
        if let (Some(schema), Some(object)) = (value.get("schema"), value.as_object()) {
            let examples = object.get("examples").and_then(Value::as_object);
            let examples = examples.into_iter().flat_map(Map::values);
            let examples = examples.map(|example| &example["value"]);
            for example in examples.chain(object.get("example")) {
                assert_eq!(
                    described.check_value(schema, example, false),
                    Ok(()),
                    "{example}"
                );
                *count += 1;
            }
        }
        match value {
            Value::Object(members) => members.values().for_each(|it| visit(described, it, count)),
            Value::Array(items) => items.iter().for_each(|it| visit(described, it, count)),
            _ => {}
        }
    }
    let mut count = 0;
    visit(Described::here(), Described::here().document(), &mut count);
    assert!(count > 50, "{count} examples");
}

#[test]
fn everything_that_is_defined_is_used_and_every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|it| references(it, found));
            }
            Value::Array(items) => items.iter().for_each(|it| references(it, found)),
            _ => {}
        }
    }
    let document = Described::here().document();
    let mut found = Vec::new();
    references(document, &mut found);
    for reference in &found {
        let pointer = reference.trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    for kind in ["parameters", "headers", "schemas", "responses"] {
        for name in document["components"][kind].as_object().unwrap().keys() {
            let reference = format!("#/components/{kind}/{name}");
            assert!(found.contains(&&*reference), "{reference} is not used");
        }
    }
    let mut ids: Vec<&str> = operations(document)
        .iter()
        .map(|(_, _, operation)| operation["operationId"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "{ids:?}");
}

#[test]
fn the_document_is_served_and_revalidated() {
    let app = app(&[]);
    let response = get("/openapi.json").of(&app);
    assert_eq!(response.status().0, 200);
    assert_eq!(response.header("Content-Type"), Some("application/json"));
    assert_eq!(&body(&response), Described::here().document());
    assert_eq!(body(&response)["info"]["version"], crate::VERSION);
    assert!(
        !response.body().windows(2).any(|pair| pair == b"  "),
        "white space"
    );
    let etag = response.header("ETag").unwrap();
    assert_eq!(
        response.header("Cache-Control"),
        Some("public, max-age=300")
    );
    let other = "\"other\"".to_owned();
    for (value, status) in [
        (etag.to_owned(), 304),
        (format!("W/{etag}"), 304),
        (format!("{other}, {etag}"), 304),
        (other, 200),
    ] {
        let again = get("/openapi.json").with("If-None-Match", &value).of(&app);
        assert_eq!(again.status().0, status, "{value}");
        assert_eq!(again.header("ETag"), Some(etag));
        assert_eq!(again.body().is_empty(), status == 304);
    }
}
