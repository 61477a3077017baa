//! Operations on the key ring, recorded in the audit trail.

use std::path::PathBuf;
use std::time::Duration;

use super::Gate;
use super::audit::{Asker, AuditEvent, Trail};
use super::settings::Settings;
use crate::keys::{self, Changed, Generated, KeyKind, KeyList, KeyState, NewKeys, RingSecret};
use crate::{Error, Secret};

/// The key ring that the settings name, managed on behalf of an [`Asker`]. Needs no gate, but [`Gate::key_admin`] returns that
/// of a gate, which uses a change at once. Other gates that use the ring detect changes within half a second. If the settings
/// refuse changes while audit events cannot be delivered, every change may fail with [`Error::Audit`].
///
/// ```
/// # fn main() -> Result<(), sealgate::Error> {
/// use sealgate::{Config, Gate, KeyKind};
/// use sealgate::keys::NewKeys;
///
/// let directory = tempfile::tempdir().unwrap();
/// let mut config = Config::new();
/// config.set("data_dir", directory.path().join("state").to_str().unwrap())?;
/// let gate = Gate::new(&config.settings()?.gate)?;
/// let sealed = gate.encrypt_data(b"meet me at noon", b"")?;
/// let data = NewKeys { token: false, data: true, now: false };
/// gate.key_admin().rotate(data, |_| None)?;
/// assert_eq!(gate.key_admin().list()?.keys.iter().filter(|key| key.kind == KeyKind::Data).count(), 2);
/// assert!(gate.decrypt_data(&sealed, b"").is_ok());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct KeyAdmin<'a> {
    settings: &'a keys::Settings,
    owner: Owner<'a>,
    asker: Asker<'a>,
}

/// Whose audit trail a change is recorded in.
#[derive(Debug, Clone, Copy)]
enum Owner<'a> {
    /// That of a program without a gate.
    Settings(&'a Settings),
    Gate(&'a Gate),
}

impl Gate {
    /// The gate's key ring.
    pub fn key_admin(&self) -> KeyAdmin<'_> {
        self.key_admin_by(Asker::LIBRARY)
    }

    /// The same on behalf of `asker`, who is named in the audit trail.
    pub fn key_admin_by<'a>(&'a self, asker: Asker<'a>) -> KeyAdmin<'a> {
        KeyAdmin {
            settings: self.key_settings(),
            owner: Owner::Gate(self),
            asker,
        }
    }
}

impl<'a> KeyAdmin<'a> {
    /// Reads and writes nothing yet.
    pub fn new(settings: &'a Settings, asker: Asker<'a>) -> Self {
        KeyAdmin {
            settings: &settings.keys,
            owner: Owner::Settings(settings),
            asker,
        }
    }

    /// How long tokens of a replaced key are accepted by default: until the last one has expired. Data stays accepted
    /// indefinitely.
    pub fn default_grace(&self, kind: KeyKind) -> Option<Duration> {
        match kind {
            KeyKind::Token => Some(self.settings.rotation.token_grace),
            _ => None,
        }
    }

    /// Lists the keys of the ring and of the settings; those of a gate as it uses them, ephemeral ones included, and with every
    /// message counted that it has sealed.
    ///
    /// # Errors
    /// Those of [`keys::list`].
    pub fn list(&self) -> Result<KeyList, Error> {
        match self.owner {
            Owner::Settings(_) => keys::list(self.settings),
            Owner::Gate(gate) => {
                gate.write_key_usage();
                Ok(keys::list_in_use(self.settings, &gate.keys().current()))
            }
        }
    }

    /// Adds random keys to the ring file as the newest; if there is no ring, creates one with a key of each kind. Existing
    /// keys stay and continue to verify and open. Gates that use the ring detect the change within half a second;
    /// [`rotate`](Self::rotate) documents when a token key starts signing.
    ///
    /// # Errors
    /// [`Error::Setting`] if the settings leave the new keys unused; [`Error::KeyRing`] if the ring cannot be read, trusted or
    /// written. The ring is then unchanged.
    pub fn generate(&self, kinds: NewKeys) -> Result<Generated, Error> {
        self.change(AuditEvent::KeysGenerate, || {
            keys::generate(self.settings, kinds)
        })
    }

    /// Adds keys to the ring that replace those in use. The replaced keys are accepted for `grace` (`None`: indefinitely); if
    /// it is zero, they and all older token keys are retired at once. All processes that use the ring detect the change within
    /// half a second.
    ///
    /// A token key with a public key is published first and signs after `settings.keys.rotation.token_key_lead`, unless `kinds.now`
    /// or a `grace` of zero requests it at once: [`keys::KeyOrigin::signs_from`] has the time. All other keys are used at once.
    ///
    /// # Errors
    /// Those of [`generate`](Self::generate); the ring is then unchanged.
    pub fn rotate(
        &self,
        kinds: NewKeys,
        grace: impl Fn(KeyKind) -> Option<Duration>,
    ) -> Result<Generated, Error> {
        self.change(AuditEvent::KeysRotate, || {
            keys::rotate(self.settings, kinds, grace)
        })
    }

