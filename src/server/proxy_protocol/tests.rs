#![allow(clippy::unwrap_used)] // a test that panics has failed

use super::fuzz::set_checksum;
use super::*;

fn read(bytes: &[u8]) -> Result<Step, Fault> {
    Reader::default().read(bytes)
}

fn whole(bytes: &[u8], client: Option<&str>) -> Result<Step, Fault> {
    Ok(Step::Whole {
        used: bytes.len(),
        client: client.map(|client| client.parse().unwrap()),
    })
}

/// A header of version 2 with this version and command, this family and these bytes.
fn binary(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [SIGNATURE_2, &[command, family], &length, block].concat()
}

/// From 192.0.2.7:40000 to 198.51.100.1:443.
const V4: [u8; 12] = [192, 0, 2, 7, 198, 51, 100, 1, 0x9c, 0x40, 1, 0xbb];

#[test]
fn lines_as_the_standard_has_them_are_read() {
    for (line, client) in [
        (
            "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n",
            Some("192.168.0.1"),
        ),
        (
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
            Some("255.255.255.255"),
        ),
        ("PROXY TCP4 0.0.0.0 127.0.0.1 0 0\r\n", Some("0.0.0.0")),
        ("PROXY TCP6 2001:DB8::1 ::1 1 2\r\n", Some("2001:db8::1")),
        (
            "PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n",
            Some("::ffff:192.0.2.7"),
        ),
        (
            "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            Some("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ),
        ("PROXY UNKNOWN\r\n", None),
        ("PROXY UNKNOWN \r\n", None),
        ("PROXY UNKNOWN whatever  it is\r\r\n", None),
    ] {
        assert_eq!(
            read(line.as_bytes()),
            whole(line.as_bytes(), client),
            "{line}"
        );
    }
}

#[test]
fn a_line_has_at_most_107_bytes() {
    let line = |bytes: usize| {
        let start = "PROXY UNKNOWN ";
        format!("{start}{}\r\n", "f".repeat(bytes - start.len() - 2))
    };
    let longest = line(107);
    assert_eq!(read(longest.as_bytes()), whole(longest.as_bytes(), None));
    assert_eq!(read(line(108).as_bytes()), Err(Fault::LongLine));
    // Nothing that follows could complete it.
    assert_eq!(read(&line(200).as_bytes()[..106]), Ok(Step::More));
    assert_eq!(read(&line(200).as_bytes()[..107]), Err(Fault::LongLine));
}

#[test]
fn lines_that_could_be_understood_differently_are_refused() {
    for line in [
        "PROXY TCP4 192.0.2.7 192.0.2.1 1 2\n",
        "PROXY TCP4 192.0.2.7 192.0.2.1 1 2 \r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.1 1 2 3\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.1 1\r\n",
        "PROXY TCP4  192.0.2.7 192.0.2.1 1 2\r\n",
        "PROXY  TCP4 192.0.2.7 192.0.2.1 1 2\r\n",
        "PROXY TCP4\t192.0.2.7 192.0.2.1 1 2\r\n",
        "PROXY TCP4 192.0.2.07 192.0.2.1 1 2\r\n",
        "PROXY TCP4 192.0.2 192.0.2.1 1 2\r\n",
        "PROXY TCP4 192.0.2.256 192.0.2.1 1 2\r\n",
        "PROXY TCP4 192.0.2.7 ::1 1 2\r\n",
        "PROXY TCP4 ::1 192.0.2.1 1 2\r\n",
        "PROXY TCP6 192.0.2.7 192.0.2.1 1 2\r\n",
        "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        "PROXY TCP6 [::1] ::1 1 2\r\n",
        "PROXY TCP6 ::1:: ::1 1 2\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.1 01 2\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.1 +1 2\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.1 -1 2\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.1 1 65536\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.1 1 \r\n",
        "PROXY TCP5 192.0.2.7 192.0.2.1 1 2\r\n",
        "PROXY UDP4 192.0.2.7 192.0.2.1 1 2\r\n",
        "PROXY tcp4 192.0.2.7 192.0.2.1 1 2\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY UNKNOWN\n",
        "PROXY \r\n",
        "PROXY / HTTP/1.1\r\n",
        "PROXY TCP4 192.0.2.7\0 192.0.2.1 1 2\r\n",
    ] {
        assert_eq!(read(line.as_bytes()), Err(Fault::Line), "{line:?}");
    }
    assert_eq!(read(b"PROXY TCP4 \xff 192.0.2.1 1 2\r\n"), Err(Fault::Line));
}

#[test]
fn binary_headers_as_the_standard_has_them_are_read() {
    let v6: Vec<u8> = [
        &[0x20, 1, 0xd, 0xb8],
        &[0; 11][..],
        &[7],
        &[0; 15],
        &[1, 0, 1, 0, 2],
    ]
    .concat();
    for (header, client) in [
        (binary(0x21, 0x11, &V4), Some("192.0.2.7")),
        (binary(0x21, 0x12, &V4), Some("192.0.2.7")),
        (binary(0x21, 0x21, &v6), Some("2001:db8::7")),
        (binary(0x21, 0x22, &v6), Some("2001:db8::7")),
        (binary(0x21, 0x31, &[b'/'; 216]), None),
        (binary(0x21, 0x32, &[b'/'; 216]), None),
        (binary(0x21, 0x00, &[]), None),
        // What follows an unspecified family is to be ignored, and so is everything that LOCAL comes with.
        (binary(0x21, 0x00, &[1, 2, 3]), None),
        (binary(0x20, 0x00, &[]), None),
        (binary(0x20, 0x11, &V4), None),
        (binary(0x20, 0xff, &[1]), None),
    ] {
        assert_eq!(read(&header), whole(&header, client), "{header:?}");
        // The first byte of what follows is not taken.
        let more = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
        assert_eq!(read(&more), whole(&header, client), "{header:?}");
    }
}

