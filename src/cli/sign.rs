//! `sealgate sign` and `sealgate unsign`: data that everybody may read and nobody else can change, as text for a URL.

use std::time::Duration;

use clap::{Arg, ArgMatches, Command, value_parser};
use sealgate::Error;

use super::args::{context, given_context, option};
use super::{Failure, open_gate, read_input, settings, write_output};

pub(super) fn sign_command() -> Command {
    let command = Command::new("sign")
        .about("Sign standard input as text for a URL, without encrypting it")
        .long_about(
            "Sign standard input and print it as text for a URL or a cookie (base64url). The data is not encrypted: whoever \
             has the text can read it, and the time when it was signed. sealgate unsign checks the text.",
        )
        .arg(context().help(CONTEXT));
    settings::add_flags(command, &[settings::RING, settings::NEW_KEYS])
}

pub(super) fn unsign_command() -> Command {
    let command = Command::new("unsign")
        .about("Check signed text from standard input and print the data in it")
        .long_about(
            "Check text that sealgate sign printed, from standard input, and print the original bytes. Exit code 1 if the \
             signature is not valid or the text is too old.",
        )
        .arg(context().help(CONTEXT))
        .arg(max_age("Refuse text that was signed more than this long ago"));
    settings::add_flags(command, &[settings::RING, settings::NEW_KEYS, &["leeway"]])
}

const CONTEXT: &str =
    "What the data is for; authenticated, not stored, and needed again to check the signature";

pub(super) fn max_age(help: &'static str) -> Arg {
    option("max-age", "SECONDS", help).value_parser(value_parser!(u64))
}

pub(super) fn given_max_age(matches: &ArgMatches) -> Option<Duration> {
    let seconds = matches.get_one::<u64>("max-age").copied();
    seconds.map(Duration::from_secs)
}

pub(super) fn sign(matches: &ArgMatches) -> Result<(), Failure> {
    let gate = open_gate(matches)?;
    let signed = gate.sign(read_input()?.expose(), given_context(matches))?;
    write_output(format!("{signed}\n").as_bytes())
}

pub(super) fn unsign(matches: &ArgMatches) -> Result<(), Failure> {
    let gate = open_gate(matches)?;
    let signed = read_input()?;
    let text = signed.expose_str().map_err(|_| Error::Signature)?;
    // Around the text there may be the line end of `sealgate sign`.
    let text = text.trim_ascii();
    let unsigned = gate.unsign(text, given_context(matches), given_max_age(matches))?;
    write_output(&unsigned.payload)
}
