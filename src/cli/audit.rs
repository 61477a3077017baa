//! Audit events of commands that change something, written to the file that `SEALGATE_AUDIT_FILE` names, if it is set.

use sealgate::audit::{Event, Pseudonyms};
use sealgate::{Error, Settings, logging};

use super::{Failure, remark};

/// Where a command records what it did.
pub(super) struct Trail(Option<Pseudonyms>);

impl Trail {
    /// Called before anything is changed: what cannot be recorded is not done.
    pub(super) fn start(settings: &Settings) -> Result<Self, Failure> {
        if settings.log.audit_file.is_none() {
            return Ok(Trail(None));
        }
        logging::init_audit(&settings.log)?;
        Ok(Trail(Some(Pseudonyms::of(&settings.gate.keys)?)))
    }

    /// Records the result of a change to the keys, and returns it.
    pub(super) fn told<T>(&self, event: &'static str, done: Result<T, Error>) -> Result<T, Error> {
        self.tell(
            event,
            done.as_ref().map_or_else(Error::code, |_| "ok"),
            None,
        );
        done
    }

    pub(super) fn tell(&self, event: &'static str, result: &str, user: Option<&str>) {
        let Some(pseudonyms) = &self.0 else {
            return;
        };
        pseudonyms.tell(&Event {
            event,
            result,
            user,
            peer: &format_args!("{}", whoever()),
            id: "-",
        });
        self.written();
    }

    /// Waits until the events are written, and reports if they could not be.
    pub(super) fn written(&self) {
        if self.0.is_none() {
            return;
        }
        log::logger().flush();
        if let Some(trouble) = logging::trouble() {
            remark(&trouble);
        }
    }
}

/// The system user who runs the command.
pub(super) fn whoever() -> String {
    #[cfg(unix)]
    return format!("uid:{}", rustix::process::getuid().as_raw());
    #[cfg(not(unix))]
    return "command".to_owned();
}
