//! Servers that do not answer, refuse, or are not who they should be; and a real one, whose connections end.

mod fake;
mod real;
mod tls;

use std::net::TcpListener;

use super::*;
use fake::{Fake, Manners};

fn database(url: &str, timeout: u64, connections: u32) -> Database {
    let settings = SharedSettings {
        timeout: Duration::from_millis(timeout),
        connections,
        ..SharedSettings::default()
    };
    let url = StoreUrl::parse(url.as_bytes()).unwrap();
    Database::new(&url, &settings).unwrap()
}

const LONG: u64 = 60_000;

fn ask(connection: &mut Connection<'_>) -> Result<(), Fault> {
    connection.batch("SELECT 1")
}

fn sentence<T: std::fmt::Debug>(done: Result<T, Error>) -> String {
    let Err(Error::Store(sentence)) = done else {
        panic!("{done:?}");
    };
    assert!(!sentence.contains("s3cret"), "{sentence}");
    assert!(
        sentence.ends_with('.') || sentence.ends_with("migrate"),
        "{sentence}"
    );
    sentence
}

#[test]
fn a_server_that_accepts_and_never_answers_costs_a_call_its_deadline_and_then_nothing() {
    let server = Fake::start(Manners {
        silent: true,
        ..Manners::default()
    });
    let database = database(&server.url("sslmode=disable"), 100, 8);
    for _ in 0..3 {
        let sentence = sentence(database.read(ask));
        assert!(
            sentence.contains("did not answer within 100 ms"),
            "{sentence}"
        );
        // Nothing is left of the attempt.
        server.one_ended();
    }
    assert!(database.is_down());
    let sentence = sentence(database.read(ask));
    assert!(sentence.contains("tried again every second"), "{sentence}");
}

#[test]
fn tls_and_statements_that_are_never_answered_end_at_the_deadline() {
    let silent = Fake::start(Manners {
        silent: true,
        ..Manners::default()
    });
    let tls = database(&silent.url("sslmode=require"), 100, 8);
    assert!(sentence(tls.read(ask)).contains("did not answer"));
    silent.one_ended();

    let deaf = Fake::start(Manners {
        deaf_to: Some("SELECT"),
        ..Manners::default()
    });
    let database = database(&deaf.url("sslmode=disable"), 500, 1);
    for _ in 0..2 {
        // Its only connection is closed although an answer is due: another one takes its place.
        assert!(sentence(database.read(ask)).contains("did not answer"));
        deaf.one_ended();
    }
    assert!(sentence(database.change("", ask)).contains("did not answer"));
    deaf.one_ended();
}

#[test]
fn a_commit_that_is_not_answered_may_have_been_made() {
    let server = Fake::start(Manners {
        deaf_to: Some("COMMIT"),
        ..Manners::default()
    });
    let database = database(&server.url("sslmode=disable"), 500, 8);
    let mut calls = 0;
    let done = database.change("", |change| {
        calls += 1;
        ask(change)
    });
    assert!(sentence(done).contains("Look whether it was made"));
    assert_eq!(calls, 1, "it is not tried again");
    server.one_ended();
}

#[test]
fn a_commit_whose_wait_for_a_standby_was_cut_short_is_not_confirmed() {
    let server = Fake::start(Manners {
        warns_at: Some("COMMIT"),
        ..Manners::default()
    });
    let database = database(&server.url("sslmode=disable"), LONG, 8);
    assert!(sentence(database.change("", ask)).contains("Look whether it was made"));

    let warns_before = Fake::start(Manners {
        warns_at: Some("SELECT"),
        ..Manners::default()
    });
    let database = self::database(&warns_before.url("sslmode=disable"), LONG, 8);
    database.change("", ask).unwrap();
}

#[test]
fn a_database_that_is_dropped_ends_its_connections_and_its_thread() {
    let server = Fake::start(Manners::default());
    let database = database(&server.url("sslmode=disable"), LONG, 8);
    database.read(ask).unwrap();
    database.wake_others();
    drop(database);
    server.one_ended();
}

#[test]
fn a_refused_login_is_explained_without_the_servers_details() {
    let server = Fake::start(Manners {
        refuses: Some("28P01"),
        ..Manners::default()
    });
    let database = database(&server.url("sslmode=disable"), LONG, 8);
    let sentence = sentence(database.read(ask));
    assert!(
        sentence.contains("no login for me") && sentence.contains("SEALGATE_STORE"),
        "{sentence}"
    );
}

#[test]
fn a_closed_port_is_reported_with_the_address_but_without_the_password() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let database = database(&format!("postgres://me:s3cret@{closed}/db"), LONG, 8);
    let sentence = sentence(database.read(ask));
    assert!(
        sentence.contains("cannot be reached") && sentence.contains(&closed.to_string()),
        "{sentence}"
    );
}

#[test]
fn a_name_is_resolved_to_all_its_addresses_or_reported() {
    let server = Fake::start(Manners::default());
    // It may have an IPv6 address too, where nobody listens.
    let url = server
        .url("sslmode=disable")
        .replace("127.0.0.1", "localhost");
    database(&url, LONG, 8).read(ask).unwrap();

    let unknown = database("postgres://me:s3cret@nowhere.invalid/db", LONG, 8);
    let sentence = sentence(unknown.read(ask));
    assert!(
        sentence.contains("cannot be resolved") && sentence.contains("nowhere.invalid"),
        "{sentence}"
    );
}

#[test]
fn work_that_refuses_keeps_its_own_error() {
    let server = Fake::start(Manners::default());
    let database = database(&server.url("sslmode=disable"), LONG, 8);
    let done = database.change("", |_| Err::<(), _>(Fault::Other(Error::UserExists)));
    assert_eq!(done, Err(Error::UserExists));
}
