//! API keys: opaque credentials for machines, accepted wherever an access token is. The store has only a hash of each.
//!
//! `key` is what is known of a key, `table` keeps all of them in memory. The text of a key is in `base::api_key`. A key permits
//! what its owner's account still permits at the moment of its use.

mod key;
mod table;

#[cfg(test)]
#[cfg(feature = "store")]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::{ArcSwap, Guard};
use openssl::sha::sha256;
use serde_json::json;
use siphasher::sip128::SipHasher24;

use super::Settings;
use super::claims::{self, Claims, OPEN_LOGIN_SCOPE};
use crate::base::api_key::{KeyText, new_key};
use crate::base::clock::unix_now;
use crate::base::sync::{lock, try_lock};
use crate::base::waker::Waker;
use crate::limiter::{self, Window, Windows};
use crate::store::{self, Account, AccountKind, Ledger, MAX_API_KEYS, StoredApiKey};
use crate::{Error, Secret, TokenError};

pub use key::{API_KEY_SCOPES, ApiKey, ApiKeyLimit, NEVER_EXPIRES, NewApiKey};
use table::{Entry, Judged, Table};

/// The API keys of a data directory. `Send` and `Sync`. The gate's `ApiKeyAdmin` changes them and records each change in the
/// audit trail.
pub struct ApiKeys {
    ledger: Arc<Ledger>,
    issuer: String,
    windows: Windows,
    hash: SipHasher24,
    table: ArcSwap<Table>,
    /// Held while the table is being replaced.
    replacing: Mutex<()>,
    /// Whether keys have been used in hours that the store does not know of.
    used: AtomicBool,
    /// Whether the last attempt to record uses failed, which is logged once.
    failed: AtomicBool,
    /// The thread that records uses, if a server has one.
    waker: Arc<Waker>,
}

impl ApiKeys {
    /// The API keys in the store's data directory. Does not open or create anything yet.
    ///
    /// # Errors
    /// [`Error::Crypto`] if the system supplies no random bytes.
    pub fn new(store: &store::Settings) -> Result<Self, Error> {
        let memory = limiter::Settings::default().memory;
        ApiKeys::with_ledger(
            Arc::new(Ledger::new(store)),
            &Settings::default(),
            memory,
            Arc::default(),
        )
    }

    /// `memory`: what the windows of all keys with limits of their own may take, in bytes. `waker`: of the thread that calls
    /// [`write_uses`](Self::write_uses).
    pub(crate) fn with_ledger(
        ledger: Arc<Ledger>,
        settings: &Settings,
        memory: usize,
        waker: Arc<Waker>,
    ) -> Result<Self, Error> {
        Ok(ApiKeys {
            ledger,
            issuer: settings.issuer.clone(),
            windows: Windows::new(memory),
            hash: table::new_hash()?,
            table: ArcSwap::default(),
            replacing: Mutex::default(),
            used: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            waker,
        })
    }

    /// Checks an API key. Its secret is compared before anything else is said about it. Only a known key with the right
    /// secret may make this read the store, once after each change of accounts (of revocations too, if the store is not shared).
    pub(crate) fn verify(&self, text: &str) -> Result<Claims, TokenError> {
        let text = KeyText::read(text).ok_or(TokenError::Malformed)?;
        // Read before the table and the store: a change in between starts a new epoch.
        let epoch = self.ledger.account_epoch().ok_or(TokenError::Unchecked)?;
        let table = self.current()?;
        let entry = match table.find(text.id()) {
            Some(entry) if entry.is_of(text, &self.hash) => entry,
            _ if text.is_intact() => return Err(TokenError::Invalid),
            _ => return Err(TokenError::Malformed),
        };
        let now = unix_now();
        entry.check(now)?;
        let claims = match entry.judged(epoch) {
            Some(outcome) => outcome?,
            None => {
                let outcome = self.judge(&entry.stored).map_err(unchecked)?;
                entry.remember(Judged {
                    epoch,
                    outcome: outcome.clone(),
                });
                outcome?
            }
        };
        if entry.note_use(now) && !self.used.swap(true, Ordering::SeqCst) {
            self.waker.wake();
        }
        Ok(claims)
    }

    /// The owner of a key with the right secret, whether or not the key is accepted.
    pub(crate) fn owner_of(&self, text: &str) -> Option<String> {
        let text = KeyText::read(text)?;
        let table = self.table.load();
        let entry = table.find(text.id())?;
        entry
            .is_of(text, &self.hash)
            .then(|| entry.stored.owner.clone())
    }

