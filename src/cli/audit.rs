//! Audit events of commands that change something, delivered to what `SEALGATE_AUDIT_FILE` and `SEALGATE_AUDIT` name. The gate
//! records them; a command only says who is asking.

use std::time::Duration;

use sealgate::audit::{self, Asker};
use sealgate::{Error, Settings};

use super::{Failure, remark};

/// How long a command waits for its events to be delivered.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// The audit trail of one command. When it is dropped, the events are delivered, and it is reported if they could not be.
pub(super) struct Trail<'s> {
    settings: &'s Settings,
    trail: audit::Trail,
    /// The system user who runs the command.
    who: String,
}

impl<'s> Trail<'s> {
    /// Called before anything is changed: if the audit file cannot be opened, nothing is.
    pub(super) fn start(settings: &'s Settings) -> Result<Self, Failure> {
        let trail = audit::Trail::without_users(&settings.gate.audit);
        trail.open()?;
        #[cfg(unix)]
        let who = format!("uid:{}", rustix::process::getuid().as_raw());
        #[cfg(not(unix))]
        let who = "command".to_owned();
        Ok(Trail {
            settings,
            trail,
            who,
        })
    }

    pub(super) fn asker(&self) -> Asker<'_> {
        Asker {
            peer: &self.who,
            id: "-",
            trace: None,
            by: None,
        }
    }

    /// The same for events that concern users.
    pub(super) fn with_users(&self) -> Result<audit::Trail, Error> {
        audit::Trail::of(&self.settings.gate)
    }
}

impl Drop for Trail<'_> {
    fn drop(&mut self) {
        self.trail.flush_within(FLUSH_LIMIT);
        if let Some(trouble) = self.trail.trouble() {
            remark(&trouble);
        }
    }
}
