//! The example configurations of nginx and HAProxy, in front of an application that trusts what they pass on; and both in front
//! of a server to which they name the client with the PROXY protocol.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::common::load::connect_from;
use crate::common::proxy::{Inherited, Proxy};
use crate::common::wire::Answers;
use crate::common::{Answer, PATIENCE, Server, run, sealgate};

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

/// A server that is reached through proxies only.
fn behind_proxies(folder: &Path) -> Server {
    Server::start(
        folder,
        &[
            ("SEALGATE_TRUSTED_PROXIES", "127.0.0.1"),
            ("SEALGATE_PROXY_PROTOCOL", "require"),
        ],
    )
}

/// Several requests on one connection, each with an id that begins with `name` and an address that the client makes up.
fn forge(mut stream: impl Read + Write, name: &str) {
    const REQUESTS: usize = 3;
    for number in 0..REQUESTS {
        let request = format!(
            "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: {name}-{number}\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        assert_eq!(Answer::read(&mut stream).unwrap().status, 200, "{name}");
    }
}

/// The same from two clients of this machine in turn.
fn forge_from_two(port: u16, name: &str) {
    for turn in 0..3 {
        for last in [77, 78] {
            let stream = connect_from(last, port).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            forge(stream, &format!("{name}-{last}-{turn}"));
        }
    }
}

/// Each request of [`forge_from_two`] is logged as one of its client.
fn told_apart(log: &str, name: &str) {
    for last in [77, 78] {
        let of_client = format!(" id={name}-{last}-");
        let lines: Vec<&str> = log
            .lines()
            .filter(|line| line.contains(&of_client))
            .collect();
        let peer = format!(" peer=127.0.0.{last} ");
        assert_eq!(lines.len(), 9, "{log}");
        assert!(lines.iter().all(|line| line.contains(&peer)), "{lines:?}");
    }
}

#[test]
fn haproxy_names_the_client_at_the_start_of_a_connection() {
    let folder = tempfile::tempdir().unwrap();
    let server = behind_proxies(folder.path());
    let [v1, v2, http] = [(); 3].map(|()| Inherited::new());
    let socket = folder.path().join("haproxy.sock");
    // The third one knows HTTP and keeps connections for later requests, but for those of the same client only.
    let config = format!(
        "defaults
            mode tcp
            timeout connect 60s
            timeout client 60s
            timeout server 60s
        listen v1
            bind fd@{}
            bind unix@{}
            server sealgate 127.0.0.1:{port} send-proxy
        listen v2
            bind fd@{}
            option httpchk
            http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host localhost hdr X-Request-Id check
            server sealgate 127.0.0.1:{port} send-proxy-v2 proxy-v2-options crc32c,authority check inter 100ms
        listen http
            mode http
            bind fd@{}
            option forwardfor
            http-reuse always
            server sealgate 127.0.0.1:{port} send-proxy-v2 proxy-v2-options crc32c\n",
        v1.descriptor,
        socket.display(),
        v2.descriptor,
        http.descriptor,
        port = server.port,
    );
    let proxy = Proxy::start("haproxy", folder.path(), socket, &config, &["-db"], "-f");
    for (proxy, name) in [(&v1, "v1"), (&v2, "v2"), (&http, "http")] {
        forge_from_two(proxy.port, name);
    }
    // HAProxy does not know the address of this client either.
    let stream = UnixStream::connect(&proxy.socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    forge(stream, "unix");
    let start = std::time::Instant::now();
    while !server.log().contains(" id=check ") {
        assert!(start.elapsed() < PATIENCE, "HAProxy does not check");
        thread::sleep(Duration::from_millis(20));
    }
    drop(proxy);
    let log = server.stop();
    for name in ["v1", "v2", "http"] {
        told_apart(&log, name);
    }
    for name in ["unix", "check"] {
        let lines = log
            .lines()
            .filter(|line| line.contains(&format!(" id={name}")));
        let lines: Vec<&str> = lines.collect();
        assert!(
            lines.iter().all(|line| line.contains(" peer=127.0.0.1 ")),
            "{lines:?}"
        );
        assert!(!lines.is_empty() && lines.iter().all(|line| line.contains(" status=200 ")));
    }
    assert!(
        !log.contains("6.6.6.6") && !log.contains("WARN  refused"),
        "{log}"
    );
}

#[test]
fn nginx_names_the_client_at_the_start_of_a_connection() {
    let folder = tempfile::tempdir().unwrap();
    let server = behind_proxies(folder.path());
    let listen = Inherited::new();
    let at = folder.path().display();
    let socket = folder.path().join("nginx.sock");
    // Debian has a package for it; elsewhere it is part of nginx.
    let module = Path::new("/usr/lib/nginx/modules/ngx_stream_module.so");
    let load = match module.exists() {
        true => format!("load_module {};", module.display()),
        false => String::new(),
    };
    let config = format!(
        "{load} daemon off; worker_processes 1; pid {at}/pid; error_log {at}/nginx.log;
        events {{}}
        stream {{ server {{
            listen 127.0.0.1:{}; listen unix:{};
            proxy_pass 127.0.0.1:{}; proxy_protocol on;
        }} }}
        ",
        listen.port,
        socket.display(),
        server.port,
    );
    let arguments = ["-e", "nginx.log", "-p", "."];
    let proxy = Proxy::start_with(
        "nginx",
        folder.path(),
        socket,
        &config,
        &arguments,
        "-c",
        |command| {
            command.env("NGINX", format!("{};", listen.descriptor));
        },
    );
    forge_from_two(listen.port, "nginx");
    let stream = UnixStream::connect(&proxy.socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    forge(stream, "unix");
    drop(proxy);
    let log = server.stop();
    told_apart(&log, "nginx");
    let unix = log.lines().filter(|line| line.contains(" id=unix-"));
    assert_eq!(
        unix.filter(|line| line.contains(" peer=127.0.0.1 "))
            .count(),
        3,
        "{log}"
    );
    assert!(
        !log.contains("6.6.6.6") && !log.contains("WARN  refused"),
        "{log}"
    );
}
