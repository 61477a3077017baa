//! Backups of the data directory that a configuration names.

use std::ffi::{c_char, c_void};
use std::path::Path;

use super::buffer::SealgateBuffer;
use super::config::{SealgateConfig, path_of, settings_of};
use super::input::{bytes, output};
use super::keys::secret;
use super::{Failure, SealgateStatus, boundary};
use crate::gate::audit::Asker;
use crate::gate::backup::Backup;
use crate::keys::RingSecret;

/// Writes the key ring, the accounts with their sessions and revocations, and the counts of messages to a new file, while gates
/// and servers use them.
///
/// `config` names the data directory; with NULL the environment does. `path_cstr` is NUL-terminated; the file appears once it
/// is complete, readable by its owner only, and an existing file is not replaced. With a `passphrase` of 12 to 1024 characters
/// the backup is sealed under it; without one (length 0) it contains the keys as the ring's file does. `*out` receives a JSON
/// object: `created`, `accounts`, `sessions`, `ring` (whether there is a key ring), `ring_sealed`, `token_keys` and
/// `data_keys` (numbers, or null if not known). Free it with `sealgate_buffer_free`. On failure it is empty, and there is no
/// file.
/// Statuses: NULL_POINTER, INVALID_ARGUMENT (the file exists, or the passphrase), NOT_FOUND (neither a key ring nor accounts),
/// SETTING, KEY_RING, STORE, AUDIT_FAILED, IO (it cannot be written), CRYPTO. Thread safety: any thread, if none changes
/// `config` or, with NULL, the environment. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_back_up(
    config: *const SealgateConfig,
    path_cstr: *const c_char,
    passphrase: *const c_void,
    passphrase_size: usize,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        with_backup(
            config,
            path_cstr,
            (passphrase, passphrase_size),
            out,
            |backup, path, secret| match backup.write_file(path, secret)? {
                Some(contents) => Ok(SealgateBuffer::json(&contents.to_json())),
                None => Err(Failure::new(
                    SealgateStatus::NotFound,
                    "There is nothing to back up: neither a key ring nor accounts.",
                )),
            },
        )
    }
}

/// Replaces the state of the data directory by that of a backup, completely or not at all. No gate and no server may use the
/// directory.
///
/// `config` names the data directory and the secret of its key ring; with NULL the environment does. `path_cstr` is
/// NUL-terminated, `passphrase` opens a sealed backup. Unless `force` is not 0, there must be neither keys nor accounts yet.
/// `*out` receives a JSON object: `data_dir`, `contents` as `sealgate_back_up` returns them, `kept` (the directory with the
/// previous state, else null) and `losses` (null if the previous keys are unknown) with the `kind` and `id` of the keys that are
/// `missing` now and of those that are `accepted_again`. Free it with `sealgate_buffer_free`. On failure it is empty, and
/// nothing has changed unless the error sentence says otherwise.
/// Statuses: NULL_POINTER, INVALID_ARGUMENT (the backup is damaged, of a newer version, sealed under another passphrase, or there
/// are keys or accounts), SETTING, STORE (a gate or a server uses the directory), AUDIT_FAILED, IO, CRYPTO. Thread safety: as
/// `sealgate_back_up`. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_restore(
    config: *const SealgateConfig,
    path_cstr: *const c_char,
    passphrase: *const c_void,
    passphrase_size: usize,
    force: i32,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        with_backup(
            config,
            path_cstr,
            (passphrase, passphrase_size),
            out,
            |backup, path, secret| {
                let restored = backup.restore_file(path, secret, force != 0)?;
                Ok(SealgateBuffer::json(&restored.to_json()))
            },
        )
    }
}

/// # Safety
/// As `sealgate_back_up`.
unsafe fn with_backup(
    config: *const SealgateConfig,
    path_cstr: *const c_char,
    (passphrase, passphrase_size): (*const c_void, usize),
    out: *mut SealgateBuffer,
    work: impl FnOnce(&Backup<'_>, &Path, Option<&RingSecret>) -> Result<SealgateBuffer, Failure>,
) -> SealgateStatus {
    boundary(|| {
        // SAFETY: by this function's contract, for all of them.
        let (out, config, path, passphrase) = unsafe {
            let out = output(out, SealgateBuffer::EMPTY, "out")?;
            let path = path_of(path_cstr)?;
            let passphrase = bytes(passphrase, passphrase_size, "passphrase")?;
            (out, config.as_ref(), path, passphrase)
        };
        let secret = match passphrase {
            [] => None,
            passphrase => Some(secret(passphrase)?),
        };
        let settings = settings_of(config)?;
        let backup = Backup::new(&settings.gate, Asker::LIBRARY);
        *out = work(&backup, path, secret.as_ref())?;
        Ok(())
    })
}
