//! The address of a database as PostgreSQL's own programs understand it, and TLS as it asks for.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use openssl::error::ErrorStack;
use openssl::ssl::{SslConnector, SslFiletype, SslMethod, SslVerifyMode, SslVersion};
use postgres_openssl::MakeTlsConnector;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

/// What a connection needs.
pub(super) struct Place {
    /// For each host, in the order of the address.
    pub(super) hosts: Vec<Config>,
    pub(super) tls: MakeTlsConnector,
    /// How many names are being resolved.
    pub(super) resolving: Arc<AtomicUsize>,
}

/// How far the server is trusted, as in libpq's `sslmode`.
#[derive(Clone, Copy, PartialEq)]
enum Trust {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// The parameters about TLS, which the client leaves to its connector.
#[derive(Default)]
struct TlsParameters {
    mode: Option<Trust>,
    root: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

/// Checks an address without connecting. The error is the end of a sentence and contains no part of the address.
pub(in crate::store) fn check(text: &str) -> Result<(), String> {
    read(text).map(drop)
}

/// Reads an address. The error is the end of a sentence and contains no part of the address.
pub(super) fn read(text: &str) -> Result<Place, String> {
    let (place, query) = text.split_once('?').unwrap_or((text, ""));
    let mut tls = TlsParameters::default();
    let mut others = Vec::new();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = || decode(value).ok_or_else(|| format!("has a {name} that is not UTF-8"));
        match name {
            "sslmode" => tls.mode = Some(mode(&value()?)?),
            "sslrootcert" => tls.root = Some(value()?.into()),
            "sslcert" => tls.certificate = Some(value()?.into()),
            "sslkey" => tls.key = Some(value()?.into()),
            _ => others.push(parameter),
        }
    }
    let rest = match others.is_empty() {
        true => place.to_owned(),
        false => format!("{place}?{}", others.join("&")),
    };
    let mut config: Config = rest.parse().map_err(|error| wrong(&error))?;
    if config.get_hosts().is_empty() {
        return Err("must name a host".to_owned());
    }
    if config.get_dbname().is_none()
        && let Some(user) = config.get_user().map(str::to_owned)
    {
        config.dbname(user);
    }
    if config.get_target_session_attrs() == TargetSessionAttrs::Any {
        // A standby takes no changes.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    if config.get_application_name().is_none() {
        config.application_name("sealgate");
    }
    let trust = tls.mode.unwrap_or_else(|| match is_local(&config) {
        true => Trust::Prefer,
        // Whoever answers in the database's place gets no password and no accounts.
        false => Trust::VerifyFull,
    });
    config.ssl_mode(match trust {
        Trust::Disable => SslMode::Disable,
        Trust::Prefer => SslMode::Prefer,
        _ => SslMode::Require,
    });
    let tls = connector(trust, &tls)?;
    Ok(Place {
        hosts: each_host(&config)?,
        tls,
        resolving: Arc::default(),
    })
}

/// The same for each host alone.
fn each_host(config: &Config) -> Result<Vec<Config>, String> {
    let (hosts, addresses, ports) = (
        config.get_hosts(),
        config.get_hostaddrs(),
        config.get_ports(),
    );
    if !addresses.is_empty() && addresses.len() != hosts.len() {
        return Err("must name as many hosts as hostaddr".to_owned());
    }
    if ports.len() > 1 && ports.len() != hosts.len() {
        return Err("must name one port, or one for each host".to_owned());
    }
    let one = |(number, host): (usize, &Host)| {
        let mut one = without_hosts(config);
        match host {
            Host::Tcp(name) => one.host(name),
            #[cfg(unix)]
            Host::Unix(path) => one.host_path(path),
        };
        if let Some(address) = addresses.get(number) {
            one.hostaddr(*address);
        }
        if let Some(port) = ports.get(number).or_else(|| ports.first()) {
            one.port(*port);
        }
        one
    };
    Ok(hosts.iter().enumerate().map(one).collect())
}

/// What hosts have in common, but for the time limits, which the connection's maker sets.
fn without_hosts(config: &Config) -> Config {
    let mut new = Config::new();
    if let Some(user) = config.get_user() {
        new.user(user);
    }
    if let Some(password) = config.get_password() {
        new.password(password);
    }
    if let Some(database) = config.get_dbname() {
        new.dbname(database);
    }
    if let Some(options) = config.get_options() {
        new.options(options);
    }
    if let Some(name) = config.get_application_name() {
        new.application_name(name);
    }
    new.ssl_mode(config.get_ssl_mode());
    new.ssl_negotiation(config.get_ssl_negotiation());
    new.target_session_attrs(config.get_target_session_attrs());
    new.channel_binding(config.get_channel_binding());
    new.load_balance_hosts(config.get_load_balance_hosts());
    new
}

fn mode(value: &str) -> Result<Trust, String> {
    Ok(match value {
        "disable" => Trust::Disable,
        "prefer" => Trust::Prefer,
        "require" => Trust::Require,
        "verify-ca" => Trust::VerifyCa,
        "verify-full" => Trust::VerifyFull,
        _ => {
            return Err(
                "has a wrong sslmode: it may be disable, prefer, require, verify-ca or verify-full"
                    .to_owned(),
            );
        }
    })
}

/// The client's own errors name the parameter; their sources may quote its value.
fn wrong(error: &tokio_postgres::Error) -> String {
    const KNOWN: [&str; 12] = [
        "port",
        "hostaddr",
        "connect_timeout",
        "tcp_user_timeout",
        "keepalives",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_retries",
        "target_session_attrs",
        "channel_binding",
        "load_balance_hosts",
        "sslnegotiation",
    ];
    let text = std::error::Error::source(error).map_or_else(String::new, ToString::to_string);
    match KNOWN.iter().rfind(|name| text.contains(&format!("`{name}`"))) {
        Some(name) => format!("has a wrong {name}"),
        None if text.starts_with("unknown option") => {
            "has an unknown parameter after the question mark".to_owned()
        }
        None => "must be an address such as postgres://sealgate@db.example.com:5432/sealgate, with a port that is a number and \
                 special characters of the password as %XX"
            .to_owned(),
    }
}

/// Whether nobody on the way could answer in the database's place.
fn is_local(config: &Config) -> bool {
    config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => {
            name == "localhost"
                || crate::base::address::parse(name).is_some_and(crate::base::address::is_loopback)
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    })
}

