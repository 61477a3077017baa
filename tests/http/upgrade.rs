//! Two servers behind nginx, restarted one after the other under load, as docs/operations.md recommends without systemd.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::proxy::Proxy;
use crate::common::{Answer, PATIENCE, Server, run, sealgate};

fn start(home: &Path, name: &str) -> Server {
    let address = format!("unix:{}", home.join(name).display());
    Server::start(
        home,
        &[("SEALGATE_LISTEN", &address), ("MAX_REQUESTS", "0")],
    )
}

/// One request through the proxy; what is wrong with its answer.
fn ask(socket: &Path, request: &str) -> Result<(), String> {
    let mut stream = UnixStream::connect(socket).map_err(|error| error.to_string())?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let written = stream.write_all(request.as_bytes());
    written.map_err(|error| error.to_string())?;
    match Answer::read(&mut stream) {
        Some(answer) if answer.status == 200 => Ok(()),
        Some(answer) => Err(format!("{} {}", answer.status, answer.body)),
        None => Err("no answer".to_owned()),
    }
}

struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn two_servers_behind_nginx_are_restarted_without_a_failed_request() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let mut servers = ["one", "other"].map(|name| Some(start(home, name)));
    let at = home.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|what| format!("{what}_temp_path {at}/{what};\n"))
        .collect();
    let socket = home.join("nginx.sock");
    let config = format!(
        "daemon off; user root; worker_processes 1; pid {at}/pid; error_log {at}/nginx.log;
events {{ }}
http {{
    access_log off;
    {temporary}
    upstream sealgate {{
        server unix:{at}/one max_fails=0;
        server unix:{at}/other max_fails=0;
        keepalive 16;
        keepalive_timeout 50s;
    }}
    server {{
        listen unix:{at}/nginx.sock;
        location / {{
            proxy_pass http://sealgate;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
        }}
    }}
}}"
    );
    let proxy = Proxy::start(
        "nginx",
        home,
        socket,
        &config,
        &["-e", "nginx.log", "-p", "."],
        "-c",
    );
    let mut command = sealgate(home);
    command.args(["token", "issue", "--user", "alice", "--scope", "encrypt"]);
    let token = String::from_utf8(run(command, b"").stdout).unwrap();
    let seal = format!(
        "POST /encrypt HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{{\"data\":\"kept\"}}",
        token.trim()
    );
    let health = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let _over = SetAtEnd(&over);
        for request in [&*seal, health, &*seal, health] {
            let (over, answered, failures, proxy) = (&over, &answered, &failures, &proxy);
            scope.spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    match ask(&proxy.socket, request) {
                        Ok(()) => drop(answered.fetch_add(1, Ordering::SeqCst)),
                        Err(failure) => failures.lock().unwrap().push(failure),
                    }
                    thread::sleep(Duration::from_millis(2));
                }
            });
        }
        let more = |count: usize| {
            let wanted = answered.load(Ordering::SeqCst) + count;
            let begun = Instant::now();
            while answered.load(Ordering::SeqCst) < wanted {
                assert!(begun.elapsed() < PATIENCE, "nobody is answered");
                thread::sleep(Duration::from_millis(5));
            }
        };
        for round in 0..4 {
            let (place, name) = (round % 2, ["one", "other"][round % 2]);
            more(50);
            servers[place].take().unwrap().stop();
            more(50);
            servers[place] = Some(start(home, name));
        }
        more(50);
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{failures:?}");
    drop(proxy);
}
