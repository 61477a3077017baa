//! Every setting once, and the way from text to typed values: default, file, environment, flag, the later one wins.
//!
//! `table` holds the settings, `sources` reads files and the environment, `parse` turns one value into its type, `report`
//! and `example` show them to people. What a value means is the business of the room that uses it.

mod defaults;
mod example;
mod parse;
mod report;
mod sources;
mod table;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use defaults::part_of_settings;
use ipnet::IpNet;
use log::LevelFilter;

use crate::base::given_file;
use crate::cipher::CbcMode;
use crate::keys::RingSecret;
use crate::signing::TokenAlgorithm;
use crate::{Error, Secret};

pub use example::example;
pub(crate) use parse::ring_key as ring_secret;
pub use report::{Report, Shown, ShownValue};
pub use sources::{Source, default_data_dir_origin};
pub use table::{Group, SETTINGS, Setting, find};

/// Values as they were given, each with where it came from; not yet checked.
///
/// ```
/// # fn main() -> Result<(), sealgate::Error> {
/// let mut config = sealgate::Config::new();
/// config.set("keys", "ephemeral")?;
/// config.set("max_requests", "10")?;
/// let gate = sealgate::Gate::new(&config.settings()?.gate)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default, Clone)]
pub struct Config {
    values: BTreeMap<&'static str, Given>,
    /// The settings files with a secret in them, whether or not it is used.
    files_with_secrets: Vec<PathBuf>,
}

#[derive(Debug, Clone)]
struct Given {
    value: Secret,
    source: Source,
}

/// All settings, checked and typed, by the room that uses them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What a `Gate` needs.
    pub gate: GateSettings,
    /// What the API needs beside a gate.
    pub app: AppSettings,
    /// Where and how to listen.
    pub server: ServerSettings,
    /// Where log lines go.
    pub log: LogSettings,
    /// What is no fault and should be known: files with secrets that others can read. Sentences, for the log.
    pub warnings: Vec<String>,
}

part_of_settings! {
gate,
/// Keys, tokens, encryption and the limit on requests.
#[derive(Debug, Clone)]
pub struct GateSettings {
    /// `SEALGATE_DATA_DIR`: where the key ring lives. Without one, keys must be given or ephemeral.
    pub data_dir: Option<PathBuf>,
    /// `SEALGATE_KEYS=ephemeral`: random keys that die with the gate.
    pub ephemeral_keys: bool,
    /// `JWT_SECRET_KEY`, at least 32 bytes.
    pub jwt_secret_key: Option<Secret>,
    /// `AES_KEY`: 16, 24 or 32 bytes.
    pub aes_key: Option<Secret>,
    /// How the text of `AES_KEY` was read, for the start-up lines.
    pub aes_key_form: &'static str,
    /// `AES_IV`: 16 bytes.
    pub aes_iv: Option<Secret>,
    /// How the text of `AES_IV` was read, for the start-up lines.
    pub aes_iv_form: &'static str,
    /// `SEALGATE_CBC`; where it is not set, `seal` if `AES_IV` is, else `off`.
    pub cbc: Option<CbcMode>,
    /// `SEALGATE_TOKEN_ALGORITHM`: how new tokens are signed; where it is not set, as the ring's newest token key does, and
    /// with HS256 where there is none yet.
    pub token_algorithm: Option<TokenAlgorithm>,
    /// `SEALGATE_TOKEN_KEY_LEAD`: for how long a new token key with a public key is published before it signs; zero: it signs at
    /// once.
    pub token_key_lead: Duration,
    /// `SEALGATE_RING_KEY`: what the ring's file is sealed under.
    pub ring_key: Option<RingSecret>,
    /// `SEALGATE_RING_KEY_FILE`: a file with the same.
    pub ring_key_file: Option<PathBuf>,
    /// `SEALGATE_RING_KEY_PREVIOUS`: what the ring's file may be sealed under still.
    pub ring_key_previous: Option<RingSecret>,
    /// `SEALGATE_RING_KEY_PREVIOUS_FILE`: a file with the same.
    pub ring_key_previous_file: Option<PathBuf>,
    /// `SEALGATE_ROTATE_TOKEN_KEY_AFTER`: the age at which a server replaces the ring's token key; zero: never.
    pub rotate_token_key_after: Duration,
    /// `SEALGATE_ROTATE_DATA_KEY_AFTER`: the same for the data key.
    pub rotate_data_key_after: Duration,
    /// `SEALGATE_TOKEN_TTL`: how long a new token lives.
    pub token_ttl: Duration,
    /// `SEALGATE_LEEWAY`: how far clocks may differ.
    pub leeway: Duration,
    /// `SEALGATE_ISSUER`: `iss` of new tokens, wanted in ours.
    pub issuer: String,
    /// `SEALGATE_AUDIENCE`: `aud` of new tokens, wanted where set.
    pub audience: Option<String>,
    /// `SEALGATE_TOKEN_CACHE`: how many checked tokens are remembered; zero remembers none.
    pub token_cache: usize,
    /// `MAX_REQUESTS`; zero switches the limiter off.
    pub max_requests: u32,
    /// `RATE_LIMIT_WINDOW`.
    pub rate_limit_window: Duration,
    /// `SEALGATE_LIMITER_MEMORY` in bytes.
    pub limiter_memory: usize,
    /// `SEALGATE_PASSWORD_MEMORY` in KiB: argon2id's m.
    pub password_memory: u32,
    /// `SEALGATE_PASSWORD_PASSES`: argon2id's t.
    pub password_passes: u32,
    /// `SEALGATE_PASSWORD_LANES`: argon2id's p.
    pub password_lanes: u32,
    /// `SEALGATE_PASSWORD_HASHES`: how many are made at a time; zero: as many as there are cores.
    pub password_hashes: usize,
    /// `SEALGATE_LOCKOUT_AFTER`: wrong passwords before tries are put off; zero never does.
    pub lockout_after: u32,
    /// `SEALGATE_REFRESH_TTL`: how long a refresh token lives; zero gives none.
    pub refresh_ttl: Duration,
    /// `SEALGATE_LOGIN=open`: tokens of users without an account are good, also where there are accounts.
    pub open_login: bool,
}
}

