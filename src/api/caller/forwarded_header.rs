//! Whether a proxy's header (`X-Forwarded-For`, `Forwarded`) is believed, and which client it names.

use std::net::IpAddr;

use super::Caller;
use crate::api::Request;
use crate::api::peer::Serves;
use crate::api::settings::Settings;
use crate::base::address::parse;

impl Caller {
    /// The socket's peer, or the client that it named with the PROXY protocol. If that is a trusted proxy, the configured
    /// header is read from the right, where each proxy appends, up to the first address that is not a trusted proxy's. An
    /// unreadable entry ends the search.
    ///
    /// If a proxy named nobody, the header is not read: the bytes may come from a client whose address the proxy does not
    /// know, and who may have written anything.
    pub(in crate::api) fn of(request: &Request<'_>, settings: &Settings) -> Caller {
        let mut caller = match request.peer.serves() {
            Serves::Nobody => return Caller::peer(request),
            Serves::Client(address) => Caller::Address(address.to_canonical()),
            Serves::Peer => Caller::peer(request),
        };
        if !caller.is_trusted(settings) {
            return caller;
        }
        let values: Vec<&[u8]> = request.headers.all(&settings.forwarded_header).collect();
        let standard = settings.forwarded_header.eq_ignore_ascii_case("Forwarded");
        let hops = values
            .into_iter()
            .rev()
            .flat_map(|value| from_the_right(value, b',', standard));
        for hop in hops {
            let hop = std::str::from_utf8(hop).ok();
            let address = match standard {
                true => hop.and_then(forwarded_for),
                false => hop.and_then(|hop| parse(hop.trim())),
            };
            let Some(address) = address else {
                break;
            };
            caller = Caller::Address(address);
            if !caller.is_trusted(settings) {
                break;
            }
        }
        caller
    }
}

/// The parts of a list, the last one first; with `quotes`, a separator between quotation marks does not count (RFC 9110, section
/// 5.6.4). Read from the right, so that a quotation mark that a client has left open does not reach what a proxy appended.
fn from_the_right(list: &[u8], separator: u8, quotes: bool) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(list);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut quoted = false;
        let at = (0..text.len()).rev().find(|&at| {
            let is_mark = quotes && text[at] == b'"' && !is_escaped(text, at);
            quoted ^= is_mark;
            !quoted && text[at] == separator
        });
        rest = at.map(|at| &text[..at]);
        Some(at.map_or(text, |at| &text[at + 1..]))
    })
}

fn is_escaped(text: &[u8], at: usize) -> bool {
    let before = text[..at].iter().rev();
    before.take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// The address in the parameter `for` of one element of `Forwarded` (RFC 7239, sections 4 and 6); `None` as well if the element
/// is malformed or has two.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut node = None;
    for pair in from_the_right(element.as_bytes(), b';', true) {
        let pair = std::str::from_utf8(pair).ok()?.trim();
        if pair.is_empty() {
            continue;
        }
        let (name, value) = pair.split_once('=')?;
        let value = unquoted(value.trim())?;
        let is_node = name.trim().eq_ignore_ascii_case("for");
        if name.contains('"') || is_node && node.replace(value).is_some() {
            return None;
        }
    }
    let node = node?;
    match node.rsplit_once(':') {
        // A port that the proxy keeps to itself.
        Some((address, port)) if port.starts_with('_') => parse(address),
        _ => parse(&node),
    }
}

