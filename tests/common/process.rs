//! What the system says of a running server, and how many descriptors it and the tests themselves may have.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{PATIENCE, Server};

/// A number of /proc/PID/status, sizes in KiB.
fn status(id: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_ascii_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

/// Resident memory of a process, in KiB.
pub fn resident_of(id: u32) -> u64 {
    status(id, "VmRSS:")
}

/// The most memory of a process that was ever resident, in KiB.
pub fn peak_of(id: u32) -> u64 {
    status(id, "VmHWM:")
}

impl Server {
    /// Resident memory in KiB.
    pub fn resident(&self) -> u64 {
        resident_of(self.id())
    }

    /// The most memory that was ever resident, in KiB.
    pub fn peak(&self) -> u64 {
        peak_of(self.id())
    }

    pub fn threads(&self) -> u64 {
        status(self.id(), "Threads:")
    }

    /// What all its threads have computed so far, in hundredths of a second, as the kernel counts.
    pub fn cpu_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let ticks = fields.split_ascii_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        Duration::from_millis(10 * ticks)
    }

    /// How often each thread of this name has waited for something so far, by the thread's id.
    pub fn waits_of_threads(&self, name: &str) -> BTreeMap<u32, u64> {
        self.waits_of_all_threads()
            .into_iter()
            .filter(|((of, _), _)| of == name)
            .map(|((_, id), waits)| (id, waits))
            .collect()
    }

    /// The same of all threads, by name and id.
    pub fn waits_of_all_threads(&self) -> BTreeMap<(String, u32), u64> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.id())).unwrap();
        let statuses = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("status")));
        let field = |status: &str, field: &str| {
            let line = status.lines().find(|line| line.starts_with(field));
            line.unwrap()
                .split_ascii_whitespace()
                .nth(1)
                .unwrap()
                .to_owned()
        };
        statuses
            .filter_map(Result::ok) // a thread may have ended since
            .map(|status| {
                let id = field(&status, "Pid:").parse().unwrap();
                let waits = field(&status, "voluntary_ctxt_switches:").parse().unwrap();
                ((field(&status, "Name:"), id), waits)
            })
            .collect()
    }

    /// Waits until a second worker serves, or for as long as anything may take; whether one does. Who only waits for a first connection has
    /// waited once or twice.
    pub fn sees_a_second_worker(&self) -> bool {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let waits = self.waits_of_threads("sealgate-worker");
            if waits.values().filter(|waits| **waits > 5).count() >= 2 {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }

    /// Open descriptors: a connection that the server has given up has none.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.id()))
            .unwrap()
            .count()
    }

    /// Open descriptors once all connections of clients that have left are closed.
    pub fn settled_descriptors(&self) -> usize {
        let start = Instant::now();
        let mut before = self.descriptors();
        loop {
            std::thread::sleep(Duration::from_millis(300));
            let now = self.descriptors();
            if now == before {
                return now;
            }
            assert!(start.elapsed() < PATIENCE, "connections come and go");
            before = now;
        }
    }

    /// Waits until no more than this many descriptors are open; how long that took.
    pub fn waits_for_descriptors(&self, most: usize, patience: Duration) -> Duration {
        let start = Instant::now();
        loop {
            let open = self.descriptors();
            if open <= most {
                return start.elapsed();
            }
            assert!(
                start.elapsed() < patience,
                "{open} descriptors are open where {most} were expected"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Raises the test's own descriptor limit as far as it may, and says how far that is.
pub fn many_descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    limit.maximum.unwrap_or(u64::MAX)
}

/// Makes this command, which runs the server, one with a hard limit on its descriptors (it raises its soft one), and adds
/// arguments to it. What it would write to standard error is lost.
pub fn limit_descriptors(command: &mut Command, most: u32, arguments: &str) {
    let script = format!("ulimit -n {most}; exec \"$0\" serve {arguments}");
    start_by(command, &["sh", "-c", &script]);
}

/// Has this command's program started by another one, which gets its path as the last argument and its environment. What it
/// would write to standard error is lost.
pub fn start_by(command: &mut Command, by: &[&str]) {
    let program = command.get_program().to_owned();
    let settings: Vec<_> = command
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    let mut other = Command::new(by[0]);
    other
        .args(&by[1..])
        .arg(program)
        .env_clear()
        .envs(settings)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    *command = other;
}
