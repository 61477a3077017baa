//! Reports on standard error what a command created or changed in the data directory or in a shared store; standard output is
//! for results. The reports name the directory, because a command run as a different user from the server's uses a different one.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sealgate::STORE_FILE;
use sealgate::config::default_data_dir_origin;
use sealgate::keys::{RING_BACKUP_FILE, RING_FILE, Settings};

use super::{Failure, remark};

/// The data directory as it was before the command changed anything.
pub(super) struct Changes {
    /// `None` also if a shared store has everything.
    folder: Option<PathBuf>,
    /// The address of a shared store, or of a server.
    shared: Option<String>,
    had_store: bool,
    had_ring: bool,
    /// When the ring's file was last written; it is only ever replaced as a whole.
    ring_written: Option<SystemTime>,
    /// Whether servers with these settings use a key from the ring.
    needs_ring: bool,
    ephemeral: bool,
}

impl Changes {
    pub(super) fn before(settings: &Settings) -> Self {
        let shared = settings.shared.url.as_ref().map(ToString::to_string);
        let folder = settings.data_dir.as_ref().filter(|_| shared.is_none());
        let folder = folder.map(|folder| {
            // If the working directory no longer exists, only the path as given can be shown.
            std::path::absolute(folder).unwrap_or_else(|_| folder.clone())
        });
        let has = |name: &str| {
            let path = folder.as_ref().map(|folder| folder.join(name));
            path.is_some_and(|path| path.symlink_metadata().is_ok())
        };
        Changes {
            had_store: has(STORE_FILE),
            had_ring: has(RING_FILE) || has(RING_BACKUP_FILE),
            ring_written: folder.as_deref().and_then(ring_written),
            needs_ring: !settings.ephemeral
                && (settings.given.jwt_secret_key.is_none() || settings.given.aes_key.is_none()),
            ephemeral: settings.ephemeral,
            folder,
            shared,
        }
    }

    /// On a server, which has everything.
    pub(super) fn on_server(url: &str) -> Self {
        Changes {
            folder: None,
            shared: Some(url.to_owned()),
            had_store: true,
            had_ring: true,
            ring_written: None,
            needs_ring: false,
            ephemeral: false,
        }
    }

    /// Refuses a change to the store that would be lost when the command ends.
    pub(super) fn must_be_kept(&self) -> Result<(), Failure> {
        if self.ephemeral && !self.had_store {
            return Err(Failure::wrong(
                "With SEALGATE_KEYS=ephemeral and no store in the data directory, the change would be lost when this \
                 command ends. Unset SEALGATE_KEYS.",
            ));
        }
        Ok(())
    }

    /// Reports that the store was changed, and where; warns if no server seems to use it.
    pub(super) fn report_store(&self) {
        if let Some(address) = &self.shared {
            remark(&format!("Changed the store {address}"));
        }
        let Some(folder) = &self.folder else {
            return;
        };
        self.report_ring_on_the_way();
        let done = if self.had_store { "Changed" } else { "Created" };
        let store = folder.join(STORE_FILE);
        remark(&format!("{done} the store {}", store.display()));
        if self.needs_ring && !self.had_ring {
            remark(
                "Warning: there was no key ring beside it, so a server that is already running probably uses another data \
                 directory and does not see this change. Set SEALGATE_DATA_DIR to the server's data directory, or run \
                 this as the server's user: sudo -u USER sealgate ...",
            );
            self.hint_at_sudo();
        }
    }

    /// Reports that the key ring was changed, and where.
    pub(super) fn report_ring(&self) {
        if let Some(address) = &self.shared {
            remark(&format!("Changed the key ring in {address}"));
        }
        if let Some(folder) = &self.folder {
            let ring = folder.join(RING_FILE);
            remark(&format!("Changed the key ring {}", ring.display()));
        }
    }

    /// Reports a key ring that was created as a side effect, or that gained a key because the token algorithm changed.
    pub(super) fn report_ring_on_the_way(&self) {
        if let Some(ring) = self.new_ring() {
            remark(&format!(
                "Created the key ring {}; a server with another data directory uses other keys",
                ring.display()
            ));
            self.hint_at_sudo();
        } else if self.folder.as_deref().and_then(ring_written) != self.ring_written {
            self.report_ring();
        }
    }

    /// For a command whose own output names the ring that it created.
    pub(super) fn hint_if_ring_is_new(&self) {
        if self.new_ring().is_some() {
            self.hint_at_sudo();
        }
    }

    /// For a list that would otherwise be empty without an explanation.
    pub(super) fn report_no_accounts(&self) {
        let folder = self.folder.as_ref();
        let folder = folder.map(|folder| folder.display().to_string());
        if let Some(place) = self.shared.clone().or(folder) {
            remark(&format!("There are no accounts in {place}"));
        }
    }

    /// The failure for an account that does not exist, naming the store that was searched.
    pub(super) fn no_such_account(&self) -> Failure {
        if let Some(address) = &self.shared {
            return Failure::no(format!("There is no account with this name in {address}."));
        }
        Failure::no(match &self.folder {
            Some(folder) if self.had_store => format!(
                "There is no account with this name in {}.",
                folder.join(STORE_FILE).display()
            ),
            Some(folder) => format!(
                "There is no account with this name: no account was ever created in {}. Set SEALGATE_DATA_DIR to use \
                 another data directory.",
                folder.display()
            ),
            None => "There is no account with this name.".to_owned(),
        })
    }

    /// The key ring, if the command created it.
    pub(super) fn new_ring(&self) -> Option<PathBuf> {
        let ring = self.folder.as_ref()?.join(RING_FILE);
        (!self.had_ring && ring.symlink_metadata().is_ok()).then_some(ring)
    }

    /// sudo changes the home directory, and with it the data directory, to another user's, which is easy to miss.
    fn hint_at_sudo(&self) {
        let caller = std::env::var("SUDO_USER").unwrap_or_default();
        let Some((folder, variable)) = default_data_dir_origin() else {
            return;
        };
        if !caller.is_empty() && self.folder.as_ref() == Some(&folder) {
            remark(&format!(
                "{caller} ran this through sudo, and the data directory depends on ${variable}: if the server runs as \
                 {caller}, run this without sudo"
            ));
        }
    }
}

fn ring_written(folder: &Path) -> Option<SystemTime> {
    fs::metadata(folder.join(RING_FILE)).ok()?.modified().ok()
}
