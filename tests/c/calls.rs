//! Every export of the C library, called with NULL for each of its pointers and with every length 0: a status, never a
//! crash. The calls are generated from the header, so that none is forgotten.

#![allow(clippy::unwrap_used)] // a test that panics has failed
#![cfg(target_os = "linux")]

use crate::common::c::{Under, compile_file, root};

struct Function {
    result: String,
    name: String,
    parameters: Vec<Parameter>,
}

struct Parameter {
    /// Without the name.
    kind: String,
    name: String,
}

fn functions() -> Vec<Function> {
    let header = std::fs::read_to_string(root().join("include/sealgate.h")).unwrap();
    let mut code = String::new();
    for part in header.split("/*") {
        code.push_str(part.split_once("*/").map_or(part, |(_, code)| code));
    }
    let lines = code.lines().filter(|line| !line.starts_with('#'));
    let code = lines.collect::<Vec<_>>().join(" ");
    code.split([';', '{', '}'])
        .filter_map(|statement| {
            let (head, rest) = statement.split_once('(')?;
            let (parameters, _) = rest.split_once(')')?;
            let head = head.replace("SEALGATE_MUST_USE", "");
            let at = head
                .rfind("sealgate_")
                .filter(|_| !head.contains("typedef"))?;
            Some(Function {
                result: head[..at].trim().to_owned(),
                name: head[at..].trim().to_owned(),
                parameters: parameters
                    .split(',')
                    .filter(|parameter| parameter.trim() != "void")
                    .map(Parameter::of)
                    .collect(),
            })
        })
        .collect()
}

impl Parameter {
    fn of(text: &str) -> Self {
        let words: Vec<_> = text.split_ascii_whitespace().collect();
        let text = words.join(" ");
        let at = text.rfind([' ', '*']).unwrap() + 1;
        Parameter {
            kind: text[..at].trim().to_owned(),
            name: text[at..].to_owned(),
        }
    }

    fn is_pointer(&self) -> bool {
        self.kind.ends_with('*') || self.is_callback()
    }

    fn is_callback(&self) -> bool {
        self.kind.ends_with("_callback")
            || self.kind == "sealgate_drop"
            || self.name == "user" && self.kind == "void *"
    }

    /// A live handle, room for an output, or a length of nothing.
    fn valid(&self, number: usize) -> String {
        if !self.is_pointer() || self.is_callback() {
            return "0".to_owned();
        }
        let handle = self
            .kind
            .split(['*', ' '])
            .find_map(|word| word.strip_prefix("sealgate_"));
        match handle {
            Some("buffer") => "&buffer".to_owned(),
            Some("admission") => format!("(void *)scratch[{number}]"),
            Some(handle) if self.kind.ends_with("**") && !self.kind.contains("const") => {
                format!("&new_{handle}_")
            }
            Some(handle) if !self.kind.ends_with("**") => handle.to_owned(),
            _ => format!("(void *)scratch[{number}]"),
        }
    }

    /// Whether NULL is no fault: there is a length beside it, which is 0, or the comment permits it.
    fn may_be_null(&self, function: &Function) -> bool {
        let has_length = function.parameters.iter().any(|other| {
            !other.is_pointer() && other.name.starts_with(&self.name) && other.name != self.name
        });
        has_length && !self.name.starts_with("out_size")
            // The environment has the settings.
            || self.kind.starts_with("const") && self.kind.contains("sealgate_config")
            || self.name == "user" && self.kind == "void *"
            || self.kind == "sealgate_drop"
            || function.name == "sealgate_set_log"
            || self.name == "buffer" && function.name == "sealgate_last_error"
    }
}

/// One call. `null`: which pointer is NULL, all of them where it is beyond the last.
fn call(function: &Function, null: Option<usize>, length: &str, wanted: &str) -> String {
    let all = null == Some(function.parameters.len());
    let arguments: Vec<String> = function
        .parameters
        .iter()
        .enumerate()
        .map(|(at, parameter)| match parameter.is_pointer() {
            true if all || null == Some(at) => "NULL".to_owned(),
            true => parameter.valid(at),
            false => length.to_owned(),
        })
        .collect();
    let call = format!("{}({})", function.name, arguments.join(", "));
    match function.result.as_str() {
        "sealgate_status" => {
            format!("    {{ sealgate_status status = {call}; KNOWN(status); {wanted} }}\n")
        }
        "void" => format!("    {call};\n"),
        _ => format!("    (void){call};\n"),
    }
}

#[test]
fn every_export_takes_null_for_every_pointer_and_0_for_every_length() {
    let functions = functions();
    let exports = functions.len();
    assert!(exports > 50, "{exports} exports found");
    let mut source = "#include \"calls.h\"\n\nstatic void every_call(void)\n{\n".to_owned();
    for function in &functions {
        let all = Some(function.parameters.len());
        let refused = match function
            .parameters
            .iter()
            .any(|one| one.is_pointer() && !one.may_be_null(function))
        {
            true if !function.name.ends_with("_free") => {
                "CHECK(status == SEALGATE_STATUS_NULL_POINTER);"
            }
            _ => "",
        };
        source.push_str(&call(function, all, "0", refused));
        source.push_str(&call(function, all, "5", ""));
        source.push_str("    tidy();\n");
        // What ends or starts a handle that the other calls need has had its call.
        let ends = ["_free", "_start"]
            .iter()
            .any(|end| function.name.ends_with(end));
        if ends {
            continue;
        }
        for (at, parameter) in function.parameters.iter().enumerate() {
            if parameter.is_pointer() {
                let wanted = match parameter.may_be_null(function) {
                    true => "",
                    false => "CHECK(status == SEALGATE_STATUS_NULL_POINTER);",
                };
                source.push_str(&call(function, Some(at), "0", wanted));
                source.push_str("    tidy();\n");
            }
        }
        source.push_str(&call(function, None, "0", ""));
        source.push_str("    tidy();\n");
    }
    source.push_str("}\n");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("calls.c");
    std::fs::write(&file, source).unwrap();
    for under in [Under::Nothing, Under::Sanitizers] {
        compile_file(&file, under).run();
    }
    println!("{exports} exports");
}
