//! With a real PostgreSQL.

use std::thread;

use super::*;
use crate::store::postgres::tests::cluster::Cluster;

/// A new database with a table of numbers.
fn new(timeout: u64, connections: u32) -> (Database, String) {
    let url = Cluster::shared().database();
    let database = database(&url, timeout, connections);
    database
        .read(|connection| connection.batch("CREATE TABLE numbers (number bigint PRIMARY KEY)"))
        .unwrap();
    (database, url.rsplit_once('/').unwrap().1.to_owned())
}

fn count(database: &Database) -> i64 {
    let counted = database.read(|connection| {
        let row = connection.query_one("SELECT count(*) FROM numbers", &[])?;
        Ok(row.try_get(0)?)
    });
    counted.unwrap()
}

/// Ends all connections to a database.
fn terminate(name: &str) {
    let sql = format!(
        "SELECT count(pg_terminate_backend(pid, 30000)) FROM pg_stat_activity WHERE datname = '{name}'"
    );
    Cluster::shared().sql("postgres", &sql);
}

#[test]
fn a_statement_that_failed_undoes_the_change_even_if_work_goes_on() {
    let (database, _) = new(LONG, 2);
    let done = database.change("", |change| {
        change.batch("INSERT INTO numbers VALUES (1)")?;
        let failed = change.batch("SELECT 1 / 0");
        assert_eq!(failed.unwrap_err().code().unwrap().code(), "22012");
        Ok(())
    });
    assert!(sentence(done).contains("was undone"));
    assert_eq!(count(&database), 0);
    // The connection can be used again.
    let change = database.change("", |change| change.batch("INSERT INTO numbers VALUES (1)"));
    change.unwrap();
    assert_eq!(count(&database), 1);
}

#[test]
fn what_is_stored_is_not_shown_when_a_statement_fails() {
    let (database, _) = new(LONG, 2);
    let done = database.read(|connection| connection.batch("SELECT 's3cret'::bigint"));
    let sentence = sentence(done);
    assert!(sentence.contains("SQLSTATE 22P02"), "{sentence}");
}

#[test]
fn connections_that_the_server_ended_are_replaced_without_an_error() {
    let (database, name) = new(LONG, 4);
    for number in 0..3 {
        terminate(&name);
        assert_eq!(count(&database), number);
        terminate(&name);
        let sql = format!("INSERT INTO numbers VALUES ({number})");
        database.change("", |change| change.batch(&sql)).unwrap();
    }
}

#[test]
fn a_transaction_whose_connection_dies_before_its_end_is_made_once() {
    let (database, name) = new(LONG, 4);
    let mut calls = 0;
    let done = database.change("", |change| {
        calls += 1;
        change.batch("INSERT INTO numbers VALUES (1)")?;
        if calls == 1 {
            terminate(&name);
        }
        change.batch("INSERT INTO numbers VALUES (2)")
    });
    done.unwrap();
    assert_eq!((calls, count(&database)), (2, 2));
}

#[test]
fn there_are_never_more_connections_than_permitted() {
    let (database, name) = new(LONG, 2);
    let most = thread::scope(|scope| {
        let ask = || {
            let sql = format!(
                "SELECT count(*) FROM pg_stat_activity, pg_sleep(0.01) WHERE datname = '{name}'"
            );
            let counted = database
                .read(|connection| Ok::<i64, Fault>(connection.query_one(&sql, &[])?.try_get(0)?));
            counted.unwrap()
        };
        let threads: Vec<_> = (0..16)
            .map(|_| scope.spawn(move || (0..4).map(|_| ask()).max()))
            .collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().unwrap())
            .max()
    });
    assert_eq!(most, Some(2));
}

#[test]
fn a_short_deadline_that_is_missed_says_nothing_about_other_calls() {
    let (database, _) = new(LONG, 8);
    let slow = |connection: &mut Connection<'_>| connection.batch("SELECT pg_sleep(60)");
    let mut last = String::new();
    for _ in 0..4 {
        last = sentence(database.read_within(Duration::from_millis(50), slow));
    }
    assert!(last.contains("tried again every second"), "{last}");
    assert!(!database.is_down());
    assert_eq!(count(&database), 0);
    // An answer is an answer for all.
    database.read_within(Duration::from_secs(59), ask).unwrap();
}

#[test]
fn others_are_notified_without_waiting_for_a_connection() {
    let (database, _) = new(LONG, 1);
    let mut listener = database.dedicated().unwrap();
    let listens = |connection: &mut Connection<'_>| connection.batch("LISTEN sealgate");
    listener.run(listens).unwrap();
    let read = database.read(|connection| {
        // The only connection is in use.
        database.wake_others();
        database.wake_others();
        connection.batch("SELECT 1")
    });
    read.unwrap();
    assert!(listener.wait(Duration::from_secs(60)));
}
