//! `sealgate backup` and `sealgate restore`: all state of the data directory in one file, and back.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command, ValueHint, value_parser};
use sealgate::gate::backup::{
    Backup, BackupContents, BackupReader, KeyLosses, Restored, check_backup_file,
};
use sealgate::{KeyKind, Settings, shell_word};

use super::args::{flag, operand, path};
use super::audit::Trail;
use super::files::{Scratch, Source, Target, report_size_limit};
use super::password::{self, passphrase, passphrase_file};
use super::progress::Progress;
use super::settings::{AUDIT, RING, add_flags};
use super::table::{grouped, harmless, rfc3339};
use super::{Failure, load_settings, remark, write_output};

pub(super) fn backup_command() -> Command {
    let command = Command::new("backup")
        .about("Back up the key ring and the accounts to one file, while servers run")
        .long_about(
            "Write the key ring, the accounts with their sessions and revocations, and the counts of messages to one file, \
             while servers keep running. The file appears only once it is complete, readable by its owner only. A sealed \
             ring stays sealed, and the secret that opens it is not in the file: keep that elsewhere. Otherwise the file \
             contains keys in the clear, unless it is sealed under a passphrase of at least 12 characters. Keys from the \
             environment and the settings are not included. Exit code 1 if there is nothing to back up.",
        )
        .arg(backup_file(
            "The new file, or standard output for -",
        ))
        .arg(flag("force", "Replace an existing file"))
        .arg(flag(
            "passphrase",
            "Seal the backup under a passphrase, typed twice at a terminal, else one line of standard input",
        ))
        .arg(passphrase_file().conflicts_with("passphrase"));
    add_flags(command, &[RING, AUDIT])
}

pub(super) fn restore_command() -> Command {
    let command = Command::new("restore")
        .about("Restore a backup of the key ring and the accounts")
        .long_about(
            "Replace the state of the data directory by that of a backup, completely or not at all. Everything is checked \
             first: the checksum, the formats, the store, and that the settings open the key ring. Servers and programs that \
             use the directory must be stopped. What was changed after the backup is undone: keys that were created since \
             are missing, so their tokens are refused and their data cannot be decrypted, and tokens that were revoked since \
             are accepted again until they expire. The passphrase of a sealed backup is typed at a terminal, else one line \
             of standard input, or from --passphrase-file.",
        )
        .arg(backup_file(
            "The backup, or standard input for -",
        ))
        .arg(flag(
            "force",
            "Replace existing keys and accounts; they are kept in a directory inside the data directory",
        ))
        .arg(passphrase_file());
    add_flags(command, &[RING, AUDIT])
}

fn backup_file(help: &'static str) -> Arg {
    operand("file", "FILE", help)
        .value_parser(value_parser!(PathBuf))
        .value_hint(ValueHint::FilePath)
}

pub(super) fn backup(matches: &ArgMatches) -> Result<(), Failure> {
    let all = load_settings(matches)?;
    if Target::is_terminal(matches, "file") {
        return Err(Failure::wrong(
            "A backup is binary and cannot be written to a terminal. Name a file.",
        ));
    }
    let file = path(matches, "file").unwrap_or(Path::new(""));
    // Before a passphrase is typed.
    let mut target = Target::private(matches, "file", matches.get_flag("force"))?;
    let is_sealed = matches.get_flag("passphrase") || matches.contains_id("passphrase-file");
    let secret = is_sealed
        .then(|| passphrase(matches, password::read_new))
        .transpose()?;
    let scratch = Scratch::beside(target.file())?;
    let trail = Trail::start(&all)?;
    let progress = Progress::new(None);
    let mut out = Metered(&mut target, progress);
    let written =
        Backup::new(&all.gate, trail.asker()).write(scratch.path(), secret.as_ref(), &mut out)?;
    drop(out);
    drop(scratch);
    let Some(contents) = written else {
        return Err(Failure::no(format!(
            "There is nothing to back up in {}: neither a key ring nor accounts.",
            folder(&all)
        )));
    };
    let is_file = target.file().is_some();
    target.finish()?;
    let name = match is_file {
        true => harmless(&file.to_string_lossy()),
        false => "the backup".to_owned(),
    };
    let said = format!("Wrote {name}: {}", listed(&contents));
    match is_file {
        true => write_output(format!("{said}\n").as_bytes())?,
        false => remark(&said),
    }
    warn_of_secrets(&contents, is_sealed, &all);
    Ok(())
}

/// Reports what has to be kept elsewhere, or kept safe.
fn warn_of_secrets(contents: &BackupContents, is_sealed: bool, all: &Settings) {
    let given = &all.gate.keys.given;
    if given.jwt_secret_key.is_some() || given.aes_key.is_some() {
        remark(
            "Keys from the environment (JWT_SECRET_KEY, AES_KEY) are not in the backup: keep them elsewhere.",
        );
    }
    match contents.ring {
        Some(ring) if ring.sealed => {
            remark(
                "The key ring in the backup is sealed: keep the secret that opens it (SEALGATE_RING_KEY) elsewhere.",
            );
            if ring.keys.is_none() {
                remark("Without that secret the ring was copied unopened, so it was not checked.");
            }
        }
        Some(_) if !is_sealed => remark(
            "Warning: the backup contains keys in the clear. Keep it as safe as the data directory, or seal it with \
             --passphrase or --passphrase-file",
        ),
        _ => {}
    }
    if is_sealed {
        remark("Nothing opens the backup without its passphrase: keep that elsewhere.");
    }
}

