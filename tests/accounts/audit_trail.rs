//! The audit trail: who was given tokens, behind every door, and whose a pseudonym is.

#![allow(clippy::unwrap_used)] // a test that panics has failed

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Output;

use crate::audit_doors::{heard, listen};
use crate::common::c::{checked, python};
use crate::common::people::{PASSWORD, Pair, People, login, within};
use crate::common::place::Place;
use crate::common::{PATIENCE, run, said, text, typed};
use serde_json::json;

/// The field of each line of an audit file, `event` and the like.
pub(crate) fn fields(trail: &str, name: &str) -> Vec<String> {
    let field = |line: &str| {
        let (_, rest) = line.split_once(&format!(" {name}=")).unwrap();
        rest.split(' ').next().unwrap().to_owned()
    };
    trail.lines().map(field).collect()
}

#[test]
fn every_token_of_the_command_and_the_server_is_in_the_audit_trail_once() {
    let people = People::of(&["alice"]);
    let file = people.home().join("audit");
    let setting = ("SEALGATE_AUDIT_FILE", file.to_str().unwrap());
    let server = people.server(&[setting]);
    let pair = Pair::log_in(&server, "alice");
    assert_eq!(pair.refreshed(&server).status, 200);
    assert_eq!(login(&server, "alice", "wrong").status, 401);
    server.stop();
    let mut issue = people.command(&["token", "issue", "--user", "alice"]);
    issue.envs([setting]);
    assert!(run(issue, b"").status.success());
    let mut refused = people.command(&["token", "issue", "--user", ""]);
    refused.envs([setting]);
    assert!(!run(refused, b"").status.success());
    let server = people.server(&[setting, ("SEALGATE_LOGIN", "open")]);
    server.log_in("somebody");
    server.stop();
    let trail = fs::read_to_string(&file).unwrap();
    assert_eq!(
        fields(&trail, "event"),
        ["login", "refresh", "login", "token.issue", "login"],
        "{trail}"
    );
    let uid = format!("uid:{}", rustix::process::getuid().as_raw());
    let here = "127.0.0.1";
    assert_eq!(fields(&trail, "peer"), [here, here, here, &uid, here]);
    let who = fields(&trail, "who");
    assert!(who[..4].iter().all(|whose| *whose == who[0]), "{trail}");
    let ids = fields(&trail, "id");
    assert!(ids[3] == "-" && ids[0] != "-" && ids[4] != "-", "{trail}");
}

#[test]
fn every_token_of_a_c_or_python_program_is_in_the_audit_trail_once() {
    let people = People::of(&["alice"]);
    let program = format!(
        "import sealgate
def show(level, name, line):
    if name == 'sealgate.audit': print(line)
sealgate.start_logging(function=show)
gate = sealgate.Gate()
gate.issue_token('alice')
tokens = gate.log_in('alice', '{PASSWORD}')
gate.refresh(tokens.refresh_token)
try: gate.log_in('alice', 'wrong')
except sealgate.SealgateError: pass
"
    );
    let mut command = python(people.home());
    command
        .args(["-c", &program])
        .env("SEALGATE_DATA_DIR", &people.place.folder);
    let trail = checked(&mut command);
    assert_eq!(
        fields(&trail, "event"),
        ["token.issue", "login", "refresh", "login"],
        "{trail}"
    );
    assert_eq!(fields(&trail, "peer"), ["library"; 4]);
}

