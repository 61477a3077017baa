//! Cases and how they are run: each on a connection of its own, with one more request right behind it that shows whether
//! the connection is still used.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::common::wire::{Answers, End};
use crate::common::{Answer, Server, promised};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Pool,
    TinyHttp,
}

impl Engine {
    pub(crate) const ALL: [Engine; 2] = [Engine::Pool, Engine::TinyHttp];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Engine::Pool => "pool",
            Engine::TinyHttp => "tiny-http",
        }
    }

    /// A server with this engine, without limits on how often one may ask.
    pub(crate) fn start(self, home: &tempfile::TempDir, settings: &[(&str, &str)]) -> Server {
        let server = Server::start_with(home.path(), |command| {
            command
                .env("SEALGATE_ENGINE", self.name())
                .env("SEALGATE_LOGIN_MAX_REQUESTS", "0")
                .env("MAX_REQUESTS", "0")
                .envs(settings.iter().copied());
        });
        let named = format!("({})", self.name());
        assert!(server.greeting.contains(&named), "{}", server.greeting);
        server
    }
}

/// What is sent, and what has to come back, in words: the status of each answer with the code of its problem (`bare` where
/// an error has no JSON), then what became of the connection:
///
/// * `open`: the request behind it was answered
/// * `closed`: it was not; the last answer said so, and the stream ended
/// * `closed unsaid`: the last answer had not said so
/// * `refused`: the last answer said so, and yet what was behind got an answer: a refusal
/// * `torn`, `reset`, `silent`: neither an answer nor a proper end
///
/// ` or ` stands between two that are both right.
pub(crate) struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    expected: &'static str,
    /// What tiny_http does instead, and why.
    tiny_http: Option<(&'static str, &'static str)>,
}

pub(crate) fn case(name: &'static str, bytes: impl Into<Vec<u8>>, expected: &'static str) -> Case {
    Case {
        name,
        bytes: bytes.into(),
        expected,
        tiny_http: None,
    }
}

impl Case {
    /// What tiny_http does instead, and why.
    pub(crate) fn tiny_http(mut self, observed: &'static str, why: &'static str) -> Case {
        self.tiny_http = Some((observed, why));
        self
    }
}

/// A request of our own is answered within this, whatever else was sent; far below every deadline of the server.
const AT_ONCE: Duration = promised(Duration::from_secs(3));
/// tiny_http has nothing to say in some cases; that is not waited for that long.
const SILENCE: Duration = Duration::from_millis(600);
const CLIENTS: usize = 6;

/// Comes right behind each case. Nothing else has this id, nor the path.
const PROBE: &[u8] =
    b"GET /behind HTTP/1.1\r\nHost: x\r\nX-Request-Id: behind\r\nConnection: close\r\n\r\n";

pub(crate) fn run(engine: Engine, cases: Vec<Case>) {
    let home = tempfile::tempdir().unwrap();
    let server = engine.start(&home, &[]);
    // Several at a time: the cases must not disturb one another either.
    let parts = cases.chunks(cases.len().div_ceil(CLIENTS));
    let failures: Vec<String> = std::thread::scope(|scope| {
        let clients: Vec<_> = parts
            .map(|part| {
                let server = &server;
                scope.spawn(move || {
                    let judged = part.iter().map(|case| judge(engine, server, case));
                    judged.filter_map(Result::err).collect::<Vec<_>>()
                })
            })
            .collect();
        clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect()
    });
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
    assert_eq!(server.get("/healthz", None).status, 200);
    let log = server.stop();
    assert_eq!(crate::common::panics(&log), [""; 0]);
}

fn judge(engine: Engine, server: &Server, case: &Case) -> Result<(), String> {
    let (expected, why) = match case.tiny_http {
        Some((instead, why)) if engine == Engine::TinyHttp => (instead, Some(why)),
        _ => (case.expected, None),
    };
    let observed = observe(server, &case.bytes, expected);
    let fits = expected.split(" or ").any(|one| {
        one == observed
            // tiny_http cannot be told to close: what comes behind is refused one by one.
            || (engine == Engine::TinyHttp && one.replace("closed", "refused") == observed)
    });
    if !fits {
        return Err(format!("{}: {observed}, not {expected}", case.name));
    }
    if let Some(why) = why {
        println!(
            "{}: {}: {observed}, because it {why}",
            engine.name(),
            case.name
        );
    }
    // Whatever was sent, the next client is served.
    let start = Instant::now();
    let next = server.get("/healthz", None);
    match next.status {
        200 if start.elapsed() < AT_ONCE => Ok(()),
        status => Err(format!("after {}: {status}", case.name)),
    }
}

fn observe(server: &Server, bytes: &[u8], expected: &str) -> String {
    let stream = server.connect();
    // A server that has already refused need not take all of it.
    let _ = (&stream).write_all(&[bytes, PROBE].concat());
    let mut answers = Answers::new(stream);
    let mut words: Vec<String> = Vec::new();
    let mut says_close = false;
    let end = loop {
        let mut silence = words.clone();
        silence.push("silent".to_owned());
        let silence = silence.join(", ");
        let silent = expected.split(" or ").any(|one| one == silence);
        let patience = if silent { SILENCE } else { AT_ONCE };
        answers.get_ref().set_read_timeout(Some(patience)).unwrap();
        match answers.next() {
            Ok(answer) if is_behind(&answer) => match answer.status {
                404 => break "open",
                _ if says_close => break "refused",
                _ => break "refused unsaid",
            },
            // What came behind was no request any more, but answered.
            Ok(answer) if says_close && answer.status == 400 => break "refused",
            Ok(answer) => {
                says_close = answer.headers.get("connection").map(String::as_str) == Some("close");
                words.push(in_words(&answer));
            }
            Err(End::Closed) if says_close => break "closed",
            Err(End::Closed) => break "closed unsaid",
            Err(End::Torn) => break "torn",
            Err(End::Reset) => break "reset",
            Err(End::Silent) => break "silent",
        }
    };
    words.push(end.to_owned());
    words.join(", ")
}

fn is_behind(answer: &Answer) -> bool {
    answer.headers.get("x-request-id").map(String::as_str) == Some("behind")
}

/// The status and the code of a problem; the form of every answer of ours is checked.
pub(crate) fn in_words(answer: &Answer) -> String {
    let problem = "application/problem+json";
    let kind = answer.headers.get("content-type").map(String::as_str);
    if answer.status >= 400 && kind != Some(problem) {
        return format!("{} bare", answer.status);
    }
    if answer.status < 200 {
        return answer.status.to_string();
    }
    for name in ["date", "x-request-id", "x-content-type-options"] {
        assert!(
            answer.headers.contains_key(name),
            "{name} is missing: {answer:?}"
        );
    }
    match answer.status {
        400.. => format!("{} {}", answer.status, answer.code()),
        _ => answer.status.to_string(),
    }
}
