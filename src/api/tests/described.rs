//! Whether openapi.json describes a response: its status, its headers and its body. The tests here compare every response of
//! the API with it, and those in `tests` every one of a real server, through `tests/common`.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

/// An OpenAPI document.
pub(crate) struct Described {
    document: Value,
    /// By schema.
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

/// What was asked, and what came back.
#[derive(Clone, Copy)]
pub(crate) struct Exchange<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    pub(crate) status: u16,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: &'a [u8],
}

const PROBLEM: &str = "application/problem+json";

impl Described {
    /// The document that the server serves.
    pub(crate) fn here() -> &'static Described {
        static HERE: LazyLock<Described> = LazyLock::new(|| {
            let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/api/openapi.json");
            let text = std::fs::read_to_string(file).expect("the document");
            Described::new(serde_json::from_str(&text).expect("JSON"))
        });
        &HERE
    }

    pub(crate) fn new(document: Value) -> Self {
        Described {
            document,
            validators: Mutex::default(),
        }
    }

    pub(crate) fn document(&self) -> &Value {
        &self.document
    }

    /// The sentence names what the document does not describe.
    pub(crate) fn check(&self, exchange: &Exchange<'_>) -> Result<(), String> {
        let status = exchange.status.to_string();
        let responses = match self.operation(exchange) {
            Some(operation) => vec![&operation["responses"]],
            None => ["x-any-request", "x-no-operation"]
                .map(|name| &self.document[name]["responses"])
                .to_vec(),
        };
        let response = responses.iter().find_map(|known| known.get(&status));
        let checked = match response {
            None => Err("the status is not described".to_owned()),
            Some(response) => self.check_response(self.resolved(response), exchange),
        };
        checked.map_err(|wrong| exchange.told(&wrong))
    }

    /// The same where a host may have routes of its own, which no document describes. Their problems have to be known ones.
    pub(crate) fn check_beside_hosts(&self, exchange: &Exchange<'_>) -> Result<(), String> {
        match self.item(exchange.target) {
            Some(_) => self.check(exchange),
            None => self.check_problem(exchange),
        }
    }

    /// Whether the response, if it is a problem, is one that the document describes, whatever was asked. The headers are not
    /// looked at: a proxy may have passed on the body alone.
    pub(crate) fn check_problem(&self, exchange: &Exchange<'_>) -> Result<(), String> {
        if exchange.header("Content-Type") != Some(PROBLEM) || exchange.body.is_empty() {
            return Ok(());
        }
        let body: Value = serde_json::from_slice(exchange.body).unwrap_or_default();
        let all = self.document["components"]["responses"].as_object();
        let known = all.expect("responses").values().any(|response| {
            let media = response["content"].get(PROBLEM);
            media.is_some_and(|media| self.check_value(&media["schema"], &body, true).is_ok())
        });
        match known && body["status"] == exchange.status {
            true => Ok(()),
            false => Err(exchange.told("there is no such problem")),
        }
    }

    /// Whether a value has the form of this schema. `closed`: and no other members than the schema's.
    pub(crate) fn check_value(
        &self,
        schema: &Value,
        value: &Value,
        closed: bool,
    ) -> Result<(), String> {
        let key = format!("{closed} {schema}");
        let mut validators = self.validators.lock().expect("no test panics in here");
        let validator = validators.entry(key).or_insert_with(|| {
            let mut root = json!({"components": self.document["components"], "allOf": [schema]});
            if closed {
                root["unevaluatedProperties"] = false.into();
            }
            let options = jsonschema::options().with_draft(Draft::Draft202012);
            Arc::new(options.build(&root).expect("a schema"))
        });
        let validator = Arc::clone(validator);
        drop(validators);
        let wrong: Vec<String> = validator
            .iter_errors(value)
            .map(|error| error.to_string())
            .collect();
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(wrong.join("; ")),
        }
    }

    /// What a `$ref` refers to.
    pub(crate) fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        let Some(reference) = value.get("$ref").and_then(Value::as_str) else {
            return value;
        };
        let found = self.document.pointer(reference.trim_start_matches('#'));
        found.unwrap_or_else(|| panic!("{reference} refers to nothing"))
    }

    fn paths(&self) -> &Map<String, Value> {
        self.document["paths"].as_object().expect("paths")
    }

    /// The path item of a target. A parameter stands for any text without a slash; where no template has as many segments, one with
    /// parameters stands for everything that begins as it does.
    fn item(&self, target: &str) -> Option<&Value> {
        let path = target.split('?').next().unwrap_or_default();
        let fits = |template: &str| {
            let mut parts = path.split('/');
            let fits = |segment: &str| {
                let part = parts.next();
                part.is_some_and(|part| segment.starts_with('{') || segment == part)
            };
            template.split('/').all(fits) && parts.next().is_none()
        };
        let begins = |template: &str| {
            let prefix = template.split_once('{').map(|(prefix, _)| prefix);
            prefix.is_some_and(|prefix| path.starts_with(prefix))
        };
        let paths = self.paths();
        let find = |is_it: &dyn Fn(&str) -> bool| {
            let mut items = paths.iter();
            items.find_map(|(template, item)| is_it(template).then_some(item))
        };
        paths
            .get(path)
            .or_else(|| find(&fits))
            .or_else(|| find(&begins).filter(|_| path.starts_with("/verify/for/")))
    }

    fn operation(&self, exchange: &Exchange<'_>) -> Option<&Value> {
        let item = self.item(exchange.target)?;
        let method = exchange.method.to_ascii_lowercase();
        let as_get = (method == "head").then_some("get");
        item.get(&method)
            .or_else(|| as_get.and_then(|method| item.get(method)))
    }

    fn check_response(&self, response: &Value, exchange: &Exchange<'_>) -> Result<(), String> {
        if exchange.is_bare() {
            return Ok(());
        }
        let headers = response["headers"].as_object();
        for (name, header) in headers.into_iter().flatten() {
            self.check_header(name, self.resolved(header), exchange)?;
        }
        let Some(content) = response.get("content").and_then(Value::as_object) else {
            return match (exchange.body, exchange.header("Content-Type")) {
                (b"", None) => Ok(()),
                _ => Err("there is a body".to_owned()),
            };
        };
        let kind = exchange.header("Content-Type").unwrap_or("none");
        let Some(media) = content.get(kind) else {
            return Err(format!("the Content-Type is {kind}"));
        };
        if exchange.method == "HEAD" {
            return Ok(());
        }
        let body = serde_json::from_slice(exchange.body);
        let body: Value = body.map_err(|_| "the body is not JSON".to_owned())?;
        self.check_value(&media["schema"], &body, true)
    }

    fn check_header(
        &self,
        name: &str,
        header: &Value,
        exchange: &Exchange<'_>,
    ) -> Result<(), String> {
        let Some(text) = exchange.header(name) else {
            return match header["required"] == true {
                true => Err(format!("{name} is missing")),
                false => Ok(()),
            };
        };
        let schema = &header["schema"];
        let value = match schema["type"] == "integer" {
            true => text.parse::<i64>().map_or(Value::from(text), Value::from),
            false => Value::from(text),
        };
        let checked = self.check_value(schema, &value, false);
        checked.map_err(|wrong| format!("{name}: {wrong}"))
    }
}

impl Exchange<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(*value))
    }

    /// A connection for which the server has no room at all.
    fn is_bare(&self) -> bool {
        let is_empty = self.header("Content-Length") == Some("0");
        self.status == 503 && is_empty && self.header("Connection") == Some("close")
    }

    fn told(&self, wrong: &str) -> String {
        let Exchange {
            method,
            target,
            status,
            ..
        } = self;
        let body = String::from_utf8_lossy(&self.body[..self.body.len().min(400)]);
        format!(
            "openapi.json does not describe this response to {method} {target}: {wrong}\n{status} {:?}\n{body}",
            self.headers
        )
    }
}
