//! Audit events of commands that change something: to the file that `SEALGATE_AUDIT_FILE` names, or nowhere.

use sealgate::audit::{Event, Pseudonyms};
use sealgate::{Error, Settings, logging};

use super::{Failure, remark};

/// Where a command tells what it did.
pub(super) struct Trail(Option<Pseudonyms>);

impl Trail {
    /// Before anything is changed: what cannot be told is not done.
    pub(super) fn start(settings: &Settings) -> Result<Self, Failure> {
        if settings.log.audit_file.is_none() {
            return Ok(Trail(None));
        }
        logging::init_audit(&settings.log)?;
        Ok(Trail(Some(Pseudonyms::of(&settings.gate.keys)?)))
    }

    /// Tells how a change of keys ended, and passes that on.
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

    /// Waits until what was told is written, and reports if it could not be.
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

/// The system's user who runs the command.
pub(super) fn whoever() -> String {
    #[cfg(unix)]
    return format!("uid:{}", rustix::process::getuid().as_raw());
    #[cfg(not(unix))]
    return "command".to_owned();
}
