//! The command line: one file for each subcommand, all flags from the settings table.

mod audit;
mod changes;
mod config;
mod data;
mod files;
mod first_curl;
mod health;
mod keys;
mod man;
mod mask;
mod password;
mod progress;
mod rewrap;
mod serve;
mod settings;
mod store;
mod stream;
mod table;
mod token;
mod user;
mod who;

use std::io::{self, Read, Write};
use std::thread::{self, JoinHandle};

use clap::{ArgMatches, Command};
use sealgate::{Error, Gate, Secret, Settings, TokenError};

use changes::Changes;

/// What the codes mean that every subcommand ends with.
const EXIT_CODES: &str = "0 done; 1 the answer is no (token refused, data does not open, server not ready, no keys \
    to list, no such account); 2 it could not be asked (arguments, settings, keys, files).";
/// Most that is read from standard input.
const MAX_INPUT: u64 = 2 << 30;

/// What ends the command without success.
pub(crate) struct Failure {
    /// One or more, each for a line of its own.
    pub(crate) sentences: Vec<String>,
    pub(crate) code: u8,
}

impl Failure {
    /// Exit code 1: the answer is no (a token that is refused, data that does not open, a server that is not ready).
    fn no(sentence: impl Into<String>) -> Self {
        Failure {
            sentences: vec![sentence.into()],
            code: 1,
        }
    }

    /// Exit code 2: it could not be asked (arguments, settings, keys, files).
    fn wrong(sentence: impl Into<String>) -> Self {
        Failure {
            sentences: vec![sentence.into()],
            code: 2,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            // Not a refusal: nobody could look.
            Error::Token(TokenError::Unchecked) => Failure::wrong(error.to_string()),
            Error::Decrypt
            | Error::KeyRetired
            | Error::Token(_)
            | Error::LoginFailed
            | Error::RateLimited { .. } => Failure::no(error.to_string()),
            Error::UserExists => Failure::no(format!("{error} ({})", error.code())),
            Error::WeakPassword(_) | Error::InvalidName(_) => {
                Failure::wrong(format!("{error} ({})", error.code()))
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
        Some(("rewrap", matches)) => rewrap::run(matches),
        Some(("mask", matches)) => mask::run(matches),
        Some(("healthcheck", matches)) => health::run(matches),
        Some(("keys", matches)) => keys::run(matches),
        Some(("user", matches)) => user::run(matches),
        Some(("store", matches)) => store::run(matches),
        Some(("audit", matches)) => who::run(matches),
        Some(("config", matches)) => config::run(matches),
        Some(("completions", matches)) => man::completions(command(), matches),
        Some(("man", matches)) => man::run(command(), matches),
        _ => unreachable!("clap asks for a subcommand that it knows"),
    }
}

fn command() -> Command {
    Command::new("sealgate")
        .version(sealgate::VERSION)
        .about("Tokens, encryption, rate limits and masked logs behind one small server and one key ring")
        .after_help(format!("Exit codes: {EXIT_CODES}\n\nStart with: sealgate serve"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .max_term_width(110)
        .subcommand(serve::command())
        .subcommand(token::command())
        .subcommand(data::encrypt_command())
        .subcommand(data::decrypt_command())
        .subcommand(rewrap::command())
        .subcommand(mask::command())
        .subcommand(health::command())
        .subcommand(keys::command())
        .subcommand(user::command())
        .subcommand(store::command())
        .subcommand(who::command())
        .subcommand(config::command())
        .subcommand(man::completions_command())
        .subcommand(man::command())
}

/// The settings as file, environment and flags give them, with the command's data directory.
fn load_settings(matches: &ArgMatches) -> Result<Settings, Error> {
    settings::load(matches)?.settings()
}

/// The gate of the settings. Reports the key ring that is made where there is none.
fn open_gate(matches: &ArgMatches) -> Result<Gate, Error> {
    gate_of(&load_settings(matches)?)
}

fn gate_of(settings: &Settings) -> Result<Gate, Error> {
    let changes = Changes::before(&settings.gate.keys);
    let gate = Gate::new(&settings.gate)?;
    changes.report_ring_on_the_way();
    Ok(gate)
}

fn start<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Failure> {
    thread::Builder::new()
        .spawn(work)
        .map_err(|error| Failure::wrong(format!("No thread can be started: {error}.")))
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

/// Writes a line to standard error. Where nobody reads that, nobody is told.
pub(crate) fn remark(sentence: &str) {
    // A sentence may name a path or a setting in somebody else's words.
    let sentence = table::harmless(sentence);
    let _ = writeln!(io::stderr().lock(), "sealgate: {sentence}");
}

/// A value for programs, as the command prints it.
fn print_json(value: &serde_json::Value) -> Result<(), Failure> {
    write_output(table::harmless_json(&format!("{value:#}\n")).as_bytes())
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
