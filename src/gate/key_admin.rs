//! Operations on the key ring, recorded in the audit trail.

use std::path::PathBuf;
use std::time::Duration;

use super::audit::{Asker, AuditEvent, Trail};
use super::settings::Settings;
use crate::keys::{self, Changed, Generated, KeyKind, KeyState, NewKeys, RingSecret};
use crate::{Error, Secret};

/// The key ring that the settings name, managed on behalf of an [`Asker`]. Needs no gate; gates that use the ring detect
/// changes within half a second. If the settings refuse changes while audit events cannot be delivered, every call may fail
/// with [`Error::Audit`].
#[derive(Debug, Clone, Copy)]
pub struct KeyAdmin<'a> {
    settings: &'a Settings,
    asker: Asker<'a>,
}

impl<'a> KeyAdmin<'a> {
    /// Reads and writes nothing yet.
    pub fn new(settings: &'a Settings, asker: Asker<'a>) -> Self {
        KeyAdmin { settings, asker }
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
            keys::generate(&self.settings.keys, kinds)
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
            keys::rotate(&self.settings.keys, kinds, grace)
        })
    }

    /// Sets the state of the keys with these ids: whether their tokens or data are accepted. Retiring a token key that has not
    /// started signing removes it from the ring: it has signed nothing.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if no key has such an id, or the key is in use; [`Error::KeyRing`] if the ring cannot be read,
    /// trusted or written. The ring is then unchanged.
    pub fn set_state(&self, ids: &[&str], state: KeyState) -> Result<Changed, Error> {
        let event = match state {
            KeyState::Retired => AuditEvent::KeysRetire,
            _ => AuditEvent::KeysAccept,
        };
        self.change(event, || keys::set_state(&self.settings.keys, ids, state))
    }

    /// Rewrites the ring sealed under the secret that the settings name, and keeps the previous ring as the backup, also
    /// sealed. Returns the path of the ring file.
    ///
    /// # Errors
    /// [`Error::Setting`] if they name none; [`Error::KeyRing`] if the ring cannot be read, trusted or written.
    pub fn seal(&self) -> Result<PathBuf, Error> {
        self.change(AuditEvent::KeysSeal, || keys::seal(&self.settings.keys))
    }

    /// Rewrites the ring and its backup unsealed. Returns the path of the ring file.
    ///
    /// # Errors
    /// [`Error::KeyRing`] if the ring cannot be read, trusted or written.
    pub fn unseal(&self) -> Result<PathBuf, Error> {
        self.change(AuditEvent::KeysUnseal, || keys::unseal(&self.settings.keys))
    }

    /// The text of the ring, sealed under `secret`, for storing elsewhere or moving to another machine. It does not include
    /// environment keys.
    ///
    /// # Errors
    /// [`Error::KeyRing`] if there is no ring, or it cannot be read or trusted.
    pub fn export(&self, secret: &RingSecret) -> Result<Secret, Error> {
        self.change(AuditEvent::KeysExport, || {
            keys::export(&self.settings.keys, secret)
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
            keys::import(&self.settings.keys, text, secret)
        })
    }

    /// Makes and records a change, if the trail permits.
    fn change<T>(
        &self,
        event: AuditEvent,
        make: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        // No user is concerned, so no pseudonym is needed.
        let trail = Trail::without_users(&self.settings.audit);
        trail.permit(event, None, self.asker)?;
        let done = make();
        trail.record_end(event, &done, None, self.asker);
        done
    }
}
