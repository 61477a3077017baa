//! What the gate counts for the metrics.

use crate::TokenError;
use crate::metrics::{Codes, Count, Sharded};
#[cfg(feature = "server")]
use crate::metrics::{Page, label};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Counts {
    often: Sharded<Often>,
    /// Tokens refused, by the reason's code.
    refused: Codes,
}

/// What may happen at every request.
#[derive(Debug, Default)]
struct Often {
    verified: Count,
    issued: Count,
    admitted: Count,
    limited: Count,
    sealed: Count,
    opened: Count,
    not_opened: Count,
}

impl Counts {
    #[cfg(feature = "server")]
    pub(super) fn collect(&self, page: &mut Page) {
        let sum = |count: fn(&Often) -> &Count| self.often.sum(count);
        page.counter(
            "sealgate_tokens_issued",
            "Access and refresh tokens issued",
            sum(|often| &often.issued),
        );
        page.counter(
            "sealgate_tokens_verified",
            "Tokens that were found valid",
            sum(|often| &often.verified),
        );
        let refused = self.refused.all().into_iter();
        page.counters(
            "sealgate_tokens_refused",
            "Tokens that were found invalid, by the code of the reason",
            refused.map(|((code, _), count)| (label("reason", code), count)),
        );
        page.counters(
            "sealgate_limiter_decisions",
            "Requests of users counted by the rate limit",
            [
                (label("result", "allowed"), sum(|often| &often.admitted)),
                (label("result", "denied"), sum(|often| &often.limited)),
            ],
        );
        page.counter(
            "sealgate_sealed",
            "Messages and streams encrypted",
            sum(|often| &often.sealed),
        );
        page.counters(
            "sealgate_opened",
            "Messages decrypted, or refused",
            [
                (label("result", "ok"), sum(|often| &often.opened)),
                (label("result", "error"), sum(|often| &often.not_opened)),
            ],
        );
    }

    pub(super) fn token(&self, refused: Option<TokenError>) {
        match refused {
            None => self.often.own().verified.add(1),
            Some(error) => self.refused.add(error.code(), ""),
        }
    }

    pub(super) fn issued(&self) {
        self.often.own().issued.add(1);
    }

    pub(super) fn limiter(&self, allowed: bool) {
        let own = self.often.own();
        if allowed { &own.admitted } else { &own.limited }.add(1);
    }

    pub(super) fn sealed(&self) {
        self.often.own().sealed.add(1);
    }

    pub(super) fn opened<T, E>(&self, done: Result<T, E>) -> Result<T, E> {
        let own = self.often.own();
        if done.is_ok() {
            &own.opened
        } else {
            &own.not_opened
        }
        .add(1);
        done
    }
}
