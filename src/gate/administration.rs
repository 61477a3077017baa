//! What administrators see of a gate besides accounts and keys: the latest events, and who has reached a limit.

use std::sync::Arc;

use super::Gate;
use super::limited::{ADDRESS, API_KEY, Counted};
use super::recent::RecentEvent;
use crate::limiter::{Admission, Policy};

/// The limit on logins from an address, which the API counts.
pub(crate) const LOGIN: &str = "login";

/// Which events an administrator asks for; what is `None` does not matter.
#[derive(Debug, Default)]
pub(crate) struct EventFilter {
    pub(crate) event: Option<String>,
    /// The user whom it concerns.
    pub(crate) user: Option<String>,
    /// The administrator who asked for it.
    pub(crate) by: Option<String>,
    /// Not before, and not after; in seconds since 1970-01-01 UTC.
    pub(crate) since: Option<u64>,
    pub(crate) until: Option<u64>,
    /// In any of its texts; ASCII letters in either case.
    pub(crate) text: Option<String>,
}

impl Gate {
    /// From now on this gate keeps in memory what administrators see.
    pub(crate) fn keep_for_administrators(&self) {
        self.trail().keep_recent();
        self.inner.limited.keep();
    }

    /// The events that are kept, oldest first.
    pub(crate) fn recent_events(&self) -> Vec<Arc<RecentEvent>> {
        self.trail().recent()
    }

    /// The test for events that a filter lets through.
    pub(crate) fn event_test(&self, filter: EventFilter) -> impl Fn(&RecentEvent) -> bool {
        let pseudonyms = self.trail().pseudonyms();
        let named = |name: Option<String>| {
            name.map(|name| {
                let who = pseudonyms.pseudonym(&name);
                // Without a key nobody has one.
                let who = Some(who).filter(|who| who != "-");
                (name, who)
            })
        };
        let (user, by) = (named(filter.user), named(filter.by));
        let text = filter.text.map(|text| text.to_ascii_lowercase());
        let is = |wanted: &Option<(String, Option<String>)>, name: &str, who: &str| {
            wanted
                .as_ref()
                .is_none_or(|(text, pseudonym)| text == name || pseudonym.as_deref() == Some(who))
        };
        move |event| {
            filter.event.as_ref().is_none_or(|name| name == event.event)
                && is(&user, event.user(), event.kept_who())
                && is(&by, event.by(), event.by_who())
                && filter.since.is_none_or(|since| event.time >= since)
                && filter.until.is_none_or(|until| event.time <= until)
                && text.as_ref().is_none_or(|text| {
                    let has = |it: &str| it.to_ascii_lowercase().contains(text);
                    event.texts().into_iter().any(has) || has(&event.who(pseudonyms))
                })
        }
    }

    /// The limit of users and the named ones, in the order of the settings.
    pub(crate) fn all_policies(&self, default_costs_by_item: bool) -> Vec<Policy> {
        let default = Policy {
            cost_by_item: default_costs_by_item,
            ..self.inner.limits.of_users().clone()
        };
        let named = self.policies().cloned();
        std::iter::once(default).chain(named).collect()
    }

    /// Notes an address that has reached the limit [`LOGIN`].
    pub(crate) fn note_login(&self, state: &Admission, address: &dyn std::fmt::Display) {
        if !state.allowed || state.remaining == 0 {
            let address = address.to_string();
            self.inner.limited.note(state, LOGIN, ADDRESS, &address);
        }
    }

    /// Who is at a limit now, with its state and whether a request has been refused within the window. `foreign`: the state
    /// of one that [`note_login`](Self::note_login) has noted, or of no policy of the gate.
    pub(crate) fn limited_now(
        &self,
        foreign: impl Fn(&Counted) -> Option<Admission>,
    ) -> Vec<(Counted, Admission, bool)> {
        self.inner.limited.now(|counted| {
            if let Some(state) = foreign(counted) {
                return Some(state);
            }
            let api_key = (counted.kind == API_KEY).then_some(&*counted.who);
            let state = self.peek_limit_of(&counted.who, &counted.policy, 1, api_key);
            state.ok().flatten()
        })
    }
}
