//! Login without accounts: for processes of the server's own user, and for nobody whom another user's process serves, such as
//! nginx or HAProxy. They run as their packages' users, which only root can arrange; others skip it, and say so.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::proxy::Proxy;
use crate::common::{Answer, PATIENCE, Server, text};

const BODY: &str = r#"{"username":"stranger"}"#;

/// Whether the tests may run processes as other users. Captured output would not be seen.
fn is_root(what: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        let _ = writeln!(std::io::stderr(), "SKIPPED, because it needs root: {what}");
    }
    root
}

/// A folder that processes of all users can reach.
fn open_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// Number and group of a user of /etc/passwd.
fn user(name: &str) -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let of = |line: &str| {
        let fields: Vec<_> = line.split(':').map(str::to_owned).collect();
        (fields[0] == name).then(|| (fields[2].parse().unwrap(), fields[3].parse().unwrap()))
    };
    users.lines().find_map(of).expect("the user is there")
}

/// The status that curl gets for POST /login, and the answer. `arguments`: where to.
fn curl(arguments: &[&str], as_user: Option<&str>) -> (u16, String) {
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-m", "20", "-w", "\n%{http_code}", "-d", BODY])
        .args(["-H", "Content-Type: application/json"])
        .args(arguments);
    if let Some(name) = as_user {
        let (uid, gid) = user(name);
        curl.uid(uid).gid(gid);
    }
    let output = curl.output().unwrap();
    let said = text(&output.stdout);
    let (body, status) = said.rsplit_once('\n').unwrap();
    let status = status.parse().unwrap();
    assert_ne!(status, 0, "{}", text(&output.stderr));
    (status, body.to_owned())
}

fn is_refused((status, body): &(u16, String)) -> bool {
    *status == 403 && body.contains("login_refused") && body.contains("sealgate user add")
}

fn nginx(folder: &Path, upstream: &str, more: &str) -> Proxy {
    let socket = folder.join("nginx.sock");
    let at = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|what| format!("{what}_temp_path {at}/{what};"))
        .collect();
    let config = format!(
        "user www-data; daemon off; worker_processes 1; pid {at}/nginx.pid; error_log {at}/nginx.log;\n\
         events {{}}\n\
         http {{ access_log off; {temporary} {more}\n\
         server {{ listen unix:{}; location / {{ proxy_pass {upstream}; }} }} }}\n",
        socket.display()
    );
    let arguments = ["-e", "nginx.log", "-p", "."];
    Proxy::start("nginx", folder, socket, &config, &arguments, "-c")
}

fn haproxy(folder: &Path, upstream: &str) -> Proxy {
    let socket = folder.join("haproxy.sock");
    let config = format!(
        "global\n user haproxy\n group haproxy\n\
         defaults\n mode http\n timeout connect 20s\n timeout client 20s\n timeout server 20s\n\
         listen front\n bind unix@{} mode 666\n server sealgate {upstream}\n",
        socket.display()
    );
    Proxy::start("haproxy", folder, socket, &config, &["-db"], "-f")
}

/// What a stranger gets through it for `Host: localhost`, which leads past the check of the host.
fn log_in(proxy: &Proxy) -> (u16, String) {
    let mut stream = UnixStream::connect(&proxy.socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    )
    .unwrap();
    let answer = Answer::read(&mut stream).expect("an answer");
    (answer.status, answer.body)
}

/// No header shows that it is a proxy: this is nginx with keep-alive to the server.
const HTTP_1_1: &str = r#"proxy_http_version 1.1; proxy_set_header Connection "";"#;

#[test]
fn a_stranger_behind_a_proxy_of_another_user_gets_no_token() {
    let folder = open_folder();
    for engine in ["pool", "tiny-http"] {
        let home = folder.path().join(engine);
        fs::create_dir(&home).unwrap();
        let server = Server::start(&home, &[("SEALGATE_ENGINE", engine)]);
        let address = format!("127.0.0.1:{}", server.port);
        let login = format!("http://{address}/login");
        assert_eq!(curl(&[&login], None).0, 200, "the server's own user");
        if !is_root("login through nginx, HAProxy and as other users") {
            return;
        }
        let other = curl(&[&login], Some("nobody"));
        assert!(is_refused(&other), "another user: {other:?}");
        let upstream = format!("http://{address}");
        for more in ["", "proxy_http_version 1.1;", HTTP_1_1] {
            let got = log_in(&nginx(folder.path(), &upstream, more));
            assert!(is_refused(&got), "nginx {more}: {got:?}");
        }
        let got = log_in(&haproxy(folder.path(), &address));
        assert!(is_refused(&got), "HAProxy: {got:?}");
        assert_eq!(curl(&[&login], None).0, 200);
    }
}

