//! Arguments that several subcommands have, and their values.

use std::path::{Path, PathBuf};

use clap::builder::{IntoResettable, StyledStr};
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};

/// A command that only has subcommands.
pub(super) fn group(name: &'static str, about: &'static str) -> Command {
    Command::new(name)
        .about(about)
        .subcommand_required(true)
        .arg_required_else_help(true)
}

/// A flag without a value.
pub(super) fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .action(ArgAction::SetTrue)
        .help(help)
}

/// A flag with a value.
pub(super) fn option(
    name: &'static str,
    value: &'static str,
    help: impl IntoResettable<StyledStr>,
) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

/// A flag that names a file.
pub(super) fn file(name: &'static str, help: &'static str) -> Arg {
    option(name, "FILE", help)
        .value_parser(value_parser!(PathBuf))
        .value_hint(ValueHint::FilePath)
}

/// A required argument without a flag.
pub(super) fn operand(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).value_name(value).required(true).help(help)
}

/// The text of an argument; empty if it is missing.
pub(super) fn text<'a>(matches: &'a ArgMatches, name: &str) -> &'a str {
    matches.get_one::<String>(name).map_or("", String::as_str)
}

pub(super) fn path<'a>(matches: &'a ArgMatches, name: &str) -> Option<&'a Path> {
    matches.get_one::<PathBuf>(name).map(PathBuf::as_path)
}

/// What the data belongs to.
pub(super) fn context() -> Arg {
    let help = "What the data belongs to; authenticated, not stored, and needed again to decrypt";
    option("context", "TEXT", help).default_value("")
}

pub(super) fn given_context(matches: &ArgMatches) -> &[u8] {
    text(matches, "context").as_bytes()
}
