//! The audit trail: who did what, from where, and how it ended, as events under a log target of their own. Names are masked as in
//! every line of the log; a keyed pseudonym beside them joins the events of one user without telling who that is.

use std::fmt;

use crate::Error;
use crate::base::encoding::encode_hex;
use crate::base::hkdf::hkdf_sha256;
use crate::keys::{self, KeyRing};
use crate::logging::mask::MaskedForLog;
use crate::signing::TokenKey;
use zeroize::Zeroizing;

pub use crate::logging::AUDIT;

const KEY_INFO: &[u8] = b"sealgate/audit-pseudonym/v1";

/// What a user's events are joined by: the same name always has the same one while the oldest token key stays.
pub struct Pseudonyms {
    /// `None`: there is no key to derive one from.
    key: Option<Zeroizing<[u8; 32]>>,
}

/// Something that has to be told.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    /// What: `login`, `denied`, `account.add` and the like.
    pub event: &'static str,
    /// How it ended: `ok`, or the code of why not.
    pub result: &'a str,
    /// Whom it is about; `None` where nobody knows.
    pub user: Option<&'a str>,
    /// Who asked: an address, or `uid:1000` for the command.
    pub peer: &'a dyn fmt::Display,
    /// The request's id; `-` where it was no request.
    pub id: &'a str,
}

/// Who asked for something, as far as a door knows.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    /// An address, `uid:1000` for the command, `library` for a call.
    pub peer: &'a dyn fmt::Display,
    /// The request's id; `-` where it was no request.
    pub id: &'a str,
}

impl Asker<'_> {
    /// A program's own call.
    pub const LIBRARY: Asker<'static> = Asker {
        peer: &"library",
        id: "-",
    };
}

impl fmt::Debug for Asker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.peer, self.id)
    }
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.event, self.result)
    }
}

impl Pseudonyms {
    /// Those of the gates with these keys. Makes no keys.
    ///
    /// # Errors
    /// [`Error::KeyRing`] where there is a key ring that cannot be read.
    pub fn of(settings: &keys::Settings) -> Result<Self, Error> {
        Pseudonyms::from_ring(&KeyRing::as_it_is(settings)?)
    }

    pub(crate) fn from_ring(ring: &KeyRing) -> Result<Self, Error> {
        match ring.token_keys().next() {
            Some(oldest) => Pseudonyms::under(oldest),
            None => Ok(Pseudonyms { key: None }),
        }
    }

    /// Those under each token key that there is, oldest first. The first are in use, the others were or will be where a key
    /// was or is not the oldest. Makes no keys.
    ///
    /// # Errors
    /// Those of [`of`](Self::of).
    pub fn under_every_key(settings: &keys::Settings) -> Result<Vec<Self>, Error> {
        let ring = KeyRing::as_it_is(settings)?;
        ring.token_keys().map(Pseudonyms::under).collect()
    }

    fn under(token_key: &TokenKey) -> Result<Self, Error> {
        let mut key = Zeroizing::new([0; 32]);
        hkdf_sha256(&token_key.bytes(), KEY_INFO, &mut *key)?;
        Ok(Pseudonyms { key: Some(key) })
    }

    /// 16 hexadecimal digits; `-` where there is no key.
    pub fn pseudonym(&self, user: &str) -> String {
        let mut bytes = [0; 8];
        match &self.key {
            Some(key) if hkdf_sha256(&**key, user.as_bytes(), &mut bytes).is_ok() => {
                encode_hex(&bytes)
            }
            _ => "-".to_owned(),
        }
    }

    /// Tells an event, if anybody listens.
    pub fn tell(&self, event: &Event<'_>) {
        if !log::log_enabled!(target: AUDIT, log::Level::Info) {
            return;
        }
        let (user, who) = match event.user {
            Some(user) => (MaskedForLog(user).to_string(), self.pseudonym(user)),
            None => ("-".to_owned(), "-".to_owned()),
        };
        log::info!(
            target: AUDIT,
            event = event.event,
            result = event.result,
            user = user.as_str(),
            who = who.as_str(),
            peer:% = event.peer,
            id = event.id;
            "audit"
        );
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pseudonyms").finish_non_exhaustive()
    }
}
