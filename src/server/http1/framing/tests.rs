use super::fuzz::{LIMITS, hear};
use super::*;

fn in_pieces_of(input: &[u8], size: usize) -> super::fuzz::Heard {
    hear(input, std::iter::repeat(size))
}

const SESSION: &[u8] = b"GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n\
POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello\
\r\nPOST /d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n2\r\nde\r\n0\r\nT: y\r\n\r\n\
HEAD / HTTP/1.0\r\n\r\n";

#[test]
fn a_session_reads_the_same_however_it_is_split() {
    let whole = in_pieces_of(SESSION, SESSION.len());
    assert_eq!(whole.requests.len(), 4);
    assert_eq!(whole.requests[1].2, b"hello");
    assert_eq!(whole.requests[2].2, b"abcde");
    assert_eq!((whole.refused, whole.left), (false, 0));
    for size in 1..SESSION.len() {
        assert_eq!(in_pieces_of(SESSION, size), whole, "pieces of {size}");
    }
    for at in 0..SESSION.len() {
        assert_eq!(hear(SESSION, [at, SESSION.len()]), whole, "cut at {at}");
    }
}

#[test]
fn ambiguous_bytes_are_refused_as_soon_as_they_are_seen() {
    for wrong in [
        "\x16\x03\x01\x02\x00\x01",
        " GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\n",
        "GET / HTTP/1.1\r\nHost: x\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: x\r\n\r\n",
        "GET /\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1 x\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100001\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nExpect: 200-maybe\r\nContent-Length: 1\r\n\r\n",
        "\r\n\r\n\r\n\r\n\r\n\r\nGET",
    ] {
        assert!(
            in_pieces_of(wrong.as_bytes(), wrong.len()).refused,
            "{wrong:?}"
        );
        assert!(
            in_pieces_of(wrong.as_bytes(), 1).refused,
            "{wrong:?} byte by byte"
        );
    }
}

#[test]
fn at_most_four_empty_lines_may_precede_a_request() {
    let behind = |lines: usize| "\r\n".repeat(lines) + "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    for (lines, refused) in [(0, false), (4, false), (5, true)] {
        for size in [1, 1000] {
            let heard = in_pieces_of(behind(lines).as_bytes(), size);
            assert_eq!(heard.refused, refused, "{lines}");
            assert_eq!(heard.requests.len(), usize::from(!refused), "{lines}");
        }
    }
}

#[test]
fn limits_apply_before_a_head_is_complete() {
    let long_target = format!("GET /{}", "a".repeat(LONGEST_FIRST_LINE));
    let long_head = format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(LIMITS.head));
    let long_lines = format!("GET / HTTP/1.1\r\n{}", "A: b\r\n".repeat(LIMITS.head / 6));
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(64));
    for wrong in [long_target, long_head, long_lines, many] {
        assert!(in_pieces_of(wrong.as_bytes(), 999).refused);
    }
}

/// Whether it is accepted, whole and however its last bytes are split.
fn is_accepted(head: &str) -> bool {
    let all = head.len();
    let [whole, ..] = [all, all - 1, all - 2, all - 3].map(|at| {
        let heard = hear(head.as_bytes(), [at, all]);
        assert_eq!(heard.requests.len(), usize::from(!heard.refused), "{at}");
        heard.refused
    });
    assert_eq!(in_pieces_of(head.as_bytes(), 1).refused, whole);
    !whole
}

#[test]
fn the_longest_first_line_is_accepted_and_one_byte_more_is_not() {
    let target = format!("/{}", "a".repeat(MAX_TARGET - 1));
    for empty_lines in ["", "\r\n\r\n\r\n\r\n"] {
        for more in 0..3 {
            let method =
                "M".repeat(LONGEST_FIRST_LINE - MAX_TARGET - " ".len() - " HTTP/1.1".len() + more);
            let head = format!("{empty_lines}{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n");
            assert_eq!(is_accepted(&head), more == 0, "{more} too long");
        }
        let endless = empty_lines.to_owned() + &"M".repeat(LONGEST_FIRST_LINE + 2);
        assert!(in_pieces_of(endless.as_bytes(), 999).refused);
    }
}

#[test]
fn a_head_of_the_longest_length_is_accepted_and_one_byte_more_is_not() {
    for more in 0..3 {
        let mut head = "GET / HTTP/1.1\r\nHost: x\r\nA: ".to_owned();
        head.push_str(&"a".repeat(LIMITS.head - head.len() - "\r\n\r\n".len() + more));
        head.push_str("\r\n\r\n");
        assert_eq!(is_accepted(&head), more == 0, "{more} too long");
    }
    // What can only become longer than the limit is not awaited.
    let endless = format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(LIMITS.head));
    for (length, refused) in [(LIMITS.head - 1, false), (LIMITS.head, true)] {
        assert_eq!(
            hear(&endless.as_bytes()[..length], [length]).refused,
            refused
        );
    }
}

#[test]
fn tiny_chunks_use_no_more_memory_than_their_data() {
    let mut framer = Framer::default();
    let mut kept = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let head = kept.len();
    for n in 0..100_000 {
        kept.extend_from_slice(b"1\r\nx\r\n");
        let Step::More { keep, taken, .. } = framer.read(&kept, LIMITS) else {
            panic!("refused at {n}");
        };
        kept.drain(keep..keep + taken);
        assert!(kept.len() <= head && framer.memory() <= 2 * LIMITS.body);
    }
    kept.extend_from_slice(b"0\r\n\r\n");
    let Step::Whole { request, used, .. } = framer.read(&kept, LIMITS) else {
        panic!("not whole");
    };
    assert_eq!((request.body.len(), used), (100_000, kept.len()));
}

