//! Accounts and what is taken back, where somebody or something works against them.

#![allow(clippy::unwrap_used)] // a test that panics has failed

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::common::people::{PASSWORD, Pair, People, login, within_a_second};
use crate::common::{Answer, PATIENCE, said, text, unless_held_up};
use jwt_simple::prelude::{HS256Key, MACLike, UnixTimeStamp};
use sealgate::{Config, Error, Gate, Grant};
use serde_json::json;

/// A gate of this process in the people's data directory.
fn gate(people: &People) -> Gate {
    let mut config = Config::new();
    config
        .set("data_dir", people.place.folder.to_str().unwrap())
        .unwrap();
    for (name, value) in [("password_memory", "1024"), ("password_passes", "1")] {
        config.set(name, value).unwrap();
    }
    Gate::new(&config.settings().unwrap().gate).unwrap()
}

/// Guesses for one name from everywhere, over one connection: the proxy in front says where each comes from.
struct Guesser(TcpStream);

impl Guesser {
    fn log_in(&mut self, from: &str, name: &str, password: &str) -> Answer {
        let body = json!({"username": name, "password": password}).to_string();
        let request = format!(
            "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-Forwarded-For: {from}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.write_all(request.as_bytes()).unwrap();
        Answer::read(&mut self.0).unwrap()
    }

    /// How many of a thousand guesses were checked; the others had to wait.
    fn guess(&mut self, name: &str, from: impl Fn(u32) -> String) -> usize {
        let mut checked = 0;
        for n in 0..1000 {
            let answer = self.log_in(&from(n), name, "a noisy harbour");
            match answer.status {
                401 => checked += 1,
                _ => assert_eq!(answer.code(), "rate_limited"),
            }
        }
        checked
    }
}

#[test]
fn a_thousand_guesses_from_everywhere_are_few_and_the_owner_still_gets_in() {
    let people = People::of(&["alice", "bob"]);
    let server = people.server(&[
        ("SEALGATE_LOCKOUT_AFTER", "5"),
        ("SEALGATE_TRUSTED_PROXIES", "127.0.0.1"),
    ]);
    let mut guesser = Guesser(server.connect());
    let home = "2001:db8:ffff::1";
    assert_eq!(guesser.log_in(home, "alice", PASSWORD).status, 200);
    // Names that nobody has are no different.
    for name in ["alice", "nobody"] {
        let started = Instant::now();
        let of_a_site = guesser.guess(name, |n| format!("2001:db8:0:{n:x}::1"));
        // Ten, and then after 1 s, 2 s, 4 s and so on.
        let later = started.elapsed().as_secs().max(1).ilog2() as usize + 1;
        assert!(
            (10..=10 + later).contains(&of_a_site),
            "{name}: {of_a_site}"
        );
        let of_many = guesser.guess(name, |n| format!("2001:{n:x}:1::1"));
        assert!(of_many <= 20, "{name}: {of_many}");
    }
    assert_eq!(guesser.log_in(home, "alice", PASSWORD).status, 200);
    assert_eq!(guesser.log_in("10.0.0.1", "bob", PASSWORD).status, 200);
    // Somewhere new, while others go on guessing.
    let started = Instant::now();
    let mut numbers = 0..;
    loop {
        let answer = guesser.log_in("192.0.2.7", "alice", PASSWORD);
        if answer.status == 200 {
            break;
        }
        let wait: u64 = answer.headers["retry-after"].parse().unwrap();
        assert!(wait <= 60 && started.elapsed() < Duration::from_secs(65));
        let until = Instant::now() + Duration::from_secs(wait);
        while Instant::now() < until {
            let n = numbers.next().unwrap();
            let from = format!("10.{}.{}.1", n / 256 % 256, n % 256);
            guesser.log_in(&from, "alice", "a noisy harbour");
        }
    }
}

#[test]
fn names_that_sqlite_would_read_as_uris_are_names_of_files() {
    let people = People::of(&["alice"]);
    let run_at_home = |arguments: &[&str], folder: &str| {
        let mut command = people.command(arguments);
        command
            .current_dir(people.home())
            .env("SEALGATE_DATA_DIR", folder);
        let output = crate::common::run(command, format!("{PASSWORD}\n").as_bytes());
        assert!(output.status.success(), "{}", said(&output));
        text(&output.stdout)
    };
    let folder = people.place.folder.to_str().unwrap();
    let copy = "file:copy?mode=memory";
    run_at_home(&["store", "backup", copy], folder);
    let other = people.home().join("file:other?mode=memory");
    run_at_home(&["user", "add", "bob"], "file:other?mode=memory");
    fs::copy(people.home().join(copy), other.join("store.db")).unwrap();
    for left in ["store.db-wal", "store.db-shm"] {
        let _ = fs::remove_file(other.join(left));
    }
    assert!(run_at_home(&["user", "list"], "file:other?mode=memory").contains("alice"));
}

#[test]
fn nothing_is_confirmed_that_would_go_into_a_store_that_was_replaced() {
    let people = People::of(&["alice"]);
    let gate = gate(&people);
    assert!(gate.users().find("alice").unwrap().is_some());
    let token = gate
        .issue_token(&Grant {
            subject: "alice",
            scope: "decrypt",
            ..Grant::default()
        })
        .unwrap();
    let (store, copy) = (
        people.place.folder.join("store.db"),
        people.home().join("copy"),
    );
    people.done(&["store", "backup", copy.to_str().unwrap()]);
    for left in [
        "store.db-wal".as_ref(),
        "store.db-shm".as_ref(),
        store.as_path(),
    ] {
        fs::remove_file(people.place.folder.join(left)).unwrap();
    }
    fs::copy(&copy, &store).unwrap();
    let lost = |done: Result<(), Error>| {
        assert!(
            matches!(&done, Err(Error::Store(said)) if said.contains("is no longer the one")),
            "{done:?}"
        );
    };
    lost(gate.users().add("bob", &PASSWORD.into(), ""));
    lost(gate.users().set_disabled("alice", true).map(drop));
    lost(gate.users().check("alice", &PASSWORD.into(), "").map(drop));
    lost(gate.revoke_token(&token).map(drop));
    lost(gate.revoke_user("alice"));
}

#[test]
fn while_the_store_is_away_every_route_that_needs_it_says_so_and_nothing_is_lost() {
    let people = People::none();
    people.add("alice", "introspect secure-data");
    let server = people.server(&[]);
    let pair = Pair::log_in(&server, "alice");
    let ask = json!({"token": pair.token}).to_string();
    let (store, away) = (
        people.place.folder.join("store.db"),
        people.home().join("away"),
    );
    fs::rename(&store, &away).unwrap();
    within_a_second(|| server.get("/secure-data", Some(&pair.token)).status == 503);
    for answer in [
        login(&server, "alice", PASSWORD),
        login(&server, "nobody", PASSWORD),
        pair.refreshed(&server),
        server.post("/logout", "", Some(&pair.token)),
        server.post("/introspect", &ask, Some(&pair.token)),
    ] {
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (503, "unavailable")
        );
        assert!(answer.headers.contains_key("retry-after"));
        assert!(!answer.body.contains("store.db"), "{}", answer.body);
    }
    fs::rename(&away, &store).unwrap();
    within_a_second(|| server.get("/secure-data", Some(&pair.token)).status == 200);
    let next = Pair::of(&pair.refreshed(&server));
    assert_eq!(server.post("/logout", "", Some(&next.token)).status, 204);
}

