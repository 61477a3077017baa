//! Where audit events go besides the log: a file, syslog, or systemd's journal. Each has a bounded queue and a thread, as the
//! log has; what is not delivered is counted, and can keep changes from being made.
//!
//! Gates with the same settings share one. Threads start with the first event, in a forked child again: the parent's do not
//! exist there, and what they held is the parent's to deliver.

use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use log::Record;

use super::encoding::{Encoding, with_line};
use super::lines::{Lines, check_file};
use super::settings::{AuditFail, AuditSettings, AuditSocket};
use super::sink::{FLUSH_LIMIT, Health, Sink, flush};
use super::socket::{Framing, Socket};
use super::writer::{self, Target};
use crate::Error;
use crate::base::fork;
use crate::base::sync::lock;

const FILE: &str = "SEALGATE_AUDIT_FILE";
const SOCKET: &str = "SEALGATE_AUDIT";
/// How long a change waits until earlier events are delivered, and then until its own is.
const DELIVERY_LIMIT: Duration = Duration::from_secs(2);

/// Checks that the file can be trusted if it exists, and that the socket can be connected to. Writes nothing.
///
/// # Errors
/// [`Error::Setting`] for the first that is not as it should be.
pub fn check_audit(settings: &AuditSettings) -> Result<(), Error> {
    if let Some(file) = &settings.file {
        check_file(FILE, file)?;
    }
    let Some(socket) = &settings.socket else {
        return Ok(());
    };
    socket_of(socket).connect().map_err(|error| {
        let path = socket.path().display();
        Error::Setting(format!(
            "{SOCKET}: the socket {path} cannot be used: {error}."
        ))
    })
}

fn socket_of(socket: &AuditSocket) -> Socket {
    let framing = match socket {
        AuditSocket::Syslog(_) => Framing::Syslog,
        AuditSocket::Journald(_) => Framing::Journald,
    };
    Socket::new(socket.path(), framing)
}

/// The sinks of some settings.
pub(crate) struct AuditLog {
    settings: AuditSettings,
    running: ArcSwapOption<Running>,
    /// Held while threads are started.
    starting: Mutex<()>,
    /// Events that were lost because no thread could be started.
    unstarted: AtomicU64,
}

/// The sinks of one process.
struct Running {
    process: u32,
    sinks: Vec<Arc<Sink>>,
}

/// How a sink is doing.
pub(crate) struct AuditSink {
    /// `file`, `syslog` or `journald`.
    pub(crate) name: &'static str,
    pub(crate) is_up: bool,
    /// Events that are not delivered yet.
    pub(crate) waiting: u64,
    pub(crate) lost: u64,
}

/// All that live, for the end of the process and for SIGHUP.
static ALL: Mutex<Vec<Weak<AuditLog>>> = Mutex::new(Vec::new());

impl AuditLog {
    /// That of these settings; `None` if events go nowhere. Opens nothing and starts no thread yet.
    pub(crate) fn of(settings: &AuditSettings) -> Option<Arc<Self>> {
        if !settings.is_set() {
            return None;
        }
        // Dropped after the lock is released: the last user of one waits for its events.
        let mut live: Vec<Arc<AuditLog>> = Vec::new();
        let mut all = lock(&ALL);
        all.retain(|log| log.strong_count() > 0);
        live.extend(all.iter().filter_map(Weak::upgrade));
        if let Some(log) = live.iter().find(|log| log.settings == *settings) {
            return Some(log.clone());
        }
        let log = Arc::new(AuditLog {
            settings: settings.clone(),
            running: ArcSwapOption::empty(),
            starting: Mutex::new(()),
            unstarted: AtomicU64::new(0),
        });
        all.push(Arc::downgrade(&log));
        Some(log)
    }

    /// Opens the file now rather than at the first event, and finds out whether the socket accepts messages.
    ///
    /// # Errors
    /// [`Error::Setting`] if the file cannot be opened or trusted; [`Error::Io`] if a thread cannot be started.
    pub(crate) fn open(&self) -> Result<(), Error> {
        let running = self.running(true)?;
        fork::outside(|| {
            for sink in &running.sinks {
                sink.is_settled(DELIVERY_LIMIT);
            }
        });
        Ok(())
    }

    /// The sinks of this process, started if they were not. `must_open`: the file then has to be opened at once.
    fn running(&self, must_open: bool) -> Result<Arc<Running>, Error> {
        if let Some(running) = self.current() {
            return Ok(running);
        }
        let _turn = lock(&self.starting);
        if let Some(running) = self.current() {
            return Ok(running);
        }
        let running = Arc::new(self.start(must_open)?);
        self.running.store(Some(running.clone()));
        Ok(running)
    }

    /// The same if they were: those of a parent process are not ours.
    fn current(&self) -> Option<Arc<Running>> {
        let running = self.running.load_full()?;
        (running.process == process::id()).then_some(running)
    }

    fn start(&self, must_open: bool) -> Result<Running, Error> {
        let mut sinks = Vec::new();
        for (name, encoding) in self.kinds() {
            let target = match (encoding, &self.settings.socket, &self.settings.file) {
                (Encoding::Line(_), _, Some(path)) => {
                    let mut lines = Lines::of_file(path);
                    if self.is_awaited() {
                        lines = lines.synced();
                    }
                    if must_open {
                        lines.open_for(name)?;
                    }
                    Target::Lines(lines)
                }
                (_, Some(socket), _) => Target::Socket(socket_of(socket)),
                _ => continue,
            };
            let sink = Arc::new(Sink::new(name, encoding));
            sinks.push(sink.clone());
            if let Err(error) = writer::start(sink, target) {
                for started in &sinks {
                    started.end();
                }
                return Err(error);
            }
        }
        Ok(Running {
            process: process::id(),
            sinks,
        })
    }

