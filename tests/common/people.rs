//! Accounts in a data directory of their own, servers that use it, and logins.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::json;

use super::place::Place;
use super::{Answer, Server, run};

pub const PASSWORD: &str = "a quiet harbour";

/// Hashes that cost little, and no limits: what is tested is something else.
pub const FREE: &[(&str, &str)] = &[
    ("SEALGATE_PASSWORD_MEMORY", "1024"),
    ("SEALGATE_PASSWORD_PASSES", "1"),
    ("SEALGATE_LOGIN_MAX_REQUESTS", "0"),
    ("SEALGATE_LOCKOUT_AFTER", "0"),
    ("MAX_REQUESTS", "0"),
];

pub struct People {
    pub place: Place,
}

impl People {
    pub fn none() -> People {
        People {
            place: Place::with_ring(),
        }
    }

    /// An account for each name, all with the same password.
    pub fn of(names: &[&str]) -> People {
        let people = People::none();
        for name in names {
            people.add(name, "secure-data encrypt decrypt");
        }
        people
    }

    pub fn add(&self, name: &str, scopes: &str) {
        let added = self.typed(&["user", "add", name, "--scopes", scopes], PASSWORD);
        assert_eq!(added.status.code(), Some(0), "{added:?}");
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.place.command(arguments);
        command.envs(FREE.iter().copied());
        command
    }

    pub fn typed(&self, arguments: &[&str], line: &str) -> Output {
        run(self.command(arguments), format!("{line}\n").as_bytes())
    }

    /// Does something that has to go well.
    pub fn done(&self, arguments: &[&str]) {
        let output = self.typed(arguments, PASSWORD);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }

    pub fn server(&self, settings: &[(&str, &str)]) -> Server {
        Server::start_with(self.home(), |command| {
            command
                .env("SEALGATE_DATA_DIR", &self.place.folder)
                .envs(FREE.iter().copied())
                .envs(settings.iter().copied());
        })
    }

    pub fn home(&self) -> &Path {
        self.place.home.path()
    }
}

pub fn login(server: &Server, name: &str, password: &str) -> Answer {
    let body = json!({"username": name, "password": password}).to_string();
    server.post("/login", &body, None)
}

/// What a login gave.
#[derive(Clone, Debug)]
pub struct Pair {
    pub token: String,
    pub refresh: String,
}

impl Pair {
    pub fn of(answer: &Answer) -> Pair {
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.headers["cache-control"], "no-store");
        let body = answer.json();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        assert_eq!(body["token_type"], "Bearer");
        Pair {
            token: text("token"),
            refresh: text("refresh_token"),
        }
    }

    pub fn log_in(server: &Server, name: &str) -> Pair {
        Pair::of(&login(server, name, PASSWORD))
    }

    pub fn refreshed(&self, server: &Server) -> Answer {
        refresh(server, &self.refresh)
    }
}

pub fn refresh(server: &Server, token: &str) -> Answer {
    let body = json!({ "refresh_token": token }).to_string();
    server.post("/refresh", &body, None)
}

/// The claims of a token, unchecked.
pub fn claims(token: &str) -> serde_json::Value {
    let mut command = super::sealgate(Path::new("/"));
    command.args(["token", "inspect"]);
    let output = run(command, token.as_bytes());
    let read: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    read["claims"].clone()
}

/// Asks until it is so; fails after the second in which every change has to have arrived. Says how long it took.
pub fn within_a_second(is_so: impl Fn() -> bool) -> Duration {
    within(super::promised(Duration::from_secs(1)), is_so)
}

pub fn within(patience: Duration, mut is_so: impl FnMut() -> bool) -> Duration {
    let started = Instant::now();
    loop {
        // Asked before the time is looked at: a machine that pauses us is no reason.
        let asked = started.elapsed();
        if is_so() {
            return started.elapsed();
        }
        assert!(asked < patience, "not within {patience:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
