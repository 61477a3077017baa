//! Parses the text of one setting. Every error completes a sentence that begins with the setting's name, and states what is
//! permitted; none shows the value.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use log::LevelFilter;

use crate::Secret;
use crate::api::AllowedOrigins;
use crate::base::binary::{Form, binary};
use crate::base::http_syntax::{is_token, may_be_set};
use crate::limiter::{self, Policy};
use crate::logging::AuditSocket;
use crate::server::Listen;
use crate::store::SharedSettings;

type Wanted = String;

fn text(value: &[u8]) -> Result<&str, Wanted> {
    std::str::from_utf8(value)
        .map(str::trim)
        .map_err(|_| "must be UTF-8 text.".to_owned())
}

pub(super) fn number(value: &[u8], least: u64, most: u64) -> Result<u64, Wanted> {
    text(value)?
        .parse()
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("must be a whole number from {least} to {most}."))
}

pub(super) fn choice<T: Copy>(value: &[u8], choices: &[(&str, T)]) -> Result<T, Wanted> {
    let value = text(value)?;
    choices
        .iter()
        .find(|(word, _)| *word == value)
        .map(|(_, meaning)| *meaning)
        .ok_or_else(|| {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            format!("must be one of: {}.", words.join(", "))
        })
}

/// How old the list of revocations may be while the shared store is down.
pub(super) fn stale(value: &[u8]) -> Result<Duration, Wanted> {
    let given = str::from_utf8(value).unwrap_or_default().trim();
    let seconds = match given {
        "refuse" => return Ok(SharedSettings::REFUSE_AFTER),
        _ => given.strip_prefix("stale:"),
    };
    let seconds = seconds.and_then(|seconds| number(seconds.as_bytes(), 1, 86_400).ok());
    seconds.map(Duration::from_secs).ok_or_else(|| {
        "must be refuse, or stale: and a whole number of seconds from 1 to 86400.".to_owned()
    })
}

pub(super) fn path(value: &[u8]) -> Result<PathBuf, Wanted> {
    #[cfg(unix)]
    let path = {
        use std::os::unix::ffi::OsStrExt;
        PathBuf::from(std::ffi::OsStr::from_bytes(value))
    };
    #[cfg(not(unix))]
    let path = PathBuf::from(text(value)?);
    if value.is_empty() || value.contains(&0) {
        return Err("must be a path.".to_owned());
    }
    Ok(path)
}

/// A kind of socket, and a path if it is not the usual one.
pub(super) fn audit_socket(value: &[u8]) -> Result<AuditSocket, Wanted> {
    let wanted = || {
        "must be syslog: or journald:, or one of them with the path of a socket, such as syslog:/dev/log."
            .to_owned()
    };
    let rest = |kind: &[u8]| value.strip_prefix(kind);
    let (usual, kind, given): (_, fn(PathBuf) -> AuditSocket, _) =
        match (rest(b"syslog:"), rest(b"journald:")) {
            (Some(given), _) => (AuditSocket::SYSLOG, AuditSocket::Syslog, given),
            (_, Some(given)) => (AuditSocket::JOURNALD, AuditSocket::Journald, given),
            (None, None) => return Err(wanted()),
        };
    match given {
        [] => Ok(kind(usual.into())),
        [b'/', ..] => path(given).map(kind).map_err(|_| wanted()),
        _ => Err(wanted()),
    }
}

pub(super) fn mode(value: &[u8]) -> Result<u32, Wanted> {
    u32::from_str_radix(text(value)?, 8)
        .ok()
        .filter(|mode| *mode <= 0o777)
        .ok_or_else(|| "must be octal permissions such as 600 or 660.".to_owned())
}

pub(super) fn log_level(value: &[u8]) -> Result<LevelFilter, Wanted> {
    LevelFilter::from_str(text(value)?)
        .map_err(|_| "must be one of: off, error, warn, info, debug, trace.".to_owned())
}

/// The name of an issuer or an audience.
pub(super) fn name(value: &[u8]) -> Result<String, Wanted> {
    let name = text(value)?;
    if name.is_empty() || name.len() > 256 || name.chars().any(char::is_control) {
        return Err("must be 1 to 256 bytes of text without control characters.".to_owned());
    }
    Ok(name.to_owned())
}

pub(super) fn header_name(value: &[u8]) -> Result<String, Wanted> {
    let name = text(value)?;
    if !is_token(name) {
        return Err("must be the name of a header.".to_owned());
    }
    Ok(name.to_owned())
}

/// Three different names.
pub(super) fn verify_headers(value: &[u8]) -> Result<[String; 3], Wanted> {
    let wanted = || "must be three different names of headers, separated by commas.".to_owned();
    let names: Vec<String> = list(value)?.map(str::to_owned).collect();
    let names: [String; 3] = names.try_into().map_err(|_| wanted())?;
    let [one, two, three] = names.each_ref().map(|name| name.to_ascii_lowercase());
    let differ = one != two && two != three && one != three;
    match differ && names.iter().all(|name| is_token(name) && may_be_set(name)) {
        true => Ok(names),
        false => Err(wanted()),
    }
}

