//! Background work of a server: replaces keys that have reached their maximum age, records how many messages each key has
//! sealed and when API keys were last used, and has the TLS certificate replaced when its files change. It also samples the
//! figures of the last hour. Without work it sleeps.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::api::App;
use crate::base::fork;
use crate::base::sync::lock;
use crate::base::threads;
use crate::{Error, Gate};

/// The thread ends after this is dropped; dropping does not wait for it.
pub(super) struct Housekeeping {
    over: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Shortest and longest interval between checks of the keys' age.
const OFTEN: Duration = Duration::from_millis(250);
const SELDOM: Duration = Duration::from_secs(60);
/// How long a stop waits for the thread.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often the count of sealed messages and the last use of API keys are written, while keys are used.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// The longest interval between checks if nothing is due. Not for ever: two servers of one gate have one thread that is woken.
const RARELY: Duration = Duration::from_secs(3600);

/// How often the figures of the last hour are sampled.
const SAMPLE_EVERY: Duration = Duration::from_secs(10);

impl Housekeeping {
    /// Starts a thread, if the settings require one. `look`: checks other files, and returns when to do so again. The figures of
    /// the last hour are sampled when it is awake anyway; it wakes for them alone if they are `wanted`.
    pub(super) fn start(
        app: &App,
        wanted: bool,
        look: Option<impl Fn() -> Duration + Send + 'static>,
    ) -> Result<Option<Self>, Error> {
        let gate = app.gate();
        let pauses = [
            wanted.then_some(SAMPLE_EVERY),
            gate.keys().age().map(|age| (age / 20).clamp(OFTEN, SELDOM)),
            (gate.keys().keeps_usage() || gate.has_store()).then_some(RARELY),
        ];
        let regular = pauses.into_iter().flatten().min();
        if regular.is_none() && look.is_none() {
            return Ok(None);
        }
        let regular = regular.unwrap_or(RARELY);
        let over = Arc::new(AtomicBool::new(false));
        let (app, gate, stop) = (app.clone(), gate.clone(), over.clone());
        let mut pause = if look.is_some() { OFTEN } else { regular };
        let thread = threads::spawn("sealgate-upkeep", move || {
            let mut trouble = None;
            while !is_over_within(&stop, &gate, pause) {
                let _section = fork::section();
                let for_files = look.as_ref().map_or(RARELY, |look| look());
                pause = for_files.min(regular);
                rotate(&gate, &mut trouble);
                gate.write_key_usage();
                app.sample();
            }
        })
        .map_err(|error| Error::Io(format!("A thread cannot be started: {error}.")))?;
        Ok(Some(Housekeeping {
            over,
            thread: Mutex::new(Some(thread)),
        }))
    }

    pub(super) fn stop(&self) {
        self.over.store(true, Ordering::Release);
        if let Some(thread) = &*lock(&self.thread) {
            thread.thread().unpark();
        }
    }

    /// Waits until the thread has ended after [`stop`](Self::stop), but not for ever: it may wait for a disk. OpenSSL's exit
    /// handler must not run while it still makes a key.
    pub(super) fn join(&self) {
        let Some(thread) = lock(&self.thread).take() else {
            return;
        };
        let until = Instant::now() + PATIENCE;
        while !thread.is_finished() && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
        if thread.is_finished() {
            let _ = thread.join();
        }
    }
}

impl Drop for Housekeeping {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Waits so long, or until keys have been used and a little longer, so that more uses are written at once.
fn is_over_within(over: &AtomicBool, gate: &Gate, pause: Duration) -> bool {
    let is_over = || over.load(Ordering::Acquire);
    let mut end = Instant::now() + pause;
    while !is_over() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        if left <= WRITE_EVERY {
            thread::park_timeout(left);
        } else if gate.sleep_until_keys_are_used(left) {
            end = end.min(Instant::now() + WRITE_EVERY);
        }
    }
    is_over()
}

/// `trouble`: why the last attempt failed. Every attempt is repeated, but the same failure is logged only once.
fn rotate(gate: &Gate, trouble: &mut Option<String>) {
    match gate.rotate_old_keys() {
        Ok(added) => {
            *trouble = None;
            for key in added {
                match key.signs_from {
                    None => {
                        log::info!(kind = key.kind.name(), id = key.id; "a key reached its maximum age and was replaced");
                    }
                    Some(time) => {
                        log::info!(
                            kind = key.kind.name(), id = key.id, signs_from = time;
                            "a key reached its maximum age; the next one is published"
                        );
                    }
                }
            }
        }
        Err(error) => {
            let error = error.to_string();
            if trouble.as_ref() != Some(&error) {
                log::error!("keys that have reached their maximum age cannot be replaced: {error}");
                *trouble = Some(error);
            }
        }
    }
}
