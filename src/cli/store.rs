//! `sealgate store`: checks the store and backs it up.

use std::path::PathBuf;

use clap::{ArgMatches, Command, ValueHint, value_parser};
use sealgate::users::Users;

use super::args::{group, operand, path};
use super::files::refuse_standard_output;
use super::table::harmless;
use super::{Failure, load_settings, settings, write_output};

pub(super) fn command() -> Command {
    group("store", "Check the store of accounts, and back it up").defer(add_subcommands)
}

fn add_subcommands(command: Command) -> Command {
    let check = Command::new("check")
        .about("Check the whole store for damage")
        .long_about(
            "Check the whole store for damage, and print ok if there is none. Exit code 1 if there is no store, 2 if it is \
             damaged; the error then explains how to restore it.",
        );
    let backup = Command::new("backup")
        .about("Copy the store to a new file, while servers keep using it")
        .arg(
            operand(
                "file",
                "FILE",
                "The new file; an existing file is not overwritten",
            )
            .value_parser(value_parser!(PathBuf))
            .value_hint(ValueHint::FilePath),
        );
    command
        .subcommand(settings::add_flags(check, &[settings::STORE]))
        .subcommand(settings::add_flags(backup, &[settings::STORE]))
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let Some((what, matches)) = matches.subcommand() else {
        unreachable!("clap requires a subcommand");
    };
    let gate = load_settings(matches)?.gate;
    let users = Users::new(&gate.users, &gate.store)?;
    let (there, said) = match what {
        "check" => (users.check_store()?, "ok\n".to_owned()),
        _ => {
            let file = path(matches, "file").ok_or_else(|| Failure::wrong("A file is needed."))?;
            refuse_standard_output(file)?;
            let said = format!("Wrote {}\n", harmless(&file.to_string_lossy()));
            (users.back_up_store(file)?, said)
        }
    };
    if there {
        return write_output(said.as_bytes());
    }
    Err(Failure::no(
        "There is no store: no account was ever created, and no token revoked.",
    ))
}
