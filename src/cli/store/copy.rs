//! `sealgate store copy` and `sealgate store unlock`.

use std::path::Path;

use clap::{ArgMatches, Command, ValueHint};
use sealgate::Settings;
use sealgate::config::{SETTINGS, Source};
use sealgate::gate::store_copy::{Copied, CopyOptions, StoreAdmin};
use sealgate::store::StoreUrl;

use crate::cli::args::{flag, option, text};
use crate::cli::audit::Trail;
use crate::cli::progress::Progress;
use crate::cli::table::{aligned, grouped, harmless};
use crate::cli::{Failure, load_settings, remark, settings, write_output};

pub(super) fn command() -> Command {
    let command = Command::new("copy")
        .about("Copy the store and the key ring to PostgreSQL, or back to a data directory")
        .long_about(
            "Copy accounts, logins, revocations, API keys and the key ring from the data directory to the PostgreSQL database of \
             --to postgres://..., or from the database of SEALGATE_STORE to the data directory of --to. The old store takes no \
             changes from then on, also those of servers that are running; tokens and API keys are still accepted there. The new \
             store is complete or unchanged, whenever the copy ends. If it fails, the old store takes changes again; if it is \
             killed, after: sealgate store unlock. Exit code 1 if there is nothing to copy, 2 if it fails.",
        )
        .arg(
            option(
                "to",
                "TARGET",
                "The address of the database without a password, which SEALGATE_STORE_PASSWORD_FILE has, or a directory",
            )
            .required(true)
            .value_hint(ValueHint::DirPath),
        )
        .arg(flag("dry-run", "Print what would be copied, and change nothing"))
        .arg(flag(
            "replace",
            "Replace what is in the new store; no server may be using it. In a directory, it is kept beside the new files",
        ));
    settings::add_flags(
        command,
        &[
            settings::RING,
            settings::AUDIT,
            &["store_password_file", "store_timeout"],
        ],
    )
}

pub(super) fn unlock_command() -> Command {
    let command = Command::new("unlock")
        .about("Let a store that was copied to another one take changes again")
        .long_about(
            "Let the store that the settings name take changes again, which sealgate store copy has ended. What is changed from \
             then on is not in the copy, so use only one of the two. Exit code 1 if there is no store.",
        );
    settings::add_flags(command, &[settings::STORE, settings::AUDIT])
}

pub(super) fn copy(matches: &ArgMatches) -> Result<(), Failure> {
    let to = text(matches, "to");
    let is_address = ["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| to.starts_with(scheme));
    let all = match is_address {
        true => settings_for(matches, to)?,
        false => load_settings(matches)?,
    };
    if !is_address {
        check_folder(to)?;
    }
    let options = CopyOptions {
        replace: matches.get_flag("replace"),
        dry_run: matches.get_flag("dry-run"),
    };
    let trail = Trail::start(&all)?;
    let admin = StoreAdmin::new(&all.gate, trail.asker());
    let mut shown = Progress::of_rows();
    let mut progress = |done, total| shown.set(done, total);
    let copied = match is_address {
        true => admin.copy_to_shared(options, &mut progress)?,
        false if all.gate.store.shared.url.is_none() => {
            return Err(Failure::wrong(
                "SEALGATE_STORE is not set. A copy to a directory is made from the database that it names; to copy the state of a \
                 data directory, use: sealgate backup",
            ));
        }
        false => admin.copy_to_folder(Path::new(to), options, &mut progress)?,
    };
    drop(shown);
    match copied {
        Some(copied) => report(&copied, options, is_address),
        None => Err(Failure::no(
            "There is nothing to copy: neither accounts nor a key ring.",
        )),
    }
}

/// The settings, with this address as the shared store.
fn settings_for(matches: &ArgMatches, to: &str) -> Result<Settings, Failure> {
    let url = StoreUrl::parse(to.as_bytes())
        .map_err(|wrong| Failure::wrong(format!("The address {wrong}.")))?;
    if url.has_password() {
        return Err(Failure::wrong(
            "Other users can see a process's arguments, so --to must not contain a password. Use SEALGATE_STORE_PASSWORD_FILE, or \
             set SEALGATE_STORE to the address with the password.",
        ));
    }
    let mut config = settings::load(matches)?;
    let store = SETTINGS.iter().find(|setting| setting.name == "store");
    if store.is_some_and(|store| config.source(store) == Source::Default) {
        config.set("store", to)?;
        return Ok(config.settings()?);
    }
    let all = config.settings()?;
    let known = all.gate.store.shared.url.as_ref().map(ToString::to_string);
    match known == Some(url.to_string()) {
        true => Ok(all),
        false => Err(Failure::wrong(
            "SEALGATE_STORE names another database than --to. With --to postgres://..., the data directory is copied, so unset \
             SEALGATE_STORE. To move from one database to another, use PostgreSQL's own tools, such as pg_dump --schema=sealgate.",
        )),
    }
}

fn check_folder(to: &str) -> Result<(), Failure> {
    match to.contains("://") || to.is_empty() {
        true => Err(Failure::wrong(
            "--to is neither an address that begins with postgres:// nor a directory.",
        )),
        false => Ok(()),
    }
}

fn report(copied: &Copied, options: CopyOptions, is_address: bool) -> Result<(), Failure> {
    let row = |what: &str, count: u64| [what.to_owned(), grouped(count)];
    let mut rows: Vec<[String; 2]> = copied
        .counts
        .iter()
        .map(|table| row(table.rows, table.count))
        .collect();
    let (token, data) = copied.keys.unwrap_or_default();
    rows.push(row("token keys", token as u64));
    rows.push(row("data keys", data as u64));
    let (from, to) = (harmless(&copied.from), harmless(&copied.to));
    let said = match options.dry_run {
        true => format!("Would copy from {from} to {to}:\n"),
        false => format!("Copied from {from} to {to}:\n"),
    };
    write_output((said + &aligned(["WHAT", "COUNT"], rows)).as_bytes())?;
    if options.dry_run {
        return Ok(());
    }
    if let Some(kept) = &copied.kept {
        let kept = harmless(&kept.to_string_lossy());
        remark(&format!("What was in the directory before is in {kept}"));
    }
    let restart = match is_address {
        true => "with SEALGATE_STORE",
        false => "without SEALGATE_STORE",
    };
    remark(&format!(
        "The old store takes no changes any more. Stop its servers, and start them again {restart}. To use the old one after all: \
         sealgate store unlock"
    ));
    Ok(())
}

pub(super) fn unlock(matches: &ArgMatches) -> Result<(), Failure> {
    let all = load_settings(matches)?;
    let trail = Trail::start(&all)?;
    match StoreAdmin::new(&all.gate, trail.asker()).unlock()? {
        Some(true) => write_output(b"The store takes changes again.\n"),
        Some(false) => write_output(b"The store takes changes; nothing to do.\n"),
        None => Err(Failure::no_store()),
    }
}
