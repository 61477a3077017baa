//! `sealgate mask`: shows that a secret is present without revealing it.

use clap::{ArgMatches, Command, value_parser};
use sealgate::DEFAULT_VISIBLE_CHARS;

use super::args::option;
use super::{Failure, read_input, write_output};

pub(super) fn command() -> Command {
    Command::new("mask")
        .about("Mask standard input: all but the first characters of each line become *")
        .arg(
            option(
                "visible-chars",
                "N",
                format!("How many characters stay visible [default: {DEFAULT_VISIBLE_CHARS}]"),
            )
            .value_parser(value_parser!(usize)),
        )
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let visible = matches
        .get_one::<usize>("visible-chars")
        .copied()
        .unwrap_or(DEFAULT_VISIBLE_CHARS);
    let input = read_input()?;
    let text = input
        .expose_str()
        .map_err(|_| Failure::wrong("Standard input is not UTF-8 text."))?;
    let mut masked = String::with_capacity(text.len());
    for line in text.lines() {
        masked.push_str(&sealgate::mask(line, visible));
        masked.push('\n');
    }
    write_output(masked.as_bytes())
}
