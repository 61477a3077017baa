//! A private PostgreSQL for a test, with a synchronous standby if asked, that can be killed, stopped and promoted. It listens on
//! Unix sockets, which the tests' proxies lead to, so that no port can be taken by others. At full size it waits for the disk as
//! in production.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::nodes::sized;
use super::trouble::Target;
use crate::common::{PATIENCE, text};
use programs::program;
pub(crate) use programs::{as_postgres, give};

#[path = "../../src/store/postgres/tests/programs.rs"]
mod programs;

/// Ends the servers when the test process is gone, however it went: its end of the pipe closes then.
const WATCH: &str = r#"
cat >/dev/null
for file in "$1"/*/data/postmaster.pid; do
    [ -e "$file" ] || continue
    read -r id <"$file"
    pkill -CONT -P "$id"
    kill -KILL "$id"
done
rm -rf "$1"
"#;

/// A primary and, if asked, its standby.
pub struct Postgres {
    pub primary: Instance,
    pub standby: Option<Instance>,
    watch: Child,
    _folder: tempfile::TempDir,
}

/// One server process with its data.
pub struct Instance {
    folder: PathBuf,
    child: Mutex<Option<Child>>,
}

fn done(command: &mut Command) -> String {
    let output = command
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    text(&output.stdout)
}

impl Postgres {
    /// A server alone.
    pub fn alone() -> Postgres {
        let folder = tempfile::tempdir().unwrap();
        give(folder.path());
        let watch = Command::new("sh")
            .args(["-c", WATCH, "watch"])
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let primary = Instance::new(folder.path().join("a"));
        done(
            as_postgres(&program("initdb"))
                .args(["--auth=trust", "--username=postgres", "--encoding=UTF8"])
                .args(["--locale=C", "--no-sync", "--pgdata"])
                .arg(primary.data()),
        );
        primary.start();
        Postgres {
            primary,
            standby: None,
            watch,
            _folder: folder,
        }
    }

    /// A server and a standby that has every commit before it is confirmed.
    pub fn with_standby() -> Postgres {
        let mut postgres = Postgres::alone();
        let primary = &postgres.primary;
        let standby = Instance::new(primary.folder.with_file_name("b"));
        done(
            as_postgres(&program("pg_basebackup"))
                .args(["--checkpoint=fast", "--wal-method=stream", "--no-sync"])
                .args(["--write-recovery-conf", "--pgdata"])
                .arg(standby.data())
                .arg("--dbname")
                .arg(format!(
                    "host={} user=postgres application_name=standby",
                    primary.folder.display()
                )),
        );
        standby.start();
        // Only now: before, commits would wait for a standby that nobody has made yet. The standby has no such setting, so
        // that it waits for nobody once it is promoted.
        primary.sql(
            "postgres",
            "ALTER SYSTEM SET synchronous_standby_names = 'standby'",
        );
        primary.sql("postgres", "SELECT pg_reload_conf()");
        wait_until("the standby does not follow", || {
            let state = "SELECT sync_state FROM pg_stat_replication";
            primary.sql("postgres", state) == "sync"
        });
        postgres.standby = Some(standby);
        postgres
    }

    /// The servers, the primary first.
    pub fn instances(&self) -> impl Iterator<Item = &Instance> {
        std::iter::once(&self.primary).chain(&self.standby)
    }

    pub fn standby(&self) -> &Instance {
        self.standby.as_ref().expect("a standby")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        for instance in self.instances() {
            instance.end();
        }
        drop(self.watch.stdin.take());
        let _ = self.watch.wait();
    }
}

impl Instance {
    fn new(folder: PathBuf) -> Instance {
        fs::create_dir(&folder).unwrap();
        give(&folder);
        Instance {
            folder,
            child: Mutex::new(None),
        }
    }

    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Where its Unix socket is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn target(&self) -> Target {
        Target::Unix(self.folder.join(".s.PGSQL.5432"))
    }

    /// Starts it without waiting for it.
    pub fn launch(&self) {
        let mut child = self.child.lock().unwrap();
        assert!(child.is_none(), "it runs");
        let log = self.folder.join("log");
        let log = File::options().append(true).create(true).open(log).unwrap();
        let started = as_postgres(&program("postgres"))
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(&self.folder)
            .args(["-c", "listen_addresses=", "-c", "max_connections=200"])
            // What a killed process has written the kernel keeps. A disk that others use stands still for seconds now and then.
            .args(["-c", sized("fsync=off", "fsync=on")])
            .env("LC_ALL", "C")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        *child = Some(started);
    }

    pub fn start(&self) {
        self.launch();
        let start = Instant::now();
        while self.try_sql("postgres", "SELECT 1").is_none() {
            let ended = self.child.lock().unwrap().as_mut().unwrap().try_wait();
            let log = self.log();
            let is_running = ended.unwrap().is_none();
            // Processes of a server that was killed take a moment to end.
            let waits = log
                .trim_end()
                .lines()
                .rev()
                .take(2)
                .any(|line| line.contains("still in use"));
            assert!(
                (is_running || waits) && start.elapsed() < PATIENCE,
                "PostgreSQL does not start: {log}"
            );
            std::thread::sleep(Duration::from_millis(20));
            if !is_running {
                *self.child.lock().unwrap() = None;
                self.launch();
            }
        }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// The postmaster, and then all processes that it has started.
    fn processes(&self) -> Vec<Pid> {
        let child = self.child.lock().unwrap();
        let Some(postmaster) = child.as_ref().map(Child::id) else {
            return Vec::new();
        };
        let mut all = vec![postmaster];
        all.extend(children_of(postmaster));
        let pid = |id: u32| Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
        all.into_iter().map(pid).collect()
    }

    fn signal(&self, signal: Signal) -> Vec<Pid> {
        let processes = self.processes();
        for process in &processes {
            // Some may have ended since.
            let _ = kill_process(*process, signal);
        }
        processes
    }

    /// As when the machine loses its power, though what the kernel has is kept: nothing is said to anybody.
    pub fn kill(&self) {
        // A new process may have been started while the others were listed, and the first to go is the one that starts them.
        let killed = self.signal(Signal::KILL);
        if let Some(mut child) = self.child.lock().unwrap().take() {
            child.wait().unwrap();
        }
        wait_until("PostgreSQL's processes stay", || {
            killed.iter().all(|process| !is_alive(*process))
        });
    }

    /// It accepts connections from now on, but nobody answers.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
        // What was started in between.
        self.signal(Signal::STOP);
    }

    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn end(&self) {
        self.go_on();
        self.kill();
    }

    /// Makes a standby the primary, and returns when it is.
    pub fn promote(&self) {
        done(
            as_postgres(&program("pg_ctl"))
                .args(["promote", "--wait", "--pgdata"])
                .arg(self.data()),
        );
    }

    /// What a statement returns, as `psql` prints it.
    pub fn sql(&self, database: &str, statement: &str) -> String {
        done(&mut self.psql(database, statement)).trim().to_owned()
    }

    /// The same for a server that may be down.
    pub fn try_sql(&self, database: &str, statement: &str) -> Option<String> {
        let output = self.psql(database, statement).output().unwrap();
        let is_good = output.status.success();
        is_good.then(|| text(&output.stdout).trim().to_owned())
    }

    pub fn psql(&self, database: &str, statement: &str) -> Command {
        let mut psql = Command::new(program("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only"])
            .args(["--set=ON_ERROR_STOP=1", "--username=postgres", "--host"])
            .arg(&self.folder)
            .args(["--dbname", database, "--command", statement])
            .stdin(Stdio::null());
        psql
    }
}

fn children_of(parent: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap();
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        // The name before may hold anything.
        let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
        fields.split(' ').nth(1) == Some(&parent.to_string())
    })
    .collect()
}

/// Whether a process still runs; one that nobody has waited for yet does not.
fn is_alive(process: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
    stat.is_ok_and(|stat| {
        !stat
            .rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with('Z'))
    })
}

pub fn wait_until(or_else: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{or_else}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_confirmed_commit_survives_kills_and_the_loss_of_the_primary() {
    let mut postgres = Postgres::with_standby();
    let primary = &postgres.primary;
    primary.sql("postgres", "CREATE TABLE kept (number int)");
    primary.sql("postgres", "INSERT INTO kept VALUES (1)");
    primary.kill();
    assert_eq!(primary.try_sql("postgres", "SELECT 1"), None);
    primary.start();
    primary.stop();
    let standby = postgres.standby.take().unwrap();
    assert_eq!(standby.sql("postgres", "SELECT number FROM kept"), "1");
    standby.promote();
    standby.sql("postgres", "INSERT INTO kept VALUES (2)");
    assert_eq!(standby.sql("postgres", "SELECT sum(number) FROM kept"), "3");
    primary.go_on();
    assert_eq!(primary.sql("postgres", "SELECT sum(number) FROM kept"), "1");
    postgres.standby = Some(standby);
}
