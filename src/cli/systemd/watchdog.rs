//! Reports to systemd at intervals that the workers respond (`WatchdogSec=`). While one does not, it is silent, and systemd
//! restarts the service.

use std::env;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::Notifier;

/// Divides systemd's interval: a report is due once in each part, and a worker has to respond within one. A single late
/// response is therefore followed by a report in time.
const PARTS: u32 = 3;

/// Silent once dropped or stopped.
pub(crate) struct Watchdog {
    over: Arc<AtomicBool>,
    thread: Option<Thread>,
}

impl Watchdog {
    /// Starts a thread, if systemd asks for it. `is_alive`: whether all workers respond within this time.
    pub(crate) fn start(
        notifier: &Notifier,
        is_alive: impl Fn(Duration) -> bool + Send + 'static,
    ) -> Self {
        let interval = wanted(
            env::var("WATCHDOG_USEC").ok().as_deref(),
            env::var("WATCHDOG_PID").ok().as_deref(),
        );
        match interval.filter(|_| notifier.is_heard()) {
            Some(interval) => {
                let notifier = notifier.clone();
                Watchdog::every(interval / PARTS, is_alive, move || notifier.alive())
            }
            None => Watchdog {
                over: Arc::default(),
                thread: None,
            },
        }
    }

    fn every(
        pause: Duration,
        is_alive: impl Fn(Duration) -> bool + Send + 'static,
        report: impl Fn() + Send + 'static,
    ) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let stopped = over.clone();
        let (started, begins) = mpsc::channel();
        let watch = move || {
            let _ = started.send(thread::current());
            let mut held_up = false;
            while !stopped.load(Ordering::Relaxed) {
                let asked = Instant::now();
                let alive = is_alive(pause);
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                match alive {
                    true => report(),
                    false if !held_up => log::error!(
                        "a worker or the listener has not responded for {} ms: unless it does, systemd restarts the server",
                        pause.as_millis()
                    ),
                    false => {}
                }
                held_up = !alive;
                thread::park_timeout(pause.saturating_sub(asked.elapsed()));
            }
        };
        let thread = thread::Builder::new()
            .name("watchdog".to_owned())
            .spawn(watch);
        let thread =
            thread.inspect_err(|error| log::error!("the watchdog cannot be started: {error}"));
        Watchdog {
            over,
            thread: thread.ok().and_then(|_| begins.recv().ok()),
        }
    }

    /// Ends the reports: systemd expects none from a service that is stopping.
    pub(crate) fn stop(&self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = &self.thread {
            thread.unpark();
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The interval of `WATCHDOG_USEC`, unless it is meant for another process.
fn wanted(microseconds: Option<&str>, process: Option<&str>) -> Option<Duration> {
    let own = std::process::id();
    if process.is_some_and(|process| process.parse() != Ok(own)) {
        return None;
    }
    let microseconds = microseconds?.parse().ok().filter(|time| *time > 0);
    microseconds.map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_the_one_for_this_process() {
        let own = std::process::id().to_string();
        let minute = Some(Duration::from_secs(60));
        assert_eq!(wanted(Some("60000000"), None), minute);
        assert_eq!(wanted(Some("60000000"), Some(&own)), minute);
        for (time, process) in [
            (None, None),
            (Some("0"), None),
            (Some("-1"), None),
            (Some("a minute"), None),
            (Some("60000000"), Some("1")),
            (Some("60000000"), Some("")),
        ] {
            assert_eq!(wanted(time, process), None, "{time:?} {process:?}");
        }
    }

    #[test]
    fn it_is_silent_while_a_worker_is_held_up_and_once_it_is_stopped() {
        const PATIENCE: Duration = Duration::from_secs(60);
        let alive = Arc::new(AtomicBool::new(true));
        let responds = alive.clone();
        let (asked, asks) = mpsc::channel();
        let (reported, reports) = mpsc::channel();
        let is_alive = move |_| {
            let alive = responds.load(Ordering::SeqCst);
            let _ = asked.send(alive);
            alive
        };
        let watchdog = Watchdog::every(Duration::from_millis(5), is_alive, move || {
            let _ = reported.send(());
        });
        for _ in 0..2 {
            reports.recv_timeout(PATIENCE).unwrap();
        }
        alive.store(false, Ordering::SeqCst);
        while asks.recv_timeout(PATIENCE).unwrap() {}
        // All reports were made before it asked again.
        while reports.try_recv().is_ok() {}
        for _ in 0..5 {
            assert!(!asks.recv_timeout(PATIENCE).unwrap());
        }
        assert!(reports.try_recv().is_err());
        alive.store(true, Ordering::SeqCst);
        reports.recv_timeout(PATIENCE).unwrap();
        watchdog.stop();
        // The thread ends.
        while reports.recv_timeout(PATIENCE).is_ok() {}
    }
}
