//! Reads passwords and passphrases: typed without echo at a terminal, else one line of standard input, or from a file. Never
//! from an argument, which other users of the machine can see.

use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use clap::{Arg, ArgMatches};
use sealgate::Secret;
use sealgate::keys::RingSecret;

use super::Failure;
use super::args::{file, path};
use super::table::harmless;

/// Far longer than a password may be.
const LONGEST_LINE: u64 = 4096;

/// Reads a new password; at a terminal it is typed twice.
pub(super) fn read_new() -> Result<Secret, Failure> {
    if !io::stdin().is_terminal() {
        return read_line(io::stdin().lock());
    }
    let first = ask("New password: ")?;
    let second = ask("Again: ")?;
    if first == second {
        return Ok(first);
    }
    Err(Failure::wrong(
        "The two entries do not match. Nothing was changed.",
    ))
}

/// Reads an existing password.
pub(super) fn read_known(prompt: &str) -> Result<Secret, Failure> {
    if io::stdin().is_terminal() {
        ask(prompt)
    } else {
        read_line(io::stdin().lock())
    }
}

/// `--passphrase-file`.
pub(super) fn passphrase_file() -> Arg {
    let help = "Read the passphrase from the first line of this file";
    file("passphrase-file", help)
}

/// The passphrase in the file that `--passphrase-file` names, else the one that `typed` reads.
pub(super) fn passphrase(
    matches: &ArgMatches,
    typed: impl FnOnce() -> Result<Secret, Failure>,
) -> Result<RingSecret, Failure> {
    let text = match path(matches, "passphrase-file") {
        Some(path) => {
            let text = read_secret(path, 8 << 10)?;
            let line = text.expose().split(|byte| *byte == b'\n').next();
            let line = line.unwrap_or_default();
            Secret::from(line.strip_suffix(b"\r").unwrap_or(line))
        }
        None => typed()?,
    };
    RingSecret::passphrase(text.expose()).ok_or_else(|| {
        Failure::wrong("A passphrase must have 12 to 1024 characters. Nothing was changed.")
    })
}

/// Reads a file of at most `most` bytes; it may be a pipe.
pub(super) fn read_secret(path: &Path, most: usize) -> Result<Secret, Failure> {
    let shown = harmless(&path.to_string_lossy());
    let unreadable = |error: io::Error| Failure::wrong(format!("{shown} cannot be read: {error}."));
    File::open(path)
        .and_then(|file| Secret::read(file, most))
        .map_err(unreadable)?
        .ok_or_else(|| Failure::wrong(format!("{shown} is too large.")))
}

fn ask(prompt: &str) -> Result<Secret, Failure> {
    let _quiet = terminal::Quiet::start()?;
    let mut out = io::stderr().lock();
    let _ = write!(out, "{prompt}");
    let _ = out.flush();
    let typed = read_line(io::stdin().lock());
    // Enter was not echoed either.
    let _ = writeln!(out);
    typed
}

/// Reads one line, without its line ending.
fn read_line(input: impl BufRead) -> Result<Secret, Failure> {
    let unreadable =
        |error: io::Error| Failure::wrong(format!("Standard input cannot be read: {error}."));
    // Room for all of it: growing the buffer would leave unwiped copies behind.
    let mut line = Vec::with_capacity(LONGEST_LINE as usize + 2);
    let mut input = input.take(LONGEST_LINE + 1);
    input.read_until(b'\n', &mut line).map_err(unreadable)?;
    let line = Secret::new(line);
    if line.len() as u64 > LONGEST_LINE {
        return Err(Failure::wrong("The password is too long."));
    }
    let mut text = line.expose();
    text = text.strip_suffix(b"\n").unwrap_or(text);
    text = text.strip_suffix(b"\r").unwrap_or(text);
    if text.is_empty() {
        return Err(Failure::wrong(
            "There is no password or passphrase on standard input. Type it at a terminal, or pass it as one line.",
        ));
    }
    Ok(text.into())
}

#[cfg(unix)]
mod terminal {
    use std::io;
    use std::thread;

    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    use signal_hook::iterator::{Handle, Signals};

    use super::super::Failure;

    /// Turns off the terminal's echo until this is dropped or a signal ends the command.
    pub(super) struct Quiet {
        before: Termios,
        signals: Handle,
    }

    impl Quiet {
        pub(super) fn start() -> Result<Self, Failure> {
            let failed = |error: io::Error| {
                Failure::wrong(format!(
                    "The terminal's echo cannot be turned off: {error}."
                ))
            };
            let before = tcgetattr(io::stdin()).map_err(|error| failed(error.into()))?;
            // SIGQUIT too would leave the echo off, and a core file with the password.
            let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT]).map_err(failed)?;
            let quiet = Quiet {
                before: before.clone(),
                signals: signals.handle(),
            };
            thread::spawn(move || {
                if let Some(signal) = signals.forever().next() {
                    let _ = tcsetattr(io::stdin(), OptionalActions::Now, &before);
                    std::process::exit(128 + signal);
                }
            });
            let mut silent = quiet.before.clone();
            silent.local_modes.remove(LocalModes::ECHO);
            tcsetattr(io::stdin(), OptionalActions::Flush, &silent)
                .map_err(|error| failed(error.into()))?;
            Ok(quiet)
        }
    }

    impl Drop for Quiet {
        fn drop(&mut self) {
            self.signals.close();
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
        }
    }
}

#[cfg(not(unix))]
mod terminal {
    use super::super::Failure;

    pub(super) struct Quiet;

    impl Quiet {
        pub(super) fn start() -> Result<Self, Failure> {
            Err(Failure::wrong(
                "A password cannot be typed on this platform. Pass it as one line of standard input.",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8]) -> Option<Vec<u8>> {
        read_line(input).ok().map(Secret::into_vec)
    }

    #[test]
    fn a_password_is_the_first_line_with_its_spaces() {
        for (input, password) in [
            (&b" a b \n"[..], &b" a b "[..]),
            (b"abc", b"abc"),
            (b"abc\r\n", b"abc"),
            (b"abc\ndef", b"abc"),
        ] {
            assert_eq!(read(input).as_deref(), Some(password));
        }
        for empty in [&b""[..], b"\n", b"\r\n"] {
            assert_eq!(read(empty), None);
        }
        assert_eq!(read(&[b'x'; 4096]).map(|line| line.len()), Some(4096));
        assert_eq!(read(&[b'x'; 4097]), None);
    }
}
