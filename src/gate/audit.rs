//! The audit trail: who did what, from where, and how it ended, as events under a log target of their own. Names are masked as in
//! every line of the log; a keyed pseudonym beside them joins the events of one user without naming that user.
//! The gate records each event, once; a door only says who asks.

use std::collections::BTreeMap;
use std::fmt;

use crate::Error;
use crate::base::encoding::encode_hex;
use crate::base::hkdf::hkdf_sha256;
use crate::base::trace::TraceParent;
use crate::keys::{self, KeyRing};
use crate::logging::mask::MaskedForLog;
use crate::metrics::Codes;
use crate::signing::TokenKey;
use zeroize::Zeroizing;

pub use crate::logging::AUDIT;

const KEY_INFO: &[u8] = b"sealgate/audit-pseudonym/v1";

/// Derives the pseudonyms that join a user's events: a name keeps its pseudonym while the oldest token key stays.
#[derive(Default)]
pub struct Pseudonyms {
    /// `None` if there is no token key to derive it from.
    key: Option<Zeroizing<[u8; 32]>>,
    /// How often each event had each result.
    counts: Codes,
}

macro_rules! events {
    ($($event:ident = $name:literal,)*) => {
        /// The kinds of event.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum AuditEvent {
            $(#[doc = concat!("`", $name, "`")] $event,)*
        }

        impl AuditEvent {
            /// All of them.
            pub const ALL: &'static [AuditEvent] = &[$(AuditEvent::$event),*];

            /// The name in the trail.
            pub const fn name(self) -> &'static str {
                match self {
                    $(AuditEvent::$event => $name,)*
                }
            }
        }
    };
}

events! {
    Login = "login",
    Refresh = "refresh",
    Logout = "logout",
    Denied = "denied",
    Lockout = "lockout",
    TokenIssue = "token.issue",
    RevokeToken = "revoke.token",
    RevokeUser = "revoke.user",
    AccountAdd = "account.add",
    AccountPassword = "account.password",
    AccountScopes = "account.scopes",
    AccountDisable = "account.disable",
    AccountEnable = "account.enable",
    AccountRemove = "account.remove",
    KeysGenerate = "keys.generate",
    KeysRotate = "keys.rotate",
    KeysRetire = "keys.retire",
    KeysAccept = "keys.accept",
    KeysSeal = "keys.seal",
    KeysUnseal = "keys.unseal",
    KeysExport = "keys.export",
    KeysImport = "keys.import",
}

/// Who requested an operation, as far as the caller of the gate knows.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    /// An address, `uid:1000` for the command, `library` for a call.
    pub peer: &'a dyn fmt::Display,
    /// The HTTP request's id; `-` if it was not an HTTP request.
    pub id: &'a str,
    /// The trace that the HTTP request belongs to, if any.
    pub trace: Option<&'a TraceParent>,
}

impl Asker<'_> {
    /// A program's own call.
    pub const LIBRARY: Asker<'static> = Asker {
        peer: &"library",
        id: "-",
        trace: None,
    };
    /// A server that rotates keys.
    pub(crate) const SERVER: Asker<'static> = Asker {
        peer: &"server",
        id: "-",
        trace: None,
    };
}

impl fmt::Debug for Asker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.peer, self.id)
    }
}

impl Pseudonyms {
    /// Those of the gates with these keys. Creates no keys.
    ///
    /// # Errors
    /// [`Error::KeyRing`] if there is a key ring that cannot be read.
    pub fn of(settings: &keys::Settings) -> Result<Self, Error> {
        Pseudonyms::from_ring(&KeyRing::as_it_is(settings)?)
    }

    pub(crate) fn from_ring(ring: &KeyRing) -> Result<Self, Error> {
        match ring.token_keys().next() {
            Some(oldest) => Pseudonyms::under(oldest),
            None => Ok(Pseudonyms::default()),
        }
    }

    /// One for each token key, oldest first. The first is in use; the others were or will be, when their key is the oldest.
    /// Creates no keys.
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
        Ok(Pseudonyms {
            key: Some(key),
            counts: Codes::default(),
        })
    }

    /// 16 hexadecimal digits; `-` if there is no key.
    pub fn pseudonym(&self, user: &str) -> String {
        let mut bytes = [0; 8];
        match &self.key {
            Some(key) if hkdf_sha256(&**key, user.as_bytes(), &mut bytes).is_ok() => {
                encode_hex(&bytes)
            }
            _ => "-".to_owned(),
        }
    }

    /// How often each event had each result.
    pub(super) fn counts(&self) -> BTreeMap<(&'static str, &'static str), u64> {
        self.counts.all()
    }

    /// Counts an event, and records it if the audit log is enabled. `user`: whom it concerns, if known.
    pub(crate) fn record(
        &self,
        event: AuditEvent,
        result: &'static str,
        user: Option<&str>,
        asker: Asker<'_>,
    ) {
        self.counts.add(event.name(), result);
        if !log::log_enabled!(target: AUDIT, log::Level::Info) {
            return;
        }
        let (user, who) = match user {
            Some(user) => (MaskedForLog(user).to_string(), self.pseudonym(user)),
            None => ("-".to_owned(), "-".to_owned()),
        };
        macro_rules! line {
            ($($trace:tt)*) => {
                log::info!(
                    target: AUDIT,
                    event = event.name(),
                    result = result,
                    user = user.as_str(),
                    who = who.as_str(),
                    peer:% = asker.peer,
                    $($trace)*
                    id = asker.id;
                    "audit"
                )
            };
        }
        match asker.trace {
            Some(trace) => line!(trace = trace.trace_id(), span = trace.span_id(),),
            None => line!(),
        }
    }

    /// Records how an operation ended.
    pub(crate) fn record_end<T>(
        &self,
        event: AuditEvent,
        done: &Result<T, Error>,
        user: Option<&str>,
        asker: Asker<'_>,
    ) {
        let result = done.as_ref().map_or_else(Error::code, |_| "ok");
        self.record(event, result, user, asker);
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pseudonyms").finish_non_exhaustive()
    }
}
