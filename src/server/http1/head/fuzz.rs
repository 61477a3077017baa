//! Invariants of every accepted head.

#![allow(clippy::unwrap_used)] // a panic is a finding

use std::str::{self, FromStr};

use super::*;

const LIMITS: Limits = Limits {
    head: 1000,
    fields: 8,
    body: 1000,
};

/// A first line with method and target (followed by `1.0` for that version), then one line per field, without CR.
pub(crate) fn heads(input: &[u8]) {
    let mut lines = input.split(|byte| *byte == b'\n');
    let mut words = lines.next().unwrap_or_default().split(|byte| *byte == b' ');
    let mut word = || words.next().and_then(|word| str::from_utf8(word).ok());
    let (Some(method), Some(target)) = (word(), word()) else {
        return;
    };
    let version_1_0 = word() == Some("1.0");
    let Ok(method) = Method::from_str(method) else {
        return;
    };
    let fields = lines.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        Some((str::from_utf8(&line[..colon]).ok()?, &line[colon + 1..]))
    });
    let headers = Headers(fields.collect());
    let judged = judge(&method, target, version_1_0, &headers, LIMITS);

    // The order of fields does not matter.
    let reversed = Headers(headers.0.iter().rev().copied().collect());
    let again = judge(&method, target, version_1_0, &reversed, LIMITS);
    assert_eq!(judged.as_ref().ok(), again.as_ref().ok());
    let Ok(length) = judged else { return };

    let all = |name: &str| -> Vec<&[u8]> { headers.all(name).map(<[u8]>::trim_ascii).collect() };
    let hosts = all("Host");
    assert!(hosts.len() == 1 || (hosts.is_empty() && version_1_0));
    for host in &hosts {
        assert!(host.iter().all(u8::is_ascii_graphic));
        assert!(!host.iter().any(|byte| b"/?#@\\\"<>^`{|}".contains(byte)));
    }
    match (&all("Content-Length")[..], &all("Transfer-Encoding")[..]) {
        ([], []) => assert_eq!(length, BodyLength::None),
        ([size], []) => {
            assert!(!size.is_empty() && size.iter().all(u8::is_ascii_digit));
            let size: usize = str::from_utf8(size).unwrap().parse().unwrap();
            let expected = match size {
                0 => BodyLength::None,
                size => BodyLength::Sized(size),
            };
            assert!(size <= LIMITS.body && length == expected);
        }
        ([], [coding]) => {
            assert!(coding.eq_ignore_ascii_case(b"chunked") && !version_1_0);
            assert_eq!(length, BodyLength::Chunked);
        }
        _ => panic!("two lengths"),
    }
    let bytes: usize = headers
        .0
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    assert!(headers.0.len() <= LIMITS.fields && bytes + target.len() <= LIMITS.head);
    for (name, value) in &headers.0 {
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()));
        assert!(!name.contains([':', ',', ';', '"', '(', '/', '=', '{', '[']));
        assert!(
            !value
                .iter()
                .any(|byte| matches!(byte, 0..=8 | 10..=31 | 127))
        );
    }
    check_target(target, &method, hosts.first().copied());
}

/// A path, or an absolute URL of the same host; the path served is part of it.
fn check_target(target: &str, method: &Method, host: Option<&[u8]>) {
    assert!(
        target
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'#')
    );
    let path = origin_form(target);
    assert!(target.contains(path) || path == "/");
    if target == "*" {
        assert_eq!(*method, Method::Options);
        return;
    }
    assert!(path.starts_with('/'));
    if target.starts_with('/') {
        assert_eq!(path, target);
        return;
    }
    let (scheme, rest) = target.split_once("://").unwrap();
    assert!(
        ["http", "https"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(scheme))
    );
    let named = rest.split(['/', '?']).next().unwrap();
    assert!(host.is_none_or(|host| host.eq_ignore_ascii_case(named.as_bytes())));
}