#[test]
fn a_body_has_the_length_that_its_head_gives() {
    for (field, length) in [
        ("Content-Length: 5", Some(5)),
        ("Transfer-Encoding: chunked", None),
    ] {
        let head = format!("POST / HTTP/1.1\r\nHost: x\r\n{field}\r\n\r\n");
        let mut framer = Framer::default();
        assert_eq!(framer.body_length(), None);
        let read = framer.read(head.as_bytes(), LIMITS);
        assert!(matches!(read, Step::More { .. }) && framer.in_body());
        assert_eq!(framer.body_length(), length);
        let all = length.map(|length| head.len() + length);
        assert_eq!(framer.announced(), all);
    }
}

#[test]
fn a_chunked_body_ends_at_a_limit_that_is_set_later() {
    let head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (body, refused) in [("a\r\n", false), ("b\r\n", true)] {
        let mut framer = Framer::default();
        framer.read(head, LIMITS);
        framer.limit_body(10);
        let read = [&head[..], body.as_bytes()].concat();
        let read = framer.read(&read, LIMITS);
        assert_eq!(matches!(read, Step::Refused { .. }), refused, "{body}");
    }
}

#[test]
fn the_decoded_bytes_of_a_body_are_counted_as_memory() {
    let head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let mut framer = Framer::default();
    framer.read(&head, LIMITS);
    assert_eq!(framer.memory(), 0);
    framer.read(&[&head[..], b"fff\r\n", &[b'x'; 1000]].concat(), LIMITS);
    assert!(framer.memory() >= 1000);
}

#[test]
fn the_rest_of_an_unwanted_body_is_skipped_unless_it_is_too_long_or_of_unknown_length() {
    let passes = |field: &str, come: usize| {
        let head = format!("POST / HTTP/1.1\r\nHost: x\r\n{field}\r\n\r\n");
        let mut framer = Framer::default();
        assert!(!framer.in_body());
        framer.read(head.as_bytes(), LIMITS);
        assert!(framer.in_body() && !framer.is_passing_over());
        let passes = framer.pass_over_body(head.len() + come);
        (passes, framer)
    };
    for (length, come, skipped) in [
        (10, 3, Some(7)),
        (10, 9, Some(1)),
        (MOST_PASSED_OVER, 0, Some(MOST_PASSED_OVER)),
        (MOST_PASSED_OVER + 5, 5, Some(MOST_PASSED_OVER)),
        (MOST_PASSED_OVER + 1, 0, None),
        (MOST_PASSED_OVER + 9, 7, None),
    ] {
        let (passes, mut framer) = passes(&format!("Content-Length: {length}"), come);
        assert_eq!(passes, skipped.is_some(), "{length} {come}");
        let Some(left) = skipped else {
            assert!(!framer.in_body());
            continue;
        };
        assert_eq!(framer.body_length(), None);
        assert_eq!(framer.pass_over(left - 1), left - 1);
        assert!(framer.in_body() && framer.is_passing_over());
        // The last byte, and the next request.
        assert_eq!(framer.pass_over(100), 1);
        assert!(!framer.in_body() && !framer.is_passing_over());
        assert_eq!(framer.pass_over(100), 0);
    }
    let (passes, framer) = passes("Transfer-Encoding: chunked", 0);
    assert!(!passes && !framer.in_body());
}

#[test]
fn continue_is_sent_once_and_only_to_a_waiting_client() {
    let head = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n";
    let mut framer = Framer::default();
    let asks = |step: &Step<'_>| matches!(step, Step::More { leave: true, .. });
    assert!(asks(&framer.read(head.as_bytes(), LIMITS)));
    assert!(!asks(&framer.read(format!("{head}a").as_bytes(), LIMITS)));
    let mut framer = Framer::default();
    assert!(!asks(&framer.read(format!("{head}a").as_bytes(), LIMITS)));
}

#[test]
fn keep_alive_depends_on_the_version() {
    let keeps = |head: &str| parse(head.as_bytes(), 64).unwrap().keeps_alive();
    assert!(keeps("GET / HTTP/1.1\r\n\r\n"));
    assert!(!keeps("GET / HTTP/1.1\r\nConnection: a, Close\r\n\r\n"));
    assert!(!keeps("GET / HTTP/1.0\r\n\r\n"));
    assert!(keeps("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
    assert!(!keeps(
        "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n"
    ));
}

/// Long input that is not HTTP is refused or awaited within the limits.
#[test]
fn noise_uses_no_memory() {
    let mut state = 7_u32;
    for round in 0..200 {
        let mut framer = Framer::default();
        let mut kept: Vec<u8> = SESSION[..round % 20].to_vec();
        let refused = (0..2000).any(|_| {
            let noise = (0..100).map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let byte = (state >> 24) as u8;
                if round % 2 == 0 {
                    byte % 26 + b'a'
                } else {
                    byte
                }
            });
            kept.extend(noise);
            assert!(framer.memory() <= 2 * LIMITS.body);
            loop {
                match framer.read(&kept, LIMITS) {
                    Step::More { keep, taken, .. } => drop(kept.drain(keep..keep + taken)),
                    Step::Whole { used, .. } => {
                        kept.drain(..used);
                        continue;
                    }
                    Step::Refused { .. } => return true,
                }
                return false;
            }
        });
        assert!(refused, "{} bytes are kept", kept.len());
        assert!(kept.len() <= LIMITS.head + 200);
    }
}
