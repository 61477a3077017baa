//! What is logged, where to, and in which format.

use std::path::PathBuf;

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
    /// `SEALGATE_AUDIT_FILE`.
    pub audit_file: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            level: LevelFilter::Info,
            format: LogFormat::Text,
            file: None,
            audit_file: None,
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
