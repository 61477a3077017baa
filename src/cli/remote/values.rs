//! Members of responses and requests.

use serde_json::Value;

/// A text in a response; empty if there is none.
pub(super) fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A list of scopes as one text.
pub(super) fn scope_of(value: &Value) -> String {
    let names = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
    names.join(" ")
}

/// The scopes in a text as a list. With a space too many a name is empty, which the server refuses.
pub(super) fn scopes_in(text: &str) -> Vec<&str> {
    match text {
        "" => Vec::new(),
        _ => text.split(' ').collect(),
    }
}
