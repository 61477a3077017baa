//! A PostgreSQL server for tests: one for each test process, without durability, which ends with the process.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use programs::{as_postgres, give, program};

#[path = "programs.rs"]
mod programs;

/// A running server. Its directory is removed with it.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// The server's data, its log and its Unix socket.
    pub(crate) folder: PathBuf,
    pub(crate) port: u16,
    /// A shell: the server ends when the other end of its input does.
    guard: Child,
}

/// The server is started again as often as its port has been taken meanwhile.
const STARTS: u32 = 5;
const PATIENCE: Duration = Duration::from_secs(120);

impl Cluster {
    /// The server of this process.
    pub(crate) fn shared() -> &'static Cluster {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| {
            Cluster::with("fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n")
        })
    }

    /// One of one's own, with more lines of postgresql.conf.
    pub(crate) fn with(settings: &str) -> Cluster {
        let folder = fresh_folder();
        let data = folder.join("data");
        run(as_postgres(&program("initdb"))
            .args(["--pgdata", utf8(&data), "--username", "postgres"])
            .args([
                "--auth",
                "trust",
                "--no-sync",
                "--encoding",
                "UTF8",
                "--locale",
                "C.UTF-8",
            ]));
        let more = format!(
            "listen_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\nmax_connections = 300\n\
             shared_buffers = 32MB\nautovacuum_naptime = 5\n{settings}",
            utf8(&folder)
        );
        let file = data.join("postgresql.conf");
        let text = fs::read_to_string(&file).expect("a configuration");
        fs::write(&file, text + &more).expect("a configuration");
        for _ in 0..STARTS {
            if let Some(cluster) = Cluster::start(&folder) {
                return cluster;
            }
        }
        let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
        panic!("PostgreSQL does not start:\n{log}");
    }

    fn start(folder: &Path) -> Option<Cluster> {
        let port = free_port();
        let server = as_postgres(&program("postgres"));
        let script = "\"$@\" >>\"$FOLDER/log\" 2>&1 & server=$!; cat >/dev/null; kill -QUIT $server; wait $server; \
                      rm -rf \"$FOLDER\"";
        let guard = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(server.get_program())
            .args(server.get_args())
            .args(["-D", utf8(&folder.join("data")), "-p", &port.to_string()])
            .env("FOLDER", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let cluster = Cluster {
            folder: folder.to_owned(),
            port,
            guard,
        };
        let given_up = Instant::now() + PATIENCE;
        while Instant::now() < given_up {
            let ready = Command::new(program("pg_isready"))
                .args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()])
                .status();
            if ready.is_ok_and(|status| status.success()) && cluster.is_running() {
                return Some(cluster);
            }
            if !cluster.is_running() && folder.join("log").exists() && cluster.has_failed() {
                return None;
            }
            thread::sleep(Duration::from_millis(50));
        }
        None
    }

    /// Whether the server has written its own port into its directory.
    fn is_running(&self) -> bool {
        let file = self.folder.join("data/postmaster.pid");
        let text = fs::read_to_string(file).unwrap_or_default();
        text.lines().nth(3) == Some(&*self.port.to_string())
    }

    fn has_failed(&self) -> bool {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        log.contains("FATAL")
    }

    /// The address of a new database.
    pub(crate) fn database(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.address("postgres", &name)
    }

    /// The address of a database for a role.
    pub(crate) fn address(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs SQL and returns its output, without headings.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> String {
        let mut command = Command::new(program("psql"));
        command.args([
            "-h",
            "127.0.0.1",
            "-p",
            &self.port.to_string(),
            "-U",
            "postgres",
        ]);
        command.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql]);
        run(&mut command)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

fn run(command: &mut Command) -> String {
    let done = command.stdin(Stdio::null()).output();
    let done = done.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, error) = (&done.stdout, &done.stderr);
    assert!(
        done.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(error)
    );
    String::from_utf8_lossy(out).trim_end().to_owned()
}

fn utf8(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    socket.local_addr().expect("its address").port()
}

/// A directory that the server's user can enter and, as root, owns.
fn fresh_folder() -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let made = tempfile::Builder::new().prefix("sealgate-pg").tempdir();
    let folder = made.expect("a directory").keep();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("a mode");
    give(&folder);
    folder
}
