//! The command: a process for each operation.

mod credentials;

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::shown::{added_of, changed_of, listed, listed_sessions, listed_user};
use super::{Answer, Arguments, Asked, Place};
use crate::common::{run, sealgate, text};

pub(super) struct Command {
    home: PathBuf,
    variables: Vec<(&'static str, String)>,
    /// Numbers the files that keys are exported to.
    files: usize,
}

impl Command {
    pub(super) fn new(place: &Place) -> Self {
        Command {
            home: place.home.path().to_owned(),
            variables: place.variables(),
            files: 0,
        }
    }

    /// What it prints, or the code of its failure.
    fn typed(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        self.typed_with_remarks(arguments, input)
            .map(|(printed, _)| printed)
    }

    /// The same, with what it prints on standard error.
    fn typed_with_remarks(
        &self,
        arguments: &[&str],
        input: &str,
    ) -> Result<(String, String), String> {
        let mut command = sealgate(&self.home);
        command
            .args(arguments)
            .envs(self.variables.iter().map(|(name, value)| (*name, value)))
            .current_dir(&self.home);
        let output = run(command, input.as_bytes());
        let said = text(&output.stderr);
        match output.status.code() {
            Some(0) => Ok((text(&output.stdout), said)),
            code => {
                Err(code_of(&said).unwrap_or_else(|| panic!("{arguments:?}: {code:?}: {said}")))
            }
        }
    }

    fn done(&self, arguments: &[&str], input: &str) -> Answer {
        self.typed(arguments, input).map(|_| json!({}))
    }

    fn json(&self, arguments: &[&str]) -> Answer {
        let printed = self.typed(arguments, "")?;
        Ok(serde_json::from_str(&printed).unwrap())
    }

    /// A list with an object on each line.
    fn lines(&self, arguments: &[&str]) -> Result<Value, String> {
        let printed = self.typed(arguments, "")?;
        let lines = printed.lines();
        Ok(lines
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .collect())
    }

    fn tokens(&self, operation: &str, of: &Arguments) -> Answer {
        match operation {
            "issue_token" => {
                let ttl = of.number("ttl").map(|ttl| ttl.to_string());
                let (user, scope) = (of.text("user"), of.text("scope"));
                let mut arguments = vec!["token", "issue", "--user", user, "--scope", scope];
                if let Some(ttl) = &ttl {
                    arguments.extend(["--ttl", ttl]);
                }
                let claims = of.json("claims");
                if !claims.is_empty() {
                    arguments.extend(["--claims", &claims]);
                }
                if let Some(audience) = of.given("audience") {
                    arguments.extend(["--audience", audience]);
                }
                let start = of.number("not_before").map(|start| start.to_string());
                if let Some(start) = &start {
                    arguments.extend(["--not-before", start]);
                }
                let printed = self.typed(&arguments, "")?;
                Ok(json!({"token": printed.trim_end()}))
            }
            "verify_token" => {
                let printed = self.typed(&["token", "verify"], of.text("token"))?;
                let said: Value = serde_json::from_str(&printed).unwrap();
                Ok(json!({"user": said["user"], "scope": said["scope"]}))
            }
            "verify_token_audience" => {
                let arguments = ["token", "verify", "--audience", of.text("audience")];
                let printed = self.typed(&arguments, of.text("token"))?;
                let said: Value = serde_json::from_str(&printed).unwrap();
                Ok(json!({"user": said["user"], "scope": said["scope"]}))
            }
            "claims_get" => {
                let printed = self.typed(&["token", "verify"], of.text("token"))?;
                let said: Value = serde_json::from_str(&printed).unwrap();
                Ok(json!({"value": said["claims"][of.text("name")]}))
            }
            "revoke_token" => self.done(&["token", "revoke"], of.text("token")),
            "revoke_token_id" => self.done(&["token", "revoke", "--id", of.text("id")], ""),
            _ => self.done(&["token", "revoke", "--user", of.text("user")], ""),
        }
    }

