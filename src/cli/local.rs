//! Accounts and API keys in the store that the settings name.

use sealgate::Secret;
use sealgate::audit::{Asker, Trail};
use sealgate::gate::{self, ApiKeyAdmin, Clients};
use sealgate::store::AccountKind;
use sealgate::tokens::{ApiKey, ApiKeys, NewApiKey};
use sealgate::users::{User, UserSession, Users};

use super::Failure;
use super::administration::{Accounts, ApiKeyPlace, Edit};

/// See the module.
pub(super) struct Local<'l, S> {
    store: &'l S,
    /// Commands that only read have none.
    events: Option<(&'l Trail, Asker<'l>)>,
}

impl<'l, S> Local<'l, S> {
    /// For commands that only read.
    pub(super) fn reading(store: &'l S) -> Self {
        Local {
            store,
            events: None,
        }
    }

    /// For changes, which are recorded.
    pub(super) fn changing(store: &'l S, events: &'l Trail, asker: Asker<'l>) -> Self {
        Local {
            store,
            events: Some((events, asker)),
        }
    }

    fn events(&self) -> (&'l Trail, Asker<'l>) {
        self.events
            .expect("commands that change something are recorded")
    }
}

impl Local<'_, Users> {
    fn accounts(&self) -> gate::Accounts<'_> {
        let (events, asker) = self.events();
        gate::Accounts::new(self.store, events, asker)
    }

    fn clients(&self) -> Clients<'_> {
        Clients::new(self.accounts())
    }
}

impl Accounts for Local<'_, Users> {
    fn find(&self, name: &str) -> Result<Option<User>, Failure> {
        Ok(self.store.find(name)?)
    }

    fn page(&self, kind: AccountKind, after: &str, most: u32) -> Result<Vec<User>, Failure> {
        Ok(match kind {
            AccountKind::User => self.store.list(after, most)?,
            AccountKind::Client => self.store.clients(after, most)?,
        })
    }

    fn add_user(
        &self,
        name: &str,
        password: &Secret,
        scope: &str,
        claims: &str,
    ) -> Result<(), Failure> {
        Ok(self
            .accounts()
            .add_with_claims(name, password, scope, claims)?)
    }

    fn add_client(&self, name: &str, scope: &str) -> Result<Secret, Failure> {
        Ok(self.clients().add(name, scope)?)
    }

    fn renew_secret(&self, name: &str) -> Result<Option<Secret>, Failure> {
        Ok(self.clients().renew_secret(name)?)
    }

    fn set_password(&self, name: &str, password: &Secret) -> Result<bool, Failure> {
        Ok(self.accounts().set_password(name, password)?)
    }

    fn edit(&self, kind: AccountKind, name: &str, edit: Edit<'_>) -> Result<bool, Failure> {
        let (accounts, clients) = (self.accounts(), self.clients());
        Ok(match (kind, edit) {
            (AccountKind::User, Edit::Scope(scope)) => accounts.set_scope(name, scope)?,
            (AccountKind::User, Edit::Disabled(disabled)) => {
                accounts.set_disabled(name, disabled)?
            }
            (_, Edit::Claims(claims)) => accounts.set_claims(name, claims)?,
            (AccountKind::Client, Edit::Scope(scope)) => clients.set_scope(name, scope)?,
            (AccountKind::Client, Edit::Disabled(disabled)) => {
                clients.set_disabled(name, disabled)?
            }
        })
    }

    fn unlock(&self, name: &str) -> Result<bool, Failure> {
        Ok(self.accounts().unlock(name)?)
    }

    fn remove(&self, kind: AccountKind, name: &str) -> Result<bool, Failure> {
        Ok(match kind {
            AccountKind::User => self.accounts().remove(name)?,
            AccountKind::Client => self.clients().remove(name)?,
        })
    }

    fn sessions(&self, name: &str) -> Result<Option<Vec<UserSession>>, Failure> {
        Ok(self.store.sessions(name)?)
    }

    fn end_session(&self, id: &str) -> Result<bool, Failure> {
        Ok(self.accounts().end_session(id)?.is_some())
    }
}

impl ApiKeyPlace for Local<'_, ApiKeys> {
    fn page(&self, owner: Option<&str>, after: &str, most: u32) -> Result<Vec<ApiKey>, Failure> {
        Ok(self.store.list(owner, after, most)?)
    }

    fn add(&self, new: &NewApiKey<'_>) -> Result<(Secret, ApiKey), Failure> {
        let (events, asker) = self.events();
        Ok(ApiKeyAdmin::new(self.store, events, asker).add(new)?)
    }

    fn revoke(&self, id: &str) -> Result<bool, Failure> {
        let (events, asker) = self.events();
        Ok(ApiKeyAdmin::new(self.store, events, asker).revoke(id)?)
    }

    fn revoke_all_of(&self, owner: &str) -> Result<u64, Failure> {
        let (events, asker) = self.events();
        Ok(ApiKeyAdmin::new(self.store, events, asker).revoke_all_of(owner)?)
    }
}
