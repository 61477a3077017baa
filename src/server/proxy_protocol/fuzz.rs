//! Invariants of the header for any bytes in any pieces: it is found where an independent reader finds it, and nothing after
//! it is taken.

#![allow(clippy::unwrap_used)] // a panic is a finding

use super::*;

/// What a connection begins with: a header of this length that names this client, or nobody; or no header. `None` if more
/// bytes are needed.
type Outcome = Result<Option<Header>, Fault>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Header {
    Whole(usize, Option<IpAddr>),
    Absent,
}

/// The first two bytes decide how the rest is split.
pub(crate) fn proxy_headers(input: &[u8]) {
    let Some((&[first, second], input)) = input.split_first_chunk() else {
        return;
    };
    let seed = usize::from(u16::from_be_bytes([first, second]));
    check(input, seed);
    // As a header with the right checksum, which chance does not find.
    let mut sealed = input.to_vec();
    if input.starts_with(SIGNATURE_2) && set_checksum(&mut sealed) {
        check(&sealed, seed);
    }
}

fn check(input: &[u8], seed: usize) {
    let shown = || input.escape_ascii();
    let heard = hear(input, [input.len()]);
    let at = seed % (input.len() + 1);
    assert_eq!(
        hear(input, [at, input.len()]),
        heard,
        "cut at {at}: {}",
        shown()
    );
    let sizes = (0..).map(|turn: usize| 1 + (seed >> (turn % 12)) % 20);
    assert_eq!(hear(input, sizes), heard, "in pieces: {}", shown());
    let single = std::iter::repeat(1);
    assert_eq!(hear(input, single), heard, "byte by byte: {}", shown());
    assert_eq!(
        heard.map_err(drop),
        read_plainly(input).map_err(drop),
        "{}",
        shown()
    );
    if let Ok(Some(Header::Whole(length, _))) = heard {
        // What follows changes nothing, and nothing less is a header.
        assert_eq!(hear(&input[..length], [length]), heard, "{}", shown());
        assert_eq!(
            hear(&input[..length - 1], [length]),
            Ok(None),
            "{}",
            shown()
        );
    }
}

/// Reads like a connection, with the bytes arriving in pieces of these sizes.
fn hear(input: &[u8], sizes: impl IntoIterator<Item = usize>) -> Outcome {
    let (mut reader, mut taken) = (Reader::default(), 0);
    let mut arrived = 0;
    for size in sizes {
        arrived = input.len().min(arrived + size);
        // A piece may be longer than the rest of the longest header.
        while taken < arrived {
            let piece = &input[taken..arrived];
            let piece = &piece[..piece.len().min(reader.room())];
            match reader.read(piece)? {
                Step::More => taken += piece.len(),
                Step::Whole { used, client } => {
                    assert!((1..=piece.len()).contains(&used));
                    return Ok(Some(Header::Whole(taken + used, client)));
                }
                Step::Absent => {
                    // Every byte taken is given back.
                    assert_eq!(reader.into_kept(), input[..taken]);
                    return Ok(Some(Header::Absent));
                }
            }
            assert!(reader.memory() <= MAX_HEADER);
        }
        if arrived == input.len() {
            break;
        }
    }
    Ok(None)
}

