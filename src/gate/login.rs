//! Logins of accounts: passwords, tokens that can be refreshed, and taking tokens back.

use serde_json::{Map, Value, json};

use super::{Gate, Inner};
use crate::base::clock::unix_now;
use crate::base::names::{check_subject, narrow_scope};
use crate::gate::audit::Asker;
use crate::store::{Moment, Rotation, Session};
use crate::tokens::{self, Claims, Grant, Made, Making, OPEN_LOGIN_SCOPE, TokenUse};
use crate::users::{self, Login, Users};
use crate::{Error, TokenError};

/// What a login gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// The access token.
    pub token: String,
    /// What it permits.
    pub scope: String,
    /// For new tokens without a password; `None` where the settings give none.
    pub refresh_token: Option<String>,
}

/// What became of a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// New tokens for this user.
    New(String, Tokens),
    /// It had been used before. The login of this user that it belongs to has ended, and its tokens are taken back.
    UsedBefore(String),
}

impl Gate {
    /// The accounts in the gate's data directory.
    pub fn users(&self) -> &Users {
        &self.inner.users
    }

    /// What a token for this user permits if nobody asks for other scopes: what the account of this name has, or
    /// [`OPEN_LOGIN_SCOPE`] if there is none.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn default_scope(&self, subject: &str) -> Result<String, Error> {
        let account = self.inner.users.find(subject)?;
        Ok(account.map_or_else(|| OPEN_LOGIN_SCOPE.to_owned(), |account| account.scope))
    }

    /// Whether passwords are wanted: an account has existed, and `SEALGATE_LOGIN=open` does not say otherwise.
    pub fn wants_passwords(&self) -> bool {
        self.inner.ledger.epoch();
        self.inner.ledger.wants_passwords()
    }

    /// Whether there is a store, as of the last look.
    pub(crate) fn has_store(&self) -> bool {
        self.inner.ledger.epoch() != Some(0)
    }

    /// Whether the store can be used, if there is one.
    pub(crate) fn store_is_usable(&self) -> bool {
        self.inner.ledger.epoch().is_some()
    }

    /// Whether changes can be written to the store, if there is one: as of the last second.
    pub(crate) fn store_is_writable(&self) -> bool {
        self.inner.ledger.is_writable()
    }

    /// The same as of the last call of that: to look again may mean to wait for the disk.
    pub(crate) fn store_was_writable(&self) -> bool {
        self.inner.ledger.was_writable()
    }

    /// Looks at the store at once, which otherwise happens when it is first needed.
    ///
    /// # Errors
    /// [`Error::Store`] where there is one that cannot be read or trusted.
    pub fn check_store(&self) -> Result<(), Error> {
        self.inner.ledger.look().map_or(Ok(()), Err)
    }

    /// Tokens for somebody whose password was checked by [`Users::check`]: an access token and, unless the settings give
    /// none, a refresh token.
    ///
    /// `asked` narrows the scope; with an empty one the tokens get all that the account has.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where more is asked for than the account has, [`Error::LoginFailed`] where the account
    /// was changed since the check, [`Error::Store`].
    pub fn log_in(&self, login: &Login, asked: &str) -> Result<Tokens, Error> {
        self.log_in_by(login, asked, Asker::LIBRARY)
    }

    /// The same on behalf of `asker`, who is named in the audit trail: the event `login`, if it goes well.
    ///
    /// # Errors
    /// Those of [`log_in`](Self::log_in).
    pub fn log_in_by(&self, login: &Login, asked: &str, asker: Asker<'_>) -> Result<Tokens, Error> {
        let Inner { ledger, .. } = &*self.inner;
        let scope = narrow_scope(asked, login.scope())?;
        let issued_at = ledger.issue_time(login.name())?;
        let session = tokens::new_id()?;
        let pair = self.make_pair(login.name(), (scope, scope), &session, issued_at)?;
        let refresh = pair.refresh.as_ref();
        let begun = ledger.writing()?.begin_session(
            Session {
                id: &session,
                user: login.name(),
                refresh: refresh.map_or("", |made| &made.id),
                expires: refresh.map_or(0, |made| made.expires_at),
                access_expires: self.until(pair.access.expires_at, issued_at).forget,
            },
            login.version(),
            issued_at,
        )?;
        if begun {
            self.tell_issued("login", login.name(), asker);
            return Ok(pair.into_tokens(scope));
        }
        Err(Error::LoginFailed)
    }

    /// New tokens for a refresh token, which is used up by that. A second use of one ends its login: somebody has a copy.
    ///
    /// `asked` narrows the access token's scope.
    ///
    /// # Errors
    /// [`Error::Token`] where it is none, or was taken back; [`Error::InvalidInput`] where more is asked for than the login
    /// has; [`Error::Store`].
    pub fn refresh(&self, refresh_token: &str, asked: &str) -> Result<Refreshed, Error> {
        self.refresh_by(refresh_token, asked, Asker::LIBRARY)
    }

    /// The same on behalf of `asker`, who is named in the audit trail: the event `refresh`, if it goes well.
    ///
    /// # Errors
    /// Those of [`refresh`](Self::refresh).
    pub fn refresh_by(
        &self,
        refresh_token: &str,
        asked: &str,
        asker: Asker<'_>,
    ) -> Result<Refreshed, Error> {
        let Inner { ledger, .. } = &*self.inner;
        let claims = self.read_refresh(refresh_token)?;
        let scope = narrow_scope(asked, claims.scope())?;
        let (user, session) = (claims.subject(), claims.session().unwrap_or_default());
        let (Some(store), Some(id)) = (ledger.reading()?, claims.id()) else {
            return Err(TokenError::Revoked.into());
        };
        let issued_at = ledger.issue_time(user)?;
        let pair = self.make_pair(user, (scope, claims.scope()), session, issued_at)?;
        let Some(refresh) = &pair.refresh else {
            return Err(TokenError::Revoked.into());
        };
        let rotation = store.rotate(
            id,
            Session {
                id: session,
                user,
                refresh: &refresh.id,
                expires: refresh.expires_at,
                access_expires: self.until(pair.access.expires_at, issued_at).forget,
            },
            unix_now(),
        )?;
        let user = user.to_owned();
        match rotation {
            Rotation::Done => {
                self.tell_issued("refresh", &user, asker);
                Ok(Refreshed::New(user, pair.into_tokens(scope)))
            }
            Rotation::Reused => {
                ledger.look();
                Ok(Refreshed::UsedBefore(user))
            }
            Rotation::Gone => Err(TokenError::Revoked.into()),
        }
    }

    /// Takes a token back: an access token, with the login that it comes from, or a refresh token, with its login. Gives its
    /// user. One that has expired, or was taken back before, is left as it is.
    ///
    /// # Errors
    /// [`Error::Token`] where it is no token of ours; [`Error::Setting`] where the gate has no data directory and its keys
    /// live on; [`Error::Store`].
    pub fn revoke_token(&self, token: &str) -> Result<String, Error> {
        if token.is_empty() {
            return Err(TokenError::Missing.into());
        }
        let Inner { tokens, ledger, .. } = &*self.inner;
        let now = unix_now();
        // No access token of a login that was made until now lives longer.
        let last =
            |least: u64| self.until(least.max(now.saturating_add(tokens.ttl().as_secs())), now);
        let claims = match self.read_token(token, TokenUse::Access) {
            Ok(claims) => claims,
            Err(error) => {
                let Ok(claims) = self.read_refresh(token) else {
                    return Err(error.into());
                };
                let session = claims.session().unwrap_or_default();
                ledger.writing()?.end_session(session, last(now))?;
                ledger.look();
                return Ok(claims.subject().to_owned());
            }
        };
        let id = tokens::revocation_id(&claims, token);
        let store = ledger.writing()?;
        store.revoke_token(&id, self.until(claims.expires_at(), now))?;
        if let Some(session) = claims.session() {
            store.end_session(session, last(claims.expires_at()))?;
        }
        ledger.look();
        Ok(claims.subject().to_owned())
    }

    /// Takes a token back by its own id (`jti`), or a login by its (`sid`). `expires_at`, in seconds since 1970-01-01 UTC,
    /// is when the token ends by itself, until when this is remembered; `None` where that is not known.
    ///
    /// # Errors
    /// As [`revoke_token`](Self::revoke_token); [`Error::InvalidInput`] where it cannot be an id.
    pub fn revoke_token_id(&self, id: &str, expires_at: Option<u64>) -> Result<(), Error> {
        if !(1..=128).contains(&id.len()) || !id.bytes().all(|byte| matches!(byte, 0x21..=0x7e)) {
            return Err(Error::InvalidInput(
                "A token's id must be 1 to 128 visible ASCII characters.".to_owned(),
            ));
        }
        let ledger = &self.inner.ledger;
        let mut at = users::from_now();
        if let Some(expires_at) = expires_at {
            at = self.until(expires_at, at.now);
        }
        // Of either kind: both are kept in one place.
        ledger.writing()?.end_session(id, at)?;
        ledger.look();
        Ok(())
    }

    /// Takes back all tokens of a user that were issued until now, and ends all logins. Tokens that do not say when they were
    /// issued are refused from now on.
    ///
    /// # Errors
    /// As [`revoke_token`](Self::revoke_token); [`Error::InvalidInput`] where it cannot be a username.
    pub fn revoke_user(&self, user: &str) -> Result<(), Error> {
        check_subject(user)?;
        let ledger = &self.inner.ledger;
        ledger.writing()?.revoke_user(user, users::from_now())?;
        ledger.look();
        Ok(())
    }

    /// What is to be said of a token to somebody who may ask (RFC 7662, section 2.2): of one that is no good, nothing.
    ///
    /// # Errors
    /// [`Error::Store`] where it cannot be known.
    pub fn introspect(&self, token: &str) -> Result<Map<String, Value>, Error> {
        let dead = || Map::from_iter([("active".to_owned(), false.into())]);
        let (claims, kind) = match self.verify_token(token) {
            Ok(claims) => (claims, "Bearer"),
            Err(TokenError::Unchecked) => return Err(TokenError::Unchecked.into()),
            Err(_) => match self.live_refresh(token)? {
                Some(claims) => (claims, "refresh_token"),
                None => return Ok(dead()),
            },
        };
        let mut said = Map::new();
        said.insert("active".to_owned(), true.into());
        said.insert("token_type".to_owned(), kind.into());
        said.insert("username".to_owned(), claims.subject().into());
        // What the token says itself, under the same names (section 2.2).
        let all: Value = serde_json::from_str(claims.json()).unwrap_or(Value::Null);
        for name in ["iss", "sub", "aud", "exp", "iat", "nbf", "jti"] {
            if let Some(value) = all.get(name) {
                said.insert(name.to_owned(), value.clone());
            }
        }
        said.entry("sub").or_insert_with(|| claims.subject().into());
        said.insert("scope".to_owned(), json!(claims.scope()));
        Ok(said)
    }

    /// Whose token it is, whether or not it was taken back; `None` where it is none of ours that could still be good.
    pub(crate) fn subject_of(&self, token: &str, used_for: TokenUse) -> Option<String> {
        let claims = self.read_token(token, used_for).ok()?;
        Some(claims.subject().to_owned())
    }

    /// A refresh token that would be good for new tokens now.
    fn live_refresh(&self, token: &str) -> Result<Option<Claims>, Error> {
        let Ok(claims) = self.read_refresh(token) else {
            return Ok(None);
        };
        let (Some(store), Some(session), Some(id)) =
            (self.inner.ledger.reading()?, claims.session(), claims.id())
        else {
            return Ok(None);
        };
        let live = store.is_session(session, id, unix_now())?;
        Ok(live.then_some(claims))
    }

    /// Checks a refresh token but for whether it is the good one of its login. It names its login.
    fn read_refresh(&self, token: &str) -> Result<Claims, TokenError> {
        if token.is_empty() {
            return Err(TokenError::Missing);
        }
        let claims = self.read_token(token, TokenUse::Refresh)?;
        match claims.session() {
            Some(_) => Ok(claims),
            None => Err(TokenError::Malformed),
        }
    }

    /// `scopes`: of the access token, and of the refresh token.
    fn make_pair(
        &self,
        subject: &str,
        scopes: (&str, &str),
        session: &str,
        issued_at: u64,
    ) -> Result<Pair, Error> {
        let Inner { tokens, keys, .. } = &*self.inner;
        let make = |used_for, scope, ttl| {
            tokens.issue(
                &keys.current(),
                &Making {
                    grant: &Grant {
                        subject,
                        scope,
                        ttl,
                    },
                    used_for,
                    session: Some(session),
                    issued_at,
                },
            )
        };
        let refresh_ttl = self.inner.refresh_ttl;
        Ok(Pair {
            access: make(TokenUse::Access, scopes.0, None)?,
            refresh: match refresh_ttl.is_zero() {
                true => None,
                false => Some(make(TokenUse::Refresh, scopes.1, Some(refresh_ttl))?),
            },
        })
    }

    /// Until when something that expires has to be remembered.
    fn until(&self, expires_at: u64, now: u64) -> Moment {
        Moment {
            now,
            forget: expires_at.saturating_add(self.inner.tokens.leeway().as_secs()),
        }
    }
}

struct Pair {
    access: Made,
    refresh: Option<Made>,
}

impl Pair {
    fn into_tokens(self, scope: &str) -> Tokens {
        Tokens {
            token: self.access.token,
            scope: scope.to_owned(),
            refresh_token: self.refresh.map(|made| made.token),
        }
    }
}
