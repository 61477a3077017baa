//! Keys that are replaced again and again while two servers are asked all that uses keys: no request fails, and what the
//! old keys made is accepted for exactly as long as was promised.

#![allow(clippy::unwrap_used)] // a test that panics has failed

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::place::Place;
use crate::common::{Answer, PATIENCE, Server, run};
use serde_json::{Value, json};

/// How keys are replaced.
struct Plan {
    rotations: usize,
    every: Duration,
    /// How long tokens of a replaced key are accepted, in seconds; `None`: as long as a token lives.
    grace: Option<u64>,
}

#[test]
fn no_request_fails_while_keys_are_replaced() {
    let figures = Plan {
        rotations: 6,
        every: Duration::from_millis(400),
        grace: None,
    }
    .carry_out();
    assert!(figures.requests > 100, "{figures:?}");
}

#[test]
#[ignore = "half a minute: make soak"]
fn no_request_fails_while_keys_are_replaced_each_second_and_tokens_end_on_time() {
    let figures = Plan {
        rotations: 30,
        every: Duration::from_secs(1),
        grace: Some(6),
    }
    .carry_out();
    println!("{figures:?}");
    assert!(figures.requests > 1000, "{figures:?}");
    assert!(
        figures.old_tokens_accepted > 20 && figures.old_tokens_refused > 20,
        "{figures:?}"
    );
}

#[derive(Debug)]
#[allow(dead_code)] // printed
struct Figures {
    requests: usize,
    messages_sealed: usize,
    rotations: usize,
    old_tokens_accepted: usize,
    old_tokens_refused: usize,
    seconds: f64,
}

/// What all who ask have in common.
struct Load {
    servers: [Server; 2],
    grace: Option<Duration>,
    /// When each rotation was done.
    rotated: Mutex<Vec<Instant>>,
    /// Tokens, and when they had been asked for.
    tokens: Mutex<Vec<(Instant, String)>>,
    /// Sealed data, and what is in it.
    data: Mutex<Vec<(String, String)>>,
    over: AtomicBool,
    requests: AtomicUsize,
    sealed: AtomicUsize,
    accepted: AtomicUsize,
    refused: AtomicUsize,
}

impl Plan {
    fn carry_out(&self) -> Figures {
        let place = Place::with_ring();
        let start = Instant::now();
        let load = Load {
            servers: [(); 2].map(|()| {
                Server::start_with(place.home.path(), |command| {
                    command
                        .env("SEALGATE_DATA_DIR", &place.folder)
                        .env("MAX_REQUESTS", "0")
                        .env("SEALGATE_LOGIN_MAX_REQUESTS", "0");
                })
            }),
            grace: self.grace.map(Duration::from_secs),
            rotated: Mutex::default(),
            tokens: Mutex::default(),
            data: Mutex::default(),
            over: AtomicBool::new(false),
            requests: AtomicUsize::new(0),
            sealed: AtomicUsize::new(0),
            accepted: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
        };
        thread::scope(|scope| {
            for who in 0..3 {
                let load = &load;
                scope.spawn(move || {
                    // Else the others would go on for ever.
                    let _over = OnPanic(&load.over);
                    (0..)
                        .take_while(|_| !load.over.load(Ordering::Relaxed))
                        .for_each(|round| load.ask_all(who + round));
                });
            }
            let _over = OnPanic(&load.over);
            let begun = Instant::now();
            for rotation in 1..=self.rotations {
                self.rotate(&place);
                load.rotated.lock().unwrap().push(Instant::now());
                let next = begun + self.every * rotation as u32;
                thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            // Everybody sees the last keys, and has asked often enough, however slow the machine is.
            thread::sleep(Duration::from_millis(600));
            let asked = || load.requests.load(Ordering::Relaxed) > 100;
            while begun.elapsed() < PATIENCE && !asked() && !load.over.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(20));
            }
            load.over.store(true, Ordering::Relaxed);
        });
        self.check(&place, load, start)
    }

    /// A new token key and a new data key.
    fn rotate(&self, place: &Place) {
        let grace = self.grace.map(|seconds| seconds.to_string());
        let with_grace = ["keys", "rotate", "--token", "--grace"];
        let commands = match &grace {
            None => vec![vec!["keys", "rotate"]],
            Some(grace) => vec![
                [&with_grace[..], &[grace.as_str()]].concat(),
                vec!["keys", "rotate", "--data"],
            ],
        };
        for arguments in commands {
            let output = run(place.command(&arguments), b"");
            assert!(output.status.success(), "{output:?}");
        }
    }

    /// After all: every key is there, the servers have noticed, and no message was left out of the count.
    fn check(&self, place: &Place, load: Load, start: Instant) -> Figures {
        for server in load.servers {
            let log = server.stop();
            assert!(log.contains("the key ring was reloaded"), "{log}");
        }
        let listed = run(place.command(&["keys", "list", "--json"]), b"");
        let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
        let keys = listed["keys"].as_array().unwrap();
        assert_eq!(keys.len(), 2 * (self.rotations + 1));
        let counted = keys.iter().filter_map(|key| key["messages"].as_u64());
        let sealed = load.sealed.into_inner();
        assert_eq!(counted.sum::<u64>(), sealed as u64);
        Figures {
            requests: load.requests.into_inner(),
            messages_sealed: sealed,
            rotations: self.rotations,
            old_tokens_accepted: load.accepted.into_inner(),
            old_tokens_refused: load.refused.into_inner(),
            seconds: start.elapsed().as_secs_f64(),
        }
    }
}

