//! The limits of a server, and what they have counted.

use std::time::Duration;

use sealgate::limiter::{Per, Policy};
use serde_json::{Value, json};

use super::problem::unreadable;
use super::server::Remote;
use super::values::string;
use crate::cli::Failure;

/// The server remembers about as many.
const MOST: u32 = 1_000;

/// Who is at a limit.
pub(in crate::cli) struct AtLimit {
    pub(in crate::cli) policy: String,
    pub(in crate::cli) kind: String,
    pub(in crate::cli) who: String,
    pub(in crate::cli) count: u64,
    pub(in crate::cli) limit: u64,
    pub(in crate::cli) window: Duration,
    /// When there is room again, in seconds since 1970-01-01 UTC.
    pub(in crate::cli) resets: u64,
    /// Whether a request has been refused within the window.
    pub(in crate::cli) refused: bool,
}

impl Remote {
    /// The limits on requests, in the order of the server's settings, and who is at one of them now.
    pub(in crate::cli) fn limits(&self) -> Result<(Vec<Policy>, Vec<AtLimit>), Failure> {
        let answer = self.done("GET", &format!("limits?limit={MOST}"), None)?;
        let rows = |name: &str| answer[name].as_array();
        let read = rows("policies")
            .zip(rows("limited"))
            .and_then(|(policies, limited)| {
                let policies: Option<Vec<_>> = policies.iter().map(policy_of).collect();
                let limited: Option<Vec<_>> = limited.iter().map(at_limit_of).collect();
                policies.zip(limited)
            });
        read.ok_or_else(|| unreadable(self.url()))
    }

    /// Whether anything had been counted.
    pub(in crate::cli) fn reset_limit(
        &self,
        policy: &str,
        kind: &str,
        who: &str,
    ) -> Result<bool, Failure> {
        let body = json!({"policy": policy, "kind": kind, "who": who});
        let answer = self.done("POST", "limits/reset", Some(&body))?;
        answer["reset"]
            .as_bool()
            .ok_or_else(|| unreadable(self.url()))
    }
}

fn policy_of(policy: &Value) -> Option<Policy> {
    let limit = match &policy["limit"] {
        Value::Null => 0,
        limit => u32::try_from(limit.as_u64()?).ok()?,
    };
    let all = [Per::User, Per::ApiKey, Per::Address];
    Some(Policy {
        name: policy["name"].as_str()?.to_owned(),
        limit,
        window: Duration::from_secs(policy["window"].as_u64()?),
        per: all.into_iter().find(|per| policy["per"] == per.name())?,
        cost_by_item: policy["cost_by_item"].as_bool()?,
    })
}

fn at_limit_of(one: &Value) -> Option<AtLimit> {
    Some(AtLimit {
        policy: string(&one["policy"]),
        kind: string(&one["kind"]),
        who: string(&one["who"]),
        count: one["count"].as_u64()?,
        limit: one["limit"].as_u64()?,
        window: Duration::from_secs(one["window"].as_u64()?),
        resets: one["reset_at"].as_u64()?,
        refused: one["refused"].as_bool()?,
    })
}
