//! The key ring, as functions of a gate: listing, adding, replacing, retiring, sealing, exporting and importing keys.

use std::ffi::{c_char, c_void};
use std::path::Path;
use std::time::Duration;

use super::buffer::SealgateBuffer;
use super::gate::{SealgateGate, call, guarded};
use super::input::{bytes, text};
use super::{Failure, SealgateStatus};
use crate::keys::{Generated, KeyKind, KeyState, NewKeys, RingSecret};
use crate::{Error, KeyOrigin, Secret, unix_now};

/// For `sealgate_generate_keys` and `sealgate_rotate_keys`: a key that signs tokens.
pub const SEALGATE_KEYS_TOKEN: u32 = 1;
/// For `sealgate_generate_keys` and `sealgate_rotate_keys`: a key that encrypts data.
pub const SEALGATE_KEYS_DATA: u32 = 2;
/// For `sealgate_generate_keys` and `sealgate_rotate_keys`: the token key signs at once, even if it would be published first.
pub const SEALGATE_KEYS_NOW: u32 = 4;
/// For `sealgate_rotate_keys`: tokens of the replaced key are accepted until the last one has expired, its data indefinitely.
pub const SEALGATE_GRACE_DEFAULT: u32 = 4294967295;

/// Lists the keys that the gate uses, oldest first and without their secrets, as a JSON object.
///
/// `ring` is the path of the key ring's file (null without one), `complete` whether there are keys for tokens and for data,
/// `trouble` why the numbers of messages are too low (null if they are not), and `keys` an array of objects:
/// `kind` ("token", "data" or "AES-CBC"), `id` (null for AES-CBC), `algorithm` (of a token key, else null), `created` (null if
/// unknown), `newest` (whether it is used for new tokens or data), `signs_from` (when a token key that was published in advance
/// starts to sign, else null), `accepted` (true or false), `accepted_until` (null: no limit is set), `from` (where it comes
/// from) and `messages` (how many it has sealed; null for keys that are not counted). Times are in seconds since 1970-01-01
/// UTC. A later version may add members. Changes by other processes show within half a second. `*out` receives the JSON;
/// free it with `sealgate_buffer_free`. On failure it is empty.
/// Statuses: NULL_POINTER, KEY_RING. Thread safety: any thread. Since 0.1.
///
/// ```c
/// sealgate_buffer keys = {0};
/// if (sealgate_list_keys(gate, &keys) == SEALGATE_STATUS_OK) {
///     puts(keys.data);
/// }
/// sealgate_buffer_free(&keys);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_list_keys(
    gate: *const SealgateGate,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for both.
    unsafe {
        call(gate, out, SealgateBuffer::EMPTY, |gate| {
            Ok(SealgateBuffer::json(&gate.key_admin().list()?.to_json()))
        })
    }
}

/// Adds random keys to the key ring as the newest. Existing keys stay, and are accepted indefinitely.
///
/// `flags` is a sum of SEALGATE_KEYS_TOKEN and SEALGATE_KEYS_DATA, of which there must be one, and SEALGATE_KEYS_NOW. The gate
/// uses the keys at once, other processes within half a second; a token key with a public key signs only after the setting
/// token_key_lead. `*out` receives a JSON object: `ring` and `backup` are the paths of the ring's file and of the previous one,
/// `added` describes the new keys as `sealgate_list_keys` does. Free it with `sealgate_buffer_free`. On failure it is empty and
/// the ring is unchanged.
/// Statuses: NULL_POINTER, INVALID_ARGUMENT (the flags), SETTING (there is no key ring, or a key from the settings is always the
/// newest), KEY_RING, AUDIT_FAILED, CRYPTO. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_generate_keys(
    gate: *const SealgateGate,
    flags: u32,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for both.
    unsafe {
        call(gate, out, SealgateBuffer::EMPTY, |gate| {
            added(gate.key_admin().generate(kinds(flags)?))
        })
    }
}

