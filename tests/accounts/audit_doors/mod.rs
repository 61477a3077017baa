//! One operation leaves the same events in the audit trail, each once, whichever door it is asked for at: the command, HTTP,
//! a Python program over the C library, a Rust program. `operations` has the operations.

#![allow(clippy::unwrap_used)] // a test that panics has failed

mod operations;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::sync::Once;

use sealgate::audit::{AUDIT, AuditEvent};
use sealgate::{Config, Gate};

use crate::audit_trail::fields;
use crate::common::c::{checked, python, root};
use crate::common::people::{FREE, PASSWORD, People};
use crate::common::{run, text};
use operations::{Event, Held, Operation, Rust, operations};

/// Collects the audit events of each thread of this process, as lines of the trail.
struct Heard;

thread_local! {
    static HEARD: RefCell<String> = const { RefCell::new(String::new()) };
}

impl log::Log for Heard {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target() == AUDIT
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let values = record.key_values();
            let field = |name: &str| format!(" {name}={}", values.get(name.into()).unwrap());
            let line: String = ["event", "result", "user", "who", "peer", "id"]
                .map(field)
                .concat();
            HEARD.with_borrow_mut(|heard| *heard += &format!("{line}\n"));
        }
    }

    fn flush(&self) {}
}

/// From now on [`heard`] has what this process records.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Heard).unwrap();
        log::set_max_level(log::LevelFilter::Info);
    });
}

/// What was recorded by this thread.
pub(crate) fn heard() -> String {
    HEARD.take()
}

/// Compares a trail with what the operations that a door has should leave, in their order.
#[track_caller]
fn compare(trail: &str, has: impl Fn(&Operation) -> bool, peer: &str) {
    let operations = operations();
    let wanted: Vec<Event> = operations
        .iter()
        .filter(|operation| has(operation))
        .flat_map(|operation| operation.leaves.iter().copied())
        .collect();
    let field = |name: &str| fields(trail, name);
    let got: Vec<[String; 3]> = field("event")
        .into_iter()
        .zip(field("result"))
        .zip(field("user"))
        .map(|((event, result), user)| [event, result, user])
        .collect();
    assert_eq!(got, wanted, "{trail}");
    assert!(field("peer").iter().all(|asked| asked == peer), "{trail}");
    // Each name has one pseudonym.
    let whose: BTreeSet<(String, String)> = field("user").into_iter().zip(field("who")).collect();
    let names: BTreeSet<&String> = whose.iter().map(|(user, _)| user).collect();
    assert_eq!(names.len(), whose.len(), "{trail}");
    for (user, who) in &whose {
        assert_eq!(who.len(), if user == "-" { 1 } else { 16 }, "{trail}");
    }
}

/// The trail of an attempt, made again if the machine held it up for the second that a wrong password delays the next login.
fn with_a_lockout(attempt: impl Fn() -> String) -> String {
    let trails = (0..3).map(|_| attempt());
    let mut tried = trails.skip_while(|trail| !trail.contains("event=lockout"));
    tried.next().expect("a login that is delayed")
}

#[test]
fn the_command_leaves_each_event_once() {
    let people = People::none();
    let audit = people.home().join("audit");
    let mut token = String::new();
    for operation in operations() {
        let Some((arguments, typed)) = operation.command else {
            continue;
        };
        let mut command = people.command(arguments);
        command
            .env("SEALGATE_AUDIT_FILE", &audit)
            .current_dir(people.home());
        let typed = typed.replace("{token}", token.trim());
        let output = run(command, format!("{typed}\n").as_bytes());
        let goes_well = operation
            .leaves
            .iter()
            .all(|[_, result, _]| *result == "ok");
        assert_eq!(output.status.success(), goes_well, "{output:?}");
        token = text(&output.stdout);
    }
    let uid = format!("uid:{}", rustix::process::getuid().as_raw());
    let trail = fs::read_to_string(audit).unwrap();
    compare(&trail, |operation| operation.command.is_some(), &uid);
}

#[test]
fn http_leaves_each_event_once() {
    let trail = with_a_lockout(|| {
        let people = People::of(&["alice"]);
        let audit = people.home().join("audit");
        let server = people.server(&[
            ("SEALGATE_AUDIT_FILE", audit.to_str().unwrap()),
            ("SEALGATE_LOCKOUT_AFTER", "1"),
        ]);
        let mut held = Held::default();
        for ask in operations().iter().filter_map(|operation| operation.http) {
            ask(&server, &mut held);
        }
        server.stop();
        fs::read_to_string(audit).unwrap()
    });
    compare(&trail, |operation| operation.http.is_some(), "127.0.0.1");
    let ids = fields(&trail, "id");
    assert!(ids.iter().all(|id| id.len() > 8), "{trail}");
}

#[test]
fn a_python_program_over_the_c_library_leaves_each_event_once() {
    let trail = with_a_lockout(|| {
        let people = People::none();
        let mut program = format!(
            "import sealgate
def show(level, name, line):
    if name == 'sealgate.audit': print(line)
sealgate.start_logging(function=show)
gate = sealgate.Gate()
PASSWORD = '{PASSWORD}'
"
        );
        for line in operations().iter().filter_map(|operation| operation.python) {
            program += &format!("try: {line}\nexcept sealgate.SealgateError: pass\n");
        }
        let mut command = python(people.home());
        command
            .args(["-c", &program])
            .env("SEALGATE_DATA_DIR", &people.place.folder)
            .envs(FREE.iter().copied())
            .env("SEALGATE_LOCKOUT_AFTER", "1");
        checked(&mut command)
    });
    compare(&trail, |operation| operation.python.is_some(), "library");
}

#[test]
fn a_rust_program_leaves_each_event_once() {
    listen();
    let trail = with_a_lockout(|| {
        let people = People::none();
        let mut config = Config::new();
        for (name, value) in [
            ("data_dir", people.place.folder.to_str().unwrap()),
            ("password_memory", "1024"),
            ("password_passes", "1"),
            ("lockout_after", "1"),
        ] {
            config.set(name, value).unwrap();
        }
        let settings = config.settings().unwrap().gate;
        let gate = Gate::new(&settings).unwrap();
        let rust = Rust { gate, settings };
        let mut held = Held::default();
        heard();
        for ask in operations().iter().filter_map(|operation| operation.rust) {
            ask(&rust, &mut held);
        }
        heard()
    });
    compare(&trail, |operation| operation.rust.is_some(), "library");
}

#[test]
fn every_event_is_in_the_table_above_and_in_the_guide() {
    let guide = fs::read_to_string(root().join("docs/accounts.md")).unwrap();
    let row = guide.lines().find(|line| line.starts_with("| `event` |"));
    let operations = operations();
    for event in AuditEvent::ALL {
        let name = event.name();
        let mut leaves = operations.iter().flat_map(|operation| operation.leaves);
        // Only the command copies a store, and needs a PostgreSQL for it: tests/fleet/store_copy.rs.
        let is_copying = matches!(event, AuditEvent::StoreCopy | AuditEvent::StoreUnlock);
        assert!(
            is_copying || leaves.any(|leaves| leaves[0] == name),
            "{name}"
        );
        // The first of a group is written whole, the others as `.rotate`.
        let end = name.find('.').map_or(name, |dot| &name[dot..]);
        let has = |written: &str| row.unwrap().contains(&format!("`{written}`"));
        assert!(has(name) || has(end), "{name}");
    }
}
