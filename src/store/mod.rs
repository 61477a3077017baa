//! Durable state other than keys: accounts, revoked tokens, sessions that can be refreshed, and API keys.
//!
//! `Store` is the interface of a backend (its part with API keys is in `api_keys`); `sqlite` is the one in the data
//! directory, and `place` knows its file there. `backend` opens it, or `absent` in a build without it. `postgres` is the
//! one that several machines share, at an address (`url`); `store_copy` copies one store to another, in terms of the `tables` that
//! both have; `shared` is what it offers besides, `following` keeps a
//! `replica` of what it has revoked. `opening` opens it; `ledger` opens the store when needed and detects changes by
//! other processes. What a password or a token is, is up to `users` and `tokens`.

#[cfg(feature = "store")]
mod account_change;
mod api_keys;
#[cfg_attr(not(feature = "store"), path = "absent.rs")]
mod backend;
mod following;
mod ledger;
mod opening;
mod place;
#[cfg_attr(not(feature = "postgres"), path = "postgres_absent.rs")]
mod postgres;
mod replica;
mod settings;
mod shared;
#[cfg(feature = "store")]
mod sqlite;
mod storable;
#[cfg(feature = "store")]
mod store_copy;
#[cfg(test)]
#[cfg(feature = "store")]
mod suite;
#[cfg(feature = "store")]
mod tables;
mod url;
pub(crate) mod windows;

use std::path::Path;

use crate::Error;

#[cfg(feature = "store")]
use api_keys::REMEMBERED;
pub(crate) use api_keys::{ApiKeyStore, MAX_API_KEYS, StoredApiKey};
pub(crate) use backend::{check_access, check_not_copied};
pub(crate) use ledger::{Ledger, migrate};
pub(crate) use opening::open_shared;
#[cfg(feature = "store")]
pub(crate) use opening::open_to_copy;
pub use place::STORE_FILE;
#[cfg(all(test, feature = "postgres"))]
pub(crate) use postgres::tests::cluster::Cluster;
pub use settings::{Settings, SharedSettings};
pub(crate) use shared::{
    Entry, LockoutFailures, LockoutKeys, LockoutName, LockoutsFound, LockoutsOfName, SeenNode,
    SharedStore,
};
#[cfg(feature = "store")]
pub use sqlite::StoreContents;
#[cfg(all(test, feature = "store"))]
pub(crate) use sqlite::calls;
#[cfg(feature = "store")]
pub(crate) use sqlite::{SqliteStore, check_copy, write_new};
#[cfg(feature = "store")]
pub(crate) use store_copy::{Import, Movable, MovableShared, Sink};
#[cfg(feature = "store")]
pub use store_copy::{StoreCount, StoreNode, StoreStatus};
#[cfg(feature = "store")]
pub(crate) use tables::{Facts as StoreFacts, Tally};
pub use url::StoreUrl;

/// Maximum number of sessions per account; beyond it the oldest session ends.
pub(crate) const MAX_SESSIONS: u32 = 100;

/// Whom an account is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AccountKind {
    /// Whoever knows its password.
    #[default]
    User,
    /// A program, an OAuth 2.0 client, which has a generated secret.
    Client,
}

/// A user who can log in, or a client that can authenticate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) kind: AccountKind,
    /// Scope names separated by single spaces.
    pub(crate) scope: String,
    /// The claims that its logins get, a JSON object.
    pub(crate) claims: String,
    pub(crate) disabled: bool,
    /// Seconds since 1970-01-01 UTC.
    pub(crate) created: u64,
    /// Counts the account's changes: a login succeeds only under the version that it started under.
    pub(crate) version: i64,
    /// Of a client: the hash of its secret.
    pub(crate) password: PasswordHash,
}

/// A password's hash: argon2id (RFC 9106), with its costs. Those of a client's secret are zero: see `users::clients`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PasswordHash {
    pub(crate) salt: Vec<u8>,
    pub(crate) hash: Vec<u8>,
    /// KiB.
    pub(crate) memory: u32,
    pub(crate) passes: u32,
    pub(crate) lanes: u32,
}

