use super::*;

const LIMITS: Limits = Limits {
    head: 16 << 10,
    fields: 64,
    body: 1000,
};

fn length(fields: &[(&str, &str)]) -> Option<BodyLength> {
    let headers = fields
        .iter()
        .map(|(name, value)| (*name, value.as_bytes()))
        .chain([("Host", &b"x"[..])])
        .collect();
    judge(&Method::Post, "/", false, &Headers(headers), LIMITS).ok()
}

#[test]
fn only_one_reading_of_the_length_is_accepted() {
    assert_eq!(length(&[]), Some(BodyLength::None));
    assert_eq!(
        length(&[("content-length", "10")]),
        Some(BodyLength::Sized(10))
    );
    assert_eq!(
        length(&[("transfer-encoding", "Chunked")]),
        Some(BodyLength::Chunked)
    );
    for refused in [
        "",
        "-1",
        "+1",
        "1, 1",
        "0x10",
        "1 1",
        "1001",
        "99999999999999999999999",
    ] {
        assert_eq!(length(&[("Content-Length", refused)]), None, "{refused}");
    }
    for refused in [
        "gzip",
        "chunked, chunked",
        "gzip, chunked",
        "identity",
        "xchunked",
        "",
    ] {
        assert_eq!(length(&[("Transfer-Encoding", refused)]), None, "{refused}");
    }
    assert_eq!(
        length(&[("Content-Length", "1"), ("content-length", "1")]),
        None
    );
    assert_eq!(
        length(&[("Content-Length", "1"), ("Transfer-Encoding", "chunked")]),
        None
    );
    assert_eq!(length(&[("Host", "y")]), None);
    for (host, good) in [
        ("", true),
        ("localhost:5000", true),
        ("[::1]:5000", true),
        ("a_b.example", true),
        ("localhost/evil", false),
        ("evil@localhost", false),
        ("a b", false),
        ("a?b", false),
        ("a#b", false),
        ("a\\b", false),
        ("\u{fc}", false),
        ("a,b", false),
        ("localhost, localhost", false),
        ("a:port", false),
        ("a:80a", false),
        ("a:-1", false),
        ("a:65536", false),
        ("a:1:2", false),
        ("::1", false),
        (":80", false),
        ("[::1", false),
        ("::1]", false),
        ("[]", false),
        ("[::1]a", false),
        ("[::1]:a", false),
        ("[::1]:1:2", false),
        ("[[::1]]", false),
        ("[::1%25eth0]", false),
        ("[::1%eth0]", false),
        // The grammar leaves room for successors of IPv6, but none are defined (RFC 3986, section 3.2.2).
        ("[v1.a]", false),
        ("[v1f.fe80::a+en1]", false),
        ("[127.0.0.1]", false),
        ("a[::1]", false),
        ("user:secret@localhost", false),
        ("a%", false),
        ("a%2", false),
        ("a%zz", false),
        ("\"a\"", false),
        // The grammar allows an empty port after the colon.
        ("localhost:", true),
        ("[::1]:", true),
        ("localhost:0080", true),
        ("127.0.0.1:65535", true),
        ("[::ffff:127.0.0.1]:1", true),
        ("a%2Db", true),
        ("a!$&'()*+;=~b", true),
    ] {
        let headers = Headers(vec![("Host", host.as_bytes())]);
        let judged = judge(&Method::Get, "/", false, &headers, LIMITS);
        assert_eq!(judged.is_ok(), good, "{host}");
    }
    assert_eq!(length(&[("A b", "y")]), None);
    assert_eq!(length(&[("A", "x\ny")]), None);
}

