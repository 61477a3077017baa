//! The URL of a server.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

/// Where a server is.
pub(super) struct Address {
    place: Place,
    shown: String,
    /// What comes before each path; without a slash at its end.
    prefix: String,
}

enum Place {
    Tcp { tls: bool, host: String, port: u16 },
    Unix(PathBuf),
}

impl Address {
    /// The error is the end of a sentence.
    pub(super) fn parse(url: &str) -> Result<Self, &'static str> {
        if let Some(path) = url.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if !path.starts_with('/') {
                return Err(
                    "must name a socket by its whole path, such as unix:/run/sealgate/sealgate.sock",
                );
            }
            return Ok(Address {
                place: Place::Unix(PathBuf::from(path)),
                shown: url.to_owned(),
                prefix: String::new(),
            });
        }
        let (tls, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err("must begin with https://, http:// or unix:"),
        };
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) || rest.contains(['?', '#', '@']) {
            return Err(
                "must consist of a host, a port and perhaps a path, without a name or password",
            );
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or("has a [ without a ]")?;
                let port = match port {
                    "" => None,
                    port => Some(
                        port.strip_prefix(':')
                            .ok_or("must have a : before the port")?,
                    ),
                };
                (host, port)
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let port = match port {
            None if tls => 443,
            None => 80,
            Some(port) => port
                .parse()
                .ok()
                .filter(|port| *port > 0)
                .ok_or("must have a port from 1 to 65535")?,
        };
        if host.is_empty() || host.contains(['[', ']', '/', '\\']) {
            return Err("must name a host");
        }
        let prefix = path.trim_end_matches('/').to_owned();
        Ok(Address {
            place: Place::Tcp {
                tls,
                host: host.to_owned(),
                port,
            },
            shown: url.to_owned(),
            prefix,
        })
    }

    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn is_tls(&self) -> bool {
        matches!(self.place, Place::Tcp { tls: true, .. })
    }

    /// Whether nobody on a network sees what is sent.
    pub(super) fn is_local(&self) -> bool {
        match &self.place {
            Place::Unix(_) => true,
            Place::Tcp { host, .. } => {
                host == "localhost"
                    || host
                        .parse()
                        .is_ok_and(|address: IpAddr| address.is_loopback())
            }
        }
    }

    /// The host's name, without brackets.
    pub(super) fn host(&self) -> &str {
        match &self.place {
            Place::Tcp { host, .. } => host,
            Place::Unix(_) => "localhost",
        }
    }

    /// For the header `Host`.
    pub(super) fn authority(&self) -> String {
        match &self.place {
            Place::Tcp { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            Place::Tcp { host, port, .. } => format!("{host}:{port}"),
            Place::Unix(_) => "localhost".to_owned(),
        }
    }

    pub(super) fn socket(&self) -> Option<&Path> {
        match &self.place {
            Place::Unix(path) => Some(path),
            Place::Tcp { .. } => None,
        }
    }

    /// The addresses of the host; a name that means this machine leads to it alone.
    pub(super) fn resolve(&self) -> std::io::Result<Vec<SocketAddr>> {
        let Place::Tcp { host, port, .. } = &self.place else {
            return Ok(Vec::new());
        };
        let found = (host.as_str(), *port).to_socket_addrs()?;
        let is_local = self.is_local();
        Ok(found
            .filter(|address| !is_local || address.ip().is_loopback())
            .collect())
    }
}

/// Encodes a name for a path or a query.
pub(crate) fn encode(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

/// A path with a name in it; `rest` follows the name. URL libraries on the way fold some names away, so these are in the query.
pub(super) fn named(collection: &str, name: &str, rest: &str) -> String {
    match name {
        "." | ".." | "" => format!("{collection}/{rest}?name={}", encode(name)),
        name => format!("{collection}/{}{rest}", encode(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read() {
        for (url, host, authority, prefix, tls, local) in [
            (
                "https://a.example",
                "a.example",
                "a.example:443",
                "",
                true,
                false,
            ),
            (
                "http://127.0.0.1:5001/",
                "127.0.0.1",
                "127.0.0.1:5001",
                "",
                false,
                true,
            ),
            (
                "http://localhost",
                "localhost",
                "localhost:80",
                "",
                false,
                true,
            ),
            ("https://[::1]:5/x/y/", "::1", "[::1]:5", "/x/y", true, true),
            (
                "http://10.0.0.1",
                "10.0.0.1",
                "10.0.0.1:80",
                "",
                false,
                false,
            ),
            (
                "http://localhost.example",
                "localhost.example",
                "localhost.example:80",
                "",
                false,
                false,
            ),
            ("unix:/run/s", "localhost", "localhost", "", false, true),
        ] {
            let Ok(address) = Address::parse(url) else {
                panic!("{url}");
            };
            assert_eq!(address.host(), host, "{url}");
            assert_eq!(address.authority(), authority, "{url}");
            assert_eq!(address.prefix(), prefix, "{url}");
            assert_eq!(
                (address.is_tls(), address.is_local()),
                (tls, local),
                "{url}"
            );
        }
    }

    #[test]
    fn another_text_is_refused() {
        for url in [
            "",
            "a.example",
            "ftp://a",
            "https://",
            "https://:5",
            "https://a:0",
            "https://a:65536",
            "https://a:x",
            "https://a:",
            "https://me:s3cret@a",
            "https://a/?x",
            "https://a#x",
            "https://a b",
            "https://a\r\nX:",
            "https://[::1",
            "https://[::1]5",
            "unix:socket",
            "https://ä",
        ] {
            assert!(Address::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_name_cannot_leave_its_place_in_a_path() {
        assert_eq!(
            named("users", "a/b?c#d e", "/unlock"),
            "users/a%2Fb%3Fc%23d%20e/unlock"
        );
        assert_eq!(named("users", "..", "/password"), "users//password?name=..");
        assert_eq!(named("users", "é", ""), "users/%C3%A9");
    }
}
