//! `sealgate --server`: the same subcommands over a server's administration API. The state is the same from both sides.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::administered::Administered;
use crate::common::pair::Pair as Identity;
use crate::common::people::{PASSWORD, Pair, People, login};
use crate::common::{run, text};

impl Administered {
    fn is_same_everywhere(&self) {
        for arguments in [
            &["user", "list"][..],
            &["user", "list", "--json"],
            &["client", "list"],
            &["client", "list", "--json"],
            &["api-key", "list"],
            &["api-key", "list", "--json"],
            &["user", "claims", "alice"],
            &["user", "sessions", "alice", "--json"],
        ] {
            self.is_same(arguments);
        }
    }
}

#[test]
fn a_server_and_the_command_beside_it_show_and_change_the_same_state() {
    let all = Administered::new();
    all.is_same_everywhere();
    let pair = Pair::log_in(&all.server, "alice");
    all.done(&[
        "user",
        "add",
        "carol",
        "--scopes",
        "encrypt",
        "--claims",
        r#"{"team":"ops"}"#,
    ]);
    assert_eq!(login(&all.server, "carol", PASSWORD).status, 200);
    all.done(&["user", "scopes", "carol", "decrypt encrypt"]);
    all.done(&["user", "claims", "carol", r#"{"team":"dev"}"#]);
    assert_eq!(
        all.is_same(&["user", "claims", "carol"]),
        "{\"team\":\"dev\"}\n"
    );
    all.done(&["user", "disable", "bob"]);
    assert_eq!(login(&all.server, "bob", PASSWORD).status, 401);
    all.is_same_everywhere();
    all.done(&["user", "enable", "bob"]);
    all.done(&["user", "passwd", "bob"]);
    all.done(&["user", "unlock", "bob"]);
    assert_eq!(login(&all.server, "bob", PASSWORD).status, 200);
    let secret = all.done(&["client", "add", "shop", "--scopes", "encrypt"]);
    let renewed = all.done(&["client", "secret", "shop"]);
    assert!(secret != renewed && renewed.trim().len() > 20);
    all.done(&["client", "scopes", "shop", ""]);
    all.done(&["client", "disable", "shop"]);
    let key = all.done(&[
        "api-key",
        "add",
        "alice",
        "--scope",
        "secure-data",
        "--ttl",
        "1000",
        "--requests",
        "9",
        "--window",
        "60",
    ]);
    let key = key.trim();
    // Not used: a server knows of the last use before the store does.
    all.is_same_everywhere();
    all.done(&["api-key", "revoke", key]);
    assert_eq!(all.server.get("/secure-data", Some(key)).status, 401);
    let sessions = all.is_same(&["user", "sessions", "alice", "--json"]);
    let session: serde_json::Value = serde_json::from_str(sessions.trim()).unwrap();
    all.done(&["session", "end", "--", session["id"].as_str().unwrap()]);
    assert_eq!(
        all.server.get("/secure-data", Some(&pair.token)).status,
        401
    );
    all.done(&["client", "remove", "shop"]);
    all.done(&["user", "remove", "carol"]);
    // What is changed on the server's machine is seen from elsewhere too.
    all.people
        .done(&["user", "add", "../..", "--scopes", "encrypt"]);
    all.people
        .done(&["user", "add", "..", "--scopes", "encrypt"]);
    all.done(&["user", "scopes", "../..", "decrypt"]);
    all.done(&["user", "remove", ".."]);
    all.is_same_everywhere();
    all.done(&["client", "add", "shop", "--scopes", "encrypt"]);
    // The same exit codes, for the same reasons.
    for (arguments, code) in [
        (&["user", "add", "alice"][..], 1),
        (&["user", "remove", "nobody"], 1),
        (&["user", "sessions", "nobody"], 1),
        (&["client", "remove", "alice"], 1),
        (&["client", "secret", "nobody"], 1),
        (&["api-key", "revoke", "7Tq0mVxkQ2Lr"], 1),
        (&["session", "end", "nothing"], 1),
        (&["client", "secret", "alice"], 1),
        (&["user", "unlock", "shop"], 1),
        (&["user", "passwd", "shop"], 1),
        (&["user", "scopes", "alice", "not\"a scope"], 2),
        (&["user", "scopes", "alice", "  "], 2),
        (&["user", "scopes", "alice", "encrypt  decrypt"], 2),
        (&["client", "scopes", "shop", " encrypt"], 2),
        (&["api-key", "add", "alice", "--scope", "encrypt "], 2),
        (&["client", "add", "bäckerei"], 2),
        (&["user", "claims", "alice", r#"{"sub":1}"#], 2),
    ] {
        let (here, there) = (all.local(arguments), all.typed(arguments));
        assert_eq!(here.status.code(), Some(code), "{arguments:?}: {here:?}");
        assert_eq!(there.status.code(), Some(code), "{arguments:?}: {there:?}");
    }
    assert_eq!(all.done(&["healthcheck"]), "ready\n");
}

#[test]
fn keys_are_listed_and_changed_on_a_server() {
    let all = Administered::new();
    let ids = |output: &str| -> Vec<String> {
        let listed: serde_json::Value = serde_json::from_str(output).unwrap();
        let keys = listed["keys"].as_array().unwrap().iter();
        keys.map(|key| {
            [
                "kind",
                "id",
                "algorithm",
                "created",
                "newest",
                "accepted",
                "accepted_until",
            ]
            .map(|name| key[name].to_string())
            .join(" ")
        })
        .collect()
    };
    let is_same = || {
        let list = ["keys", "list", "--json"];
        let here = ids(&text(&all.local(&list).stdout));
        assert_eq!(ids(&all.done(&list)), here);
        here
    };
    let before = is_same();
    let said = all.done(&["keys", "rotate", "--data"]);
    assert!(
        said.starts_with("Changed the key ring http://127.0.0.1:"),
        "{said}"
    );
    let after = is_same();
    assert_eq!(after.len(), before.len() + 1);
    let old = all.people.place.newest("data");
    all.done(&["keys", "rotate", "--data"]);
    let said = all.done(&["keys", "retire", &old]);
    assert!(
        said.contains(&format!("data key {old}: accepted no (before: yes)")),
        "{said}"
    );
    is_same();
    let said = all.done(&["keys", "accept", &old]);
    assert!(
        said.contains(&format!("data key {old}: accepted yes (before: no)")),
        "{said}"
    );
    assert_eq!(all.done(&["keys", "accept", &old]), "Nothing to change.\n");
    is_same();
    let newest = all.people.place.newest("data");
    for arguments in [
        &["keys", "retire", &newest][..],
        &["keys", "retire", "nothing"],
        &["keys", "export", "--out", "/nowhere"],
        &["store", "status"],
        &["token", "issue", "--user", "alice"],
    ] {
        let output = all.typed(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
    }
    is_same();
}

#[test]
fn whoever_may_not_or_asks_in_the_wrong_way_is_told_what_to_do() {
    let all = Administered::new();
    let url = all.url();
    let refused = |flags: &[&str], token: Option<&str>, words: &str| {
        let mut command = all.command(flags, &["user", "list"]);
        match token {
            Some(token) => command.env("SEALGATE_TOKEN", token),
            None => command.env_remove("SEALGATE_TOKEN"),
        };
        let output = run(command, b"");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(words), "{words}: {said}");
        assert!(output.stdout.is_empty());
    };
    let token = Some(all.token.as_str());
    refused(&["--server", &url], None, "--token-file");
    refused(&["--server", &url], Some("x"), "Log in with POST /login");
    refused(&["--server", &url], Some("a\r\nX-Evil: b"), "not a token");
    let alice = Pair::log_in(&all.server, "alice").token;
    refused(&["--server", &url], Some(&alice), "needs the scope admin");
    refused(&["--server", "http://192.0.2.1"], token, "--plain-http");
    refused(&["--server", "ftp://x"], token, "must begin with https://");
    refused(
        &["--server", "https://me:pw@x"],
        token,
        "without a name or password",
    );
    let https = url.replace("http://", "https://");
    refused(&["--server", &https], token, "TLS handshake");
    refused(&["--server", &format!("{url}/elsewhere")], token, "");
    // Nobody there, and somebody who never answers, or answers nonsense.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = format!("http://{}", silent.local_addr().unwrap());
    let started = Instant::now();
    refused(
        &["--server", &there, "--timeout", "1"],
        token,
        "did not answer within 1 s",
    );
    assert!(started.elapsed() >= Duration::from_secs(1));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for answer in [
                &b""[..],
                b"\x15\x03",
                b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}",
            ] {
                // One that gave up is still in the queue.
                loop {
                    let (mut client, _) = silent.accept().unwrap();
                    let mut first = [0; 4];
                    if client.read_exact(&mut first).is_err() || &first != b"GET " {
                        continue;
                    }
                    if std::io::Write::write_all(&mut client, answer).is_ok() {
                        let _ = client.shutdown(std::net::Shutdown::Write);
                        let mut rest = Vec::new();
                        let _ = client.read_to_end(&mut rest);
                        break;
                    }
                }
            }
        });
        // The first of them may be the one that waited above.
        for _ in 0..2 {
            refused(
                &["--server", &there, "--timeout", "60"],
                token,
                "The server http://",
            );
        }
    });
    drop(silent);
    refused(&["--server", &there], token, "cannot be reached");
    // From a file, whose text is not printed.
    let file = all.people.home().join("token");
    fs::write(&file, format!("{}\n", all.token)).unwrap();
    let file = file.to_str().unwrap();
    let mut command = all.command(&["--server", &url, "--token-file", file], &["user", "list"]);
    command.env_remove("SEALGATE_TOKEN");
    assert_eq!(run(command, b"").status.code(), Some(0));
    // The flags belong to a server.
    let output = run(all.command(&["--token-file", file], &["user", "list"]), b"");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn a_client_certificate_stands_for_an_administrator_and_the_servers_is_checked() {
    let people = People::of(&["alice"]);
    let write = |name: &str, bytes: Vec<u8>| -> String {
        let path: PathBuf = people.home().join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let ca = Identity::new("ca", 1, 1, None);
    let other = Identity::new("other ca", 2, 1, None);
    let own = Identity::new("server", 3, 1, Some(&ca));
    let ca_file = write("ca.pem", ca.pem());
    let other_file = write("other.pem", other.pem());
    let settings = [
        ("SEALGATE_TLS_CERT", write("server.pem", own.pem())),
        ("SEALGATE_TLS_KEY", write("server-key.pem", own.key_pem())),
        ("SEALGATE_TLS_CLIENT_CA", ca_file.clone()),
        ("SEALGATE_TLS_CLIENT", "optional".to_owned()),
        ("SEALGATE_ADMIN_CERTIFICATES", "operator".to_owned()),
    ];
    let settings: Vec<(&str, &str)> = settings
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let server = people.server(&settings);
    let address = server.greeting.split_once("https://").expect("TLS").1;
    let port = address
        .split([' ', '\n'])
        .next()
        .unwrap()
        .rsplit(':')
        .next()
        .unwrap();
    let identity = |name: &str, number: u32| {
        let identity = Identity::new(name, number, 1, Some(&ca));
        let certificate = write(&format!("{name}.pem"), identity.pem());
        (
            certificate,
            write(&format!("{name}-key.pem"), identity.key_pem()),
        )
    };
    let (operator, guest) = (identity("operator", 4), identity("guest", 5));
    let asked = |host: &str, ca: &str, (certificate, key): &(String, String)| {
        let url = format!("https://{host}:{port}");
        let mut command = crate::common::sealgate(people.home());
        command
            .args([
                "--server",
                &url,
                "--ca-file",
                ca,
                "--client-cert",
                certificate,
            ])
            .args(["--client-key", key, "user", "list"]);
        run(command, b"")
    };
    let good = asked("localhost", &ca_file, &operator);
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    assert!(text(&good.stdout).contains("alice"));
    for (output, words) in [
        (asked("localhost", &other_file, &operator), "not trusted"),
        (asked("127.0.0.1", &ca_file, &operator), "not trusted"),
        (asked("localhost", &ca_file, &guest), "refuses"),
    ] {
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(text(&output.stderr).contains(words), "{words}: {output:?}");
    }
    let mixed = (operator.0.clone(), guest.1);
    let output = asked("localhost", &ca_file, &mixed);
    assert!(
        text(&output.stderr).contains("--client-key is not"),
        "{output:?}"
    );
}
