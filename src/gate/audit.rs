//! The audit trail: who did what, from where, and how it ended, as events under a log target of their own, and in whatever else
//! the settings name. Names are masked as in every line of the log; a keyed pseudonym beside them joins the events of one user
//! without naming that user. The gate records each event, once; a door only says who asks.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use log::kv::Value;
use log::{Level, Metadata, Record};
use once_cell::sync::OnceCell;

use super::recent::{Parts, Recent, RecentEvent};
use super::settings::Settings;
use crate::Error;
use crate::base::trace::TraceParent;
use crate::logging::AuditSettings;
use crate::logging::audit::{AuditLog, AuditSink};
use crate::logging::mask::MaskedForLog;
use crate::metrics::Codes;

pub use super::events::AuditEvent;
pub use super::pseudonyms::Pseudonyms;
pub use crate::logging::AUDIT;

/// The audit trail: what its events identify users by, and where they go.
#[derive(Default)]
pub struct Trail {
    pseudonyms: Pseudonyms,
    /// How often each event had each result.
    counts: Codes,
    /// Where events go besides the log, if anywhere.
    log: Option<Arc<AuditLog>>,
    /// The latest ones, if they are kept.
    recent: OnceCell<Recent>,
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
    /// The administrator who asked, if one did.
    pub by: Option<Author<'a>>,
}

/// An administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author<'a> {
    /// The account whose token was presented.
    User(&'a str),
    /// The common name in the client's certificate.
    Certificate(&'a str),
}

impl fmt::Display for Author<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Author::User(name) => f.write_str(name),
            Author::Certificate(name) => write!(f, "cert:{name}"),
        }
    }
}

impl Asker<'_> {
    /// A program's own call.
    pub const LIBRARY: Asker<'static> = Asker {
        peer: &"library",
        id: "-",
        trace: None,
        by: None,
    };
    /// A server that rotates keys.
    pub(crate) const SERVER: Asker<'static> = Asker {
        peer: &"server",
        id: "-",
        trace: None,
        by: None,
    };
}

impl fmt::Debug for Asker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.peer, self.id)
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
            recent: OnceCell::new(),
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

    /// From now on the latest events are kept in memory.
    pub(super) fn keep_recent(&self) {
        self.recent.get_or_init(Recent::new);
    }

    /// Those that are kept, oldest first.
    pub(super) fn recent(&self) -> Vec<Arc<RecentEvent>> {
        self.recent.get().map_or_else(Vec::new, Recent::all)
    }

    /// How often each event had each result.
    pub(crate) fn counts(&self) -> BTreeMap<(&'static str, &'static str), u64> {
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
    pub(crate) fn permit(
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

    /// A name as the trail shows it, and its pseudonym.
    fn masked(&self, user: &str) -> (String, String) {
        let masked = MaskedForLog(user).to_string();
        (masked, self.pseudonyms.pseudonym(user))
    }

    fn shown(&self, by: Author<'_>) -> (String, String) {
        match by {
            Author::User(name) => self.masked(name),
            Author::Certificate(_) => (by.to_string(), "-".to_owned()),
        }
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
        let is_recorded = is_logged || self.log.is_some();
        let recent = self.recent.get();
        if !is_recorded && recent.is_none() {
            return;
        }
        // What only a failed attempt names may be a password that was typed in the wrong place.
        let is_claimed = result != "ok" && event.is_attempt();
        let masked = user
            .filter(|_| is_recorded || is_claimed)
            .map(|user| self.masked(user));
        let trace = asker.trace;
        let trace = trace.map(|trace| (trace.trace_id(), trace.span_id()));
        let by = asker.by.map(|by| self.shown(by));
        if let Some(recent) = recent {
            let (user, who) = match &masked {
                Some((user, who)) if is_claimed => (&**user, &**who),
                _ => (user.unwrap_or_default(), ""),
            };
            recent.add(&Parts {
                event: event.name(),
                result,
                user,
                who: if who == "-" { "" } else { who },
                peer: Some(asker.peer),
                by: asker.by.as_ref().map(|by| by as &dyn fmt::Display),
                by_who: by.as_ref().map_or("", |(_, who)| who),
                key: key.unwrap_or_default(),
                trace: trace.map_or("", |(trace, _)| trace),
                id: if asker.id == "-" { "" } else { asker.id },
            });
        }
        if !is_recorded {
            return;
        }
        let (user, who) = masked
            .as_ref()
            .map_or(("-", "-"), |(user, who)| (user, who));
        let mut fields = vec![
            ("event", Value::from(event.name())),
            ("result", Value::from(result)),
            ("user", Value::from(user)),
            ("who", Value::from(who)),
            ("peer", Value::from_display(&asker.peer)),
        ];
        if let Some(key) = key {
            fields.push(("key", Value::from(key)));
        }
        if let Some((trace, span)) = &trace {
            fields.push(("trace", Value::from(*trace)));
            fields.push(("span", Value::from(*span)));
        }
        if let Some((by, who)) = &by {
            fields.push(("by", Value::from(by.as_str())));
            fields.push(("by_who", Value::from(who.as_str())));
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

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trail")
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}
