//! What subcommands administer accounts and API keys through: the store that the settings name (`local`), or a server (`remote`).
//! Output is the same for both.

use sealgate::Secret;
use sealgate::store::AccountKind;
use sealgate::tokens::{ApiKey, NewApiKey};
use sealgate::users::{User, UserSession};

use super::Failure;

/// A change of an account.
#[derive(Debug, Clone, Copy)]
pub(super) enum Edit<'e> {
    Scope(&'e str),
    /// A JSON object.
    Claims(&'e str),
    Disabled(bool),
}

/// Accounts of users and clients. `false` and `None`: there is no such account.
pub(super) trait Accounts {
    /// A user or a client.
    fn find(&self, name: &str) -> Result<Option<User>, Failure>;
    /// The next accounts of a kind, in order of their names; empty at the end.
    fn page(&self, kind: AccountKind, after: &str, most: u32) -> Result<Vec<User>, Failure>;
    fn add_user(
        &self,
        name: &str,
        password: &Secret,
        scope: &str,
        claims: &str,
    ) -> Result<(), Failure>;
    /// Returns the client's secret.
    fn add_client(&self, name: &str, scope: &str) -> Result<Secret, Failure>;
    fn renew_secret(&self, name: &str) -> Result<Option<Secret>, Failure>;
    fn set_password(&self, name: &str, password: &Secret) -> Result<bool, Failure>;
    fn edit(&self, kind: AccountKind, name: &str, edit: Edit<'_>) -> Result<bool, Failure>;
    fn unlock(&self, name: &str) -> Result<bool, Failure>;
    fn remove(&self, kind: AccountKind, name: &str) -> Result<bool, Failure>;
    fn sessions(&self, name: &str) -> Result<Option<Vec<UserSession>>, Failure>;
    /// `false`: there is no such login.
    fn end_session(&self, id: &str) -> Result<bool, Failure>;
}

/// API keys.
pub(super) trait ApiKeyPlace {
    /// The next keys, in order of their ids; empty at the end.
    fn page(&self, owner: Option<&str>, after: &str, most: u32) -> Result<Vec<ApiKey>, Failure>;
    fn add(&self, new: &NewApiKey<'_>) -> Result<(Secret, ApiKey), Failure>;
    /// `false`: there is no such key.
    fn revoke(&self, id: &str) -> Result<bool, Failure>;
    /// Returns how many there were.
    fn revoke_all_of(&self, owner: &str) -> Result<u64, Failure>;
}
