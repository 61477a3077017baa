//! The kinds of event in the audit trail.

macro_rules! events {
    ($($event:ident = $name:literal,)*) => {
        /// The kinds of event.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum AuditEvent {
            $(#[doc = concat!("`", $name, "`")] $event,)*
        }

        impl AuditEvent {
            /// All of them.
            pub const ALL: &'static [AuditEvent] = &[$(AuditEvent::$event),*];

            /// The name in the trail.
            pub const fn name(self) -> &'static str {
                match self {
                    $(AuditEvent::$event => $name,)*
                }
            }
        }
    };
}

events! {
    Login = "login",
    Refresh = "refresh",
    Logout = "logout",
    Denied = "denied",
    Lockout = "lockout",
    ClientToken = "client.token",
    TokenIssue = "token.issue",
    RevokeToken = "revoke.token",
    RevokeUser = "revoke.user",
    AccountAdd = "account.add",
    AccountPassword = "account.password",
    AccountSecret = "account.secret",
    AccountScopes = "account.scopes",
    AccountClaims = "account.claims",
    AccountDisable = "account.disable",
    AccountEnable = "account.enable",
    AccountUnlock = "account.unlock",
    AccountRemove = "account.remove",
    ApiKeyAdd = "api_key.add",
    ApiKeyRevoke = "api_key.revoke",
    LimitReset = "limit.reset",
    SessionEnd = "session.end",
    KeysGenerate = "keys.generate",
    KeysRotate = "keys.rotate",
    KeysRetire = "keys.retire",
    KeysAccept = "keys.accept",
    KeysSeal = "keys.seal",
    KeysUnseal = "keys.unseal",
    KeysExport = "keys.export",
    KeysImport = "keys.import",
    Backup = "backup",
    Restore = "restore",
    StoreCopy = "store.copy",
    StoreUnlock = "store.unlock",
}

impl AuditEvent {
    /// Whether it may name a user who is none.
    pub(super) fn is_attempt(self) -> bool {
        matches!(
            self,
            AuditEvent::Login
                | AuditEvent::Lockout
                | AuditEvent::Denied
                | AuditEvent::ClientToken
                | AuditEvent::AccountPassword
        )
    }

    /// Whether it records that something was changed, rather than a request that was refused.
    pub(super) fn is_change(self) -> bool {
        !matches!(self, AuditEvent::Denied | AuditEvent::Lockout)
    }
}
