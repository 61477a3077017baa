//! Forks of a process that has a store open. SQLite's locks do not go along into a child, so a connection must neither be in
//! use at that moment nor be used in the child: whoever may fork calls [`before_fork`] and [`after_fork`] around it, and a
//! store opens its connections anew where the process has another id.

use std::cell::RefCell;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Held for reading by whoever uses a connection, for writing by whoever forks.
static IN_USE: RwLock<()> = RwLock::new(());

thread_local! {
    static FORKING: RefCell<Option<RwLockWriteGuard<'static, ()>>> = const { RefCell::new(None) };
}

/// Waits until no connection is in use, and keeps others from using one until [`after_fork`].
pub(crate) fn before_fork() {
    let guard = IN_USE.write().unwrap_or_else(PoisonError::into_inner);
    // A thread that is ending has no place for it, and keeps nobody waiting.
    let _ = FORKING.try_with(|forking| *forking.borrow_mut() = Some(guard));
}

/// The end of what [`before_fork`] began, in the parent and in the child.
pub(crate) fn after_fork() {
    let _ = FORKING.try_with(|forking| forking.borrow_mut().take());
}

/// Keeps forks away while a connection, or a lock that the child will need, is used. Not to be called while it is held.
pub(crate) fn using() -> RwLockReadGuard<'static, ()> {
    IN_USE.read().unwrap_or_else(PoisonError::into_inner)
}

/// The process that something belongs to.
pub(super) struct Owner(AtomicU32);

impl Owner {
    pub(super) fn this() -> Self {
        Owner(AtomicU32::new(process::id()))
    }

    /// Whether this process took it over from the one that it was forked from, by this call.
    pub(super) fn changed(&self) -> bool {
        let now = process::id();
        self.0.swap(now, Ordering::AcqRel) != now
    }
}
