//! With `SEALGATE_AUDIT_FAIL=closed` nothing is done whose event cannot be delivered; and what programs and commands learn of it.

use super::*;

#[test]
fn with_a_closed_trail_nothing_is_changed_while_events_cannot_be_delivered() {
    let (people, path) = place();
    let socket = UnixDatagram::bind(&path).unwrap();
    let sink = sink("syslog", &path);
    let settings = [("SEALGATE_AUDIT", sink.as_str()), CLOSED];
    let server = people.server(&settings);
    let pair = Pair::log_in(&server, "alice");
    // Delivered before it is confirmed.
    socket.set_nonblocking(true).unwrap();
    let mut message = [0; 4096];
    let length = socket.recv(&mut message).unwrap();
    let delivered = Syslog::parse(&message[..length]);
    assert_eq!(delivered.event(), ("login", "ok"));
    close(socket);
    // One event shows that nobody listens any more. It changes nothing, so nothing waits for it.
    assert_eq!(server.get("/secure-data", None).status, 401);
    within(PATIENCE, || audit(&server).is_some());

    let ring = fs::read(people.place.ring()).unwrap();
    let command = |arguments: &[&str]| {
        let mut command = people.command(arguments);
        command.envs(settings);
        let output = run(command, format!("{PASSWORD}\n").as_bytes());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = text(&output.stderr);
        assert!(
            said.contains("so nothing was changed. SEALGATE_AUDIT cannot be written"),
            "{said}"
        );
        assert!(output.stdout.is_empty());
    };
    for _ in 0..3 {
        refused(&login(&server, "alice", PASSWORD));
        refused(&pair.refreshed(&server));
        refused(&server.post("/logout", "", Some(&pair.token)));
        let change = json!({"current_password": PASSWORD, "new_password": "a stormy harbour"});
        refused(&server.post("/password", &change.to_string(), Some(&pair.token)));
    }
    let session = claims(&pair.token)["sid"].as_str().unwrap().to_owned();
    command(&["session", "end", "--", &session]);
    command(&["user", "unlock", "alice"]);
    command(&["user", "disable", "alice"]);
    command(&["user", "add", "bob"]);
    command(&["user", "passwd", "alice"]);
    command(&["token", "issue", "--user", "alice"]);
    command(&["token", "revoke", "--user", "alice"]);
    command(&["keys", "rotate"]);
    // What changes nothing goes on.
    assert_eq!(server.get("/secure-data", Some(&pair.token)).status, 200);
    assert_eq!(fs::read(people.place.ring()).unwrap(), ring);
    assert!(!text(&people.typed(&["user", "list"], "").stdout).contains("bob"));

    let daemon = Daemon::at(&path);
    within(PATIENCE, || login(&server, "alice", PASSWORD).status == 200);
    let refreshed = pair.refreshed(&server);
    assert_eq!(refreshed.status, 200, "it was not used: {}", refreshed.body);
    let mut events = Vec::new();
    while events.last().is_none_or(|(event, _)| event != "refresh") || events.len() < 12 {
        let message = daemon.syslog();
        let (event, result) = message.event();
        events.push((event.to_owned(), result.to_owned()));
    }
    let (first, rest) = events.split_first().unwrap();
    assert_eq!(first.0, "denied");
    let refusals = rest.iter().filter(|(_, result)| result == "audit_failed");
    assert!(refusals.count() >= 9, "{events:?}");
    assert_eq!(rest.last().unwrap().1, "ok");
    server.stop();
}

#[test]
fn a_server_with_a_closed_trail_starts_without_its_socket_and_verifies() {
    let (people, path) = place();
    let token = text(
        &people
            .typed(&["token", "issue", "--user", "alice"], "")
            .stdout,
    );
    for kind in ["syslog", "journald"] {
        let sink = sink(kind, &path);
        let server = people.server(&[("SEALGATE_AUDIT", &sink), CLOSED]);
        refused(&login(&server, "alice", PASSWORD));
        assert_eq!(server.get("/secure-data", Some(token.trim())).status, 200);
        let daemon = Daemon::at(&path);
        within(PATIENCE, || login(&server, "alice", PASSWORD).status == 200);
        drop(daemon);
        fs::remove_file(&path).unwrap();
        server.stop();
    }
}

