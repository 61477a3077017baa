//! What `sealgate serve` and systemd tell each other: sockets that systemd has opened (`sockets`), the state of the service
//! (`notify`), and that the workers go on (`watchdog`). Without systemd nothing of it does anything.

mod notify;
mod sockets;
mod watchdog;

pub(super) use notify::Notifier;
pub(super) use sockets::passed_sockets;
pub(super) use watchdog::Watchdog;
