//! One operation leaves the same events in the audit trail, each once, whichever door it is asked for at: the command, HTTP,
//! a Python program over the C library, a Rust program.

#![allow(clippy::unwrap_used)] // a test that panics has failed

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::sync::Once;

use sealgate::audit::{AUDIT, AuditEvent};
use sealgate::gate::KeyAdmin;
use sealgate::keys::{KeyState, NewKeys, RingSecret};
use sealgate::{Config, Gate, Grant, Refreshed};
use serde_json::json;

use crate::audit_trail::fields;
use crate::common::c::{checked, python, root};
use crate::common::people::{FREE, PASSWORD, Pair, People, login, refresh};
use crate::common::{Server, run, text};

const PASSPHRASE: &str = "correct horse battery";
const KINDS: NewKeys = NewKeys {
    token: true,
    data: true,
    now: false,
};

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

/// Tokens that later operations need.
#[derive(Default)]
struct Held {
    token: String,
    refresh: String,
    used: String,
}

struct Rust {
    gate: Gate,
    settings: sealgate::gate::Settings,
}

impl Held {
    fn take(&mut self, pair: Pair) {
        (self.token, self.refresh) = (pair.token, pair.refresh);
    }
}

impl Rust {
    fn add(&self, name: &str, password: &str, scope: &str) {
        drop(self.gate.users().add(name, &password.into(), scope));
    }

    fn log_in(&self, name: &str, password: &str, asked: &str, held: &mut Held) {
        if let Ok(new) = self.gate.log_in(name, &password.into(), "", asked) {
            held.token = new.token;
            held.refresh = new.refresh_token.unwrap();
        }
    }

    fn keys(&self) -> KeyAdmin<'_> {
        KeyAdmin::new(&self.settings, sealgate::audit::Asker::LIBRARY)
    }
}

type Event = [&'static str; 3];

/// An operation, the events that it has to leave (name, result and user), and how each door is asked for it.
#[derive(Default)]
struct Operation {
    leaves: &'static [Event],
    /// Arguments, and what is typed.
    command: Option<(&'static [&'static str], &'static str)>,
    python: Option<&'static str>,
    rust: Option<fn(&Rust, &mut Held)>,
    http: Option<fn(&Server, &mut Held)>,
}

fn leaves(leaves: &'static [Event]) -> Operation {
    Operation {
        leaves,
        ..Operation::default()
    }
}

impl Operation {
    fn command(mut self, arguments: &'static [&'static str], typed: &'static str) -> Self {
        self.command = Some((arguments, typed));
        self
    }

    fn python(mut self, line: &'static str) -> Self {
        self.python = Some(line);
        self
    }

    fn rust(mut self, ask: fn(&Rust, &mut Held)) -> Self {
        self.rust = Some(ask);
        self
    }

    fn http(mut self, ask: fn(&Server, &mut Held)) -> Self {
        self.http = Some(ask);
        self
    }
}

const ALICE: &str = "a***";

fn accounts() -> Vec<Operation> {
    vec![
        leaves(&[["account.add", "ok", ALICE]])
            .command(
                &["user", "add", "alice", "--scopes", "encrypt decrypt"],
                PASSWORD,
            )
            .python("gate.add_user('alice', PASSWORD, 'encrypt decrypt')")
            .rust(|rust, _| rust.add("alice", PASSWORD, "encrypt decrypt")),
        leaves(&[["account.add", "user_exists", ALICE]])
            .command(&["user", "add", "alice"], PASSWORD)
            .python("gate.add_user('alice', PASSWORD)")
            .rust(|rust, _| rust.add("alice", PASSWORD, "")),
        leaves(&[["account.add", "weak_password", "c***"]])
            .command(&["user", "add", "carol"], "password")
            .python("gate.add_user('carol', 'password')")
            .rust(|rust, _| rust.add("carol", "password", "")),
        leaves(&[["account.password", "ok", ALICE]])
            .command(&["user", "passwd", "alice"], PASSWORD)
            .python("gate.set_user_password('alice', PASSWORD)")
            .rust(|rust, _| drop(rust.gate.users().set_password("alice", &PASSWORD.into()))),
        leaves(&[["account.password", "weak_password", ALICE]])
            .command(&["user", "passwd", "alice"], "password")
            .python("gate.set_user_password('alice', 'password')")
            .rust(|rust, _| drop(rust.gate.users().set_password("alice", &"password".into()))),
        leaves(&[["account.scopes", "ok", ALICE]])
            .command(&["user", "scopes", "alice", "encrypt"], "")
            .python("gate.set_user_scope('alice', 'encrypt')")
            .rust(|rust, _| drop(rust.gate.users().set_scope("alice", "encrypt"))),
        leaves(&[["account.scopes", "invalid_argument", ALICE]])
            .command(&["user", "scopes", "alice", "a  b"], "")
            .python("gate.set_user_scope('alice', 'a  b')")
            .rust(|rust, _| drop(rust.gate.users().set_scope("alice", "a  b"))),
        leaves(&[["account.disable", "ok", ALICE]])
            .command(&["user", "disable", "alice"], "")
            .python("gate.disable_user('alice')")
            .rust(|rust, _| drop(rust.gate.users().set_disabled("alice", true))),
        leaves(&[["account.enable", "ok", ALICE]])
            .command(&["user", "enable", "alice"], "")
            .python("gate.enable_user('alice')")
            .rust(|rust, _| drop(rust.gate.users().set_disabled("alice", false))),
        leaves(&[["account.enable", "not_found", "no***"]])
            .command(&["user", "enable", "nobody"], "")
            .python("gate.enable_user('nobody')")
            .rust(|rust, _| drop(rust.gate.users().set_disabled("nobody", false))),
    ]
}