/// Adds random keys to the key ring that replace those in use.
///
/// `flags` is as for `sealgate_generate_keys`, and so is when the new keys are used. `grace_seconds` is how long the replaced
/// keys are still accepted: SEALGATE_GRACE_DEFAULT, or a number of seconds. With 0 they and all older token keys are retired at
/// once, which logs everybody out. `*out` is as with `sealgate_generate_keys`.
/// Statuses: those of `sealgate_generate_keys`. Thread safety: any thread. Since 0.1.
///
/// ```c
/// sealgate_buffer added = {0};
/// sealgate_status status =
///     sealgate_rotate_keys(gate, SEALGATE_KEYS_TOKEN | SEALGATE_KEYS_DATA, SEALGATE_GRACE_DEFAULT, &added);
/// if (status != SEALGATE_STATUS_OK) {
///     puts(sealgate_status_name(status)); // "setting" for a gate without a key ring
/// }
/// sealgate_buffer_free(&added);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_rotate_keys(
    gate: *const SealgateGate,
    flags: u32,
    grace_seconds: u32,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for both.
    unsafe {
        call(gate, out, SealgateBuffer::EMPTY, |gate| {
            let admin = gate.key_admin();
            let grace = |kind: KeyKind| match grace_seconds {
                SEALGATE_GRACE_DEFAULT => admin.default_grace(kind),
                seconds => Some(Duration::from_secs(seconds.into())),
            };
            added(admin.rotate(kinds(flags)?, grace))
        })
    }
}

/// Replaces keys of the ring that have reached the age limit in the settings, as a server does on its own.
///
/// `*out` receives a JSON array that describes the new keys as `sealgate_list_keys` does; usually it is empty. Free it with
/// `sealgate_buffer_free`. On failure it is empty and the ring is unchanged.
/// Statuses: NULL_POINTER, KEY_RING, AUDIT_FAILED, CRYPTO. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_rotate_old_keys(
    gate: *const SealgateGate,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for both.
    unsafe {
        call(gate, out, SealgateBuffer::EMPTY, |gate| {
            let added = gate.rotate_old_keys()?;
            let added = added.iter().map(KeyOrigin::to_json).collect();
            Ok(SealgateBuffer::json(&added))
        })
    }
}

/// Stops accepting tokens and data that were made with these keys. The keys stay in the ring: `sealgate_accept_keys` undoes
/// this. A token key that has not signed anything yet is removed instead, and never signs.
///
/// `ids` is one or more key ids, separated by single spaces. `*out` receives a JSON object: `ring` is the path of the ring's
/// file, `changed` an array with the `kind` and `id` of each key that was accepted before, `withdrawn` the ids of the keys that
/// were removed. Free it with `sealgate_buffer_free`. On failure it is empty and the ring is unchanged.
/// Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (no key of the ring has such an id, or the key is in use), SETTING
/// (there is no key ring), KEY_RING, AUDIT_FAILED. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_retire_keys(
    gate: *const SealgateGate,
    ids: *const c_char,
    ids_size: usize,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: the contract is the same.
    unsafe { set_state(gate, ids, ids_size, KeyState::Retired, out) }
}

/// Accepts tokens and data that were made with these keys again.
///
/// `ids` is as for `sealgate_retire_keys`. `seconds` is how long they are accepted from now on; 0 is indefinitely. `*out` is as
/// with `sealgate_retire_keys`.
/// Statuses: those of `sealgate_retire_keys`. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_accept_keys(
    gate: *const SealgateGate,
    ids: *const c_char,
    ids_size: usize,
    seconds: u32,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    let state = match seconds {
        0 => KeyState::Accepted,
        seconds => KeyState::AcceptedUntil(unix_now().saturating_add(seconds.into())),
    };
    // SAFETY: the contract is the same.
    unsafe { set_state(gate, ids, ids_size, state, out) }
}

/// Rewrites the key ring's file and its backup sealed under the secret that the settings name (ring_key or ring_key_file).
///
/// `*out` receives the path of the ring's file; free it with `sealgate_buffer_free`. On failure it is empty.
/// Statuses: NULL_POINTER, SETTING (the settings name no secret, or there is no key ring), KEY_RING, AUDIT_FAILED.
/// Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_seal_keys(
    gate: *const SealgateGate,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for both.
    unsafe {
        call(gate, out, SealgateBuffer::EMPTY, |gate| {
            Ok(path(&gate.key_admin().seal()?))
        })
    }
}

/// Rewrites the key ring's file and its backup in the clear, readable by their owner only.
///
/// `*out` receives the path of the ring's file; free it with `sealgate_buffer_free`. On failure it is empty.
/// Statuses: NULL_POINTER, SETTING (there is no key ring), KEY_RING, AUDIT_FAILED. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_unseal_keys(
    gate: *const SealgateGate,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for both.
    unsafe {
        call(gate, out, SealgateBuffer::EMPTY, |gate| {
            Ok(path(&gate.key_admin().unseal()?))
        })
    }
}

