//! Who has reached a limit lately, kept for administrators: the limits themselves do not know the names that they count.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::base::sync::{lock, try_lock};
use crate::limiter::{Admission, Per};

pub(super) const USER: &str = "user";
pub(super) const API_KEY: &str = "api-key";
pub(super) const ADDRESS: &str = "address";

/// Whom a named limit counts under this name.
pub(super) fn kind_of(per: Per, who: &str) -> &'static str {
    match per {
        Per::User => USER,
        // No id has a space.
        Per::ApiKey if who.contains(' ') => USER,
        Per::ApiKey => API_KEY,
        Per::Address => ADDRESS,
    }
}

/// How many are remembered.
const MOST: usize = 1_024;

/// Whom a limit counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Counted {
    pub(crate) policy: String,
    /// `user`, `api-key` or `address`.
    pub(crate) kind: &'static str,
    pub(crate) who: String,
}

#[derive(Debug, Clone, Copy)]
struct Noted {
    at: Instant,
    /// When a request was last refused.
    refused: Option<Instant>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Limited {
    is_kept: AtomicBool,
    noted: Mutex<HashMap<Counted, Noted>>,
}

impl Limited {
    /// From now on they are remembered.
    pub(super) fn keep(&self) {
        self.is_kept.store(true, Ordering::Relaxed);
    }

    /// Notes whoever has reached a limit. Most have not, and cost nothing.
    pub(super) fn note(&self, admission: &Admission, policy: &str, kind: &'static str, who: &str) {
        if admission.allowed && admission.remaining > 0 || !self.is_kept.load(Ordering::Relaxed) {
            return;
        }
        // Whoever is refused again and again is noted often enough.
        let Some(mut noted) = try_lock(&self.noted) else {
            return;
        };
        let counted = Counted {
            policy: policy.to_owned(),
            kind,
            who: who.to_owned(),
        };
        if noted.len() >= MOST && !noted.contains_key(&counted) {
            let oldest = noted.iter().min_by_key(|(_, noted)| noted.at);
            if let Some(oldest) = oldest.map(|(counted, _)| counted.clone()) {
                noted.remove(&oldest);
            }
        }
        let now = Instant::now();
        let entry = noted.entry(counted).or_insert(Noted {
            at: now,
            refused: None,
        });
        entry.at = now;
        if !admission.allowed {
            entry.refused = Some(now);
        }
    }

    /// Those who are at their limit now, each with its state and whether a request has been refused within the window. `state`:
    /// of one that was noted, if it is still limited; the others are forgotten.
    pub(super) fn now(
        &self,
        state: impl Fn(&Counted) -> Option<Admission>,
    ) -> Vec<(Counted, Admission, bool)> {
        let noted: Vec<(Counted, Noted)> = {
            let noted = lock(&self.noted);
            noted
                .iter()
                .map(|(who, noted)| (who.clone(), *noted))
                .collect()
        };
        let (mut found, mut gone) = (Vec::new(), Vec::new());
        for (counted, noted) in noted {
            match state(&counted).filter(|state| !state.allowed || state.remaining == 0) {
                Some(state) => {
                    let refused = noted.refused;
                    let refused = refused.is_some_and(|at| at.elapsed() <= state.window);
                    found.push((counted, state, refused));
                }
                None => gone.push((counted, noted.at)),
            }
        }
        let mut noted = lock(&self.noted);
        for (counted, at) in gone {
            // Unless it was noted again.
            if noted.get(&counted).is_some_and(|noted| noted.at == at) {
                noted.remove(&counted);
            }
        }
        drop(noted);
        found.sort_by(|(one, ..), (other, ..)| {
            (&one.policy, one.kind, &one.who).cmp(&(&other.policy, other.kind, &other.who))
        });
        found
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at_limit(allowed: bool) -> Admission {
        Admission {
            allowed,
            limit: 5,
            remaining: 0,
            reset: Duration::from_secs(1),
            window: Duration::from_secs(60),
        }
    }

    #[test]
    fn whoever_reaches_a_limit_is_listed_until_it_has_room() {
        let limited = Limited::default();
        limited.note(&at_limit(false), "default", "user", "early");
        limited.keep();
        limited.note(&at_limit(true), "default", "user", "bob");
        limited.note(&at_limit(false), "default", "user", "alice");
        let free = Admission {
            remaining: 1,
            ..at_limit(true)
        };
        limited.note(&free, "default", "user", "carol");
        let names = |found: Vec<(Counted, Admission, bool)>| -> Vec<(String, bool)> {
            found
                .into_iter()
                .map(|(who, _, refused)| (who.who, refused))
                .collect()
        };
        let found = names(limited.now(|_| Some(at_limit(false))));
        let expected = [("alice".to_owned(), true), ("bob".to_owned(), false)];
        assert_eq!(found, expected);
        let bob = |who: &Counted| (who.who == "bob").then(|| at_limit(true));
        assert_eq!(names(limited.now(bob)), expected[1..]);
        assert_eq!(names(limited.now(|_| Some(at_limit(false)))), expected[1..]);
    }

    #[test]
    fn an_attack_under_many_names_takes_bounded_memory() {
        let limited = Limited::default();
        limited.keep();
        for n in 0..2 * MOST {
            limited.note(&at_limit(false), "default", "user", &n.to_string());
        }
        let found = limited.now(|_| Some(at_limit(false)));
        assert_eq!(found.len(), MOST);
        assert!(
            found
                .iter()
                .any(|(who, ..)| who.who == (2 * MOST - 1).to_string())
        );
        assert!(found.iter().all(|(who, ..)| who.who != "0"));
    }
}
