//! Texts for URLs, API keys and clients.

use super::super::shown::{listed_api_keys, listed_clients};
use super::*;

/// Texts for URLs, API keys and clients.
impl Command {
    pub(super) fn texts(&self, operation: &str, of: &Arguments) -> Answer {
        let mut arguments = match operation {
            "encrypt_url_safe" => vec!["encrypt", "--url-safe"],
            "decrypt_max_age" => vec!["decrypt"],
            other => vec![other],
        };
        arguments.extend(["--context", of.text("context")]);
        let max_age = of.number("max_age").map(|max_age| max_age.to_string());
        if let Some(max_age) = &max_age {
            arguments.extend(["--max-age", max_age]);
        }
        let (input, output) = match operation {
            "encrypt_url_safe" => ("data", "sealed"),
            "decrypt_max_age" => ("sealed", "data"),
            "sign" => ("data", "signed"),
            _ => ("signed", "data"),
        };
        let printed = self.typed(&arguments, of.text(input))?;
        Ok(match output {
            "data" => json!({"data": printed}),
            _ => json!({output: printed.trim_end()}),
        })
    }

    pub(super) fn api_keys(&self, operation: &str, of: &Arguments) -> Answer {
        let (owner, id) = (of.text("owner"), of.text("id"));
        let digits = |name: &str| of.number(name).map(|number| number.to_string());
        match operation {
            "add_api_key" => {
                let mut arguments = vec!["api-key", "add"];
                let numbers = ["ttl", "requests", "window"].map(digits);
                let flags = ["--ttl", "--requests", "--window"];
                for (flag, number) in flags.into_iter().zip(&numbers) {
                    if let Some(number) = number {
                        arguments.extend([flag, number]);
                    }
                }
                if let Some(scope) = of.given("scope") {
                    arguments.extend(["--scope", scope]);
                }
                arguments.extend(["--", owner]);
                let printed = self.typed(&arguments, "")?;
                let key = printed.trim_end();
                Ok(json!({"key": key, "id": key[3..15]}))
            }
            "api_keys" => {
                let mut arguments = vec!["api-key", "list", "--json"];
                if of.given("owner").is_some() {
                    arguments.extend(["--owner", owner]);
                }
                Ok(listed_api_keys(&self.lines(&arguments)?))
            }
            "revoke_api_key" => self.done(&["api-key", "revoke", "--", id], ""),
            _ => {
                let arguments = ["api-key", "revoke", "--owner", owner];
                let (_, remarks) = self.typed_with_remarks(&arguments, "")?;
                let count = remarks.split("Revoked API keys: ").nth(1).unwrap();
                Ok(json!({"revoked": count.trim_end().parse::<u64>().unwrap()}))
            }
        }
    }

    pub(super) fn clients(&self, operation: &str, of: &Arguments) -> Answer {
        let (id, scope) = (of.text("id"), of.text("scope"));
        let secret = |printed: String| json!({"secret": printed.trim_end()});
        match operation {
            "add_client" => {
                let arguments = ["client", "add", "--scopes", scope, "--", id];
                self.typed(&arguments, "").map(secret)
            }
            "renew_client_secret" => self.typed(&["client", "secret", id], "").map(secret),
            "clients" => {
                let clients = self.lines(&["client", "list", "--json"])?;
                Ok(listed_clients(&clients, "name"))
            }
            "set_client_scope" => self.done(&["client", "scopes", id, scope], ""),
            "disable_client" => self.done(&["client", "disable", id], ""),
            "enable_client" => self.done(&["client", "enable", id], ""),
            _ => self.done(&["client", "remove", id], ""),
        }
    }
}
