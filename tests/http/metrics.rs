//! The metrics, as Prometheus reads them. `prometheus` has the real one and its tools.

mod prometheus;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::common::pair::Pair;
use crate::common::sinks::close;
use crate::common::wire::Answers;
use crate::common::{Answer, PATIENCE, Server, run};

/// A server with its metrics on a TCP address.
fn serve(home: &Path, settings: &[(&str, &str)]) -> (Server, String) {
    let server = Server::start_with(home, |command| {
        command
            .env("SEALGATE_METRICS_LISTEN", "127.0.0.1:0")
            .envs(settings.iter().copied());
    });
    let address = server.metrics_address().to_owned();
    (server, address)
}

/// Files of a certificate with this number, and a server with them.
fn serve_tls(home: &Path) -> (Server, String) {
    renew(home, 1);
    let path = |name: &str| home.join(name).to_str().unwrap().to_owned();
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    serve(
        home,
        &[("SEALGATE_TLS_CERT", &cert), ("SEALGATE_TLS_KEY", &key)],
    )
}

fn renew(home: &Path, number: u32) {
    let pair = Pair::new("localhost", number, 0, None);
    fs::write(home.join("cert.pem"), pair.pem()).unwrap();
    fs::write(home.join("key.pem"), pair.key_pem()).unwrap();
}

fn ask(address: &str, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    Answer::read(&mut stream).expect("an answer")
}

fn scrape(address: &str, accept: &str) -> Answer {
    let answer = ask(
        address,
        &format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n"),
    );
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer
}

/// The samples of a page without their labels' order mattering: a name with labels, and a value.
fn samples(page: &str) -> BTreeMap<String, f64> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a sample");
            (name.to_owned(), value.parse().expect("a number"))
        })
        .collect()
}

/// The sum of all samples of this name whose labels contain all of these.
fn sum(page: &BTreeMap<String, f64>, name: &str, labels: &[&str]) -> f64 {
    let is_meant = |key: &str| {
        key.split('{').next() == Some(name) && labels.iter().all(|label| key.contains(label))
    };
    let found = page.iter().filter(|(key, _)| is_meant(key));
    found.map(|(_, value)| value).sum()
}