/// The same by an independent, simpler reader: all at once, and version 1 word by word from its end.
fn read_plainly(input: &[u8]) -> Outcome {
    let begins = |with: &[u8]| input.iter().zip(with).all(|(one, other)| one == other);
    if begins(b"PROXY ") {
        let line: Vec<u8> = input
            .iter()
            .copied()
            .take_while(|byte| *byte != b'\n')
            .collect();
        if line.len() >= 107 {
            return Err(Fault::LongLine);
        }
        if line.len() == input.len() {
            return Ok(None);
        }
        let length = line.len() + 1;
        let line = String::from_utf8_lossy(&line).into_owned();
        let client = plain_line(&line).ok_or(Fault::Line)?;
        return Ok(Some(Header::Whole(length, client)));
    }
    if !begins(b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a") {
        return Ok(Some(Header::Absent));
    }
    if input.len() < 16 {
        return Ok(None);
    }
    let length = 16 + 256 * usize::from(input[14]) + usize::from(input[15]);
    let (size, is_local) = match (input[12], input[13]) {
        (0x20, _) => (0, true),
        (0x21, 0x00) => (0, true),
        (0x21, 0x11 | 0x12) => (12, false),
        (0x21, 0x21 | 0x22) => (36, false),
        (0x21, 0x31 | 0x32) => (216, false),
        _ => return Err(Fault::Family),
    };
    if length > 4096 || length < 16 + size {
        return Err(Fault::Short);
    }
    if input.len() < length {
        return Ok(None);
    }
    if is_local {
        return Ok(Some(Header::Whole(length, None)));
    }
    let mut extensions = &input[16 + size..length];
    let mut sums = 0;
    while let [kind, high, low, rest @ ..] = extensions {
        let long = 256 * usize::from(*high) + usize::from(*low);
        if rest.len() < long || (*kind == 3 && long != 4) {
            return Err(Fault::Extensions);
        }
        sums += usize::from(*kind == 3);
        extensions = &rest[long..];
    }
    if !extensions.is_empty() || sums > 1 {
        return Err(Fault::Extensions);
    }
    let mut sealed = input[..length].to_vec();
    if set_checksum(&mut sealed) && sealed != input[..length] {
        return Err(Fault::Checksum);
    }
    let client: Option<IpAddr> = match size {
        12 => Some(<[u8; 4]>::try_from(&input[16..20]).unwrap().into()),
        36 => Some(<[u8; 16]>::try_from(&input[16..32]).unwrap().into()),
        _ => None,
    };
    Ok(Some(Header::Whole(length, client)))
}

/// `None`: malformed. `Some(None)`: it names nobody.
fn plain_line(line: &str) -> Option<Option<IpAddr>> {
    let line = line.strip_suffix('\r')?;
    let line = line.strip_prefix("PROXY ")?;
    if line.split(' ').next() == Some("UNKNOWN") {
        return Some(None);
    }
    let (line, to_port) = line.rsplit_once(' ')?;
    let (line, from_port) = line.rsplit_once(' ')?;
    for port in [from_port, to_port] {
        // Written again, it is the same.
        let number: u32 = port.parse().ok().filter(|number| *number < 65_536)?;
        (number.to_string() == port).then_some(())?;
    }
    let (line, to) = line.rsplit_once(' ')?;
    let (family, from) = line.rsplit_once(' ')?;
    let [from, to] = [from, to].map(|address| address.parse::<IpAddr>().ok());
    let (from, to) = from.zip(to)?;
    let are_right = match family {
        "TCP4" => from.is_ipv4() && to.is_ipv4(),
        "TCP6" => from.is_ipv6() && to.is_ipv6(),
        _ => false,
    };
    are_right.then_some(Some(from))
}

/// Writes the right checksum where a header of version 2 has an extension for it; false if it has none.
pub(super) fn set_checksum(header: &mut [u8]) -> bool {
    let Some(&[.., family, high, low]) = header.first_chunk::<16>() else {
        return false;
    };
    let size = match family {
        0x11 | 0x12 => 12,
        0x21 | 0x22 => 36,
        0x31 | 0x32 => 216,
        _ => return false,
    };
    let length = 16 + 256 * usize::from(high) + usize::from(low);
    let Some(header) = header.get_mut(..length) else {
        return false;
    };
    let mut at = 16 + size;
    while let Some(&[kind, high, low]) = header.get(at..).and_then(<[u8]>::first_chunk) {
        let value = at + 3;
        at = value + 256 * usize::from(high) + usize::from(low);
        if kind == 3 && at == value + 4 && at <= length {
            header[value..at].fill(0);
            let sum = by_table(header);
            header[value..at].copy_from_slice(&sum.to_be_bytes());
            return true;
        }
    }
    false
}

/// CRC-32C from a table of 256 remainders, the usual way.
fn by_table(bytes: &[u8]) -> u32 {
    let table: Vec<u32> = (0..256)
        .map(|byte: u32| {
            (0..8).fold(byte, |sum, _| match sum % 2 {
                0 => sum / 2,
                _ => (sum / 2) ^ 0x82f6_3b78,
            })
        })
        .collect();
    let sum = bytes.iter().fold(u32::MAX, |sum, byte| {
        table[((sum ^ u32::from(*byte)) % 256) as usize] ^ (sum / 256)
    });
    sum ^ u32::MAX
}
