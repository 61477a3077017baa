//! Lockouts in a real PostgreSQL: the tests of every memory under a clock that they set, and what machines share.

use std::path::Path;
use std::sync::Mutex;

use super::*;
use crate::store::Cluster;
use crate::users::tests::PASSWORD;
use crate::{Config, Gate, Secret};

of_every_memory!(made);

/// Sets the clock of its database to the time of each call.
struct Clocked {
    inner: Box<dyn Memory>,
    database: String,
    start: Instant,
    last: Mutex<Option<Duration>>,
}

impl Clocked {
    fn at(&self, now: Instant) -> &dyn Memory {
        let now = now.saturating_duration_since(self.start);
        let mut last = lock(&self.last);
        if last.replace(now) != Some(now) {
            let sql = format!("UPDATE fake.clock SET micros = {}", now.as_micros());
            Cluster::shared().sql(&self.database, &sql);
        }
        &*self.inner
    }
}

impl Memory for Clocked {
    fn hash(&self) -> Result<Hash, Error> {
        self.inner.hash()
    }

    fn find(&self, tried: Try, name: &str, now: Instant) -> Result<Found, Error> {
        self.at(now).find(tried, name, now)
    }

    fn find_names(&self, names: &[(u128, &str)], now: Instant) -> Result<Vec<OfName>, Error> {
        self.at(now).find_names(names, now)
    }

    fn start_waiting(&self, tried: Try, now: Instant) -> Result<(), Error> {
        self.at(now).start_waiting(tried, now)
    }

    fn failed(&self, tried: Try, name: &str, now: Instant) -> Result<(), Error> {
        self.at(now).failed(tried, name, now)
    }

    fn passed(&self, tried: Try, now: Instant) -> Result<(), Error> {
        self.at(now).passed(tried, now)
    }

    fn forget_older(&self, _: Try, _: Duration, _: Instant) {}

    fn applies_unlocking(&self) -> bool {
        true
    }
}

/// Lockouts in a new database whose clock stands still.
fn made(after: u32) -> Lockouts {
    let address = Cluster::shared().database();
    let database = address.rsplit_once('/').unwrap().1.to_owned();
    let folder = tempfile::tempdir().unwrap();
    // Creates the tables with the real clock.
    let _ = gate(&address, folder.path(), 1)
        .users()
        .list("", 1)
        .unwrap();
    Cluster::shared().sql(
        &database,
        &format!(
            "CREATE SCHEMA fake; CREATE TABLE fake.clock (micros bigint); INSERT INTO fake.clock VALUES (0);
             CREATE FUNCTION fake.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
                 $$ SELECT '2030-01-01 00:00Z'::timestamptz + micros * interval '1 microsecond' FROM fake.clock $$;
             ALTER DATABASE \"{database}\" SET search_path = fake, pg_catalog"
        ),
    );
    let settings = config(&address, folder.path(), after).settings().unwrap();
    let ledger = Arc::new(Ledger::new(&settings.gate.store));
    let keys = Keys::load(&settings.gate.keys).unwrap().0;
    let shared = Lockouts::shared(after, ledger, Arc::new(keys));
    Lockouts {
        after,
        memory: Box::new(Clocked {
            inner: shared.memory,
            database,
            start: Instant::now(),
            last: Mutex::default(),
        }),
    }
}

fn config(address: &str, folder: &Path, after: u32) -> Config {
    let mut config = Config::new();
    for (name, value) in [
        ("store", address),
        ("store_timeout", "60000"),
        ("ring_key", &"ab".repeat(32)),
        ("data_dir", folder.join("state").to_str().unwrap()),
        ("password_memory", "1024"),
        ("password_passes", "1"),
        ("lockout_after", &after.to_string()),
    ] {
        config.set(name, value).unwrap();
    }
    config
}

/// A machine; those with one folder have the same keys.
fn gate(address: &str, folder: &Path, after: u32) -> Gate {
    Gate::new(&config(address, folder, after).settings().unwrap().gate).unwrap()
}

fn wrong(gate: &Gate, from: &str) -> Error {
    let wrong = Secret::from("not the password");
    gate.users().check("alice", &wrong, from).unwrap_err()
}

fn is_delayed(error: &Error) -> bool {
    matches!(error, Error::RateLimited { .. })
}

