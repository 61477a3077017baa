//! The audit trail: who did what, from where, and how it ended, as events under a log target of their own, and in whatever else
//! the settings name. Names are masked as in every line of the log; a keyed pseudonym beside them joins the events of one user
//! without naming that user. The gate records each event, once; a door only says who asks.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use log::kv::Value;
use log::{Level, Metadata, Record};

use super::settings::Settings;
use crate::Error;
use crate::base::encoding::encode_hex;
use crate::base::hkdf::hkdf_sha256;
use crate::base::trace::TraceParent;
use crate::keys::{self, KeyRing};
use crate::logging::AuditSettings;
use crate::logging::audit::{AuditLog, AuditSink};
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
}

/// The audit trail: what its events identify users by, and where they go.
#[derive(Default)]
pub struct Trail {
    pseudonyms: Pseudonyms,
    /// How often each event had each result.
    counts: Codes,
    /// Where events go besides the log, if anywhere.
    log: Option<Arc<AuditLog>>,
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
    ClientToken = "client.token",
    TokenIssue = "token.issue",
    RevokeToken = "revoke.token",
    RevokeUser = "revoke.user",
    AccountAdd = "account.add",
    AccountPassword = "account.password",
    AccountSecret = "account.secret",
    AccountScopes = "account.scopes",
    AccountClaims = "account.claims",
    AccountDisable = "account.disable",
    AccountEnable = "account.enable",
    AccountUnlock = "account.unlock",
    AccountRemove = "account.remove",
    ApiKeyAdd = "api_key.add",
    ApiKeyRevoke = "api_key.revoke",
    LimitReset = "limit.reset",
    SessionEnd = "session.end",
    KeysGenerate = "keys.generate",
    KeysRotate = "keys.rotate",
    KeysRetire = "keys.retire",
    KeysAccept = "keys.accept",
    KeysSeal = "keys.seal",
    KeysUnseal = "keys.unseal",
    KeysExport = "keys.export",
    KeysImport = "keys.import",
    Backup = "backup",
    Restore = "restore",
    StoreCopy = "store.copy",
    StoreUnlock = "store.unlock",
}

impl AuditEvent {
    /// Whether it records that something was changed, rather than a request that was refused.
    fn is_change(self) -> bool {
        !matches!(self, AuditEvent::Denied | AuditEvent::Lockout)
    }
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
        Ok(Pseudonyms { key: Some(key) })
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
}

impl Trail {
    /// For a program without a gate, with the pseudonyms of the gates with these keys. Creates no keys, and reads none if events
    /// go nowhere but the log.
    ///
    /// # Errors
    /// [`Error::KeyRing`] if there is a key ring that cannot be read.
    pub fn of(settings: &Settings) -> Result<Self, Error> {
        let pseudonyms = match settings.audit.is_set() {
            true => Pseudonyms::of(&settings.keys)?,
            false => Pseudonyms::default(),
        };
        Ok(Trail::new(pseudonyms, &settings.audit))
    }

    /// The same for events that concern no users.
    pub fn without_users(settings: &AuditSettings) -> Self {
        Trail::new(Pseudonyms::default(), settings)
    }

    pub(super) fn new(pseudonyms: Pseudonyms, settings: &AuditSettings) -> Self {
        Trail {
            pseudonyms,
            counts: Codes::default(),
            log: AuditLog::of(settings),
        }
    }

    /// What its events identify users by.
    pub fn pseudonyms(&self) -> &Pseudonyms {
        &self.pseudonyms
    }

    /// Opens the file that events go to, and connects to the socket, now rather than at the first event. A socket that does not
    /// exist yet is tried again later.
    ///
    /// # Errors
    /// [`Error::Setting`] if the file cannot be opened or trusted; [`Error::Io`] if a thread cannot be started.
    pub fn open(&self) -> Result<(), Error> {
        self.log.as_ref().map_or(Ok(()), |log| log.open())
    }

    /// Waits until every event is delivered, an attempt has failed, or `limit` has passed.
    pub fn flush_within(&self, limit: Duration) {
        if let Some(log) = &self.log {
            log.flush(limit);
        }
    }