/// Returns the text of the key ring sealed under a passphrase, for storing elsewhere or for another machine. Keys from the
/// settings are not included.
///
/// `passphrase` is 12 to 1024 characters of UTF-8. `*out` receives the text, which `sealgate_import_keys` and `sealgate keys
/// import` read; free it with `sealgate_buffer_free`. On failure it is empty.
/// Statuses: NULL_POINTER, INVALID_ARGUMENT (the passphrase), SETTING (there is no key ring), KEY_RING, AUDIT_FAILED, CRYPTO.
/// Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_export_keys(
    gate: *const SealgateGate,
    passphrase: *const c_void,
    passphrase_size: usize,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        call(gate, out, SealgateBuffer::EMPTY, |gate| {
            let secret = secret(bytes(passphrase, passphrase_size, "passphrase")?)?;
            let exported = gate.key_admin().export(&secret)?;
            Ok(SealgateBuffer::new(exported.into_vec(), false))
        })
    }
}

/// Adds the keys of an exported ring to the key ring. Existing keys do not change, and the newest stay the newest.
///
/// `exported` is what `sealgate_export_keys` or `sealgate keys export` wrote, `passphrase` the one that it was sealed under.
/// `*out` is as with `sealgate_generate_keys`.
/// Statuses: NULL_POINTER, INVALID_ARGUMENT (another passphrase, or not an exported ring), SETTING (there is no key ring),
/// KEY_RING, AUDIT_FAILED, CRYPTO. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_import_keys(
    gate: *const SealgateGate,
    exported: *const c_void,
    exported_size: usize,
    passphrase: *const c_void,
    passphrase_size: usize,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        call(gate, out, SealgateBuffer::EMPTY, |gate| {
            let exported = Secret::from(bytes(exported, exported_size, "exported")?);
            let secret = secret(bytes(passphrase, passphrase_size, "passphrase")?)?;
            added(gate.key_admin().import(exported, &secret))
        })
    }
}

/// Reloads the key ring, so that changes by other processes take effect at once; otherwise they do within half a second.
///
/// Statuses: NULL_POINTER, KEY_RING (it cannot be read or trusted: the previous keys stay in use).
/// Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_reload_keys(gate: *const SealgateGate) -> SealgateStatus {
    // SAFETY: by this function's contract.
    unsafe { guarded(gate, |gate| Ok(gate?.reload_keys()?)) }
}

/// Returns why the current key ring file is not in use, if so: the gate then uses the previous keys.
///
/// `*out` receives a sentence for people, which is empty if there is no trouble; free it with `sealgate_buffer_free`.
/// Statuses: NULL_POINTER. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_key_trouble(
    gate: *const SealgateGate,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for both.
    unsafe {
        call(gate, out, SealgateBuffer::EMPTY, |gate| {
            let trouble = gate.key_trouble().unwrap_or_default();
            Ok(SealgateBuffer::new(trouble.into_bytes(), false))
        })
    }
}

/// # Safety
/// As `sealgate_retire_keys`.
unsafe fn set_state(
    gate: *const SealgateGate,
    ids: *const c_char,
    ids_size: usize,
    state: KeyState,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        call(gate, out, SealgateBuffer::EMPTY, |gate| {
            let ids: Vec<&str> = text(ids, ids_size, "ids")?.split(' ').collect();
            let changed = gate.key_admin().set_state(&ids, state)?;
            Ok(SealgateBuffer::json(&changed.to_json()))
        })
    }
}

fn kinds(flags: u32) -> Result<NewKeys, Failure> {
    let has = |flag: u32| flags & flag != 0;
    let known = SEALGATE_KEYS_TOKEN | SEALGATE_KEYS_DATA | SEALGATE_KEYS_NOW;
    if flags & !known != 0 || !has(SEALGATE_KEYS_TOKEN | SEALGATE_KEYS_DATA) {
        return Err(Failure::invalid(
            "flags must be a sum of SEALGATE_KEYS_TOKEN, SEALGATE_KEYS_DATA and SEALGATE_KEYS_NOW, with one of the first two.",
        ));
    }
    Ok(NewKeys {
        token: has(SEALGATE_KEYS_TOKEN),
        data: has(SEALGATE_KEYS_DATA),
        now: has(SEALGATE_KEYS_NOW),
    })
}

fn added(done: Result<Generated, Error>) -> Result<SealgateBuffer, Failure> {
    Ok(SealgateBuffer::json(&done?.to_json()))
}

fn path(path: &Path) -> SealgateBuffer {
    SealgateBuffer::new(path.to_string_lossy().into_owned().into_bytes(), false)
}

pub(super) fn secret(passphrase: &[u8]) -> Result<RingSecret, Failure> {
    RingSecret::passphrase(passphrase)
        .ok_or_else(|| Failure::invalid("A passphrase must have 12 to 1024 characters."))
}
