//! What GET `/readyz` is answered with, and what that says of the server.

use std::io::{self, Read, Write};

pub(super) const TLS_HERE: &str =
    "If it speaks TLS, set SEALGATE_TLS_CERT and SEALGATE_TLS_KEY here as for the server";

/// What a server's address says of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    Ready,
    /// It shows the right certificate and wants one of ours, so it cannot be asked.
    Alive,
}

/// The beginning of the answer to GET `/readyz`.
pub(super) fn ask(mut stream: impl Read + Write) -> io::Result<[u8; 12]> {
    // A peer that has closed the connection may have given the reason before: it is read all the same.
    let sent =
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut start = [0; 12];
    // An alert of TLS is shorter.
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
        // The first byte of an alert, and of a handshake's message.
        _ if matches!(answer[0], 0x15 | 0x16) => Err(format!("sends no HTTP. {TLS_HERE}")),
        _ => Err("is no HTTP server".to_owned()),
    }
}