pub(super) fn restore(matches: &ArgMatches) -> Result<(), Failure> {
    let all = load_settings(matches)?;
    // Otherwise a store that exceeds the user's size limit would end the command before it could clean up.
    report_size_limit()
        .map_err(|error| Failure::wrong(format!("Signals cannot be handled: {error}.")))?;
    let source = Source::of(matches, "file")?;
    if let Some(file) = source.file()
        && let Some(warning) = check_backup_file(file)?
    {
        remark(&format!("Warning: {warning}"));
    }
    let is_standard_input = source.file().is_none();
    let size = source.size;
    let reader = Metered(source, Progress::new(size));
    let mut backup = BackupReader::new(reader, size)?;
    if backup.is_sealed() {
        if is_standard_input && !matches.contains_id("passphrase-file") {
            return Err(Failure::wrong(
                "The backup is sealed, and standard input cannot contain its passphrase as well. Use --passphrase-file",
            ));
        }
        let secret = passphrase(matches, || password::read_known("Passphrase: "))?;
        backup = backup.open(&secret)?;
    }
    let trail = Trail::start(&all)?;
    let restored =
        Backup::new(&all.gate, trail.asker()).restore(backup, matches.get_flag("force"))?;
    report(&restored)
}

fn report(restored: &Restored) -> Result<(), Failure> {
    let created = rfc3339(restored.contents.created).unwrap_or_default();
    let mut text = format!(
        "Restored {} from the backup of {created}: {}\n",
        harmless(&restored.data_dir.to_string_lossy()),
        listed(&restored.contents)
    );
    if let Some(kept) = &restored.kept {
        let kept = harmless(&kept.to_string_lossy());
        text.push_str(&format!("The previous state is in {kept}\n"));
    }
    write_output(text.as_bytes())?;
    match &restored.losses {
        None => remark(
            "Warning: the previous key ring could not be read, so it is not known which of its keys are missing now.",
        ),
        Some(losses) => warn_of_losses(losses, restored),
    }
    if restored.contents.store.is_some() {
        remark(&format!(
            "Whatever changed after {created} is undone: passwords and scopes are as they were, and tokens that were \
             revoked since are accepted again until they expire. To log everybody out: sealgate keys rotate --token \
             --grace 0"
        ));
    } else {
        remark("There are no accounts in the backup, so there are none now.");
    }
    Ok(())
}

fn warn_of_losses(losses: &KeyLosses, restored: &Restored) {
    if !losses.missing.is_empty() {
        let mut sentence = format!(
            "Warning: these keys are not in the backup, so their tokens are refused and their data cannot be decrypted: {}.",
            named(&losses.missing)
        );
        if let Some(kept) = &restored.kept {
            sentence.push_str(&format!(
                " To add them to the ring: sealgate keys export --data-dir {} --out FILE && sealgate keys import --in FILE",
                shell_word(kept)
            ));
        }
        remark(&sentence);
    }
    if !losses.accepted_again.is_empty() {
        remark(&format!(
            "Warning: these keys were no longer accepted, and are accepted again: {}. To retire them: sealgate keys retire",
            named(&losses.accepted_again)
        ));
    }
}

fn named(keys: &[(KeyKind, String)]) -> String {
    let named: Vec<String> = keys
        .iter()
        .map(|(kind, id)| format!("{kind} key {id}"))
        .collect();
    named.join(", ")
}

/// What a backup contains, in words.
fn listed(contents: &BackupContents) -> String {
    let count = |number: u64, one: &str| {
        let end = if number == 1 { "" } else { "s" };
        format!("{} {one}{end}", grouped(number))
    };
    let mut parts = Vec::new();
    match contents.ring {
        None => parts.push("no key ring".to_owned()),
        Some(ring) => {
            let sealed = if ring.sealed { " (sealed)" } else { "" };
            parts.push(match ring.keys {
                None => format!("a key ring{sealed}"),
                Some((token, data)) => format!(
                    "a key ring{sealed} with {} and {}",
                    count(token as u64, "token key"),
                    count(data as u64, "data key")
                ),
            });
        }
    }
    match contents.store {
        None => parts.push("no store of accounts".to_owned()),
        Some(store) => {
            parts.push(count(store.accounts, "account"));
            parts.push(count(store.sessions, "session"));
        }
    }
    parts.join(", ")
}

fn folder(all: &Settings) -> String {
    let folder = all.gate.store.data_dir.as_deref();
    folder.map_or_else(String::new, |folder| folder.display().to_string())
}

/// Shows how much has passed.
struct Metered<T>(T, Progress);

impl Read for Metered<Source> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        self.1.add(read);
        Ok(read)
    }
}

impl Write for Metered<&mut Target> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_bytes(bytes)?;
        self.1.add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
