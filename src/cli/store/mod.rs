//! `sealgate store`: checks the store, backs it up, and creates the tables of a shared one. `copy` copies a store to another one,
//! `status` shows what is in it.

mod copy;
mod status;

use std::path::PathBuf;

use clap::{ArgMatches, Command, ValueHint, value_parser};
use sealgate::users::Users;

use crate::cli::args::{group, operand, path};
use crate::cli::files::refuse_standard_output;
use crate::cli::table::harmless;
use crate::cli::{Failure, load_settings, settings, write_output};

pub(super) fn command() -> Command {
    group(
        "store",
        "Check the store of accounts, back it up, and copy it to another one",
    )
    .defer(add_subcommands)
}

fn add_subcommands(command: Command) -> Command {
    let check = Command::new("check")
        .about("Check the whole store for damage")
        .long_about(
            "Check the whole store for damage, and print ok if there is none. Exit code 1 if there is no store, 2 if it is \
             damaged; the error then explains how to restore it. A store in PostgreSQL is checked with PostgreSQL's own tools.",
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
    let migrate = Command::new("migrate")
        .about("Create or update the tables of a store that several machines share")
        .long_about(
            "Create or update the tables of the store that SEALGATE_STORE names, with a role that may create tables. Servers then \
             need no such right. Safe to repeat, and to run on several machines at once. Exit code 2 if it fails; then nothing \
             was changed.",
        );
    command
        .subcommand(settings::add_flags(migrate, &[settings::STORE]))
        .subcommand(copy::command())
        .subcommand(copy::unlock_command())
        .subcommand(status::command())
        .subcommand(settings::add_flags(check, &[settings::STORE]))
        .subcommand(settings::add_flags(backup, &[settings::STORE]))
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let Some((what, matches)) = matches.subcommand() else {
        unreachable!("clap requires a subcommand");
    };
    match what {
        "copy" => return copy::copy(matches),
        "unlock" => return copy::unlock(matches),
        "status" => return status::run(matches),
        _ => {}
    }
    let gate = load_settings(matches)?.gate;
    if what == "migrate" {
        return migrate(&gate.store);
    }
    if gate.store.shared.url.is_some() {
        return Err(Failure::wrong(match what {
            "check" => {
                "SEALGATE_STORE is set, so the store is in PostgreSQL: check it for damage with PostgreSQL's own tools, such as \
                 pg_amcheck. To see whether it can be used: sealgate store status"
            }
            _ => {
                "SEALGATE_STORE is set, so the store is in PostgreSQL: back it up with PostgreSQL's own tools, such as pg_dump \
                 --schema=sealgate. To copy it to a data directory: sealgate store copy --to DIRECTORY"
            }
        }));
    }
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
    Err(Failure::no_store())
}

fn migrate(settings: &sealgate::store::Settings) -> Result<(), Failure> {
    let said = match Users::migrate_store(settings)? {
        Some((0, now)) => format!("Created the tables, of version {now}.\n"),
        Some((before, now)) if before == now => {
            format!("The tables are of version {now}; nothing to do.\n")
        }
        Some((before, now)) => {
            format!("Updated the tables from version {before} to version {now}.\n")
        }
        None => {
            return Err(Failure::wrong(
                "SEALGATE_STORE is not set. Only a store that several machines share is migrated by hand.",
            ));
        }
    };
    write_output(said.as_bytes())
}
