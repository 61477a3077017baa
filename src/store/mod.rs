//! Durable state beside the keys: accounts, tokens that were taken back, and sessions that can be refreshed.
//!
//! [`Store`] is what a place to keep it can do; `sqlite` is the one in the data directory. `ledger` opens it when it is
//! needed, and notices what other processes change in it. What a password or a token is, is the business of `users` and
//! `tokens`.

mod ledger;
mod settings;
mod sqlite;

use std::path::Path;

use crate::Error;

pub(crate) use ledger::Ledger;
pub use settings::Settings;
pub use sqlite::STORE_FILE;
pub(crate) use sqlite::SqliteStore;

/// Sessions of one account; beyond them the oldest ends.
pub(crate) const MAX_SESSIONS: u32 = 100;

/// Somebody who may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    /// Scope names with single spaces between.
    pub(crate) scope: String,
    pub(crate) disabled: bool,
    /// Seconds since 1970-01-01 UTC.
    pub(crate) created: u64,
    /// Counts the changes of the account: a login ends well only under the version that it began under.
    pub(crate) version: i64,
    pub(crate) password: PasswordHash,
}

/// What is kept of a password: argon2id (RFC 9106), with its costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PasswordHash {
    pub(crate) salt: Vec<u8>,
    pub(crate) hash: Vec<u8>,
    /// KiB.
    pub(crate) memory: u32,
    pub(crate) passes: u32,
    pub(crate) lanes: u32,
}

/// What may change of an account.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// Another password. All tokens of the account are taken back.
    Password(PasswordHash),
    /// The same password under other costs; `version` is the account's when the password was checked.
    Rehash {
        password: PasswordHash,
        version: i64,
    },
    /// Other scopes. Where one was taken away, all tokens of the account are.
    Scope(String),
    /// Switched off (all tokens of the account are taken back) or on again.
    Disabled(bool),
    /// Gone, with all its tokens.
    Removed,
}

/// A moment, and how long it has to be remembered; seconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) now: u64,
    /// When the last token of before will have expired.
    pub(crate) forget: u64,
}

/// What decides whether a token was taken back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Presented<'a> {
    /// The token's own name: see `tokens::revocation_id`.
    pub(crate) id: &'a str,
    /// Another name that it can be taken back by: its login's.
    pub(crate) session: Option<&'a str>,
    pub(crate) subject: &'a str,
    pub(crate) issued_at: Option<u64>,
}

/// What the store knows of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// It or its session was taken back by name.
    pub(crate) revoked: bool,
    /// Tokens of its user that are not younger than this were taken back; seconds since 1970-01-01 UTC.
    pub(crate) revoked_before: Option<u64>,
    /// Whether its user's account is switched off; `None` where there is no such account.
    pub(crate) disabled: Option<bool>,
    /// Whether an account has ever existed.
    pub(crate) accounts: bool,
}

/// A login that goes on: its refresh tokens make a family, of which one at a time is good.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Session<'a> {
    pub(crate) id: &'a str,
    pub(crate) user: &'a str,
    /// The id of the one refresh token that is good.
    pub(crate) refresh: &'a str,
    /// When that expires, in seconds since 1970-01-01 UTC.
    pub(crate) expires: u64,
    /// When the last access token of it expires.
    pub(crate) access_expires: u64,
}

/// What became of a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rotation {
    /// It was the good one, and the next one is now.
    Done,
    /// It had been used before: the session has ended, and its access tokens are taken back.
    Reused,
    /// There is no such session (any more), or its account is gone or switched off.
    Gone,
}

/// Where the state is kept. `Send` and `Sync`; calls from many threads at a time. Each change is whole or not at all, and is
/// on the disk when the call returns.
pub(crate) trait Store: Send + Sync {
    /// A number that is another one after each change of accounts or of what was taken back.
    fn generation(&self) -> Result<u64, Error>;
    /// Whether an account has ever existed.
    fn has_had_accounts(&self) -> Result<bool, Error>;

    fn account(&self, name: &str) -> Result<Option<Account>, Error>;
    /// The account of this name, else some other one: always the same for the same name while accounts do not change, and
    /// which one says nothing of the names that there are.
    fn account_or_other(&self, name: &str) -> Result<Option<Account>, Error>;
    /// At most `most` accounts in the order of their names, beginning behind `after`.
    fn accounts(&self, after: &str, most: u32) -> Result<Vec<Account>, Error>;
    /// `false`: the name is taken.
    fn add_account(&self, account: &Account) -> Result<bool, Error>;
    /// `false`: there is no such account (or not in this version any more).
    fn change_account(&self, name: &str, change: &Change, at: Moment) -> Result<bool, Error>;

    /// Takes a token or a session back by its id, until it would have expired.
    fn revoke_token(&self, id: &str, at: Moment) -> Result<(), Error>;
    /// Takes back all tokens of a user that were issued until now.
    fn revoke_user(&self, name: &str, at: Moment) -> Result<(), Error>;
    fn standing(&self, presented: Presented<'_>) -> Result<Standing, Error>;
    /// As in [`Standing`].
    fn revoked_before(&self, user: &str) -> Result<Option<u64>, Error>;

    /// `false`: the account is not the one of this version any more, or its tokens of `issued` were taken back meanwhile.
    fn begin_session(&self, session: Session<'_>, version: i64, issued: u64)
    -> Result<bool, Error>;
    /// Puts the refresh token of `next` in the place of `refresh`.
    fn rotate(&self, refresh: &str, next: Session<'_>, now: u64) -> Result<Rotation, Error>;
    /// Whether there is such a session, with this as its good refresh token.
    fn is_session(&self, id: &str, refresh: &str, now: u64) -> Result<bool, Error>;
    /// Whether changes can be written, found out without one where nothing speaks against it.
    fn check_writable(&self) -> Result<(), Error>;
    /// Looks all of it through.
    fn check(&self) -> Result<(), Error>;
    /// Copies all of it into a new file.
    fn back_up(&self, to: &Path) -> Result<(), Error>;

    /// Ends a session, and takes its access tokens back, until `at.forget` at least: of one that has ended already some may
    /// live on.
    fn end_session(&self, id: &str, at: Moment) -> Result<(), Error>;
}