    /// The sinks by the settings that name them.
    fn kinds(&self) -> Vec<(&'static str, Encoding)> {
        let settings = &self.settings;
        let file = settings.file.iter();
        let file = file.map(|_| (FILE, Encoding::Line(settings.format)));
        let socket = settings.socket.iter().map(|socket| match socket {
            AuditSocket::Syslog(_) => (SOCKET, Encoding::Syslog),
            AuditSocket::Journald(_) => (SOCKET, Encoding::Journald),
        });
        file.chain(socket).collect()
    }

    /// Whether changes may be made: always, unless the settings refuse them while events cannot be delivered. Then every earlier
    /// event must have been delivered; what still waits is attempted now.
    ///
    /// # Errors
    /// [`Error::Audit`].
    pub(crate) fn check(&self) -> Result<(), Error> {
        if !self.is_awaited() {
            return Ok(());
        }
        let running = match self.running(false) {
            Ok(running) => running,
            Err(error) => return Err(refusal(&error.to_string())),
        };
        let faults: Vec<String> = fork::outside(|| {
            let failing = running.sinks.iter();
            failing
                .filter(|sink| !sink.is_settled(DELIVERY_LIMIT))
                .map(|sink| {
                    sentence(sink, &sink.health())
                        .unwrap_or_else(|| format!("{} has accepted nothing.", sink.name()))
                })
                .collect()
        });
        match faults.is_empty() {
            true => Ok(()),
            false => Err(refusal(&faults.join(" "))),
        }
    }

    /// Queues an event for every sink. `is_awaited`: if changes are refused while events cannot be delivered, this waits until
    /// it is delivered, an attempt has failed, or [`DELIVERY_LIMIT`] has passed.
    pub(crate) fn record(&self, record: &Record<'_>, is_awaited: bool) {
        let Ok(running) = self.running(false) else {
            self.unstarted.fetch_add(1, Ordering::Relaxed);
            return;
        };
        for sink in &running.sinks {
            with_line(|line| {
                sink.encoding().encode(line, record);
                sink.append(line, true);
            });
        }
        if is_awaited && self.is_awaited() {
            fork::outside(|| flush(&running.sinks, DELIVERY_LIMIT));
        }
    }

    /// Whether a recorded change waits for its delivery.
    pub(crate) fn is_awaited(&self) -> bool {
        self.settings.fail == AuditFail::Closed
    }

    /// Problems with the trail, in sentences for an operator. `None` if there are none. Contains no path and no secret.
    pub(crate) fn trouble(&self) -> Option<String> {
        let mut sentences: Vec<String> = Vec::new();
        let unstarted = self.unstarted.load(Ordering::Relaxed);
        if unstarted > 0 {
            sentences.push(format!(
                "{unstarted} events are lost: no thread could be started."
            ));
        }
        if let Some(running) = self.current() {
            let sinks = running.sinks.iter();
            sentences.extend(sinks.filter_map(|sink| sentence(sink, &sink.health())));
        }
        (!sentences.is_empty()).then(|| sentences.join(" "))
    }

    /// How each sink is doing.
    pub(crate) fn sinks(&self) -> Vec<AuditSink> {
        let unstarted = self.unstarted.load(Ordering::Relaxed);
        let running = self.current();
        let sinks = running.iter().flat_map(|running| &running.sinks);
        let mut health = sinks.map(|sink| sink.health());
        let kinds = self.kinds().into_iter();
        kinds
            .map(|(_, encoding)| {
                let health = health.next().unwrap_or_default();
                AuditSink {
                    name: encoding.name(),
                    is_up: health.fault.is_none() && unstarted == 0,
                    waiting: health.waiting,
                    lost: health.lost + unstarted,
                }
            })
            .collect()
    }

    /// Waits until everything recorded before is delivered, `limit` has passed, or an attempt fails.
    pub(crate) fn flush(&self, limit: Duration) {
        if let Some(running) = self.current() {
            fork::outside(|| flush(&running.sinks, limit));
        }
    }

    pub(super) fn reopen(&self) {
        if let Some(running) = self.current() {
            for sink in &running.sinks {
                sink.reopen();
            }
        }
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        let Some(running) = self.current() else {
            return;
        };
        fork::outside(|| flush(&running.sinks, FLUSH_LIMIT));
        for sink in &running.sinks {
            let lost = sink.end();
            if lost > 0 {
                log::error!("{lost} events of {} could not be delivered", sink.name());
            }
        }
    }
}

/// All that live.
pub(super) fn all() -> Vec<Arc<AuditLog>> {
    lock(&ALL).iter().filter_map(Weak::upgrade).collect()
}

/// Their sinks.
pub(super) fn all_sinks() -> Vec<Arc<Sink>> {
    let running = all().into_iter().filter_map(|log| log.current());
    running.flat_map(|running| running.sinks.clone()).collect()
}

fn sentence(sink: &Sink, health: &Health) -> Option<String> {
    let Health {
        fault,
        waiting,
        lost,
    } = health;
    let name = sink.name();
    match fault {
        Some(fault) => Some(format!(
            "{name} {fault}. {waiting} events wait for delivery, {lost} are lost."
        )),
        None if *lost > 0 => Some(format!("{lost} events of {name} are lost.")),
        None => None,
    }
}

fn refusal(why: &str) -> Error {
    Error::Audit(format!(
        "The audit trail cannot be written, so nothing was changed. {why}"
    ))
}

impl std::fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("AuditLog").field(&self.settings).finish()
    }
}
