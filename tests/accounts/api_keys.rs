//! API keys as an operator has them: added and revoked by the command while servers run, never shown twice, and in no log.

use std::fs;

use serde_json::{Value, json};

use crate::audit_trail::fields;
use crate::common::people::{PASSWORD, People, login, within, within_a_second};
use crate::common::{PATIENCE, Server, run, said, text};

/// Adds a key and returns it with its id.
fn add(people: &People, arguments: &[&str]) -> (String, String) {
    let output = people.typed(&[&["api-key", "add"], arguments].concat(), "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let printed = text(&output.stdout);
    let key = printed.strip_suffix('\n').unwrap();
    let is_key = key.len() == 64
        && key.starts_with("sg_")
        && key[3..].bytes().all(|byte| byte.is_ascii_alphanumeric());
    assert!(is_key, "{printed}");
    let remarks = text(&output.stderr);
    assert!(!remarks.contains(key), "{remarks}");
    assert!(remarks.contains(&key[3..15]), "{remarks}");
    (key.to_owned(), key[3..15].to_owned())
}

fn listed(people: &People, arguments: &[&str]) -> Vec<Value> {
    let output = people.typed(&[&["api-key", "list", "--json"], arguments].concat(), "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let lines = text(&output.stdout);
    let lines = lines.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn status(server: &Server, key: &str) -> u16 {
    server.get("/secure-data", Some(key)).status
}

#[test]
fn keys_work_at_a_running_server_until_they_are_revoked() {
    let people = People::of(&["alice", "bob"]);
    let server = people.server(&[]);
    let (key, id) = add(&people, &["alice", "--scope", "secure-data"]);
    within_a_second(|| status(&server, &key) == 200);
    let (second, _) = add(&people, &["alice"]);
    let (bobs, _) = add(&people, &["bob"]);
    within_a_second(|| status(&server, &second) == 200 && status(&server, &bobs) == 200);
    assert_eq!(
        server
            .post("/encrypt", r#"{"data":"x"}"#, Some(&key))
            .status,
        403
    );

    // By its id; then the key itself from standard input; then all of a user.
    people.done(&["api-key", "revoke", &id]);
    within_a_second(|| status(&server, &key) == 401);
    assert_eq!(
        server.get("/secure-data", Some(&key)).code(),
        "token_revoked"
    );
    assert_eq!(status(&server, &second), 200);
    let revoked = people.typed(&["api-key", "revoke"], &second);
    assert_eq!(revoked.status.code(), Some(0), "{revoked:?}");
    within_a_second(|| status(&server, &second) == 401);
    people.done(&["api-key", "revoke", "--owner", "bob"]);
    within_a_second(|| status(&server, &bobs) == 401);

    // The end of an account.
    let (last, _) = add(&people, &["bob"]);
    within_a_second(|| status(&server, &last) == 200);
    people.done(&["user", "remove", "bob"]);
    within_a_second(|| status(&server, &last) == 401);
    server.stop();
}

#[test]
fn the_command_says_what_it_cannot_do() {
    let people = People::of(&["alice"]);
    let fails = |arguments: &[&str], typed: &str, code: i32, sentence: &str| {
        let output = people.typed(&[&["api-key"], arguments].concat(), typed);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(output.stdout.is_empty());
        let said = said(&output);
        assert!(said.contains(sentence), "{said}");
    };
    fails(
        &["revoke", "000000000000"],
        "",
        1,
        "no API key with this id",
    );
    fails(&["revoke"], "nonsense", 1, "not an API key");
    fails(&["revoke", "-"], "", 1, "not an API key");
    fails(
        &["add", "alice", "--scope", "admin"],
        "",
        2,
        "subset of its owner's",
    );
    fails(&["add", "alice", "--scope", "a  b"], "", 2, "single spaces");
    fails(&["add", ""], "", 2, "username");
    let too_many = ["add", "alice", "--requests", "99999999", "--window", "1"];
    fails(&too_many, "", 2, "1 to 10000000 requests");
    let wrong = |arguments: &[&str]| {
        let output = people.typed(&[&["api-key"], arguments].concat(), "");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    };
    wrong(&["add", "alice", "--requests", "5"]);
    wrong(&["add", "alice", "--ttl", "0"]);
    wrong(&["revoke", "000000000000", "--owner", "alice"]);
    assert_eq!(listed(&people, &[]), [Value::Null; 0]);
    let warned = people.typed(&["api-key", "add", "nobody"], "");
    assert!(text(&warned.stderr).contains("Warning: there are accounts, but none"));
    people.done(&["user", "disable", "alice"]);
    let warned = people.typed(&["api-key", "add", "alice"], "");
    assert!(text(&warned.stderr).contains("Warning: the owner's account is disabled"));
}

#[test]
fn a_list_has_everything_but_the_secret() {
    let people = People::none();
    let none = people.typed(&["api-key", "list"], "");
    assert_eq!((none.status.code(), none.stdout.len()), (Some(0), 0));
    let options = ["--ttl", "3600", "--requests", "5", "--window", "60"];
    let (key, id) = add(
        &people,
        &[&["nightly", "--scope", "a b"], &options[..]].concat(),
    );
    let (_, other) = add(&people, &["other"]);
    let all = listed(&people, &[]);
    let mut ids = [&*id, &other];
    ids.sort_unstable();
    assert_eq!([&all[0]["id"], &all[1]["id"]], ids);
    let mine = listed(&people, &["--owner", "nightly"]);
    let mut mine = mine[0].clone();
    for name in ["created", "expires_at"] {
        let time = mine[name].take();
        assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
    }
    let expected = json!({
        "id": id, "owner": "nightly", "scope": "a b", "created": null, "expires_at": null, "max_requests": 5, "window": 60,
        "last_used": null, "revoked_at": null
    });
    assert_eq!(mine, expected);
    people.done(&["api-key", "revoke", &other]);
    let table = text(&people.typed(&["api-key", "list"], "").stdout);
    for part in [
        "LAST USED",
        &id,
        "nightly",
        "a b",
        "5 in 60 s",
        "until 20",
        "revoked 20",
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
    assert!(!table.contains(&key[15..40]), "{table}");
}

#[test]
fn a_server_records_the_hour_of_the_last_use() {
    let people = People::of(&["alice"]);
    let (key, id) = add(&people, &["alice"]);
    let (_, unused) = add(&people, &["alice"]);
    let server = people.server(&[]);
    within_a_second(|| status(&server, &key) == 200);
    let used = |id: &str| {
        let keys = listed(&people, &[]);
        let key = keys.iter().find(|key| key["id"] == id).unwrap();
        key["last_used"].clone()
    };
    within(PATIENCE, || !used(&id).is_null());
    assert!(used(&id).as_str().unwrap().ends_with(":00:00Z"));
    assert_eq!(used(&unused), Value::Null);
    server.stop();
}

#[test]
fn a_key_is_in_no_file_and_no_log() {
    let people = People::of(&["alice"]);
    people.done(&[
        "user",
        "scopes",
        "alice",
        "secure-data api-keys encrypt decrypt",
    ]);
    let audit = people.home().join("audit");
    let setting = ("SEALGATE_AUDIT_FILE", audit.to_str().unwrap());
    let server = people.server(&[setting, ("SEALGATE_LOG_LEVEL", "trace")]);
    let token = login(&server, "alice", PASSWORD).json()["token"].clone();
    let token = token.as_str().unwrap();
    let added = server.post("/api-keys", r#"{"scope": "secure-data"}"#, Some(token));
    assert_eq!(added.status, 201, "{}", added.body);
    let (key, id) = (added.json()["api_key"].clone(), added.json()["id"].clone());
    let (key, id) = (key.as_str().unwrap(), id.as_str().unwrap());
    assert_eq!(status(&server, key), 200);
    assert_eq!(server.post("/logout", "", Some(key)).status, 403);
    assert_eq!(server.post("/api-keys", "{}", Some(key)).status, 403);
    assert_eq!(
        server.post("/encrypt", r#"{"data":"x"}"#, Some(key)).status,
        403
    );
    // Wherever else a client may put it by mistake.
    assert_eq!(server.get(&format!("/{key}"), None).status, 404);
    assert_eq!(
        server
            .get(&format!("/verify/for/{key}/-/{key}"), Some(key))
            .status,
        403
    );
    assert_eq!(login(&server, key, key).status, 401);
    let line = format!("GET /verify?scope={key} HTTP/1.1\r\nHost: localhost\r\n");
    let fields_of = format!(
        "X-Request-Id: {key}\r\nX-Original-URI: /{key}\r\nX-Original-Method: {key}\r\nAuthorization: Bearer {key}\r\n\r\n"
    );
    assert_eq!(
        server.send(format!("{line}{fields_of}").as_bytes()).status,
        403
    );
    let revoke = json!({ "id": id }).to_string();
    assert_eq!(
        server.post("/api-keys/revoke", &revoke, Some(token)).status,
        200
    );
    assert_eq!(
        server.post("/api-keys/revoke", &revoke, Some(token)).status,
        200
    );
    let unknown = json!({ "id": key }).to_string();
    assert_eq!(
        server
            .post("/api-keys/revoke", &unknown, Some(token))
            .status,
        404
    );
    assert_eq!(status(&server, key), 401);
    let log = server.stop();
    let trail = fs::read_to_string(&audit).unwrap();
    let secret = &key[15..];
    assert!(!log.contains(secret), "{log}");
    assert!(!trail.contains(secret), "{trail}");
    // Its id is: whose request it was, and what became of it.
    assert!(log.contains(&format!(" key={id} ")), "{log}");
    let of_key = |event: &str| {
        let line = trail.lines().find(|line| line.contains(event));
        line.unwrap_or_else(|| panic!("{event}: {trail}"))
            .to_owned()
    };
    for event in [
        "event=api_key.add result=ok",
        "event=api_key.revoke result=ok",
    ] {
        let line = of_key(event);
        assert!(
            line.contains(&format!(" key={id} ")) && line.contains("user=a***"),
            "{line}"
        );
    }
    assert!(!of_key("event=api_key.revoke result=not_found").contains(" key="));
    assert!(of_key("event=denied result=token_revoked").contains("user=a***"));
    assert!(fields(&trail, "result").contains(&"api_key_refused".to_owned()));
    for entry in fs::read_dir(&people.place.folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let has = bytes
            .windows(20)
            .any(|part| part == &secret.as_bytes()[..20]);
        assert!(!has, "{}", path.display());
    }
}

#[test]
fn masked_text_never_has_a_secret() {
    let people = People::none();
    let (key, id) = add(&people, &["nightly"]);
    let line = format!("Authorization: Bearer {key}");
    let mut mask = people.command(&["mask", "--visible-chars", "1000"]);
    mask.env_remove("MAX_REQUESTS");
    let masked = text(&run(mask, line.as_bytes()).stdout);
    let expected = format!("Authorization: Bearer sg_{id}{}\n", "*".repeat(49));
    assert_eq!(masked, expected);
}

#[test]
fn a_backup_has_the_keys() {
    let people = People::of(&["alice"]);
    let (key, id) = add(&people, &["alice"]);
    let backup = people.home().join("copy");
    let backup = backup.to_str().unwrap();
    people.done(&["backup", backup]);
    people.done(&["api-key", "revoke", &id]);
    people.done(&["restore", "--force", backup]);
    let server = people.server(&[]);
    assert_eq!(status(&server, &key), 200);
    server.stop();
}
