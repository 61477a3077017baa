//! The named limits of a gate, each with its counters.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::Error;
use crate::base::address::{Counted, counted, parse};
use crate::limiter::shared::{Decision, Whom};
use crate::limiter::{Admission, DEFAULT, Limiter, Per, Policy, Settings, Window};
#[cfg(feature = "server")]
use crate::metrics::Page;
use crate::metrics::{Count, Sharded};

/// The named limits, and what the limit of users is.
#[derive(Debug)]
pub(super) struct Limits {
    named: Vec<Named>,
    of_users: Policy,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) policy: Policy,
    limiter: Limiter,
    decisions: Sharded<Decisions>,
}

#[derive(Debug, Default)]
struct Decisions {
    allowed: Count,
    denied: Count,
}

/// A policy in use.
pub(super) enum InUse<'a> {
    /// `None`: it is switched off.
    Default(Option<&'a Limiter>),
    /// The own limit of an API key, by its id, in place of `default`.
    Own(Arc<Window>, &'a str),
    Named(&'a Named),
    /// A limit on logins, which no policy is, with the name under which a shared store counts it.
    Logins(&'a Limiter, &'a str),
}

impl Limits {
    pub(super) fn new(settings: &Settings) -> Result<Self, Error> {
        let policies = settings.named()?.into_iter();
        let named = policies.map(|policy| {
            Ok(Named {
                limiter: Limiter::new(policy.limit, policy.window, settings.memory)?,
                policy,
                decisions: Sharded::default(),
            })
        });
        Ok(Limits {
            named: named.collect::<Result<_, Error>>()?,
            of_users: settings.of_users(false),
        })
    }

    pub(super) fn of_users(&self) -> &Policy {
        &self.of_users
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Policy> {
        self.named.iter().map(|named| &named.policy)
    }

    pub(super) fn find(&self, name: &str) -> Option<&Named> {
        self.named.iter().find(|named| named.policy.name == name)
    }

    #[cfg(feature = "server")]
    pub(super) fn collect(&self, page: &mut Page) {
        let samples = self.named.iter().flat_map(|named| {
            let sample = |result: &str, count: fn(&Decisions) -> &Count| {
                let policy = named.policy.name.clone();
                let labels = vec![("policy", policy), ("result", result.to_owned())];
                (labels, named.decisions.sum(count))
            };
            [
                sample("allowed", |decisions| &decisions.allowed),
                sample("denied", |decisions| &decisions.denied),
            ]
        });
        page.counters(
            "sealgate_policy_decisions",
            "Requests counted by each limit in SEALGATE_LIMITS",
            samples,
        );
    }
}

impl Named {
    /// Counts a decision, for the metrics.
    pub(super) fn count(&self, allowed: bool) {
        let own = self.decisions.own();
        if allowed { &own.allowed } else { &own.denied }.add(1);
    }
}

impl<'a> InUse<'a> {
    fn limiter(&self) -> Option<&'a Limiter> {
        match self {
            InUse::Default(limiter) => *limiter,
            InUse::Named(named) => Some(&named.limiter),
            InUse::Logins(limiter, _) => Some(limiter),
            InUse::Own(..) => None,
        }
    }

    /// Who is counted in a shared store. `None`: the limit is switched off.
    pub(super) fn whom<'n>(&'n self, name: &'n [u8]) -> Option<Whom<'n>> {
        let (policy, name, limit, window) = match self {
            // No policy has an empty name.
            InUse::Own(window, id) => ("", id.as_bytes(), window.limit(), window.length()),
            InUse::Default(limiter) => {
                let limiter = (*limiter)?;
                (DEFAULT, name, limiter.limit(), limiter.window())
            }
            InUse::Named(named) => {
                let policy = &named.policy;
                (policy.name.as_str(), name, policy.limit, policy.window)
            }
            InUse::Logins(limiter, policy) => (*policy, name, limiter.limit(), limiter.window()),
        };
        Some(Whom {
            policy,
            name,
            limit,
            window,
        })
    }

    /// For callers that cannot be given an error: a request that could not be counted is refused.
    pub(super) fn or_refused(&self, decision: Decision) -> Option<Admission> {
        decision.unwrap_or_else(|_| {
            let whom = self.whom(&[])?;
            Some(Admission {
                allowed: false,
                limit: whom.limit,
                remaining: 0,
                window: whom.window,
                reset: Duration::from_secs(1).min(whom.window),
            })
        })
    }

    /// How much requests may cost together in any window.
    pub(super) fn limit(&self) -> Option<u32> {
        match self {
            InUse::Own(window, _) => Some(window.limit()),
            _ => self.limiter().map(Limiter::limit),
        }
    }

    pub(super) fn admit(&self, name: &[u8], cost: u32) -> Option<Admission> {
        match self {
            InUse::Own(window, _) => Some(window.admit(cost)),
            _ => Some(self.limiter()?.admit_cost(name, cost)),
        }
    }

    pub(super) fn peek(&self, name: &[u8], cost: u32) -> Option<Admission> {
        match self {
            InUse::Own(window, _) => Some(window.peek(cost)),
            _ => Some(self.limiter()?.peek(name, cost)),
        }
    }

    /// Forgets what is counted for a name and returns what it cost.
    pub(super) fn reset(&self, name: &[u8]) -> u32 {
        match self {
            InUse::Own(window, _) => window.reset(),
            _ => self.limiter().map_or(0, |limiter| limiter.reset(name)),
        }
    }
}

/// What a policy counts a name under.
pub(super) fn key<'n>(found: &InUse<'_>, name: &'n str) -> Result<Cow<'n, [u8]>, Error> {
    match found {
        InUse::Named(named) if named.policy.per == Per::Address => {
            let key = match name {
                "unix" => Counted::default(),
                name => counted(parse(name).ok_or_else(|| {
                    Error::InvalidInput(format!(
                        "The name must be an IP address, or unix: the policy {} counts addresses.",
                        named.policy.name
                    ))
                })?),
            };
            Ok(Cow::Owned(key.to_vec()))
        }
        _ => Ok(Cow::Borrowed(name.as_bytes())),
    }
}
