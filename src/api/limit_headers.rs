//! The limits that have counted a request, and the header fields that report them
//! (draft-ietf-httpapi-ratelimit-headers-11).

use std::fmt::Write;

use super::problem::Problem;
use super::response::Response;
use crate::limiter::{Admission, DEFAULT};

/// The limits that have counted a request, each with its last state.
#[derive(Debug, Clone, Default)]
pub(super) struct Counted {
    /// Apart, so that most requests need no list.
    default: Option<Admission>,
    named: Vec<(String, Admission)>,
    /// Whether the request must not wait for the shared store, and whether it would have had to.
    at_once: bool,
    would_wait: bool,
}

impl Counted {
    /// For a request that nothing has counted yet. `at_once`: its thread must not wait for the shared store.
    pub(super) fn new(at_once: bool) -> Self {
        Counted {
            at_once,
            ..Counted::default()
        }
    }

    /// From here on the request may wait. Whether it would have had to before it was counted.
    pub(super) fn may_wait_now(&mut self) -> bool {
        self.at_once = false;
        std::mem::take(&mut self.would_wait)
    }

    pub(super) fn is_at_once(&self) -> bool {
        self.at_once
    }

    /// What stops a request that would have to wait. Nobody receives it: the request goes on on another thread.
    pub(super) fn stop(&mut self) -> Problem {
        self.would_wait = true;
        Problem::unavailable("The request has to wait for the store.")
    }

    pub(super) fn would_wait(&self) -> bool {
        self.would_wait
    }

    /// Keeps the state of a limit, in place of an earlier one.
    pub(super) fn put(&mut self, policy: &str, admission: Admission) {
        if policy == DEFAULT {
            self.default = Some(admission);
            return;
        }
        match self.named.iter_mut().find(|(known, _)| known == policy) {
            Some((_, state)) => *state = admission,
            None => self.named.push((policy.to_owned(), admission)),
        }
    }

    /// The state of the limit of users, if it counts this request.
    pub(super) fn of_user(&self) -> Option<Admission> {
        self.default
    }

    fn all(&self) -> impl Iterator<Item = (&str, &Admission)> {
        let default = self.default.iter().map(|admission| (DEFAULT, admission));
        let named = self.named.iter();
        default.chain(named.map(|(policy, admission)| (policy.as_str(), admission)))
    }

    fn is_empty(&self) -> bool {
        self.default.is_none() && self.named.is_empty()
    }

    /// Adds the header fields to a response or an error.
    pub(super) fn report(&self, response: &mut Result<Response, Problem>) {
        if !self.is_empty() {
            add_fields(response, limit_fields(self.all()));
        }
    }
}

/// Adds one limit's header fields to a response or an error.
pub(super) fn add_rate_limit_headers(
    response: &mut Result<Response, Problem>,
    policy: &'static str,
    admission: &Admission,
) {
    add_fields(response, limit_fields([(policy, admission)].into_iter()));
}

fn add_fields(response: &mut Result<Response, Problem>, fields: [(&'static str, String); 2]) {
    for (name, value) in fields {
        match response {
            Ok(response) => response.set(name, value),
            Err(problem) => problem.add_header(name, value),
        }
    }
}

/// Limits as header fields: two lists with an item for each.
fn limit_fields<'a>(
    limits: impl Iterator<Item = (&'a str, &'a Admission)>,
) -> [(&'static str, String); 2] {
    let (mut policies, mut states) = (String::with_capacity(32), String::with_capacity(32));
    for (policy, admission) in limits {
        let (limit, window) = (admission.limit, admission.window.as_secs());
        let (remaining, reset) = (admission.remaining, crate::whole_seconds(admission.reset));
        let comma = if policies.is_empty() { "" } else { ", " };
        // Writing into memory does not fail.
        let _ = write!(policies, r#"{comma}"{policy}";q={limit};w={window}"#);
        let _ = write!(states, r#"{comma}"{policy}";r={remaining};t={reset}"#);
    }
    [("RateLimit-Policy", policies), ("RateLimit", states)]
}

impl Problem {
    /// The error with one limit's header fields.
    pub(super) fn with_limit(self, policy: &'static str, admission: &Admission) -> Self {
        self.with_fields(limit_fields([(policy, admission)].into_iter()))
    }

    /// The error with the header fields of these limits.
    pub(super) fn with_limits(self, counted: &Counted) -> Self {
        match counted.is_empty() {
            true => self,
            false => self.with_fields(limit_fields(counted.all())),
        }
    }

    fn with_fields(mut self, fields: [(&'static str, String); 2]) -> Self {
        for (name, value) in fields {
            self.add_header(name, value);
        }
        self
    }
}