/// Named limits.
pub(super) fn policies(value: &[u8]) -> Result<Vec<Policy>, Wanted> {
    limiter::parse(text(value)?)
}

fn list(value: &[u8]) -> Result<impl Iterator<Item = &str>, Wanted> {
    Ok(text(value)?
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty()))
}

pub(super) fn hosts(value: &[u8]) -> Result<Vec<String>, Wanted> {
    Ok(list(value)?.map(str::to_ascii_lowercase).collect())
}

/// Common names of certificates.
pub(super) fn common_names(value: &[u8]) -> Result<Vec<String>, Wanted> {
    let wrong = || "must be names, separated by commas, each without control characters".to_owned();
    let text = std::str::from_utf8(value).map_err(|_| wrong())?;
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    let is_name = |name: &String| !name.is_empty() && !name.chars().any(char::is_control);
    match names.iter().all(is_name) {
        true => Ok(names),
        false => Err(wrong()),
    }
}

pub(super) fn origins(value: &[u8]) -> Result<AllowedOrigins, Wanted> {
    AllowedOrigins::parse(list(value)?)
}

pub(super) fn header_names(value: &[u8]) -> Result<Vec<String>, Wanted> {
    list(value)?
        .map(|name| match is_token(name) && name != "*" {
            true => Ok(name.to_owned()),
            false => Err("must be names of headers, separated by commas.".to_owned()),
        })
        .collect()
}

pub(super) fn proxies(value: &[u8]) -> Result<(Vec<IpNet>, bool), Wanted> {
    let mut ranges = Vec::new();
    let mut unix = false;
    for item in list(value)? {
        if item == "unix" {
            unix = true;
            continue;
        }
        let range = IpNet::from_str(item)
            .or_else(|_| item.parse().map(|address: std::net::IpAddr| IpNet::from(address)))
            .map_err(|_| {
                "must be addresses or ranges (192.0.2.7, 10.0.0.0/8, fd00::/8) or the word unix, separated by commas."
                    .to_owned()
            })?;
        ranges.push(range);
    }
    Ok((ranges, unix))
}

/// A single address.
pub(super) fn one_listen(value: &[u8]) -> Result<Listen, Wanted> {
    match <[Listen; 1]>::try_from(listen(value)?) {
        Ok([address]) => Ok(address),
        Err(_) => Err("must be one address, such as 127.0.0.1:9464.".to_owned()),
    }
}

pub(super) fn listen(value: &[u8]) -> Result<Vec<Listen>, Wanted> {
    let wanted =
        || "must be HOST:PORT, [IPV6]:PORT or unix:/PATH, such as 127.0.0.1:5000.".to_owned();
    let mut addresses = Vec::new();
    for item in list(value)? {
        if let Some(path) = item.strip_prefix("unix:") {
            if !path.starts_with('/') {
                return Err(wanted());
            }
            addresses.push(Listen::Unix(path.into()));
            continue;
        }
        let address: SocketAddr = match item.parse() {
            Ok(address) => address,
            // A host name, usually localhost.
            Err(_) => item
                .to_socket_addrs()
                .ok()
                .and_then(|mut resolved| resolved.next())
                .ok_or_else(wanted)?,
        };
        addresses.push(Listen::Tcp(address));
    }
    if addresses.is_empty() {
        return Err(wanted());
    }
    Ok(addresses)
}

pub(super) fn jwt_secret(value: &[u8]) -> Result<Secret, Wanted> {
    if value.len() < 32 {
        return Err(
            "must be at least 32 bytes long. Make one with: openssl rand -hex 32".to_owned(),
        );
    }
    Ok(value.into())
}

pub(super) fn aes_key(value: &[u8]) -> Result<(Secret, &'static str), Wanted> {
    let wanted = "must be 16, 24 or 32 bytes, 64 hex digits, or 43 or 44 base64 characters; or such a value after hex:, \
                  base64: or raw:. Make one with: openssl rand -hex 32";
    binary(value, &[16, 24, 32], |length| match length {
        16 | 24 | 32 => Some(Form::Raw),
        64 => Some(Form::Hex),
        43 | 44 => Some(Form::Base64),
        _ => None,
    })
    .ok_or_else(|| wanted.to_owned())
}

pub(super) fn aes_iv(value: &[u8]) -> Result<(Secret, &'static str), Wanted> {
    let wanted = "must be 16 bytes, 32 hex digits, or 22 or 24 base64 characters; or such a value after hex:, base64: or raw:.";
    binary(value, &[16], |length| match length {
        16 => Some(Form::Raw),
        32 => Some(Form::Hex),
        22 | 24 => Some(Form::Base64),
        _ => None,
    })
    .ok_or_else(|| wanted.to_owned())
}
