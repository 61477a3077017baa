//! Logins that can be refreshed: listing those of an account, and ending one.

use super::{UserSession, Users};
use crate::Error;
use crate::base::clock::unix_now;
use crate::store::{Entry, Moment, SessionChange};

impl Users {
    /// The logins of a user's account that can be refreshed, oldest first; at most 100. `None`: there is no such account.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn sessions(&self, name: &str) -> Result<Option<Vec<UserSession>>, Error> {
        let Some(store) = self.ledger.reading()? else {
            return Ok(None);
        };
        if self.find_user(name)?.is_none() {
            return Ok(None);
        }
        store.sessions(name, unix_now()).map(Some)
    }

    /// Ends a login, revokes its tokens and returns its user. `None`: there is no such login that can be refreshed.
    pub(crate) fn end_session(&self, id: &str) -> Result<Option<String>, Error> {
        let Some(store) = self.ledger.reading()? else {
            return Ok(None);
        };
        let now = unix_now();
        let (mut user, mut own) = (None, None);
        store.change_session(id, &mut |session| match session {
            // The store knows when the last access token expires.
            Some(session) => {
                user = Some(session.user.clone());
                own = Some(Entry::Token {
                    id: id.to_owned(),
                    expires: session.expires,
                });
                SessionChange::End(Moment { now, forget: now })
            }
            None => SessionChange::Keep,
        })?;
        self.ledger.look_after(own.as_slice());
        Ok(user)
    }
}