#[test]
fn a_logout_and_an_introspection_need_one_token_that_is_good() {
    let people = People::none();
    people.add("alice", "introspect");
    let server = people.server(&[("SEALGATE_LEEWAY", "0")]);
    let pair = Pair::log_in(&server, "alice");
    let mut issue = people.command(&["token", "issue", "--user", "alice", "--ttl", "1"]);
    issue.args(["--scope", "introspect"]);
    let short = text(&crate::common::run(issue, b"").stdout);
    thread::sleep(Duration::from_millis(2_100));
    for path in ["/logout", "/introspect"] {
        let refused = |token: &str, status: u16, code: &str| {
            let answer = server.post(path, "{}", Some(token));
            assert_eq!((answer.status, answer.code().as_str()), (status, code));
        };
        refused(short.trim(), 401, "token_expired");
        refused("a.b.c", 401, "token_malformed");
        let twice = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {0}\r\nAuthorization: Bearer {0}\r\n\
             Content-Length: 0\r\n\r\n",
            pair.token
        );
        assert_eq!(server.send(twice.as_bytes()).code(), "bad_request");
    }
    assert_eq!(server.post("/logout", "", Some(&pair.token)).status, 204);
    for path in ["/logout", "/introspect"] {
        let answer = server.post(path, "{}", Some(&pair.token));
        assert_eq!(answer.code(), "token_revoked");
        assert!(answer.headers["www-authenticate"].contains("invalid_token"));
    }
}

