//! Gate: everything a caller may do, in one handle. The server, the command, the C library and Rust programs all use it.
//!
//! Account logins are in `login`, introspection in `introspection`, revocation in `revocation`, encryption in `data` and, with
//! a time, in `timed`, signed data in `signed`, changes of accounts in `accounts` and, on a condition, in `edits`, those of
//! clients and their tokens in `clients`, API keys in `api_keys`, changes of keys in `key_admin`, named limits in `limits` and `policies`, backups in
//! `backup`, copies of a whole store in `store_copy`, what administrators see in `administration`, `limited` and `recent`, the audit
//! trail in `audit` (with `events` and `pseudonyms`), the metrics in `metrics` and `counts`, and what a shared store counts in
//! `fleet`.

mod accounts;
mod administration;
mod api_keys;
pub mod audit;
#[cfg(feature = "store")]
pub mod backup;
mod clients;
mod counts;
mod data;
mod edits;
mod events;
mod fleet;
mod introspection;
mod key_admin;
mod limited;
mod limits;
mod login;
#[cfg(feature = "server")]
mod metrics;
mod policies;
mod pseudonyms;
mod recent;
mod revocation;
mod settings;
mod signed;
#[cfg(feature = "store")]
pub mod store_copy;
mod timed;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::base::api_key::is_meant_as_key;
use crate::base::private_files;
use crate::base::waker::Waker;
use crate::cipher::CbcMode;
use crate::gate::audit::{Asker, AuditEvent, Pseudonyms, Trail};
use crate::keys::{self, KeyOrigin, KeyRing, Keys};
use crate::limiter::shared::Shared;
use crate::limiter::{Admission, Limiter};
use crate::store::Ledger;
use crate::tokens::{ApiKeys, Claims, Grant, Made, TokenRules, TokenSpec, TokenUse};
use crate::users::Users;
use crate::{Error, TokenError};

pub use accounts::Accounts;
pub(crate) use administration::{EventFilter, LOGIN};
pub use api_keys::ApiKeyAdmin;
pub use clients::Clients;
use counts::Counts;
pub(crate) use data::Sources;
pub use edits::ADMIN_SCOPE;
pub use key_admin::KeyAdmin;
pub(crate) use limited::Counted as Limited;
pub(crate) use limits::Charge;
pub use login::{Refreshed, Tokens};
use policies::Limits;
pub(crate) use recent::RecentEvent;
pub use settings::Settings;
pub use signed::Unsigned;

/// Issues and checks tokens, encrypts and decrypts data, and limits callers.
///
/// Cheap to clone: clones share keys and counters. `Send` and `Sync`; calls from many threads do not wait for one another,
/// except for some nanoseconds when two callers share one of the limiter's 64 shards.
#[derive(Clone)]
pub struct Gate {
    inner: Arc<Inner>,
}

struct Inner {
    keys: Arc<Keys>,
    key_settings: keys::Settings,
    tokens: TokenRules,
    ledger: Arc<Ledger>,
    users: Users,
    api_keys: ApiKeys,
    trail: Trail,
    refresh_ttl: Duration,
    token_key_lead: Duration,
    /// `None`: the limit is switched off.
    limiter: Option<Limiter>,
    limits: Limits,
    /// The limits count in the shared store, if there is one.
    fleet: Option<Shared>,
    limited: limited::Limited,
    counts: Counts,
    /// Of the thread that records what keys have been used for.
    waker: Arc<Waker>,
}

/// Why a token does not permit a request.
pub(crate) struct Denied {
    /// What is wrong with the token; `None`: it lacks the scope.
    pub(crate) why: Option<TokenError>,
    /// The token's user, if known.
    pub(crate) user: Option<String>,
}

