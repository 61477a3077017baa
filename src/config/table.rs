//! The table of settings: name, environment variable, default, help and parser of each.

use super::Settings;
use super::parse;
use crate::api::{AccessLog, BatchCost, LoginMode};
use crate::cipher::CbcMode;
use crate::keys::RingSecret;
use crate::logging::{AuditFail, LogFormat};
use crate::server::{EngineChoice, ProxyProtocol};
use crate::signing::TokenAlgorithm;
use crate::store::StoreUrl;
use crate::tokens::MAX_TTL;
use crate::users::MAX_HASH_COST;
use std::time::Duration;

/// The one definition of a setting, for the settings file, the environment, the command line, the help and the docs.
#[derive(Debug)]
pub struct Setting {
    /// Its name in the settings file.
    pub name: &'static str,
    /// Its environment variable.
    pub env: &'static str,
    /// Its value if none is given; empty if it has no default.
    pub default: &'static str,
    /// The placeholder for its value in help texts.
    pub value_name: &'static str,
    /// What it is for, in one or two sentences.
    pub help: &'static str,
    /// What it is for.
    pub group: Group,
    /// Never shown, and without a flag: other users of the machine can see a process's arguments.
    pub secret: bool,
    pub(super) apply: fn(&mut Settings, &[u8]) -> Result<(), String>,
}

impl Setting {
    /// Its flag without the dashes; `None` for a secret.
    pub fn flag(&self) -> Option<String> {
        (!self.secret).then(|| self.name.replace('_', "-"))
    }
}

/// What a setting is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// A gate: keys, tokens, accounts and encryption.
    Gate,
    /// The server alone.
    Server,
}

/// The setting with this name, spelled as in the file or in the environment.
pub fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS
        .iter()
        .find(|setting| setting.name == name || setting.env == name)
}

/// Defines the table. A row is the name, the variable, the group, `secret` if it is one, the placeholder and the default;
/// then the help; then how a value gets into the settings.
macro_rules! settings {
    ($(
        $name:ident $env:literal $group:ident $($secret:ident)? $value_name:literal $default:literal
        $help:literal
        |$s:ident, $v:ident| $apply:expr;
    )*) => {
        /// Every setting.
        pub static SETTINGS: &[Setting] = &[$(Setting {
            name: stringify!($name),
            env: $env,
            default: $default,
            value_name: $value_name,
            help: $help,
            group: Group::$group,
            secret: !stringify!($($secret)?).is_empty(),
            apply: |$s, $v| {
                $apply;
                Ok(())
            },
        }),*];
    };
}

