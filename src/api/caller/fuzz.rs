//! What holds for the caller's address whatever clients put in forwarding headers.

#![allow(clippy::unwrap_used)] // a panic is a finding

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::OnceLock;

use super::*;
use crate::api::{Headers, Method};

const HEADERS: [&str; 3] = ["X-Forwarded-For", "Forwarded", "X-Real-IP"];
const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));

fn settings(header: &str) -> Settings {
    let mut config = crate::Config::new();
    let given = config.set("trusted_proxies", "10.0.0.0/8,fd00::/8,unix");
    given
        .and_then(|()| config.set("forwarded_header", header))
        .unwrap();
    config.settings().unwrap().app
}

/// The first byte chooses the header; then a line for each field.
pub(crate) fn forwarding(input: &[u8]) {
    static SETTINGS: OnceLock<[Settings; 3]> = OnceLock::new();
    let Some((&first, input)) = input.split_first() else {
        return;
    };
    let chosen = usize::from(first) % HEADERS.len();
    let (header, settings) = (
        HEADERS[chosen],
        &SETTINGS.get_or_init(|| HEADERS.map(settings))[chosen],
    );
    let mut fields: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    let caller_at = |fields: &[&[u8]], peer: &Peer| {
        let request = Request {
            method: &Method::Get,
            target: "/",
            headers: Headers(fields.iter().map(|value| (header, *value)).collect()),
            body: b"",
            peer,
            version_1_0: false,
            certificate: None,
        };
        Caller::of(&request, settings)
    };
    let caller =
        |fields: &[&[u8]], peer: Option<IpAddr>| caller_at(fields, &Peer::local(peer, None));
    #[cfg(target_os = "linux")]
    for peer in [Some(PROXY), None] {
        let named = |client: Option<IpAddr>| {
            let mut peer = Peer::local(peer, None);
            peer.serve(client);
            caller_at(&fields, &peer)
        };
        // Headers say nothing against a connection that names a client, and nothing for one that names nobody.
        assert_eq!(named(Some(STRANGER)), Caller::Address(STRANGER));
        assert_eq!(named(None), peer.map_or(Caller::Unix, Caller::Address));
        // Another proxy counts as if it had connected itself.
        assert_eq!(named(Some(PROXY)), caller(&fields, Some(PROXY)));
    }
    // Only a trusted proxy can set the address.
    assert_eq!(caller(&fields, Some(STRANGER)), Caller::Address(STRANGER));
    for peer in [Some(PROXY), None] {
        let own = peer.map_or(Caller::Unix, Caller::Address);
        let found = caller(&fields, peer);
        match found {
            Caller::Address(address) => assert!(found == own || stands_in(address, &fields)),
            Caller::Unix => assert_eq!(peer, None),
        }
    }
    // Whatever a client sends, the address the proxy appends is the one that counts.
    let added = match header {
        "Forwarded" => format!("for={CLIENT};proto=https"),
        _ => CLIENT.to_string(),
    };
    let last = fields.pop().unwrap_or_default();
    let joined = [last, b", ", added.as_bytes()].concat();
    fields.push(&joined);
    assert_eq!(caller(&fields, Some(PROXY)), Caller::Address(CLIENT));
    *fields.last_mut().unwrap() = last;
    fields.push(added.as_bytes());
    assert_eq!(caller(&fields, Some(PROXY)), Caller::Address(CLIENT));
}

/// Whether some word of the fields is this address.
fn stands_in(address: IpAddr, fields: &[&[u8]]) -> bool {
    fields.iter().any(|field| {
        String::from_utf8_lossy(field)
            .split(|c: char| c.is_whitespace() || ",;=\"".contains(c))
            .any(|word| {
                let bare = word
                    .strip_prefix('[')
                    .and_then(|word| word.strip_suffix(']'));
                let with_port = word.parse().map(|found: SocketAddr| found.ip()).ok();
                let found = bare.unwrap_or(word).parse().ok().or(with_port);
                found.is_some_and(|found: IpAddr| found.to_canonical() == address)
            })
    })
}
