//! The header with which a proxy names its client at the start of a connection: the PROXY protocol, versions 1 and 2, as
//! HAProxy's proxy-protocol.txt defines it. No I/O, and no decision about whom to believe.
//!
//! The grammar is read strictly: what two readers could understand differently is refused. Extensions of version 2 are
//! skipped, except that a checksum is verified.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use memchr::memchr;

use crate::server::buffer::append;

/// How version 1 starts. No HTTP method that this server knows has this name.
const SIGNATURE_1: &[u8] = b"PROXY ";
/// How version 2 starts: bytes that neither HTTP nor TLS starts with.
const SIGNATURE_2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line of version 1, with its CR LF.
const MAX_LINE: usize = 107;
/// Signature, version, command, family and length.
const HEAD_2: usize = 16;
/// The longest header, of either version. The standard intends at most 536 bytes; some proxies append details of TLS. nginx
/// accepts as many.
pub(in crate::server) const MAX_HEADER: usize = 4096;

/// The type of the extension with a checksum, and the length of every extension's type and length.
const CHECKSUM: u8 = 3;
const EXTENSION_HEAD: usize = 3;

/// Reads the header of one connection. The caller passes on all bytes as they arrive, and nothing twice.
#[derive(Debug, Default)]
pub(in crate::server) struct Reader {
    /// The start of a header.
    kept: Vec<u8>,
}

/// The result of reading more bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Step {
    /// All of them belong to the header, and more are needed.
    More,
    /// The first `used` of them complete the header.
    Whole { used: usize, client: Option<IpAddr> },
    /// The connection does not begin with a header. Nothing was taken; [`Reader::into_kept`] returns what was before.
    Absent,
}

/// Why a header is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Fault {
    LongLine,
    Line,
    Version,
    Command,
    Family,
    TooLong,
    Short,
    Extensions,
    Checksum,
}

impl Fault {
    /// To follow "The PROXY protocol header is invalid: ".
    pub(in crate::server) fn reason(self) -> &'static str {
        match self {
            Fault::LongLine => "its line is longer than 107 bytes",
            Fault::Line => "its line is malformed",
            Fault::Version => "its version is neither 1 nor 2",
            Fault::Command => "its command is unknown",
            Fault::Family => "its address family or protocol is unknown",
            Fault::TooLong => "it is longer than 4096 bytes",
            Fault::Short => "it is too short for its addresses",
            Fault::Extensions => "its extensions are malformed",
            Fault::Checksum => "its checksum is wrong",
        }
    }
}

impl Reader {
    /// Reads the bytes after those that earlier calls took.
    pub(in crate::server) fn read(&mut self, bytes: &[u8]) -> Result<Step, Fault> {
        let before = self.kept.len();
        let room = MAX_HEADER - before;
        let bytes = &bytes[..bytes.len().min(room)];
        // Most headers arrive in one piece.
        let judged = if before == 0 {
            judge(bytes)
        } else {
            append(&mut self.kept, bytes, MAX_HEADER);
            let judged = judge(&self.kept);
            self.kept.truncate(before);
            judged
        };
        match judged? {
            Judged::More => {
                append(&mut self.kept, bytes, MAX_HEADER);
                Ok(Step::More)
            }
            // Longer than what was kept: that was judged to be incomplete.
            Judged::Whole(length, client) => Ok(Step::Whole {
                used: length - before,
                client,
            }),
            Judged::Absent => Ok(Step::Absent),
        }
    }

    /// How many bytes may follow those taken.
    pub(in crate::server) fn room(&self) -> usize {
        MAX_HEADER - self.kept.len()
    }

    /// Memory it uses, in bytes.
    pub(in crate::server) fn memory(&self) -> usize {
        self.kept.capacity()
    }

    /// The bytes taken so far.
    pub(in crate::server) fn into_kept(self) -> Vec<u8> {
        self.kept
    }
}

/// What the first bytes of a connection are.
enum Judged {
    /// They are the start of a header.
    More,
    /// They begin with a header of this length, which names this client, or nobody.
    Whole(usize, Option<IpAddr>),
    Absent,
}

fn judge(bytes: &[u8]) -> Result<Judged, Fault> {
    let is_like = |signature: &[u8]| {
        let compared = signature.len().min(bytes.len());
        bytes[..compared] == signature[..compared]
    };
    if is_like(SIGNATURE_1) {
        version_1(bytes)
    } else if is_like(SIGNATURE_2) {
        version_2(bytes)
    } else {
        Ok(Judged::Absent)
    }
}

fn version_1(bytes: &[u8]) -> Result<Judged, Fault> {
    let Some(end) = memchr(b'\n', &bytes[..bytes.len().min(MAX_LINE)]) else {
        return match bytes.len() < MAX_LINE {
            true => Ok(Judged::More),
            false => Err(Fault::LongLine),
        };
    };
    let line = bytes[..end].strip_suffix(b"\r").ok_or(Fault::Line)?;
    let fields = line.strip_prefix(SIGNATURE_1).ok_or(Fault::Line)?;
    // Whatever follows UNKNOWN is to be ignored.
    let client = if fields == b"UNKNOWN" || fields.starts_with(b"UNKNOWN ") {
        None
    } else {
        let fields = std::str::from_utf8(fields).map_err(|_| Fault::Line)?;
        Some(client_in(fields).ok_or(Fault::Line)?)
    };
    Ok(Judged::Whole(end + 1, client))
}