/// A change of an account.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// A new password, or a client's new secret. All tokens of the account are revoked.
    Password(PasswordHash),
    /// The same password hashed with other costs; `version` is the account's when the password was checked.
    Rehash {
        password: PasswordHash,
        version: i64,
    },
    /// New scopes. If a scope is removed, all tokens of the account are revoked.
    Scope(String),
    /// New claims, a JSON object. If a claim is removed or changed, all tokens of the account are revoked.
    Claims(String),
    /// A new password that the user has chosen, for which the old one was checked; `version` is the account's when it was.
    /// All tokens of the account are revoked.
    OwnPassword {
        password: PasswordHash,
        version: i64,
    },
    /// Disabled (all tokens of the account are revoked) or enabled again.
    Disabled(bool),
    /// Removed; all its tokens are revoked.
    Removed,
}

/// What must hold for changes of an account, besides that it exists.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Condition {
    /// It has this version.
    pub(crate) version: Option<i64>,
    /// An enabled account with this scope is left, if this is one.
    pub(crate) keeps: Option<&'static str>,
}

/// A point in time, and how long to remember it; seconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) now: u64,
    /// When the last token issued before it will have expired.
    pub(crate) forget: u64,
}

/// The properties of a token that decide whether it is revoked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Presented<'a> {
    /// The token's own id: see `tokens::revocation_id`.
    pub(crate) id: &'a str,
    /// Another id that it can be revoked by: its session's.
    pub(crate) session: Option<&'a str>,
    pub(crate) subject: &'a str,
    pub(crate) issued_at: Option<u64>,
}

/// What the store knows about a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenState {
    /// The token or its session was revoked by id.
    pub(crate) revoked: bool,
    /// Tokens of its user issued at this time or earlier are revoked; seconds since 1970-01-01 UTC.
    pub(crate) revoked_before: Option<u64>,
    /// Whether its user's account is disabled; `None` if there is no such account.
    pub(crate) disabled: Option<bool>,
    /// Whether an account has ever existed.
    pub(crate) accounts: bool,
}

impl TokenState {
    /// Whether a token with this issue time is revoked, or its account disabled.
    fn is_revoked(&self, issued_at: Option<u64>) -> bool {
        // A token without an issue time may be older than the revocation.
        let too_old = |before| issued_at.is_none_or(|issued| issued <= before);
        self.revoked || self.revoked_before.is_some_and(too_old) || self.disabled == Some(true)
    }
}

/// A login that can be refreshed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Session<'a> {
    pub(crate) id: &'a str,
    pub(crate) user: &'a str,
    /// The id of its newest refresh token.
    pub(crate) refresh: &'a str,
    /// When that expires, in seconds since 1970-01-01 UTC.
    pub(crate) expires: u64,
    /// When its last access token expires.
    pub(crate) access_expires: u64,
}

/// A session as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredSession {
    pub(crate) user: String,
    /// The id of its newest refresh token.
    pub(crate) refresh: String,
    /// When that expires, in seconds since 1970-01-01 UTC.
    pub(crate) expires: u64,
    /// Whether its user has an account that is not disabled.
    pub(crate) enabled: bool,
}

/// A login of a user that can be refreshed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSession {
    /// Its id: the claim `sid` of its tokens.
    pub id: String,
    /// When the user logged in, in seconds since 1970-01-01 UTC; `None` if an earlier version did not record it.
    pub started: Option<u64>,
    /// When its refresh token was last used, in seconds since 1970-01-01 UTC; `None` if it never was, or an earlier version
    /// did not record it.
    pub refreshed: Option<u64>,
    /// When it ends unless it is refreshed before, in seconds since 1970-01-01 UTC.
    pub expires: u64,
}

/// A change of a session, decided once it has been read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SessionChange<'a> {
    Keep,
    /// Stores another newest refresh token, with its times; `now` is when the previous one was used.
    Replace {
        next: Session<'a>,
        now: u64,
    },
    /// Ends it, as [`Store::end_session`] does.
    End(Moment),
}

/// The storage backend. `Send` and `Sync`; many threads may call it at the same time. Each change is made completely or
/// not at all, and is on disk when the call returns.
pub(crate) trait Store: ApiKeyStore + Send + Sync {
    /// A number that changes with each change of accounts or revocations.
    fn generation(&self) -> Result<u64, Error>;
    /// Whether an account has ever existed.
    fn has_had_accounts(&self) -> Result<bool, Error>;

