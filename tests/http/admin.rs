//! Administration over HTTP: where it is served, and what is then the same for the command.

use std::io::Write;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use crate::common::people::{PASSWORD, Pair, People};
use crate::common::{Answer, PATIENCE, text};

fn people() -> People {
    let people = People::of(&["alice"]);
    people.add("root", "admin");
    people
}

fn request(method: &str, target: &str, token: &str, headers: &str, body: &str) -> String {
    format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{headers}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn ask(address: &str, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    Answer::read(&mut stream).expect("an answer")
}

fn names(listed: &Value) -> Vec<&str> {
    let users = listed["users"].as_array().unwrap().iter();
    users.map(|user| user["name"].as_str().unwrap()).collect()
}

#[test]
fn an_administrator_does_over_http_what_the_command_does() {
    let people = people();
    for engine in ["pool", "tiny-http"] {
        let server = people.server(&[("SEALGATE_ENGINE", engine)]);
        let root = Pair::log_in(&server, "root").token;
        let listed = server.get("/admin/v1/users", Some(&root)).json();
        assert_eq!(names(&listed), ["alice", "root"]);
        let ask = json!({"name": "b/ob", "password": PASSWORD, "scopes": ["encrypt"]}).to_string();
        assert_eq!(
            server.post("/admin/v1/users", &ask, Some(&root)).status,
            201
        );
        for (name, kind) in [("dora", "user"), ("shop", "client")] {
            let mut ask = json!({"name": name, "kind": kind});
            if kind == "user" {
                ask["password"] = PASSWORD.into();
            }
            let added = server.post("/admin/v1/users", &ask.to_string(), Some(&root));
            let default = json!(["secure-data", "encrypt", "decrypt"]);
            assert_eq!(added.json()["scopes"], default, "{added:?}");
            people.done(&[kind, "remove", name]);
        }
        let bob = Pair::log_in(&server, "b/ob");
        assert!(text(&people.typed(&["user", "list"], "").stdout).contains("b/ob"));
        let edit = request(
            "PATCH",
            "/admin/v1/users/b%2Fob",
            &root,
            "If-Match: *\r\n",
            r#"{"disabled": true}"#,
        );
        assert_eq!(
            server.send(edit.as_bytes()).json()["disabled"],
            true,
            "{engine}"
        );
        assert_eq!(bob.refreshed(&server).code(), "token_revoked");
        // What the command does is seen, and what was read before is known to be old.
        people.done(&["user", "enable", "b/ob"]);
        let shown = server.get("/admin/v1/users/b%2Fob", Some(&root));
        assert_eq!(shown.json()["disabled"], false);
        people.done(&["user", "scopes", "b/ob", "decrypt"]);
        let tag = format!("If-Match: {}\r\n", shown.headers["etag"]);
        let remove = request("DELETE", "/admin/v1/users/b%2Fob", &root, &tag, "");
        assert_eq!(server.send(remove.as_bytes()).code(), "precondition_failed");
        let remove = request("DELETE", "/admin/v1/users/b%2Fob", &root, "", "");
        assert_eq!(server.send(remove.as_bytes()).status, 204);
        let listed = text(&people.typed(&["user", "list"], "").stdout);
        assert!(!listed.contains("b/ob"), "{listed}");
        let log = server.stop();
        let line = log.lines().find(|line| line.contains("event=account.add"));
        assert!(
            line.is_some_and(|line| line.contains(" by=r*** by_who=")),
            "{log}"
        );
    }
}

#[test]
fn listeners_of_its_own_serve_administration_and_the_others_do_not() {
    let people = people();
    let socket = people.home().join("admin.sock");
    let own = format!("127.0.0.1:0,unix:{}", socket.display());
    let server = people.server(&[("SEALGATE_ADMIN_LISTEN", &own)]);
    let (_, rest) = server
        .greeting
        .split_once("administration on http://")
        .unwrap();
    let address = rest.split_once("/admin/v1/").unwrap().0;
    let root = Pair::log_in(&server, "root").token;
    assert_eq!(
        server.get("/admin/v1/users", Some(&root)).code(),
        "not_found"
    );
    let list = request("GET", "/admin/v1/users", &root, "", "");
    assert_eq!(names(&ask(address, &list).json()), ["alice", "root"]);
    let mut stream = UnixStream::connect(&socket).unwrap();
    stream.write_all(list.as_bytes()).unwrap();
    assert_eq!(Answer::read(&mut stream).unwrap().status, 200);
    let login = json!({"username": "root", "password": PASSWORD}).to_string();
    assert_eq!(
        ask(address, &request("POST", "/login", "", "", &login)).status,
        200
    );
    for target in ["/", "/secure-data", "/.well-known/jwks.json"] {
        let refused = ask(address, &request("GET", target, &root, "", ""));
        assert_eq!(refused.code(), "not_found", "{target}");
    }
    // A request that another machine's proxy passes on is served there, too.
    let proxied = proxied(&root);
    assert_eq!(ask(address, &proxied).status, 200);
    server.stop();
    assert!(!socket.exists());
}

/// A request that has come through a proxy.
fn proxied(token: &str) -> String {
    let by_proxy = "X-Forwarded-For: 192.0.2.1\r\n";
    request("GET", "/admin/v1/health", token, by_proxy, "")
}

#[test]
fn beyond_this_machine_administration_is_not_there() {
    let people = people();
    let server = people.server(&[("SEALGATE_LISTEN", "0.0.0.0:0")]);
    let root = Pair::log_in(&server, "root").token;
    for target in [
        "/admin/v1/users",
        "/admin/v1/health",
        "/admin/v1/users/root",
    ] {
        assert_eq!(server.get(target, Some(&root)).code(), "not_found");
    }
    let local = people.server(&[]);
    let proxied = proxied(&root);
    assert_eq!(local.send(proxied.as_bytes()).code(), "not_found");
    assert_eq!(local.get("/admin/v1/health", Some(&root)).status, 200);
}
