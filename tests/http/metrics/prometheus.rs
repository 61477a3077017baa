//! Prometheus itself and its tools, with the rules and the dashboard that we ship.

use std::collections::BTreeSet;
use std::io::Read;
use std::process::{Child, Command, Stdio};

use super::*;

#[test]
fn promtool_accepts_the_page_and_the_rules() {
    let home = tempfile::tempdir().unwrap();
    let trail = home.path().join("trail");
    let trail = ("SEALGATE_AUDIT_FILE", trail.to_str().unwrap());
    let (server, address) = serve(home.path(), &[trail]);
    server.log_in("alice");
    let other = tempfile::tempdir().unwrap();
    let (secure, its_address) = serve_tls(other.path());
    for address in [&address, &its_address] {
        let page = scrape(address, "text/plain").body;
        let mut check = Command::new("promtool");
        check.args(["check", "metrics"]);
        let checked = run(check, page.as_bytes());
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(checked.status.success() && said.is_empty(), "{said}");
    }
    secure.stop();
    let mut check = Command::new("promtool");
    check.args(["check", "rules", "packaging/prometheus/sealgate.rules.yml"]);
    let checked = run(check, b"");
    assert!(checked.status.success(), "{checked:?}");
    server.stop();
}

/// All names in what we ship for Prometheus and Grafana exist.
#[test]
fn rules_and_dashboard_name_what_there_is() {
    let home = tempfile::tempdir().unwrap();
    let mut add = crate::common::sealgate(home.path());
    add.args(["user", "add", "alice"]);
    let added = run(add, b"correct horse battery staple\n");
    assert!(added.status.success(), "{added:?}");
    let trail = home.path().join("trail");
    let trail = ("SEALGATE_AUDIT_FILE", trail.to_str().unwrap());
    let limits = ("SEALGATE_LIMITS", "exports: 10 per 3600");
    let (server, address) = serve(home.path(), &[trail, limits]);
    assert_eq!(server.get("/secure-data", Some("no.to.ken")).status, 401);
    let home = tempfile::tempdir().unwrap();
    let (secure, its_address) = serve_tls(home.path());
    let cluster = Cluster::with("");
    let home = tempfile::tempdir().unwrap();
    let (shared, shared_address) = serve_shared(home.path(), &cluster);
    let start = Instant::now();
    // What a server knows only after it has heard from the store, and has counted the others.
    let is_complete = |page: &str| page.contains("feed_age") && page.contains("\nsealgate_nodes ");
    while !is_complete(&scrape(&shared_address, "*/*").body) {
        assert!(start.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(20));
    }
    let page: String = [address, its_address, shared_address]
        .map(|address| scrape(&address, "*/*").body)
        .concat();
    secure.stop();
    shared.stop();
    let names: BTreeSet<&str> = page
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let is_name = |text: &str| {
        ["sealgate_", "http_server_", "process_"]
            .iter()
            .any(|prefix| text.starts_with(prefix))
    };
    for file in ["prometheus/sealgate.rules.yml", "grafana/sealgate.json"] {
        let text = fs::read_to_string(format!("packaging/{file}")).unwrap();
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let used: BTreeSet<&str> = words.filter(|word| is_name(word)).collect();
        assert!(used.len() >= 6, "{file}");
        for name in used {
            assert!(names.contains(name), "{file}: {name}");
        }
    }
    let grafana = fs::read("packaging/grafana/sealgate.json").unwrap();
    let dashboard: serde_json::Value = serde_json::from_slice(&grafana).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() > 10);
    let ids: BTreeSet<i64> = panels
        .iter()
        .filter_map(|panel| panel["id"].as_i64())
        .collect();
    assert_eq!(ids.len(), panels.len(), "two panels with one id");
    let places: Vec<[i64; 4]> = panels
        .iter()
        .map(|panel| ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_i64().unwrap()))
        .collect();
    for (index, [x, y, w, h]) in places.iter().enumerate() {
        assert!(x + w <= 24, "{index}");
        for [left, top, width, height] in &places[..index] {
            let is_beside = x + w <= *left || left + width <= *x;
            assert!(is_beside || y + h <= *top || top + height <= *y, "{index}");
        }
    }
    server.stop();
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The real one, with our rules, until it has scraped once.
#[test]
fn prometheus_scrapes() {
    let home = tempfile::tempdir().unwrap();
    let (server, address) = serve(home.path(), &[]);
    let rules = fs::canonicalize("packaging/prometheus/sealgate.rules.yml").unwrap();
    let config = format!(
        "global: {{scrape_interval: 1s}}\nrule_files: [{}]\nscrape_configs:\n- job_name: sealgate\n  static_configs:\n  - targets: [\"{address}\"]\n",
        rules.display()
    );
    fs::write(home.path().join("prometheus.yml"), config).unwrap();
    // It cannot be asked which port it was given: one that was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let mut command = Command::new("prometheus");
    command
        .arg(format!(
            "--config.file={}",
            home.path().join("prometheus.yml").display()
        ))
        .arg(format!(
            "--storage.tsdb.path={}",
            home.path().join("data").display()
        ))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(fs::File::create(home.path().join("log")).unwrap());
    let _running = Running(command.spawn().expect("prometheus"));
    let start = Instant::now();
    let query = "GET /api/v1/query?query=sealgate_build_info HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    loop {
        let mut answer = String::new();
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let _ = stream.write_all(query.as_bytes());
            let _ = stream.read_to_string(&mut answer);
        }
        if answer.contains(r#""job":"sealgate","version":"#) {
            break;
        }
        let log = || fs::read_to_string(home.path().join("log")).unwrap();
        assert!(start.elapsed() < PATIENCE, "{answer}\n{}", log());
        thread::sleep(Duration::from_millis(200));
    }
    server.stop();
}
