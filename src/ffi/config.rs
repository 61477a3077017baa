//! `sealgate_config`: settings from which gates and servers are created.

use std::ffi::{CStr, c_char, c_void};
use std::path::Path;
use std::ptr;

use super::input::{bytes, handle_mut, output, text};
use super::{Failure, SealgateStatus, boundary, free_handle};
use crate::{Config, Settings};

/// Settings, by their names in the settings table.
///
/// Thread safety: one thread at a time.
pub struct SealgateConfig {
    pub(super) config: Config,
}

/// Creates a configuration in which every setting has its default.
///
/// `out` receives it; free it with `sealgate_config_free`. On failure `*out` is NULL.
/// Statuses: NULL_POINTER. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_config_new(out: *mut *mut SealgateConfig) -> SealgateStatus {
    boundary(|| {
        // SAFETY: by this function's contract.
        let out = unsafe { output(out, ptr::null_mut(), "out") }?;
        *out = Box::into_raw(Box::new(SealgateConfig {
            config: Config::new(),
        }));
        Ok(())
    })
}

/// Sets one setting, by its name in the settings file ("token_ttl") or in the environment ("SEALGATE_TOKEN_TTL"). It takes
/// precedence over the environment and a file. The value is checked when a gate is created.
///
/// The name is UTF-8; the value is text or, for keys, bytes. Both are copied.
/// Statuses: NULL_POINTER, INVALID_UTF8, SETTING (no such setting). Thread safety: one thread at a time. Since 0.1.
///
/// ```c
/// sealgate_config *config = NULL;
/// sealgate_status status = sealgate_config_new(&config);
/// if (status == SEALGATE_STATUS_OK) {
///     status = sealgate_config_set(config, SEALGATE_LITERAL("token_ttl"), SEALGATE_LITERAL("300"));
/// }
/// if (status != SEALGATE_STATUS_OK) {
///     fprintf(stderr, "%s\n", sealgate_status_name(status));
/// }
/// sealgate_config_free(config);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_config_set(
    config: *mut SealgateConfig,
    name: *const c_char,
    name_size: usize,
    value: *const c_void,
    value_size: usize,
) -> SealgateStatus {
    boundary(|| {
        // SAFETY: by this function's contract, for all three.
        let (config, name, value) = unsafe {
            (
                handle_mut(config, "config")?,
                text(name, name_size, "name")?,
                bytes(value, value_size, "value")?,
            )
        };
        Ok(config.config.set(name, value)?)
    })
}

/// Loads the settings in the process environment (JWT_SECRET_KEY, AES_KEY, SEALGATE_..., the file that SEALGATE_CONFIG
/// names). If no data directory is set, it uses the command's default, so programs on one machine share keys with `sealgate
/// serve`.
///
/// Statuses: NULL_POINTER, SETTING. Thread safety: no thread may change the environment during the call. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_config_load_env(config: *mut SealgateConfig) -> SealgateStatus {
    boundary(|| {
        // SAFETY: by this function's contract.
        let config = unsafe { handle_mut(config, "config") }?;
        Ok(config.config.load_like_the_command(None)?)
    })
}

/// Loads the settings of a TOML file. The environment, if loaded, and values set by `sealgate_config_set` take precedence.
///
/// `path_cstr` is NUL-terminated. Statuses: NULL_POINTER, SETTING. Thread safety: one thread at a time. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_config_load_file(
    config: *mut SealgateConfig,
    path_cstr: *const c_char,
) -> SealgateStatus {
    boundary(|| {
        // SAFETY: by this function's contract.
        let config = unsafe { handle_mut(config, "config") }?;
        // SAFETY: by this function's contract.
        let path = unsafe { path_of(path_cstr) }?;
        Ok(config.config.load_file(path)?)
    })
}

/// Frees a configuration and wipes its secrets. NULL does nothing. Gates created from it remain valid. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_config_free(config: *mut SealgateConfig) {
    // SAFETY: by this function's contract.
    unsafe { free_handle(config) }
}

/// The path in a parameter `path_cstr`.
///
/// # Safety
/// Unless it is NULL, `path_cstr` ends in NUL and stays unchanged for `'a`.
pub(super) unsafe fn path_of<'a>(path_cstr: *const c_char) -> Result<&'a Path, Failure> {
    if path_cstr.is_null() {
        return Err(Failure::null("path_cstr"));
    }
    // SAFETY: not NULL, and it ends in NUL by this function's contract.
    let path = unsafe { CStr::from_ptr(path_cstr) };
    #[cfg(unix)]
    let path: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(path.to_bytes());
    #[cfg(not(unix))]
    let path = path
        .to_str()
        .map_err(|_| Failure::new(SealgateStatus::InvalidUtf8, "path_cstr is not UTF-8."))?;
    Ok(Path::new(path))
}

/// The settings of a configuration or, if there is none, of the environment.
pub(super) fn settings_of(config: Option<&SealgateConfig>) -> Result<Settings, Failure> {
    if let Some(config) = config {
        return Ok(config.config.settings()?);
    }
    let mut config = Config::new();
    config.load_like_the_command(None)?;
    Ok(config.settings()?)
}
