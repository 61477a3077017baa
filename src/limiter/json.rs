//! Policies as JSON, for the command and for administrators.

use serde_json::{Value, json};

use super::Policy;

impl Policy {
    /// A JSON object. The limit is `null` if it is switched off.
    pub fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "limit": (self.limit > 0).then_some(self.limit),
            "window": self.window.as_secs(),
            "per": self.per.name(),
            "cost_by_item": self.cost_by_item,
        })
    }
}
