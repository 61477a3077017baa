//! What a server does from time to time beside its requests: keys that have reached their age are replaced, and
//! how many messages keys have sealed is written down.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::base::fork;
use crate::base::sync::lock;
use crate::base::threads;
use crate::{Error, Gate};

/// The thread ends when this is dropped; nobody waits for it.
pub(super) struct Housekeeping {
    over: Arc<(Mutex<bool>, Condvar)>,
}

/// How often keys are looked at, at most and at least.
const OFTEN: Duration = Duration::from_millis(250);
const SELDOM: Duration = Duration::from_secs(60);
/// How often the messages sealed meanwhile are written down.
const WRITE_EVERY: Duration = Duration::from_secs(1);

impl Housekeeping {
    /// Starts a thread, if the settings leave something to do.
    pub(super) fn start(gate: &Gate) -> Result<Option<Self>, Error> {
        let pauses = [
            gate.key_age().map(|age| (age / 20).clamp(OFTEN, SELDOM)),
            gate.keeps_key_usage().then_some(WRITE_EVERY),
        ];
        let Some(pause) = pauses.into_iter().flatten().min() else {
            return Ok(None);
        };
        let over = Arc::new((Mutex::new(false), Condvar::new()));
        let (gate, told) = (gate.clone(), over.clone());
        threads::spawn("sealgate-keys", move || {
            let mut trouble = None;
            while !is_over_within(&told, pause) {
                let _section = fork::section();
                rotate(&gate, &mut trouble);
                gate.write_key_usage();
            }
        })
        .map_err(|error| Error::Io(format!("A thread cannot be started: {error}.")))?;
        Ok(Some(Housekeeping { over }))
    }

    pub(super) fn stop(&self) {
        let (over, bell) = &*self.over;
        *lock(over) = true;
        bell.notify_all();
    }
}

impl Drop for Housekeeping {
    fn drop(&mut self) {
        self.stop();
    }
}

fn is_over_within(told: &(Mutex<bool>, Condvar), pause: Duration) -> bool {
    let (over, bell) = told;
    let waited = bell.wait_timeout_while(lock(over), pause, |over| !*over);
    *waited.unwrap_or_else(PoisonError::into_inner).0
}

/// `trouble`: why it failed the last time. It is tried again and again, and told once.
fn rotate(gate: &Gate, trouble: &mut Option<String>) {
    match gate.rotate_old_keys() {
        Ok(added) => {
            *trouble = None;
            if !added.is_empty() {
                gate.tell_replaced_keys();
            }
            for key in added {
                match key.signs_from {
                    None => {
                        log::info!(kind = key.kind, id = key.id; "a key has reached its age and was replaced");
                    }
                    Some(time) => {
                        log::info!(kind = key.kind, id = key.id, signs_from = time; "a key has reached its age; the next one is published");
                    }
                }
            }
        }
        Err(error) => {
            let error = error.to_string();
            if trouble.as_ref() != Some(&error) {
                log::error!("keys that have reached their age cannot be replaced: {error}");
                *trouble = Some(error);
            }
        }
    }
}
