//! Has a server use changed files at once.

use super::SealgateStatus;
use super::server::{SealgateServer, guarded};
use crate::logging;

/// Reads the TLS certificate, its key and the client CA again, and reopens the files of the audit trail, as `sealgate serve` does
/// on SIGHUP.
///
/// The server also detects changed TLS files on its own, within 5 seconds. New handshakes use the new certificate; connections
/// continue. If the files cannot be used, the previous ones stay in use. Without TLS only the files of the audit trail are
/// reopened: those of all gates in the process.
/// Statuses: NULL_POINTER, SETTING (the files cannot be used, or the certificate has expired), WRONG_STATE (not started),
/// FORKED. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_server_reload(server: *const SealgateServer) -> SealgateStatus {
    // SAFETY: by this function's contract.
    unsafe {
        guarded(server, |server| {
            let server = server.started()?;
            logging::reopen();
            Ok(server.reload_certificates()?)
        })
    }
}