part_of_settings! {
app,
/// Who may log in, what `/secure-data` shows, and who is believed about addresses.
#[derive(Debug, Clone)]
pub struct AppSettings {
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

part_of_settings! {
server,
/// Where and how the server listens.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// `SEALGATE_LISTEN`.
    pub listen: Vec<Listen>,
    /// `SEALGATE_ENGINE`.
    pub engine: EngineChoice,
    /// `SEALGATE_WORKERS`; zero: as many as the engine thinks right.
    pub workers: usize,
    /// `SEALGATE_BLOCKING_WORKERS`.
    pub blocking_workers: usize,
    /// `SEALGATE_MAX_HEAD` in bytes.
    pub max_head: usize,
    /// `SEALGATE_MAX_FIELDS`.
    pub max_fields: usize,
    /// `SEALGATE_MAX_BODY` in bytes.
    pub max_body: usize,
    /// `SEALGATE_HEAD_TIMEOUT`: for the whole head, and for a TLS handshake.
    pub head_timeout: Duration,
    /// `SEALGATE_BODY_TIMEOUT`: for the whole body.
    pub body_timeout: Duration,
    /// `SEALGATE_WRITE_TIMEOUT`: for the whole answer.
    pub write_timeout: Duration,
    /// `SEALGATE_IDLE_TIMEOUT`: between two requests.
    pub idle_timeout: Duration,
    /// `SEALGATE_MAX_CONNECTIONS`.
    pub max_connections: usize,
    /// `SEALGATE_MAX_CONNECTIONS_PER_ADDRESS`; zero: no fixed number.
    pub max_connections_per_address: usize,
    /// `SEALGATE_MAX_BUFFERED` in bytes, of all connections together.
    pub max_buffered: usize,
    /// `SEALGATE_MAX_TLS_MEMORY` in bytes, of all connections together.
    pub max_tls_memory: usize,
    /// `SEALGATE_TLS_CERT`: with it TCP addresses speak TLS.
    pub tls_cert: Option<PathBuf>,
    /// `SEALGATE_TLS_KEY`.
    pub tls_key: Option<PathBuf>,
    /// `SEALGATE_TLS_CLIENT_CA`: with it clients are asked for certificates.
    pub tls_client_ca: Option<PathBuf>,
    /// `SEALGATE_TLS_CLIENT`: whether clients must have one then.
    pub tls_client_required: bool,
    /// `SEALGATE_GRACE`: how long running requests may take when the server stops.
    pub grace: Duration,
    /// `SEALGATE_SOCKET_MODE`: permissions of a Unix socket.
    pub socket_mode: u32,
    /// Whether `SEALGATE_TRUSTED_PROXIES` says that a proxy stands in front.
    pub behind_proxy: bool,
}
}

/// What serves the sockets.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum EngineChoice {
    /// The best one of this platform.
    #[default]
    Auto,
    /// The engine of Linux, with limits and deadlines of its own.
    Pool,
    /// The portable one.
    TinyHttp,
}

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// `127.0.0.1:5000`, `[::1]:5000`; port 0 takes a free one.
    Tcp(SocketAddr),
    /// `unix:/run/sealgate.sock`.
    Unix(PathBuf),
}