#[test]
fn an_absolute_target_and_host_name_one_host() {
    let judged = |target: &str, host: &str| {
        let headers = Headers(vec![("Host", host.as_bytes())]);
        judge(&Method::Get, target, false, &headers, LIMITS).is_ok()
    };
    assert!(judged("http://localhost:5000/login", "LOCALHOST:5000"));
    assert!(!judged("http://evil.test/login", "localhost"));
    assert!(!judged("http://localhost@evil.test/", "localhost"));
    assert!(judged("/?next=http://evil.test/", "localhost"));
    assert!(judged("HTTP://localhost/", "localhost"));
    for malformed in ["", "a,b", "user@a", "a:b", "[::1", ":80"] {
        let target = format!("http://{malformed}/");
        assert!(!judged(&target, malformed), "{target}");
        let old = judge(&Method::Get, &target, true, &Headers::default(), LIMITS);
        assert!(old.is_err(), "{target}");
    }
}

#[test]
fn targets_are_paths() {
    let judged = |target: &str| {
        judge(&Method::Get, target, true, &Headers::default(), LIMITS)
            .map(|_| origin_form(target).to_owned())
            .ok()
    };
    assert_eq!(judged("/a?b").as_deref(), Some("/a?b"));
    assert_eq!(
        judged("/a?u=http://x/y").as_deref(),
        Some("/a?u=http://x/y")
    );
    assert_eq!(judged("http://host:1/a?b").as_deref(), Some("/a?b"));
    assert_eq!(judged("http://host").as_deref(), Some("/"));
    assert_eq!(judged("http://host?a").as_deref(), Some("/"));
    for refused in ["", "a", "*", "/a\u{7f}", "/a b", "/ü", "ftp://x/", "/a#b"] {
        assert_eq!(judged(refused), None, "{refused}");
    }
    assert_eq!(judged(&format!("/{}", "a".repeat(MAX_TARGET))), None);
}

#[test]
fn the_largest_head_is_accepted_and_anything_more_is_not() {
    let judged = |target: usize, fields: usize, value: usize| {
        let target = format!("/{}", "a".repeat(target - 1));
        let value = "v".repeat(value);
        let mut headers = vec![("Abc", value.as_bytes()); fields - 1];
        headers.push(("Host", b"x"));
        let limits = Limits {
            head: 1000,
            fields: 3,
            body: 0,
        };
        judge(&Method::Get, &target, false, &Headers(headers), limits)
    };
    // Names, values, four bytes for each field, and the target: 9 for Host, 7 each for the others.
    assert!(judged(1, 3, 481).is_ok());
    for more in 0..3 {
        let target = format!("/{}", "a".repeat(MAX_TARGET - 1 + more));
        for (judged, code) in [
            (judged(15 + more, 3, 481), "head_too_large"),
            (judged(491 + more, 2, 493), "head_too_large"),
            (judged(1, 3 + more, 1), "head_too_large"),
            (
                judge(&Method::Get, &target, true, &Headers::default(), LIMITS),
                "target_too_long",
            ),
        ] {
            match judged {
                Ok(length) => assert_eq!((length, more), (BodyLength::None, 0)),
                Err(problem) => {
                    assert!(
                        more > 0 && format!("{problem:?}").contains(code),
                        "{more} {problem:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_missing_host_and_two_hosts_are_reported_as_such() {
    let detail = |hosts: usize| {
        let headers = Headers(vec![("Host", &b"x"[..]); hosts]);
        let judged = judge(&Method::Get, "/", false, &headers, LIMITS);
        judged.map_err(|problem| format!("{problem:?}"))
    };
    assert!(detail(0).unwrap_err().contains("is missing"));
    assert_eq!(detail(1), Ok(BodyLength::None));
    assert!(detail(2).unwrap_err().contains("more than one"));
}

#[test]
fn a_star_stands_for_the_server_and_only_for_options() {
    let judged = |method: Method, target: &str| {
        judge(&method, target, true, &Headers::default(), LIMITS).is_ok()
    };
    assert!(judged(Method::Options, "*"));
    assert!(judged(Method::Options, "/"));
    for (method, target) in [
        (Method::Get, "*"),
        (Method::Options, "a"),
        (Method::Options, "**"),
    ] {
        assert!(!judged(method, target), "{target}");
    }
}