#[test]
fn machines_share_failures_known_places_and_unlocking() {
    let (address, folder) = (Cluster::shared().database(), tempfile::tempdir().unwrap());
    let [a, b, c] = [(); 3].map(|()| gate(&address, folder.path(), 2));
    let right = Secret::from(PASSWORD);
    a.users().add("alice", &right, "").unwrap();
    // A known place, and failures from it and from elsewhere.
    b.users().check("alice", &right, "192.0.2.1").unwrap();
    for n in 0..8u32 {
        let machine = [&a, &b, &c][n as usize % 3];
        let error = wrong(machine, &format!("198.51.{n}.1"));
        assert!(matches!(error, Error::LoginFailed), "{n}: {error}");
    }
    for machine in [&a, &b, &c] {
        assert!(is_delayed(&wrong(machine, "203.0.113.1")), "a new network");
        machine.users().check("alice", &right, "192.0.2.1").unwrap();
    }
    // So many that the delay outlasts the test on any machine.
    let long = |machine: &Gate| {
        let lockouts = machine.users().users().lockouts.as_ref().unwrap();
        let tried = lockouts.of("alice", "192.0.2.1").unwrap();
        (0..14).for_each(|_| lockouts.failed(tried, "alice").unwrap());
    };
    long(&a);
    let locked = |machine: &Gate| machine.users().locked_until("alice").unwrap();
    for machine in [&a, &b, &c] {
        assert!(is_delayed(&wrong(machine, "192.0.2.1")), "its own failures");
        let left = locked(machine).expect("a delay") - crate::unix_now();
        // Those from elsewhere cause shorter delays.
        assert!((800..=901).contains(&left), "{left}");
    }
    assert!(b.users().unlock("alice").unwrap());
    for machine in [&a, &b, &c] {
        assert_eq!(locked(machine), None);
        machine
            .users()
            .check("alice", &right, "203.0.113.1")
            .unwrap();
        machine.users().check("alice", &right, "192.0.2.1").unwrap();
    }
    long(&c);
    assert!(is_delayed(&wrong(&a, "192.0.2.1")), "failures since then");
    assert!(locked(&b).is_some(), "failures since then");
}

#[test]
fn no_more_guesses_are_counted_at_once_than_machines_may_hash() {
    let (address, folder) = (Cluster::shared().database(), tempfile::tempdir().unwrap());
    let machines: Vec<Gate> = (0..3).map(|_| gate(&address, folder.path(), 5)).collect();
    machines[0]
        .users()
        .add("alice", &PASSWORD.into(), "")
        .unwrap();
    let answered = std::sync::atomic::AtomicUsize::new(0);
    let begun = Instant::now();
    std::thread::scope(|threads| {
        for n in 0..24 {
            let (machine, answered) = (&machines[n % 3], &answered);
            threads.spawn(move || {
                for _ in 0..5 {
                    let error = wrong(machine, "192.0.2.1");
                    if matches!(error, Error::LoginFailed) {
                        answered.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    } else {
                        assert!(is_delayed(&error), "{error}");
                    }
                }
            });
        }
    });
    let answered = answered.into_inner();
    // Each pause that ends during the test lets through what the machines hash at once: after 1, 2, 4 ... seconds.
    let pauses = (begun.elapsed().as_secs() + 1).ilog2() as usize + 1;
    let at_once: usize = machines
        .iter()
        .map(|machine| machine.users().users().places())
        .sum();
    assert!(answered >= 5, "{answered}");
    assert!(answered <= 4 + at_once * (pauses + 1), "{answered}");
}

#[test]
fn without_the_store_no_guess_is_answered() {
    let (address, folder) = (Cluster::shared().database(), tempfile::tempdir().unwrap());
    let gate = gate(&address, folder.path(), 5);
    gate.users().add("alice", &PASSWORD.into(), "").unwrap();
    let database = address.rsplit_once('/').unwrap().1;
    Cluster::shared().sql(
        "postgres",
        &format!("DROP DATABASE \"{database}\" WITH (FORCE)"),
    );
    let right = gate.users().check("alice", &PASSWORD.into(), "192.0.2.1");
    assert!(matches!(right, Err(Error::Store(_))), "{right:?}");
    let error = wrong(&gate, "192.0.2.1");
    assert!(matches!(error, Error::Store(_)), "{error}");
}
