//! Invariants of the first bytes of a TLS client, whatever they are and however they are split.

#![allow(clippy::unwrap_used)] // a panic is a finding

use super::*;

/// The first two bytes decide how the rest, sent by the client, is split.
pub(crate) fn hellos(input: &[u8]) {
    let Some((&[first, second], input)) = input.split_first_chunk() else {
        return;
    };
    let seed = usize::from(u16::from_be_bytes([first, second]));
    let heard = in_any_pieces(Reader::default, input, seed);
    assert_eq!(heard, read_plainly(input), "{}", input.escape_ascii());

    // A second hello looks like the first; a dummy ChangeCipherSpec may precede it.
    let again = in_any_pieces(Reader::of_second, input, seed);
    let passed = passed_over(input);
    let rest = &input[passed..];
    // An incomplete ChangeCipherSpec needs more bytes, or is too long.
    if !begins_with_a_change(rest) {
        let plainly = read_plainly(rest).map(|used| used.map(|used| passed + used));
        assert_eq!(again, plainly, "{}", input.escape_ascii());
    }

    if let Ok(Some(used)) = heard {
        check_early_data(&input[..used], 1 + seed % 300);
    }
}

type Outcome = Result<Option<usize>, Alert>;

/// The outcome, which is the same however the bytes are split.
fn in_any_pieces(reader: fn() -> Reader, input: &[u8], seed: usize) -> Outcome {
    let at_once = reader().read(input);
    let in_pieces = |sizes: &mut dyn Iterator<Item = usize>| {
        let (mut reader, mut read) = (reader(), 0);
        for size in sizes {
            let piece = &input[read..input.len().min(read + size)];
            if let Some(used) = reader.read(piece)? {
                assert!(used <= piece.len());
                return Ok(Some(read + used));
            }
            read += piece.len();
            if read == input.len() {
                break;
            }
        }
        Ok(None)
    };
    let at = seed % (input.len() + 1);
    assert_eq!(
        in_pieces(&mut [at, input.len()].into_iter()),
        at_once,
        "cut at {at}"
    );
    let mut sizes = (0..).map(|turn: usize| 1 + (seed >> (turn % 12)) % 50);
    assert_eq!(in_pieces(&mut sizes), at_once, "in pieces");
    assert_eq!(
        in_pieces(&mut std::iter::repeat(1)),
        at_once,
        "byte by byte"
    );
    at_once
}

/// The same by an independent, simpler parser: record by record, with the message in one piece.
fn read_plainly(input: &[u8]) -> Outcome {
    let mut message = Vec::new();
    let mut rest = input;
    while let Some(&kind) = rest.first() {
        if kind != HANDSHAKE {
            return Err(Alert::UnexpectedMessage);
        }
        if rest.get(1).is_some_and(|version| *version != 3) {
            return Err(Alert::ProtocolVersion);
        }
        let Some((head, behind)) = rest.split_at_checked(RECORD_HEAD) else {
            return Ok(None);
        };
        let size = usize::from(u16::from_be_bytes([head[3], head[4]]));
        match size {
            0 => return Err(Alert::UnexpectedMessage),
            1..=0x4000 => {}
            _ => return Err(Alert::RecordOverflow),
        }
        let end = message.len() + size;
        message.extend_from_slice(&behind[..behind.len().min(size)]);
        if message.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
            return Err(Alert::UnexpectedMessage);
        }
        if let Some(&[_, high, middle, low]) = message.first_chunk() {
            let whole = 4 + usize::try_from(u32::from_be_bytes([0, high, middle, low])).unwrap();
            if whole == 4 {
                return Err(Alert::DecodeError);
            }
            if whole > 4 + 16 * 1024 {
                return Err(Alert::IllegalParameter);
            }
            if message.len() >= whole {
                let used = input.len() - behind.len() + size;
                return if end == whole {
                    Ok(Some(used))
                } else {
                    Err(Alert::UnexpectedMessage)
                };
            }
        }
        if behind.len() < size {
            return Ok(None);
        }
        rest = &behind[size..];
    }
    Ok(None)
}

/// How many bytes at the front are complete ChangeCipherSpec records.
fn passed_over(input: &[u8]) -> usize {
    let mut passed = 0;
    while begins_with_a_change(&input[passed..]) {
        let Some(head) = input[passed..].get(..RECORD_HEAD) else {
            break;
        };
        let size = usize::from(u16::from_be_bytes([head[3], head[4]]));
        let next = passed + RECORD_HEAD + size;
        if head[1] != 3 || size > 0x4000 || next > input.len() {
            break;
        }
        passed = next;
    }
    passed
}

fn begins_with_a_change(input: &[u8]) -> bool {
    input.first() == Some(&CHANGE_CIPHER_SPEC)
}

/// Whether early data is announced depends on the message alone, not on how it is split into records.
fn check_early_data(records: &[u8], in_record: usize) {
    let announced = announces_early_data(records);
    let mut message = Vec::new();
    let mut rest = records;
    while let Some((head, behind)) = rest.split_at_checked(RECORD_HEAD) {
        let (part, next) = behind.split_at(usize::from(u16::from_be_bytes([head[3], head[4]])));
        message.extend_from_slice(part);
        rest = next;
    }
    let cut_anew: Vec<u8> = message
        .chunks(in_record)
        .flat_map(|part| {
            let size = u16::try_from(part.len()).unwrap().to_be_bytes();
            [&[HANDSHAKE, 3, 3], &size[..], part].concat()
        })
        .collect();
    assert_eq!(Reader::default().read(&cut_anew), Ok(Some(cut_anew.len())));
    assert_eq!(announces_early_data(&cut_anew), announced);
    assert_eq!(announced, extension_plainly(&message).is_some());
}

/// The position of the extension in a hello; also `None` if the hello ends within something before it.
fn extension_plainly(message: &[u8]) -> Option<usize> {
    let number = |at: usize, bytes: usize| -> Option<usize> {
        let bytes = message.get(at..at + bytes)?;
        Some(
            bytes
                .iter()
                .fold(0, |sum, byte| sum * 256 + usize::from(*byte)),
        )
    };
    // After type, length, version and random: session ID, ciphers, compression methods.
    let mut at = 4 + 2 + 32;
    for bytes in [1, 2, 1] {
        at += bytes + number(at, bytes)?;
    }
    let end = at + 2 + number(at, 2)?;
    at += 2;
    if end > message.len() {
        return None;
    }
    while at + 2 <= end {
        if number(at, 2)? == 42 {
            return Some(at);
        }
        if at + 4 > end {
            return None;
        }
        at += 4 + number(at + 2, 2)?;
    }
    None
}
