//! Accounts and logins as JSON, for programs in other languages. Times are seconds since 1970-01-01 UTC.

use serde_json::{Value, json};

use super::{User, UserSession};

impl User {
    /// The account as a JSON object with the names of its fields.
    pub fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "scope": self.scope,
            "claims": serde_json::from_str::<Value>(&self.claims).unwrap_or_default(),
            "disabled": self.disabled,
            "created": self.created,
        })
    }
}

impl UserSession {
    /// The login as a JSON object with the names of its fields.
    pub fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "started": self.started,
            "refreshed": self.refreshed,
            "expires": self.expires,
        })
    }
}
