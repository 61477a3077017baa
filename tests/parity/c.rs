//! C: a program over the real header and library, with sanitizers, which makes a call for each line.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::rust::{added_of, changed_of, introspected, listed, listed_sessions, listed_user};
use super::{Answer, Arguments, Asked, Place};
use crate::common::by_line::C;
use crate::common::text;

pub(super) struct InC {
    /// `None` once it has ended.
    program: Option<C>,
    home: PathBuf,
}

impl InC {
    pub(super) fn start(place: &Place) -> Self {
        let mut program = C::start_program("tests/parity/door.c", place.home.path());
        let pairs = place.pairs();
        let settings: Vec<(&str, &[u8])> = pairs
            .iter()
            .map(|(name, value)| (*name, value.as_bytes()))
            .collect();
        program.gate(&settings);
        InC {
            program: Some(program),
            home: place.home.path().to_owned(),
        }
    }

    fn out(&mut self, operation: &str, words: &[&[u8]]) -> Result<Vec<String>, String> {
        let program = self.program.as_mut().unwrap();
        let out = program.ask(operation, words)?;
        Ok(out.iter().map(|word| text(word)).collect())
    }

    /// A call that returns only a status, or what the others do not return.
    fn done(&mut self, operation: &str, words: &[&[u8]]) -> Answer {
        self.out(operation, words).map(|_| json!({}))
    }

    fn text(&mut self, operation: &str, name: &str, words: &[&[u8]]) -> Answer {
        let out = self.out(operation, words)?;
        Ok(json!({name: out[0]}))
    }

    fn json(&mut self, operation: &str, words: &[&[u8]]) -> Answer {
        let out = self.out(operation, words)?;
        Ok(serde_json::from_str(&out[0]).unwrap())
    }

    fn pair(&mut self, operation: &str, words: &[&[u8]]) -> Answer {
        let out = self.out(operation, words)?;
        Ok(json!({"token": out[0], "refresh_token": out[1]}))
    }

    fn keys(&mut self, operation: &str, of: &Arguments) -> Answer {
        let digits = |name: &str| of.number(name).map_or(String::new(), |it| it.to_string());
        let flags = [("token", 1), ("data", 2), ("now", 4)];
        let flags = flags.iter().filter(|(name, _)| of.flag(name));
        let flags = flags.map(|(_, flag)| flag).sum::<u32>().to_string();
        let (grace, seconds) = (digits("grace"), digits("seconds"));
        let (flags, grace, seconds) = (flags.as_bytes(), grace.as_bytes(), seconds.as_bytes());
        let (ids, passphrase) = (of.bytes("ids"), of.bytes("passphrase"));
        match operation {
            "list_keys" => self.json(operation, &[]).map(|list| listed(&list)),
            "generate_keys" => self.json(operation, &[flags]).map(|new| added_of(&new)),
            "rotate_keys" => {
                let new = self.json(operation, &[flags, grace])?;
                Ok(added_of(&new))
            }
            "retire_keys" => self.json(operation, &[ids]).map(|done| changed_of(&done)),
            "accept_keys" => {
                let done = self.json(operation, &[ids, seconds])?;
                Ok(changed_of(&done))
            }
            "export_keys" => self.text(operation, "exported", &[passphrase]),
            _ => {
                let new = self.json(operation, &[of.bytes("exported"), passphrase])?;
                Ok(added_of(&new))
            }
        }
    }

    fn accounts(&mut self, operation: &str, of: &Arguments) -> Answer {
        let (user, password, scope) = (of.bytes("user"), of.bytes("password"), of.bytes("scope"));
        let from = of.bytes("from");
        match operation {
            "add_user" => self.done(operation, &[user, password, scope]),
            "list_users" => {
                let users = self.json(operation, &[])?;
                let users = users.as_array().unwrap().iter().map(listed_user);
                Ok(json!({"users": users.collect::<Vec<_>>()}))
            }
            "find_user" => match self.json(operation, &[user]) {
                Ok(user) => Ok(json!({"found": listed_user(&user)})),
                Err(code) if code == "not_found" => Ok(json!({"found": null})),
                Err(code) => Err(code),
            },
            "set_password" => self.done(operation, &[user, password]),
            "set_scope" => self.done(operation, &[user, scope]),
            "check_password" => self.text(operation, "scope", &[user, password, from]),
            "change_password" => self.done(
                operation,
                &[user, of.bytes("current"), of.bytes("new"), from],
            ),
            "list_sessions" => {
                let sessions: Value = self.json(operation, &[user])?;
                Ok(listed_sessions(&sessions))
            }
            "end_session" => self.done(operation, &[of.bytes("id")]),
            "check_store" => match self.out(operation, &[]) {
                Ok(_) => Ok(json!({"store": true})),
                Err(code) if code == "not_found" => Ok(json!({"store": false})),
                Err(code) => Err(code),
            },
            "back_up" => {
                let file = self.home.join(of.text("file"));
                self.done(operation, &[file.to_str().unwrap().as_bytes()])
            }
            _ => self.done(operation, &[user]),
        }
    }
}

impl Asked for InC {
    fn ask(&mut self, operation: &str, of: &Arguments) -> Option<Answer> {
        let (user, token, scope) = (of.bytes("user"), of.bytes("token"), of.bytes("scope"));
        let (sealed, context) = (of.bytes("sealed"), of.bytes("context"));
        Some(match operation {
            "issue_token" => {
                let ttl = of.number("ttl").unwrap_or(0).to_string();
                self.text(operation, "token", &[user, scope, ttl.as_bytes()])
            }
            "verify_token" => {
                let out = self.out(operation, &[token]);
                out.map(|out| json!({"user": out[0], "scope": out[1]}))
            }
            "introspect" => self
                .json(operation, &[token])
                .map(|said| introspected(&said)),
            "encrypt" => self.text(operation, "sealed", &[of.bytes("data"), context]),
            "decrypt" => self.text(operation, "data", &[sealed, context]),
            "rewrap" => self.text(operation, "sealed", &[sealed, context]),
            "mask" => {
                let visible = of.number("visible").unwrap().to_string();
                self.text(operation, "masked", &[of.bytes("data"), visible.as_bytes()])
            }
            "admit" => {
                let out = self.out(operation, &[user]);
                out.map(|out| {
                    let remaining: u64 = out[1].parse().unwrap();
                    json!({"allowed": out[0] == "1", "remaining": remaining})
                })
            }
            "public_keys" => {
                let set = self.json(operation, &[]);
                set.map(|set| json!({"keys": set["keys"].as_array().unwrap().len()}))
            }
            "log_in" => {
                let words = [user, of.bytes("password"), of.bytes("from"), scope];
                self.pair(operation, &words)
            }
            "refresh" => self.pair(operation, &[of.bytes("refresh_token"), scope]),
            "revoke_token" => self.done(operation, &[token]),
            "revoke_token_id" => self.done(operation, &[of.bytes("id")]),
            "list_keys" | "generate_keys" | "rotate_keys" | "retire_keys" | "accept_keys"
            | "export_keys" | "import_keys" => self.keys(operation, of),
            "add_user" | "list_users" | "find_user" | "set_password" | "set_scope"
            | "disable_user" | "enable_user" | "unlock_user" | "remove_user" | "check_password"
            | "change_password" | "list_sessions" | "end_session" | "check_store" | "back_up"
            | "revoke_user" => self.accounts(operation, of),
            _ => return None,
        })
    }
}

impl Drop for InC {
    fn drop(&mut self) {
        let program = self.program.take();
        if !std::thread::panicking()
            && let Some(program) = program
        {
            program.end();
        }
    }
}