    /// Problems with the delivery of events, in sentences for an operator; `None` if there are none. Contains no path and no
    /// secret.
    pub fn trouble(&self) -> Option<String> {
        self.log.as_ref()?.trouble()
    }

    /// How often each event had each result.
    pub(super) fn counts(&self) -> BTreeMap<(&'static str, &'static str), u64> {
        self.counts.all()
    }

    /// How the sinks of events are doing.
    pub(super) fn sinks(&self) -> Vec<AuditSink> {
        self.log.as_ref().map_or_else(Vec::new, |log| log.sinks())
    }

    /// Whether changes wait until their events are delivered.
    pub(crate) fn is_awaited(&self) -> bool {
        self.log.as_ref().is_some_and(|log| log.is_awaited())
    }

    /// Whether a change may be made: not while events cannot be delivered, if the settings say so.
    ///
    /// # Errors
    /// [`Error::Audit`].
    pub(super) fn check(&self) -> Result<(), Error> {
        self.log.as_ref().map_or(Ok(()), |log| log.check())
    }

    /// The same, and records a refusal.
    pub(super) fn permit(
        &self,
        event: AuditEvent,
        user: Option<&str>,
        asker: Asker<'_>,
    ) -> Result<(), Error> {
        let checked = self.check();
        if let Err(error) = &checked {
            self.put(event, error.code(), (user, None), asker, false);
        }
        checked
    }

    /// Counts an event, and records it. `user`: whom it concerns, if known.
    pub(crate) fn record(
        &self,
        event: AuditEvent,
        result: &'static str,
        user: Option<&str>,
        asker: Asker<'_>,
    ) {
        self.record_key(event, result, user, None, asker);
    }

    /// The same for an event about an API key: `key` is its id, if known.
    pub(super) fn record_key(
        &self,
        event: AuditEvent,
        result: &'static str,
        user: Option<&str>,
        key: Option<&str>,
        asker: Asker<'_>,
    ) {
        self.put(event, result, (user, key), asker, event.is_change());
    }

    /// Records how an operation ended.
    pub(super) fn record_end<T>(
        &self,
        event: AuditEvent,
        done: &Result<T, Error>,
        user: Option<&str>,
        asker: Asker<'_>,
    ) {
        let result = done.as_ref().map_or_else(Error::code, |_| "ok");
        self.record(event, result, user, asker);
    }

    fn put(
        &self,
        event: AuditEvent,
        result: &'static str,
        (user, key): (Option<&str>, Option<&str>),
        asker: Asker<'_>,
        is_awaited: bool,
    ) {
        self.counts.add(event.name(), result);
        let (level, logger) = (Level::Info, log::logger());
        let metadata = Metadata::builder().level(level).target(AUDIT).build();
        let is_logged = level <= log::max_level() && logger.enabled(&metadata);
        if !is_logged && self.log.is_none() {
            return;
        }
        let (user, who) = match user {
            Some(user) => (
                MaskedForLog(user).to_string(),
                self.pseudonyms.pseudonym(user),
            ),
            None => ("-".to_owned(), "-".to_owned()),
        };
        let trace = asker.trace;
        let trace = trace.map(|trace| (trace.trace_id(), trace.span_id()));
        let mut fields = vec![
            ("event", Value::from(event.name())),
            ("result", Value::from(result)),
            ("user", Value::from(user.as_str())),
            ("who", Value::from(who.as_str())),
            ("peer", Value::from_display(&asker.peer)),
        ];
        if let Some(key) = key {
            fields.push(("key", Value::from(key)));
        }
        if let Some((trace, span)) = &trace {
            fields.push(("trace", Value::from(*trace)));
            fields.push(("span", Value::from(*span)));
        }
        fields.push(("id", Value::from(asker.id)));
        let fields = fields.as_slice();
        let deliver = |record: &Record<'_>| {
            if is_logged {
                logger.log(record);
            }
            if let Some(log) = &self.log {
                log.record(record, is_awaited);
            }
        };
        deliver(
            &Record::builder()
                .metadata(metadata)
                .args(format_args!("audit"))
                .module_path_static(Some(module_path!()))
                .file_static(Some(file!()))
                .line(Some(line!()))
                .key_values(&fields)
                .build(),
        );
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pseudonyms").finish_non_exhaustive()
    }
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trail")
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}
