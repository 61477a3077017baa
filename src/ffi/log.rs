//! Passes log lines to the host.

use std::ffi::{c_char, c_void};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::callback::{ANY_SERVER, SealgateDrop, User, call_host, is_inside_any};
use super::{Failure, SealgateStatus, boundary};
use crate::base::fork;
use crate::logging;

/// For `sealgate_set_log`: errors.
pub const SEALGATE_LOG_ERROR: i32 = 1;
/// For `sealgate_set_log`: warnings.
pub const SEALGATE_LOG_WARN: i32 = 2;
/// For `sealgate_set_log`: one line per request, and starts and stops.
pub const SEALGATE_LOG_INFO: i32 = 3;
/// For `sealgate_set_log`: details for debugging.
pub const SEALGATE_LOG_DEBUG: i32 = 4;

/// Receives a log line: a level (SEALGATE_LOG_...), a target such as "sealgate::access", and the message with its fields as
/// name=value. The texts are UTF-8, have neither a NUL nor a line break at the end, and are valid only during the call.
///
/// User names in it are masked, control characters are escaped, and it contains no secrets. The callback runs on whichever
/// thread logs, including the host's threads during a call, and on several threads at a time. It must be fast: requests
/// wait for it. It may call the library, but log lines that this causes are dropped. `sealgate_server_stop` and
/// `sealgate_server_free` return WOULD_DEADLOCK in it. It must return: no longjmp out of it, no C++ exception.
///
/// ```c
/// static void on_line(int32_t level, const char *target, size_t target_size, const char *line, size_t line_size, void *user)
/// {
///     FILE *file = user;
///     fprintf(file, "%d %.*s: %.*s\n", (int)level, (int)target_size, target, (int)line_size, line);
/// }
/// ```
pub type SealgateLogCallback = Option<
    unsafe extern "C" fn(
        level: i32,
        target: *const c_char,
        target_size: usize,
        line: *const c_char,
        line_size: usize,
        user: *mut c_void,
    ),
>;

struct Target {
    callback: unsafe extern "C" fn(i32, *const c_char, usize, *const c_char, usize, *mut c_void),
    user: User,
}

impl Target {
    fn call_back(&self, level: Level, of: &str, line: &[u8]) {
        call_host(ANY_SERVER, || {
            // SAFETY: the host has promised that this call is allowed; both texts live until it returns.
            unsafe {
                (self.callback)(
                    level as i32,
                    of.as_ptr().cast(),
                    of.len(),
                    line.as_ptr().cast(),
                    line.len(),
                    self.user.data(),
                );
            }
        });
    }
}

static TARGET: RwLock<Option<Arc<Target>>> = RwLock::new(None);

/// Passes the library's log lines up to `max_level` (SEALGATE_LOG_...; 0 is none) to `callback`. Without a callback nothing
/// is logged. NULL removes it.
///
/// The callback applies to the whole process and replaces an earlier one. `drop`, which may be NULL, is called with `user`
/// once no thread is in `callback` any more: after the callback has been replaced or removed or, if this call fails, before
/// it returns. The library writes to no log of the host without this call, and other copies of the library in the process
/// are not affected. A forked child keeps the callback.
/// Statuses: INVALID_ARGUMENT (no such level), WRONG_STATE (the host is a Rust program with its own logger).
/// Thread safety: any thread. Since 0.1.
///
/// ```c
/// if (sealgate_set_log(SEALGATE_LOG_WARN, on_line, stderr, NULL) != SEALGATE_STATUS_OK) {
///     fputs("no log\n", stderr);
/// }
/// ```
///
/// # Safety
/// `callback` and `drop` behave as their types document, on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_set_log(
    max_level: i32,
    callback: SealgateLogCallback,
    user: *mut c_void,
    drop: SealgateDrop,
) -> SealgateStatus {
    let user = User::new(user, drop);
    boundary(|| {
        let level = match max_level {
            0 => LevelFilter::Off,
            SEALGATE_LOG_ERROR => LevelFilter::Error,
            SEALGATE_LOG_WARN => LevelFilter::Warn,
            SEALGATE_LOG_INFO => LevelFilter::Info,
            SEALGATE_LOG_DEBUG => LevelFilter::Debug,
            _ => {
                return Err(Failure::invalid(
                    "max_level must be from 0 to SEALGATE_LOG_DEBUG.",
                ));
            }
        };
        install()?;
        let target = callback.map(|callback| Arc::new(Target { callback, user }));
        log::set_max_level(target.as_ref().map_or(LevelFilter::Off, |_| level));
        let mut place = TARGET.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *place, target);
        // The host's `drop` does not run under the lock.
        std::mem::drop(place);
        std::mem::drop(before);
        Ok(())
    })
}

/// Installs our logger in this copy of the library, once.
fn install() -> Result<(), Failure> {
    static OURS: OnceLock<bool> = OnceLock::new();
    match OURS.get_or_init(|| log::set_logger(&HostLogger).is_ok()) {
        true => Ok(()),
        false => Err(Failure::new(
            SealgateStatus::WrongState,
            "The process already has a logger.",
        )),
    }
}

struct HostLogger;

impl Log for HostLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level() && logging::concerns(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        // Logging what a callback itself causes would recurse without end.
        if !self.enabled(record.metadata()) || is_inside_any() {
            return;
        }
        let _section = fork::section();
        let place = TARGET.read().unwrap_or_else(PoisonError::into_inner);
        let Some(target) = place.clone() else {
            return;
        };
        drop(place);
        logging::with_message(record, |line| {
            let (level, of, line) = (record.level(), record.target().to_owned(), line.to_owned());
            // The host may take its own locks or call the library: none of our locks may be held then.
            fork::afterwards(move || target.call_back(level, &of, &line));
        });
    }

    fn flush(&self) {}
}
