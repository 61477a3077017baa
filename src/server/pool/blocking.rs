//! The second pool, for requests that take long: large bodies, routes that wait for something, and in a lane of their own
//! logins, which would keep all others waiting. Its threads are started when they are needed; its queues are bounded.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::answer::{Who, answer, overloaded, refuse};
use super::mailbox::{Message, Token};
use super::shared::Shared;
use crate::api::{Admitted, Peer};
use crate::base::sync::lock;
use crate::base::threads;
use crate::server::http1::framing::{Parsed, parse_again};

/// Jobs that may wait for each thread.
const WAITING_PER_THREAD: usize = 16;
/// Logins that may wait: some seconds of hashing.
const WAITING_LOGINS: usize = 256;

/// How long an answer is put off for where answers that wait for their readers take all memory that they may.
const PATIENCE: Duration = Duration::from_millis(50);
/// And a large one, for others that are made just now.
const LARGE_PATIENCE: Duration = Duration::from_secs(5);

/// The threads and the queue of the jobs of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// On the same threads as what is slow; its answer is about as large as the request.
    Large,
    Slow,
    Hashing,
}

/// A request that takes long, with all that it needs to be answered elsewhere.
pub(super) struct Job {
    /// The bytes of the head and, unless it has been decoded, of the body behind it.
    bytes: Vec<u8>,
    head: usize,
    decoded: Option<Vec<u8>>,
    admitted: Option<Box<Admitted>>,
    peer: Peer,
    certificate: Option<Box<str>>,
    lane: Lane,
}

impl Job {
    /// A job that has still to be given its bytes, of which `head` are the request's head.
    pub(super) fn new(
        lane: Lane,
        head: usize,
        request: Parsed<'_>,
        admitted: Option<Box<Admitted>>,
        who: Who<'_>,
    ) -> Self {
        Job {
            bytes: Vec::new(),
            head,
            decoded: match request.body {
                Cow::Owned(body) => Some(body),
                Cow::Borrowed(_) => None,
            },
            admitted,
            peer: who.peer.clone(),
            certificate: who.certificate.map(Into::into),
            lane,
        }
    }

    /// Gives it the bytes of its request.
    pub(super) fn give(&mut self, mut bytes: Vec<u8>) {
        if self.decoded.is_some() {
            bytes.truncate(self.head);
            bytes.shrink_to_fit();
        }
        self.bytes = bytes;
    }

    /// Bytes that it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.capacity() + self.decoded.as_ref().map_or(0, Vec::capacity)
    }

    fn request(&self) -> Option<Parsed<'_>> {
        let (head, behind) = self.bytes.split_at_checked(self.head)?;
        let mut request = parse_again(head)?;
        request.body = Cow::Borrowed(self.decoded.as_deref().unwrap_or(behind));
        Some(request)
    }

    /// Waits until there is room for its answer; what is reserved for that.
    fn wait_for_room(&self, shared: &Shared) -> usize {
        let buffered = &shared.buffered;
        // Answers to logins are small.
        if self.lane != Lane::Hashing {
            buffered.wait_for_room(PATIENCE);
        }
        if self.lane != Lane::Large {
            return 0;
        }
        // Sealed data as base64 is larger than the data by a third.
        let expected = self.bytes() + self.bytes() / 2;
        buffered.reserve(expected, LARGE_PATIENCE);
        expected
    }

    /// The answer's bytes, and whether the connection is over.
    fn run(mut self, shared: &Shared) -> (Vec<u8>, bool) {
        let mut out = Vec::new();
        let admitted = self.admitted.take();
        let Some(request) = self.request() else {
            return (out, true);
        };
        let close = answer(shared, request, admitted, self.who(), &mut out);
        (out, close)
    }

    fn who(&self) -> Who<'_> {
        Who {
            peer: &self.peer,
            certificate: self.certificate.as_deref(),
        }
    }

    /// The answer where there is no room for the job.
    pub(super) fn refuse(&self, shared: &Shared) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(request) = self.request() {
            refuse(shared, request, overloaded(), self.who(), &mut out);
        }
        out
    }
}

/// See the module.
pub(super) struct Pools {
    slow: Pool,
    hashing: Pool,
}

impl Pools {
    /// `slow`: how many threads for jobs of every kind; `hashing`: how many for logins.
    pub(super) fn new(slow: usize, hashing: usize) -> Self {
        let slow = slow.max(1);
        Pools {
            slow: Pool::new(slow, WAITING_PER_THREAD * slow),
            hashing: Pool::new(hashing, WAITING_LOGINS),
        }
    }

    /// Queues a job whose answer goes to connection `token` of `worker`. Where there is no room, its answer comes back.
    pub(super) fn submit(
        shared: &Arc<Shared>,
        job: Box<Job>,
        worker: usize,
        token: Token,
    ) -> Result<(), Vec<u8>> {
        let lane = job.lane;
        shared.blocking.of(lane).submit(shared, job, worker, token)
    }

    fn of(&self, lane: Lane) -> &Pool {
        match lane {
            Lane::Large | Lane::Slow => &self.slow,
            Lane::Hashing => &self.hashing,
        }
    }

    /// Ends the threads once the queues are empty.
    pub(super) fn close(&self) {
        self.slow.close();
        self.hashing.close();
    }

    /// Waits for the threads, which end once the pools are closed.
    pub(super) fn join(&self) {
        self.slow.join();
        self.hashing.join();
    }

    /// Forgets the jobs that nobody has begun.
    pub(super) fn clear(&self) {
        self.slow.clear();
        self.hashing.clear();
    }
}

/// The threads of one lane.
struct Pool {
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
    /// Threads that wait for a job.
    idle: usize,
    closed: bool,
}

impl Pool {
    fn new(most_threads: usize, most_waiting: usize) -> Self {
        Pool {
            most_threads: most_threads.max(1),
            most_waiting,
            queue: Mutex::default(),
            filled: Condvar::new(),
            threads: Mutex::default(),
        }
    }

    fn submit(
        &self,
        shared: &Arc<Shared>,
        job: Box<Job>,
        worker: usize,
        token: Token,
    ) -> Result<(), Vec<u8>> {
        let mut queue = lock(&self.queue);
        let full = queue.jobs.len() >= self.most_waiting;
        let start = !full && queue.idle <= queue.jobs.len() && queue.threads < self.most_threads;
        if start {
            let shared = shared.clone();
            let lane = job.lane;
            let work = move || shared.blocking.of(lane).work(&shared);
            if let Ok(thread) = threads::spawn("sealgate-blocking", work) {
                lock(&self.threads).push(thread);
                queue.threads += 1;
            }
        }
        if full || queue.threads == 0 {
            drop(queue);
            return Err(job.refuse(shared));
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
            // A handler that stops its own server does not wait for itself.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }

    fn clear(&self) {
        let forgotten = mem::take(&mut lock(&self.queue).jobs);
        drop(forgotten);
    }

    fn work(&self, shared: &Shared) {
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
                if shared.mailboxes[worker].send(message).is_err() {
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
