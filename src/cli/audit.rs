//! Audit events of commands that change something, written to the file that `SEALGATE_AUDIT_FILE` names, if it is set. The
//! gate records them; a command only says who is asking.

use sealgate::audit::{Asker, Pseudonyms};
use sealgate::{Error, Settings, logging};

use super::{Failure, remark};

/// The audit trail of one command. When it is dropped, the events are written, and it is reported if they could not be.
pub(super) struct Trail<'s> {
    settings: &'s Settings,
    /// The system user who runs the command.
    who: String,
}

impl<'s> Trail<'s> {
    /// Called before anything is changed: what cannot be recorded is not done.
    pub(super) fn start(settings: &'s Settings) -> Result<Self, Failure> {
        if settings.log.audit_file.is_some() {
            logging::init_audit(&settings.log)?;
        }
        #[cfg(unix)]
        let who = format!("uid:{}", rustix::process::getuid().as_raw());
        #[cfg(not(unix))]
        let who = "command".to_owned();
        Ok(Trail { settings, who })
    }

    pub(super) fn asker(&self) -> Asker<'_> {
        Asker {
            peer: &self.who,
            id: "-",
            trace: None,
        }
    }

    /// Those of the key ring as it is. Without an audit file the ring is not read.
    pub(super) fn pseudonyms(&self) -> Result<Pseudonyms, Error> {
        match self.settings.log.audit_file {
            Some(_) => Pseudonyms::of(&self.settings.gate.keys),
            None => Ok(Pseudonyms::default()),
        }
    }
}

impl Drop for Trail<'_> {
    fn drop(&mut self) {
        if self.settings.log.audit_file.is_none() {
            return;
        }
        log::logger().flush();
        if let Some(trouble) = logging::trouble() {
            remark(&trouble);
        }
    }
}