impl Gate {
    /// Creates a gate. It touches the file system only if `settings.keys.data_dir` is set: the key ring is read from there,
    /// and created if keys are missing.
    ///
    /// # Errors
    /// [`Error::Setting`] if the settings supply no keys; [`Error::KeyRing`] if the ring cannot be read, trusted or
    /// written.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let limiter = Limiter::of(&settings.limiter)?;
        let limits = Limits::new(&settings.limiter)?;
        if let Some(folder) = &settings.keys.data_dir {
            // On failure, whatever later reads or writes a file there reports why; without files there is nothing to protect.
            let _ = private_files::close_to_others(folder);
        }
        let ledger = Arc::new(Ledger::new(&settings.store));
        let (keys, added) = Keys::load(&settings.keys)?;
        let keys = Arc::new(keys);
        let waker = keys.waker();
        // By now the directory exists, unless nothing is kept there.
        ledger.enter()?;
        let fleet = fleet::of(&ledger, &keys, &settings.limiter)?;
        let gate = Gate {
            inner: Arc::new(Inner {
                trail: Trail::new(Pseudonyms::from_ring(&keys.current())?, &settings.audit),
                users: Users::with_ledger(&settings.users, ledger.clone(), Some(keys.clone()))?,
                keys,
                key_settings: settings.keys.clone(),
                tokens: TokenRules::new(&settings.tokens)?,
                api_keys: ApiKeys::with_ledger(
                    ledger.clone(),
                    &settings.tokens,
                    settings.limiter.memory,
                    waker.clone(),
                )?,
                waker,
                fleet,
                ledger,
                refresh_ttl: settings.tokens.refresh_ttl,
                token_key_lead: settings.keys.rotation.token_key_lead,
                limiter,
                limits,
                limited: limited::Limited::default(),
                counts: Counts::default(),
            }),
        };
        if !added.is_empty() {
            gate.record_replaced_keys();
        }
        Ok(gate)
    }

    /// Records that keys were rotated by their age or for another algorithm.
    fn record_replaced_keys(&self) {
        self.trail()
            .record(AuditEvent::KeysRotate, "ok", None, Asker::SERVER);
    }

    /// Issues a signed token for `grant.subject`. The audit trail gets the event `token.issue`.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the subject, the scope or the claims are not acceptable, or the token would be longer than
    /// 8 KiB; [`Error::Audit`].
    pub fn issue_token(&self, grant: &Grant<'_>) -> Result<String, Error> {
        self.issue_token_by(grant, Asker::LIBRARY)
    }

    /// The same on behalf of `asker`, who is named in the audit trail.
    pub fn issue_token_by(&self, grant: &Grant<'_>, asker: Asker<'_>) -> Result<String, Error> {
        let (event, user) = (AuditEvent::TokenIssue, Some(grant.subject));
        self.trail().permit(event, user, asker)?;
        let token = self.issue(grant)?;
        self.trail().record(event, "ok", user, asker);
        Ok(token)
    }

    fn issue(&self, grant: &Grant<'_>) -> Result<String, Error> {
        let made = self.sign_token(&TokenSpec {
            grant,
            used_for: TokenUse::Access,
            session: None,
            for_client: false,
            issued_at: self.inner.ledger.issue_time(grant.subject)?,
        })?;
        Ok(made.token)
    }

    fn sign_token(&self, spec: &TokenSpec<'_>) -> Result<Made, Error> {
        let Inner { keys, tokens, .. } = &*self.inner;
        let made = tokens.issue(&keys.current(), spec)?;
        self.inner.counts.issued();
        Ok(made)
    }

    /// Verifies a token and returns its claims. Accepts our tokens, API keys and, if `JWT_SECRET_KEY` is set, tokens in the
    /// original's format.
    ///
    /// # Errors
    /// A separate error for each cause: malformed, foreign, expired, not yet valid and so on.
    pub fn verify_token(&self, token: &str) -> Result<Claims, TokenError> {
        if token.is_empty() {
            self.inner.counts.token(Some(TokenError::Missing));
            return Err(TokenError::Missing);
        }
        if is_meant_as_key(token) {
            return self.verify_api_key(token);
        }
        let Inner { tokens, ledger, .. } = &*self.inner;
        self.with_its_key(|ring| tokens.verify(ring, ledger, token))
    }

    /// Verifies a token that must be for this audience, whatever the setting `audience` is: one issued with
    /// [`Grant::audience`]. [`verify_token`](Self::verify_token) and every route refuse it, so a token for one purpose, such as
    /// confirming an address, is of no use for another. The check is not cached.
    ///
    /// # Errors
    /// Those of [`verify_token`](Self::verify_token); [`TokenError::Invalid`] if it is not for this audience.
    pub fn verify_token_for(&self, token: &str, audience: &str) -> Result<Claims, TokenError> {
        if token.is_empty() {
            self.inner.counts.token(Some(TokenError::Missing));
            return Err(TokenError::Missing);
        }
        let Inner { tokens, ledger, .. } = &*self.inner;
        self.with_its_key(|ring| tokens.verify_for(ring, ledger, token, audience))
    }

    /// Verifies a token that needs one of these scopes, or all of a set; the empty one accepts any token. A refusal is the
    /// event `denied` in the audit trail.
    pub(crate) fn permit(
        &self,
        token: &str,
        scopes: &[&str],
        asker: Asker<'_>,
    ) -> Result<Claims, Denied> {
        let has = |claims: &Claims, set: &str| {
            set.is_empty() || set.split(' ').all(|scope| claims.has_scope(scope))
        };
        let denied = match self.verify_token(token) {
            Ok(claims) if scopes.iter().any(|set| has(&claims, set)) => return Ok(claims),
            Ok(claims) => Denied {
                why: None,
                user: Some(claims.subject().to_owned()),
            },
            Err(why) => Denied {
                why: Some(why),
                user: matches!(why, TokenError::Revoked | TokenError::NoAccount)
                    .then(|| self.subject_of(token, TokenUse::Access))
                    .flatten(),
            },
        };
        let result = match denied.why {
            None => "insufficient_scope",
            Some(TokenError::Unchecked) => "unavailable",
            Some(error) => error.code(),
        };
        let user = denied.user.as_deref();
        self.trail().record(AuditEvent::Denied, result, user, asker);
        Err(denied)
    }

    /// Checks a token, except for revocation.
    fn read_token(&self, token: &str, used_for: TokenUse) -> Result<Claims, TokenError> {
        self.with_its_key(|ring| self.inner.tokens.read(ring, token, used_for))
    }

    /// Checks a token with the ring, reloaded if the token needs a newer one.
    fn with_its_key(
        &self,
        check: impl Fn(&KeyRing) -> Result<Claims, TokenError>,
    ) -> Result<Claims, TokenError> {
        let keys = &self.inner.keys;
        let ring = keys.current();
        let checked = match check(&ring) {
            // Another process may have just created the key.
            Err(TokenError::Invalid) if keys.has_newer_than(&ring) => check(&keys.current()),
            checked => checked,
        };
        self.inner.counts.token(checked.as_ref().err().copied());
        checked
    }

    /// The public keys that verify tokens, each a JSON Web Key (RFC 7517), oldest first. Only accepted keys are included, and
    /// HS256 keys have no public half.
    pub fn public_keys(&self) -> Vec<serde_json::Value> {
        self.inner.keys.current().public_jwks()
    }

    /// How long others may cache [`public_keys`](Self::public_keys): a third of the time for which a new key is published
    /// before it signs. The other two thirds allow for clients that keep a copy even longer.
    pub fn public_keys_max_age(&self) -> Duration {
        const LONGEST: Duration = Duration::from_secs(300);
        let third = self.inner.token_key_lead.as_secs() / 3;
        Duration::from_secs(third).min(LONGEST)
    }

    /// How long a new token lives unless the grant sets it.
    pub fn token_ttl(&self) -> Duration {
        self.inner.tokens.ttl()
    }

    /// Reloads the key ring so that changes take effect at once; otherwise they do within half a second.
    ///
    /// # Errors
    /// [`Error::KeyRing`] if the ring cannot be read or trusted; the previous keys stay in use.
    pub fn reload_keys(&self) -> Result<(), Error> {
        self.inner.keys.reload()
    }

    /// Replaces keys of the ring that have reached the age limit in the settings and returns the new ones. A server does
    /// this on its own.
    ///
    /// # Errors
    /// [`Error::KeyRing`] if the ring cannot be read, trusted or written, and [`Error::Audit`]; it is then unchanged.
    pub fn rotate_old_keys(&self) -> Result<Vec<KeyOrigin>, Error> {
        let added = self.inner.keys.rotate_old(|| self.trail().check())?;
        if !added.is_empty() {
            self.record_replaced_keys();
        }
        Ok(added)
    }

    /// Saves how many messages the ring's newest data key has sealed, for `sealgate keys list`, and the hours in which API keys
    /// were last used. This happens automatically within a second in a server, from time to time in other calls, and when the last
    /// clone of a gate is dropped; a program that exits without dropping it should call this. Failures are logged.
    pub fn write_key_usage(&self) {
        self.inner.keys.write_usage();
        self.inner.api_keys.write_uses();
    }

    /// Sleeps until [`write_key_usage`](Self::write_key_usage) has something to record or the thread is unparked, for at most `most`;
    /// whether there is something.
    pub(crate) fn sleep_until_keys_are_used(&self, most: Duration) -> bool {
        let (keys, api_keys) = (&self.inner.keys, &self.inner.api_keys);
        let is_work = || keys.has_unwritten_usage() || api_keys.has_unwritten_uses();
        self.inner.waker.sleep(most, is_work)
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.inner.keys
    }

    fn key_settings(&self) -> &keys::Settings {
        &self.inner.key_settings
    }

    /// Whether the key ring's file still has to be sealed under the secret in the settings.
    pub fn is_ring_to_be_sealed(&self) -> bool {
        self.inner.keys.is_to_be_sealed()
    }

    /// Why the current key ring file is not in use, if so: the previous keys are.
    pub fn key_trouble(&self) -> Option<String> {
        self.inner.keys.trouble()
    }

    /// Counts a request of `username` and returns whether it is admitted. `None` if the limit is switched off. If the shared
    /// store does not answer and `SEALGATE_LIMITER_DOWN` is `closed`, it is refused; [`limit`](Self::limit) returns the error.
    pub fn enforce_rate_limit(&self, username: &str) -> Option<Admission> {
        let found = self.default_for(None);
        found.or_refused(self.count(&found, username.as_bytes(), username, 1))
    }

    /// The keys and where they come from, without their secrets; oldest first.
    pub fn key_origins(&self) -> Vec<KeyOrigin> {
        self.inner.keys.current().origins()
    }

    /// How many passwords are hashed at a time.
    pub(crate) fn hashing_places(&self) -> usize {
        self.inner.users.places()
    }

    /// The audit trail. It is open at the first event, or after [`Trail::open`].
    pub fn trail(&self) -> &Trail {
        &self.inner.trail
    }

    /// Whether and how the original's AES-CBC is supported.
    pub fn cbc_mode(&self) -> CbcMode {
        self.inner.keys.current().cbc_mode()
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("keys", &self.key_origins())
            .field("limiter", &self.inner.limiter)
            .field("limits", &self.inner.limits)
            .finish_non_exhaustive()
    }
}
