//! Waiting for a future in a thread that is not the client's own, with a deadline.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

use crate::base::fork;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// The future's result, or `None` if it is not there by the deadline. A fork need not wait for it.
pub(super) fn wait<T>(deadline: Instant, future: impl Future<Output = T>) -> Option<T> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return Some(result);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        fork::outside(|| thread::park_timeout(left));
    }
}

#[cfg(test)]
mod tests {
    use std::future;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_future_is_awaited_no_longer_than_the_deadline() {
        let soon = Instant::now() + Duration::from_millis(20);
        assert_eq!(wait(soon, future::pending::<()>()), None);
        assert!(Instant::now() >= soon);
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let thread = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            let _ = sender.send(7);
        });
        let late = Instant::now() + Duration::from_secs(60);
        assert_eq!(wait(late, receiver), Some(Ok(7)));
        thread.join().unwrap();
        assert_eq!(
            wait(Instant::now(), future::ready(1)),
            Some(1),
            "even after the deadline"
        );
    }
}
