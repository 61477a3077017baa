//! The reader over a feed that the test controls, and with it what a process may believe for how long.

use std::collections::VecDeque;
use std::sync::atomic::AtomicUsize;
use std::sync::{Barrier, Mutex};

use super::*;
use crate::base::sync::lock;
use crate::store::shared::{Facts, News, Node, Position};

/// A store whose log is a list, and which the test can break.
#[derive(Default)]
struct Fake {
    state: Mutex<State>,
    reads: AtomicUsize,
    reports: AtomicUsize,
    snapshots: AtomicUsize,
    fails: std::sync::atomic::AtomicBool,
}

#[derive(Default)]
struct State {
    log: Vec<Entry>,
    /// Entries before this one are no longer in the log.
    pruned: usize,
    accounts: bool,
    /// Each reading takes one before it reads, and meets the test there twice.
    stops: VecDeque<Arc<Barrier>>,
}

impl Fake {
    fn add(&self, entry: Entry) {
        lock(&self.state).log.push(entry);
    }

    fn stop(&self) -> Arc<Barrier> {
        let stop = Arc::new(Barrier::new(2));
        lock(&self.state).stops.push_back(Arc::clone(&stop));
        stop
    }

    fn answer(&self) -> Result<(), Error> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let stop = lock(&self.state).stops.pop_front();
        if let Some(stop) = stop {
            stop.wait();
            stop.wait();
        }
        match self.fails.load(Ordering::SeqCst) {
            true => Err(Error::Store("The store is lost.".to_owned())),
            false => Ok(()),
        }
    }

    fn position(&self, state: &State) -> (Position, Facts) {
        let position = Position {
            seen: state.log.len().to_string(),
            server: String::new(),
        };
        let facts = Facts {
            accounts: state.accounts,
            ..Facts::default()
        };
        (position, facts)
    }
}

impl Feed for Fake {
    fn snapshot(&self, each: &mut dyn FnMut(Entry)) -> Result<(Position, Facts), Error> {
        self.answer()?;
        self.snapshots.fetch_add(1, Ordering::SeqCst);
        let state = lock(&self.state);
        state.log.iter().cloned().for_each(each);
        Ok(self.position(&state))
    }

    fn news(&self, since: &Position) -> Result<News, Error> {
        self.answer()?;
        let state = lock(&self.state);
        let since: usize = since.seen.parse().unwrap();
        if since < state.pruned {
            return Ok(News::Lost);
        }
        let (position, facts) = self.position(&state);
        Ok(News::Changes {
            position,
            facts,
            entries: state.log[since..].to_vec(),
        })
    }

    fn wait(&self, longest: Duration) -> bool {
        std::thread::sleep(longest);
        false
    }

    fn report(&self, _node: &Node) -> Result<u32, Error> {
        self.reports.fetch_add(1, Ordering::SeqCst);
        self.answer().map(|()| 3)
    }

    fn maintain(&self) -> Result<(), Error> {
        Ok(())
    }

    fn is_up(&self) -> bool {
        true
    }
}

fn token(id: &str) -> Entry {
    Entry::Token {
        id: id.to_owned(),
        expires: u64::MAX,
    }
}

fn reader(stale: Duration) -> (Arc<Fake>, Reader) {
    let fake = Arc::new(Fake::default());
    let settings = SharedSettings {
        stale,
        timeout: Duration::from_secs(60),
        ..SharedSettings::default()
    };
    let reader = Reader::new(fake.clone(), &settings).unwrap();
    (fake, reader)
}

fn refuses(reader: &Reader, id: &str) -> bool {
    let presented = Presented {
        id,
        session: None,
        subject: "alice",
        issued_at: Some(1),
    };
    reader.replica.standing(presented).refused
}

#[test]
fn a_reading_goes_on_where_the_last_one_ended_or_begins_anew_if_the_log_does_not_reach_back() {
    let (fake, reader) = reader(Duration::from_secs(3_600));
    fake.add(token("a"));
    assert!(!reader.is_fresh() && !reader.has_tried());
    reader.look().unwrap();
    assert!(reader.is_fresh() && refuses(&reader, "a") && !refuses(&reader, "b"));
    fake.add(token("b"));
    reader.look().unwrap();
    assert!(refuses(&reader, "b"));
    assert_eq!(fake.snapshots.load(Ordering::SeqCst), 1);
    fake.add(token("c"));
    lock(&fake.state).pruned = 3;
    reader.look().unwrap();
    assert!(refuses(&reader, "c"));
    assert_eq!(fake.snapshots.load(Ordering::SeqCst), 2);
    reader.look().unwrap();
    assert_eq!(fake.snapshots.load(Ordering::SeqCst), 2);
}

#[test]
fn what_could_not_be_read_is_read_once_the_store_is_back() {
    let (fake, reader) = reader(Duration::from_secs(3_600));
    reader.look().unwrap();
    fake.fails.store(true, Ordering::SeqCst);
    fake.add(token("a"));
    assert!(reader.look().is_err() && reader.look().is_err());
    assert!(!refuses(&reader, "a") && reader.is_fresh(), "for an hour");
    fake.fails.store(false, Ordering::SeqCst);
    reader.look().unwrap();
    assert!(refuses(&reader, "a"));
    assert_eq!(fake.snapshots.load(Ordering::SeqCst), 1);
}

