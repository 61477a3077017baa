//! The three doors on one machine: what C and Python make, the server accepts, and the examples print what they say.

#![allow(clippy::unwrap_used)] // a test that panics has failed

use std::path::Path;
use std::process::Command;

use crate::common::c::{cargo, checked, compiler, link_library, link_with_library, python, root};
use crate::common::{Server, run, sealgate, text};
use serde_json::json;

#[test]
fn the_c_example_prints_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    link_library(folder.path());
    let program = folder.path().join("first_steps");
    let mut compile = compiler("cc", "c99");
    compile
        .arg(root().join("examples/c/first_steps.c"))
        .arg("-o")
        .arg(&program);
    link_with_library(&mut compile, folder.path());
    checked(&mut compile);
    let printed = checked(
        Command::new(&program)
            .env_clear()
            .env("HOME", folder.path()),
    );
    assert_eq!(
        printed,
        format!(
            "sealgate {}\nthe token is alice's\nopened: meet me at noon\nanother context: does not open\nmasked: my_********\n",
            env!("CARGO_PKG_VERSION")
        )
    );
    let refused = Command::new(&program)
        .env_clear()
        .env("HOME", folder.path())
        .env("JWT_SECRET_KEY", "canary")
        .output()
        .unwrap();
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        said.contains("JWT_SECRET_KEY must be")
            && said.contains("(setting)")
            && !said.contains("canary"),
        "{said}"
    );
}

#[test]
fn the_python_example_prints_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let printed = checked(python(folder.path()).arg(root().join("examples/python/quickstart.py")));
    assert_eq!(
        printed,
        format!(
            "sealgate {}\nthe token is alice's, for decrypt, orders\nopened: meet me at noon\nelsewhere: decrypt_failed\nmasked: my_********\n",
            env!("CARGO_PKG_VERSION")
        )
    );
}

#[test]
fn what_one_door_makes_the_others_accept() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(home.path(), &[("MAX_REQUESTS", "0")]);
    // Python, through the C library, with the same data directory.
    let made = checked(python(home.path()).args([
        "-c",
        "import sealgate, json; g = sealgate.Gate(); print(json.dumps([g.issue_token('from python'), g.encrypt('gr\\u00fcezi', 'row/1')]))",
    ]));
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let (token, sealed) = (made[0].as_str().unwrap(), made[1].as_str().unwrap());
    let ask = json!({"encrypted_data": sealed, "context": "row/1"}).to_string();
    let opened = server.post("/decrypt", &ask, Some(token));
    assert_eq!(opened.json(), json!({"decrypted_data": "grüezi"}));

    // The server's, for Python and for the command.
    let token = server.log_in("from http");
    let sealed = server
        .post("/encrypt", r#"{"data":"hoi"}"#, Some(&token))
        .json();
    let sealed = sealed["encrypted_data"].as_str().unwrap();
    let read = checked(python(home.path()).args([
        "-c",
        "import sealgate, sys; g = sealgate.Gate(); print(g.verify_token(sys.argv[1])['sub'], g.decrypt(sys.argv[2]).decode())",
        &token,
        sealed,
    ]));
    assert_eq!(read, "from http hoi\n");
    let command = |arguments: &[&str]| {
        let mut command = sealgate(home.path());
        command.args(arguments);
        command
    };
    assert_eq!(
        text(&run(command(&["decrypt"]), sealed.as_bytes()).stdout),
        "hoi"
    );
    assert!(
        run(command(&["token", "verify"]), token.as_bytes())
            .status
            .success()
    );

    // White space in base64 is no error behind any of them: tools wrap their lines.
    let wrapped = sealed
        .as_bytes()
        .chunks(20)
        .map(|line| format!(" {}\r\n\t", text(line)))
        .collect::<String>();
    let ask = |path: &str, member: &str, data: &str| {
        let answer = server.post(path, &json!({ member: data }).to_string(), Some(&token));
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    };
    assert_eq!(
        ask("/decrypt", "encrypted_data", &wrapped)["decrypted_data"],
        "hoi"
    );
    ask("/rewrap", "encrypted_data", &wrapped);
    ask("/encrypt", "data_base64", " aG\n9p\t");
    let read = checked(python(home.path()).args([
        "-c",
        "import sealgate, sys; g = sealgate.Gate(); w = sys.argv[1]; g.rewrap(w); print(g.decrypt(w).decode(), sealgate.decrypt_data(w))",
        &wrapped,
    ]));
    assert!(
        read.starts_with("hoi ") && read.matches("hoi").count() == 2,
        "{read}"
    );
    assert_eq!(
        text(&run(command(&["decrypt"]), wrapped.as_bytes()).stdout),
        "hoi"
    );
    let line = format!("{} {}\n", &sealed[..10], &sealed[10..]);
    let rewrapped = run(command(&["rewrap"]), line.as_bytes());
    assert!(rewrapped.status.success(), "{rewrapped:?}");

    // And the command's for the server.
    let issued = text(
        &run(
            command(&["token", "issue", "--user", "from the command"]),
            b"",
        )
        .stdout,
    );
    assert_eq!(server.get("/secure-data", Some(issued.trim())).status, 200);
}

#[test]
fn the_api_is_mounted_in_a_server_that_a_host_has() {
    use std::io::{BufRead, BufReader};
    let home = tempfile::tempdir().unwrap();
    // Cargo builds examples only when all tests are run.
    cargo(&["build", "--locked", "--example", "mount"]);
    let example = Path::new(env!("CARGO_BIN_EXE_sealgate")).with_file_name("examples/mount");
    let mut host = Command::new(example)
        .arg("127.0.0.1:0")
        .env_clear()
        .env("HOME", home.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(host.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let url = line.trim().strip_prefix("listening on ").unwrap();
    let curl = |arguments: &[&str], path: &str| {
        checked(
            Command::new("curl")
                .args(["-s", "--max-time", "10"])
                .args(arguments)
                .arg(format!("{url}{path}")),
        )
    };
    let hello = curl(&[], "/hello");
    let login = curl(
        &[
            "-H",
            "Content-Type: application/json",
            "-d",
            r#"{"username":"a"}"#,
        ],
        "/login",
    );
    host.kill().unwrap();
    host.wait().unwrap();
    assert_eq!(hello, "hello\n");
    assert!(login.contains("\"token\":"), "{login}");
}