#[test]
fn a_logout_ends_a_login_that_can_no_longer_be_refreshed_too() {
    let people = People::of(&["alice", "bob"]);
    let server = people.server(&[("SEALGATE_REFRESH_TTL", "3"), ("SEALGATE_LEEWAY", "0")]);
    let (first, second) = unless_held_up(Duration::from_secs(2), || {
        let first = Pair::log_in(&server, "alice");
        let second = Pair::of(&first.refreshed(&server));
        (first, second)
    });
    let is_good = |pair: &Pair| server.get("/secure-data", Some(&pair.token)).status == 200;
    // Until the store has forgotten the login, which whoever logs in next has it do.
    thread::sleep(Duration::from_secs(5));
    Pair::log_in(&server, "bob");
    assert_ne!(second.refreshed(&server).status, 200);
    assert!(is_good(&first) && is_good(&second));
    assert_eq!(server.post("/logout", "", Some(&second.token)).status, 204);
    within_a_second(|| !is_good(&second));
    within_a_second(|| !is_good(&first));
}

/// A token as another program makes it, with PyJWT or the like.
fn foreign_token(secret: &str, id: &str, issued: u64) -> String {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct User {
        username: String,
    }
    let user = User {
        username: "ann".to_owned(),
    };
    let mut claims =
        jwt_simple::claims::Claims::with_custom_claims(user, Duration::from_secs(1).into());
    claims.issued_at = Some(UnixTimeStamp::from_secs(issued));
    claims.invalid_before = None;
    claims.expires_at = Some(UnixTimeStamp::from_secs(issued + 600));
    claims.jwt_id = Some(id.to_owned());
    HS256Key::from_bytes(secret.as_bytes())
        .authenticate(claims)
        .unwrap()
}

#[test]
fn tokens_of_another_program_are_taken_back_by_their_ids_and_though_its_clock_is_ahead() {
    const SECRET: (&str, &str) = ("JWT_SECRET_KEY", "a canary of at least thirty-two bytes");
    let people = People::none();
    let server = people.server(&[SECRET]);
    let is_good = |token: &str| server.get("/secure-data", Some(token)).status == 200;
    let revoke = |arguments: &[&str]| {
        let mut command = people.command(&[&["token", "revoke"], arguments].concat());
        command.env(SECRET.0, SECRET.1);
        assert!(crate::common::run(command, b"").status.success());
    };
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let [one, same, other] =
        [("a", 0), ("a", 1), ("b", 0)].map(|(id, ahead)| foreign_token(SECRET.1, id, now + ahead));
    // A logout is of one token alone: who made them may not have seen to it that no two have one id.
    assert_eq!(server.post("/logout", "", Some(&one)).status, 204);
    assert!(!is_good(&one) && is_good(&same) && is_good(&other));
    revoke(&["--id", "a"]);
    within_a_second(|| !is_good(&same));
    assert!(is_good(&other));
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let ahead = foreign_token(SECRET.1, "c", now + 4);
    assert!(is_good(&ahead), "as the leeway permits");
    revoke(&["--user", "ann"]);
    within_a_second(|| !is_good(&ahead));
    assert!(!is_good(&other));
}

#[test]
fn a_login_that_waits_for_the_next_second_keeps_nobody_else_waiting() {
    let people = People::none();
    let server = &people.server(&[("SEALGATE_WORKERS", "1")]);
    server.log_in("ann");
    // On a busy machine the second may be over before the login begins: then it has nothing to wait for.
    let start = Instant::now();
    let mut last = (Duration::ZERO, 0);
    while start.elapsed() < PATIENCE {
        // Where what is taken back has most of a second to last.
        let part = SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_millis();
        thread::sleep(Duration::from_millis(1_010 - u64::from(part)));
        people.done(&["token", "revoke", "--user", "ann"]);
        // A server looks a few times a second.
        thread::sleep(Duration::from_millis(300));
        let (waited, others) = thread::scope(|scope| {
            let asked = Instant::now();
            let login = scope.spawn(move || {
                server.log_in("ann");
                asked.elapsed()
            });
            let mut others = 0;
            while !login.is_finished() {
                assert_eq!(server.get("/healthz", None).status, 200);
                others += 1;
            }
            (login.join().unwrap(), others)
        });
        // One may be answered before the login is there, and one after it. Fewer are where it is the machine that waits.
        if waited > Duration::from_millis(300) && others > 2 {
            return;
        }
        last = (waited, others);
    }
    panic!("nobody was served beside a login that waited: {last:?}");
}

#[test]
fn an_id_that_begins_with_a_hyphen_is_an_id() {
    let people = People::none();
    people.done(&["token", "revoke", "--id", "-N-of-a-token"]);
    people.done(&["token", "revoke", "--id", "--ab"]);
}
