//! Who may log in, what `/secure-data` returns, which proxies are trusted, and which web pages may use the API.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::origins::AllowedOrigins;
use crate::Secret;

/// What the API needs in addition to a gate.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `SEALGATE_SECURE_DATA`.
    pub secure_data: Option<Secret>,
    /// `SEALGATE_SECURE_DATA_FILE`.
    pub secure_data_file: Option<PathBuf>,
    /// `SEALGATE_LOGIN`.
    pub login: LoginMode,
    /// `SEALGATE_LOGIN_MAX_REQUESTS`; zero disables the login limits.
    pub login_max_requests: u32,
    /// `SEALGATE_MAX_CREDENTIALS` in bytes.
    pub max_credentials: usize,
    /// `SEALGATE_LOGIN_WINDOW`.
    pub login_window: Duration,
    /// `SEALGATE_LIMITER_MEMORY` in bytes, for the login limiter.
    pub limiter_memory: usize,
    /// `SEALGATE_TRUSTED_PROXIES`: peers whose forwarding header counts.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether peers on a Unix socket are trusted proxies (the word `unix` in the list).
    pub trust_unix_peers: bool,
    /// `SEALGATE_FORWARDED_HEADER`: the one header that counts.
    pub forwarded_header: String,
    /// `SEALGATE_ALLOWED_HOSTS`, in lower case.
    pub allowed_hosts: Vec<String>,
    /// `SEALGATE_VERIFY_HEADERS`: the headers in which `/verify` names the user, the scope and the time of expiry.
    pub verify_headers: [String; 3],
    /// `SEALGATE_CORS_ORIGINS`.
    pub cors_origins: AllowedOrigins,
    /// `SEALGATE_CORS_HEADERS`: request headers that their pages may send, besides those that the API itself reads.
    pub cors_headers: Vec<String>,
    /// `SEALGATE_CORS_CREDENTIALS`: whether they may send cookies and client certificates.
    pub cors_credentials: bool,
    /// `SEALGATE_ACCESS_LOG`.
    pub access_log: AccessLog,
    /// `SEALGATE_BATCH_COST`.
    pub batch_cost: BatchCost,
    /// `SEALGATE_CONSOLE`: whether the page for administrators is served.
    pub console: bool,
    /// Whether administration has an address of its own (`SEALGATE_ADMIN_LISTEN`), and is not served elsewhere.
    pub admin_elsewhere: bool,
    /// `SEALGATE_ADMIN_CERTIFICATES`: the common names in certificates of administrators.
    pub admin_certificates: Vec<String>,
    /// All settings, as administrators see them.
    pub shown: ShownSettings,
}

/// Settings as administrators see them. They decide nothing, so settings that differ in how they were given look alike in `Debug`.
#[derive(Clone, Default)]
pub struct ShownSettings(pub Arc<[ShownSetting]>);

impl fmt::Debug for ShownSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

/// A setting as an administrator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownSetting {
    /// Its name in the settings file.
    pub name: &'static str,
    /// Its environment variable.
    pub variable: &'static str,
    /// Its value; `None` if it is not set or a secret.
    pub value: Option<String>,
    /// How long a secret is, in bytes, if it is set.
    pub length: Option<usize>,
    /// Whether it is a secret.
    pub secret: bool,
    /// Where the value comes from.
    pub source: String,
    /// Whether none was given.
    pub is_default: bool,
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
            verify_headers: ["X-Auth-User", "X-Auth-Scope", "X-Auth-Expires"].map(str::to_owned),
            cors_origins: AllowedOrigins::default(),
            cors_headers: Vec::new(),
            cors_credentials: false,
            access_log: AccessLog::All,
            batch_cost: BatchCost::Request,
            console: false,
            admin_elsewhere: false,
            admin_certificates: Vec::new(),
            shown: ShownSettings::default(),
        }
    }
}

/// When anyone may log in under any name, if there are no accounts.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum LoginMode {
    /// On a loopback address or a Unix socket only, and not through a proxy.
    #[default]
    Auto,
    /// Everywhere.
    Open,
    /// Nowhere: the command or a host program issues tokens.
    Off,
}

/// Which requests get a line in the log.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum AccessLog {
    /// All of them.
    #[default]
    All,
    /// All except successful ones to `/healthz` and `/readyz`.
    NoHealth,
}

/// What a batch counts against the limit `default`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum BatchCost {
    /// As much as any other request.
    #[default]
    Request,
    /// As much as it has items.
    Items,
}
