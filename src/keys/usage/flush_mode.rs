//! How urgently counts have to be recorded.

/// Whether the thread that adds a line may have to wait.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::keys) enum FlushMode {
    /// A caller waits for sealed data: the count can be recorded later.
    Sealing,
    /// There may be no later.
    Last,
    /// The same, and nothing can be logged any more: the process is exiting.
    Exit,
}
