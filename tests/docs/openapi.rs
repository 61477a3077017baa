//! The OpenAPI document has every problem type of the program at some operation, and no others.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{http, read};

const FILE: &str = "src/api/openapi.json";
const TYPE: &str = "urn:sealgate:problem:";

fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let reference = value.get("$ref").and_then(Value::as_str);
    reference.map_or(value, |reference| {
        document.pointer(reference.trim_start_matches('#')).unwrap()
    })
}

/// The status and the code of every problem that these responses may be.
fn problems(document: &Value, responses: &Value, found: &mut BTreeSet<(String, String)>) {
    for (status, response) in responses.as_object().unwrap() {
        let content = &resolved(document, response)["content"];
        let Some(media) = content.get("application/problem+json") else {
            continue;
        };
        let schema = resolved(document, &media["schema"]);
        let types = schema["properties"]["type"]["enum"].as_array().unwrap();
        for name in types {
            let code = name.as_str().unwrap().strip_prefix(TYPE).unwrap();
            found.insert((status.clone(), code.to_owned()));
        }
    }
}

/// Those of all operations, and of requests that match none.
fn described(document: &Value) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    let items = document["paths"].as_object().unwrap().values();
    let members = items.flat_map(|item| item.as_object().unwrap().values());
    for operation in members.filter(|member| member.get("responses").is_some()) {
        problems(document, &operation["responses"], &mut found);
    }
    problems(
        document,
        &document["x-no-operation"]["responses"],
        &mut found,
    );
    found
}

#[test]
fn every_problem_type_is_described_with_its_status() {
    let document: Value = serde_json::from_str(&read(FILE)).unwrap();
    assert_eq!(described(&document), http::problems());
}

#[test]
fn a_problem_type_that_is_missing_or_too_many_is_noticed() {
    let document: Value = serde_json::from_str(&read(FILE)).unwrap();
    let types = |name: &str| format!("/components/schemas/{name}Problem/properties/type/enum");
    for (name, types) in [("BadData", types("BadData")), ("Timeout", types("Timeout"))] {
        for change in [Vec::pop, |types: &mut Vec<Value>| {
            types.push(format!("{TYPE}unheard_of").into());
            None
        }] {
            let mut planted = document.clone();
            let types = planted.pointer_mut(&types).unwrap();
            change(types.as_array_mut().unwrap());
            assert_ne!(described(&planted), http::problems(), "{name}");
        }
    }
}