#[test]
fn on_a_unix_socket_too_it_is_the_user_who_counts() {
    let folder = open_folder();
    let path = folder.path().join("api.sock");
    let listen = format!("unix:{}", path.display());
    let settings = [
        ("SEALGATE_LISTEN", listen.as_str()),
        ("SEALGATE_SOCKET_MODE", "666"),
    ];
    let _server = Server::start(folder.path(), &settings);
    let to = [
        "--unix-socket",
        path.to_str().unwrap(),
        "http://localhost/login",
    ];
    assert_eq!(curl(&to, None).0, 200, "the server's own user");
    if !is_root("login through Unix sockets as other users") {
        return;
    }
    let other = curl(&to, Some("nobody"));
    assert!(is_refused(&other), "another user: {other:?}");
    let upstream = format!("http://unix:{}:", path.display());
    let got = log_in(&nginx(folder.path(), &upstream, HTTP_1_1));
    assert!(is_refused(&got), "nginx: {got:?}");
    let got = log_in(&haproxy(folder.path(), &format!("unix@{}", path.display())));
    assert!(is_refused(&got), "HAProxy: {got:?}");
}

/// Neither is root everybody, nor does it matter which user the server runs as.
#[test]
fn the_servers_own_user_may_be_anybody_and_root_is_another() {
    if !is_root("a server of another user") {
        return;
    }
    let folder = open_folder();
    let program = folder.path().join("sealgate");
    // Not by this process: what another thread starts meanwhile would have the file open for writing, and it could not run.
    let copied = Command::new("cp")
        .args([env!("CARGO_BIN_EXE_sealgate").as_ref(), program.as_path()])
        .status();
    assert!(copied.unwrap().success());
    for name in ["daemon", "nobody"] {
        let home = folder.path().join(name);
        fs::create_dir(&home).unwrap();
        let (uid, gid) = user(name);
        std::os::unix::fs::chown(&home, Some(uid), Some(gid)).unwrap();
        for listen in ["127.0.0.1:0", "[::1]:0"] {
            if std::net::TcpListener::bind(listen).is_err() {
                continue; // no IPv6
            }
            let server = Server::start_with(&home, |command| {
                *command = Command::new(&program);
                command
                    .args(["serve", "--listen", listen])
                    .env_clear()
                    .env("HOME", &home)
                    .current_dir("/")
                    .stdout(Stdio::piped())
                    .stderr(Stdio::null())
                    .uid(uid)
                    .gid(gid);
            });
            let host = listen.strip_suffix(":0").unwrap();
            let login = format!("http://{host}:{}/login", server.port);
            assert_eq!(curl(&[&login], Some(name)).0, 200, "{name} at {login}");
            let root = curl(&[&login], None);
            assert!(is_refused(&root), "root: {root:?}");
        }
    }
}

/// A stranger's request is HTTP/1.0 where nginx is told nothing else, also when nginx runs as the server's own user.
#[test]
fn a_proxy_of_the_servers_own_user_is_known_by_its_requests() {
    let folder = open_folder();
    let server = Server::start(folder.path(), &[]);
    let request = |version: &str, more: &str| {
        let request = format!(
            "POST /login HTTP/{version}\r\nHost: localhost\r\nContent-Type: application/json\r\n{more}Content-Length: {}\r\n\r\n{BODY}",
            BODY.len()
        );
        server.send(request.as_bytes())
    };
    assert_eq!(request("1.1", "").status, 200);
    for (version, more) in [("1.0", ""), ("1.1", "X-Forwarded-For: 192.0.2.1\r\n")] {
        assert_eq!(request(version, more).code(), "login_refused", "{version}");
    }
}