#[test]
fn every_token_of_a_rust_program_is_in_the_audit_trail_once() {
    use sealgate::audit::Asker;
    use sealgate::{Config, Gate, Grant, Refreshed};

    listen();
    let people = People::of(&["alice"]);
    let mut config = Config::new();
    config
        .set("data_dir", people.place.folder.to_str().unwrap())
        .unwrap();
    let gate = Gate::new(&config.settings().unwrap().gate).unwrap();
    let grant = Grant {
        subject: "alice",
        scope: "",
        ..Grant::default()
    };
    gate.issue_token(&grant).unwrap();
    let asker = Asker {
        peer: &"192.0.2.1",
        id: "7",
        trace: None,
        by: None,
    };
    gate.issue_token_by(&grant, asker).unwrap();
    let tokens = gate.log_in_by("alice", &PASSWORD.into(), "", "", asker);
    let tokens = tokens.unwrap();
    let refreshed = gate.refresh(&tokens.refresh_token.unwrap(), "").unwrap();
    assert!(matches!(refreshed, Refreshed::New(..)));
    let heard = heard();
    assert_eq!(
        fields(&heard, "event"),
        ["token.issue", "token.issue", "login", "refresh"],
        "{heard}"
    );
    let (library, asker) = ("library", "192.0.2.1");
    assert_eq!(fields(&heard, "peer"), [library, asker, asker, library]);
}

#[test]
fn a_pseudonym_is_resolved_in_both_directions_and_across_rotations() {
    let people = People::of(&["alice", "bob"]);
    let audit = people.home().join("audit");
    let setting = ("SEALGATE_AUDIT_FILE", audit.to_str().unwrap());
    let who = |name: &str| people.typed(&["audit", "who", name], "");
    let lines = |output: &Output| -> Vec<String> {
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        text(&output.stdout).lines().map(str::to_owned).collect()
    };
    let issue = |name: &str| {
        let mut command = people.command(&["token", "issue", "--user", name]);
        command.envs([setting]);
        assert!(run(command, b"").status.success());
        fields(&fs::read_to_string(&audit).unwrap(), "who")
            .pop()
            .unwrap()
    };
    let alice = issue("alice");
    assert_eq!(lines(&who("alice")), [alice.as_str()]);
    assert_eq!(lines(&who(&alice)), ["alice"]);
    // As it stands in the trail, or as a tool has written it.
    assert_eq!(lines(&who(&format!("who={alice}"))), ["alice"]);
    assert_eq!(lines(&who(&alice.to_uppercase())), ["alice"]);
    // A name without an account has one too; only the way back is closed.
    let stranger = issue("stranger");
    assert_eq!(lines(&who("stranger")), [stranger.as_str()]);
    let unknown = who(&stranger);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(said(&unknown).contains(people.place.folder.to_str().unwrap()));

    people.done(&["keys", "rotate", "--token"]);
    assert_eq!(issue("alice"), alice, "the oldest key stays");
    let all = lines(&who("alice"));
    assert_eq!((all.len(), &all[0]), (2, &alice));
    for pseudonym in &all {
        assert_eq!(lines(&who(pseudonym)), ["alice"], "under any key");
    }
    // An account may be named like a pseudonym.
    people.add("0123456789abcdef", "");
    let hex = lines(&who("0123456789abcdef"));
    assert!(hex.len() == 2 && hex[0] != "0123456789abcdef", "{hex:?}");
    assert_eq!(lines(&who(&hex[0])), ["0123456789abcdef"]);
    people.add("0123456789ABCDEF", "");
    let capitals = lines(&who("0123456789ABCDEF"));
    assert_ne!(capitals, hex);
    assert_eq!(lines(&who(&capitals[0])), ["0123456789ABCDEF"]);

    // Reads only: in a place without keys nothing is made.
    let nowhere = Place::new();
    let none = run(nowhere.command(&["audit", "who", "alice"]), b"");
    assert_eq!(none.status.code(), Some(1));
    assert!(said(&none).contains("no token key in"));
    assert!(!nowhere.folder.exists());
    let secret = [("JWT_SECRET_KEY", "0123456789abcdef0123456789abcdef")];
    let by_secret = typed(
        nowhere.home.path(),
        &["audit", "who", "alice"],
        b"",
        &secret,
    );
    assert_eq!(lines(&by_secret).len(), 1);
}

