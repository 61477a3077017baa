//! The same scenarios at every door: Rust, C, Python, the command, and HTTP with both engines. Every answer has to be the
//! one in the table, and so the same at every door; a cell without one has a reason.
//!
//! `table` has the scenarios and the reasons, `scenarios` the test of each. `rust`, `c`, `python`, `command` and `http` ask
//! one door each; a new operation is a step in the table, and a line in each of these. `shown` has the form in which lists
//! are compared.

#![allow(clippy::unwrap_used)] // a test that panics has failed
#![cfg(target_os = "linux")]

mod c;
mod command;
mod http;
mod python;
mod rust;
mod scenarios;
mod shown;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use sealgate::config::SETTINGS;
use sealgate::{Config, Gate, Settings};
use serde_json::{Map, Value, json};

use crate::common::c::root;
use table::{Scenario, Step};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Rust,
    C,
    Python,
    Command,
    Http,
    /// The same with the portable engine.
    HttpTiny,
}

impl Door {
    const ALL: [Door; 6] = [
        Door::Rust,
        Door::C,
        Door::Python,
        Door::Command,
        Door::Http,
        Door::HttpTiny,
    ];

    fn open(self, place: &Place, gate: &Gate) -> Box<dyn Asked> {
        match self {
            Door::Rust => Box::new(rust::Rust::new(gate.clone(), place)),
            Door::C => Box::new(c::InC::start(place)),
            Door::Python => Box::new(python::Python::start(place)),
            Door::Command => Box::new(command::Command::new(place)),
            Door::Http => Box::new(http::Http::start(gate.clone(), place, "pool")),
            Door::HttpTiny => Box::new(http::Http::start(gate.clone(), place, "tiny-http")),
        }
    }
}

/// A value, or the code of an error.
pub(crate) type Answer = Result<Value, String>;

/// A door that operations are asked for at.
pub(crate) trait Asked {
    /// `None`: the door does not have the operation, and has done nothing.
    fn ask(&mut self, operation: &str, arguments: &Arguments) -> Option<Answer>;
}

/// The arguments of an operation, by their names.
pub(crate) struct Arguments(Value);

impl Arguments {
    /// A text; empty if there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }

    /// A text, if there is one.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        self.0[name].as_str()
    }

    /// A value as JSON; empty if there is none.
    pub(crate) fn json(&self, name: &str) -> String {
        self.0
            .get(name)
            .map_or(String::new(), |value| value.to_string())
    }

    pub(crate) fn bytes(&self, name: &str) -> &[u8] {
        self.text(name).as_bytes()
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.0[name].as_u64()
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.0[name] == true
    }
}

/// A data directory with its settings, which no other door uses.
pub(crate) struct Place {
    pub(crate) home: tempfile::TempDir,
    pub(crate) folder: PathBuf,
    settings: &'static [(&'static str, &'static str)],
}

impl Place {
    fn new(settings: &'static [(&'static str, &'static str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("state");
        Place {
            home,
            folder,
            settings,
        }
    }

    /// The settings, with the data directory and cheap password hashes.
    pub(crate) fn pairs(&self) -> Vec<(&str, &str)> {
        let mut pairs = vec![
            ("data_dir", self.folder.to_str().unwrap()),
            ("password_memory", "1024"),
            ("password_passes", "1"),
            ("login_max_requests", "0"),
        ];
        pairs.extend(self.settings.iter().copied());
        pairs
    }

    /// The same as variables of the environment.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let variable = |name: &str| SETTINGS.iter().find(|setting| setting.name == name);
        let pairs = self.pairs().into_iter();
        pairs
            .map(|(name, value)| (variable(name).unwrap().env, value.to_owned()))
            .collect()
    }

    pub(crate) fn loaded(&self, more: &[(&str, &str)]) -> Settings {
        let mut config = Config::new();
        for (name, value) in self.pairs().iter().chain(more) {
            config.set(name, value).unwrap();
        }
        config.settings().unwrap()
    }
}