settings! {
    jwt_secret_key "JWT_SECRET_KEY" Gate secret "TEXT" ""
        "Secret that signs tokens: at least 32 bytes, used as they are. Without it the key ring's key is used."
        |s, v| s.gate.keys.given.jwt_secret_key = Some(parse::jwt_secret(v)?);
    aes_key "AES_KEY" Gate secret "TEXT" ""
        "Key that encrypts data: 16, 24 or 32 bytes, 64 hex digits, or 43 or 44 base64 characters; or such a value after hex:, base64: or raw:. Without it the key ring's key is used."
        |s, v| {
            let (key, form) = parse::aes_key(v)?;
            s.gate.keys.given.aes_key = Some(key);
            s.gate.keys.given.aes_key_form = form;
        };
    aes_iv "AES_IV" Gate secret "TEXT" ""
        "IV of the original program's AES-CBC: 16 bytes, 32 hex digits, or 22 or 24 base64 characters; or such a value after hex:, base64: or raw:. Only for compatibility."
        |s, v| {
            let (iv, form) = parse::aes_iv(v)?;
            s.gate.keys.given.aes_iv = Some(iv);
            s.gate.keys.given.aes_iv_form = form;
        };
    rate_limit_window "RATE_LIMIT_WINDOW" Gate "SECONDS" "60"
        "Length of the window in which a user's requests are counted."
        |s, v| s.gate.limiter.window = seconds(v, 1, 31_622_400)?;
    max_requests "MAX_REQUESTS" Gate "N" "5"
        "Maximum number of requests by one user in any window; 0 disables the limit."
        |s, v| s.gate.limiter.max_requests = parse::number(v, 0, 10_000_000)? as u32;
    limits "SEALGATE_LIMITS" Gate "LIST" ""
        "Named limits, separated by semicolons: a name, a number of requests and a window in seconds, such as exports: 10 per 3600; bulk: 1000 per 60, per api key, cost by item. A limit counts each user, or with per api key or per address each API key or client address. With cost by item it counts the items of batches."
        |s, v| s.gate.limiter.policies = parse::policies(v)?;
    limits_file "SEALGATE_LIMITS_FILE" Gate "FILE" ""
        "File that contains the value of SEALGATE_LIMITS, one limit on each line. # begins a comment."
        |s, v| s.gate.limiter.policies_file = Some(parse::path(v)?);
    batch_cost "SEALGATE_BATCH_COST" Server "request|items" "request"
        "What a batch to /encrypt, /decrypt or /rewrap counts against MAX_REQUESTS: request: 1. items: as much as it has items."
        |s, v| s.app.batch_cost = parse::choice(v, &[("request", BatchCost::Request), ("items", BatchCost::Items)])?;
    listen "SEALGATE_LISTEN" Server "ADDRESS" "127.0.0.1:5000"
        "Where to listen: HOST:PORT, [IPV6]:PORT or unix:/PATH, separated by commas. Port 0 picks a free port. Sockets that systemd passes are served in its place."
        |s, v| s.server.listen = parse::listen(v)?;
    metrics_listen "SEALGATE_METRICS_LISTEN" Server "ADDRESS" ""
        "Where to serve the metrics (GET /metrics) for Prometheus, such as 127.0.0.1:9464. Other machines need a token with the scope metrics, or a client certificate if these are required."
        |s, v| s.server.metrics_listen = Some(parse::one_listen(v)?);
    admin_listen "SEALGATE_ADMIN_LISTEN" Server "ADDRESS" ""
        "Where to serve administration (/admin/v1/), in the form of SEALGATE_LISTEN; it is then served nowhere else. If this is not set, SEALGATE_LISTEN serves it to processes of this machine, and not through a proxy."
        |s, v| s.server.admin_listen = parse::listen(v)?;
    admin_certificates "SEALGATE_ADMIN_CERTIFICATES" Server "NAMES" ""
        "Common names, separated by commas: whoever presents a client certificate with one of them (SEALGATE_TLS_CLIENT_CA) is an administrator without a token."
        |s, v| s.app.admin_certificates = parse::common_names(v)?;
    socket_mode "SEALGATE_SOCKET_MODE" Server "OCTAL" "600"
        "Permissions of a Unix socket: who may connect."
        |s, v| s.server.socket_mode = parse::mode(v)?;
    data_dir "SEALGATE_DATA_DIR" Gate "DIR" ""
        "Directory of the key ring and the store (mode 0700). If it is not set, the command uses the first path in $STATE_DIRECTORY, else $XDG_STATE_HOME/sealgate, else ~/.local/state/sealgate."
        |s, v| s.gate.keys.data_dir = Some(parse::path(v)?);
    store "SEALGATE_STORE" Gate secret "URL" ""
        "PostgreSQL database that several machines share in place of the store and the key ring in the data directory, such as postgres://sealgate@db1,db2/sealgate. If it is not set, both are in the data directory."
        |s, v| s.gate.store.shared.url = Some(StoreUrl::parse(v).map_err(|wrong| wrong + ".")?);
    store_password_file "SEALGATE_STORE_PASSWORD_FILE" Gate "FILE" ""
        "File that contains the password for SEALGATE_STORE; it is read for each new connection."
        |s, v| s.gate.store.shared.password_file = Some(parse::path(v)?);
    store_timeout "SEALGATE_STORE_TIMEOUT" Gate "MILLISECONDS" "2000"
        "How long a request waits for the database of SEALGATE_STORE before it is refused."
        |s, v| s.gate.store.shared.timeout = Duration::from_millis(parse::number(v, 50, 60_000)?);
    store_connections "SEALGATE_STORE_CONNECTIONS" Gate "N" "8"
        "Maximum number of connections to the database of SEALGATE_STORE, besides one that waits for changes."
        |s, v| s.gate.store.shared.connections = parse::number(v, 1, 1000)? as u32;
    store_down "SEALGATE_STORE_DOWN" Gate "refuse|stale:SECONDS" "refuse"
        "What happens to tokens while the database of SEALGATE_STORE cannot be used. refuse: they are refused after a second. stale:SECONDS: for so long they are checked against the last known revocations; then they are refused."
        |s, v| s.gate.store.shared.stale = parse::stale(v)?;
    ring_copy "SEALGATE_RING_COPY" Gate "on|off" "off"
        "Whether a copy of the key ring in SEALGATE_STORE, sealed as it is there, is kept in the data directory, so that a server can start while the database is down."
        |s, v| s.gate.keys.copy = parse::choice(v, &[("on", true), ("off", false)])?;
    keys "SEALGATE_KEYS" Gate "ring|ephemeral" "ring"
        "ring: keys survive a restart. ephemeral: random keys that are lost when the process exits; nothing is written."
        |s, v| s.gate.keys.ephemeral = parse::choice(v, &[("ring", false), ("ephemeral", true)])?;
    token_algorithm "SEALGATE_TOKEN_ALGORITHM" Gate "HS256|EdDSA|ES256" ""
        "How new tokens are signed: HS256 with a shared secret, EdDSA and ES256 with key pairs whose public keys anybody may have. If the newest token key has another algorithm, it is replaced, and accepted until its last token has expired. If this is not set, the ring's algorithm is kept; a new ring uses HS256."
        |s, v| {
            let choices = TokenAlgorithm::ALL.map(|known| (known.name(), known));
            s.gate.keys.rotation.token_algorithm = Some(parse::choice(v, &choices)?);
        };
    ring_key "SEALGATE_RING_KEY" Gate secret "TEXT" ""
        "Secret that the ring's file is sealed under: a passphrase of at least 12 characters, or a key of 32 bytes after hex:, base64: or raw:. Without it the file is in the clear."
        |s, v| s.gate.keys.ring.ring_key = Some(RingSecret::read(v)?);
    ring_key_file "SEALGATE_RING_KEY_FILE" Gate "FILE" ""
        "File that contains the value of SEALGATE_RING_KEY."
        |s, v| s.gate.keys.ring.ring_key_file = Some(parse::path(v)?);
    ring_key_previous "SEALGATE_RING_KEY_PREVIOUS" Gate secret "TEXT" ""
        "Secret that the ring's file may still be sealed under while SEALGATE_RING_KEY is being changed."
        |s, v| s.gate.keys.ring.ring_key_previous = Some(RingSecret::read(v)?);
    ring_key_previous_file "SEALGATE_RING_KEY_PREVIOUS_FILE" Gate "FILE" ""
        "File that contains the value of SEALGATE_RING_KEY_PREVIOUS."
        |s, v| s.gate.keys.ring.ring_key_previous_file = Some(parse::path(v)?);
    token_key_lead "SEALGATE_TOKEN_KEY_LEAD" Gate "SECONDS" "900"
        "How long a new EdDSA or ES256 key is in jwks.json before it signs, so that clients have it by then. Clients may cache jwks.json for a third of this, at most 300 s. 0 signs at once."
        |s, v| s.gate.keys.rotation.token_key_lead = seconds(v, 0, 604_800)?;
    rotate_token_key_after "SEALGATE_ROTATE_TOKEN_KEY_AFTER" Gate "SECONDS" "0"
        "Age at which a server replaces the ring's token key; the old one is accepted until its last token has expired. 0 disables this."
        |s, v| s.gate.keys.rotation.rotate_token_key_after = seconds(v, 0, 3_162_240_000)?;
    rotate_data_key_after "SEALGATE_ROTATE_DATA_KEY_AFTER" Gate "SECONDS" "0"
        "Age at which a server replaces the ring's data key; old ones still decrypt. 0 disables this."
        |s, v| s.gate.keys.rotation.rotate_data_key_after = seconds(v, 0, 3_162_240_000)?;
    engine "SEALGATE_ENGINE" Server "auto|pool|tiny-http" "auto"
        "HTTP engine that serves the sockets. auto is pool on Linux, else tiny-http."
        |s, v| s.server.engine = parse::choice(v, &[
            ("auto", EngineChoice::Auto),
            ("pool", EngineChoice::Pool),
            ("tiny-http", EngineChoice::TinyHttp),
        ])?;
    workers "SEALGATE_WORKERS" Server "N" "0"
        "Maximum number of threads that answer requests; fewer run if the load allows (tiny-http: per address). 0 chooses by the number of cores."
        |s, v| s.server.workers = parse::number(v, 0, 1024)? as usize;
    blocking_workers "SEALGATE_BLOCKING_WORKERS" Server "N" "16"
        "Threads for slow requests: large bodies, and routes of a host that wait for something."
        |s, v| s.server.blocking_workers = parse::number(v, 1, 1024)? as usize;
    max_head "SEALGATE_MAX_HEAD" Server "BYTES" "16384"
        "Maximum size of a request's head: its request line and header fields."
        |s, v| s.server.max_head = parse::number(v, 1024, 1 << 20)? as usize;
    max_fields "SEALGATE_MAX_FIELDS" Server "N" "64"
        "Maximum number of header fields in a request."
        |s, v| s.server.max_fields = parse::number(v, 8, 1024)? as usize;
    max_body "SEALGATE_MAX_BODY" Server "BYTES" "1048576"
        "Maximum size of a body that carries data: /encrypt, /decrypt, /rewrap, and the routes of a host."
        |s, v| s.server.max_body = parse::number(v, 1024, 64 << 20)? as usize;
    max_credentials "SEALGATE_MAX_CREDENTIALS" Server "BYTES" "16384"
        "Maximum size of a body that carries credentials (/login, /refresh, /token, /revoke, /introspect, /logout) or no data at all."
        |s, v| s.app.max_credentials = parse::number(v, 1024, 64 << 20)? as usize;
    head_timeout "SEALGATE_HEAD_TIMEOUT" Server "SECONDS" "10"
        "Deadline for the whole head of a request (and for a TLS handshake), from the connection's start or the head's first byte."
        |s, v| s.server.head_timeout = seconds(v, 1, 3600)?;
    body_timeout "SEALGATE_BODY_TIMEOUT" Server "SECONDS" "30"
        "Deadline for the whole body of a request."
        |s, v| s.server.body_timeout = seconds(v, 1, 3600)?;
    write_timeout "SEALGATE_WRITE_TIMEOUT" Server "SECONDS" "30"
        "How long a client may take to read a whole response."
        |s, v| s.server.write_timeout = seconds(v, 1, 3600)?;
    idle_timeout "SEALGATE_IDLE_TIMEOUT" Server "SECONDS" "60"
        "How long a connection may wait for its next request."
        |s, v| s.server.idle_timeout = seconds(v, 1, 86_400)?;
    max_connections "SEALGATE_MAX_CONNECTIONS" Server "N" "10000"
        "Maximum number of connections; fewer if the limit on open files (ulimit -n) leaves less room, which is logged. At the limit the slowest connection is closed, whatever it is in the middle of, else the one idle for longest."
        |s, v| s.server.max_connections = parse::number(v, 1, 1 << 20)? as usize;
    max_connections_per_address "SEALGATE_MAX_CONNECTIONS_PER_ADDRESS" Server "N" "0"
        "Maximum number of connections from one address (for IPv6, from one /64). 0 sets no fixed number: when all connections are taken, an address that holds more than a quarter of them loses one of its own first, unless it is in SEALGATE_TRUSTED_PROXIES."
        |s, v| s.server.max_connections_per_address = parse::number(v, 0, 1 << 20)? as usize;
    max_buffered "SEALGATE_MAX_BUFFERED" Server "BYTES" "67108864"
        "Memory for requests and responses in transit, for all connections together. At the limit the slowest give up theirs: a body gets 503, a response that is not read is cut off. An eighth is reserved for requests of up to 32 KiB. A body counts with its own size (in chunks with up to one and a half times that) until it is answered, a response until it is sent."
        |s, v| s.server.max_buffered = parse::number(v, 1 << 20, 1 << 40)? as usize;
    max_tls_memory "SEALGATE_MAX_TLS_MEMORY" Server "BYTES" "268435456"
        "Memory for TLS state, for all connections together, as estimated: 48 KiB for a connection in its handshake (148 KiB if clients are asked for certificates), 20 KiB afterwards, and before the handshake only what the client has sent. At the limit connections are closed as for SEALGATE_MAX_CONNECTIONS."
        |s, v| s.server.max_tls_memory = parse::number(v, 1 << 20, 1 << 40)? as usize;
    tls_cert "SEALGATE_TLS_CERT" Server "FILE" ""
        "Certificate chain (PEM, the server's own first). With it TCP addresses speak TLS 1.2 and 1.3 and nothing else. Certificate, key and SEALGATE_TLS_CLIENT_CA are reloaded within 5 seconds after a file has changed, and on SIGHUP."
        |s, v| s.server.tls_cert = Some(parse::path(v)?);
    tls_key "SEALGATE_TLS_KEY" Server "FILE" ""
        "Private key of the certificate (PEM), not readable by other users."
        |s, v| s.server.tls_key = Some(parse::path(v)?);
    tls_client_ca "SEALGATE_TLS_CLIENT_CA" Server "FILE" ""
        "Certificates (PEM) of the authorities that issue client certificates. With it clients are asked for a certificate, whose subject is logged."
        |s, v| s.server.tls_client_ca = Some(parse::path(v)?);
    tls_client "SEALGATE_TLS_CLIENT" Server "optional|required" "required"
        "Whether clients need a certificate if SEALGATE_TLS_CLIENT_CA is set."
        |s, v| s.server.tls_client_required = parse::choice(v, &[("optional", false), ("required", true)])?;
    grace "SEALGATE_GRACE" Server "SECONDS" "10"
        "How long running requests may still take when the server stops. Idle connections stay open for half of this time, at most one second: another request on them is answered with Connection: close."
        |s, v| s.server.grace = seconds(v, 0, 3600)?;
    log_level "SEALGATE_LOG_LEVEL" Server "LEVEL" "info"
        "off, error, warn, info, debug or trace."
        |s, v| s.log.level = parse::log_level(v)?;
    log_format "SEALGATE_LOG_FORMAT" Server "text|json" "text"
        "Format of log lines: text for people, json for programs (one object per line)."
        |s, v| s.log.format = parse::choice(v, &[("text", LogFormat::Text), ("json", LogFormat::Json)])?;
    access_log "SEALGATE_ACCESS_LOG" Server "all|no-health" "all"
        "Which requests are logged: all, or no-health: all except successful checks of /healthz and /readyz."
        |s, v| s.app.access_log = parse::choice(v, &[
            ("all", AccessLog::All),
            ("no-health", AccessLog::NoHealth),
        ])?;
    log_file "SEALGATE_LOG_FILE" Server "FILE" ""
        "File that log lines are appended to, in addition to standard error (created with mode 0600). SIGHUP reopens it."
        |s, v| s.log.file = Some(parse::path(v)?);
    audit_file "SEALGATE_AUDIT_FILE" Gate "FILE" ""
        "File for audit events only (logins, denials, changes of accounts and keys, revoked tokens), whatever the log level; the log has them too."
        |s, v| s.gate.audit.file = Some(parse::path(v)?);
    audit "SEALGATE_AUDIT" Gate "SINK" ""
        "Where audit events go besides the log and SEALGATE_AUDIT_FILE. syslog: sends them to /dev/log (RFC 5424), journald: to systemd's journal, each with fields; a path after the colon names another socket."
        |s, v| s.gate.audit.socket = Some(parse::audit_socket(v)?);
    audit_fail "SEALGATE_AUDIT_FAIL" Gate "open|closed" "open"
        "What happens while audit events cannot be delivered. open: everything goes on. closed: logins, new and revoked tokens and changes of accounts and keys are refused."
        |s, v| s.gate.audit.fail = parse::choice(v, &[("open", AuditFail::Open), ("closed", AuditFail::Closed)])?;
    secure_data "SEALGATE_SECURE_DATA" Server secret "TEXT" ""
        "The data that GET /secure-data encrypts and returns."
        |s, v| s.app.secure_data = Some(v.into());
    secure_data_file "SEALGATE_SECURE_DATA_FILE" Server "FILE" ""
        "File with the data that GET /secure-data encrypts and returns, at most 1 MiB; a changed file is detected within a second."
        |s, v| s.app.secure_data_file = Some(parse::path(v)?);
    login "SEALGATE_LOGIN" Server "auto|open|off" "auto"
        "Who may log in. auto: users with a password, or, if there has never been an account, processes of the server's own user under any name. open: anybody who reaches the server, under any name and without a password. off: nobody."
        |s, v| s.app.login = parse::choice(v, &[
            ("auto", LoginMode::Auto),
            ("open", LoginMode::Open),
            ("off", LoginMode::Off),
        ])?;
    login_max_requests "SEALGATE_LOGIN_MAX_REQUESTS" Server "N" "60"
        "Maximum number of logins in any window from one address (an IPv6 /64), and for one user from one address; an IPv6 /48 may have four times as many. 0 disables the limit."
        |s, v| s.app.login_max_requests = parse::number(v, 0, 10_000_000)? as u32;
    login_window "SEALGATE_LOGIN_WINDOW" Server "SECONDS" "60"
        "Length of the window in which logins are counted."
        |s, v| s.app.login_window = seconds(v, 1, 31_622_400)?;
    cbc "SEALGATE_CBC" Gate "off|open|seal" ""
        "The original program's AES-CBC. off: never. open: decrypts old data only. seal: encrypts new data too. Defaults to seal if AES_IV is set, else off."
        |s, v| {
            let choices = CbcMode::ALL.map(|known| (known.name(), known));
            s.gate.keys.given.cbc = Some(parse::choice(v, &choices)?);
        };
    token_ttl "SEALGATE_TOKEN_TTL" Gate "SECONDS" "1800"
        "How long a new token is valid."
        |s, v| s.gate.tokens.token_ttl = seconds(v, 1, MAX_TTL)?;
    refresh_ttl "SEALGATE_REFRESH_TTL" Gate "SECONDS" "1209600"
        "How long a login with an account can be refreshed without a password, from the last refresh on; 0 issues no refresh tokens."
        |s, v| s.gate.tokens.refresh_ttl = seconds(v, 0, MAX_TTL)?;
    password_memory "SEALGATE_PASSWORD_MEMORY" Gate "KIB" "19456"
        "Memory for hashing one password (argon2id's m). After the cost is raised, a password is rehashed at its next login."
        |s, v| s.gate.users.password_memory = parse::number(v, 1024, MAX_HASH_COST.0.into())? as u32;
    password_passes "SEALGATE_PASSWORD_PASSES" Gate "N" "2"
        "Passes over that memory (argon2id's t)."
        |s, v| s.gate.users.password_passes = parse::number(v, 1, MAX_HASH_COST.1.into())? as u32;
    password_lanes "SEALGATE_PASSWORD_LANES" Gate "N" "1"
        "Lanes in that memory (argon2id's p)."
        |s, v| s.gate.users.password_lanes = parse::number(v, 1, MAX_HASH_COST.2.into())? as u32;
    password_hashes "SEALGATE_PASSWORD_HASHES" Gate "N" "0"
        "How many passwords are hashed at a time, each with its own memory; 0: as many as there are cores."
        |s, v| s.gate.users.password_hashes = parse::number(v, 0, 64)? as usize;
    lockout_after "SEALGATE_LOCKOUT_AFTER" Gate "N" "5"
        "Wrong passwords for one name from one address (an IPv6 /64) after which further attempts have to wait, 1 s at first and 15 min at most. After twice as many from one network (IPv6 /48, IPv4 /24), or four times as many from anywhere, attempts from addresses that the name has not logged in from have to wait too. 0 disables this."
        |s, v| s.gate.users.lockout_after = parse::number(v, 0, 1_000_000)? as u32;
    leeway "SEALGATE_LEEWAY" Gate "SECONDS" "5"
        "How far the clocks of token issuers and verifiers may differ."
        |s, v| s.gate.tokens.leeway = seconds(v, 0, 300)?;
    token_cache "SEALGATE_TOKEN_CACHE" Gate "N" "4096"
        "How many verified tokens are cached, so that they are not verified again at each request; 0 disables the cache."
        |s, v| s.gate.tokens.token_cache = parse::number(v, 0, 1 << 20)? as usize;
    issuer "SEALGATE_ISSUER" Gate "TEXT" "sealgate"
        "The iss claim of new tokens; tokens signed with our keys but with another issuer are refused. If it is the server's URL, OAuth 2.0 clients find the server's metadata."
        |s, v| s.gate.tokens.issuer = parse::name(v)?;
    audience "SEALGATE_AUDIENCE" Gate "TEXT" ""
        "The aud claim of new tokens; if it is set, tokens for another audience are refused."
        |s, v| s.gate.tokens.audience = Some(parse::name(v)?);
    trusted_proxies "SEALGATE_TRUSTED_PROXIES" Server "LIST" ""
        "Addresses or ranges of trusted reverse proxies, separated by commas; unix stands for peers on a Unix socket."
        |s, v| (s.app.trusted_proxies, s.app.trust_unix_peers) = parse::proxies(v)?;
    proxy_protocol "SEALGATE_PROXY_PROTOCOL" Server "off|accept|require" "off"
        "Whether connections from SEALGATE_TRUSTED_PROXIES begin with a header of the PROXY protocol (version 1 or 2) that names the client. off: none is read. accept: they may. require: they have to, and all other connections are refused, except from this machine with a header that names nobody."
        |s, v| s.server.proxy_protocol = parse::choice(v, &[
            ("off", ProxyProtocol::Off),
            ("accept", ProxyProtocol::Accept),
            ("require", ProxyProtocol::Require),
        ])?;
    forwarded_header "SEALGATE_FORWARDED_HEADER" Server "HEADER" "X-Forwarded-For"
        "The header in which a trusted proxy passes on the client's address: X-Forwarded-For, Forwarded, or one with a single address."
        |s, v| s.app.forwarded_header = parse::header_name(v)?;
    verify_headers "SEALGATE_VERIFY_HEADERS" Server "LIST" "X-Auth-User, X-Auth-Scope, X-Auth-Expires"
        "The headers in which /verify passes the user, the scope and the time of expiry on to a proxy: three names."
        |s, v| s.app.verify_headers = parse::verify_headers(v)?;
    allowed_hosts "SEALGATE_ALLOWED_HOSTS" Server "LIST" ""
        "Hosts that a login without an account may name in its Host header, besides localhost; separated by commas."
        |s, v| s.app.allowed_hosts = parse::hosts(v)?;
    cors_origins "SEALGATE_CORS_ORIGINS" Server "LIST" ""
        "Origins whose web pages may use the API from a browser (CORS), separated by commas, such as https://app.example.com; * permits every origin. Without it no response has CORS headers."
        |s, v| s.app.cors_origins = parse::origins(v)?;
    cors_headers "SEALGATE_CORS_HEADERS" Server "LIST" ""
        "Request headers that these pages may send, separated by commas, besides those that the API itself reads: for the routes of a host."
        |s, v| s.app.cors_headers = parse::header_names(v)?;
    cors_credentials "SEALGATE_CORS_CREDENTIALS" Server "off|on" "off"
        "Whether requests of these pages may carry cookies and client certificates. Tokens do not need it."
        |s, v| s.app.cors_credentials = parse::choice(v, &[("off", false), ("on", true)])?;
    limiter_memory "SEALGATE_LIMITER_MEMORY" Gate "BYTES" "67108864"
        "Maximum memory of each rate limiter table: requests, each limit in SEALGATE_LIMITS, logins, and logins from IPv6 /48s."
        |s, v| s.gate.limiter.memory = parse::number(v, 65_536, 1 << 36)? as usize;
}

fn seconds(value: &[u8], least: u64, most: u64) -> Result<Duration, String> {
    parse::number(value, least, most)
        .map(Duration::from_secs)
        .map_err(|wanted| wanted.replacen("a whole number", "a whole number of seconds", 1))
}