#[test]
fn binary_headers_that_are_not_of_the_standard_are_refused() {
    for (header, fault) in [
        (binary(0x11, 0x11, &V4), Fault::Version),
        (binary(0x31, 0x11, &V4), Fault::Version),
        (binary(0x01, 0x11, &V4), Fault::Version),
        (binary(0x22, 0x11, &V4), Fault::Command),
        (binary(0x2f, 0x11, &V4), Fault::Command),
        (binary(0x21, 0x01, &V4), Fault::Family),
        (binary(0x21, 0x10, &V4), Fault::Family),
        (binary(0x21, 0x13, &V4), Fault::Family),
        (binary(0x21, 0x41, &V4), Fault::Family),
        (binary(0x21, 0x11, &V4[..11]), Fault::Short),
        (binary(0x21, 0x11, &[]), Fault::Short),
        (binary(0x21, 0x21, &[1; 35]), Fault::Short),
        (binary(0x21, 0x31, &[1; 215]), Fault::Short),
        (binary(0x21, 0x11, &[0; 0xffff]), Fault::TooLong),
        (binary(0x20, 0x00, &[0; MAX_HEADER - 15]), Fault::TooLong),
        (
            binary(0x21, 0x11, &[&V4[..], &[4]].concat()),
            Fault::Extensions,
        ),
        (
            binary(0x21, 0x11, &[&V4[..], &[4, 0]].concat()),
            Fault::Extensions,
        ),
        (
            binary(0x21, 0x11, &[&V4[..], &[4, 0, 1]].concat()),
            Fault::Extensions,
        ),
        (
            binary(0x21, 0x11, &[&V4[..], &[4, 0xff, 0xff, 0]].concat()),
            Fault::Extensions,
        ),
        (
            binary(0x21, 0x11, &[&V4[..], &[3, 0, 3, 1, 2, 3]].concat()),
            Fault::Extensions,
        ),
        (
            binary(0x21, 0x11, &[&V4[..], &[3, 0, 4, 1, 2, 3, 4]].concat()),
            Fault::Checksum,
        ),
    ] {
        assert_eq!(read(&header), Err(fault), "{header:?}");
        // Decided as soon as it can be: by the first 16 bytes, if these are wrong.
        if !matches!(fault, Fault::Extensions | Fault::Checksum) {
            assert_eq!(read(&header[..HEAD_2]), Err(fault), "{header:?}");
        }
        assert_eq!(read(&header[..HEAD_2 - 1]), Ok(Step::More));
    }
    let longest = binary(0x20, 0x00, &[0; MAX_HEADER - 16]);
    assert_eq!(read(&longest), whole(&longest, None));
}

#[test]
fn extensions_are_skipped_and_a_checksum_is_verified() {
    let authority = [&[2, 0, 9][..], b"localhost"].concat();
    let empty = [4, 0, 0];
    let sum = [3, 0, 4, 0, 0, 0, 0];
    for extensions in [
        authority.clone(),
        [&authority[..], &empty, &authority].concat(),
        [&authority[..], &sum, &empty].concat(),
    ] {
        let mut header = binary(0x21, 0x11, &[&V4[..], &extensions].concat());
        let has_sum = set_checksum(&mut header);
        assert_eq!(has_sum, extensions.len() == 12 + 7 + 3);
        assert_eq!(read(&header), whole(&header, Some("192.0.2.7")));
        for at in 16..header.len() {
            let mut damaged = header.clone();
            damaged[at] ^= 4;
            // With another type it is no checksum.
            let hides_it = at == 16 + V4.len() + authority.len();
            assert!(!has_sum || hides_it || read(&damaged).is_err(), "byte {at}");
        }
    }
    let mut twice = binary(0x21, 0x11, &[&V4[..], &sum, &sum].concat());
    assert!(set_checksum(&mut twice));
    assert_eq!(read(&twice), Err(Fault::Extensions));
    // The check value of every CRC-32C.
    assert_eq!(crc32c(b"123456789".iter().copied()), 0xe306_9283);
}

#[test]
fn what_is_no_header_is_given_back() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"POST / HTTP/1.1\r\n",
        b"PUT / HTTP/1.1\r\n",
        b"PROPFIND / HTTP/1.1\r\n",
        b"PROXY/ HTTP/1.1\r\n",
        b"proxy TCP4 192.0.2.7 192.0.2.1 1 2\r\n",
        b"\r\n\r\nGET / HTTP/1.1\r\n",
        b"\r\n\r\n\0\r\nQUIT\r",
        b"\x16\x03\x01",
        b"\0",
        b" PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n",
    ] {
        assert_eq!(read(bytes), Ok(Step::Absent), "{}", bytes.escape_ascii());
        let mut reader = Reader::default();
        let mut taken = 0;
        while reader.read(&bytes[taken..=taken]) == Ok(Step::More) {
            taken += 1;
        }
        assert_eq!(reader.into_kept(), bytes[..taken]);
    }
}