    /// Sets the state of the keys with these ids: whether their tokens or data are accepted. Retiring a token key that has not
    /// started signing removes it from the ring: it has signed nothing.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if no key has such an id, or the key is in use; [`Error::KeyRing`] if the ring cannot be read,
    /// trusted or written. The ring is then unchanged.
    pub fn set_state(&self, ids: &[&str], state: KeyState) -> Result<Changed, Error> {
        self.change(state_event(state), || {
            keys::set_state(self.settings, ids, state)
        })
    }

    /// The same as [`rotate`](Self::rotate) for a ring whose list has this [mark](KeyList::mark). `None`: it has another one,
    /// because somebody has changed it; it is then left as it is.
    ///
    /// # Errors
    /// Those of [`rotate`](Self::rotate).
    pub fn rotate_if(
        &self,
        kinds: NewKeys,
        grace: impl Fn(KeyKind) -> Option<Duration>,
        only_if: Option<&str>,
    ) -> Result<Option<Generated>, Error> {
        self.change_if(AuditEvent::KeysRotate, || {
            keys::rotate_if(self.settings, kinds, grace, only_if)
        })
    }

    /// The same as [`set_state`](Self::set_state) for a ring whose list has this [mark](KeyList::mark), as for
    /// [`rotate_if`](Self::rotate_if).
    ///
    /// # Errors
    /// Those of [`set_state`](Self::set_state).
    pub fn set_state_if(
        &self,
        ids: &[&str],
        state: KeyState,
        only_if: Option<&str>,
    ) -> Result<Option<Changed>, Error> {
        self.change_if(state_event(state), || {
            keys::set_state_if(self.settings, ids, state, only_if)
        })
    }

    /// Rewrites the ring sealed under the secret that the settings name, and keeps the previous ring as the backup, also
    /// sealed. Returns the path of the ring file.
    ///
    /// # Errors
    /// [`Error::Setting`] if they name none; [`Error::KeyRing`] if the ring cannot be read, trusted or written.
    pub fn seal(&self) -> Result<PathBuf, Error> {
        self.change(AuditEvent::KeysSeal, || keys::seal(self.settings))
    }

    /// Rewrites the ring and its backup unsealed. Returns the path of the ring file.
    ///
    /// # Errors
    /// [`Error::KeyRing`] if the ring cannot be read, trusted or written.
    pub fn unseal(&self) -> Result<PathBuf, Error> {
        self.change(AuditEvent::KeysUnseal, || keys::unseal(self.settings))
    }

    /// The text of the ring, sealed under `secret`, for storing elsewhere or moving to another machine. It does not include
    /// environment keys.
    ///
    /// # Errors
    /// [`Error::KeyRing`] if there is no ring, or it cannot be read or trusted.
    pub fn export(&self, secret: &RingSecret) -> Result<Secret, Error> {
        self.change(AuditEvent::KeysExport, || {
            keys::export(self.settings, secret)
        })
    }

    /// Adds the keys of an exported ring to the ring of the settings, or creates that ring from them. Existing keys do not
    /// change, and in an existing ring the newest keys stay the newest: imported keys are accepted but never used for new
    /// tokens or data.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the text is not an exported ring, was sealed under another secret, or has a key with the id
    /// of a different key of the ring; otherwise the errors of [`generate`](Self::generate). The ring is then unchanged.
    pub fn import(&self, text: Secret, secret: &RingSecret) -> Result<Generated, Error> {
        self.change(AuditEvent::KeysImport, || {
            keys::import(self.settings, text, secret)
        })
    }

    /// Makes and records a change, if the trail permits.
    fn change<T>(
        &self,
        event: AuditEvent,
        make: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let done = self.change_if(event, || make().map(Some))?;
        Ok(done.expect("a change without a condition is made"))
    }

    /// The same for a change that is not made, and is `None`, unless its condition holds.
    fn change_if<T>(
        &self,
        event: AuditEvent,
        make: impl FnOnce() -> Result<Option<T>, Error>,
    ) -> Result<Option<T>, Error> {
        let own;
        let trail = match self.owner {
            Owner::Settings(settings) => {
                // No user is concerned, so no pseudonym is needed.
                own = Trail::without_users(&settings.audit);
                &own
            }
            Owner::Gate(gate) => gate.trail(),
        };
        trail.permit(event, None, self.asker)?;
        let done = make();
        if let (Owner::Gate(gate), Ok(Some(_))) = (self.owner, &done) {
            // The ring has changed, even if this gate cannot use it: that is logged, and `Gate::key_trouble` has the reason.
            let _ = gate.reload_keys();
        }
        let result = match &done {
            Ok(Some(_)) => "ok",
            Ok(None) => "precondition_failed",
            Err(error) => error.code(),
        };
        trail.record(event, result, None, self.asker);
        done
    }
}

fn state_event(state: KeyState) -> AuditEvent {
    match state {
        KeyState::Retired => AuditEvent::KeysRetire,
        _ => AuditEvent::KeysAccept,
    }
}
