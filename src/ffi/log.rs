//! Log lines for the host.

use std::ffi::{c_char, c_void};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::callback::{ANY_SERVER, SealgateDrop, User, call_host, is_inside_any};
use super::{Failure, SealgateStatus, boundary};
use crate::base::fork;
use crate::logging;

/// For `sealgate_set_log`: something failed.
pub const SEALGATE_LOG_ERROR: i32 = 1;
/// For `sealgate_set_log`: something is not as it should be.
pub const SEALGATE_LOG_WARN: i32 = 2;
/// For `sealgate_set_log`: a line for each request, and what begins and ends.
pub const SEALGATE_LOG_INFO: i32 = 3;
/// For `sealgate_set_log`: for whoever looks for a fault.
pub const SEALGATE_LOG_DEBUG: i32 = 4;

/// Takes a log line: a level (SEALGATE_LOG_...), a target such as "sealgate::access", and the message with its fields as
/// name=value. The texts are UTF-8, have no NUL and no line break at their end, and are lent for the call only.
///
/// Names in it are masked, control characters escaped, and no secret is in it. It runs on whichever thread has something
/// to say, several at a time, those of the host included while they are in a call. What it does must be short: requests
/// wait for it. It may call the library; lines that come of that are lost. `sealgate_server_stop` and
/// `sealgate_server_free` answer WOULD_DEADLOCK in it. It must return: no longjmp out of it, no C++ exception.
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
    fn tell(&self, level: Level, of: &str, line: &[u8]) {
        call_host(ANY_SERVER, || {
            // SAFETY: the host has promised that it may be called so; both texts live until it returns.
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

/// Hands the library's log lines to `callback`, those up to `max_level` (SEALGATE_LOG_...; 0 is none). Without it nothing
/// is logged. NULL ends it.
///
/// It is for the whole process, and takes the place of an earlier one. `drop`, which may be NULL, is called with `user`
/// when no thread will be in `callback` any more: after the place has been taken or the logging ended, or, where this call
/// fails, before it returns. The library logs to nothing of the host's by itself, and to no other copy of it in the
/// process. A child after fork() goes on with it.
/// Statuses: INVALID_ARGUMENT (no such level), WRONG_STATE (the host is a Rust program with a logger of its own).
/// Thread safety: any thread. Since 0.1.
///
/// ```c
/// if (sealgate_set_log(SEALGATE_LOG_WARN, on_line, stderr, NULL) != SEALGATE_STATUS_OK) {
///     fputs("no log\n", stderr);
/// }
/// ```
///
/// # Safety
/// `callback` and `drop` are what their types say, from any thread.
#[must_use]
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

/// Makes ours the logger of this copy of the library, once.
fn install() -> Result<(), Failure> {
    static OURS: OnceLock<bool> = OnceLock::new();
    match OURS.get_or_init(|| log::set_logger(&HostLogger).is_ok()) {
        true => Ok(()),
        false => Err(Failure::new(
            SealgateStatus::WrongState,
            "The process has a logger already.",
        )),
    }
}

struct HostLogger;

impl Log for HostLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level() && logging::concerns(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        // What a callback causes itself would come without end.
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
            // The host may take locks of its own, or call the library: no lock of ours may be held then.
            fork::afterwards(move || target.tell(level, &of, &line));
        });
    }

    fn flush(&self) {}
}
