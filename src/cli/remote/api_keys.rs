//! API keys on a server.

use std::time::Duration;

use sealgate::Secret;
use sealgate::tokens::{ApiKey, ApiKeyLimit, NewApiKey};
use serde_json::{Value, json};

use super::address::{encode, named};
use super::problem::unreadable;
use super::server::Remote;
use super::values::{scope_of, scopes_in, string};
use crate::cli::Failure;
use crate::cli::administration::ApiKeyPlace;

impl ApiKeyPlace for Remote {
    fn page(&self, owner: Option<&str>, after: &str, most: u32) -> Result<Vec<ApiKey>, Failure> {
        let owner = owner.map_or(String::new(), |owner| format!("?owner={}", encode(owner)));
        let path = format!("api-keys{owner}");
        let (page, _) = Remote::page(self, &path, "api_keys", after, most)?;
        Ok(page.iter().map(key_of).collect())
    }

    fn add(&self, new: &NewApiKey<'_>) -> Result<(Secret, ApiKey), Failure> {
        let mut body = json!({"owner": new.owner});
        if let Some(scope) = new.scope {
            body["scopes"] = json!(scopes_in(scope));
        }
        if let Some(expires) = new.expires_at {
            body["expires_at"] = json!(expires);
        }
        if let Some(limit) = new.limit {
            body["limit"] =
                json!({"max_requests": limit.max_requests, "window": limit.window.as_secs()});
        }
        let added = self.done("POST", "api-keys", Some(&body))?;
        let key = added["api_key"].as_str().map(Secret::from);
        Ok((key.ok_or_else(|| unreadable(self.url()))?, key_of(&added)))
    }

    fn revoke(&self, id: &str) -> Result<bool, Failure> {
        let answer = self.found("DELETE", &named("api-keys", id, ""), None)?;
        Ok(answer.is_some())
    }

    fn revoke_all_of(&self, owner: &str) -> Result<u64, Failure> {
        let all = self.all(&format!("api-keys?owner={}", encode(owner)), "api_keys")?;
        let valid = all.iter().filter(|key| key["revoked_at"].is_null());
        let ids: Vec<String> = valid.map(|key| string(&key["id"])).collect();
        let mut revoked = 0;
        for id in ids {
            revoked += u64::from(self.revoke(&id)?);
        }
        Ok(revoked)
    }
}

fn key_of(key: &Value) -> ApiKey {
    let limit = &key["limit"];
    let max_requests = limit["max_requests"]
        .as_u64()
        .and_then(|most| u32::try_from(most).ok());
    let window = limit["window"].as_u64().map(Duration::from_secs);
    ApiKey {
        id: string(&key["id"]),
        owner: string(&key["owner"]),
        scope: scope_of(&key["scopes"]),
        created: key["created_at"].as_u64().unwrap_or(0),
        expires_at: key["expires_at"].as_u64(),
        limit: max_requests
            .zip(window)
            .map(|(max_requests, window)| ApiKeyLimit {
                max_requests,
                window,
            }),
        last_used: key["last_used"].as_u64(),
        revoked_at: key["revoked_at"].as_u64(),
    }
}
