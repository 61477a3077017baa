//! What a request's line in the log costs: CPU time of the whole process, the writing thread included, for GET /healthz
//! with logging off and on. `cargo bench --bench logging`.

#![allow(missing_docs)] // criterion's macros make public functions
#![allow(clippy::unwrap_used)] // a bench that panics has failed
#![allow(clippy::print_stdout)] // its result

use std::fs::{File, OpenOptions};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use criterion::Criterion;
use log::LevelFilter;
use rustix::stdio::dup2_stderr;
use rustix::time::{ClockId, clock_gettime};
use sealgate::api::{App, Headers, Method, Peer, Request};
use sealgate::{Config, Gate, logging};

/// Requests in one batch. Their lines stay far below what the log keeps in memory, so none is lost unwritten.
const BATCH: u64 = 10_000;

fn app() -> App {
    let mut config = Config::new();
    config.set("keys", "ephemeral").unwrap();
    let settings = config.settings().unwrap();
    App::new(Gate::new(&settings.gate).unwrap(), &settings.app).unwrap()
}

fn ask(app: &App) {
    let response = app.handle(&Request {
        method: &Method::Get,
        target: "/healthz",
        headers: Headers(vec![("Host", b"localhost"), ("Accept", b"*/*")]),
        body: b"",
        peer: &Peer::local(Some(IpAddr::V4(Ipv4Addr::new(192, 168, 100, 200))), None),
        version_1_0: false,
        certificate: None,
    });
    assert_eq!(response.status().0, 200);
}

/// CPU time of all threads for so many requests, until the last line is written.
fn cpu_time(app: &App, requests: u64) -> Duration {
    let mut total = Duration::ZERO;
    let mut left = requests;
    while left > 0 {
        let batch = left.min(BATCH);
        let start = cpu_clock();
        for _ in 0..batch {
            ask(app);
        }
        log::logger().flush();
        total += cpu_clock() - start;
        left -= batch;
    }
    total
}

fn cpu_clock() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Where the lines go.
struct Place {
    name: &'static str,
    level: LevelFilter,
    terminal: File,
    is_file: bool,
}

impl Place {
    fn measure(&self, app: &App, requests: u64) -> Duration {
        let before = rustix::io::dup(rustix::stdio::stderr()).unwrap();
        dup2_stderr(&self.terminal).unwrap();
        log::set_max_level(self.level);
        let mut total = Duration::ZERO;
        let mut left = requests;
        while left > 0 {
            // The file is checked and emptied between, off the clock: none of the lines was lost.
            let part = left.min(20 * BATCH);
            total += cpu_time(app, part);
            if self.is_file {
                let lines = lines_of(&self.terminal);
                assert_eq!(lines, part, "lines in the file");
                self.terminal.set_len(0).unwrap();
            }
            left -= part;
        }
        log::set_max_level(LevelFilter::Off);
        dup2_stderr(&before).unwrap();
        total
    }
}

impl Place {
    /// A thousand requests, ten every 10 ms: the writing thread has to be woken for few lines at a time.
    fn measure_paced(&self, app: &App) -> Duration {
        let before = rustix::io::dup(rustix::stdio::stderr()).unwrap();
        dup2_stderr(&self.terminal).unwrap();
        log::set_max_level(self.level);
        let start = cpu_clock();
        for _ in 0..100 {
            (0..10).for_each(|_| ask(app));
            std::thread::sleep(Duration::from_millis(10));
        }
        log::logger().flush();
        let total = cpu_clock() - start;
        log::set_max_level(LevelFilter::Off);
        dup2_stderr(&before).unwrap();
        total
    }
}

fn lines_of(file: &File) -> u64 {
    use std::os::unix::fs::FileExt;
    let mut chunk = vec![0; 1 << 20];
    let (mut at, mut lines) = (0, 0);
    loop {
        let read = file.read_at(&mut chunk, at).unwrap();
        if read == 0 {
            return lines;
        }
        lines += chunk[..read].iter().filter(|byte| **byte == b'\n').count() as u64;
        at += read as u64;
    }
}

fn main() {
    let format = std::env::var("SEALGATE_LOG_FORMAT").unwrap_or("text".to_owned());
    let mut config = Config::new();
    config.set("log_format", &format).unwrap();
    logging::init(&config.settings().unwrap().log).unwrap();
    let app = app();
    let file = tempfile::NamedTempFile::new().unwrap();
    let null = || OpenOptions::new().write(true).open("/dev/null").unwrap();
    let appended = OpenOptions::new()
        .append(true)
        .read(true)
        .open(file.path())
        .unwrap();
    let place = |name, level, terminal, is_file| Place {
        name,
        level,
        terminal,
        is_file,
    };
    let places = [
        place("off", LevelFilter::Off, null(), false),
        place("to /dev/null", LevelFilter::Info, null(), false),
        place("to a file", LevelFilter::Info, appended, true),
    ];
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("logging");
    for place in &places {
        group.bench_function(place.name, |b| {
            b.iter_custom(|requests| place.measure(&app, requests));
        });
    }
    group.finish();
    criterion.final_summary();
    summary(&places, &app, &format);
}

/// The differences, from rounds that take turns, so that what else the machine does hits all alike.
fn summary(places: &[Place], app: &App, format: &str) {
    println!("\nCPU time of a request in all threads, medians ({format}):");
    tell("as fast as it goes", places, 201, |place| {
        place.measure(app, BATCH).as_nanos() as f64 / BATCH as f64
    });
    tell("1,000 a second", places, 9, |place| {
        place.measure_paced(app).as_nanos() as f64 / 1000.0
    });
}

fn tell(load: &str, places: &[Place], rounds: usize, measure: impl Fn(&Place) -> f64) {
    let mut times = vec![Vec::with_capacity(rounds); places.len()];
    for _ in 0..rounds {
        for (place, times) in places.iter().zip(&mut times) {
            times.push(measure(place));
        }
    }
    let medians: Vec<f64> = times
        .iter_mut()
        .map(|times| {
            times.sort_by(f64::total_cmp);
            times[rounds / 2]
        })
        .collect();
    for (place, median) in places.iter().zip(&medians) {
        println!(
            "{load:>20}, log {:<13} {median:6.0} ns, the log's share {:5.0} ns",
            place.name,
            median - medians[0]
        );
    }
}
