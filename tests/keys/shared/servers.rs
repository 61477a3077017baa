//! Servers of several machines with one ring: they follow its changes, ask for it seldom, and start without it from a copy.

use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use super::*;
use crate::common::PATIENCE;

#[test]
fn servers_that_start_at_the_same_time_use_one_ring_and_follow_its_changes() {
    let shared = Shared::new();
    let servers: Vec<Server> = thread::scope(|scope| {
        let both: Vec<_> = (0..2)
            .map(|machine| {
                let shared = &shared;
                scope.spawn(move || shared.server(machine))
            })
            .collect();
        both.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(shared.ids(0).len(), 2);
    let [one, other] = &servers[..] else {
        unreachable!("there are two")
    };
    let before = one.log_in("alice");
    assert_eq!(other.get("/secure-data", Some(&before)).status, 200);
    for _ in 0..3 {
        shared.done(0, &["keys", "rotate", "--token", "--now"], b"");
        let id = shared.newest("token")["id"].as_str().unwrap().to_owned();
        let uses_it = |server: &Server| header(&server.log_in("alice"))["kid"] == id;
        let start = Instant::now();
        while !uses_it(one) {
            assert!(start.elapsed() < PATIENCE, "{}", one.log());
            thread::sleep(Duration::from_millis(5));
        }
        // The other one may not have heard of this key yet.
        let after = one.log_in("alice");
        assert_eq!(other.get("/secure-data", Some(&after)).status, 200);
    }
    assert_eq!(other.get("/secure-data", Some(&before)).status, 200);
    for server in servers {
        assert!(!server.stop().contains("ERROR"));
    }
}

fn header(token: &str) -> Value {
    let head = token.split('.').next().unwrap();
    let head = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(head).unwrap();
    serde_json::from_slice(&head).unwrap()
}

/// Whoever invents key ids makes no work for the database.
#[test]
fn unknown_keys_cost_few_calls() {
    const TOKENS: u32 = 2000;
    let shared = Shared::new();
    let server = shared.server(0);
    let token = server.log_in("alice");
    let (_, rest) = token.split_once('.').unwrap();
    let known = header(&token);
    let calls = || -> f64 {
        // A session reports what it did once it is idle.
        thread::sleep(Duration::from_millis(1500));
        let done = shared.sql(
            "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()",
        );
        done.parse().unwrap()
    };
    let before = calls();
    let start = Instant::now();
    for at in 0..TOKENS {
        let mut head = known.clone();
        head["kid"] = json!(format!("AAAAAAA{at:04}"));
        let head = base64_simd::URL_SAFE_NO_PAD.encode_to_string(head.to_string());
        let forged = format!("{head}.{rest}");
        let asked = Instant::now();
        let answer = loop {
            let answer = server.get("/secure-data", Some(&forged));
            // On a busy machine the server may not have read for too long what is revoked: then it refuses everybody.
            if answer.status != 503 || asked.elapsed() > PATIENCE {
                break answer;
            }
            thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(answer.status, 401, "{}", answer.body);
    }
    let took = start.elapsed().as_secs_f64();
    let made = calls() - before;
    // Twenty a second, and what the server asks for anyway.
    let most = 40.0 * (took + 3.0) + 50.0;
    assert!(
        made <= most,
        "{made} calls in {took} s for {TOKENS} unknown keys"
    );
    server.stop();
}

/// With the same age, both machines want a new key in the same second.
#[test]
fn one_machine_replaces_a_key_that_is_too_old() {
    const AGE: u64 = 2;
    const DAY: u64 = 24 * 60 * 60;
    let shared = Shared::with_ring();
    let by_age = [("SEALGATE_ROTATE_TOKEN_KEY_AFTER", "2")];
    let servers: Vec<Server> = (0..2)
        .map(|machine| shared.server_with(machine, &by_age))
        .collect();
    let created = || -> Vec<u64> {
        let listed = shared.listed(0);
        let keys = listed["keys"].as_array().unwrap().iter();
        keys.filter(|key| key["kind"] == "token")
            .map(|key| {
                let created = key["created"].as_str().unwrap();
                let part = |at: Range<usize>| created[at].parse::<u64>().unwrap();
                // The time of the day is enough: the list is in the order in which keys were made.
                (part(11..13) * 60 + part(14..16)) * 60 + part(17..19)
            })
            .collect()
    };
    let start = Instant::now();
    let times = loop {
        let times = created();
        if times.len() >= 4 {
            break times;
        }
        assert!(start.elapsed() < PATIENCE, "{times:?}");
        thread::sleep(Duration::from_millis(50));
    };
    for pair in times.windows(2) {
        let apart = (pair[1] + DAY - pair[0]) % DAY;
        assert!((AGE..DAY / 2).contains(&apart), "{times:?}");
    }
    for server in servers {
        assert!(!server.stop().contains("ERROR"));
    }
}

#[test]
fn messages_are_counted_for_all_machines() {
    let shared = Shared::with_ring();
    for (machine, times) in [(0, 2), (1, 3)] {
        for _ in 0..times {
            shared.done(machine, &["encrypt"], b"data");
        }
    }
    assert_eq!(shared.newest("data")["messages"], 5);
    let server = shared.server(0);
    let token = server.log_in("alice");
    for _ in 0..10 {
        let body = json!({"data": "data"}).to_string();
        assert_eq!(server.post("/encrypt", &body, Some(&token)).status, 200);
    }
    server.stop();
    assert_eq!(shared.newest("data")["messages"], 15);
}

#[test]
fn a_copy_of_the_ring_lets_a_machine_start_without_the_store() {
    let shared = Shared::with_ring();
    let with_copy = |arguments: &[&str]| {
        let mut command = shared.command(0, arguments);
        command.env("SEALGATE_RING_COPY", "on");
        command
    };
    let sealed = done(with_copy(&["encrypt"]), b"data");
    let copy = shared.folder(0).join("shared-keys.json");
    assert_eq!(fs::metadata(&copy).unwrap().mode() & 0o7777, 0o600);
    let stored = shared.sql("SELECT encode(sealed, 'escape') FROM sealgate.ring");
    assert_eq!(fs::read_to_string(&copy).unwrap().trim_end(), stored);

    // Nobody listens there.
    let nowhere = "postgres://postgres@127.0.0.1:1/sealgate";
    let mut opened = with_copy(&["decrypt"]);
    opened.env("SEALGATE_STORE", nowhere);
    let opened = run(opened, &sealed);
    assert_eq!(opened.stdout, b"data", "{}", text(&opened.stderr));
    let server = Server::start_with(shared.machines[0].path(), |command| {
        command
            .env("SEALGATE_DATA_DIR", shared.folder(0))
            .env("SEALGATE_STORE", nowhere)
            .env("SEALGATE_RING_KEY", KEY)
            .env("SEALGATE_RING_COPY", "on")
            .env("SEALGATE_LOGIN", "open");
    });
    let said = server.stop();
    assert!(said.contains("copy of the key ring"), "{said}");
    // No copy, and no new keys either.
    let without = shared.refused(&["decrypt"], |command| {
        command.env("SEALGATE_STORE", nowhere);
    });
    assert!(!without.contains("copy"), "{without}");
    assert!(!shared.folder(1).join("keys.json").exists());
    // A copy is read, never changed.
    let mut change = with_copy(&["keys", "rotate"]);
    change.env("SEALGATE_STORE", nowhere);
    assert_eq!(run(change, b"").status.code(), Some(2));
    assert_eq!(fs::read_to_string(&copy).unwrap().trim_end(), stored);

    // The next reading replaces it.
    done(with_copy(&["keys", "rotate"]), b"");
    done(with_copy(&["encrypt"]), b"data");
    assert_ne!(fs::read_to_string(&copy).unwrap().trim_end(), stored);
    // Only its owner may have written it.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(&copy, mode).unwrap();
    let mut open = with_copy(&["decrypt"]);
    open.env("SEALGATE_STORE", nowhere);
    let open = run(open, &sealed);
    assert_eq!(open.status.code(), Some(2), "{open:?}");
}
