//! The second pool, for slow requests: large bodies, routes that block, and, in a separate lane, logins, which would
//! hold up all others. Threads start on demand; queues are bounded.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::job::{Job, Lane};
use super::mailbox::{Mailbox, Message, Token};
use super::shared::Shared;
use crate::base::sync::lock;
use crate::base::threads;

/// Jobs that may be queued for each thread.
const WAITING_PER_THREAD: usize = 16;
/// Logins that may be queued: some seconds of hashing.
const WAITING_LOGINS: usize = 256;

/// See the module.
pub(super) struct Pools {
    slow: Arc<Pool>,
    hashing: Arc<Pool>,
}

impl Pools {
    /// `slow`: number of threads for all jobs but logins; `hashing`: for logins.
    pub(super) fn new(
        slow: usize,
        hashing: usize,
        shared: &Arc<Shared>,
        mailboxes: &Arc<[Mailbox]>,
    ) -> Self {
        let pool = |threads: usize, waiting| Pool::new(threads, waiting, shared, mailboxes);
        let slow = slow.max(1);
        Pools {
            slow: Arc::new(pool(slow, WAITING_PER_THREAD * slow)),
            hashing: Arc::new(pool(hashing, WAITING_LOGINS)),
        }
    }

    /// Queues a job whose response goes to connection `token` of `worker`. If the queue is full, returns the refusal to
    /// send.
    pub(super) fn submit(&self, job: Box<Job>, worker: usize, token: Token) -> Result<(), Vec<u8>> {
        let pool = match job.lane {
            Lane::Large | Lane::Growing | Lane::Slow => &self.slow,
            Lane::Hashing => &self.hashing,
        };
        pool.submit(job, worker, token)
    }

    /// How many jobs wait for a thread.
    pub(super) fn waiting(&self) -> usize {
        let waiting = |pool: &Pool| lock(&pool.queue).jobs.len();
        waiting(&self.slow) + waiting(&self.hashing)
    }

    /// Ends the threads once the queues are empty.
    pub(super) fn close(&self) {
        self.slow.close();
        self.hashing.close();
    }

    /// Waits for the threads, which end after the pools are closed.
    pub(super) fn join(&self) {
        self.slow.join();
        self.hashing.join();
    }

    /// Drops the jobs that have not been started.
    pub(super) fn clear(&self) {
        self.slow.clear();
        self.hashing.clear();
    }
}

/// The threads of one lane.
struct Pool {
    shared: Arc<Shared>,
    mailboxes: Arc<[Mailbox]>,
    most_threads: usize,
    most_waiting: usize,
    queue: Mutex<Queue>,
    filled: Condvar,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<(Box<Job>, usize, Token)>,
    threads: usize,
    /// Threads waiting for a job.
    idle: usize,
    closed: bool,
}

impl Pool {
    fn new(
        most_threads: usize,
        most_waiting: usize,
        shared: &Arc<Shared>,
        mailboxes: &Arc<[Mailbox]>,
    ) -> Self {
        Pool {
            shared: shared.clone(),
            mailboxes: mailboxes.clone(),
            most_threads: most_threads.max(1),
            most_waiting,
            queue: Mutex::default(),
            filled: Condvar::new(),
            threads: Mutex::default(),
        }
    }

    fn submit(self: &Arc<Self>, job: Box<Job>, worker: usize, token: Token) -> Result<(), Vec<u8>> {
        let mut queue = lock(&self.queue);
        let full = queue.jobs.len() >= self.most_waiting;
        let start = !full && queue.idle <= queue.jobs.len() && queue.threads < self.most_threads;
        if start {
            let pool = self.clone();
            let work = move || pool.work();
            if let Ok(thread) = threads::spawn("sealgate-blocking", work) {
                lock(&self.threads).push(thread);
                queue.threads += 1;
            }
        }
        if full || queue.threads == 0 {
            drop(queue);
            return Err(job.refuse(&self.shared));
        }
        queue.jobs.push_back((job, worker, token));
        drop(queue);
        self.filled.notify_one();
        Ok(())
    }

    fn close(&self) {
        lock(&self.queue).closed = true;
        self.filled.notify_all();
    }

    fn join(&self) {
        for thread in mem::take(&mut *lock(&self.threads)) {
            // A handler that stops its own server must not wait for its own thread.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }

    fn clear(&self) {
        let forgotten = mem::take(&mut lock(&self.queue).jobs);
        drop(forgotten);
    }

    fn work(&self) {
        let shared = &*self.shared;
        let mut queue = lock(&self.queue);
        loop {
            if let Some((job, worker, token)) = queue.jobs.pop_front() {
                drop(queue);
                let reserved = job.wait_for_room(shared);
                let (answer, close) = job.run(shared);
                let size = answer.capacity();
                shared.buffered.change(0, size);
                let message = Message::Answer {
                    token,
                    answer,
                    close,
                    reserved,
                };
                if self.mailboxes[worker].send(message).is_err() {
                    shared.buffered.change(size, 0);
                    shared.buffered.release(reserved);
                }
                queue = lock(&self.queue);
                continue;
            }
            if queue.closed {
                queue.threads -= 1;
                return;
            }
            queue.idle += 1;
            queue = self
                .filled
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
        }
    }
}
