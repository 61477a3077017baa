//! The example configurations of nginx and HAProxy, in front of an application that trusts what they pass on.
//! `named_clients` has both in front of a server to which they name the client.

mod named_clients;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::common::proxy::Proxy;
use crate::common::wire::Answers;
use crate::common::{PATIENCE, Server, run, sealgate};

/// How many requests of each user of the limit are permitted.
const LIMIT: usize = 100;
const CLIENTS: usize = 4;
const REQUESTS: usize = 2500;

/// An application that answers with what it was told of the user, on a thread for each connection.
fn application() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    port
}

fn serve(mut stream: TcpStream) {
    let _ = stream.set_read_timeout(Some(PATIENCE));
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        while let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            bytes.drain(..end + 4);
            let user: Vec<&str> = head
                .lines()
                .filter_map(|line| line.split_once(": "))
                .filter(|(name, _)| name.eq_ignore_ascii_case("x-auth-user"))
                .map(|(_, value)| value)
                .collect();
            let body = user.join("|");
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}

fn token(server: &Server, user: &str, scope: &str) -> String {
    let body = json!({"username": user, "scope": scope}).to_string();
    let answer = server.post("/login", &body, None);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["token"].as_str().unwrap().to_owned()
}

/// The requests, their right answers, and a name.
fn kinds(home: &Path, server: &Server) -> Vec<(String, u16, &'static str)> {
    let mut command = sealgate(home);
    command.args([
        "token", "issue", "--user", "late", "--scope", "orders", "--ttl", "1",
    ]);
    let expired = String::from_utf8(run(command, b"").stdout).unwrap();
    let revoked = issue(home, "gone", "orders");
    assert_eq!(server.post("/logout", "", Some(&revoked)).status, 204);
    thread::sleep(Duration::from_millis(2100));
    let good = issue(home, "alice", "orders");
    let narrow = token(server, "alice", "encrypt");
    let request = |authorization: &str| {
        format!(
            "GET /orders/7?scope=encrypt HTTP/1.1\r\nHost: localhost\r\nX-Auth-User: admin\r\n{authorization}\r\n"
        )
    };
    let bearer = |token: &str| request(&format!("Authorization: Bearer {}\r\n", token.trim()));
    let forged = format!("{}x", &good[..good.len() - 1]);
    vec![
        (bearer(&good), 200, "alice"),
        (bearer(&forged), 401, ""),
        (bearer(&expired), 401, ""),
        (bearer(&revoked), 401, ""),
        (bearer(&narrow), 403, ""),
        (request(""), 401, ""),
        (request("Authorization: Basic YWxpY2U6eA==\r\n"), 401, ""),
    ]
}

fn issue(home: &Path, user: &str, scope: &str) -> String {
    let mut command = sealgate(home);
    command.args(["token", "issue", "--user", user, "--scope", scope]);
    let issued = run(command, b"");
    assert!(issued.status.success(), "{issued:?}");
    String::from_utf8(issued.stdout).unwrap().trim().to_owned()
}

fn connect(socket: &Path) -> Answers<UnixStream> {
    let stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Answers::new(stream)
}

/// Every decision about some thousand requests is right.
fn judge(folder: &Path, server: &Server, proxy: &Proxy) {
    let kinds = kinds(folder, server);
    let busy = issue(folder, "busy", "orders");
    let exports = format!(
        "GET /exports/1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {busy}\r\n\r\n"
    );
    let passed = AtomicUsize::new(0);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (kinds, exports, passed) = (&kinds, &exports, &passed);
            scope.spawn(move || {
                let mut answers = connect(&proxy.socket);
                for number in 0..REQUESTS {
                    let limited = number % 10 == 9;
                    let (request, status, user) = match limited {
                        true => (exports, 0, "busy"),
                        false => {
                            let (request, status, user) = &kinds[(number + client) % kinds.len()];
                            (request, *status, *user)
                        }
                    };
                    // A proxy may close a kept connection after it has answered.
                    let answer = loop {
                        let sent = answers.get_ref().write_all(request.as_bytes());
                        match sent.map(|()| answers.next()) {
                            Ok(Ok(answer)) => break answer,
                            _ => answers = connect(&proxy.socket),
                        }
                    };
                    if limited && answer.status == 200 {
                        passed.fetch_add(1, Ordering::SeqCst);
                    } else if limited {
                        assert_eq!(answer.status, 429);
                        assert!(answer.header("Retry-After").is_some());
                        continue;
                    } else {
                        assert_eq!(answer.status, status, "{request}");
                    }
                    if answer.status == 200 {
                        assert_eq!(answer.body, user);
                    }
                    if answer.status == 401 {
                        assert!(answer.header("WWW-Authenticate").is_some());
                    }
                }
            });
        }
    });
    assert_eq!(passed.into_inner(), LIMIT);
}

fn server(folder: &Path) -> Server {
    let limit = LIMIT.to_string();
    Server::start(
        folder,
        &[
            ("MAX_REQUESTS", &limit),
            ("RATE_LIMIT_WINDOW", "3600"),
            ("SEALGATE_LEEWAY", "0"),
            ("SEALGATE_LOGIN_MAX_REQUESTS", "0"),
        ],
    )
}

/// The example with the addresses of this test.
fn example(name: &str, addresses: &[(&str, &str)]) -> String {
    let mut text = fs::read_to_string(format!("examples/proxies/{name}")).unwrap();
    for (from, to) in addresses {
        assert!(text.contains(from), "{name} has no {from}");
        text = text.replace(from, to);
    }
    text
}

#[test]
fn nginx_passes_on_what_is_permitted_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    let at = folder.path().display();
    for name in ["sealgate-headers.conf", "sealgate-request.conf"] {
        fs::write(folder.path().join(name), example(name, &[])).unwrap();
    }
    let socket = folder.path().join("nginx.sock");
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|what| format!("{what}_temp_path {at}/{what};"))
        .collect();
    let config = example(
        "nginx.conf",
        &[
            ("127.0.0.1:5000", &format!("127.0.0.1:{}", server.port)),
            ("127.0.0.1:8080", &format!("127.0.0.1:{}", application())),
            ("127.0.0.1:8000", &format!("unix:{}", socket.display())),
            ("http {", &format!("http {{ access_log off; {temporary}")),
        ],
    );
    let config = format!(
        "daemon off; worker_processes 1; pid {at}/pid; error_log {at}/nginx.log;\n{config}"
    );
    let arguments = ["-e", "nginx.log", "-p", "."];
    let proxy = Proxy::start("nginx", folder.path(), socket, &config, &arguments, "-c");
    judge(folder.path(), &server, &proxy);
    drop(proxy);
    server.stop();
}

#[test]
fn haproxy_passes_on_what_is_permitted_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    let address = format!("127.0.0.1:{}", server.port);
    let script = example("sealgate.lua", &[("127.0.0.1:5000", &address)]);
    fs::write(folder.path().join("sealgate.lua"), script).unwrap();
    let socket = folder.path().join("haproxy.sock");
    let config = example(
        "haproxy.cfg",
        &[
            ("127.0.0.1:8080", &format!("127.0.0.1:{}", application())),
            (
                "bind 127.0.0.1:8000",
                &format!("bind unix@{}", socket.display()),
            ),
        ],
    );
    let proxy = Proxy::start("haproxy", folder.path(), socket, &config, &["-db"], "-f");
    judge(folder.path(), &server, &proxy);
    drop(proxy);
    server.stop();
}
