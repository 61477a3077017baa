//! Account logins: passwords, refresh tokens, and revoking tokens.

use serde_json::{Map, Value, json};

use super::{Gate, Inner};
use crate::base::clock::unix_now;
use crate::base::names::{check_subject, narrow_scope};
use crate::gate::audit::Asker;
use crate::store::{Moment, Rotation, Session};
use crate::tokens::{self, Claims, Grant, Made, OPEN_LOGIN_SCOPE, TokenSpec, TokenUse};
use crate::users::{self, Login, Users};
use crate::{Error, TokenError};

/// What a login returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// The access token.
    pub token: String,
    /// The access token's scope.
    pub scope: String,
    /// Exchanged for new tokens without a password; `None` if the settings disable refresh tokens.
    pub refresh_token: Option<String>,
}

/// The result of using a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// New tokens for this user.
    New(String, Tokens),
    /// It had been used before. Its session has been ended and its tokens revoked; this is the user.
    UsedBefore(String),
}

impl Gate {
    /// The accounts in the gate's data directory.
    pub fn users(&self) -> &Users {
        &self.inner.users
    }

    /// The scope of a token for this user if no other is requested: that of the account, or [`OPEN_LOGIN_SCOPE`] if there
    /// is no such account.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn default_scope(&self, subject: &str) -> Result<String, Error> {
        let account = self.inner.users.find(subject)?;
        Ok(account.map_or_else(|| OPEN_LOGIN_SCOPE.to_owned(), |account| account.scope))
    }

    /// Whether logins require a password: an account exists or has existed, and `SEALGATE_LOGIN=open` does not override it.
    pub fn wants_passwords(&self) -> bool {
        self.inner.ledger.epoch();
        self.inner.ledger.wants_passwords()
    }

    /// Whether there is a store, as of the last check.
    pub(crate) fn has_store(&self) -> bool {
        self.inner.ledger.epoch() != Some(0)
    }

    /// Whether the store can be used, if there is one.
    pub(crate) fn store_is_usable(&self) -> bool {
        self.inner.ledger.epoch().is_some()
    }

    /// Whether changes can be written to the store, if there is one. At most a second old.
    pub(crate) fn store_is_writable(&self) -> bool {
        self.inner.ledger.is_writable()
    }

    /// The last result of [`store_is_writable`](Self::store_is_writable), without checking again, which may block on disk.
    pub(crate) fn store_was_writable(&self) -> bool {
        self.inner.ledger.was_writable()
    }

    /// Checks the store now rather than on first use.
    ///
    /// # Errors
    /// [`Error::Store`] if it exists but cannot be read or trusted.
    pub fn check_store(&self) -> Result<(), Error> {
        self.inner.ledger.look().map_or(Ok(()), Err)
    }

    /// Issues tokens to a user whose password [`Users::check`] has verified: an access token and, unless the settings
    /// disable them, a refresh token.
    ///
    /// `asked` narrows the scope; if it is empty, the tokens get the account's whole scope.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if `asked` exceeds the account's scope, [`Error::LoginFailed`] if the account has changed
    /// since the check, [`Error::Store`].
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

    /// Exchanges a refresh token, which works once, for new tokens. A second use ends its session, since someone must have
    /// copied it.
    ///
    /// `asked` narrows the access token's scope.
    ///
    /// # Errors
    /// [`Error::Token`] if it is not a refresh token or has been revoked; [`Error::InvalidInput`] if `asked` exceeds the
    /// session's scope; [`Error::Store`].
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

    /// Revokes an access or refresh token, ends the session it belongs to, and returns its user. A token that has expired or
    /// was revoked before is left unchanged.
    ///
    /// # Errors
    /// [`Error::Token`] if it is not one of our tokens; [`Error::Setting`] if the gate has no data directory but its keys
    /// outlive the process; [`Error::Store`].
    pub fn revoke_token(&self, token: &str) -> Result<String, Error> {
        if token.is_empty() {
            return Err(TokenError::Missing.into());
        }
        let Inner { tokens, ledger, .. } = &*self.inner;
        let now = unix_now();
        // No access token issued so far in this session lives longer.
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

    /// Revokes a token by its id (`jti`), or a session by its (`sid`). The revocation is kept until `expires_at`, when the
    /// token expires, in seconds since 1970-01-01 UTC; `None` if unknown.
    ///
    /// # Errors
    /// As [`revoke_token`](Self::revoke_token); [`Error::InvalidInput`] if `id` cannot be an id.
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
        // Revoked tokens and ended sessions share one table, so this covers both kinds of id.
        ledger.writing()?.end_session(id, at)?;
        ledger.look();
        Ok(())
    }

    /// Revokes all tokens issued to a user so far and ends all their sessions. Tokens without an issue time are refused from
    /// now on.
    ///
    /// # Errors
    /// As [`revoke_token`](Self::revoke_token); [`Error::InvalidInput`] if `user` cannot be a username.
    pub fn revoke_user(&self, user: &str) -> Result<(), Error> {
        check_subject(user)?;
        let ledger = &self.inner.ledger;
        ledger.writing()?.revoke_user(user, users::from_now())?;
        ledger.look();
        Ok(())
    }

    /// The introspection response for a token (RFC 7662, section 2.2). For an invalid one it reveals nothing but that.
    ///
    /// # Errors
    /// [`Error::Store`] if the store cannot be read.
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
        // The token's own claims, under the same names (section 2.2).
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

    /// The token's user, whether or not it has been revoked; `None` if it is not a token of ours or is otherwise invalid.
    pub(crate) fn subject_of(&self, token: &str, used_for: TokenUse) -> Option<String> {
        let claims = self.read_token(token, used_for).ok()?;
        Some(claims.subject().to_owned())
    }

    /// The claims of a refresh token that could be exchanged now.
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

    /// Checks a refresh token, except whether it is its session's current one. The claims always name a session.
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

    /// `scopes`: those of the access token and of the refresh token.
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
                &TokenSpec {
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

    /// How long to remember something that expires.
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
