//! The origins whose web pages may use the API. Each is kept as browsers write it, so that the `Origin` of a request is
//! compared byte for byte.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::num::NonZero;

/// The origins whose web pages may use the API from a browser. [`Config`](crate::Config) parses them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct AllowedOrigins(Listed);

#[derive(Debug, Default, Clone, PartialEq, Eq)]
enum Listed {
    #[default]
    None,
    /// `*`.
    All,
    These(Vec<String>),
}

impl AllowedOrigins {
    /// Parses the items of the setting. The error completes a sentence that begins with the setting's name.
    pub(crate) fn parse<'a>(items: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let items: Vec<&str> = items.collect();
        if items == ["*"] {
            return Ok(AllowedOrigins(Listed::All));
        }
        let mut origins = Vec::new();
        for item in items {
            let origin = origin(item).map_err(|why| {
                format!(
                    "must be exact origins, separated by commas, such as https://app.example.com or \
                     http://localhost:3000, or * alone: {why}."
                )
            })?;
            if !origins.contains(&origin) {
                origins.push(origin);
            }
        }
        Ok(AllowedOrigins(match origins.is_empty() {
            true => Listed::None,
            false => Listed::These(origins),
        }))
    }

    pub(super) fn is_none(&self) -> bool {
        self.0 == Listed::None
    }

    /// Whether pages of every origin may use the API.
    pub(crate) fn is_all(&self) -> bool {
        self.0 == Listed::All
    }

    /// The value of `Access-Control-Allow-Origin` for a request with these values of `Origin`. `None`: its page may not read
    /// the response.
    pub(super) fn permitted<'v>(&self, mut values: impl Iterator<Item = &'v [u8]>) -> Option<&str> {
        let origins = match &self.0 {
            Listed::None => return None,
            Listed::All => return Some("*"),
            Listed::These(origins) => origins,
        };
        let value = values.next().filter(|_| values.next().is_none())?;
        let found = origins.iter().find(|origin| origin.as_bytes() == value);
        found.map(String::as_str)
    }
}

const BAD_HOST: &str = "the host is malformed";

/// One origin as browsers write it (URL standard, "serialization of an origin"), or what is wrong with it.
fn origin(text: &str) -> Result<String, &'static str> {
    if text.eq_ignore_ascii_case("null") {
        return Err("null is the origin of any page in a sandbox");
    }
    if text == "*" {
        return Err("* permits every origin, so others beside it have no effect");
    }
    if text.contains('*') {
        return Err("patterns are not supported");
    }
    if !text.is_ascii() {
        return Err("write a host name that is not ASCII in Punycode (xn--...)");
    }
    let text = text.to_ascii_lowercase();
    let (scheme, rest) = text
        .split_once("://")
        .filter(|(scheme, _)| is_scheme(scheme))
        .ok_or("an origin begins with a scheme, such as https://")?;
    if rest.contains(['/', '?', '#']) {
        return Err("an origin has no path and does not end with a slash");
    }
    if rest.contains('@') {
        return Err("an origin has no user");
    }
    let end = match rest.starts_with('[') {
        true => rest.find(']').map(|bracket| bracket + 1),
        false => rest.find(':'),
    };
    let (host, behind) = rest.split_at(end.unwrap_or(rest.len()));
    let port = match behind.strip_prefix(':') {
        Some(digits) => Some(port(digits)?),
        None if behind.is_empty() => None,
        None => return Err(BAD_HOST),
    };
    let host = host_name(host).ok_or(BAD_HOST)?;
    // Browsers leave out the scheme's own port.
    let port = port.filter(|port| !matches!((scheme, *port), ("http", 80) | ("https", 443)));
    Ok(match port {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'+' | b'-' | b'.'))
}

fn port(text: &str) -> Result<u16, &'static str> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let port: Option<NonZero<u16>> = text.parse().ok().filter(|_| digits);
    port.map(NonZero::get)
        .ok_or("a port is a number from 1 to 65535")
}

