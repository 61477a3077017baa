//! Limits on requests: the one of users, called `default`, and the named ones, each with a cost for each request.

use std::borrow::Cow;

use super::Gate;
use super::audit::{Asker, AuditEvent};
use super::limited::{API_KEY, USER, kind_of};
use super::policies::{InUse, key};
use crate::Error;
use crate::limiter::{Admission, DEFAULT, Policy};

/// What a request costs under one policy.
pub(crate) struct Charge<'a> {
    pub(crate) policy: &'a str,
    /// Who is counted.
    pub(crate) name: Cow<'a, str>,
    pub(crate) cost: u32,
    /// The API key of the request, whose own limit takes the place of `default`.
    pub(crate) api_key: Option<&'a str>,
}

impl Gate {
    /// The named limits, as the settings list them. `default` is not among them.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.inner.limits.all()
    }

    /// The named limit with this name.
    pub(crate) fn policy(&self, name: &str) -> Option<&Policy> {
        self.inner.limits.find(name).map(|named| &named.policy)
    }

    /// Counts a request of `name` against a policy: `default`, or one of [`policies`](Self::policies). It is admitted as a
    /// whole or not at all. A cost of 0 counts nothing. `None` if the policy is `default` and switched off.
    ///
    /// `name` is a user; for a policy per API key, the key's id; for one per address, an address, or `unix` for the clients
    /// of Unix sockets.
    ///
    /// ```
    /// # fn main() -> Result<(), sealgate::Error> {
    /// let mut config = sealgate::Config::new();
    /// config.set("keys", "ephemeral")?;
    /// config.set("limits", "exports: 10 per 3600")?;
    /// let gate = sealgate::Gate::new(&config.settings()?.gate)?;
    ///
    /// let admission = gate.limit("alice", "exports", 4)?.expect("only default can be switched off");
    /// assert!(admission.allowed);
    /// assert_eq!((admission.limit, admission.remaining), (10, 6));
    /// assert!(!gate.limit("alice", "exports", 7)?.expect("as above").allowed);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if there is no such policy, the cost is more than its limit, or a name is not an address
    /// although the policy counts addresses.
    pub fn limit(&self, name: &str, policy: &str, cost: u32) -> Result<Option<Admission>, Error> {
        let found = self.in_use(policy, cost, None)?;
        let key = key(&found, name)?;
        let admission = self.count(&found, &key, cost);
        self.note_limited(admission.as_ref(), (policy, &found), name);
        Ok(admission)
    }

    /// Whether a request of this cost would be admitted now, and how much is left. Counts nothing.
    ///
    /// # Errors
    /// Those of [`limit`](Self::limit).
    pub fn peek_limit(
        &self,
        name: &str,
        policy: &str,
        cost: u32,
    ) -> Result<Option<Admission>, Error> {
        let found = self.in_use(policy, cost, None)?;
        let name = key(&found, name)?;
        Ok(found.peek(&name, cost))
    }

    /// Forgets the requests of `name` that a policy has counted, so that the whole limit is left. `false` if there are none.
    /// The audit trail gets the event `limit.reset`.
    ///
    /// # Errors
    /// Those of [`limit`](Self::limit); [`Error::Audit`].
    pub fn reset_limit(&self, name: &str, policy: &str) -> Result<bool, Error> {
        self.reset_limit_by(name, policy, Asker::LIBRARY)
    }

    /// The same on behalf of `asker`, who is named in the audit trail.
    ///
    /// # Errors
    /// Those of [`reset_limit`](Self::reset_limit).
    pub fn reset_limit_by(
        &self,
        name: &str,
        policy: &str,
        asker: Asker<'_>,
    ) -> Result<bool, Error> {
        let found = self.in_use(policy, 0, None)?;
        let key = key(&found, name)?;
        let (event, whom) = (AuditEvent::LimitReset, Some(name));
        self.trail().permit(event, whom, asker)?;
        let counted = found.reset(&key);
        let result = if counted > 0 { "ok" } else { "not_found" };
        self.trail().record(event, result, whom, asker);
        Ok(counted > 0)
    }

    /// Whether a policy exists and can admit this cost.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if not.
    pub(crate) fn check_cost(&self, policy: &str, cost: u32) -> Result<(), Error> {
        self.in_use(policy, cost, None).map(drop)
    }

    /// Counts a request against several policies: against all of them, or against none if one of them has no room. Returns
    /// their states; a policy that is switched off has none.
    ///
    /// # Errors
    /// Those of [`limit`](Self::limit); nothing is counted then.
    pub(crate) fn charge<'a>(
        &self,
        charges: &[Charge<'a>],
    ) -> Result<Vec<(&'a str, Admission)>, Error> {
        let mut all = Vec::with_capacity(charges.len());
        for charge in charges {
            let found = self.in_use(charge.policy, charge.cost, charge.api_key)?;
            let name = key(&found, &charge.name)?;
            all.push((charge, found, name, charge.cost));
        }
        if all.len() > 1 {
            let states: Vec<_> = all
                .iter()
                .filter_map(|(charge, found, name, cost)| {
                    Some((*charge, found, found.peek(name, *cost)?))
                })
                .collect();
            if states.iter().any(|(_, _, state)| !state.allowed) {
                for (charge, found, state) in states.iter().filter(|(_, _, state)| !state.allowed) {
                    self.count_decision(found, false);
                    self.note_charge(state, charge, found);
                }
                return Ok(states
                    .into_iter()
                    .map(|(charge, _, state)| (charge.policy, state))
                    .collect());
            }
        }
        // A request on another thread may still come between: then this one is refused, though some have counted it.
        let states = all.iter().filter_map(|(charge, found, name, cost)| {
            let state = self.count(found, name, *cost)?;
            self.note_charge(&state, charge, found);
            Some((charge.policy, state))
        });
        Ok(states.collect())
    }

    fn note_charge(&self, state: &Admission, charge: &Charge<'_>, found: &InUse<'_>) {
        let who = match (found, charge.api_key) {
            (InUse::Own(_), Some(id)) => id,
            _ => &charge.name,
        };
        self.note_limited(Some(state), (charge.policy, found), who);
    }

    /// Lets administrators see whoever has reached a limit.
    fn note_limited(
        &self,
        state: Option<&Admission>,
        (policy, found): (&str, &InUse<'_>),
        who: &str,
    ) {
        let kind = match found {
            InUse::Default(_) => USER,
            InUse::Own(_) => API_KEY,
            InUse::Named(named) => kind_of(named.policy.per, who),
        };
        if let Some(state) = state {
            self.inner.limited.note(state, policy, kind, who);
        }
    }

    fn count(&self, found: &InUse<'_>, name: &[u8], cost: u32) -> Option<Admission> {
        let admission = found.admit(name, cost)?;
        self.count_decision(found, admission.allowed);
        Some(admission)
    }

    fn count_decision(&self, found: &InUse<'_>, allowed: bool) {
        match found {
            InUse::Default(_) | InUse::Own(_) => self.inner.counts.limiter(allowed),
            InUse::Named(named) => named.count(allowed),
        }
    }

    /// A policy that can admit this cost. `api_key`: whose own limit, if it has one, takes the place of `default`.
    pub(super) fn in_use(
        &self,
        policy: &str,
        cost: u32,
        api_key: Option<&str>,
    ) -> Result<InUse<'_>, Error> {
        let found = match policy {
            DEFAULT => match api_key.and_then(|id| self.inner.api_keys.window(id)) {
                Some(window) => InUse::Own(window),
                None => InUse::Default(self.inner.limiter.as_ref()),
            },
            _ => InUse::Named(self.inner.limits.find(policy).ok_or_else(|| {
                Error::InvalidInput(
                    "There is no rate limit policy of this name. The setting limits defines policies; default is always \
                     there."
                        .into(),
                )
            })?),
        };
        match found.limit() {
            Some(limit) if cost > limit => Err(Error::InvalidInput(format!(
                "The cost must be at most {limit}, the limit of the policy {policy}."
            ))),
            _ => Ok(found),
        }
    }
}

#[cfg(test)]
#[cfg(feature = "server")]
#[path = "limits_tests.rs"]
mod tests;