/// Ends all when somebody fails.
struct OnPanic<'a>(&'a AtomicBool);

impl Drop for OnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

impl Load {
    /// One round of all that uses keys. What one server makes the other takes, at once.
    fn ask_all(&self, round: usize) {
        let (one, other) = (&self.servers[round % 2], &self.servers[(round + 1) % 2]);
        let asked = Instant::now();
        let login = json!({ "username": "somebody" });
        let token = self.good(one.post("/login", &login.to_string(), None));
        let token = token["token"].as_str().unwrap().to_owned();
        self.tokens.lock().unwrap().push((asked, token.clone()));

        let secure = self.good(other.get("/secure-data", Some(&token)));
        self.sealed.fetch_add(1, Ordering::Relaxed);
        self.opens(one, &token, &text(&secure, "encrypted_data"), None);

        let plain = format!("round {round}");
        let body = json!({ "data": plain });
        let fresh = text(
            &self.post(other, "/encrypt", &body, &token),
            "encrypted_data",
        );
        self.sealed.fetch_add(1, Ordering::Relaxed);
        self.opens(one, &token, &fresh, Some(&plain));
        self.data.lock().unwrap().push((fresh, plain));

        self.ask_batches(one, other, &token, round);
        // The oldest data of all, and some in between.
        for at in [0, round.wrapping_mul(7919)] {
            let (sealed, plain) = pick(&self.data, at);
            self.opens(other, &token, &sealed, Some(&plain));
            let body = json!({ "encrypted_data": sealed });
            let anew = text(&self.post(one, "/rewrap", &body, &token), "encrypted_data");
            self.sealed.fetch_add(1, Ordering::Relaxed);
            assert_ne!(anew, sealed);
            self.opens(other, &token, &anew, Some(&plain));
        }
        for at in [0, round.wrapping_mul(104_729)] {
            let (made, token) = pick(&self.tokens, at);
            self.ask_with_an_old_token(one, made, &token);
        }
    }

    fn ask_batches(&self, one: &Server, other: &Server, token: &str, round: usize) {
        let plain: Vec<String> = (0..20).map(|at| format!("{round}/{at}")).collect();
        let items: Vec<_> = plain.iter().map(|data| json!({ "data": data })).collect();
        let sealed = self.post(one, "/encrypt", &json!({ "items": items }), token);
        self.sealed.fetch_add(plain.len(), Ordering::Relaxed);
        let opened = self.post(other, "/decrypt", &sealed, token);
        let opened = opened["items"].as_array().unwrap();
        let opened: Vec<_> = opened
            .iter()
            .map(|item| text(item, "decrypted_data"))
            .collect();
        assert_eq!(opened, plain);
    }

    /// Accepted until the grace of its key is over, refused from then on; in the second in between either is right.
    fn ask_with_an_old_token(&self, server: &Server, made: Instant, token: &str) {
        // A server may have used a key for half a second longer than it was the newest, and a key's end is a whole second.
        let surely_good = |grace: Duration| made + grace - Duration::from_millis(1800);
        // The key was replaced at the latest by the first rotation that ended after the token was there, which takes no second.
        let replaced = {
            let rotated = self.rotated.lock().unwrap();
            rotated
                .iter()
                .copied()
                .find(|done| *done > made + Duration::from_secs(1))
        };
        let before = Instant::now();
        let answer = server.get("/secure-data", Some(token));
        let after = Instant::now();
        self.requests.fetch_add(1, Ordering::Relaxed);
        let must_be_refused = self
            .grace
            .zip(replaced)
            .is_some_and(|(grace, replaced)| before > replaced + grace);
        let must_be_good = self.grace.is_none_or(|grace| after < surely_good(grace));
        match answer.status {
            200 => {
                assert!(
                    !must_be_refused,
                    "accepted {:?} after it was made",
                    before - made
                );
                self.sealed.fetch_add(1, Ordering::Relaxed);
                self.accepted.fetch_add(1, Ordering::Relaxed);
            }
            _ => {
                assert!(
                    !must_be_good,
                    "{:?} after it was made: {}",
                    after - made,
                    answer.body
                );
                assert_eq!((answer.status, &*answer.code()), (401, "token_key_retired"));
                self.refused.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Where `plain` is `None`, whatever is in it.
    fn opens(&self, server: &Server, token: &str, sealed: &str, plain: Option<&str>) {
        let body = json!({ "encrypted_data": sealed });
        let opened = text(
            &self.post(server, "/decrypt", &body, token),
            "decrypted_data",
        );
        assert_eq!(opened, plain.unwrap_or(&opened));
    }

    fn post(&self, server: &Server, path: &str, body: &Value, token: &str) -> Value {
        self.good(server.post(path, &body.to_string(), Some(token)))
    }

    fn good(&self, answer: Answer) -> Value {
        assert_eq!(answer.status, 200, "{}", answer.body);
        self.requests.fetch_add(1, Ordering::Relaxed);
        answer.json()
    }
}

fn text(body: &Value, member: &str) -> String {
    body[member].as_str().unwrap().to_owned()
}

fn pick<T: Clone>(all: &Mutex<Vec<T>>, at: usize) -> T {
    let all = all.lock().unwrap();
    all[at % all.len()].clone()
}
