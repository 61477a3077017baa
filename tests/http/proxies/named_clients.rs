//! nginx and HAProxy in front of a server to which they name the client with the PROXY protocol.

use super::*;
use crate::common::Answer;
use crate::common::load::connect_from;
use crate::common::proxy::Inherited;

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