    /// What the owner's account lets a key permit.
    fn judge(&self, key: &StoredApiKey) -> Result<Result<Claims, TokenError>, Error> {
        let account = self.account(&key.owner)?;
        let is_client = account
            .as_ref()
            .is_some_and(|account| account.kind == AccountKind::Client);
        let scope = match account {
            Some(account) if account.disabled => return Ok(Err(TokenError::Revoked)),
            Some(account) => common(&key.scope, &account.scope),
            None if self.ledger.wants_passwords() => return Ok(Err(TokenError::NoAccount)),
            None => key.scope.clone(),
        };
        let mut json = json!({
            "iss": self.issuer,
            "sub": key.owner,
            (if is_client { "client_id" } else { "username" }): key.owner,
            "scope": scope,
            "iat": key.created,
            "jti": key.id,
        });
        if let Some(expires) = key.expires {
            json["exp"] = expires.into();
        }
        Ok(Ok(Claims::new(claims::Inner {
            subject: key.owner.clone(),
            scope,
            issued_at: Some(key.created),
            expires_at: key.expires.unwrap_or(NEVER_EXPIRES),
            id: Some(key.id.clone()),
            api_key: true,
            client_id: is_client.then(|| key.owner.clone()),
            json: json.to_string(),
            ..claims::Inner::default()
        })))
    }

    /// The table, replaced first if keys have changed.
    fn current(&self) -> Result<Guard<Arc<Table>>, TokenError> {
        let table = self.table.load();
        if table.changes >= self.ledger.api_key_changes() {
            return Ok(table);
        }
        // While another thread replaces it, the others use the one before, if there is one.
        let turn = match table.changes {
            0 => lock(&self.replacing),
            _ => match try_lock(&self.replacing) {
                Some(turn) => turn,
                None => return Ok(table),
            },
        };
        if self.table.load().changes < self.ledger.api_key_changes() {
            self.replace().map_err(unchecked)?;
        }
        drop(turn);
        Ok(self.table.load())
    }

    /// Reads all keys. The caller holds the lock.
    fn replace(&self) -> Result<(), Error> {
        if let Some(store) = self.ledger.reading()? {
            let (changes, keys) = store.all_api_keys()?;
            let before = self.table.load();
            let table = Table::new(changes, keys, &before, &self.windows);
            self.table.store(Arc::new(table));
        }
        Ok(())
    }

    /// After a change made here: from now on, this process decides by it.
    fn note_change(&self) {
        self.ledger.look();
        let _turn = lock(&self.replacing);
        if let Err(error) = self.replace() {
            // Then the epoch is unknown, or the next key that is presented makes it read them again.
            log::error!(code = error.code(); "{error}");
        }
    }

    fn account(&self, name: &str) -> Result<Option<Account>, Error> {
        match self.ledger.reading()? {
            Some(store) => store.account(name),
            None => Ok(None),
        }
    }

    /// Adds a key and returns its text, which nobody can find out again.
    pub(crate) fn add(&self, wanted: &NewApiKey<'_>) -> Result<(Secret, ApiKey), Error> {
        wanted.check()?;
        let account = self.account(wanted.owner)?;
        let permitted = account.as_ref().map(|account| account.scope.as_str());
        let scope = match (wanted.scope, permitted) {
            (None, _) => {
                let all = permitted.unwrap_or(OPEN_LOGIN_SCOPE).split(' ');
                let useful: Vec<&str> = all.filter(|name| !API_KEY_SCOPES.contains(name)).collect();
                useful.join(" ")
            }
            (Some(asked), Some(permitted)) if common(asked, permitted) != asked => {
                return Err(Error::InvalidInput(format!(
                    "The scope of an API key must be a subset of its owner's: {permitted}."
                )));
            }
            (Some(asked), _) => asked.to_owned(),
        };
        let text = new_key()?;
        let parts = KeyText::read(&text).expect("a new key has the form of one");
        let stored = StoredApiKey {
            id: String::from_utf8_lossy(parts.id()).into_owned(),
            hash: sha256(parts.secret()),
            owner: wanted.owner.to_owned(),
            scope,
            created: unix_now(),
            expires: wanted.expires_at,
            limit: wanted
                .limit
                .map(|limit| (limit.max_requests, limit.window.as_secs())),
            used: None,
            revoked: None,
        };
        if !self.ledger.writing()?.add_api_key(&stored)? {
            return Err(Error::InvalidInput(format!(
                "A user can have at most {MAX_API_KEYS} API keys. Revoke some of them first."
            )));
        }
        self.note_change();
        Ok((text.as_str().into(), ApiKey::of(stored)))
    }