/// The text of a token or a quoted string; `None` if it is neither.
fn unquoted(value: &str) -> Option<String> {
    let Some(inner) = value.strip_prefix('"') else {
        return (!value.contains('"')).then(|| value.to_owned());
    };
    let mut text = String::new();
    let mut characters = inner.chars();
    loop {
        match characters.next()? {
            '"' => return characters.next().is_none().then_some(text),
            '\\' => text.push(characters.next()?),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Headers, Method, Peer};

    fn caller(peer: &str, header: &str, values: &[&str], trusted: &str) -> String {
        let mut config = crate::Config::new();
        config.set("trusted_proxies", trusted).unwrap();
        config.set("forwarded_header", header).unwrap();
        let settings = config.settings().unwrap().app;
        let request = Request {
            method: &Method::Get,
            target: "/",
            headers: Headers(
                values
                    .iter()
                    .map(|value| (header, value.as_bytes()))
                    .collect(),
            ),
            body: b"",
            peer: &Peer::local(peer.parse().ok(), None),
            version_1_0: false,
            certificate: None,
        };
        Caller::of(&request, &settings).to_string()
    }

    #[test]
    fn headers_from_untrusted_peers_are_ignored() {
        assert_eq!(
            caller("192.0.2.1", "X-Forwarded-For", &["1.1.1.1"], "10.0.0.0/8"),
            "192.0.2.1"
        );
        assert_eq!(
            caller("unix", "X-Forwarded-For", &["1.1.1.1"], "10.0.0.0/8"),
            "unix"
        );
        assert_eq!(
            caller("192.0.2.1", "X-Forwarded-For", &["1.1.1.1"], ""),
            "192.0.2.1"
        );
    }

    #[test]
    fn the_caller_is_the_rightmost_address_that_is_not_a_proxy() {
        let walk =
            |values: &[&str]| caller("10.0.0.1", "X-Forwarded-For", values, "10.0.0.0/8, unix");
        assert_eq!(walk(&["6.6.6.6, 1.2.3.4, 10.0.0.2"]), "1.2.3.4");
        assert_eq!(walk(&["6.6.6.6", "1.2.3.4", "10.0.0.2:80"]), "1.2.3.4");
        assert_eq!(walk(&["10.0.0.3, 10.0.0.2"]), "10.0.0.3");
        assert_eq!(walk(&["6.6.6.6, nonsense, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(walk(&[]), "10.0.0.1");
        assert_eq!(walk(&["::ffff:1.2.3.4"]), "1.2.3.4");
        assert_eq!(walk(&["[2001:db8::1]:99"]), "2001:db8::1");
        assert_eq!(
            caller("unix", "X-Forwarded-For", &["9.9.9.9"], "unix"),
            "9.9.9.9"
        );
        assert_eq!(
            caller("::ffff:10.0.0.1", "X-Real-IP", &["9.9.9.9"], "10.0.0.0/8"),
            "9.9.9.9"
        );
        let forwarded = r#"for=6.6.6.6, For="[2001:db8::7]:4711";proto=https;by=10.0.0.1"#;
        assert_eq!(
            caller("10.0.0.1", "Forwarded", &[forwarded], "10.0.0.1"),
            "2001:db8::7"
        );
    }

    /// What a client wrote must not become an address, even where a proxy repeats it between quotation marks.
    #[test]
    fn forwarded_is_read_as_its_grammar_has_it() {
        let of = |value: &str| caller("10.0.0.1", "Forwarded", &[value], "10.0.0.1");
        for (value, client) in [
            (r#"for=1.2.3.4;host="a,for=6.6.6.6""#, "1.2.3.4"),
            (r#"host="a;for=6.6.6.6;x=";for=1.2.3.4"#, "1.2.3.4"),
            (r#"for=1.2.3.4;host="a\",for=6.6.6.6""#, "1.2.3.4"),
            (r#"for=1.2.3.4;host="a\\""#, "1.2.3.4"),
            (r#"for=6.6.6.6;host="open, for=1.2.3.4"#, "1.2.3.4"),
            (r#"for=", for=1.2.3.4;proto=http"#, "1.2.3.4"),
            (r#"for="1.2.3.4:_p""#, "1.2.3.4"),
            (r#"FOR="[2001:db8::1]:_port" ; by=_x"#, "2001:db8::1"),
            (r#"for="\1.2.3.4""#, "1.2.3.4"),
            ("for=1.2.3.4; ;proto=https;", "1.2.3.4"),
            ("for=1.2.3.4;host=\u{e4}", "1.2.3.4"),
            // Not readable: the search ends at the proxy.
            ("for=6.6.6.6;for=1.2.3.4", "10.0.0.1"),
            (r#"for=1.2.3.4;host="open"#, "10.0.0.1"),
            (r#"for="1.2.3.4"x"#, "10.0.0.1"),
            (r#"x"y=1;for=1.2.3.4"#, "10.0.0.1"),
            ("for=1.2.3.4;nonsense", "10.0.0.1"),
            ("for=1.2.3.4,", "10.0.0.1"),
            ("for=_hidden", "10.0.0.1"),
            ("for=unknown", "10.0.0.1"),
            ("host=a", "10.0.0.1"),
            ("", "10.0.0.1"),
        ] {
            assert_eq!(of(value), client, "{value}");
        }
        let earlier = "for=6.6.6.6;host=\"";
        let lines = |last| caller("10.0.0.1", "Forwarded", &[earlier, last], "10.0.0.1");
        assert_eq!(lines("for=1.2.3.4"), "1.2.3.4");
        assert_eq!(lines("for=10.0.0.1"), "10.0.0.1");
    }

    /// What it is if the peer named this client with the PROXY protocol, and the header this one.
    fn named(peer: &str, client: Option<&str>, forwarded: &str) -> String {
        let mut config = crate::Config::new();
        config.set("trusted_proxies", "10.0.0.0/8, unix").unwrap();
        let settings = config.settings().unwrap().app;
        let mut peer = Peer::local(peer.parse().ok(), None);
        peer.serve(client.map(|client| client.parse().unwrap()));
        let request = Request {
            method: &Method::Get,
            target: "/",
            headers: Headers(vec![("X-Forwarded-For", forwarded.as_bytes())]),
            body: b"",
            peer: &peer,
            version_1_0: false,
            certificate: None,
        };
        Caller::of(&request, &settings).to_string()
    }

    #[test]
    fn the_client_that_the_connection_names_is_believed_before_headers() {
        for peer in ["10.0.0.1", "unix"] {
            assert_eq!(named(peer, Some("192.0.2.7"), "6.6.6.6"), "192.0.2.7");
            assert_eq!(named(peer, Some("::ffff:192.0.2.7"), "x"), "192.0.2.7");
            // Another proxy, whose header counts as if it had connected here itself.
            assert_eq!(named(peer, Some("10.0.0.2"), "6.6.6.6, 1.2.3.4"), "1.2.3.4");
            assert_eq!(named(peer, Some("10.0.0.2"), "nonsense"), "10.0.0.2");
            // Nobody knows who wrote the header.
            assert_eq!(named(peer, None, "6.6.6.6"), peer);
        }
    }

    #[test]
    fn an_ipv6_64_counts_as_one_caller() {
        let key = |text: &str| Caller::Address(text.parse().unwrap()).limit_key();
        assert_eq!(key("2001:db8::1"), key("2001:db8::2:3:4:5"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_ne!(key("10.0.0.1"), key("10.0.0.2"));
    }
}
