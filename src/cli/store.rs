//! `sealgate store`: is it whole, and a copy of it.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, ValueHint, value_parser};
use sealgate::users::Users;

use super::files::refuse_standard_output;
use super::table::harmless;
use super::{Failure, load_settings, settings, write_output};

pub(super) fn command() -> Command {
    Command::new("store")
        .about("Check the store of accounts, and back it up")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .defer(add_subcommands)
}

fn add_subcommands(command: Command) -> Command {
    let check = Command::new("check")
        .about("Look the whole store through")
        .long_about(
            "Look the whole store through, and print ok where it is whole. Exit code 1 where there is none, 2 where it is damaged; then the sentence says how \
             to restore it.",
        );
    let backup = Command::new("backup")
        .about("Write a copy of the store into a new file, while servers go on using it")
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .value_hint(ValueHint::FilePath)
                .help("The new file; one that is there is left alone"),
        );
    command
        .subcommand(settings::add_flags(check, &[settings::STORE]))
        .subcommand(settings::add_flags(backup, &[settings::STORE]))
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let Some((what, matches)) = matches.subcommand() else {
        unreachable!("clap asks for a subcommand");
    };
    let gate = load_settings(matches)?.gate;
    let users = Users::new(&gate.users, &gate.store)?;
    let there = match what {
        "check" => {
            let there = users.check_store()?;
            if there {
                write_output(b"ok\n")?;
            }
            there
        }
        _ => {
            let file = matches.get_one::<PathBuf>("file");
            let file = file.ok_or_else(|| Failure::wrong("A file is needed."))?;
            refuse_standard_output(file)?;
            let there = users.back_up_store(file)?;
            if there {
                let said = format!("Wrote {}\n", harmless(&file.to_string_lossy()));
                write_output(said.as_bytes())?;
            }
            there
        }
    };
    if there {
        return Ok(());
    }
    Err(Failure::no(
        "There is no store: no account was ever made, and no token revoked.",
    ))
}