    fn data(&self, operation: &str, of: &Arguments) -> Answer {
        let context = of.text("context");
        let line = |printed: String| printed.trim_end().to_owned();
        match operation {
            "encrypt" => {
                let printed = self.typed(&["encrypt", "--context", context], of.text("data"))?;
                Ok(json!({"sealed": line(printed)}))
            }
            "decrypt" => {
                let printed = self.typed(&["decrypt", "--context", context], of.text("sealed"))?;
                Ok(json!({"data": printed}))
            }
            "rewrap" => {
                let arguments = ["rewrap", "--context", context, "--bad-lines", "stop"];
                let printed = self.typed(&arguments, of.text("sealed"))?;
                Ok(json!({"sealed": line(printed)}))
            }
            _ => {
                let visible = of.number("visible").unwrap().to_string();
                let arguments = ["mask", "--visible-chars", &visible];
                let printed = self.typed(&arguments, of.text("data"))?;
                Ok(json!({"masked": line(printed)}))
            }
        }
    }

    fn keys(&mut self, operation: &str, of: &Arguments) -> Answer {
        let mut flags: Vec<&str> = Vec::new();
        for (name, flag) in [("token", "--token"), ("data", "--data"), ("now", "--now")] {
            if of.flag(name) {
                flags.push(flag);
            }
        }
        let ids = of.text("ids").split(' ');
        match operation {
            "list_keys" => Ok(listed(&self.json(&["keys", "list", "--json"])?)),
            "generate_keys" => {
                let arguments = [&["keys", "generate", "--json"][..], &flags].concat();
                Ok(added_of(&self.json(&arguments)?))
            }
            "rotate_keys" => {
                let grace = of.number("grace").map(|grace| grace.to_string());
                if let Some(grace) = &grace {
                    flags.extend(["--grace", grace]);
                }
                let arguments = [&["keys", "rotate", "--json"][..], &flags].concat();
                Ok(added_of(&self.json(&arguments)?))
            }
            "retire_keys" => {
                let mut arguments = vec!["keys", "retire", "--json", "--"];
                arguments.extend(ids);
                Ok(changed_of(&self.json(&arguments)?))
            }
            "accept_keys" => {
                let seconds = of.number("seconds").map(|seconds| seconds.to_string());
                let mut arguments = vec!["keys", "accept", "--json"];
                if let Some(seconds) = &seconds {
                    arguments.extend(["--for", seconds]);
                }
                arguments.push("--");
                arguments.extend(ids);
                Ok(changed_of(&self.json(&arguments)?))
            }
            "export_keys" => {
                self.files += 1;
                let file = format!("exported-{}", self.files);
                let line = format!("{}\n", of.text("passphrase"));
                self.typed(&["keys", "export", "--out", &file], &line)?;
                let exported = fs::read_to_string(self.home.join(file)).unwrap();
                Ok(json!({"exported": exported}))
            }
            _ => {
                let file = self.home.join("imported");
                fs::write(file, of.text("exported")).unwrap();
                let line = format!("{}\n", of.text("passphrase"));
                let arguments = ["keys", "import", "--json", "--in", "imported"];
                let printed = self.typed(&arguments, &line)?;
                Ok(added_of(&serde_json::from_str(&printed).unwrap()))
            }
        }
    }

