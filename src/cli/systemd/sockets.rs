//! Sockets that systemd opened and listens on (`sealgate.socket`), which are served in place of `SEALGATE_LISTEN`: it keeps
//! them open while the server restarts, and may bind ports that the server's user may not.

use std::env;

use listenfd::ListenFd;
use sealgate::server::Listener;

use crate::cli::Failure;

/// More are a mistake.
const MOST: usize = 64;

/// The sockets with their names (`FileDescriptorName=`); none without systemd. Call it once, before any thread starts: it
/// clears the variables.
pub(crate) fn passed_sockets() -> Result<Vec<(Listener, String)>, Failure> {
    let variable = |name: &str| env::var(name).ok();
    let Some(count) = count(
        variable("LISTEN_PID").as_deref(),
        variable("LISTEN_FDS").as_deref(),
    )?
    else {
        return Ok(Vec::new());
    };
    let names = variable("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':').filter(|name| !name.is_empty());
    let mut passed = ListenFd::from_env();
    (0..count)
        .map(|number| {
            let name = names.next().unwrap_or("unknown").to_owned();
            let socket = match passed.take_tcp_listener(number) {
                Ok(socket) => socket.map(Listener::Tcp),
                Err(_) => passed.take_unix_listener(number).ok().flatten().map(Listener::Unix),
            };
            let socket = socket.ok_or_else(|| {
                Failure::wrong(format!(
                    "Descriptor {} that systemd passed ({name}) is not a TCP or Unix stream socket. Use ListenStream= in the \
                     socket unit.",
                    3 + number
                ))
            });
            Ok((socket?, name))
        })
        .collect()
}

/// The number of sockets, if they are meant for this process.
fn count(process: Option<&str>, count: Option<&str>) -> Result<Option<usize>, Failure> {
    let (Some(process), Some(count)) = (process, count) else {
        return Ok(None);
    };
    if process.parse() != Ok(std::process::id()) {
        return Ok(None);
    }
    match count.parse() {
        Ok(0) => Ok(None),
        Ok(count @ 1..=MOST) => Ok(Some(count)),
        _ => Err(Failure::wrong(format!(
            "LISTEN_FDS is not a number of at most {MOST} sockets."
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sensible_number_for_this_process_counts() {
        let own = std::process::id().to_string();
        let counted = |process, number| count(process, number).map_err(|failure| failure.sentences);
        for (process, number, wanted) in [
            (Some(own.as_str()), Some("2"), Ok(Some(2))),
            (Some(&own), Some("64"), Ok(Some(64))),
            (Some(&own), Some("0"), Ok(None)),
            (Some(&own), None, Ok(None)),
            (None, Some("2"), Ok(None)),
            (Some("1"), Some("2"), Ok(None)),
            (Some(""), Some("2"), Ok(None)),
        ] {
            assert_eq!(counted(process, number), wanted, "{process:?} {number:?}");
        }
        for number in ["65", "-1", "two", "", "99999999999999999999"] {
            assert!(counted(Some(&own), Some(number)).is_err(), "{number}");
        }
    }
}