/// What is logged and where to, beside the terminal.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// `SEALGATE_LOG_LEVEL`.
    pub level: LevelFilter,
    /// `SEALGATE_LOG_FORMAT`.
    pub format: LogFormat,
    /// `SEALGATE_LOG_FILE`.
    pub file: Option<PathBuf>,
    /// `SEALGATE_AUDIT_FILE`.
    pub audit_file: Option<PathBuf>,
}

impl Default for LogSettings {
    fn default() -> Self {
        LogSettings {
            level: LevelFilter::Info,
            format: LogFormat::Text,
            file: None,
            audit_file: None,
        }
    }
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

/// The form of a log line.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Time, level, message, `name=value`.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// No values: every setting has its default.
    pub fn new() -> Self {
        Config::default()
    }

    /// Sets one value, by the setting's name in the file (`token_ttl`) or in the environment (`SEALGATE_TOKEN_TTL`).
    /// It wins over the file and the environment.
    ///
    /// # Errors
    /// [`Error::Setting`] where there is no such setting; the sentence names the nearest.
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), Error> {
        let setting = find(name).ok_or_else(|| sources::unknown("setting", name))?;
        self.give(setting, value.as_ref().into(), Source::Call);
        Ok(())
    }

    /// Checks every value, and every combination that can be wrong.
    ///
    /// # Errors
    /// [`Error::Setting`]: the first wrong one, named as it was given. Never shows the value.
    pub fn settings(&self) -> Result<Settings, Error> {
        let judged = self.judge();
        match judged.faults.into_iter().next() {
            Some(fault) => Err(Error::Setting(fault)),
            None => {
                // For hosts, which have a log by now.
                for warning in &judged.settings.warnings {
                    log::warn!("{warning}");
                }
                Ok(judged.settings)
            }
        }
    }

    /// Warnings about the files that the settings name, and about a settings file with secrets in it.
    fn warnings_of_files(&self, settings: &Settings) -> Vec<String> {
        let files = [
            (
                "The settings file, which holds secrets",
                self.files_with_secrets.first(),
            ),
            (
                "SEALGATE_RING_KEY_FILE",
                settings.gate.ring_key_file.as_ref(),
            ),
            (
                "SEALGATE_RING_KEY_PREVIOUS_FILE",
                settings.gate.ring_key_previous_file.as_ref(),
            ),
            ("SEALGATE_TLS_KEY", settings.server.tls_key.as_ref()),
            (
                "SEALGATE_SECURE_DATA_FILE",
                settings.app.secure_data_file.as_ref(),
            ),
            ("SEALGATE_LOG_FILE", settings.log.file.as_ref()),
            ("SEALGATE_AUDIT_FILE", settings.log.audit_file.as_ref()),
        ];
        let files = files.into_iter();
        files
            .filter_map(|(setting, path)| given_file::warning(setting, path?))
            .collect()
    }

    fn judge(&self) -> Judged {
        let mut judged = Judged {
            settings: Settings::empty(),
            faults: Vec::new(),
            wrong: Vec::new(),
        };
        for setting in SETTINGS {
            let given = self.values.get(setting.name);
            let value = given.map_or(setting.default.as_bytes(), |given| given.value.expose());
            if given.is_none() && value.is_empty() {
                continue;
            }
            if let Err(wanted) = (setting.apply)(&mut judged.settings, value) {
                let source = given.map_or(&Source::Default, |given| &given.source);
                let name = source.names(setting);
                judged.faults.push(format!("{name} {wanted}"));
                judged.wrong.push((setting.name, wanted));
            }
        }
        judged.settings.complete();
        judged.settings.warnings = self.warnings_of_files(&judged.settings);
        for (names, sentence) in judged.settings.wrong_combinations() {
            // What is wrong by itself is only seemingly missing.
            let known = |name: &&str| judged.wrong.iter().any(|(wrong, _)| wrong == name);
            if !names.iter().any(known) {
                judged.faults.push(self.with_names(names, sentence));
            }
        }
        judged
    }

    /// The sentence with each setting by the name that its giver knows, in the place of `{name}`.
    fn with_names(&self, names: &[&str], sentence: &str) -> String {
        names.iter().fold(sentence.to_owned(), |sentence, name| {
            let setting = find(name).expect("combinations name settings of the table");
            sentence.replace(&format!("{{{name}}}"), &self.source(setting).names(setting))
        })
    }

    /// Where the value of a setting came from.
    pub fn source(&self, setting: &Setting) -> Source {
        self.values
            .get(setting.name)
            .map_or(Source::Default, |given| given.source.clone())
    }

    fn give(&mut self, setting: &Setting, value: Secret, source: Source) {
        let outranked = self
            .values
            .get(setting.name)
            .is_some_and(|given| given.source.rank() > source.rank());
        if !outranked {
            self.values.insert(setting.name, Given { value, source });
        }
    }
}