fn connector(trust: Trust, given: &TlsParameters) -> Result<MakeTlsConnector, String> {
    let failed = |error: ErrorStack| format!("needs TLS, which cannot be set up: {error}");
    let mut builder = SslConnector::builder(SslMethod::tls_client()).map_err(failed)?;
    builder
        .set_min_proto_version(Some(SslVersion::TLS1_2))
        .map_err(failed)?;
    if let Some(root) = &given.root {
        builder
            .set_ca_file(root)
            .map_err(|_| "has a sslrootcert that cannot be read as PEM certificates".to_owned())?;
    }
    match (&given.certificate, &given.key) {
        (None, None) => {}
        (Some(certificate), Some(key)) => {
            builder
                .set_certificate_chain_file(certificate)
                .map_err(|_| "has a sslcert that cannot be read as PEM".to_owned())?;
            builder
                .set_private_key_file(key, SslFiletype::PEM)
                .and_then(|()| builder.check_private_key())
                .map_err(|_| {
                    "has a sslkey that cannot be read as PEM, or does not match sslcert".to_owned()
                })?;
        }
        _ => return Err("has only one of sslcert and sslkey: set both or neither".to_owned()),
    }
    // As with libpq, `require` with a CA verifies the certificate.
    let verifies = matches!(trust, Trust::VerifyCa | Trust::VerifyFull)
        || trust == Trust::Require && given.root.is_some();
    builder.set_verify(match verifies {
        true => SslVerifyMode::PEER,
        false => SslVerifyMode::NONE,
    });
    let mut tls = MakeTlsConnector::new(builder.build());
    tls.set_callback(move |connection, _| {
        connection.set_verify_hostname(trust == Trust::VerifyFull);
        Ok(())
    });
    Ok(tls)
}

/// Percent-encoded text.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let coded = (first == b'%').then(|| after.split_at_checked(2)).flatten();
        let coded = coded.and_then(|(digits, after)| {
            let digits = str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 16).ok()?, after))
        });
        let (byte, after) = coded.unwrap_or((first, after));
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}
