//! `sealgate encrypt` and `sealgate decrypt`: standard input to standard output.

use clap::{Arg, ArgMatches, Command};
use sealgate::Error;
use sealgate::config::Group;

use super::{Failure, open_gate, read_input, settings, write_output};

pub(super) fn encrypt_command() -> Command {
    let command = Command::new("encrypt")
        .about("Encrypt standard input; prints base64")
        .arg(context());
    settings::add_flags(command, &[Group::Gate])
}

pub(super) fn decrypt_command() -> Command {
    let command = Command::new("decrypt")
        .about("Decrypt base64 from standard input; prints the bytes as they were")
        .arg(context());
    settings::add_flags(command, &[Group::Gate])
}

fn context() -> Arg {
    Arg::new("context")
        .long("context")
        .value_name("TEXT")
        .default_value("")
        .help("What the data belongs to; authenticated, not stored, and needed again to decrypt")
}

pub(super) fn encrypt(matches: &ArgMatches) -> Result<(), Failure> {
    let gate = open_gate(matches)?;
    let encrypted = gate.encrypt_data(read_input()?.expose(), given_context(matches))?;
    write_output(format!("{encrypted}\n").as_bytes())
}

pub(super) fn decrypt(matches: &ArgMatches) -> Result<(), Failure> {
    let gate = open_gate(matches)?;
    let encrypted = read_input()?;
    let text = encrypted.expose_str().map_err(|_| Error::Decrypt)?;
    // Nothing is written before all of it has been authenticated.
    let decrypted = gate.decrypt_data(text, given_context(matches))?;
    write_output(decrypted.expose())
}

fn given_context(matches: &ArgMatches) -> &[u8] {
    matches
        .get_one::<String>("context")
        .map_or(b"", String::as_bytes)
}
