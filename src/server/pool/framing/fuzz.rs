//! Damaged requests, the same ones every time: whatever comes, in whatever pieces, is read in one way or refused.
//! `make fuzz` tries many more than `cargo test`.

use super::tests::{LIMITS, hear};
use super::*;

/// What gets damaged: good requests, so that the damage is nearly one.
const SEEDS: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://x/a?b HTTP/1.1\r\nhost: x\r\nConnection: keep-alive, close\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost:\r\nA:\tb \r\n\r\n",
    b"HEAD /a HTTP/1.0\r\n\r\n",
    b"\r\nPOST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\ntransfer-encoding: Chunked\r\n\r\n1\r\n\n\r\n00\r\nT: y\r\nU: z\r\n\r\n",
];

/// What damages: everything that means something to somebody who reads HTTP.
const SPLINTERS: &[&[u8]] = &[
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\0",
    b" ",
    b"\t",
    b":",
    b",",
    b";",
    b"\x7f",
    b"\x80",
    b"0",
    b"1",
    b"f",
    b"-",
    b"+",
    b"\x0b",
    b"Host: y\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n",
    b"Content-Length: +5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip\r\n",
    b" folded\r\n",
    b"HTTP/1.0",
    b"HTTP/2.0",
    b"0\r\n\r\n",
    b"ffffffffffffffff",
    b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n",
];

/// Numbers that are the same every time (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }

    fn of<'a>(&mut self, these: &[&'a [u8]]) -> &'a [u8] {
        these[self.below(these.len())]
    }
}

fn damaged(numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..=numbers.below(3))
        .flat_map(|_| numbers.of(SEEDS))
        .copied()
        .collect();
    for _ in 0..numbers.below(4) {
        let at = numbers.below(bytes.len());
        let end = (at + 1 + numbers.below(4)).min(bytes.len());
        match numbers.below(5) {
            0 => bytes[at] = numbers.below(256) as u8,
            1 => drop(bytes.drain(at..end)),
            2 => drop(bytes.splice(at..end, numbers.of(SPLINTERS).iter().copied())),
            3 => drop(bytes.splice(at..at, numbers.of(SPLINTERS).iter().copied())),
            _ => bytes.extend_from_within(at..end),
        }
        if bytes.is_empty() {
            bytes.push(b'G');
        }
    }
    bytes
}

#[test]
fn damaged_requests_are_read_in_one_way_or_refused() {
    let rounds =
        std::env::var("SEALGATE_FUZZ_ROUNDS").map_or(5_000, |rounds| rounds.parse().unwrap());
    let seed = std::env::var("SEALGATE_FUZZ_SEED").map_or(1, |seed| seed.parse().unwrap());
    let mut numbers = Numbers(seed);
    let (mut whole_ones, mut refusals) = (0, 0);
    for _ in 0..rounds {
        let input = damaged(&mut numbers);
        let heard = hear(&input, [input.len()]);
        whole_ones += heard.requests.len();
        refusals += usize::from(heard.refused);
        check_the_accepted(&input);
        let shown = input.escape_ascii();
        assert_eq!(
            hear(&input, std::iter::repeat(1)),
            heard,
            "byte by byte: {shown}"
        );
        let at = numbers.below(input.len());
        assert_eq!(
            hear(&input, [at, input.len()]),
            heard,
            "cut at {at}: {shown}"
        );
        let mut pieces = Numbers(numbers.0);
        let sizes = std::iter::repeat_with(|| 1 + pieces.below(20));
        assert_eq!(hear(&input, sizes), heard, "in pieces: {shown}");
    }
    println!("{rounds} inputs: {whole_ones} requests, {refusals} refusals");
    assert!(
        whole_ones > rounds / 3 && refusals > rounds / 5,
        "{whole_ones}, {refusals}"
    );
}

