//! The table of settings: name, environment variable, default, help and parser of each.

use super::Settings;
use super::parse;
use crate::api::{AccessLog, LoginMode};
use crate::cipher::CbcMode;
use crate::keys::RingSecret;
use crate::logging::LogFormat;
use crate::server::EngineChoice;
use crate::signing::TokenAlgorithm;
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

const PLAIN: Setting = Setting {
    name: "",
    env: "",
    default: "",
    value_name: "TEXT",
    help: "",
    group: Group::Server,
    secret: false,
    apply: |_, _| Ok(()),
};

/// Every setting.
pub static SETTINGS: &[Setting] = &[
    Setting {
        name: "jwt_secret_key",
        env: "JWT_SECRET_KEY",
        help: "Secret that signs tokens: at least 32 bytes, used as they are. Without it the key ring's key is used.",
        group: Group::Gate,
        secret: true,
        apply: |s, v| parse::jwt_secret(v).map(|key| s.gate.keys.given.jwt_secret_key = Some(key)),
        ..PLAIN
    },
    Setting {
        name: "aes_key",
        env: "AES_KEY",
        help: "Key that encrypts data: 16, 24 or 32 bytes, 64 hex digits, or 43 or 44 base64 characters; or such a value after hex:, base64: or raw:. Without it the key ring's key is used.",
        group: Group::Gate,
        secret: true,
        apply: |s, v| {
            parse::aes_key(v).map(|(key, form)| {
                s.gate.keys.given.aes_key = Some(key);
                s.gate.keys.given.aes_key_form = form;
            })
        },
        ..PLAIN
    },
    Setting {
        name: "aes_iv",
        env: "AES_IV",
        help: "IV of the original program's AES-CBC: 16 bytes, 32 hex digits, or 22 or 24 base64 characters; or such a value after hex:, base64: or raw:. Only for compatibility.",
        group: Group::Gate,
        secret: true,
        apply: |s, v| {
            parse::aes_iv(v).map(|(iv, form)| {
                s.gate.keys.given.aes_iv = Some(iv);
                s.gate.keys.given.aes_iv_form = form;
            })
        },
        ..PLAIN
    },
    Setting {
        name: "rate_limit_window",
        env: "RATE_LIMIT_WINDOW",
        default: "60",
        value_name: "SECONDS",
        help: "Length of the window in which a user's requests are counted.",
        group: Group::Gate,
        apply: |s, v| seconds(v, 1, 31_622_400).map(|window| s.gate.limiter.window = window),
        ..PLAIN
    },
    Setting {
        name: "max_requests",
        env: "MAX_REQUESTS",
        default: "5",
        value_name: "N",
        help: "Maximum number of requests by one user in any window; 0 disables the limit.",
        group: Group::Gate,
        apply: |s, v| {
            parse::number(v, 0, 10_000_000).map(|n| s.gate.limiter.max_requests = n as u32)
        },
        ..PLAIN
    },
    Setting {
        name: "listen",
        env: "SEALGATE_LISTEN",
        default: "127.0.0.1:5000",
        value_name: "ADDRESS",
        help: "Where to listen: HOST:PORT, [IPV6]:PORT or unix:/PATH, separated by commas. Port 0 picks a free port. Sockets that systemd passes are served in its place.",
        apply: |s, v| parse::listen(v).map(|listen| s.server.listen = listen),
        ..PLAIN
    },
    Setting {
        name: "metrics_listen",
        env: "SEALGATE_METRICS_LISTEN",
        value_name: "ADDRESS",
        help: "Where to serve the metrics (GET /metrics) for Prometheus, such as 127.0.0.1:9464. Other machines need a token with the scope metrics, or a client certificate if these are required.",
        apply: |s, v| parse::one_listen(v).map(|listen| s.server.metrics_listen = Some(listen)),
        ..PLAIN
    },
    Setting {
        name: "socket_mode",
        env: "SEALGATE_SOCKET_MODE",
        default: "600",
        value_name: "OCTAL",
        help: "Permissions of a Unix socket: who may connect.",
        apply: |s, v| parse::mode(v).map(|mode| s.server.socket_mode = mode),
        ..PLAIN
    },
    Setting {
        name: "data_dir",
        env: "SEALGATE_DATA_DIR",
        value_name: "DIR",
        help: "Directory of the key ring and the store (mode 0700). If it is not set, the command uses the first path in $STATE_DIRECTORY, else $XDG_STATE_HOME/sealgate, else ~/.local/state/sealgate.",
        group: Group::Gate,
        apply: |s, v| parse::path(v).map(|path| s.gate.keys.data_dir = Some(path)),
        ..PLAIN
    },
    Setting {
        name: "keys",
        env: "SEALGATE_KEYS",
        default: "ring",
        value_name: "ring|ephemeral",
        help: "ring: keys survive a restart. ephemeral: random keys that are lost when the process exits; nothing is written.",
        group: Group::Gate,
        apply: |s, v| {
            parse::choice(v, &[("ring", false), ("ephemeral", true)])
                .map(|ephemeral| s.gate.keys.ephemeral = ephemeral)
        },
        ..PLAIN
    },
    Setting {
        name: "token_algorithm",
        env: "SEALGATE_TOKEN_ALGORITHM",
        value_name: "HS256|EdDSA|ES256",
        help: "How new tokens are signed: HS256 with a shared secret, EdDSA and ES256 with key pairs whose public keys anybody may have. If the newest token key has another algorithm, it is replaced, and accepted until its last token has expired. If this is not set, the ring's algorithm is kept; a new ring uses HS256.",
        group: Group::Gate,
        apply: |s, v| {
            parse::choice(v, &TokenAlgorithm::ALL.map(|known| (known.name(), known)))
                .map(|algorithm| s.gate.keys.rotation.token_algorithm = Some(algorithm))
        },
        ..PLAIN
    },
    Setting {
        name: "ring_key",
        env: "SEALGATE_RING_KEY",
        help: "Secret that the ring's file is sealed under: a passphrase of at least 12 characters, or a key of 32 bytes after hex:, base64: or raw:. Without it the file is in the clear.",
        group: Group::Gate,
        secret: true,
        apply: |s, v| RingSecret::read(v).map(|key| s.gate.keys.ring.ring_key = Some(key)),
        ..PLAIN
    },
    Setting {
        name: "ring_key_file",
        env: "SEALGATE_RING_KEY_FILE",
        value_name: "FILE",
        help: "File that contains the value of SEALGATE_RING_KEY.",
        group: Group::Gate,
        apply: |s, v| parse::path(v).map(|path| s.gate.keys.ring.ring_key_file = Some(path)),
        ..PLAIN
    },
    Setting {
        name: "ring_key_previous",
        env: "SEALGATE_RING_KEY_PREVIOUS",
        help: "Secret that the ring's file may still be sealed under while SEALGATE_RING_KEY is being changed.",
        group: Group::Gate,
        secret: true,
        apply: |s, v| RingSecret::read(v).map(|key| s.gate.keys.ring.ring_key_previous = Some(key)),
        ..PLAIN
    },
    Setting {
        name: "ring_key_previous_file",
        env: "SEALGATE_RING_KEY_PREVIOUS_FILE",
        value_name: "FILE",
        help: "File that contains the value of SEALGATE_RING_KEY_PREVIOUS.",
        group: Group::Gate,
        apply: |s, v| {
            parse::path(v).map(|path| s.gate.keys.ring.ring_key_previous_file = Some(path))
        },
        ..PLAIN
    },
    Setting {
        name: "token_key_lead",
        env: "SEALGATE_TOKEN_KEY_LEAD",
        default: "900",
        value_name: "SECONDS",
        help: "How long a new EdDSA or ES256 key is in jwks.json before it signs, so that clients have it by then. Clients may cache jwks.json for a third of this, at most 300 s. 0 signs at once.",
        group: Group::Gate,
        apply: |s, v| seconds(v, 0, 604_800).map(|lead| s.gate.keys.rotation.token_key_lead = lead),
        ..PLAIN
    },
    Setting {
        name: "rotate_token_key_after",
        env: "SEALGATE_ROTATE_TOKEN_KEY_AFTER",
        default: "0",
        value_name: "SECONDS",
        help: "Age at which a server replaces the ring's token key; the old one is accepted until its last token has expired. 0 disables this.",
        group: Group::Gate,
        apply: |s, v| {
            seconds(v, 0, 3_162_240_000)
                .map(|age| s.gate.keys.rotation.rotate_token_key_after = age)
        },
        ..PLAIN
    },
    Setting {
        name: "rotate_data_key_after",
        env: "SEALGATE_ROTATE_DATA_KEY_AFTER",
        default: "0",
        value_name: "SECONDS",
        help: "Age at which a server replaces the ring's data key; old ones still decrypt. 0 disables this.",
        group: Group::Gate,
        apply: |s, v| {
            seconds(v, 0, 3_162_240_000).map(|age| s.gate.keys.rotation.rotate_data_key_after = age)
        },
        ..PLAIN
    },
    Setting {
        name: "engine",
        env: "SEALGATE_ENGINE",
        default: "auto",
        value_name: "auto|pool|tiny-http",
        help: "HTTP engine that serves the sockets. auto is pool on Linux, else tiny-http.",
        apply: |s, v| {
            parse::choice(
                v,
                &[
                    ("auto", EngineChoice::Auto),
                    ("pool", EngineChoice::Pool),
                    ("tiny-http", EngineChoice::TinyHttp),
                ],
            )
            .map(|engine| s.server.engine = engine)
        },
        ..PLAIN
    },
    Setting {
        name: "workers",
        env: "SEALGATE_WORKERS",
        default: "0",
        value_name: "N",
        help: "Maximum number of threads that answer requests; fewer run if the load allows (tiny-http: per address). 0 chooses by the number of cores.",
        apply: |s, v| parse::number(v, 0, 1024).map(|n| s.server.workers = n as usize),
        ..PLAIN
    },
    Setting {
        name: "blocking_workers",
        env: "SEALGATE_BLOCKING_WORKERS",
        default: "16",
        value_name: "N",
        help: "Threads for slow requests: large bodies, and routes of a host that wait for something.",
        apply: |s, v| parse::number(v, 1, 1024).map(|n| s.server.blocking_workers = n as usize),
        ..PLAIN
    },
    Setting {
        name: "max_head",
        env: "SEALGATE_MAX_HEAD",
        default: "16384",
        value_name: "BYTES",
        help: "Maximum size of a request's head: its request line and header fields.",
        apply: |s, v| parse::number(v, 1024, 1 << 20).map(|n| s.server.max_head = n as usize),
        ..PLAIN
    },
    Setting {
        name: "max_fields",
        env: "SEALGATE_MAX_FIELDS",
        default: "64",
        value_name: "N",
        help: "Maximum number of header fields in a request.",
        apply: |s, v| parse::number(v, 8, 1024).map(|n| s.server.max_fields = n as usize),
        ..PLAIN
    },
    Setting {
        name: "max_body",
        env: "SEALGATE_MAX_BODY",
        default: "1048576",
        value_name: "BYTES",
        help: "Maximum size of a body that carries data: /encrypt, /decrypt, /rewrap, and the routes of a host.",
        apply: |s, v| parse::number(v, 1024, 64 << 20).map(|n| s.server.max_body = n as usize),
        ..PLAIN
    },
    Setting {
        name: "max_credentials",
        env: "SEALGATE_MAX_CREDENTIALS",
        default: "16384",
        value_name: "BYTES",
        help: "Maximum size of a body that carries credentials (/login, /refresh, /introspect, /logout) or no data at all.",
        apply: |s, v| parse::number(v, 1024, 64 << 20).map(|n| s.app.max_credentials = n as usize),
        ..PLAIN
    },
    Setting {
        name: "head_timeout",
        env: "SEALGATE_HEAD_TIMEOUT",
        default: "10",
        value_name: "SECONDS",
        help: "Deadline for the whole head of a request (and for a TLS handshake), from the connection's start or the head's first byte.",
        apply: |s, v| seconds(v, 1, 3600).map(|time| s.server.head_timeout = time),
        ..PLAIN
    },
    Setting {
        name: "body_timeout",
        env: "SEALGATE_BODY_TIMEOUT",
        default: "30",
        value_name: "SECONDS",
        help: "Deadline for the whole body of a request.",
        apply: |s, v| seconds(v, 1, 3600).map(|time| s.server.body_timeout = time),
        ..PLAIN
    },
    Setting {
        name: "write_timeout",
        env: "SEALGATE_WRITE_TIMEOUT",
        default: "30",
        value_name: "SECONDS",
        help: "How long a client may take to read a whole response.",
        apply: |s, v| seconds(v, 1, 3600).map(|time| s.server.write_timeout = time),
        ..PLAIN
    },
    Setting {
        name: "idle_timeout",
        env: "SEALGATE_IDLE_TIMEOUT",
        default: "60",
        value_name: "SECONDS",
        help: "How long a connection may wait for its next request.",
        apply: |s, v| seconds(v, 1, 86_400).map(|time| s.server.idle_timeout = time),
        ..PLAIN
    },
    Setting {
        name: "max_connections",
        env: "SEALGATE_MAX_CONNECTIONS",
        default: "10000",
        value_name: "N",
        help: "Maximum number of connections; fewer if the limit on open files (ulimit -n) leaves less room, which is logged. At the limit the slowest connection is closed, whatever it is in the middle of, else the one idle for longest.",
        apply: |s, v| parse::number(v, 1, 1 << 20).map(|n| s.server.max_connections = n as usize),
        ..PLAIN
    },
    Setting {
        name: "max_connections_per_address",
        env: "SEALGATE_MAX_CONNECTIONS_PER_ADDRESS",
        default: "0",
        value_name: "N",
        help: "Maximum number of connections from one address (for IPv6, from one /64). 0 sets no fixed number: when all connections are taken, an address that holds more than a quarter of them loses one of its own first, unless it is in SEALGATE_TRUSTED_PROXIES.",
        apply: |s, v| {
            parse::number(v, 0, 1 << 20).map(|n| s.server.max_connections_per_address = n as usize)
        },
        ..PLAIN
    },
    Setting {
        name: "max_buffered",
        env: "SEALGATE_MAX_BUFFERED",
        default: "67108864",
        value_name: "BYTES",
        help: "Memory for requests and responses in transit, for all connections together. At the limit the slowest give up theirs: a body gets 503, a response that is not read is cut off. An eighth is reserved for requests of up to 32 KiB. A body counts with its own size (in chunks with up to one and a half times that) until it is answered, a response until it is sent.",
        apply: |s, v| {
            parse::number(v, 1 << 20, 1 << 40).map(|n| s.server.max_buffered = n as usize)
        },
        ..PLAIN
    },
    Setting {
        name: "max_tls_memory",
        env: "SEALGATE_MAX_TLS_MEMORY",
        default: "268435456",
        value_name: "BYTES",
        help: "Memory for TLS state, for all connections together, as estimated: 48 KiB for a connection in its handshake (148 KiB if clients are asked for certificates), 20 KiB afterwards, and before the handshake only what the client has sent. At the limit connections are closed as for SEALGATE_MAX_CONNECTIONS.",
        apply: |s, v| {
            parse::number(v, 1 << 20, 1 << 40).map(|n| s.server.max_tls_memory = n as usize)
        },
        ..PLAIN
    },
    Setting {
        name: "tls_cert",
        env: "SEALGATE_TLS_CERT",
        value_name: "FILE",
        help: "Certificate chain (PEM, the server's own first). With it TCP addresses speak TLS 1.2 and 1.3 and nothing else. Certificate, key and SEALGATE_TLS_CLIENT_CA are reloaded within 5 seconds after a file has changed, and on SIGHUP.",
        apply: |s, v| parse::path(v).map(|path| s.server.tls_cert = Some(path)),
        ..PLAIN
    },
    Setting {
        name: "tls_key",
        env: "SEALGATE_TLS_KEY",
        value_name: "FILE",
        help: "Private key of the certificate (PEM), not readable by other users.",
        apply: |s, v| parse::path(v).map(|path| s.server.tls_key = Some(path)),
        ..PLAIN
    },
    Setting {
        name: "tls_client_ca",
        env: "SEALGATE_TLS_CLIENT_CA",
        value_name: "FILE",
        help: "Certificates (PEM) of the authorities that issue client certificates. With it clients are asked for a certificate, whose subject is logged.",
        apply: |s, v| parse::path(v).map(|path| s.server.tls_client_ca = Some(path)),
        ..PLAIN
    },
    Setting {
        name: "tls_client",
        env: "SEALGATE_TLS_CLIENT",
        default: "required",
        value_name: "optional|required",
        help: "Whether clients need a certificate if SEALGATE_TLS_CLIENT_CA is set.",
        apply: |s, v| {
            parse::choice(v, &[("optional", false), ("required", true)])
                .map(|required| s.server.tls_client_required = required)
        },
        ..PLAIN
    },
    Setting {
        name: "grace",
        env: "SEALGATE_GRACE",
        default: "10",
        value_name: "SECONDS",
        help: "How long running requests may still take when the server stops. Idle connections stay open for half of this time, at most one second: another request on them is answered with Connection: close.",
        apply: |s, v| seconds(v, 0, 3600).map(|grace| s.server.grace = grace),
        ..PLAIN
    },
    Setting {
        name: "log_level",
        env: "SEALGATE_LOG_LEVEL",
        default: "info",
        value_name: "LEVEL",
        help: "off, error, warn, info, debug or trace.",
        apply: |s, v| parse::log_level(v).map(|level| s.log.level = level),
        ..PLAIN
    },
    Setting {
        name: "log_format",
        env: "SEALGATE_LOG_FORMAT",
        default: "text",
        value_name: "text|json",
        help: "Format of log lines: text for people, json for programs (one object per line).",
        apply: |s, v| {
            parse::choice(v, &[("text", LogFormat::Text), ("json", LogFormat::Json)])
                .map(|format| s.log.format = format)
        },
        ..PLAIN
    },
    Setting {
        name: "access_log",
        env: "SEALGATE_ACCESS_LOG",
        default: "all",
        value_name: "all|no-health",
        help: "Which requests are logged: all, or no-health: all except successful checks of /healthz and /readyz.",
        apply: |s, v| {
            parse::choice(
                v,
                &[("all", AccessLog::All), ("no-health", AccessLog::NoHealth)],
            )
            .map(|access_log| s.app.access_log = access_log)
        },
        ..PLAIN
    },
    Setting {
        name: "log_file",
        env: "SEALGATE_LOG_FILE",
        value_name: "FILE",
        help: "File that log lines are appended to, in addition to standard error (created with mode 0600). SIGHUP reopens it.",
        apply: |s, v| parse::path(v).map(|path| s.log.file = Some(path)),
        ..PLAIN
    },
    Setting {
        name: "audit_file",
        env: "SEALGATE_AUDIT_FILE",
        value_name: "FILE",
        help: "File for audit events only (logins, denials, changes of accounts and keys, revoked tokens), whatever the log level; the log has them too.",
        group: Group::Gate,
        apply: |s, v| parse::path(v).map(|path| s.log.audit_file = Some(path)),
        ..PLAIN
    },
    Setting {
        name: "secure_data",
        env: "SEALGATE_SECURE_DATA",
        help: "The data that GET /secure-data encrypts and returns.",
        secret: true,
        apply: |s, v| {
            s.app.secure_data = Some(v.into());
            Ok(())
        },
        ..PLAIN
    },
    Setting {
        name: "secure_data_file",
        env: "SEALGATE_SECURE_DATA_FILE",
        value_name: "FILE",
        help: "File with the data that GET /secure-data encrypts and returns, at most 1 MiB; a changed file is detected within a second.",
        apply: |s, v| parse::path(v).map(|path| s.app.secure_data_file = Some(path)),
        ..PLAIN
    },
    Setting {
        name: "login",
        env: "SEALGATE_LOGIN",
        default: "auto",
        value_name: "auto|open|off",
        help: "Who may log in. auto: users with a password, or, if there has never been an account, processes of the server's own user under any name. open: anybody who reaches the server, under any name and without a password. off: nobody.",
        apply: |s, v| {
            parse::choice(
                v,
                &[
                    ("auto", LoginMode::Auto),
                    ("open", LoginMode::Open),
                    ("off", LoginMode::Off),
                ],
            )
            .map(|mode| s.app.login = mode)
        },
        ..PLAIN
    },
    Setting {
        name: "login_max_requests",
        env: "SEALGATE_LOGIN_MAX_REQUESTS",
        default: "60",
        value_name: "N",
        help: "Maximum number of logins in any window from one address (an IPv6 /64), and for one user from one address; an IPv6 /48 may have four times as many. 0 disables the limit.",
        apply: |s, v| parse::number(v, 0, 10_000_000).map(|n| s.app.login_max_requests = n as u32),
        ..PLAIN
    },
    Setting {
        name: "login_window",
        env: "SEALGATE_LOGIN_WINDOW",
        default: "60",
        value_name: "SECONDS",
        help: "Length of the window in which logins are counted.",
        apply: |s, v| seconds(v, 1, 31_622_400).map(|window| s.app.login_window = window),
        ..PLAIN
    },
    Setting {
        name: "cbc",
        env: "SEALGATE_CBC",
        value_name: "off|open|seal",
        help: "The original program's AES-CBC. off: never. open: decrypts old data only. seal: encrypts new data too. Defaults to seal if AES_IV is set, else off.",
        group: Group::Gate,
        apply: |s, v| {
            parse::choice(v, &CbcMode::ALL.map(|known| (known.name(), known)))
                .map(|mode| s.gate.keys.given.cbc = Some(mode))
        },
        ..PLAIN
    },
    Setting {
        name: "token_ttl",
        env: "SEALGATE_TOKEN_TTL",
        default: "1800",
        value_name: "SECONDS",
        help: "How long a new token is valid.",
        group: Group::Gate,
        apply: |s, v| seconds(v, 1, MAX_TTL).map(|ttl| s.gate.tokens.token_ttl = ttl),
        ..PLAIN
    },
    Setting {
        name: "refresh_ttl",
        env: "SEALGATE_REFRESH_TTL",
        default: "1209600",
        value_name: "SECONDS",
        help: "How long a login with an account can be refreshed without a password, from the last refresh on; 0 issues no refresh tokens.",
        group: Group::Gate,
        apply: |s, v| seconds(v, 0, MAX_TTL).map(|ttl| s.gate.tokens.refresh_ttl = ttl),
        ..PLAIN
    },
    Setting {
        name: "password_memory",
        env: "SEALGATE_PASSWORD_MEMORY",
        default: "19456",
        value_name: "KIB",
        help: "Memory for hashing one password (argon2id's m). After the cost is raised, a password is rehashed at its next login.",
        group: Group::Gate,
        apply: |s, v| {
            parse::number(v, 1024, MAX_HASH_COST.0.into())
                .map(|n| s.gate.users.password_memory = n as u32)
        },
        ..PLAIN
    },
    Setting {
        name: "password_passes",
        env: "SEALGATE_PASSWORD_PASSES",
        default: "2",
        value_name: "N",
        help: "Passes over that memory (argon2id's t).",
        group: Group::Gate,
        apply: |s, v| {
            parse::number(v, 1, MAX_HASH_COST.1.into())
                .map(|n| s.gate.users.password_passes = n as u32)
        },
        ..PLAIN
    },
    Setting {
        name: "password_lanes",
        env: "SEALGATE_PASSWORD_LANES",
        default: "1",
        value_name: "N",
        help: "Lanes in that memory (argon2id's p).",
        group: Group::Gate,
        apply: |s, v| {
            parse::number(v, 1, MAX_HASH_COST.2.into())
                .map(|n| s.gate.users.password_lanes = n as u32)
        },
        ..PLAIN
    },
    Setting {
        name: "password_hashes",
        env: "SEALGATE_PASSWORD_HASHES",
        default: "0",
        value_name: "N",
        help: "How many passwords are hashed at a time, each with its own memory; 0: as many as there are cores.",
        group: Group::Gate,
        apply: |s, v| parse::number(v, 0, 64).map(|n| s.gate.users.password_hashes = n as usize),
        ..PLAIN
    },
    Setting {
        name: "lockout_after",
        env: "SEALGATE_LOCKOUT_AFTER",
        default: "5",
        value_name: "N",
        help: "Wrong passwords for one name from one address (an IPv6 /64) after which further attempts have to wait, 1 s at first and 15 min at most. After twice as many from one network (IPv6 /48, IPv4 /24), or four times as many from anywhere, attempts from addresses that the name has not logged in from have to wait too. 0 disables this.",
        group: Group::Gate,
        apply: |s, v| parse::number(v, 0, 1_000_000).map(|n| s.gate.users.lockout_after = n as u32),
        ..PLAIN
    },
    Setting {
        name: "leeway",
        env: "SEALGATE_LEEWAY",
        default: "5",
        value_name: "SECONDS",
        help: "How far the clocks of token issuers and verifiers may differ.",
        group: Group::Gate,
        apply: |s, v| seconds(v, 0, 300).map(|leeway| s.gate.tokens.leeway = leeway),
        ..PLAIN
    },
    Setting {
        name: "token_cache",
        env: "SEALGATE_TOKEN_CACHE",
        default: "4096",
        value_name: "N",
        help: "How many verified tokens are cached, so that they are not verified again at each request; 0 disables the cache.",
        group: Group::Gate,
        apply: |s, v| parse::number(v, 0, 1 << 20).map(|n| s.gate.tokens.token_cache = n as usize),
        ..PLAIN
    },
    Setting {
        name: "issuer",
        env: "SEALGATE_ISSUER",
        default: "sealgate",
        help: "The iss claim of new tokens; tokens signed with our keys but with another issuer are refused.",
        group: Group::Gate,
        apply: |s, v| parse::name(v).map(|name| s.gate.tokens.issuer = name),
        ..PLAIN
    },
    Setting {
        name: "audience",
        env: "SEALGATE_AUDIENCE",
        help: "The aud claim of new tokens; if it is set, tokens for another audience are refused.",
        group: Group::Gate,
        apply: |s, v| parse::name(v).map(|name| s.gate.tokens.audience = Some(name)),
        ..PLAIN
    },
    Setting {
        name: "trusted_proxies",
        env: "SEALGATE_TRUSTED_PROXIES",
        value_name: "LIST",
        help: "Addresses or ranges of trusted reverse proxies, separated by commas; unix stands for peers on a Unix socket.",
        apply: |s, v| {
            parse::proxies(v).map(|(ranges, unix)| {
                s.app.trusted_proxies = ranges;
                s.app.trust_unix_peers = unix;
            })
        },
        ..PLAIN
    },
    Setting {
        name: "forwarded_header",
        env: "SEALGATE_FORWARDED_HEADER",
        default: "X-Forwarded-For",
        value_name: "HEADER",
        help: "The header in which a trusted proxy passes on the client's address: X-Forwarded-For, Forwarded, or one with a single address.",
        apply: |s, v| parse::header_name(v).map(|name| s.app.forwarded_header = name),
        ..PLAIN
    },
    Setting {
        name: "verify_headers",
        env: "SEALGATE_VERIFY_HEADERS",
        default: "X-Auth-User, X-Auth-Scope, X-Auth-Expires",
        value_name: "LIST",
        help: "The headers in which /verify passes the user, the scope and the time of expiry on to a proxy: three names.",
        apply: |s, v| parse::verify_headers(v).map(|names| s.app.verify_headers = names),
        ..PLAIN
    },
    Setting {
        name: "allowed_hosts",
        env: "SEALGATE_ALLOWED_HOSTS",
        value_name: "LIST",
        help: "Hosts that a login without an account may name in its Host header, besides localhost; separated by commas.",
        apply: |s, v| parse::hosts(v).map(|hosts| s.app.allowed_hosts = hosts),
        ..PLAIN
    },
    Setting {
        name: "limiter_memory",
        env: "SEALGATE_LIMITER_MEMORY",
        default: "67108864",
        value_name: "BYTES",
        help: "Maximum memory of each of three rate limiter tables: requests, logins, and logins from IPv6 /48s.",
        group: Group::Gate,
        apply: |s, v| {
            parse::number(v, 65_536, 1 << 36).map(|bytes| s.gate.limiter.memory = bytes as usize)
        },
        ..PLAIN
    },
];

fn seconds(value: &[u8], least: u64, most: u64) -> Result<Duration, String> {
    parse::number(value, least, most)
        .map(Duration::from_secs)
        .map_err(|wanted| wanted.replacen("a whole number", "a whole number of seconds", 1))
}