#[test]
fn a_signal_moves_the_log_and_the_audit_trail_to_new_files() {
    let people = People::of(&["alice"]);
    let file = |name: &str| people.home().join(name);
    let (log, audit) = (file("log"), file("audit"));
    let server = people.server(&[
        ("SEALGATE_LOG_FILE", log.to_str().unwrap()),
        ("SEALGATE_AUDIT_FILE", audit.to_str().unwrap()),
    ]);
    Pair::log_in(&server, "alice");
    // Lines wait for a moment before they are written.
    let has_it = |path: &Path| fs::read_to_string(path).unwrap().contains("event=login");
    within(PATIENCE, || has_it(&log) && has_it(&audit));
    for path in [&log, &audit] {
        fs::rename(path, path.with_extension("1")).unwrap();
    }
    server.signal("HUP");
    within(PATIENCE, || log.exists() && audit.exists());
    Pair::log_in(&server, "alice");
    server.stop();
    for path in [&log, &audit, &file("log.1"), &file("audit.1")] {
        let text = fs::read_to_string(path).unwrap();
        assert_eq!(text.matches("event=login").count(), 1, "{path:?}: {text}");
        assert_eq!(fs::metadata(path).unwrap().mode() & 0o7777, 0o600);
    }
}

#[test]
fn audit_events_join_a_users_doings_without_the_name() {
    let people = People::none();
    let file = people.home().join("audit");
    let setting = [
        ("SEALGATE_AUDIT_FILE", file.to_str().unwrap()),
        ("SEALGATE_LOG_LEVEL", "error"),
    ];
    let typed = |arguments: &[&str]| {
        let mut command = people.command(arguments);
        command.envs(setting);
        assert!(
            crate::common::run(command, format!("{PASSWORD}\n").as_bytes())
                .status
                .success()
        );
    };
    typed(&["user", "add", "alice-of-the-hill"]);
    typed(&["keys", "generate"]);
    let server = people.server(&setting);
    let pair = Pair::log_in(&server, "alice-of-the-hill");
    login(&server, "alice-of-the-hill", "a noisy harbour");
    assert_eq!(
        server.post("/introspect", "{}", Some(&pair.token)).status,
        403
    );
    assert_eq!(server.post("/logout", "", Some(&pair.token)).status, 204);
    assert_eq!(server.get("/secure-data", Some(&pair.token)).status, 401);
    assert_eq!(pair.refreshed(&server).status, 401);
    // Whoever knows the password is not to find that out unseen.
    let beyond = json!({"username": "alice-of-the-hill", "password": PASSWORD, "scope": "admin"})
        .to_string();
    assert_eq!(server.post("/login", &beyond, None).status, 400);
    typed(&["token", "revoke", "--user", "alice-of-the-hill"]);
    server.stop();
    let trail = fs::read_to_string(&file).unwrap();
    let events: Vec<(String, String, String)> = trail
        .lines()
        .map(|line| {
            let field = |name: &str| {
                let (_, rest) = line.split_once(&format!(" {name}=")).unwrap();
                rest.split(' ').next().unwrap().to_owned()
            };
            assert!(
                !field("id").is_empty() && !field("peer").is_empty(),
                "{line}"
            );
            (field("event"), field("result"), field("who"))
        })
        .collect();
    let names: Vec<(&str, &str)> = events
        .iter()
        .map(|(event, result, _)| (&**event, &**result))
        .collect();
    assert_eq!(
        names,
        [
            ("account.add", "ok"),
            ("keys.generate", "ok"),
            ("login", "ok"),
            ("login", "login_failed"),
            ("denied", "insufficient_scope"),
            ("logout", "ok"),
            ("denied", "token_revoked"),
            ("refresh", "token_revoked"),
            ("login", "invalid_scope"),
            ("revoke.user", "ok"),
        ]
    );
    let whose: Vec<&String> = events
        .iter()
        .map(|(_, _, who)| who)
        .filter(|who| *who != "-")
        .collect();
    assert_eq!(whose.len(), 9);
    assert!(
        whose.iter().all(|who| *who == whose[0] && who.len() == 16),
        "{trail}"
    );
    assert!(
        !trail.contains("alice-of") && trail.contains("user=ali***"),
        "{trail}"
    );
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
}