/// The client in `TCP4 SOURCE DESTINATION PORT PORT` or the same for IPv6.
fn client_in(fields: &str) -> Option<IpAddr> {
    let fields: Vec<&str> = fields.split(' ').collect();
    let [family, from, to, from_port, to_port] = fields[..] else {
        return None;
    };
    let parse: fn(&str) -> Option<IpAddr> = match family {
        "TCP4" => |text| Some(Ipv4Addr::from_str(text).ok()?.into()),
        "TCP6" => |text| Some(Ipv6Addr::from_str(text).ok()?.into()),
        _ => return None,
    };
    let (client, _) = parse(from).zip(parse(to))?;
    (is_port(from_port) && is_port(to_port)).then_some(client)
}

/// Whether it is a port in decimal digits, without leading zeros.
fn is_port(text: &str) -> bool {
    let is_canonical = text == "0" || !text.starts_with(['0', '+']);
    is_canonical && u16::from_str(text).is_ok()
}

fn version_2(bytes: &[u8]) -> Result<Judged, Fault> {
    const VERSION: u8 = 2;
    const LOCAL: u8 = 0;
    const PROXY: u8 = 1;
    let Some(head) = bytes.first_chunk::<HEAD_2>() else {
        return Ok(Judged::More);
    };
    let [.., version_and_command, family, high, low] = *head;
    if version_and_command >> 4 != VERSION {
        return Err(Fault::Version);
    }
    let length = HEAD_2 + usize::from(u16::from_be_bytes([high, low]));
    let addresses = match version_and_command & 0xf {
        // The proxy speaks for itself. Its family and addresses are to be ignored.
        LOCAL => None,
        PROXY => Addresses::of(family)?,
        _ => return Err(Fault::Command),
    };
    if length > MAX_HEADER {
        return Err(Fault::TooLong);
    }
    let extensions = HEAD_2 + addresses.map_or(0, Addresses::bytes);
    if length < extensions {
        return Err(Fault::Short);
    }
    let Some(header) = bytes.get(..length) else {
        return Ok(Judged::More);
    };
    let Some(addresses) = addresses else {
        return Ok(Judged::Whole(length, None));
    };
    check_extensions(header, extensions)?;
    Ok(Judged::Whole(length, addresses.client(&header[HEAD_2..])))
}

/// The kinds of addresses that a header of version 2 may have.
#[derive(Clone, Copy)]
enum Addresses {
    V4,
    V6,
    Unix,
}

impl Addresses {
    /// The kind that this byte announces, over streams or datagrams: a proxy's client may speak QUIC. `None`: the proxy does
    /// not know the client's address, and what follows is to be ignored.
    fn of(family: u8) -> Result<Option<Self>, Fault> {
        match family {
            0x00 => Ok(None),
            0x11 | 0x12 => Ok(Some(Addresses::V4)),
            0x21 | 0x22 => Ok(Some(Addresses::V6)),
            0x31 | 0x32 => Ok(Some(Addresses::Unix)),
            _ => Err(Fault::Family),
        }
    }

    /// The length of both addresses with their ports.
    fn bytes(self) -> usize {
        match self {
            Addresses::V4 => 2 * (4 + 2),
            Addresses::V6 => 2 * (16 + 2),
            Addresses::Unix => 2 * 108,
        }
    }

    /// The client's address, which comes first. A Unix socket has none.
    fn client(self, bytes: &[u8]) -> Option<IpAddr> {
        match self {
            Addresses::V4 => bytes.first_chunk::<4>().map(|octets| (*octets).into()),
            Addresses::V6 => bytes.first_chunk::<16>().map(|octets| (*octets).into()),
            Addresses::Unix => None,
        }
    }
}

/// Checks that the extensions, from this offset on, fill the rest of the header, and verifies a checksum. A second one is
/// refused: verifying hundreds would take a while.
fn check_extensions(header: &[u8], mut at: usize) -> Result<(), Fault> {
    let mut is_verified = false;
    while at < header.len() {
        let head = header[at..].first_chunk::<EXTENSION_HEAD>();
        let [kind, high, low] = *head.ok_or(Fault::Extensions)?;
        let start = at + EXTENSION_HEAD;
        at = start + usize::from(u16::from_be_bytes([high, low]));
        let value = header.get(start..at).ok_or(Fault::Extensions)?;
        if kind != CHECKSUM {
            continue;
        }
        let sum = <[u8; 4]>::try_from(value).map_err(|_| Fault::Extensions)?;
        if std::mem::replace(&mut is_verified, true) {
            return Err(Fault::Extensions);
        }
        // The sum was computed with zeros in its place.
        let zeros = [0; 4];
        let bytes = header[..start].iter().chain(&zeros).chain(&header[at..]);
        if crc32c(bytes.copied()) != u32::from_be_bytes(sum) {
            return Err(Fault::Checksum);
        }
    }
    Ok(())
}

/// CRC-32C (RFC 9260, appendix A). Bit by bit: a header with a checksum has about a hundred bytes.
fn crc32c(bytes: impl Iterator<Item = u8>) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    !bytes.fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            (sum >> 1) ^ (POLYNOMIAL & (sum & 1).wrapping_neg())
        })
    })
}

#[cfg(any(test, fuzzing))]
pub(in crate::server) mod fuzz;
#[cfg(test)]
mod tests;