#[test]
fn the_list_may_be_used_for_as_long_as_the_settings_permit() {
    for stale in [Duration::ZERO, Duration::from_secs(3_600)] {
        let (fake, reader) = reader(stale);
        reader.look().unwrap();
        fake.fails.store(true, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(50));
        assert!(reader.look().is_err());
        assert_eq!(reader.is_fresh(), !stale.is_zero());
        assert!(reader.age().unwrap() >= Duration::from_millis(30));
        fake.fails.store(false, Ordering::SeqCst);
        reader.look().unwrap();
    }
    let (fake, reader) = reader(Duration::from_secs(3_600));
    fake.fails.store(true, Ordering::SeqCst);
    assert!(reader.look().is_err());
    assert!(!reader.is_fresh() && reader.has_tried() && reader.age().is_none());
}

#[test]
fn the_first_account_makes_everything_be_checked_again() {
    let (fake, reader) = reader(Duration::from_secs(3_600));
    reader.look().unwrap();
    let before = (reader.replica.epoch(), reader.replica.account_epoch());
    reader.look().unwrap();
    assert_eq!(
        before,
        (reader.replica.epoch(), reader.replica.account_epoch())
    );
    assert!(!reader.has_had_accounts());
    lock(&fake.state).accounts = true;
    reader.look().unwrap();
    assert!(reader.has_had_accounts());
    assert!(reader.replica.epoch() > before.0 && reader.replica.account_epoch() > before.1);
}

#[test]
fn of_many_who_want_to_read_one_reads_for_all_and_after_their_changes() {
    const CALLERS: usize = 8;
    let (fake, reader) = reader(Duration::from_secs(3_600));
    reader.look().unwrap();
    let stop = fake.stop();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| reader.look());
        // It has begun to read: what is changed now, it may miss.
        stop.wait();
        let before = fake.reads.load(Ordering::SeqCst);
        let others: Vec<_> = (0..CALLERS)
            .map(|number| {
                let (fake, reader) = (&fake, &reader);
                scope.spawn(move || {
                    let id = number.to_string();
                    fake.add(token(&id));
                    reader.look().unwrap();
                    assert!(refuses(reader, &id), "{id}");
                })
            })
            .collect();
        // All of them wait, unless the machine is slow; then they read by themselves.
        std::thread::sleep(Duration::from_millis(100));
        stop.wait();
        first.join().unwrap().unwrap();
        others.into_iter().for_each(|other| other.join().unwrap());
        let reads = fake.reads.load(Ordering::SeqCst) - before;
        assert!((1..=CALLERS).contains(&reads), "{reads}");
    });
}

#[test]
fn whoever_waits_for_a_reader_that_is_stuck_gives_up() {
    let fake = Arc::new(Fake::default());
    let settings = SharedSettings {
        timeout: Duration::from_millis(50),
        ..SharedSettings::default()
    };
    let reader = Reader::new(fake.clone(), &settings).unwrap();
    let stop = fake.stop();
    std::thread::scope(|scope| {
        let stuck = scope.spawn(|| reader.look());
        stop.wait();
        assert!(matches!(reader.look(), Err(Error::Store(_))));
        stop.wait();
        stuck.join().unwrap().unwrap();
    });
    reader.look().unwrap();
}

#[test]
fn a_report_that_failed_is_soon_repeated() {
    let (fake, reader) = reader(Duration::from_secs(3_600));
    fake.fails.store(true, Ordering::SeqCst);
    let follower = Arc::new(Follower::new(reader));
    let start = Instant::now();
    let thread = std::thread::spawn({
        let follower = Arc::clone(&follower);
        move || follower.run()
    });
    while fake.reports.load(Ordering::SeqCst) < 4 {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
    // Three seconds; at the pace of good reports it would be fifteen.
    assert!(start.elapsed() < Duration::from_secs(14));
    follower.ends.store(true, Ordering::SeqCst);
    thread.join().unwrap();
}

#[test]
fn the_thread_reads_reports_and_ends() {
    let (fake, reader) = reader(Duration::from_secs(3_600));
    let follower = Arc::new(Follower::new(reader));
    let thread = std::thread::spawn({
        let follower = Arc::clone(&follower);
        move || follower.run()
    });
    let within_a_minute = |what: &str, is: &dyn Fn() -> bool| {
        let given_up = Instant::now() + Duration::from_secs(60);
        while !is() {
            assert!(Instant::now() < given_up, "{what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    within_a_minute("the number of nodes", &|| {
        follower.nodes.load(Ordering::Relaxed) == 3
    });
    fake.add(token("a"));
    within_a_minute("a revocation", &|| refuses(&follower.reader, "a"));
    // Not in a loop without a pause.
    let before = (fake.reads.load(Ordering::SeqCst), Instant::now());
    std::thread::sleep(Duration::from_millis(600));
    let reads = fake.reads.load(Ordering::SeqCst) - before.0;
    let most = before.1.elapsed().as_millis() / 250 + 3;
    assert!(reads as u128 <= most, "{reads}");
    fake.fails.store(true, Ordering::SeqCst);
    std::thread::sleep(Duration::from_millis(300));
    fake.fails.store(false, Ordering::SeqCst);
    fake.add(token("b"));
    within_a_minute("a revocation after a failure", &|| {
        refuses(&follower.reader, "b")
    });
    follower.ends.store(true, Ordering::SeqCst);
    thread.join().unwrap();
}
