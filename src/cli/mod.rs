//! The command line: one file for each subcommand, all flags from the settings table.

mod data;
mod health;
mod mask;
mod serve;
mod settings;
mod token;

use std::io::{self, Read, Write};

use clap::{ArgMatches, Command};
use sealgate::config::Group;
use sealgate::{Error, Gate, Secret, Settings};

/// Most that is read from standard input.
const MAX_INPUT: u64 = 2 << 30;

/// What ends the command without success.
pub(crate) struct Failure {
    pub(crate) sentence: String,
    pub(crate) code: u8,
}

impl Failure {
    /// Exit code 1: the answer is no (a token that is refused, data that does not open, a server that is not ready).
    fn no(sentence: impl Into<String>) -> Self {
        Failure {
            sentence: sentence.into(),
            code: 1,
        }
    }

    /// Exit code 2: it could not be asked (arguments, settings, keys, files).
    fn wrong(sentence: impl Into<String>) -> Self {
        Failure {
            sentence: sentence.into(),
            code: 2,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Decrypt | Error::Token(_) | Error::RateLimited { .. } => {
                Failure::no(error.to_string())
            }
            _ => Failure::wrong(error.to_string()),
        }
    }
}

pub(crate) fn run() -> Result<(), Failure> {
    let matches = command().get_matches();
    match matches.subcommand() {
        Some(("serve", matches)) => serve::run(matches),
        Some(("token", matches)) => token::run(matches),
        Some(("encrypt", matches)) => data::encrypt(matches),
        Some(("decrypt", matches)) => data::decrypt(matches),
        Some(("mask", matches)) => mask::run(matches),
        Some(("healthcheck", matches)) => health::run(matches),
        _ => unreachable!("clap asks for a subcommand that it knows"),
    }
}

fn command() -> Command {
    Command::new("sealgate")
        .version(sealgate::VERSION)
        .about("Tokens, encryption, rate limits and masked logs behind one small server and one key ring")
        .after_help(
            "Exit codes: 0 done; 1 the answer is no (token refused, data does not open, server not ready); 2 it could \
             not be asked (arguments, settings, keys, files).\n\n\
             Start with: sealgate serve",
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .max_term_width(110)
        .subcommand(serve::command())
        .subcommand(token::command())
        .subcommand(data::encrypt_command())
        .subcommand(data::decrypt_command())
        .subcommand(mask::command())
        .subcommand(health::command())
}

/// The settings as file, environment and flags give them, with the command's data directory.
fn load_settings(matches: &ArgMatches, groups: &[Group]) -> Result<Settings, Error> {
    settings::load(matches, groups)?.settings()
}

fn open_gate(matches: &ArgMatches) -> Result<Gate, Error> {
    Gate::new(&load_settings(matches, &[Group::Gate])?.gate)
}

/// All of standard input.
fn read_input() -> Result<Secret, Failure> {
    let mut input = Vec::new();
    io::stdin()
        .lock()
        .take(MAX_INPUT + 1)
        .read_to_end(&mut input)
        .map_err(|error| Failure::wrong(format!("Standard input cannot be read: {error}.")))?;
    if input.len() as u64 > MAX_INPUT {
        return Err(Failure::wrong("Standard input is larger than 2 GiB."));
    }
    Ok(Secret::new(input))
}

/// Writes a result to standard output. A reader that has gone away (`| head`) is a failure of nobody.
fn write_output(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::wrong(format!(
            "Standard output cannot be written: {error}."
        ))),
        _ => Ok(()),
    }
}
