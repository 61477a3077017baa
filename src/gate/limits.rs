//! Limits on requests: the one of users, called `default`, and the named ones, each with a cost for each request.

use std::borrow::Cow;

use super::Gate;
use super::audit::{Asker, AuditEvent};
use super::limited::{API_KEY, USER, kind_of};
use super::policies::{InUse, key};
use crate::Error;
use crate::limiter::shared::Decision;
use crate::limiter::{Admission, DEFAULT, Limiter, Policy};
use crate::tokens::Claims;

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
    /// although the policy counts addresses. [`Error::Store`] if the shared store does not answer and `SEALGATE_LIMITER_DOWN` is
    /// `closed`.
    pub fn limit(&self, name: &str, policy: &str, cost: u32) -> Result<Option<Admission>, Error> {
        let found = self.in_use(policy, cost, None)?;
        let key = key(&found, name)?;
        self.count(&found, &key, name, cost)
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
        self.peek_limit_of(name, policy, cost, None)
    }

    /// The same; the own limit of an API key takes the place of `default`.
    pub(super) fn peek_limit_of(
        &self,
        name: &str,
        policy: &str,
        cost: u32,
        api_key: Option<&str>,
    ) -> Result<Option<Admission>, Error> {
        let found = self.in_use(policy, cost, api_key)?;
        let key = key(&found, name)?;
        self.seen(&found, &key, cost, false)
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
        self.reset(&found, &key, (Some(name), None), asker)
    }

    /// The same for an API key's own limit.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if there is no such key, or it has no limit of its own; those of
    /// [`reset_limit`](Self::reset_limit).
    pub(crate) fn reset_own_limit_by(&self, id: &str, asker: Asker<'_>) -> Result<bool, Error> {
        match self.default_for(Some(id)) {
            found @ InUse::Own(..) => self.reset(&found, &[], (None, Some(id)), asker),
            _ => Err(Error::InvalidInput(
                "There is no API key with this id and a limit of its own.".into(),
            )),
        }
    }

    /// Forgets what a limit has counted, on all machines. Recorded with the user or the API key that it concerns.
    fn reset(
        &self,
        found: &InUse<'_>,
        name: &[u8],
        (user, api_key): (Option<&str>, Option<&str>),
        asker: Asker<'_>,
    ) -> Result<bool, Error> {
        let event = AuditEvent::LimitReset;
        self.trail().permit(event, user, asker)?;
        let counted = found.reset(name);
        let done = match (&self.inner.fleet, found.whom(name)) {
            (Some(fleet), Some(whom)) => fleet.reset(whom).map(|shared| counted.max(shared)),
            _ => Ok(counted),
        };
        let result = match &done {
            Ok(0) => "not_found",
            Ok(_) => "ok",
            Err(_) => "error",
        };
        self.trail().record_key(event, result, user, api_key, asker);
        Ok(done? > 0)
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
            let key = key(&found, &charge.name)?;
            all.push((charge, found, key));
        }
        if all.len() > 1 {
            let mut states = Vec::with_capacity(all.len());
            for (charge, found, key) in &all {
                if let Some(state) = self.seen(found, key, charge.cost, true)? {
                    states.push((*charge, found, state));
                }
            }
            if states.iter().any(|(_, _, state)| !state.allowed) {
                for (charge, found, state) in states.iter().filter(|(_, _, state)| !state.allowed) {
                    self.note(found, &charge.name, state);
                }
                return Ok(states
                    .into_iter()
                    .map(|(charge, _, state)| (charge.policy, state))
                    .collect());
            }
        }
        // A request on another thread may still come between: then this one is refused, though some have counted it.
        let mut states = Vec::with_capacity(all.len());
        for (charge, found, key) in &all {
            if let Some(state) = self.count(found, key, &charge.name, charge.cost)? {
                states.push((charge.policy, state));
            }
        }
        Ok(states)
    }

    /// Counts a request of whoever presented these claims, as [`admit`](Self::admit) does. `None`: the shared store would have
    /// to be asked, and the caller must not wait.
    pub(crate) fn decide(&self, claims: &Claims, may_wait: bool) -> Option<Decision> {
        let (found, name) = (self.default_for(claims.api_key()), claims.subject());
        let key = name.as_bytes();
        let fleet = self.inner.fleet.as_ref().filter(|_| !may_wait);
        let Some(fleet) = fleet else {
            return Some(self.count(&found, key, name, 1));
        };
        let Some(whom) = found.whom(key) else {
            return Some(Ok(None));
        };
        let decision = fleet.admit_at_once(whom, 1, &|cost| found.admit(key, cost))?;
        Some(self.noted(&found, name, decision))
    }

    /// Counts a login against a limit on logins, and returns the limit's state. `policy`: what it is called in a shared store.
    pub(crate) fn count_login(&self, limiter: &Limiter, policy: &str, name: &[u8]) -> Decision {
        self.admitted(&InUse::Logins(limiter, policy), name, 1)
    }

    /// The same, but counts nothing.
    pub(crate) fn peek_login(&self, limiter: &Limiter, policy: &str, name: &[u8]) -> Decision {
        self.seen(&InUse::Logins(limiter, policy), name, 1, false)
    }

    /// Forgets the logins that it has counted. `false` if there are none.
    ///
    /// # Errors
    /// Those of [`reset_limit`](Self::reset_limit).
    pub(crate) fn reset_login_by(
        &self,
        limiter: &Limiter,
        policy: &str,
        name: &[u8],
        asker: Asker<'_>,
    ) -> Result<bool, Error> {
        self.reset(&InUse::Logins(limiter, policy), name, (None, None), asker)
    }

    /// Counts a request of `name`, which the limit counts under `key`, for the metrics and administrators as well.
    pub(super) fn count(&self, found: &InUse<'_>, key: &[u8], name: &str, cost: u32) -> Decision {
        self.noted(found, name, self.admitted(found, key, cost))
    }

    fn admitted(&self, found: &InUse<'_>, key: &[u8], cost: u32) -> Decision {
        match &self.inner.fleet {
            None => Ok(found.admit(key, cost)),
            Some(fleet) => match found.whom(key) {
                None => Ok(None),
                Some(whom) => fleet.admit(whom, cost, &|cost| found.admit(key, cost)),
            },
        }
    }

    fn noted(&self, found: &InUse<'_>, name: &str, decision: Decision) -> Decision {
        match &decision {
            Ok(Some(state)) => self.note(found, name, state),
            Ok(None) => {}
            Err(_) => self.count_decision(found, false),
        }
        decision
    }

    fn note(&self, found: &InUse<'_>, name: &str, state: &Admission) {
        self.count_decision(found, state.allowed);
        let (policy, kind, who) = match found {
            InUse::Default(_) => (DEFAULT, USER, name),
            InUse::Own(_, id) => (DEFAULT, API_KEY, *id),
            InUse::Named(named) => {
                let policy = &named.policy;
                (policy.name.as_str(), kind_of(policy.per, name), name)
            }
            InUse::Logins(..) => return,
        };
        self.inner.limited.note(state, policy, kind, who);
    }

    /// Whether to count a request may mean to wait for the shared store.
    pub(crate) fn counts_in_store(&self) -> bool {
        self.inner.fleet.is_some()
    }

    /// `at_once`: what this process knows itself suffices.
    fn seen(&self, found: &InUse<'_>, name: &[u8], cost: u32, at_once: bool) -> Decision {
        match &self.inner.fleet {
            None => Ok(found.peek(name, cost)),
            Some(fleet) => match found.whom(name) {
                None => Ok(None),
                Some(whom) => fleet.peek(whom, cost, at_once, &|cost| found.peek(name, cost)),
            },
        }
    }

    fn count_decision(&self, found: &InUse<'_>, allowed: bool) {
        match found {
            InUse::Default(_) | InUse::Own(..) => self.inner.counts.limiter(allowed),
            InUse::Named(named) => named.count(allowed),
            InUse::Logins(..) => {}
        }
    }

    /// The limit of users, or the own one of this API key in its place.
    pub(super) fn default_for<'a>(&'a self, api_key: Option<&'a str>) -> InUse<'a> {
        match api_key.and_then(|id| Some((self.inner.api_keys.window(id)?, id))) {
            Some((window, id)) => InUse::Own(window, id),
            None => InUse::Default(self.inner.limiter.as_ref()),
        }
    }

    /// A policy that can admit this cost. `api_key`: whose own limit, if it has one, takes the place of `default`.
    pub(super) fn in_use<'a>(
        &'a self,
        policy: &str,
        cost: u32,
        api_key: Option<&'a str>,
    ) -> Result<InUse<'a>, Error> {
        let found = match policy {
            DEFAULT => self.default_for(api_key),
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