/// The answers of one door, in the order of the steps; `-` where it does not have the operation.
fn answers(door: Door, scenario: &Scenario) -> Vec<String> {
    let place = Place::new(scenario.settings);
    let gate = Gate::new(&place.loaded(&[]).gate).unwrap();
    let mut asked = door.open(&place, &gate);
    // What a door lacks is done here, so that its scenario goes on.
    let mut instead = rust::Rust::new(gate.clone(), &place);
    let mut saved = BTreeMap::new();
    let mut answers = Vec::new();
    for (number, step) in scenario.steps.iter().enumerate() {
        let about = || {
            format!(
                "{}, step {number}, {}, {door:?}",
                scenario.name, step.operation
            )
        };
        if step.operation == "pause" {
            thread::sleep(Duration::from_millis(
                step.arguments["milliseconds"].as_u64().unwrap(),
            ));
            answers.push("-".to_owned());
            continue;
        }
        let arguments = Arguments(filled(&step.arguments, &saved));
        let lacks = table::lacks(step.operation, door);
        let mut tries = 0;
        let (answer, shown) = loop {
            let answer = asked.ask(step.operation, &arguments);
            let (answer, is_shown) = match (answer, lacks) {
                (Some(answer), None) => (answer, true),
                (None, Some(_)) => {
                    // Of the changes that other processes have just made.
                    gate.check_store().unwrap();
                    gate.reload_keys().unwrap();
                    let answer = instead.ask(step.operation, &arguments);
                    (
                        answer.unwrap_or_else(|| panic!("{}: Rust lacks it", about())),
                        false,
                    )
                }
                (None, None) => panic!("{}: a door without it needs a reason", about()),
                (Some(_), Some(reason)) => panic!("{}: there it is, despite: {reason}", about()),
            };
            tries += 1;
            let shown = step.shown(&answer);
            if !step.again || shown == step.wanted() || tries == 60 {
                let shown = if is_shown { shown } else { "-".to_owned() };
                break (answer, shown);
            }
        };
        for (name, pointer) in &step.saves {
            let value = answer
                .as_ref()
                .ok()
                .and_then(|answer| answer.pointer(pointer));
            let value = value.unwrap_or_else(|| panic!("{}: {answer:?} has no {pointer}", about()));
            saved.insert(*name, value.as_str().unwrap().to_owned());
        }
        answers.push(shown);
    }
    answers
}

/// Arguments with what earlier steps have saved in the place of `${name}`.
fn filled(arguments: &Value, saved: &BTreeMap<&str, String>) -> Value {
    let mut text = arguments.to_string();
    for (name, value) in saved {
        // Neither tokens nor base64 text nor ids have characters that JSON escapes; an exported ring has.
        let escaped = Value::from(value.as_str()).to_string();
        text = text.replace(&format!("${{{name}}}"), escaped.trim_matches('"'));
    }
    assert!(!text.contains("${"), "{text}");
    serde_json::from_str(&text).unwrap()
}

impl Step {
    /// The answer, with `*` wherever the table has that and there is something.
    fn shown(&self, answer: &Answer) -> String {
        match (answer, &self.answer) {
            (Ok(value), Ok(wanted)) => with_stars(value, wanted).to_string(),
            (Ok(value), Err(_)) => value.to_string(),
            (Err(code), _) => code.clone(),
        }
    }

    fn wanted(&self) -> String {
        match &self.answer {
            Ok(value) => value.to_string(),
            Err(code) => (*code).to_owned(),
        }
    }
}