    /// At most `most` keys, ordered by id, starting after the id `after`; only those of `owner`, if given. Revoked keys are
    /// listed for some time.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn list(&self, owner: Option<&str>, after: &str, most: u32) -> Result<Vec<ApiKey>, Error> {
        let keys = match self.ledger.reading()? {
            Some(store) => store.api_keys(owner, after, most)?,
            None => Vec::new(),
        };
        Ok(keys.into_iter().map(|key| self.shown(key)).collect())
    }

    /// The key with this id.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn find(&self, id: &str) -> Result<Option<ApiKey>, Error> {
        match self.ledger.reading()? {
            Some(store) => Ok(store.api_key(id)?.map(|key| self.shown(key))),
            None => Ok(None),
        }
    }

    /// With uses that have not been written yet.
    fn shown(&self, mut key: StoredApiKey) -> ApiKey {
        let table = self.table.load();
        let here = table.find(key.id.as_bytes()).and_then(|it| it.last_used());
        key.used = key.used.max(here);
        ApiKey::of(key)
    }

    /// The id in the text of a key, whatever its secret; `None` if it is not an intact key.
    pub fn id_of(text: &str) -> Option<&str> {
        let key = KeyText::read(text).filter(|key| key.is_intact())?;
        std::str::from_utf8(key.id()).ok()
    }

    /// Revokes a key. `false`: there is no such key.
    pub(crate) fn revoke(&self, id: &str) -> Result<bool, Error> {
        self.change(false, |store| store.revoke_api_key(id, unix_now()))
    }

    /// Revokes all keys of an owner and returns how many there were.
    pub(crate) fn revoke_all_of(&self, owner: &str) -> Result<u64, Error> {
        self.change(0, |store| store.revoke_api_keys_of(owner, unix_now()))
    }

    fn change<T>(
        &self,
        without_store: T,
        make: impl FnOnce(&dyn store::Store) -> Result<T, Error>,
    ) -> Result<T, Error> {
        // Without a store there are no keys, so there is no need to create one.
        let Some(store) = self.ledger.reading()? else {
            return Ok(without_store);
        };
        let done = make(store)?;
        self.note_change();
        Ok(done)
    }

    /// The owner of a live key.
    pub(crate) fn owner(&self, id: &str) -> Option<String> {
        self.with_live(id, |entry| entry.stored.owner.clone())
    }

    /// The own limit of an accepted key; `None`: it has none.
    pub(crate) fn window(&self, id: &str) -> Option<Arc<Window>> {
        self.with_live(id, Entry::window).flatten()
    }

    fn with_live<T>(&self, id: &str, work: impl FnOnce(&Entry) -> T) -> Option<T> {
        // Keys that have been verified are in it.
        let table = match self.ledger.epoch() {
            Some(_) => self.current().ok()?,
            None => self.table.load(),
        };
        let entry = table.find(id.as_bytes())?;
        entry.check(unix_now()).is_ok().then(|| work(entry))
    }

    /// Whether uses are to be recorded.
    pub(crate) fn has_unwritten_uses(&self) -> bool {
        self.used.load(Ordering::SeqCst)
    }

    /// Writes the hours in which keys were last used: once for each key and hour, all in one change. Failures are logged.
    pub(crate) fn write_uses(&self) {
        if !self.used.swap(false, Ordering::SeqCst) {
            return;
        }
        let table = self.table.load_full();
        let uses = table.unwritten();
        let rows = uses.iter().map(|(entry, hour)| (&*entry.stored.id, *hour));
        let rows: Vec<(&str, u64)> = rows.collect();
        let written = match self.ledger.reading() {
            _ if rows.is_empty() => Ok(()),
            Ok(Some(store)) => store.note_api_key_uses(&rows),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        match written {
            Ok(()) => {
                for (entry, hour) in uses {
                    entry.note_written(hour);
                }
                self.failed.store(false, Ordering::Relaxed);
            }
            Err(error) => {
                self.used.store(true, Ordering::SeqCst);
                if !self.failed.swap(true, Ordering::Relaxed) {
                    log::warn!("The last use of API keys cannot be recorded: {error}");
                }
            }
        }
    }
}

impl Drop for ApiKeys {
    fn drop(&mut self) {
        self.write_uses();
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeys").finish_non_exhaustive()
    }
}

/// The names that both scopes have, in the order of the first.
fn common(scope: &str, permitted: &str) -> String {
    let is_permitted = |name: &&str| permitted.split(' ').any(|known| known == *name);
    let names: Vec<&str> = scope.split(' ').filter(is_permitted).collect();
    names.join(" ")
}

fn unchecked(error: Error) -> TokenError {
    log::error!(code = error.code(); "{error}");
    TokenError::Unchecked
}
