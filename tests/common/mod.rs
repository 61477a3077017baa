//! The real binary on a free port, and a small HTTP client that sends exactly what it is told.

#![allow(dead_code, unreachable_pub)] // each test program uses some of it
#![allow(clippy::unwrap_used)]

mod answer;
pub mod by_line;
pub mod c;
#[path = "../../src/api/tests/described.rs"]
pub mod described;
pub mod load;
#[path = "../../src/base/own_process.rs"]
pub mod own_process;
pub mod pair;
pub mod people;
pub mod place;
pub mod process;
pub mod proxy;
pub mod sinks;
pub mod wire;

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

pub use answer::Answer;

/// Nothing here takes longer, however busy the machine is; what does hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// For the server to have read what was sent, where nothing it does shows that.
pub const READ: Duration = Duration::from_millis(500);

/// The limit for what is promised to take no longer than this. A machine that also does other things is no reason to fail, so
/// a debug build only notices what hangs until some timeout; `make soak` runs release builds, and alone.
pub const fn promised(promise: Duration) -> Duration {
    if cfg!(debug_assertions) {
        Duration::from_secs(10)
    } else {
        promise
    }
}

/// Makes an attempt again where the machine held it up for longer than `limit`: then what the server or the client did in
/// time came too late for the other. Whatever fails in less has failed.
pub fn unless_held_up<T>(limit: Duration, mut attempt: impl FnMut() -> T) -> T {
    let first = Instant::now();
    loop {
        let start = Instant::now();
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(&mut attempt)) {
            Ok(done) => return done,
            Err(_) if start.elapsed() > limit && first.elapsed() < PATIENCE => {}
            Err(failure) => std::panic::resume_unwind(failure),
        }
    }
}

/// The command with an environment of its own: no settings of whoever runs the tests.
pub fn sealgate(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealgate"));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .stdin(Stdio::null());
    command
}

/// How a process ended. One that does not is killed, and the test fails with this sentence.
pub fn ended(child: &mut Child, or_else: &str) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() >= deadline {
            child.kill().unwrap();
            panic!("{or_else}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Runs the command with this standard input.
pub fn run(mut command: Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that fails early does not read its input; one that goes on for ever is ended.
    let id = child.id();
    let (ended, watched) = std::sync::mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        if watched.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = Command::new("kill")
                .args(["-KILL", &id.to_string()])
                .status();
        }
    });
    let mut stdin = child.stdin.take().unwrap();
    // Beside reading: a command may write before it has read everything.
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().unwrap()
    });
    drop(ended);
    watch.join().unwrap();
    output
}

/// The command as somebody types it: arguments, standard input, and settings in the environment.
pub fn typed(home: &Path, arguments: &[&str], input: &[u8], settings: &[(&str, &str)]) -> Output {
    let mut command = sealgate(home);
    command.args(arguments).envs(settings.iter().copied());
    run(command, input)
}

/// The one line in which a command says why it failed. What it created on the way it says in lines before.
pub fn said(output: &Output) -> String {
    let said: String = text(&output.stderr)
        .split_inclusive('\n')
        .filter(|line| !line.starts_with("sealgate: Created "))
        .filter(|line| !line.contains("INFO  created the key ring "))
        .collect();
    assert!(
        said.starts_with("sealgate: ") && said.trim_end().lines().count() == 1,
        "{said}"
    );
    said
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The lines of a log about panics, without tiny_http's own: a thread of its panics where a client is gone too early.
pub fn panics(log: &str) -> Vec<&str> {
    log.lines()
        .filter(|line| line.contains("panic") && !line.contains("tiny_http-"))
        .collect()
}

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    pub port: u16,
    pub greeting: String,
    stderr: PathBuf,
    _folder: tempfile::TempDir,
}

impl Server {
    /// Where it shows its metrics, if that is a TCP address.
    pub fn metrics_address(&self) -> &str {
        let (_, rest) = self.greeting.split_once("metrics on http://").unwrap();
        rest.split_once("/metrics").unwrap().0
    }

    pub fn start(home: &Path, settings: &[(&str, &str)]) -> Server {
        Server::start_with(home, |command| {
            command.envs(settings.iter().copied());
        })
    }

    /// `change` may add arguments and variables, also another address.
    pub fn start_with(home: &Path, change: impl FnOnce(&mut Command)) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let stderr = folder.path().join("stderr");
        let mut command = sealgate(home);
        command
            .args(["serve"])
            .env("SEALGATE_LISTEN", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&stderr).unwrap());
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let mut greeting = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        while lines.read_line(&mut greeting).unwrap() > 0 && !greeting.contains("  curl ") {
            if greeting.contains("login: nobody") {
                break;
            }
        }
        let port = greeting
            .split_once("http://")
            .and_then(|(_, rest)| rest.split_once(' '))
            .and_then(|(address, _)| address.rsplit_once(':'))
            .and_then(|(_, port)| port.parse().ok())
            .unwrap_or(0);
        let mut server = Server {
            child,
            port,
            greeting,
            stderr,
            _folder: folder,
        };
        assert!(
            server.child.try_wait().unwrap().is_none(),
            "the server did not start: {}",
            server.log()
        );
        server
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to standard error.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap()
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Its exit code, once it ends.
    pub fn wait(&mut self) -> Option<i32> {
        ended(&mut self.child, "the server does not end").code()
    }

    pub fn stop(mut self) -> String {
        self.signal("TERM");
        assert_eq!(self.wait(), Some(0), "{}", self.log());
        self.log()
    }

    pub fn connect(&self) -> TcpStream {
        self.try_connect().unwrap()
    }

    /// For a server that may have been killed, or be at its end.
    pub fn try_connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// Waits until nobody is let in any more: it has heard the signal to stop.
    pub fn stops_listening(&self) {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
            assert!(start.elapsed() < PATIENCE, "new ones are let in");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends these bytes and reads one answer, which openapi.json has to describe.
    pub fn send(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect();
        let _ = stream.write_all(bytes);
        let answer = Answer::read(&mut stream).expect("an answer");
        answer.is_described_for(bytes);
        answer
    }

    /// Sends these bytes, closes its own side and reads all that comes.
    pub fn send_all(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        String::from_utf8_lossy(&all).into_owned()
    }

    /// Whether a new connection gets an answer within a second.
    pub fn is_heard(&self) -> bool {
        let Ok(mut stream) = self.try_connect() else {
            return false;
        };
        stream
            .set_read_timeout(Some(Duration::from_secs(1)))
            .unwrap();
        let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        Answer::read(&mut stream).is_some_and(|answer| answer.status == 200)
    }

    pub fn get(&self, path: &str, token: Option<&str>) -> Answer {
        self.send(
            format!(
                "GET {path} HTTP/1.1\r\nHost: localhost\r\n{}\r\n",
                bearer(token)
            )
            .as_bytes(),
        )
    }

    pub fn post(&self, path: &str, body: &str, token: Option<&str>) -> Answer {
        self.send(
            format!(
                "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{}\r\n{body}",
                body.len(),
                bearer(token)
            )
            .as_bytes(),
        )
    }

    pub fn log_in(&self, user: &str) -> String {
        let answer = self.post(
            "/login",
            &serde_json::json!({"username": user}).to_string(),
            None,
        );
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["token"].as_str().unwrap().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn bearer(token: Option<&str>) -> String {
    token.map_or(String::new(), |token| {
        format!("Authorization: Bearer {token}\r\n")
    })
}