fn with_stars(value: &Value, wanted: &Value) -> Value {
    match (value, wanted) {
        (Value::String(text), Value::String(star)) if star == "*" && !text.is_empty() => {
            wanted.clone()
        }
        (Value::Array(values), Value::Array(all)) if values.len() == all.len() => {
            let pairs = values.iter().zip(all);
            pairs
                .map(|(value, wanted)| with_stars(value, wanted))
                .collect()
        }
        (Value::Object(members), Value::Object(all)) => {
            let ordered = all
                .keys()
                .chain(members.keys().filter(|name| !all.contains_key(*name)));
            let known = ordered.filter_map(|name| Some((name, members.get(name)?)));
            let starred = known.map(|(name, value)| {
                let wanted = all.get(name).unwrap_or(&Value::Null);
                (name.clone(), with_stars(value, wanted))
            });
            Value::Object(starred.collect::<Map<_, _>>())
        }
        _ => value.clone(),
    }
}

/// Runs a scenario at every door and compares each answer.
fn compare(scenario: &Scenario) {
    let columns = thread::scope(|scope| {
        let running = Door::ALL.map(|door| scope.spawn(move || answers(door, scenario)));
        running.map(|door| {
            door.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    });
    let mut wrong = String::new();
    for (number, step) in scenario.steps.iter().enumerate() {
        for (door, answers) in Door::ALL.iter().zip(&columns) {
            let answer = &answers[number];
            if answer != "-" && *answer != step.wanted() {
                wrong += &format!(
                    "step {number}, {} {}, {door:?}:\n  {answer}\n  not {}\n",
                    step.operation,
                    step.arguments,
                    step.wanted()
                );
            }
        }
        let asked = columns.iter().filter(|answers| answers[number] != "-");
        assert!(
            step.operation == "pause" || asked.count() > 1,
            "{} is asked for at one door only",
            step.operation
        );
    }
    assert!(wrong.is_empty(), "{}:\n{wrong}", scenario.name);
}

#[test]
fn every_reason_is_for_an_operation_of_a_scenario() {
    let scenarios = table::all();
    for (operation, ..) in table::LACKING {
        let mut steps = scenarios.iter().flat_map(|scenario| &scenario.steps);
        assert!(
            steps.any(|step| step.operation == *operation),
            "{operation}"
        );
    }
}

/// docs/doors.md has a row for each operation, with an empty cell for each door that lacks it.
#[test]
fn the_page_of_doors_is_the_table() {
    let page = std::fs::read_to_string(root().join("docs/doors.md")).unwrap();
    let mut rows = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("| ")).skip(2) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, _, rust, command, http, c, python, _] = cells[..] else {
            panic!("{line}");
        };
        assert!(![rust, c, python].contains(&""), "{line}");
        // `admit(policy)` is the operation admit_policy.
        let name = python.trim_matches(['`', ')']).replace("set_user_", "set_");
        let name = name.replace(['(', '.'], "_").to_lowercase();
        assert_eq!(rows.insert(name, (command, http)), None, "{line}");
    }
    let scenarios = table::all();
    let steps = scenarios.iter().flat_map(|scenario| &scenario.steps);
    let operations: BTreeSet<&str> = steps
        .map(|step| step.operation)
        .filter(|operation| *operation != "pause")
        .collect();
    let listed: BTreeSet<&str> = rows.keys().map(String::as_str).collect();
    assert_eq!(listed, operations);
    for (name, (command, http)) in &rows {
        assert_eq!(
            command.is_empty(),
            table::lacks(name, Door::Command).is_some(),
            "{name}"
        );
        assert_eq!(
            http.is_empty(),
            table::lacks(name, Door::Http).is_some(),
            "{name}"
        );
    }
}

#[test]
fn a_different_answer_is_noticed() {
    let step = table::step("decrypt", json!({})).answers(json!({"data": "x", "id": "*"}));
    for (answer, same) in [
        (json!({"id": "1", "data": "x"}), true),
        (json!({"data": "x", "id": ""}), false),
        (json!({"data": "y", "id": "1"}), false),
        (json!({"data": "x"}), false),
        (json!({"data": "x", "id": "1", "more": 1}), false),
    ] {
        assert_eq!(
            step.shown(&Ok(answer.clone())) == step.wanted(),
            same,
            "{answer}"
        );
    }
    assert_ne!(step.shown(&Err("decrypt_failed".to_owned())), step.wanted());
}
