//! What is logged, where to, and in which format.

use std::path::{Path, PathBuf};

use log::LevelFilter;

/// What is logged and where to, in addition to the terminal.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `SEALGATE_LOG_LEVEL`.
    pub level: LevelFilter,
    /// `SEALGATE_LOG_FORMAT`.
    pub format: LogFormat,
    /// `SEALGATE_LOG_FILE`.
    pub file: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            level: LevelFilter::Info,
            format: LogFormat::Text,
            file: None,
        }
    }
}

/// The format of a log line.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Time, level, message, `name=value`.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Where audit events go besides the log, and what happens while they cannot be delivered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditSettings {
    /// `SEALGATE_AUDIT_FILE`.
    pub file: Option<PathBuf>,
    /// `SEALGATE_AUDIT`.
    pub socket: Option<AuditSocket>,
    /// `SEALGATE_AUDIT_FAIL`.
    pub fail: AuditFail,
    /// `SEALGATE_LOG_FORMAT`, for the file.
    pub format: LogFormat,
}

/// A local socket for audit events, by its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditSocket {
    /// Syslog (RFC 5424).
    Syslog(PathBuf),
    /// systemd's journal, in its native protocol.
    Journald(PathBuf),
}

/// What happens while audit events cannot be delivered.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum AuditFail {
    /// Everything goes on, and events are kept in memory up to a limit.
    #[default]
    Open,
    /// Whatever would be recorded as a change is refused.
    Closed,
}

impl AuditSocket {
    /// Where syslog listens.
    pub const SYSLOG: &str = "/dev/log";
    /// Where systemd's journal listens.
    pub const JOURNALD: &str = "/run/systemd/journal/socket";

    pub(super) fn path(&self) -> &Path {
        match self {
            AuditSocket::Syslog(path) | AuditSocket::Journald(path) => path,
        }
    }
}

impl AuditSettings {
    /// Whether events go anywhere besides the log.
    pub fn is_set(&self) -> bool {
        self.file.is_some() || self.socket.is_some()
    }
}
