//! The response to GET `/readyz`, and what it means.

use std::io::{self, Read, Write};

pub(super) const TLS_HERE: &str =
    "If it speaks TLS, set SEALGATE_TLS_CERT and SEALGATE_TLS_KEY here as for the server";

/// The state of the server at one address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    Ready,
    /// It presents the right certificate but requires one of ours, so it cannot be asked.
    Alive,
}

/// Sends GET `/readyz` and returns the first bytes of the response.
pub(super) fn ask(mut stream: impl Read + Write) -> io::Result<[u8; 12]> {
    // A peer that has closed the connection may have sent the reason first, so it is read all the same.
    let sent =
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut start = [0; 12];
    // One byte first, because a TLS alert is shorter.
    let first = stream.read_exact(&mut start[..1]);
    first.map_err(|error| match sent {
        Err(sent) if error.get_ref().is_none() => sent,
        _ => error,
    })?;
    if start[0] == b'H' {
        stream.read_exact(&mut start[1..])?;
    }
    Ok(start)
}

pub(super) fn judge(answer: &[u8; 12]) -> Result<Health, String> {
    match answer.split_last_chunk::<3>() {
        Some((b"HTTP/1.1 ", b"200")) => Ok(Health::Ready),
        Some((b"HTTP/1.1 ", status)) => Err(format!(
            "is not ready (status {})",
            String::from_utf8_lossy(status)
        )),
        // The first byte of a TLS alert or handshake message.
        _ if matches!(answer[0], 0x15 | 0x16) => Err(format!("does not speak HTTP. {TLS_HERE}")),
        _ => Err("does not speak HTTP/1.1".to_owned()),
    }
}
