//! `sealgate keys seal`, `unseal`, `export` and `import`: the ring's file on disk, and its transfer to another machine.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use clap::{ArgMatches, Command};
use sealgate::gate::KeyAdmin;

use super::shown::report;
use crate::cli::args::{file, flag, path};
use crate::cli::audit::Trail;
use crate::cli::changes::Changes;
use crate::cli::files::refuse_standard_output;
use crate::cli::password::{passphrase, passphrase_file, read_secret};
use crate::cli::settings::{AUDIT, RING};
use crate::cli::table::harmless;
use crate::cli::{Failure, load_settings, password, remark, settings, write_output};

/// Far larger than an exported ring can be.
const LARGEST: usize = 2 << 20;

pub(super) fn commands() -> [Command; 4] {
    let seal = Command::new("seal")
        .about("Seal the ring's file under SEALGATE_RING_KEY")
        .long_about(
            "Rewrite the ring's file and its backup, sealed under the key or passphrase in SEALGATE_RING_KEY or \
             SEALGATE_RING_KEY_FILE. To change the secret, set the new one, set the old one as SEALGATE_RING_KEY_PREVIOUS, and \
             seal again. A ring that was on disk in the clear before may be recoverable: replace the keys if that matters.",
        );
    let unseal = Command::new("unseal")
        .about("Write the ring's file in the clear again")
        .long_about(
            "Write the ring's file and its backup in the clear again, readable by their owner only. Unset SEALGATE_RING_KEY \
             afterwards, or the next change seals the ring again.",
        );
    let export = Command::new("export")
        .about("Export the ring to a file sealed under a passphrase, as a backup or for another machine")
        .long_about(
            "Write the keys of the ring to a new file, sealed under a passphrase of at least 12 characters: typed twice at a \
             terminal, else one line of standard input, or from --passphrase-file. Keys from the environment are not included.",
        )
        .arg(passphrase_file())
        .arg(file("out", "The new file, which must not exist yet").required(true));
    let import = Command::new("import")
        .about("Add the keys of an exported ring to the ring, or create the ring from them")
        .long_about(
            "Add the keys of an exported ring to the ring, or create the ring from them if there is none. Existing keys \
             stay as they are, and the newest stay the newest. The passphrase is typed at a terminal, else one line of \
             standard input, or from --passphrase-file.",
        )
        .arg(passphrase_file())
        .arg(file("in", "The exported ring").required(true))
        .arg(flag("json", "Print JSON for programs"));
    [seal, unseal, export, import].map(|command| settings::add_flags(command, &[RING, AUDIT]))
}

pub(super) fn seal(matches: &ArgMatches) -> Result<(), Failure> {
    let settings = load_settings(matches)?;
    let trail = Trail::start(&settings)?;
    let ring = KeyAdmin::new(&settings.gate, trail.asker()).seal()?;
    said("Sealed", &ring)?;
    remark(
        "Restart running servers that do not have this secret, with SEALGATE_RING_KEY or SEALGATE_RING_KEY_FILE set: until then \
         they use the previous keys, and /readyz reports it. Servers that read the secret from a file detect when it changes.",
    );
    Ok(())
}

pub(super) fn unseal(matches: &ArgMatches) -> Result<(), Failure> {
    let settings = load_settings(matches)?;
    let trail = Trail::start(&settings)?;
    let ring = KeyAdmin::new(&settings.gate, trail.asker()).unseal()?;
    said("In the clear", &ring)
}

fn said(what: &str, ring: &Path) -> Result<(), Failure> {
    let ring = harmless(&ring.to_string_lossy());
    write_output(format!("{what}: {ring}\n").as_bytes())
}

pub(super) fn export(matches: &ArgMatches) -> Result<(), Failure> {
    let settings = load_settings(matches)?;
    let out = path(matches, "out").unwrap_or(Path::new(""));
    // Checked before anything is typed.
    refuse_standard_output(out)?;
    if fs::symlink_metadata(out).is_ok() {
        return Err(Failure::wrong(format!(
            "{} already exists. Name a new file.",
            harmless(&out.to_string_lossy())
        )));
    }
    let secret = passphrase(matches, password::read_new)?;
    let trail = Trail::start(&settings)?;
    let text = KeyAdmin::new(&settings.gate, trail.asker()).export(&secret)?;
    write_new(out, text.expose()).map_err(|error| {
        Failure::wrong(format!(
            "{} cannot be written: {error}.",
            harmless(&out.to_string_lossy())
        ))
    })?;
    said("Exported to", out)
}

/// Writes a file that only this user can read, completely or not at all.
fn write_new(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let written = file.write_all(text).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}

pub(super) fn import(matches: &ArgMatches) -> Result<(), Failure> {
    let settings = load_settings(matches)?;
    let text = read_secret(path(matches, "in").unwrap_or(Path::new("")), LARGEST)?;
    let secret = passphrase(matches, || password::read_known("Passphrase: "))?;
    let trail = Trail::start(&settings)?;
    let changes = Changes::before(&settings.gate.keys);
    let imported = KeyAdmin::new(&settings.gate, trail.asker()).import(text, &secret)?;
    changes.hint_if_ring_is_new();
    if imported.added.is_empty() && !matches.get_flag("json") {
        return write_output(b"All of these keys are in the ring already.\n");
    }
    let existed = imported.backup.is_some();
    report(matches, &imported, existed)
}