/// The settings as far as they are right, and everything that is wrong.
struct Judged {
    settings: Settings,
    /// Whole sentences.
    faults: Vec<String>,
    /// The settings whose values are wrong, and what they want.
    wrong: Vec<(&'static str, String)>,
}

impl Settings {
    /// Before the table has been read.
    fn empty() -> Self {
        Settings {
            gate: GateSettings::empty(),
            app: AppSettings::empty(),
            server: ServerSettings::empty(),
            log: LogSettings::default(),
            warnings: Vec::new(),
        }
    }

    /// What follows from other settings.
    fn complete(&mut self) {
        self.app.limiter_memory = self.gate.limiter_memory;
        self.gate.open_login = self.app.login == LoginMode::Open;
        // Of Unix peers it says nothing about who reaches a TCP address.
        self.server.behind_proxy = !self.app.trusted_proxies.is_empty();
    }

    /// Settings that do not go together: their names, and a sentence in which `{name}` stands for one of them.
    fn wrong_combinations(&self) -> Vec<(&'static [&'static str], &'static str)> {
        let mut wrong: Vec<(&[_], _)> = Vec::new();
        let gate = &self.gate;
        if gate.cbc != Some(CbcMode::Off) {
            if gate.aes_iv.is_some() && gate.aes_key.is_none() {
                wrong.push((
                    &["aes_iv", "aes_key", "cbc"],
                    "{aes_iv} is set but {aes_key} is not. Set both, or neither (new data is then sealed without them).",
                ));
            }
            if gate.cbc.is_some() && gate.aes_iv.is_none() {
                wrong.push((
                    &["aes_iv", "aes_key", "cbc"],
                    "{cbc} asks for the original's AES-CBC, which needs {aes_key} and {aes_iv}.",
                ));
            }
        }
        if gate.jwt_secret_key.is_some()
            && gate.token_algorithm.unwrap_or_default() != TokenAlgorithm::Hs256
        {
            wrong.push((
                &["jwt_secret_key", "token_algorithm"],
                "{jwt_secret_key} is a secret for HS256, and {token_algorithm} asks for key pairs, which the key ring makes. Unset one of the two.",
            ));
        }
        if self.app.secure_data.is_some() && self.app.secure_data_file.is_some() {
            wrong.push((
                &["secure_data", "secure_data_file"],
                "{secure_data} and {secure_data_file} are both set. Set one.",
            ));
        }
        let server = &self.server;
        if server.tls_cert.is_some() != server.tls_key.is_some() {
            wrong.push((
                &["tls_cert", "tls_key"],
                "{tls_cert} and {tls_key} belong together. Set both, or neither.",
            ));
        }
        if server.tls_client_ca.is_some() && server.tls_cert.is_none() {
            wrong.push((
                &["tls_client_ca", "tls_cert"],
                "{tls_client_ca} asks clients for certificates, which needs TLS: set {tls_cert} and its key too.",
            ));
        }
        if server.tls_cert.is_some() && server.engine == EngineChoice::TinyHttp {
            wrong.push((
                &["tls_cert", "engine"],
                "{tls_cert} is set, and the engine that {engine} names speaks no TLS. Use pool, or a proxy that speaks TLS.",
            ));
        }
        wrong
    }
}

#[cfg(any(test, fuzzing))]
mod fuzz;
#[cfg(any(test, fuzzing))]
pub(crate) use fuzz::settings as settings_file;
#[cfg(test)]
mod tests;
