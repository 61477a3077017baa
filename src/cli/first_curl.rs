//! The curl command that the start-up message suggests; it works as printed. Where every connection has to come from a trusted
//! proxy, it works there.

use std::fs;
use std::net::{IpAddr, SocketAddr};

use openssl::nid::Nid;
use openssl::x509::{X509, X509NameEntryRef};
use sealgate::server::{Address, ProxyProtocol, Settings};
use sealgate::shell_word;

/// A curl command that logs in at this address.
pub(super) fn first_curl(address: &Address, settings: &Settings, body: &str) -> String {
    let target = match address {
        Address::Tcp(address) => format!("http://{}", Address::connectable(*address)),
        Address::Tls(address) => tls_target(Address::connectable(*address), settings),
        Address::Unix(path) => format!("--unix-socket {} http://localhost", shell_word(path)),
    };
    let header = match settings.proxy_protocol {
        ProxyProtocol::Require => "--haproxy-protocol ",
        ProxyProtocol::Off | ProxyProtocol::Accept => "",
    };
    format!(
        r#"curl -X POST {header}{target}/login -H "Content-Type: application/json" -d '{body}'"#
    )
}

/// Makes curl trust the server's own certificate and connect under one of its names.
fn tls_target(address: SocketAddr, settings: &Settings) -> String {
    let mut target = String::new();
    let mut host = address.to_string();
    if let Some(path) = &settings.tls_cert {
        // curl may be run in another directory.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        target.push_str(&format!("--cacert {} ", shell_word(&path)));
        let certificate = fs::read(&path)
            .ok()
            .and_then(|text| X509::from_pem(&text).ok());
        if let Some(name) = certificate.and_then(|certificate| name_for(&certificate, address.ip()))
        {
            let port = address.port();
            host = format!("{name}:{port}");
            if name != "localhost" {
                let ip = match address.ip() {
                    IpAddr::V4(ip) => ip.to_string(),
                    IpAddr::V6(ip) => format!("[{ip}]"),
                };
                // Login without an account requires a Host header that names this machine.
                target.push_str(&format!(
                    r#"--resolve {name}:{port}:{ip} -H "Host: localhost" "#
                ));
            }
        }
    }
    if settings.requires_client_certificate() {
        target.push_str("--cert CLIENT.pem --key CLIENT-KEY.pem ");
    }
    format!("{target}https://{host}")
}

/// A name that matches a wildcard; any other name unchanged.
fn some_name(pattern: &str) -> String {
    match pattern.strip_prefix("*.") {
        Some(rest) => format!("sealgate.{rest}"),
        None => pattern.to_owned(),
    }
}

/// A name to connect under, unless the certificate contains the address itself.
fn name_for(certificate: &X509, ip: IpAddr) -> Option<String> {
    let mut names = Vec::new();
    match certificate.subject_alt_names() {
        Some(alternatives) => {
            for name in &alternatives {
                let same = match ip {
                    IpAddr::V4(ip) => name.ipaddress() == Some(&ip.octets()),
                    IpAddr::V6(ip) => name.ipaddress() == Some(&ip.octets()),
                };
                if same {
                    return None;
                }
                names.extend(name.dnsname().map(some_name));
            }
        }
        None => {
            let subject = certificate.subject_name().entries_by_nid(Nid::COMMONNAME);
            let text =
                |entry: &X509NameEntryRef| String::from_utf8(entry.data().as_slice().to_vec()).ok();
            names.extend(subject.filter_map(text).map(|name| some_name(&name)));
        }
    }
    // Only characters that are not special to a shell.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
    names.retain(|name| name.chars().all(plain) && name.parse::<IpAddr>().is_err());
    let local = ip.is_loopback() && names.iter().any(|name| name == "localhost");
    match local {
        true => Some("localhost".to_owned()),
        false => names.into_iter().find(|name| name != "localhost"),
    }
}
