//! The second pool, for requests that take long: large bodies, and routes of a host that wait for something. Its threads
//! are started when they are needed; its queue is bounded.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::answer::{Who, answer, view};
use super::framing::{Parsed, parse_again};
use super::mailbox::{Message, Token};
use super::shared::Shared;
use crate::api::{Peer, Problem};
use crate::server::encode::{Framing, encode};
use crate::sync::lock;
use crate::threads;

/// Jobs that may wait for each thread.
const WAITING_PER_THREAD: usize = 16;

/// A request that takes long, with all that it needs to be answered elsewhere.
#[derive(Debug)]
pub(super) struct Job {
    head: Vec<u8>,
    body: Vec<u8>,
    peer: Peer,
    certificate: Option<Box<str>>,
}

impl Job {
    /// `head`: the bytes that the request's head was read from.
    pub(super) fn new(head: &[u8], request: Parsed<'_>, who: Who<'_>) -> Self {
        Job {
            head: head.to_vec(),
            body: request.body.into_owned(),
            peer: who.peer,
            certificate: who.certificate.map(Into::into),
        }
    }

    /// Bytes that it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.head.capacity() + self.body.capacity()
    }

    /// The answer's bytes, and whether the connection is over.
    fn run(&self, shared: &Shared) -> (Vec<u8>, bool) {
        let mut out = Vec::new();
        let Some(mut request) = parse_again(&self.head) else {
            return (out, true);
        };
        request.body = Cow::Borrowed(&self.body);
        let close = answer(shared, request, self.who(), &mut out);
        (out, close)
    }

    fn who(&self) -> Who<'_> {
        Who {
            peer: self.peer,
            certificate: self.certificate.as_deref(),
        }
    }

    /// The answer where there is no room for the job.
    fn refuse(&self, shared: &Shared) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(mut request) = parse_again(&self.head) {
            let framing = Framing {
                version_1_0: request.version_1_0,
                head: request.method == crate::api::Method::Head,
                close: true,
            };
            let problem = Problem::unavailable("Too many requests that take long are waiting.");
            let view = view(&mut request, self.who());
            encode(&shared.app.refuse(&view, problem), framing, &mut out);
        }
        out
    }
}

/// See the module.
pub(super) struct Pool {
    most_threads: usize,
    queue: Mutex<Queue>,
    filled: Condvar,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<(Job, usize, Token)>,
    threads: usize,
    /// Threads that wait for a job.
    idle: usize,
    closed: bool,
}

impl Pool {
    pub(super) fn new(most_threads: usize) -> Self {
        Pool {
            most_threads: most_threads.max(1),
            queue: Mutex::default(),
            filled: Condvar::new(),
            threads: Mutex::default(),
        }
    }

    /// Queues a job whose answer goes to connection `token` of `worker`. Where there is no room, its answer comes back.
    pub(super) fn submit(
        shared: &Arc<Shared>,
        job: Job,
        worker: usize,
        token: Token,
    ) -> Result<(), Vec<u8>> {
        let pool = &shared.blocking;
        let mut queue = lock(&pool.queue);
        let full = queue.jobs.len() >= WAITING_PER_THREAD * pool.most_threads;
        let start = !full && queue.idle <= queue.jobs.len() && queue.threads < pool.most_threads;
        if start {
            let shared = shared.clone();
            let work = move || shared.blocking.work(&shared);
            if let Ok(thread) = threads::spawn("sealgate-blocking", work) {
                lock(&pool.threads).push(thread);
                queue.threads += 1;
            }
        }
        if full || queue.threads == 0 {
            drop(queue);
            return Err(job.refuse(shared));
        }
        queue.jobs.push_back((job, worker, token));
        drop(queue);
        pool.filled.notify_one();
        Ok(())
    }

    /// Ends the threads once the queue is empty.
    pub(super) fn close(&self) {
        lock(&self.queue).closed = true;
        self.filled.notify_all();
    }

    /// Waits for the threads, which end once the pool is closed.
    pub(super) fn join(&self) {
        for thread in mem::take(&mut *lock(&self.threads)) {
            // A handler that stops its own server does not wait for itself.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }

    /// Forgets the jobs that nobody has begun.
    pub(super) fn clear(&self) {
        let forgotten = mem::take(&mut lock(&self.queue).jobs);
        drop(forgotten);
    }

    fn work(&self, shared: &Shared) {
        let mut queue = lock(&self.queue);
        loop {
            if let Some((job, worker, token)) = queue.jobs.pop_front() {
                drop(queue);
                let (answer, close) = job.run(shared);
                let _ = shared.mailboxes[worker].send(Message::Answer {
                    token,
                    answer,
                    close,
                });
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
