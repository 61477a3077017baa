//! The table of settings: name, environment variable, default, help, and the parser of each.

use super::Settings;
use super::parse;
use crate::api::{AccessLog, LoginMode};
use crate::cipher::CbcMode;
use crate::keys::RingSecret;
use crate::logging::LogFormat;
use crate::server::EngineChoice;
use crate::signing::TokenAlgorithm;
use crate::tokens::MAX_TTL;
use crate::users::DEAREST;
use std::time::Duration;

/// One setting, as the file, the environment, the command line, the help and the documentation know it.
#[derive(Debug)]
pub struct Setting {
    /// Its name in the settings file.
    pub name: &'static str,
    /// Its environment variable.
    pub env: &'static str,
    /// Its value where nothing is given; empty where there is none.
    pub default: &'static str,
    /// What stands for the value in help texts.
    pub value_name: &'static str,
    /// What it is for, in one or two sentences.
    pub help: &'static str,
    /// What it is for.
    pub group: Group,
    /// Never shown, and not to be had as a flag: other users of the machine see the arguments of a process.
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

/// The setting with this name, in the file's or in the environment's spelling.
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
        help: "Secret that signs tokens, taken as its bytes, at least 32. Without it the key ring's is used.",
        group: Group::Gate,
        secret: true,
        apply: |s, v| parse::jwt_secret(v).map(|key| s.gate.keys.given.jwt_secret_key = Some(key)),
        ..PLAIN
    },
    Setting {
        name: "aes_key",
        env: "AES_KEY",
        help: "Key that encrypts data: 16, 24 or 32 bytes, 64 hex digits, or 43 or 44 base64 characters; or hex:, base64: or raw: in front. Without it the key ring's is used.",
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
        help: "IV of the original program's AES-CBC: 16 bytes, 32 hex digits, or 22 or 24 base64 characters; or hex:, base64: or raw: in front. Only for compatibility.",
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
        help: "Requests of one user that any window admits; 0 switches the limit off.",
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
        help: "Where to listen: HOST:PORT, [IPV6]:PORT or unix:/PATH, several with commas between. Port 0 takes a free one.",
        apply: |s, v| parse::listen(v).map(|listen| s.server.listen = listen),
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
        value_name: "FOLDER",
        help: "Where the key ring lives (mode 0700). Where it is not set, the command takes the first path in $STATE_DIRECTORY, else $XDG_STATE_HOME/sealgate, else ~/.local/state/sealgate.",
        group: Group::Gate,
        apply: |s, v| parse::path(v).map(|path| s.gate.keys.data_dir = Some(path)),
        ..PLAIN
    },
    Setting {
        name: "keys",
        env: "SEALGATE_KEYS",
        default: "ring",
        value_name: "ring|ephemeral",
        help: "ring: keys outlive a restart. ephemeral: random keys that die with the process; nothing is written.",
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
        help: "How new tokens are signed: HS256 with a shared secret, EdDSA and ES256 with key pairs whose public keys anybody may have. A newest token key of another kind is replaced and accepted until its last token has expired. Where it is not set, it is as the ring has it, and HS256 in a new ring.",
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
        help: "What the ring's file is sealed under: a passphrase of at least 12 characters, or a key of 32 bytes behind hex:, base64: or raw:. Without it the file is plain.",
        group: Group::Gate,
        secret: true,
        apply: |s, v| RingSecret::read(v).map(|key| s.gate.keys.ring.ring_key = Some(key)),
        ..PLAIN
    },
    Setting {
        name: "ring_key_file",
        env: "SEALGATE_RING_KEY_FILE",
        value_name: "FILE",
        help: "A file that holds what SEALGATE_RING_KEY would.",
        group: Group::Gate,
        apply: |s, v| parse::path(v).map(|path| s.gate.keys.ring.ring_key_file = Some(path)),
        ..PLAIN
    },
    Setting {
        name: "ring_key_previous",
        env: "SEALGATE_RING_KEY_PREVIOUS",
        help: "What the ring's file may be sealed under still, while SEALGATE_RING_KEY is being changed.",
        group: Group::Gate,
        secret: true,
        apply: |s, v| RingSecret::read(v).map(|key| s.gate.keys.ring.ring_key_previous = Some(key)),
        ..PLAIN
    },
    Setting {
        name: "ring_key_previous_file",
        env: "SEALGATE_RING_KEY_PREVIOUS_FILE",
        value_name: "FILE",
        help: "A file that holds what SEALGATE_RING_KEY_PREVIOUS would.",
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
        help: "How long a new EdDSA or ES256 key is in jwks.json before it signs, so that clients know it by then. Copies of jwks.json may be kept for a third of this, at most 300 s. 0 signs at once.",
        group: Group::Gate,
        apply: |s, v| seconds(v, 0, 604_800).map(|lead| s.gate.keys.rotation.token_key_lead = lead),
        ..PLAIN
    },
    Setting {
        name: "rotate_token_key_after",
        env: "SEALGATE_ROTATE_TOKEN_KEY_AFTER",
        default: "0",
        value_name: "SECONDS",
        help: "Age at which a server replaces the ring's token key; the old one is accepted until its last token has expired. 0 replaces none.",
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
        help: "Age at which a server replaces the ring's data key; the old ones go on opening. 0 replaces none.",
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
        help: "What serves the sockets. auto takes pool on Linux, else tiny-http.",
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
        help: "Threads that answer requests, as many of them as the load needs (tiny-http: for each address); 0 chooses by the number of cores.",
        apply: |s, v| parse::number(v, 0, 1024).map(|n| s.server.workers = n as usize),
        ..PLAIN
    },
    Setting {
        name: "blocking_workers",
        env: "SEALGATE_BLOCKING_WORKERS",
        default: "16",
        value_name: "N",
        help: "Threads for what takes long: large bodies, and routes of a host that wait for something.",
        apply: |s, v| parse::number(v, 1, 1024).map(|n| s.server.blocking_workers = n as usize),
        ..PLAIN
    },
    Setting {
        name: "max_head",
        env: "SEALGATE_MAX_HEAD",
        default: "16384",
        value_name: "BYTES",
        help: "Longest head of a request: its first line and its fields.",
        apply: |s, v| parse::number(v, 1024, 1 << 20).map(|n| s.server.max_head = n as usize),
        ..PLAIN
    },
    Setting {
        name: "max_fields",
        env: "SEALGATE_MAX_FIELDS",
        default: "64",
        value_name: "N",
        help: "Most header fields of a request.",
        apply: |s, v| parse::number(v, 8, 1024).map(|n| s.server.max_fields = n as usize),
        ..PLAIN
    },
    Setting {
        name: "max_body",
        env: "SEALGATE_MAX_BODY",
        default: "1048576",
        value_name: "BYTES",
        help: "Largest body of a request that carries data: /encrypt, /decrypt, /rewrap, and the routes of a host.",
        apply: |s, v| parse::number(v, 1024, 64 << 20).map(|n| s.server.max_body = n as usize),
        ..PLAIN
    },
    Setting {
        name: "max_credentials",
        env: "SEALGATE_MAX_CREDENTIALS",
        default: "16384",
        value_name: "BYTES",
        help: "Largest body of a request that carries credentials (/login, /refresh, /introspect, /logout) or no data at all.",
        apply: |s, v| parse::number(v, 1024, 64 << 20).map(|n| s.app.max_credentials = n as usize),
        ..PLAIN
    },
    Setting {
        name: "head_timeout",
        env: "SEALGATE_HEAD_TIMEOUT",
        default: "10",
        value_name: "SECONDS",
        help: "How long the whole head of a request may take (and a TLS handshake), from the connection's start or the head's first byte.",
        apply: |s, v| seconds(v, 1, 3600).map(|time| s.server.head_timeout = time),
        ..PLAIN
    },
    Setting {
        name: "body_timeout",
        env: "SEALGATE_BODY_TIMEOUT",
        default: "30",
        value_name: "SECONDS",
        help: "How long the whole body of a request may take.",
        apply: |s, v| seconds(v, 1, 3600).map(|time| s.server.body_timeout = time),
        ..PLAIN
    },
    Setting {
        name: "write_timeout",
        env: "SEALGATE_WRITE_TIMEOUT",
        default: "30",
        value_name: "SECONDS",
        help: "How long a client may take to read a whole answer.",
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
        help: "Most connections at a time; fewer where the limit on open files (ulimit -n) leaves less room, which is logged. At the limit the slowest connection makes room, whatever it is in the middle of, else the one idle for longest.",
        apply: |s, v| parse::number(v, 1, 1 << 20).map(|n| s.server.max_connections = n as usize),
        ..PLAIN
    },
    Setting {
        name: "max_connections_per_address",
        env: "SEALGATE_MAX_CONNECTIONS_PER_ADDRESS",
        default: "0",
        value_name: "N",
        help: "Most connections of one address at a time (an IPv6 address stands for its /64). 0 sets no fixed number: when all connections are taken, an address that holds more than a quarter of them loses one of its own first, unless it is in SEALGATE_TRUSTED_PROXIES.",
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
        help: "Memory for requests and answers on their way, of all connections together. At the limit the slowest give up theirs: a body gets 503, an answer that is not read is cut off. An eighth is left to requests of up to 32 KiB. A body counts with its own size (in chunks with up to one and a half times that) until it is answered, an answer until it is sent.",
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
        help: "Memory for the state of TLS, of all connections together, as estimated: 48 KiB for a connection in its handshake (148 KiB where clients are asked for certificates), 20 KiB afterwards, and before the handshake only what the client has sent. At the limit connections make room as at SEALGATE_MAX_CONNECTIONS.",
        apply: |s, v| {
            parse::number(v, 1 << 20, 1 << 40).map(|n| s.server.max_tls_memory = n as usize)
        },
        ..PLAIN
    },
    Setting {
        name: "tls_cert",
        env: "SEALGATE_TLS_CERT",
        value_name: "FILE",
        help: "Certificate chain (PEM, the server's own first). With it TCP addresses speak TLS 1.2 and 1.3 and nothing else. Read at the start.",
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
        help: "Certificates (PEM) of those who vouch for clients. With it clients are asked for a certificate; its subject stands in the log.",
        apply: |s, v| parse::path(v).map(|path| s.server.tls_client_ca = Some(path)),
        ..PLAIN
    },
    Setting {
        name: "tls_client",
        env: "SEALGATE_TLS_CLIENT",
        default: "required",
        value_name: "optional|required",
        help: "Whether clients may go without a certificate where SEALGATE_TLS_CLIENT_CA is set.",
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
        help: "How long running requests may still take when the server is told to stop. Idle connections stay open for up to a second of it (half of a shorter time): a client that asks once more is answered with Connection: close.",
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
        help: "Form of a log line: text for people, json for programs (one object a line).",
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
        help: "Which requests get a line in the log: all of them, or no-health: all but successful checks of /healthz and /readyz.",
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
        help: "File that log lines are appended to, beside the terminal (made with mode 0600). SIGHUP opens it anew.",
        apply: |s, v| parse::path(v).map(|path| s.log.file = Some(path)),
        ..PLAIN
    },
    Setting {
        name: "audit_file",
        env: "SEALGATE_AUDIT_FILE",
        value_name: "FILE",
        help: "File for audit events alone (logins, denials, changes of accounts and keys, tokens taken back), whatever the level; they are in the log too.",
        group: Group::Gate,
        apply: |s, v| parse::path(v).map(|path| s.log.audit_file = Some(path)),
        ..PLAIN
    },
    Setting {
        name: "secure_data",
        env: "SEALGATE_SECURE_DATA",
        help: "What GET /secure-data seals and shows.",
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
        help: "File with what GET /secure-data seals and shows, at most 1 MiB; a changed file is noticed within a second.",
        apply: |s, v| parse::path(v).map(|path| s.app.secure_data_file = Some(path)),
        ..PLAIN
    },
    Setting {
        name: "login",
        env: "SEALGATE_LOGIN",
        default: "auto",
        value_name: "auto|open|off",
        help: "Who may log in: auto users with a password, and where there has never been an account processes of the server's own user under any name; open anybody who reaches the server, under any name and without a password; off nobody.",
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
        help: "Logins that any window admits from one address (an IPv6 /64), and for one user from one address; an IPv6 /48 has four times as many. 0 switches the limit off.",
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
        help: "The original's AES-CBC: off never, open for old data only, seal for new data too. seal where AES_IV is set, else off.",
        group: Group::Gate,
        apply: |s, v| {
            parse::choice(
                v,
                &[
                    ("off", CbcMode::Off),
                    ("open", CbcMode::Open),
                    ("seal", CbcMode::Seal),
                ],
            )
            .map(|mode| s.gate.keys.given.cbc = Some(mode))
        },
        ..PLAIN
    },
    Setting {
        name: "token_ttl",
        env: "SEALGATE_TOKEN_TTL",
        default: "1800",
        value_name: "SECONDS",
        help: "How long a new token lives.",
        group: Group::Gate,
        apply: |s, v| seconds(v, 1, MAX_TTL).map(|ttl| s.gate.tokens.token_ttl = ttl),
        ..PLAIN
    },
    Setting {
        name: "refresh_ttl",
        env: "SEALGATE_REFRESH_TTL",
        default: "1209600",
        value_name: "SECONDS",
        help: "How long a login of an account can be refreshed without a password, from the last time on; 0 gives no refresh tokens.",
        group: Group::Gate,
        apply: |s, v| seconds(v, 0, MAX_TTL).map(|ttl| s.gate.tokens.refresh_ttl = ttl),
        ..PLAIN
    },
    Setting {
        name: "password_memory",
        env: "SEALGATE_PASSWORD_MEMORY",
        default: "19456",
        value_name: "KIB",
        help: "Memory that hashing one password takes (argon2id's m). Where costs are raised, a password is hashed anew at its next login.",
        group: Group::Gate,
        apply: |s, v| {
            parse::number(v, 1024, DEAREST.0.into())
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
            parse::number(v, 1, DEAREST.1.into()).map(|n| s.gate.users.password_passes = n as u32)
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
            parse::number(v, 1, DEAREST.2.into()).map(|n| s.gate.users.password_lanes = n as u32)
        },
        ..PLAIN
    },
    Setting {
        name: "password_hashes",
        env: "SEALGATE_PASSWORD_HASHES",
        default: "0",
        value_name: "N",
        help: "Passwords that are hashed at a time, each with its own memory; 0: as many as there are cores.",
        group: Group::Gate,
        apply: |s, v| parse::number(v, 0, 64).map(|n| s.gate.users.password_hashes = n as usize),
        ..PLAIN
    },
    Setting {
        name: "lockout_after",
        env: "SEALGATE_LOCKOUT_AFTER",
        default: "5",
        value_name: "N",
        help: "Wrong passwords for one name from one address (an IPv6 /64) after which further tries wait, 1 s at first and 15 min at most. After twice as many from one network (IPv6 /48, IPv4 /24), or four times as many from anywhere, tries from addresses that the name has not logged in from wait too. 0 never makes them wait.",
        group: Group::Gate,
        apply: |s, v| parse::number(v, 0, 1_000_000).map(|n| s.gate.users.lockout_after = n as u32),
        ..PLAIN
    },
    Setting {
        name: "leeway",
        env: "SEALGATE_LEEWAY",
        default: "5",
        value_name: "SECONDS",
        help: "How far the clocks of those who issue and those who check tokens may differ.",
        group: Group::Gate,
        apply: |s, v| seconds(v, 0, 300).map(|leeway| s.gate.tokens.leeway = leeway),
        ..PLAIN
    },
    Setting {
        name: "token_cache",
        env: "SEALGATE_TOKEN_CACHE",
        default: "4096",
        value_name: "N",
        help: "How many checked tokens are remembered, so that they are not checked again at each request; 0 remembers none.",
        group: Group::Gate,
        apply: |s, v| parse::number(v, 0, 1 << 20).map(|n| s.gate.tokens.token_cache = n as usize),
        ..PLAIN
    },
    Setting {
        name: "issuer",
        env: "SEALGATE_ISSUER",
        default: "sealgate",
        help: "The claim iss of new tokens; tokens of ours with another one are refused.",
        group: Group::Gate,
        apply: |s, v| parse::name(v).map(|name| s.gate.tokens.issuer = name),
        ..PLAIN
    },
    Setting {
        name: "audience",
        env: "SEALGATE_AUDIENCE",
        help: "The claim aud of new tokens; where it is set, tokens for others are refused.",
        group: Group::Gate,
        apply: |s, v| parse::name(v).map(|name| s.gate.tokens.audience = Some(name)),
        ..PLAIN
    },
    Setting {
        name: "trusted_proxies",
        env: "SEALGATE_TRUSTED_PROXIES",
        value_name: "LIST",
        help: "Addresses or ranges of proxies in front, with commas between; unix stands for peers on a Unix socket.",
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
        help: "The one header in which a trusted proxy says whom it serves: X-Forwarded-For, Forwarded, or one with a single address.",
        apply: |s, v| parse::header_name(v).map(|name| s.app.forwarded_header = name),
        ..PLAIN
    },
    Setting {
        name: "allowed_hosts",
        env: "SEALGATE_ALLOWED_HOSTS",
        value_name: "LIST",
        help: "Hosts that a login without an account may name in its Host header, beside localhost; with commas between.",
        apply: |s, v| parse::hosts(v).map(|hosts| s.app.allowed_hosts = hosts),
        ..PLAIN
    },
    Setting {
        name: "limiter_memory",
        env: "SEALGATE_LIMITER_MEMORY",
        default: "67108864",
        value_name: "BYTES",
        help: "Memory that the table of counted requests may take, and again that of counted logins, and that of logins of IPv6 /48s.",
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
