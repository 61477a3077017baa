//! Python: a process with the package, which answers a line of JSON for each line.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};

use super::{Answer, Arguments, Asked, Place};
use crate::common::c::{python, root};

pub(super) struct Python {
    host: Child,
    asked: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Python {
    pub(super) fn start(place: &Place) -> Self {
        let settings: Value = place
            .pairs()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), Value::from(value)))
            .collect();
        let mut host = python(place.home.path())
            .arg(root().join("tests/parity/door.py"))
            .arg(settings.to_string())
            .current_dir(place.home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Python {
            asked: host.stdin.take(),
            answers: BufReader::new(host.stdout.take().unwrap()),
            host,
        }
    }
}

impl Asked for Python {
    fn ask(&mut self, operation: &str, arguments: &Arguments) -> Option<Answer> {
        let line = json!([operation, arguments.0]);
        writeln!(self.asked.as_ref().unwrap(), "{line}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        let answer: Value = serde_json::from_str(&answer)
            .unwrap_or_else(|_| panic!("no answer to {operation}: {:?}", self.host.wait()));
        match &answer {
            Value::Null => None,
            Value::String(code) => Some(Err(code.clone())),
            _ => Some(Ok(answer)),
        }
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        drop(self.asked.take());
        let ended = self.host.wait();
        if !std::thread::panicking() {
            assert!(ended.unwrap().success());
        }
    }
}