/// A name or an address in the form in which browsers write it.
fn host_name(text: &str) -> Option<String> {
    if let Some(inner) = text.strip_prefix('[') {
        let address: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
        return Some(match address.to_ipv4_mapped() {
            // Without dots, unlike Rust.
            Some(_) => {
                let [.., high, low] = address.segments();
                format!("[::ffff:{high:x}:{low:x}]")
            }
            None => format!("[{address}]"),
        });
    }
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    // A name may be absolute, with a dot at its end.
    let mut labels = text.strip_suffix('.').unwrap_or(text).split('.');
    if !labels.all(|label| !label.is_empty() && label.bytes().all(plain)) {
        return None;
    }
    // Browsers read a name whose last label is a number as an IPv4 address.
    let last = text.rsplit('.').find(|label| !label.is_empty())?;
    let hexadecimal = last
        .strip_prefix("0x")
        .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if hexadecimal || last.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse::<Ipv4Addr>().ok()?;
    }
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<AllowedOrigins, String> {
        AllowedOrigins::parse(text.split(',').map(str::trim))
    }

    #[test]
    fn an_origin_is_kept_as_browsers_write_it() {
        for (given, kept) in [
            ("https://app.example.com", "https://app.example.com"),
            ("HTTPS://App.Example.COM", "https://app.example.com"),
            ("https://app.example.com:443", "https://app.example.com"),
            ("http://app.example.com:80", "http://app.example.com"),
            ("http://app.example.com:443", "http://app.example.com:443"),
            ("http://localhost:03000", "http://localhost:3000"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("http://[0:0:0:0:0:0:0:1]:3000", "http://[::1]:3000"),
            ("http://[::FFFF:1.2.3.4]", "http://[::ffff:102:304]"),
            (
                "https://xn--bcher-kva.example",
                "https://xn--bcher-kva.example",
            ),
            ("https://a_b.example.", "https://a_b.example."),
            ("capacitor://localhost", "capacitor://localhost"),
        ] {
            assert_eq!(origin(given).as_deref(), Ok(kept), "{given}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused_with_the_reason() {
        let long = format!("https://{}", "a/".repeat(5000));
        for (given, why) in [
            ("null", "null"),
            ("NULL", "null"),
            ("https://*.example.com", "patterns"),
            ("https://a.example, *", "every origin"),
            ("*, *", "every origin"),
            ("https://b\u{fc}cher.example", "Punycode"),
            ("https://app.example.com/", "slash"),
            ("https://app.example.com/path", "slash"),
            ("https://app.example.com?", "slash"),
            ("https://app.example.com#", "slash"),
            (&long, "slash"),
            ("https://user@app.example.com", "no user"),
            ("app.example.com", "scheme"),
            ("//app.example.com", "scheme"),
            ("://app.example.com", "scheme"),
            ("1http://app.example.com", "scheme"),
            ("https:app.example.com", "scheme"),
            ("https://", "host"),
            ("https://.", "host"),
            ("https://.example.com", "host"),
            ("https://a..example", "host"),
            ("https://a b.example", "host"),
            ("https://a\0.example", "host"),
            ("https://a\r\nx", "host"),
            ("https://a%2e.example", "host"),
            ("http://127.1", "host"),
            ("http://1.2.3.4.", "host"),
            ("http://1.2.3.0x4", "host"),
            ("http://127.0.0.01", "host"),
            ("http://[::1", "host"),
            ("http://[::1]x", "host"),
            ("http://[::1%25eth0]", "host"),
            ("http://::1", "port"),
            ("http://localhost:", "port"),
            ("http://localhost:0", "port"),
            ("http://localhost:+80", "port"),
            ("http://localhost:65536", "port"),
            ("http://localhost:80:80", "port"),
        ] {
            let said = parsed(given).expect_err(given);
            assert!(
                said.starts_with("must be exact origins") && said.contains(why),
                "{given:?}: {said}"
            );
            assert!(!said.contains("user@"), "{said}");
        }
    }

    #[test]
    fn the_same_origin_twice_counts_once() {
        let once = parsed("https://a.example").unwrap();
        assert_eq!(
            parsed("https://a.example, https://A.example:443, https://a.example").unwrap(),
            once
        );
        assert!(parsed("*").unwrap().is_all());
        let none = AllowedOrigins::parse(std::iter::empty()).unwrap();
        assert!(none.is_none() && none == AllowedOrigins::default());
    }
}
