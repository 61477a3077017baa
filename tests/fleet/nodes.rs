//! Servers that share one store, each with its own data directory and its own proxies to the store, and clients of theirs.

use std::io::Write;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::postgres::Postgres;
use super::trouble::{Proxy, Trouble};
use crate::common::people::{FREE, PASSWORD};
use crate::common::wire::{Answers, End};
use crate::common::{Answer, PATIENCE, Server, run, sealgate};

/// The secret of the ring. As a key, and not a passphrase, it is quick.
const RING_KEY: &str = "hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// Whether a test runs at its full size, as `make soak-fleet` asks.
pub fn is_soak() -> bool {
    std::env::var("SEALGATE_FLEET").is_ok_and(|size| size == "full")
}

/// A size that is smaller in `make test`.
pub fn sized<T>(small: T, full: T) -> T {
    if is_soak() { full } else { small }
}

/// Servers with one store.
pub struct Fleet {
    pub nodes: Vec<Node>,
    pub postgres: Postgres,
    /// The proxies of the command.
    own: Vec<Proxy>,
    pub database: String,
    pub home: tempfile::TempDir,
}

/// One server, which may be killed and started again.
pub struct Node {
    server: Mutex<Option<Server>>,
    port: AtomicU16,
    /// One to each server of PostgreSQL, the primary first.
    pub proxies: Vec<Proxy>,
    home: PathBuf,
    settings: Vec<(String, String)>,
}

impl Fleet {
    /// A database with the fleet's tables, and no server yet.
    pub fn without_nodes(postgres: Postgres) -> Fleet {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let database = format!("fleet{}", NEXT.fetch_add(1, Ordering::SeqCst));
        let create = format!("CREATE DATABASE {database}");
        postgres.primary.sql("postgres", &create);
        let own = proxies(&postgres);
        Fleet {
            nodes: Vec::new(),
            own,
            database,
            home: tempfile::tempdir().unwrap(),
            postgres,
        }
    }

    /// So many servers with these settings, and an account for each name.
    pub fn of(
        postgres: Postgres,
        nodes: usize,
        names: &[&str],
        settings: &[(&str, &str)],
    ) -> Fleet {
        let mut fleet = Fleet::without_nodes(postgres);
        for name in names {
            fleet.add(name, "secure-data encrypt decrypt");
        }
        for _ in 0..nodes {
            fleet.start_node(settings);
        }
        fleet
    }

    /// Adds a server.
    pub fn start_node(&mut self, settings: &[(&str, &str)]) {
        self.start_node_through(proxies(&self.postgres), settings);
    }

    /// Adds a server that reaches the store through these proxies.
    pub fn start_node_through(&mut self, proxies: Vec<Proxy>, settings: &[(&str, &str)]) {
        let url = self.url_through(&proxies, "postgres");
        let mut node = Node::new(self, proxies, &url, settings);
        node.start();
        self.nodes.push(node);
    }

    /// The store's address, through these proxies.
    pub fn url_through(&self, proxies: &[Proxy], user: &str) -> String {
        let hosts: Vec<String> = proxies
            .iter()
            .map(|proxy| format!("127.0.0.1:{}", proxy.port))
            .collect();
        format!(
            "postgres://{user}@{}/{}?target_session_attrs=read-write&sslmode=disable",
            hosts.join(","),
            self.database
        )
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = sealgate(self.home.path());
        command
            .args(arguments)
            .env("SEALGATE_DATA_DIR", self.home.path().join("command"))
            .env("SEALGATE_STORE", self.url_through(&self.own, "postgres"))
            .env("SEALGATE_RING_KEY", RING_KEY)
            // Longer than a busy machine may take.
            .env("SEALGATE_STORE_TIMEOUT", "20000")
            .envs(FREE.iter().copied());
        command
    }

    pub fn typed(&self, arguments: &[&str], line: &str) -> Output {
        run(self.command(arguments), format!("{line}\n").as_bytes())
    }