#[test]
fn every_request_is_counted_once() {
    const CLIENTS: usize = 4;
    const BATCHES: usize = 50;
    const BATCH: usize = 500;
    let home = tempfile::tempdir().unwrap();
    let (server, address) = serve(home.path(), &[("MAX_REQUESTS", "3")]);
    let one = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut answers = Answers::new(server.connect());
                for _ in 0..BATCHES {
                    let mut stream = answers.get_ref();
                    stream.write_all(one.repeat(BATCH).as_bytes()).unwrap();
                    for _ in 0..BATCH {
                        assert_eq!(answers.next().unwrap().status, 200);
                    }
                }
            });
        }
    });
    let token = server.log_in("alice");
    for expected in [200, 200, 200, 429] {
        assert_eq!(server.get("/secure-data", Some(&token)).status, expected);
    }
    assert_eq!(server.get("/secure-data", Some("no.to.ken")).status, 401);
    assert_eq!(server.get("/secret-in-a-path", None).status, 404);
    assert_eq!(
        server
            .send(b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .status,
        405
    );
    assert_eq!(server.send(b"GET / HTTP/1.0\r\n\r\n").status, 200);
    assert_eq!(
        server.send(b"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n").status,
        400
    );

    let answer = scrape(&address, "*/*");
    for secret in ["alice", "secret-in-a-path", "BREW"] {
        assert!(!answer.body.contains(secret), "{secret}");
    }
    let page = samples(&answer.body);
    let count = |labels: &[&str]| sum(&page, "http_server_request_duration_seconds_count", labels);
    let healthz = r#"http_route="/healthz""#;
    assert_eq!(
        count(&[healthz, r#"code="200""#]),
        (CLIENTS * BATCHES * BATCH) as f64
    );
    let route = r#"http_route="/secure-data""#;
    assert_eq!(count(&[route, r#"code="200""#]), 3.0);
    assert_eq!(count(&[route, r#"code="429""#]), 1.0);
    assert_eq!(count(&[route, r#"code="401""#]), 1.0);
    assert_eq!(count(&[r#"http_route="""#, r#"code="404""#]), 1.0);
    assert_eq!(count(&[r#"method="_OTHER""#, r#"code="405""#]), 1.0);
    assert_eq!(count(&[r#"version="1.0""#]), 1.0);
    assert_eq!(count(&[r#"code="400""#]), 1.0);
    assert_eq!(count(&[]), (CLIENTS * BATCHES * BATCH) as f64 + 10.0);
    let all = |name| sum(&page, name, &[]);
    assert_eq!(
        sum(&page, "sealgate_limiter_decisions_total", &["allowed"]),
        3.0
    );
    assert_eq!(
        sum(&page, "sealgate_limiter_decisions_total", &["denied"]),
        1.0
    );
    assert_eq!(all("sealgate_tokens_issued_total"), 1.0);
    assert_eq!(all("sealgate_tokens_verified_total"), 4.0);
    assert_eq!(all("sealgate_tokens_refused_total"), 1.0);
    assert_eq!(all("sealgate_sealed_total"), 3.0);
    assert_eq!(all("http_server_active_requests"), 0.0);
    let logins = ["event=\"login\"", "result=\"ok\""];
    assert_eq!(sum(&page, "sealgate_audit_events_total", &logins), 1.0);
    assert!(all("sealgate_connections_accepted_total") >= 10.0);
    assert!(all("process_resident_memory_bytes") > 1e6);
    assert!(all("process_cpu_seconds_total") > 0.0);
    server.stop();
}

#[test]
fn the_certificate_and_its_renewals_are_shown() {
    let home = tempfile::tempdir().unwrap();
    let (server, address) = serve_tls(home.path());
    let shown = || {
        let page = samples(&scrape(&address, "*/*").body);
        let reloads = |result| sum(&page, "sealgate_tls_reloads_total", &[result]);
        let up = sum(&page, "sealgate_tls_files_up", &[]);
        (up, reloads("ok"), reloads("error"))
    };
    let becomes = |expected| {
        let start = Instant::now();
        while shown() != expected {
            assert!(start.elapsed() < PATIENCE, "{:?}", shown());
            thread::sleep(Duration::from_millis(50));
        }
    };
    assert_eq!(shown(), (1.0, 0.0, 0.0));
    let page = samples(&scrape(&address, "*/*").body);
    let expiry = sum(
        &page,
        "sealgate_tls_certificate_expiry_timestamp_seconds",
        &[],
    );
    let tomorrow = std::time::SystemTime::now() + Duration::from_secs(86_400);
    let tomorrow = tomorrow.duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!((expiry - tomorrow.as_secs_f64()).abs() < 600.0, "{expiry}");

    let key = home.path().join("key.pem");
    fs::remove_file(&key).unwrap();
    becomes((0.0, 0.0, 1.0));
    fs::write(&key, "").unwrap();
    renew(home.path(), 2);
    server.signal("HUP");
    becomes((1.0, 1.0, 1.0));
    server.stop();
}

#[test]
fn audit_events_that_are_not_delivered_are_counted() {
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("journal");
    let sink = format!("journald:{}", socket.display());
    let (server, address) = serve(home.path(), &[("SEALGATE_AUDIT", &sink)]);
    let shown = || {
        let page = samples(&scrape(&address, "*/*").body);
        ["up", "waiting", "lost_total"]
            .map(|what| page[&format!("sealgate_audit_{what}{{sink=\"journald\"}}")])
    };
    let becomes = |expected| {
        let start = Instant::now();
        while shown() != expected {
            assert!(start.elapsed() < PATIENCE, "{:?}", shown());
            thread::sleep(Duration::from_millis(20));
        }
    };
    becomes([0.0, 0.0, 0.0]);
    server.log_in("alice");
    becomes([0.0, 1.0, 0.0]);
    let journal = UnixDatagram::bind(&socket).unwrap();
    becomes([1.0, 0.0, 0.0]);
    close(journal);
    server.log_in("alice");
    becomes([0.0, 1.0, 0.0]);
    server.stop();
}

/// A server with a shared store.
fn serve_shared(home: &Path, cluster: &Cluster) -> (Server, String) {
    let store = cluster.database();
    let key = format!("hex:{}", "5a".repeat(32));
    serve(
        home,
        &[("SEALGATE_STORE", &store), ("SEALGATE_RING_KEY", &key)],
    )
}

#[test]
fn the_age_of_what_a_shared_store_has_said_is_shown() {
    let home = tempfile::tempdir().unwrap();
    let cluster = Cluster::with("");
    let (server, address) = serve_shared(home.path(), &cluster);
    let shown = || {
        let page = samples(&scrape(&address, "*/*").body);
        let age = page.get("sealgate_store_feed_age_seconds").copied();
        (age, page.get("sealgate_store_up").copied())
    };
    let becomes = |is_expected: &dyn Fn((Option<f64>, Option<f64>)) -> bool| {
        let start = Instant::now();
        while !is_expected(shown()) {
            assert!(start.elapsed() < PATIENCE, "{:?}", shown());
            thread::sleep(Duration::from_millis(50));
        }
    };
    becomes(&|(age, up)| age.is_some_and(|age| age < 1.0) && up == Some(1.0));
    drop(cluster);
    becomes(&|(age, up)| age.is_some_and(|age| age > 2.0) && up == Some(0.0));
    server.stop();
}

#[test]
fn readers_that_do_not_read_hold_up_nobody() {
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("metrics");
    let listen = format!("unix:{}", socket.display());
    let server = Server::start(home.path(), &[("SEALGATE_METRICS_LISTEN", &listen)]);
    let lazy: Vec<UnixStream> = (0..80)
        .map(|_| {
            let mut stream = UnixStream::connect(&socket).unwrap();
            stream.set_write_timeout(Some(PATIENCE)).unwrap();
            let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(20);
            let _ = stream.write_all(request.as_bytes());
            stream
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(server.get("/healthz", None).status, 200);
    }
    drop(lazy);
    // When the queue is empty again.
    let start = Instant::now();
    let request =
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: application/openmetrics-text\r\n\r\n";
    loop {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = stream.write_all(request);
        match Answer::read(&mut stream) {
            Some(answer) if answer.status == 200 => {
                assert!(answer.body.ends_with("# EOF\n"));
                break;
            }
            answer => assert!(start.elapsed() < PATIENCE, "{answer:?}"),
        }
        thread::sleep(Duration::from_millis(20));
    }
    server.stop();
}

/// Nothing but the metrics is served there, and beyond loopback only to those who may read them.
#[test]
fn other_machines_need_a_token() {
    let home = tempfile::tempdir().unwrap();
    let (server, address) = serve(home.path(), &[]);
    let login = "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(ask(&address, login).status, 404);
    let other = "DELETE /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(ask(&address, other).status, 405);
    assert_eq!(server.get("/metrics", None).status, 404);
    server.stop();

    let (server, address) = serve(home.path(), &[("SEALGATE_METRICS_LISTEN", "0.0.0.0:0")]);
    let address = address.replace("0.0.0.0", "127.0.0.1");
    let page = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n";
    assert_eq!(ask(&address, &format!("{page}\r\n")).status, 401);
    let token = |scope: &str| {
        let mut command = crate::common::sealgate(home.path());
        command.args(["token", "issue", "--user", "prometheus", "--scope", scope]);
        let issued = run(command, b"");
        String::from_utf8(issued.stdout).unwrap().trim().to_owned()
    };
    for (scope, status) in [("encrypt", 403), ("metrics", 200)] {
        let request = format!("{page}Authorization: Bearer {}\r\n\r\n", token(scope));
        assert_eq!(ask(&address, &request).status, status, "{scope}");
    }
    server.stop();
}
