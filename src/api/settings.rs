//! Who may log in, what `/secure-data` shows, and who is believed about addresses.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::Secret;

/// What the API needs beside a gate.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `SEALGATE_SECURE_DATA`.
    pub secure_data: Option<Secret>,
    /// `SEALGATE_SECURE_DATA_FILE`.
    pub secure_data_file: Option<PathBuf>,
    /// `SEALGATE_LOGIN`.
    pub login: LoginMode,
    /// `SEALGATE_LOGIN_MAX_REQUESTS`; zero switches the login's own limits off.
    pub login_max_requests: u32,
    /// `SEALGATE_MAX_CREDENTIALS` in bytes.
    pub max_credentials: usize,
    /// `SEALGATE_LOGIN_WINDOW`.
    pub login_window: Duration,
    /// `SEALGATE_LIMITER_MEMORY` in bytes, for the login's own limiter.
    pub limiter_memory: usize,
    /// `SEALGATE_TRUSTED_PROXIES`: peers whose forwarding header counts.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether peers on a Unix socket are trusted proxies (the word `unix` in the list).
    pub trust_unix_peers: bool,
    /// `SEALGATE_FORWARDED_HEADER`: the one header that counts.
    pub forwarded_header: String,
    /// `SEALGATE_ALLOWED_HOSTS`, in lower case.
    pub allowed_hosts: Vec<String>,
    /// `SEALGATE_ACCESS_LOG`.
    pub access_log: AccessLog,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            secure_data: None,
            secure_data_file: None,
            login: LoginMode::Auto,
            login_max_requests: 60,
            max_credentials: 16 << 10,
            login_window: Duration::from_secs(60),
            limiter_memory: 64 << 20,
            trusted_proxies: Vec::new(),
            trust_unix_peers: false,
            forwarded_header: "X-Forwarded-For".to_owned(),
            allowed_hosts: Vec::new(),
            access_log: AccessLog::All,
        }
    }
}

/// When anybody may log in under any name (there are no accounts).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum LoginMode {
    /// On a loopback address or a Unix socket only, and not through a proxy.
    #[default]
    Auto,
    /// Everywhere.
    Open,
    /// Nowhere: tokens are issued by the command or a host program.
    Off,
}

/// Which requests get a line in the log.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum AccessLog {
    /// All of them.
    #[default]
    All,
    /// All but those to `/healthz` and `/readyz` that were answered with good news.
    NoHealth,
}
