//! Headers, right and wrong.

use super::*;

/// What a connection from a trusted peer begins with, and the caller or how it is refused.
pub(super) fn cases() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let line = LINE.as_bytes();
    let v6: Vec<u8> = [
        &[0x20, 1, 0xd, 0xb8],
        &[0; 11][..],
        &[7],
        &[0; 15],
        &[1, 0, 1, 0, 2],
    ]
    .concat();
    let nothing = b"PROXY UNKNOWN\r\n";
    vec![
        ("v1", line.to_vec(), "192.0.2.7"),
        (
            "v1-v6",
            b"PROXY TCP6 2001:db8::7 ::1 1 2\r\n".to_vec(),
            "2001:db8::7",
        ),
        ("v1-unknown", nothing.to_vec(), "127.0.0.1"),
        ("v1-107", unknown(107), "127.0.0.1"),
        ("v1-108", unknown(108), REFUSED),
        (
            "v1-endless",
            [&b"PROXY TCP4 "[..], &[b'1'; 60_000]].concat(),
            REFUSED,
        ),
        (
            "v1-lf",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\n".to_vec(),
            REFUSED,
        ),
        (
            "v1-cr",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r".to_vec(),
            REFUSED,
        ),
        (
            "v1-no-end",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2".to_vec(),
            REFUSED,
        ),
        (
            "v1-words",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n".to_vec(),
            REFUSED,
        ),
        (
            "v1-octal",
            b"PROXY TCP4 192.0.2.07 198.51.100.1 1 2\r\n".to_vec(),
            REFUSED,
        ),
        (
            "v1-family",
            b"PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n".to_vec(),
            REFUSED,
        ),
        (
            "v1-case",
            b"proxy TCP4 192.0.2.7 198.51.100.1 1 2\r\n".to_vec(),
            REFUSED,
        ),
        ("v1-twice", [line, line].concat(), REFUSED),
        ("v2", binary(0x21, 0x11, &ADDRESSES), "192.0.2.7"),
        ("v2-udp", binary(0x21, 0x12, &ADDRESSES), "192.0.2.7"),
        ("v2-v6", binary(0x21, 0x21, &v6), "2001:db8::7"),
        (
            "v2-mapped",
            binary(
                0x21,
                0x21,
                &[&[0; 10][..], &[0xff; 2], &ADDRESSES[..4], &v6[16..]].concat(),
            ),
            "192.0.2.7",
        ),
        ("v2-unix", binary(0x21, 0x31, &[b'/'; 216]), "127.0.0.1"),
        (
            "v2-unspecified",
            binary(0x21, 0x00, b"whatever"),
            "127.0.0.1",
        ),
        ("v2-local", binary(0x20, 0x00, &[]), "127.0.0.1"),
        (
            "v2-local-named",
            binary(0x20, 0x11, &ADDRESSES),
            "127.0.0.1",
        ),
        (
            "v2-extension",
            binary(
                0x21,
                0x11,
                &[&ADDRESSES[..], b"\x02\0\x01x\x04\0\0"].concat(),
            ),
            "192.0.2.7",
        ),
        ("v2-short", binary(0x21, 0x11, &ADDRESSES[..11]), REFUSED),
        ("v2-empty", binary(0x21, 0x11, &[]), REFUSED),
        ("v2-short-v6", binary(0x21, 0x21, &ADDRESSES), REFUSED),
        ("v2-65535", binary(0x21, 0x11, &[0; 65_535]), REFUSED),
        (
            "v2-65535-claimed",
            claiming(65_535, 0x21, 0x11, &ADDRESSES),
            REFUSED,
        ),
        ("v2-4097", binary(0x20, 0x00, &[0; 4096 - 15]), REFUSED),
        ("v2-4096", binary(0x20, 0x00, &[0; 4096 - 16]), "127.0.0.1"),
        ("v2-version", binary(0x11, 0x11, &ADDRESSES), REFUSED),
        ("v2-command", binary(0x22, 0x11, &ADDRESSES), REFUSED),
        ("v2-kind", binary(0x21, 0x41, &ADDRESSES), REFUSED),
        ("v2-protocol", binary(0x21, 0x13, &ADDRESSES), REFUSED),
        (
            "v2-extensions",
            binary(0x21, 0x11, &[&ADDRESSES[..], b"\x02\0\xff"].concat()),
            REFUSED,
        ),
        (
            "v2-checksum",
            binary(0x21, 0x11, &[&ADDRESSES[..], b"\x03\0\x04sum!"].concat()),
            REFUSED,
        ),
        (
            "v2-twice",
            binary(0x21, 0x11, &ADDRESSES).repeat(2),
            REFUSED,
        ),
        (
            "v2-then-v1",
            [&binary(0x21, 0x11, &ADDRESSES), line].concat(),
            REFUSED,
        ),
        ("v2-half-a-signature", SIGNATURE[..8].to_vec(), REFUSED),
        ("before", [b" ", line].concat(), REFUSED),
    ]
}
