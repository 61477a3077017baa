//! Account logins: passwords and refresh tokens.

use super::{Gate, Inner};
use crate::base::api_key::is_meant_as_key;
use crate::base::clock::unix_now;
use crate::base::custom_claims::CustomClaims;
use crate::base::names::narrow_scope;
use crate::gate::accounts::Accounts;
use crate::gate::audit::{Asker, AuditEvent};
use crate::store::{Entry, Ledger, Moment, SeenNode, Session};
use crate::tokens::{
    self, Claims, Grant, Made, OPEN_LOGIN_SCOPE, RefreshToken, RefreshUse, TokenSpec, TokenUse,
};
use crate::users::Login;
use crate::{Error, Secret, TokenError};

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
    pub fn users(&self) -> Accounts<'_> {
        self.users_by(Asker::LIBRARY)
    }

    /// The same on behalf of `asker`, who is named in the audit trail.
    pub fn users_by<'a>(&'a self, asker: Asker<'a>) -> Accounts<'a> {
        Accounts::new(&self.inner.users, self.trail(), asker)
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

    /// The same after a look into the store, into which another process may just have added the first account.
    pub(crate) fn wants_passwords_now(&self) -> bool {
        self.inner.ledger.wants_passwords_now()
    }

    /// Whether there is a store, as of the last check.
    pub(crate) fn has_store(&self) -> bool {
        self.inner.ledger.epoch() != Some(0)
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.inner.ledger
    }

    /// The processes that use a shared store; none without one.
    pub(crate) fn nodes(&self) -> Result<Vec<SeenNode>, Error> {
        let following = self.inner.ledger.following();
        following.map_or(Ok(Vec::new()), |following| following.store().nodes())
    }

    /// Whether changes could be written to the store at the last check. Checking again may block on disk.
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

    /// Whether a server may start while the store cannot be reached: its keys are from the copy of a shared ring. It refuses
    /// tokens until the store has been read.
    pub(crate) fn starts_without_store(&self) -> bool {
        self.key_settings().copy && self.inner.ledger.following().is_some()
    }

    /// Checks a password as [`Accounts::check`] does, and issues an access token and, unless the settings
    /// disable them, a refresh token.
    ///
    /// `asked` narrows the scope; if it is empty, the tokens get the account's whole scope.
    ///
    /// # Errors
    /// Those of [`Accounts::check`]; [`Error::InvalidInput`] if `asked` exceeds the account's scope.
    pub fn log_in(
        &self,
        name: &str,
        password: &Secret,
        from: &str,
        asked: &str,
    ) -> Result<Tokens, Error> {
        self.log_in_by(name, password, from, asked, Asker::LIBRARY)
    }

    /// The same on behalf of `asker`, who is named in the audit trail.
    pub fn log_in_by(
        &self,
        name: &str,
        password: &Secret,
        from: &str,
        asked: &str,
        asker: Asker<'_>,
    ) -> Result<Tokens, Error> {
        self.trail().permit(AuditEvent::Login, Some(name), asker)?;
        let checked = self.users_by(asker).verify(name, password, from);
        let done = checked.and_then(|login| self.begin_session(&login, asked));
        self.record_login(AuditEvent::Login, &done, name, asker);
        done
    }

    /// The same for a user whose account has this scope; the tokens get the account's whole scope.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the account does not have it; no session begins then.
    pub(crate) fn log_in_with(
        &self,
        (name, password): (&str, &Secret),
        from: &str,
        needed: &str,
        asker: Asker<'_>,
    ) -> Result<Tokens, Error> {
        self.trail().permit(AuditEvent::Login, Some(name), asker)?;
        let checked = self.users_by(asker).verify(name, password, from);
        let done = checked.and_then(|login| {
            narrow_scope(needed, login.scope())?;
            self.begin_session(&login, "")
        });
        self.record_login(AuditEvent::Login, &done, name, asker);
        done
    }

    /// Issues a token to a user of open login or of a host's own accounts. `permitted`: the widest scope; `None` if they
    /// refused the login.
    pub(crate) fn log_in_without_account(
        &self,
        name: &str,
        permitted: Option<&str>,
        asked: &str,
        asker: Asker<'_>,
    ) -> Result<String, Error> {
        self.trail().permit(AuditEvent::Login, Some(name), asker)?;
        let done = permitted.ok_or(Error::LoginFailed).and_then(|permitted| {
            self.issue(&Grant {
                subject: name,
                scope: narrow_scope(asked, permitted)?,
                ..Grant::default()
            })
        });
        self.record_login(AuditEvent::Login, &done, name, asker);
        done
    }

    pub(super) fn record_login<T>(
        &self,
        event: AuditEvent,
        done: &Result<T, Error>,
        name: &str,
        asker: Asker<'_>,
    ) {
        let result = match done {
            Ok(_) => "ok",
            // The password or the secret was right, which the trail has to show.
            Err(Error::InvalidInput(_)) => "invalid_scope",
            Err(error) => error.code(),
        };
        self.trail().record(event, result, Some(name), asker);
    }

    /// Issues tokens after a password check. [`Error::LoginFailed`]: the account has changed since.
    fn begin_session(&self, login: &Login, asked: &str) -> Result<Tokens, Error> {
        let Inner { ledger, .. } = &*self.inner;
        let scope = narrow_scope(asked, login.scope())?;
        let issued_at = ledger.issue_time(login.name())?;
        let session = tokens::new_session_id()?;
        let account = (login.name(), login.claims());
        let pair = self.make_pair(account, (scope, scope), &session, issued_at)?;
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
    /// session's scope; [`Error::Store`]; [`Error::Audit`].
    pub fn refresh(&self, refresh_token: &str, asked: &str) -> Result<Refreshed, Error> {
        self.refresh_by(refresh_token, asked, Asker::LIBRARY)
    }

    /// The same on behalf of `asker`, who is named in the audit trail: the event `refresh`.
    pub fn refresh_by(
        &self,
        refresh_token: &str,
        asked: &str,
        asker: Asker<'_>,
    ) -> Result<Refreshed, Error> {
        self.trail().permit(AuditEvent::Refresh, None, asker)?;
        let done = self.rotate_refresh(refresh_token, asked);
        let whose;
        let (result, user) = match &done {
            Ok(Refreshed::New(user, _)) => ("ok", Some(user)),
            Ok(Refreshed::UsedBefore(user)) => ("reused", Some(user)),
            Err(error) => {
                // A reader of the trail needs to know whose token it was.
                whose = self.subject_of(refresh_token, TokenUse::Refresh);
                (error.code(), whose.as_ref())
            }
        };
        let user = user.map(String::as_str);
        self.trail()
            .record(AuditEvent::Refresh, result, user, asker);
        done
    }

    fn rotate_refresh(&self, refresh_token: &str, asked: &str) -> Result<Refreshed, Error> {
        let Inner { ledger, .. } = &*self.inner;
        let claims = self.read_refresh(refresh_token)?;
        let scope = narrow_scope(asked, claims.scope())?;
        let (user, session) = (claims.subject(), claims.session().unwrap_or_default());
        let (Some(store), Some(presented)) = (ledger.reading()?, RefreshToken::of(&claims)) else {
            return Err(TokenError::Revoked.into());
        };
        let issued_at = ledger.issue_time(user)?;
        // Without an account the session is gone.
        let account = store.account(user)?;
        let custom = account
            .as_ref()
            .map_or("", |account| account.claims.as_str());
        let pair = self.make_pair((user, custom), (scope, claims.scope()), session, issued_at)?;
        let Some(refresh) = &pair.refresh else {
            return Err(TokenError::Revoked.into());
        };
        let used = presented.exchange(
            store,
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
        match used {
            RefreshUse::Good => Ok(Refreshed::New(user, pair.into_tokens(scope))),
            RefreshUse::Reused => {
                ledger.look_after(&[Entry::Token {
                    id: session.to_owned(),
                    expires: self.until(pair.access.expires_at, issued_at).forget,
                }]);
                Ok(Refreshed::UsedBefore(user))
            }
            RefreshUse::Gone => Err(TokenError::Revoked.into()),
        }
    }

    /// The token's user, whether or not it has been revoked; `None` if it is not a token of ours or is otherwise invalid.
    pub(crate) fn subject_of(&self, token: &str, used_for: TokenUse) -> Option<String> {
        if is_meant_as_key(token) {
            return self.inner.api_keys.owner_of(token);
        }
        let claims = self.read_token(token, used_for).ok()?;
        Some(claims.subject().to_owned())
    }

    /// Checks a refresh token, except whether it is its session's current one. The claims always name a session.
    pub(super) fn read_refresh(&self, token: &str) -> Result<Claims, TokenError> {
        if token.is_empty() {
            return Err(TokenError::Missing);
        }
        let claims = self.read_token(token, TokenUse::Refresh)?;
        match claims.session() {
            Some(_) => Ok(claims),
            None => Err(TokenError::Malformed),
        }
    }

    /// `account`: its name and its claims, which the access token gets; `scopes`: those of the access token and of the refresh
    /// token.
    fn make_pair(
        &self,
        (subject, claims): (&str, &str),
        scopes: (&str, &str),
        session: &str,
        issued_at: u64,
    ) -> Result<Pair, Error> {
        let make = |used_for, grant: &Grant<'_>| {
            self.sign_token(&TokenSpec {
                grant,
                used_for,
                session: Some(session),
                for_client: false,
                issued_at,
            })
        };
        let access = make(
            TokenUse::Access,
            &Grant {
                subject,
                scope: scopes.0,
                claims,
                ..Grant::default()
            },
        );
        let refresh_ttl = self.inner.refresh_ttl;
        Ok(Pair {
            access: access.map_err(|error| with_the_accounts_claims(error, claims))?,
            refresh: match refresh_ttl.is_zero() {
                true => None,
                false => Some(make(
                    TokenUse::Refresh,
                    &Grant {
                        subject,
                        scope: scopes.1,
                        ttl: Some(refresh_ttl),
                        ..Grant::default()
                    },
                )?),
            },
        })
    }

    /// How long to remember something that expires.
    pub(super) fn until(&self, expires_at: u64, now: u64) -> Moment {
        Moment {
            now,
            forget: expires_at.saturating_add(self.inner.tokens.leeway().as_secs()),
        }
    }
}

/// What an error in the making of a login's token means: the user asked for nothing wrong if the account has claims that no
/// token can have.
fn with_the_accounts_claims(error: Error, claims: &str) -> Error {
    match error {
        Error::InvalidInput(sentence) if claims != CustomClaims::NONE => Error::Store(format!(
            "The store has claims of an account that its tokens cannot have. {sentence} Set others: sealgate user claims."
        )),
        other => other,
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