fn logins() -> Vec<Operation> {
    vec![
        leaves(&[["login", "ok", ALICE]])
            .python("gate.check_password('alice', PASSWORD)")
            .rust(|rust, _| drop(rust.gate.users().check("alice", &PASSWORD.into(), ""))),
        leaves(&[["login", "ok", ALICE]])
            .python("held = gate.log_in('alice', PASSWORD)")
            .rust(|rust, held| rust.log_in("alice", PASSWORD, "", held))
            .http(|server, held| held.take(Pair::log_in(server, "alice"))),
        leaves(&[["login", "invalid_scope", ALICE]])
            .python("gate.log_in('alice', PASSWORD, 'admin')")
            .rust(|rust, held| rust.log_in("alice", PASSWORD, "admin", held))
            .http(|server, _| {
                let ask = json!({"username": "alice", "password": PASSWORD, "scope": "admin"});
                assert_eq!(server.post("/login", &ask.to_string(), None).status, 400);
            }),
        leaves(&[["login", "login_failed", "d***"]])
            .python("gate.log_in('dave', 'a noisy harbour')")
            .rust(|rust, held| rust.log_in("dave", "a noisy harbour", "", held))
            .http(|server, _| assert_eq!(login(server, "dave", "a noisy harbour").status, 401)),
        leaves(&[
            ["lockout", "put_off", "d***"],
            ["login", "rate_limited", "d***"],
        ])
        .python("gate.log_in('dave', PASSWORD)")
        .rust(|rust, held| rust.log_in("dave", PASSWORD, "", held))
        .http(|server, _| drop(login(server, "dave", PASSWORD))),
        leaves(&[["login", "bad_member", ALICE]]).http(|server, _| {
            let answer = server.post("/login", r#"{"username": "alice"}"#, None);
            assert_eq!(answer.status, 400);
        }),
        leaves(&[["refresh", "ok", ALICE]])
            .python("used = held.refresh_token; held = gate.refresh(used)")
            .rust(|rust, held| {
                let Ok(Refreshed::New(_, new)) = rust.gate.refresh(&held.refresh, "") else {
                    panic!("a refresh token works once");
                };
                held.used = std::mem::replace(&mut held.refresh, new.refresh_token.unwrap());
            })
            .http(|server, held| {
                let used = held.refresh.clone();
                held.take(Pair::of(&refresh(server, &used)));
                held.used = used;
            }),
        leaves(&[["refresh", "reused", ALICE]])
            .python("gate.refresh(used)")
            .rust(|rust, held| drop(rust.gate.refresh(&held.used, "")))
            .http(|server, held| assert_eq!(refresh(server, &held.used).status, 401)),
        leaves(&[["refresh", "token_revoked", ALICE]])
            .python("gate.refresh(held.refresh_token)")
            .rust(|rust, held| drop(rust.gate.refresh(&held.refresh, "")))
            .http(|server, held| assert_eq!(refresh(server, &held.refresh).status, 401)),
        leaves(&[["refresh", "token_malformed", "-"]])
            .python("gate.refresh('nonsense')")
            .rust(|rust, _| drop(rust.gate.refresh("nonsense", "")))
            .http(|server, _| assert_eq!(refresh(server, "nonsense").status, 401)),
        leaves(&[["denied", "token_missing", "-"]])
            .http(|server, _| assert_eq!(server.get("/secure-data", None).status, 401)),
        // Of the login that ended when a refresh token was used a second time.
        leaves(&[["denied", "token_revoked", ALICE]]).http(|server, held| {
            assert_eq!(server.get("/secure-data", Some(&held.token)).status, 401);
        }),
        leaves(&[
            ["login", "ok", ALICE],
            ["denied", "insufficient_scope", ALICE],
        ])
        .http(|server, held| {
            held.take(Pair::log_in(server, "alice"));
            let answer = server.post("/introspect", "{}", Some(&held.token));
            assert_eq!(answer.status, 403);
        }),
        leaves(&[["logout", "ok", ALICE]]).http(|server, held| {
            assert_eq!(server.post("/logout", "", Some(&held.token)).status, 204);
        }),
    ]
}

fn tokens() -> Vec<Operation> {
    vec![
        leaves(&[["token.issue", "ok", ALICE]])
            .command(&["token", "issue", "--user", "alice"], "")
            .python("token = gate.issue_token('alice')")
            .rust(|rust, held| {
                let grant = Grant {
                    subject: "alice",
                    scope: "",
                    ttl: None,
                };
                held.token = rust.gate.issue_token(&grant).unwrap();
            }),
        leaves(&[["revoke.token", "ok", ALICE]])
            .command(&["token", "revoke"], "{token}")
            .python("gate.revoke_token(token)")
            .rust(|rust, held| drop(rust.gate.revoke_token(&held.token))),
        leaves(&[["revoke.token", "token_malformed", "-"]])
            .command(&["token", "revoke"], "nonsense")
            .python("gate.revoke_token('nonsense')")
            .rust(|rust, _| drop(rust.gate.revoke_token("nonsense"))),
        leaves(&[["revoke.token", "ok", "-"]])
            .command(&["token", "revoke", "--id", "some-id"], "")
            .python("gate.revoke_token_id('some-id')")
            .rust(|rust, _| drop(rust.gate.revoke_token_id("some-id", None))),
        leaves(&[["revoke.token", "invalid_argument", "-"]])
            .command(&["token", "revoke", "--id", "no id"], "")
            .python("gate.revoke_token_id('no id')")
            .rust(|rust, _| drop(rust.gate.revoke_token_id("no id", None))),
        leaves(&[["revoke.user", "ok", ALICE]])
            .command(&["token", "revoke", "--user", "alice"], "")
            .python("gate.revoke_user('alice')")
            .rust(|rust, _| drop(rust.gate.revoke_user("alice"))),
        leaves(&[["account.remove", "ok", ALICE]])
            .command(&["user", "remove", "alice"], "")
            .python("gate.remove_user('alice')")
            .rust(|rust, _| drop(rust.gate.users().remove("alice"))),
        leaves(&[["account.remove", "not_found", ALICE]])
            .command(&["user", "remove", "alice"], "")
            .python("gate.remove_user('alice')")
            .rust(|rust, _| drop(rust.gate.users().remove("alice"))),
    ]
}

/// Neither C nor HTTP has these.
fn keys() -> Vec<Operation> {
    vec![
        leaves(&[["keys.generate", "ok", "-"]])
            .command(&["keys", "generate"], "")
            .rust(|rust, _| drop(rust.keys().generate(KINDS))),
        leaves(&[["keys.rotate", "ok", "-"]])
            .command(&["keys", "rotate"], "")
            .rust(|rust, _| drop(rust.keys().rotate(KINDS, |_| None))),
        leaves(&[["keys.retire", "invalid_argument", "-"]])
            .command(&["keys", "retire", "unknown"], "")
            .rust(|rust, _| drop(rust.keys().set_state(&["unknown"], KeyState::Retired))),
        leaves(&[["keys.accept", "invalid_argument", "-"]])
            .command(&["keys", "accept", "unknown"], "")
            .rust(|rust, _| drop(rust.keys().set_state(&["unknown"], KeyState::Accepted))),
        leaves(&[["keys.seal", "setting", "-"]])
            .command(&["keys", "seal"], "")
            .rust(|rust, _| drop(rust.keys().seal())),
        leaves(&[["keys.unseal", "ok", "-"]])
            .command(&["keys", "unseal"], "")
            .rust(|rust, _| drop(rust.keys().unseal())),
        leaves(&[["keys.export", "ok", "-"]])
            .command(&["keys", "export", "--out", "exported"], PASSPHRASE)
            .rust(|rust, _| drop(rust.keys().export(&passphrase()))),
        leaves(&[["keys.import", "invalid_argument", "-"]])
            .command(&["keys", "import", "--in", "/dev/null"], PASSPHRASE)
            .rust(|rust, _| drop(rust.keys().import("".into(), &passphrase()))),
    ]
}

fn passphrase() -> RingSecret {
    RingSecret::passphrase(PASSPHRASE.as_bytes()).unwrap()
}

fn operations() -> Vec<Operation> {
    [accounts(), logins(), tokens(), keys()]
        .into_iter()
        .flatten()
        .collect()
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
        assert!(leaves.any(|leaves| leaves[0] == name), "{name}");
        // The first of a group is written whole, the others as `.rotate`.
        let end = name.find('.').map_or(name, |dot| &name[dot..]);
        let has = |written: &str| row.unwrap().contains(&format!("`{written}`"));
        assert!(has(name) || has(end), "{name}");
    }
}