    fn accounts(&self, operation: &str, of: &Arguments) -> Answer {
        let (user, scope) = (of.text("user"), of.text("scope"));
        let line = format!("{}\n", of.text("password"));
        match operation {
            "add_user" => {
                let claims = of.json("claims");
                let mut arguments = vec!["user", "add", "--scopes", scope];
                if !claims.is_empty() {
                    arguments.extend(["--claims", &claims]);
                }
                arguments.extend(["--", user]);
                self.done(&arguments, &line)
            }
            "set_claims" => self.done(&["user", "claims", user, &of.json("claims")], ""),
            "user_claims" => {
                let claims = self.json(&["user", "claims", user])?;
                Ok(json!({"claims": claims}))
            }
            "list_users" => {
                let users = self.lines(&["user", "list", "--json"])?;
                let users = users.as_array().unwrap().iter().map(listed_user);
                Ok(json!({"users": users.collect::<Vec<_>>()}))
            }
            "set_password" => self.done(&["user", "passwd", user], &line),
            "set_scope" => self.done(&["user", "scopes", user, scope], ""),
            "disable_user" => self.done(&["user", "disable", user], ""),
            "enable_user" => self.done(&["user", "enable", user], ""),
            "unlock_user" => self.done(&["user", "unlock", user], ""),
            "remove_user" => self.done(&["user", "remove", user], ""),
            "list_sessions" => {
                let sessions = self.lines(&["user", "sessions", "--json", user])?;
                Ok(listed_sessions(&sessions))
            }
            "end_session" => self.done(&["session", "end", "--", of.text("id")], ""),
            "back_up" => self.done(&["backup", of.text("file")], ""),
            // The exit code says that there is no store.
            _ => match self.typed(&["store", "check"], "") {
                Ok(_) => Ok(json!({"store": true})),
                Err(code) if code == "not_found" => Ok(json!({"store": false})),
                Err(code) => Err(code),
            },
        }
    }
}

impl Asked for Command {
    fn ask(&mut self, operation: &str, of: &Arguments) -> Option<Answer> {
        Some(match operation {
            "issue_token"
            | "verify_token"
            | "verify_token_audience"
            | "claims_get"
            | "revoke_token"
            | "revoke_token_id"
            | "revoke_user" => self.tokens(operation, of),
            "encrypt_url_safe" | "decrypt_max_age" | "sign" | "unsign" => self.texts(operation, of),
            "add_api_key" | "api_keys" | "revoke_api_key" | "revoke_api_keys_of" => {
                self.api_keys(operation, of)
            }
            "add_client"
            | "renew_client_secret"
            | "clients"
            | "set_client_scope"
            | "disable_client"
            | "enable_client"
            | "remove_client" => self.clients(operation, of),
            "encrypt" | "decrypt" | "rewrap" | "mask" => self.data(operation, of),
            "list_keys" | "generate_keys" | "rotate_keys" | "retire_keys" | "accept_keys"
            | "export_keys" | "import_keys" => self.keys(operation, of),
            "add_user" | "list_users" | "set_password" | "set_scope" | "disable_user"
            | "enable_user" | "unlock_user" | "remove_user" | "list_sessions" | "end_session"
            | "check_store" | "back_up" | "set_claims" | "user_claims" => {
                self.accounts(operation, of)
            }
            _ => return None,
        })
    }
}

/// The code of a failure. The command prints it behind some sentences; of the others the sentence is known.
fn code_of(said: &str) -> Option<String> {
    // Reports of what was done on the way come first, hints last.
    for line in said.lines() {
        let Some(line) = line.strip_prefix("sealgate: ") else {
            continue;
        };
        let line = line.strip_prefix("line 1: ").unwrap_or(line);
        if let Some((_, code)) = line
            .strip_suffix(')')
            .and_then(|line| line.rsplit_once(" ("))
            && code
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        {
            return Some(code.to_owned());
        }
        let known = [
            ("The data cannot be decrypted", "decrypt_failed"),
            (
                "The key that the data was encrypted with has been retired",
                "key_retired",
            ),
            ("There is no account with this name", "not_found"),
            ("There is no such login", "not_found"),
            ("There is no API key with this id", "not_found"),
            ("The data is authentic, but not recent", "not_fresh"),
            ("The signature is not valid", "signature_invalid"),
            ("The claim ", "invalid_argument"),
            ("The claims ", "invalid_argument"),
            ("The name of a claim", "invalid_argument"),
            ("The token would expire before", "invalid_argument"),
            ("The scope of an API key", "invalid_argument"),
            ("An API key is no token", "invalid_argument"),
            ("There is no store", "not_found"),
            ("A passphrase must have", "invalid_argument"),
            ("The username must be", "invalid_argument"),
            ("The scope must be", "invalid_argument"),
            ("A token's id must be", "invalid_argument"),
            ("No key of the ring has the id", "invalid_argument"),
            ("The exported key ring", "invalid_argument"),
            ("This is not an exported key ring", "invalid_argument"),
            ("There is no password or passphrase", "weak_password"),
        ];
        let mut known = known.into_iter();
        let found = known.find(|(sentence, _)| line.starts_with(sentence));
        let is_in_use = line.contains(" is the newest ") || line.contains(" key in use until ");
        match found {
            Some((_, code)) => return Some(code.to_owned()),
            None if is_in_use || line.contains(" already exists. Name a new file") => {
                return Some("invalid_argument".to_owned());
            }
            None => {}
        }
    }
    None
}
