//! How `sealgate serve` works with systemd: `sockets` takes over sockets that systemd has opened, `notify` reports the state
//! of the service, and `watchdog` that its workers respond. Without systemd, none of this has any effect.

mod notify;
mod sockets;
mod watchdog;

pub(super) use notify::Notifier;
pub(super) use sockets::passed_sockets;
pub(super) use watchdog::Watchdog;