    /// Does something that has to go well.
    pub fn done(&self, arguments: &[&str]) -> String {
        let output = self.typed(arguments, PASSWORD);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn add(&self, name: &str, scopes: &str) {
        self.done(&["user", "add", name, "--scopes", scopes]);
    }

    /// The same trouble for all connections of the servers to the store.
    pub fn trouble(&self, trouble: Trouble) {
        for node in &self.nodes {
            node.trouble(trouble);
        }
    }

    /// Waits until every server lets this request through with this status.
    pub fn wait_for(&self, request: &[u8], status: u16) {
        let start = Instant::now();
        for node in &self.nodes {
            let mut client = Client::new();
            loop {
                let answer = client.ask(node, request);
                if answer.as_ref().is_ok_and(|answer| answer.status == status) {
                    break;
                }
                assert!(
                    start.elapsed() < PATIENCE,
                    "no {status}, but {answer:?}: {}",
                    node.with_server(Server::log)
                );
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

fn proxies(postgres: &Postgres) -> Vec<Proxy> {
    let targets = postgres.instances().map(|instance| instance.target());
    targets.map(Proxy::to).collect()
}

impl Node {
    pub fn new(fleet: &Fleet, proxies: Vec<Proxy>, url: &str, settings: &[(&str, &str)]) -> Node {
        let number = fleet.nodes.len();
        let home = fleet.home.path().join(format!("node{number}"));
        std::fs::create_dir_all(&home).unwrap();
        let data = home.join("state");
        let mut all: Vec<(String, String)> = Vec::new();
        let own = [
            ("SEALGATE_STORE", url),
            ("SEALGATE_DATA_DIR", data.to_str().unwrap()),
            ("SEALGATE_RING_KEY", RING_KEY),
            (
                "JWT_SECRET_KEY",
                "until the ring is shared, all nodes need this",
            ),
        ];
        for (name, value) in FREE.iter().chain(&own).chain(settings) {
            all.push(((*name).to_owned(), (*value).to_owned()));
        }
        Node {
            server: Mutex::new(None),
            port: AtomicU16::new(0),
            proxies,
            home,
            settings: all,
        }
    }

    fn launch(&self) -> Server {
        let server = Server::start_with(&self.home, |command| {
            command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        });
        // One that is just ending has printed no address.
        assert!(
            server.port != 0,
            "the server did not start: {}",
            server.log()
        );
        server
    }

    pub fn start(&mut self) {
        let server = self.launch();
        self.port.store(server.port, Ordering::SeqCst);
        *self.server.lock().unwrap() = Some(server);
    }

    /// Kills it with SIGKILL and starts it again, though it may take until the store is back.
    pub fn kill_and_start(&self) {
        let mut place = self.server.lock().unwrap();
        self.port.store(0, Ordering::SeqCst);
        // Killed when dropped.
        drop(place.take());
        let start = Instant::now();
        let server = loop {
            match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.launch())) {
                Ok(server) => break server,
                Err(failure) if start.elapsed() > PATIENCE => {
                    std::panic::resume_unwind(failure);
                }
                Err(_) => std::thread::sleep(Duration::from_millis(100)),
            }
        };
        self.port.store(server.port, Ordering::SeqCst);
        *place = Some(server);
    }

    pub fn with_server<T>(&self, work: impl FnOnce(&Server) -> T) -> T {
        work(self.server.lock().unwrap().as_ref().expect("a server"))
    }

    pub fn signal(&self, name: &str) {
        self.with_server(|server| server.signal(name));
    }

    pub fn trouble(&self, trouble: Trouble) {
        for proxy in &self.proxies {
            proxy.set(trouble);
        }
    }

    /// How many processes use the store, as far as this one knows. It needs a listener for its metrics.
    pub fn knows(&self) -> usize {
        let address = self.with_server(|server| server.metrics_address().to_owned());
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
        stream.write_all(request).unwrap();
        let page = Answer::read(&mut stream).unwrap().body;
        let mut lines = page.lines();
        let count = lines.find_map(|line| line.strip_prefix("sealgate_nodes "));
        count.map_or(0, |count| count.parse::<f64>().unwrap() as usize)
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let port = self.port.load(Ordering::SeqCst);
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// A client with one connection, which it opens again when it is lost.
pub struct Client {
    connection: Option<(u16, Answers<TcpStream>)>,
    patience: Duration,
}

impl Client {
    pub fn new() -> Client {
        Client::with_patience(PATIENCE)
    }

    /// One that gives up so soon.
    pub fn with_patience(patience: Duration) -> Client {
        Client {
            connection: None,
            patience,
        }
    }

    /// The answer, or why there was none; then the request may have been answered all the same.
    pub fn ask(&mut self, node: &Node, request: &[u8]) -> Result<Answer, End> {
        let port = node.port.load(Ordering::SeqCst);
        let kept = self.connection.take().filter(|(to, _)| *to == port);
        let mut answers = match kept {
            Some((_, answers)) => answers,
            None => {
                let stream = node.connect().map_err(|_| End::Closed)?;
                stream.set_read_timeout(Some(self.patience)).unwrap();
                stream.set_write_timeout(Some(self.patience)).unwrap();
                Answers::new(stream)
            }
        };
        let mut stream = answers.get_ref();
        stream.write_all(request).map_err(|_| End::Reset)?;
        let answer = answers.next()?;
        answer.is_described_for(request);
        if answer.header("Connection") != Some("close") {
            self.connection = Some((port, answers));
        }
        Ok(answer)
    }
}

pub fn get(path: &str, token: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n")
        .into_bytes()
}

pub fn post(path: &str, body: &serde_json::Value, token: Option<&str>) -> Vec<u8> {
    let body = body.to_string();
    let bearer = token.map_or(String::new(), |token| {
        format!("Authorization: Bearer {token}\r\n")
    });
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\n{bearer}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

pub fn login(name: &str) -> Vec<u8> {
    let body = json!({"username": name, "password": PASSWORD});
    post("/login", &body, None)
}

pub fn logout(token: &str) -> Vec<u8> {
    format!("POST /logout HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n")
        .into_bytes()
}

pub fn refresh(token: &str) -> Vec<u8> {
    post("/refresh", &json!({ "refresh_token": token }), None)
}