    fn account(&self, name: &str) -> Result<Option<Account>, Error>;
    /// The account of this kind and name, else some other one of this kind: always the same one for the same name while
    /// accounts do not change, and the choice reveals nothing about existing names.
    fn account_or_other(&self, kind: AccountKind, name: &str) -> Result<Option<Account>, Error>;
    /// At most `most` accounts of this kind in order of their names, starting after `after`.
    fn accounts(&self, kind: AccountKind, after: &str, most: u32) -> Result<Vec<Account>, Error>;
    /// At most `most` accounts of either kind in order of their names, starting after `after`: those whose names contain
    /// this text, ASCII letters in either case.
    fn search_accounts(
        &self,
        after: &str,
        containing: &str,
        most: u32,
    ) -> Result<Vec<Account>, Error>;
    /// `false`: the name is in use.
    fn add_account(&self, account: &Account) -> Result<bool, Error>;
    /// Changes a user's account. `false`: there is no such account (or it no longer has this version).
    fn change_account(&self, name: &str, change: &Change, at: Moment) -> Result<bool, Error>;
    /// The same for a client's account.
    fn change_client(&self, name: &str, change: &Change, at: Moment) -> Result<bool, Error>;
    /// Makes all of these changes of an account, of a user or a client, or none. `false`: there is no such account, or the
    /// condition does not hold.
    fn edit_account(
        &self,
        name: &str,
        changes: &[Change],
        only_if: Condition,
        at: Moment,
    ) -> Result<bool, Error>;

    /// Revokes a token or a session by its id, until it would have expired.
    fn revoke_token(&self, id: &str, at: Moment) -> Result<(), Error>;
    /// Revokes all tokens of a user that were issued until now.
    fn revoke_user(&self, name: &str, at: Moment) -> Result<(), Error>;
    fn standing(&self, presented: Presented<'_>) -> Result<TokenState, Error>;
    /// As in [`TokenState`].
    fn revoked_before(&self, user: &str) -> Result<Option<u64>, Error>;

    /// Records that wrong passwords for this account until `at`, in milliseconds since 1970-01-01 UTC, no longer count.
    /// `false`: there is no such account.
    fn unlock(&self, name: &str, at: u64, kept: Moment) -> Result<bool, Error>;
    /// The time recorded by [`unlock`](Self::unlock) for each of these names in their order, while it is kept.
    fn unlocked(&self, names: &[&str]) -> Result<Vec<Option<u64>>, Error>;

    /// `false`: the account no longer has this version, or its tokens from `issued` were revoked meanwhile.
    fn begin_session(&self, session: Session<'_>, version: i64, issued: u64)
    -> Result<bool, Error>;
    fn session(&self, id: &str) -> Result<Option<StoredSession>, Error>;
    /// A user's sessions that have not expired, oldest first; at most [`MAX_SESSIONS`].
    fn sessions(&self, user: &str, now: u64) -> Result<Vec<UserSession>, Error>;
    /// At most `most` sessions that have not expired, each with its user, in order of their ids, starting after `after`.
    fn all_sessions(
        &self,
        after: &str,
        now: u64,
        most: u32,
    ) -> Result<Vec<(String, UserSession)>, Error>;
    /// Reads a session and makes the change that `decide` returns for it. Nobody else changes anything in between.
    /// `decide` must not use the store.
    fn change_session<'a>(
        &self,
        id: &str,
        decide: &mut dyn FnMut(Option<&StoredSession>) -> SessionChange<'a>,
    ) -> Result<(), Error>;
    /// Whether changes can be written, determined without writing unless there is doubt.
    fn check_writable(&self) -> Result<(), Error>;
    /// Checks the integrity of the whole store.
    fn check(&self) -> Result<(), Error>;
    /// Copies the whole store to a new file.
    fn back_up(&self, to: &Path) -> Result<(), Error>;

    /// Ends a session and revokes its access tokens, at least until `at.forget`: a session that has already ended may
    /// still have live access tokens.
    fn end_session(&self, id: &str, at: Moment) -> Result<(), Error>;
}

#[cfg(test)]
impl Account {
    /// An account for tests.
    pub(crate) fn example(name: &str, scope: &str) -> Self {
        Account {
            name: name.to_owned(),
            kind: AccountKind::User,
            scope: scope.to_owned(),
            claims: "{}".to_owned(),
            disabled: false,
            created: 900,
            version: 1,
            password: PasswordHash {
                salt: vec![1; 16],
                hash: vec![2; 32],
                memory: 1024,
                passes: 1,
                lanes: 1,
            },
        }
    }
}