/// Bytes that have nothing to do with HTTP, and a lot of them: refused or waited for within the limits.
#[test]
fn noise_takes_no_memory() {
    let mut numbers = Numbers(7);
    for round in 0..200 {
        let mut framer = Framer::default();
        let mut kept: Vec<u8> = numbers.of(SEEDS)[..numbers.below(20)].to_vec();
        let letters = round % 2 == 0;
        let refused = (0..2000).any(|_| {
            let noise = (0..100).map(|_| numbers.below(256) as u8);
            kept.extend(noise.map(|byte| if letters { byte % 26 + b'a' } else { byte }));
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

/// Whatever is accepted has one meaning only, by another, plainer reading of its bytes.
fn check_the_accepted(input: &[u8]) {
    let mut framer = Framer::default();
    let mut rest = input;
    while let Step::Whole {
        request,
        head,
        used,
    } = framer.read(rest, LIMITS)
    {
        let shown = rest[..used].escape_ascii().to_string();
        let empty = rest.chunks(2).take_while(|line| *line == b"\r\n").count();
        let headers = read_plainly(&rest[2 * empty..head]).expect(&shown);
        let all = |name: &str| -> Vec<&[u8]> {
            let named = headers
                .iter()
                .filter(|(other, _)| other.eq_ignore_ascii_case(name));
            named.map(|(_, value)| value.trim_ascii()).collect()
        };
        assert!(
            all("Host").len() == 1 || (request.version_1_0 && all("Host").is_empty()),
            "{shown}"
        );
        let body = &rest[head..used];
        match (&all("Content-Length")[..], &all("Transfer-Encoding")[..]) {
            ([], []) => assert!(body.is_empty() && request.body.is_empty(), "{shown}"),
            ([length], []) => {
                let length = std::str::from_utf8(length).unwrap();
                assert!(length.bytes().all(|byte| byte.is_ascii_digit()), "{shown}");
                assert_eq!(length.parse(), Ok(body.len()), "{shown}");
                assert_eq!(*request.body, *body, "{shown}");
            }
            ([], [coding]) => {
                assert!(
                    coding.eq_ignore_ascii_case(b"chunked") && !request.version_1_0,
                    "{shown}"
                );
                assert_eq!(
                    unchunk_plainly(body).expect(&shown),
                    *request.body,
                    "{shown}"
                );
            }
            _ => panic!("two lengths: {shown}"),
        }
        if used == 0 {
            panic!("a request without bytes: {shown}");
        }
        rest = &rest[used..];
    }
}

/// The fields of a head, line by line; `None` where it is not what RFC 9112 says, to the letter.
fn read_plainly(head: &[u8]) -> Option<Vec<(&str, &[u8])>> {
    let head = head.strip_suffix(b"\r\n\r\n")?;
    // Within the lines there is neither CR nor LF.
    let joined: Vec<&[u8]> = head.split(|byte| *byte == b'\n').collect();
    let last = joined.len() - 1;
    let mut lines = Vec::new();
    for (number, line) in joined.into_iter().enumerate() {
        let line = if number == last {
            line
        } else {
            line.strip_suffix(b"\r")?
        };
        if line
            .iter()
            .any(|byte| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f)
        {
            return None;
        }
        lines.push(line);
    }
    let mut words = lines.first()?.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let is_token = |word: &[u8]| {
        let others = b"!#$%&'*+-.^_`|~";
        !word.is_empty()
            && word
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || others.contains(byte))
    };
    let good_line = is_token(method)
        && !target.is_empty()
        && target.iter().all(u8::is_ascii_graphic)
        && (version == b"HTTP/1.1" || version == b"HTTP/1.0")
        && words.next().is_none();
    if !good_line {
        return None;
    }
    lines[1..]
        .iter()
        .map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = std::str::from_utf8(&line[..colon]).ok()?;
            is_token(name.as_bytes()).then_some((name, &line[colon + 1..]))
        })
        .collect()
}

fn unchunk_plainly(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let line = rest[..end].strip_suffix(b"\r")?;
        rest = &rest[end + 1..];
        let digits = line
            .iter()
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        let size = usize::from_str_radix(std::str::from_utf8(&line[..digits]).ok()?, 16).ok()?;
        let extension = line[digits..].trim_ascii_start();
        if line.contains(&b'\r') || !(line.len() == digits || extension.starts_with(b";")) {
            return None;
        }
        if size == 0 {
            break;
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest[size..].strip_prefix(b"\r\n")?;
    }
    // Trailers, and nothing behind the empty line.
    let trailers = rest.strip_suffix(b"\r\n")?;
    let good = trailers.is_empty() || trailers.ends_with(b"\r\n");
    let lines = trailers
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    let mut lines = lines.map(|line| line.strip_suffix(b"\r"));
    (good && lines.all(|line| line.is_some_and(|line| !line.is_empty() && line.contains(&b':'))))
        .then_some(body)
}
