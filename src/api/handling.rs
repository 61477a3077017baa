//! The steps in which a request is answered: its route, what its head decides, its limits, its response.

use std::time::{Duration, Instant};

use super::app::App;
use super::caught::caught;
use super::problem::Problem;
use super::request::{Method, Request};
use super::response::Response;
use super::route::{Cost, RequestLog};
use super::router;
use crate::base::fork;

/// How far a request has been handled before its body was complete.
pub(crate) enum Begun {
    /// Its route has been found.
    Found(Found),
    /// It has also passed every check its head allows: only the body and the response remain.
    Admitted(Box<Admitted>),
}

/// The route of a request, if there is one, found by the method and the target.
pub(crate) struct Found(pub(super) router::Found);

/// A request that has passed every check its head allows.
pub(crate) struct Admitted {
    passed: router::Passed,
    seen: RequestLog,
    /// Processing time so far, without waiting for the body or another thread.
    spent: Duration,
}

impl Admitted {
    /// The route's limit on the body, in bytes.
    pub(crate) fn max_body(&self) -> usize {
        self.passed.max_body
    }
}

impl App {
    /// Answers a request. Never panics: a panic in a route is answered with 500.
    ///
    /// The response to HEAD carries the body that GET would return; the engine must not send it.
    pub fn handle(&self, request: &Request<'_>) -> Response {
        self.complete(
            request,
            Begun::Found(self.find(request.method, request.target)),
        )
    }

    /// Finds the route for a method and a target.
    pub(crate) fn find(&self, method: &Method, target: &str) -> Found {
        Found(router::find(&self.inner, self.door, method, target))
    }

    /// Checks a request by its head alone, before its body has arrived. Returns the response if the head decides it (path,
    /// method, token, limit, the body's type and any declared length), otherwise what [`complete`](Self::complete) needs.
    /// Does not wait for the shared store: if it has to be asked, `complete` counts the request.
    pub(crate) fn admit(
        &self,
        request: &Request<'_>,
        length: Option<usize>,
    ) -> Result<Admitted, Response> {
        let _section = fork::section();
        let started = Instant::now();
        let found = self.find(request.method, request.target);
        let mut admitted = self.judge(request, found, (length, true), started)?;
        admitted.spent = started.elapsed();
        Ok(admitted)
    }

    /// Answers a request whose body is complete.
    pub(crate) fn complete(&self, request: &Request<'_>, begun: Begun) -> Response {
        let _section = fork::section();
        let _active = self.inner.observed.begin();
        let now = Instant::now();
        let (mut admitted, started) = match begun {
            Begun::Found(found) => {
                let length = Some(request.body.len());
                match self.judge(request, found, (length, false), now) {
                    Ok(admitted) => (admitted, now),
                    Err(refusal) => return refusal,
                }
            }
            Begun::Admitted(admitted) => {
                // The time spent receiving the body does not count.
                let started = now.checked_sub(admitted.spent).unwrap_or(now);
                (*admitted, started)
            }
        };
        if admitted.passed.counted.may_wait_now() {
            let Admitted { passed, seen, .. } = &mut admitted;
            let length = Some(request.body.len());
            match caught(|| router::count(&self.inner, request, passed, length)) {
                Some(Ok(())) => {}
                Some(Err(problem)) => {
                    let response = problem.into_response(&seen.id);
                    return self.finish(request, seen, started, response);
                }
                None => return self.failed(request, seen, started),
            }
        }
        let answered = self.answer(request, &mut admitted, started);
        // It may wait, so it has an answer.
        answered.unwrap_or_else(|| self.failed(request, &admitted.seen, started))
    }

    /// The same on a thread that must not wait for the shared store. If the request would have to, returns how far it came.
    pub(crate) fn complete_at_once(
        &self,
        request: &Request<'_>,
        begun: Begun,
    ) -> Result<Response, Begun> {
        let _section = fork::section();
        let _active = self.inner.observed.begin();
        let now = Instant::now();
        let (mut admitted, started) = match begun {
            Begun::Found(found) => {
                match self.judge(request, found, (Some(request.body.len()), true), now) {
                    Ok(admitted) => (admitted, now),
                    Err(refusal) => return Ok(refusal),
                }
            }
            Begun::Admitted(admitted) => {
                let started = now.checked_sub(admitted.spent).unwrap_or(now);
                (*admitted, started)
            }
        };
        if !admitted.passed.counted.would_wait()
            && let Some(response) = self.answer(request, &mut admitted, started)
        {
            return Ok(response);
        }
        admitted.spent = started.elapsed();
        Err(Begun::Admitted(Box::new(admitted)))
    }

    /// Whether requests may have to wait for the shared store to be counted.
    pub(crate) fn counts_in_store(&self) -> bool {
        self.inner.gate.counts_in_store()
    }

    fn judge(
        &self,
        request: &Request<'_>,
        found: Found,
        how: (Option<usize>, bool),
        started: Instant,
    ) -> Result<Admitted, Response> {
        let mut seen = RequestLog::of(request);
        match caught(|| router::admit(&self.inner, self.door, request, found.0, how, &mut seen)) {
            Some(Ok(passed)) => Ok(Admitted {
                passed,
                seen,
                spent: Duration::ZERO,
            }),
            Some(Err(problem)) => {
                let response = problem.into_response(&seen.id);
                Err(self.finish(request, &seen, started, response))
            }
            None => Err(self.failed(request, &seen, started)),
        }
    }

    /// `None`: it must not wait for the shared store, but would have to.
    fn answer(
        &self,
        request: &Request<'_>,
        admitted: &mut Admitted,
        started: Instant,
    ) -> Option<Response> {
        let Admitted { passed, seen, .. } = admitted;
        let mut counted = passed.counted.clone();
        // A panic leaves no state half-changed: the gate is immutable and the limiters' locks recover.
        let response =
            match caught(|| router::answer(&self.inner, request, passed, seen, &mut counted)) {
                Some(Ok(response)) => response,
                Some(Err(_)) if counted.would_wait() => return None,
                Some(Err(problem)) => problem.into_response(&seen.id),
                None => return Some(self.failed(request, seen, started)),
            };
        Some(self.finish(request, seen, started, response))
    }

    fn failed(&self, request: &Request<'_>, seen: &RequestLog, started: Instant) -> Response {
        log::error!(id = seen.id.as_str(); "a route panicked");
        let response = Problem::internal().into_response(&seen.id);
        self.finish(request, seen, started, response)
    }

    /// How long the response may take, so that the engine can keep other requests from waiting behind it: because the body
    /// or the returned data is large, or because the route blocks.
    pub(crate) fn cost(&self, begun: &Begun, body: usize) -> Cost {
        match begun {
            Begun::Found(found) => router::cost(&self.inner, &found.0, body),
            Begun::Admitted(admitted) => admitted.passed.cost(&self.inner, body),
        }
    }
}
