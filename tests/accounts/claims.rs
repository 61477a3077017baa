//! Claims of accounts: what the command does with them, and which tokens have them.

use serde_json::{Value, json};

use crate::common::people::{PASSWORD, Pair, People, claims, login, within_a_second};
use crate::common::{run, said, text};

const OPS: &str = r#"{"department": "ops", "level": 3}"#;

fn shown(people: &People, name: &str) -> Value {
    let output = people.typed(&["user", "claims", name], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn logins_and_refreshes_get_the_claims_that_the_account_has_at_the_time() {
    let people = People::of(&["alice", "bob"]);
    let server = people.server(&[]);
    assert_eq!(shown(&people, "alice"), json!({}));
    let before = Pair::log_in(&server, "alice");
    assert_eq!(claims(&before.token).get("department"), None);
    people.done(&["user", "claims", "alice", OPS]);
    assert_eq!(
        shown(&people, "alice").to_string(),
        r#"{"department":"ops","level":3}"#
    );
    // One more claim ends nothing: the login goes on, and gets it when it is refreshed.
    assert_eq!(server.get("/secure-data", Some(&before.token)).status, 200);
    let refreshed = Pair::of(&before.refreshed(&server));
    let again = Pair::of(&refreshed.refreshed(&server));
    let new = Pair::log_in(&server, "alice");
    for pair in [&refreshed, &again, &new] {
        let read = claims(&pair.token);
        assert_eq!(
            (&read["department"], &read["level"]),
            (&json!("ops"), &json!(3))
        );
        assert_eq!(read["sub"], "alice");
        // They are for those who check the token, not for a token that is only exchanged.
        assert_eq!(claims(&pair.refresh).get("department"), None);
    }
    assert_eq!(
        claims(&Pair::log_in(&server, "bob").token).get("department"),
        None
    );
    // A scope that is narrowed does not lose them.
    let narrow = json!({"username": "alice", "password": PASSWORD, "scope": "decrypt"});
    let narrow = Pair::of(&server.post("/login", &narrow.to_string(), None));
    assert_eq!(claims(&narrow.token)["level"], 3);
}

#[test]
fn a_claim_that_is_changed_or_removed_ends_the_accounts_logins() {
    let people = People::of(&["alice", "bob"]);
    let server = people.server(&[]);
    let bob = Pair::log_in(&server, "bob");
    people.done(&["user", "claims", "alice", OPS]);
    for new in [
        r#"{"department": "sales", "level": 3}"#,
        r#"{"department": "sales"}"#,
        "{}",
    ] {
        let pair = Pair::log_in(&server, "alice");
        assert_eq!(server.get("/secure-data", Some(&pair.token)).status, 200);
        people.done(&["user", "claims", "alice", new]);
        within_a_second(|| server.get("/secure-data", Some(&pair.token)).status == 401);
        assert_eq!(pair.refreshed(&server).code(), "token_revoked");
        assert_eq!(
            shown(&people, "alice"),
            serde_json::from_str::<Value>(new).unwrap()
        );
        let read = claims(&Pair::log_in(&server, "alice").token);
        assert_eq!(read.get("level").is_some(), new.contains("level"), "{new}");
    }
    assert_eq!(server.get("/secure-data", Some(&bob.token)).status, 200);
}

#[test]
fn what_no_token_can_have_is_refused_and_nothing_is_changed() {
    let people = People::of(&["alice"]);
    people.done(&["user", "claims", "alice", OPS]);
    let large = format!("{{\"a\": \"{}\"}}", "x".repeat(4096));
    for (wrong, why) in [
        ("", "JSON object"),
        ("ops", "JSON object"),
        ("[]", "JSON object"),
        (r#"{"sub": "root"}"#, "sub is reserved"),
        (r#"{"\u0053cope": "admin"}"#, "Scope is reserved"),
        (r#"{"a": 1, "a": 2}"#, "twice"),
        (r#"{"n": 123456789012345678901234567890}"#, "64 bits"),
        (&large, "4096 bytes"),
    ] {
        for what in [
            &["user", "claims", "alice", wrong][..],
            &["user", "add", "carol", "--claims", wrong],
            &["token", "issue", "--user", "alice", "--claims", wrong],
        ] {
            let output = people.typed(what, PASSWORD);
            assert_eq!(output.status.code(), Some(2), "{what:?}");
            assert!(output.stdout.is_empty());
            let stderr = text(&output.stderr);
            assert!(
                wrong.is_empty() || stderr.contains(why),
                "{what:?}: {stderr}"
            );
            assert!(
                !stderr.contains("root") && !stderr.contains("panic"),
                "{stderr}"
            );
        }
    }
    assert_eq!(
        shown(&people, "alice"),
        serde_json::from_str::<Value>(OPS).unwrap()
    );
    let nobody = people.typed(&["user", "claims", "carol"], "");
    assert_eq!(nobody.status.code(), Some(1));
    assert!(said(&nobody).contains("There is no account"));
}

#[test]
fn an_account_is_added_and_listed_with_its_claims() {
    let people = People::none();
    let hidden = "{\"note\": \"a\u{202e}b\", \"level\": 3}";
    let added = people.typed(&["user", "add", "alice", "--claims", hidden], PASSWORD);
    assert_eq!(added.status.code(), Some(0), "{added:?}");
    people.add("bob", "");
    let listed = text(&people.typed(&["user", "list"], "").stdout);
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[0].ends_with("CLAIMS"), "{listed}");
    assert!(
        lines[1].ends_with(" note,level") && lines[2].ends_with(" -"),
        "{listed}"
    );
    let listed = text(&people.typed(&["user", "list", "--json"], "").stdout);
    let all: Vec<Value> = listed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(all[0]["claims"], json!({"note": "a\u{202e}b", "level": 3}));
    assert_eq!(all[1]["claims"], json!({}));
    let shown = text(&people.typed(&["user", "claims", "alice"], "").stdout);
    assert_eq!(shown, "{\"note\":\"a\\u202eb\",\"level\":3}\n");
    assert!(!listed.contains('\u{202e}'));
}

#[test]
fn a_token_is_issued_with_claims_for_an_audience_and_for_later() {
    let people = People::of(&["alice"]);
    people.done(&["user", "claims", "alice", r#"{"of_account": 1}"#]);
    let issue = |more: &[&str]| {
        let output = people.typed(&[&["token", "issue", "--user", "alice"], more].concat(), "");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        text(&output.stdout).trim().to_owned()
    };
    let verified = |token: &str, more: &[&str]| {
        let command = people.command(&[&["token", "verify"], more].concat());
        run(command, token.as_bytes())
    };
    let token = issue(&["--claims", OPS]);
    let read: Value = serde_json::from_slice(&verified(&token, &[]).stdout).unwrap();
    assert_eq!(read["claims"]["department"], "ops");
    assert_eq!(read["claims"]["level"], 3);
    // Those of the account are for its logins.
    assert_eq!(read["claims"].get("of_account"), None);
    assert_eq!(claims(&issue(&[])).get("of_account"), None);

    let token = issue(&["--audience", "billing", "--not-before", "1700000000"]);
    let read = claims(&token);
    assert_eq!(
        (&read["aud"], &read["nbf"]),
        (&json!("billing"), &json!(1_700_000_000))
    );
    let refused = verified(&token, &[]);
    assert!(said(&refused).contains("token_invalid"));
    assert!(
        verified(&token, &["--audience", "billing"])
            .status
            .success()
    );
    let server = people.server(&[]);
    assert_eq!(
        server.get("/secure-data", Some(&token)).code(),
        "token_invalid"
    );

    let soon = (sealgate::unix_now() + 600).to_string();
    let later = issue(&["--not-before", &soon]);
    assert!(said(&verified(&later, &[])).contains("token_not_yet_valid"));
    assert_eq!(
        server.get("/secure-data", Some(&later)).code(),
        "token_not_yet_valid"
    );
    let never = [
        "token",
        "issue",
        "--user",
        "alice",
        "--ttl",
        "60",
        "--not-before",
        &soon,
    ];
    let never = people.typed(&never, "");
    assert_eq!(never.status.code(), Some(2));
    assert!(said(&never).contains("before it becomes valid"));
    // A token that is for others can still be revoked by those who issued it.
    let revoked = people.typed(&["token", "revoke"], &token);
    assert_eq!(revoked.status.code(), Some(0), "{revoked:?}");
    let refused = verified(&token, &["--audience", "billing"]);
    assert!(said(&refused).contains("token_revoked"));
}

#[test]
fn introspection_shows_the_claims_of_a_login() {
    let people = People::of(&["alice"]);
    people.add("service", "introspect");
    people.done(&["user", "claims", "alice", OPS]);
    let server = people.server(&[]);
    let (alice, service) = (
        Pair::log_in(&server, "alice"),
        Pair::log_in(&server, "service"),
    );
    let ask = |token: &str| {
        let body = json!({ "token": token }).to_string();
        server
            .post("/introspect", &body, Some(&service.token))
            .json()
    };
    let said = ask(&alice.token);
    assert_eq!(
        (&said["department"], &said["level"]),
        (&json!("ops"), &json!(3))
    );
    assert_eq!(
        (&said["active"], &said["sub"]),
        (&json!(true), &json!("alice"))
    );
    assert_eq!(ask(&alice.refresh).get("department"), None);
    people.done(&["user", "claims", "alice", "{}"]);
    within_a_second(|| ask(&alice.token) == json!({"active": false}));
}

/// A store that another program has written: nothing is issued that no token may have, and nobody's password is wrong.
#[test]
fn claims_in_the_store_that_no_token_can_have_end_a_login_with_a_fault_of_the_server() {
    let people = People::of(&["alice", "bob"]);
    let server = people.server(&[]);
    let pair = Pair::log_in(&server, "alice");
    let store = rusqlite::Connection::open(people.place.folder.join("store.db")).unwrap();
    for planted in [
        r#"{"sub":"root"}"#.to_owned(),
        "not JSON".to_owned(),
        String::from("{"),
        "\u{1}".to_owned(),
        format!("{{\"a\":\"{}\"}}", "x".repeat(5000)),
    ] {
        let change = "UPDATE accounts SET claims = ?1 WHERE name = 'alice'";
        store.execute(change, [&planted]).unwrap();
        let refused = login(&server, "alice", PASSWORD);
        assert_eq!(refused.status, 503, "{planted}: {}", refused.body);
        assert_eq!(pair.refreshed(&server).status, 503);
        assert_eq!(login(&server, "bob", PASSWORD).status, 200);
    }
    assert!(server.log().contains("sealgate user claims"));
    // As the log says.
    people.done(&["user", "claims", "alice", OPS]);
    assert_eq!(claims(&Pair::log_in(&server, "alice").token)["level"], 3);
}