#[test]
fn only_the_change_that_finds_the_disk_full_is_made() {
    let people = People::of(&["alice"]);
    let file = people.home().join("audit");
    let real = people.home().join("real");
    symlink("/dev/full", &file).unwrap();
    let server = people.server(&[("SEALGATE_AUDIT_FILE", file.to_str().unwrap()), CLOSED]);
    let first = Pair::log_in(&server, "alice");
    refused(&first.refreshed(&server));
    assert_eq!(server.get("/secure-data", Some(&first.token)).status, 200);
    let said = audit(&server).unwrap();
    assert!(said.contains("No space left on device"), "{said}");
    refused(&login(&server, "alice", PASSWORD));
    // There is room again.
    fs::remove_file(&file).unwrap();
    symlink(&real, &file).unwrap();
    server.signal("HUP");
    within(PATIENCE, || first.refreshed(&server).status == 200);
    // On disk before it was confirmed.
    let trail = fs::read_to_string(&real).unwrap();
    let events: Vec<_> = trail.lines().map(fields).collect();
    let event = |at: usize| (&*events[at]["event"], &*events[at]["result"]);
    assert_eq!(event(0), ("login", "ok"));
    assert_eq!(event(events.len() - 1), ("refresh", "ok"));
    let between = &events[1..events.len() - 1];
    assert!(
        between
            .iter()
            .all(|event| event["result"] == "audit_failed")
    );
    assert_eq!(audit(&server), None);
    server.stop();
}

#[test]
fn a_login_without_accounts_is_refused_as_well() {
    let people = People::none();
    let path = people.home().join("log");
    let sink = sink("syslog", &path);
    let server = people.server(&[
        ("SEALGATE_AUDIT", &sink),
        CLOSED,
        ("SEALGATE_LOGIN", "open"),
    ]);
    let ask = || {
        server.post(
            "/login",
            &json!({"username": "test_user"}).to_string(),
            None,
        )
    };
    refused(&ask());
    let daemon = Daemon::at(&path);
    within(PATIENCE, || ask().status == 200);
    drop(daemon);
    server.stop();
}

#[test]
fn a_command_reports_events_that_it_could_not_deliver() {
    let (people, path) = place();
    let sink = sink("journald", &path);
    let mut command = people.command(&["token", "issue", "--user", "alice"]);
    command.env("SEALGATE_AUDIT", &sink);
    let output = run(command, b"");
    assert!(output.status.success());
    assert!(text(&output.stdout).len() > 40);
    let said = said(&output);
    assert!(
        said.contains("SEALGATE_AUDIT cannot be written: ") && said.contains("1 events wait"),
        "{said}"
    );
    let mut refused = people.command(&["keys", "rotate"]);
    refused.env("SEALGATE_AUDIT_FILE", "/nowhere/audit");
    let output = run(refused, b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr)
            .contains("SEALGATE_AUDIT_FILE: /nowhere/audit cannot be opened for writing")
    );
}

#[test]
fn a_c_program_is_refused_and_its_forks_deliver_their_own_events() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    for under in [Under::Nothing, Under::Sanitizers] {
        let program = compile("tests/c/audit.c", under);
        let run = |expected: &str| {
            let mut command = program.command();
            command.args([&sink("syslog", &path), expected]);
            checked(&mut command)
        };
        let _ = fs::remove_file(&path);
        run("audit_failed");
        let daemon = Daemon::at(&path);
        run("ok");
        let events: Vec<Syslog> = (0..3).map(|_| daemon.syslog()).collect();
        assert!(
            events
                .iter()
                .all(|event| event.event() == ("token.issue", "ok"))
        );
        let processes: Vec<u32> = events.iter().map(|event| event.process).collect();
        assert_eq!(processes[0], processes[2]);
        assert_ne!(processes[0], processes[1]);
        assert!(daemon.is_silent());
    }
}

#[test]
fn a_python_program_gets_an_exception_and_delivers_what_is_left_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let file = folder.path().join("audit");
    let program = format!(
        "
import os, socket, sealgate, time
gate = sealgate.Gate(keys='ephemeral', audit='journald:{0}', audit_fail='closed')
try:
    gate.issue_token('alice')
except sealgate.AuditFailedError as error:
    assert isinstance(error, OSError) and error.code == 'audit_failed' and error.http_status == 503
    assert 'nothing was changed' in str(error), error
else:
    raise SystemExit('not refused')
journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
journal.bind('{0}')
journal.settimeout(60)
while True:
    try:
        gate.issue_token('alice')
        break
    except sealgate.AuditFailedError:
        time.sleep(0.02)
while b'SEALGATE_RESULT=ok\\n' not in journal.recv(65536):
    pass
child = os.fork()
if child == 0:
    gate.issue_token('bob')
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert b'SEALGATE_USER=b***\\n' in journal.recv(65536)
# Neither closed nor waited for.
other = sealgate.Gate(keys='ephemeral', audit_file='{1}')
for number in range(1000):
    other.issue_token('carol')
",
        path.display(),
        file.display()
    );
    let mut command = python(folder.path());
    checked(command.args(["-c", &program]));
    let trail = fs::read_to_string(&file).unwrap();
    assert_eq!(trail.matches("event=token.issue").count(), 1000);
}
