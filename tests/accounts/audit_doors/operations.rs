//! The operations, the events that each leaves, and how each door is asked for it.

mod logins;

use sealgate::audit::Asker;
use sealgate::gate::KeyAdmin;
use sealgate::gate::backup::{Backup, BackupReader};
use sealgate::keys::{KeyState, NewKeys, RingSecret};
use sealgate::{ApiKey, Gate, NewApiKey};

use crate::clients::{basic, form};
use crate::common::Server;
use crate::common::people::{PASSWORD, Pair, refresh};
use logins::{logins, tokens};

const PASSPHRASE: &str = "correct horse battery";
const KINDS: NewKeys = NewKeys {
    token: true,
    data: true,
    now: false,
};

/// Tokens that later operations need.
#[derive(Default)]
pub(super) struct Held {
    token: String,
    refresh: String,
    used: String,
    /// Of the client shop.
    secret: String,
}

pub(super) struct Rust {
    pub(super) gate: Gate,
    pub(super) settings: sealgate::gate::Settings,
}

impl Held {
    fn take(&mut self, pair: Pair) {
        (self.token, self.refresh) = (pair.token, pair.refresh);
    }
}

impl Rust {
    fn add(&self, name: &str, password: &str, scope: &str) {
        drop(self.gate.users().add(name, &password.into(), scope));
    }

    fn change_password(&self, name: &str, current: &str, new: &str) {
        let users = self.gate.users();
        drop(users.change_password(name, &current.into(), &new.into(), ""));
    }

    fn log_in(&self, name: &str, password: &str, asked: &str, held: &mut Held) {
        if let Ok(new) = self.gate.log_in(name, &password.into(), "", asked) {
            held.token = new.token;
            held.refresh = new.refresh_token.unwrap();
        }
    }

    fn add_key(&self, scope: &str) -> Result<ApiKey, sealgate::Error> {
        let new = NewApiKey {
            owner: "alice",
            scope: Some(scope),
            ..NewApiKey::default()
        };
        Ok(self.gate.api_keys().add(&new)?.1)
    }

    fn client_token(&self, secret: &str, asked: &str) {
        drop(self.gate.client_token("shop", &secret.into(), asked));
    }

    fn keys(&self) -> KeyAdmin<'_> {
        KeyAdmin::new(&self.settings, Asker::LIBRARY)
    }

    fn backup(&self) -> Backup<'_> {
        Backup::new(&self.settings, Asker::LIBRARY)
    }
}

pub(super) type Event = [&'static str; 3];

/// An operation, the events that it has to leave (name, result and user), and how each door is asked for it.
#[derive(Default)]
pub(super) struct Operation {
    pub(super) leaves: &'static [Event],
    /// Arguments, and what is typed.
    pub(super) command: Option<(&'static [&'static str], &'static str)>,
    pub(super) python: Option<&'static str>,
    pub(super) rust: Option<fn(&Rust, &mut Held)>,
    pub(super) http: Option<fn(&Server, &mut Held)>,
}

fn leaves(leaves: &'static [Event]) -> Operation {
    Operation {
        leaves,
        ..Operation::default()
    }
}

impl Operation {
    fn command(mut self, arguments: &'static [&'static str], typed: &'static str) -> Self {
        self.command = Some((arguments, typed));
        self
    }

    fn python(mut self, line: &'static str) -> Self {
        self.python = Some(line);
        self
    }

    fn rust(mut self, ask: fn(&Rust, &mut Held)) -> Self {
        self.rust = Some(ask);
        self
    }

    fn http(mut self, ask: fn(&Server, &mut Held)) -> Self {
        self.http = Some(ask);
        self
    }
}

const ALICE: &str = "a***";
const SHOP: &str = "s***";

fn accounts() -> Vec<Operation> {
    vec![
        leaves(&[["account.add", "ok", ALICE]])
            .command(
                &["user", "add", "alice", "--scopes", "encrypt decrypt"],
                PASSWORD,
            )
            .python("gate.add_user('alice', PASSWORD, 'encrypt decrypt')")
            .rust(|rust, _| rust.add("alice", PASSWORD, "encrypt decrypt")),
        leaves(&[["account.add", "user_exists", ALICE]])
            .command(&["user", "add", "alice"], PASSWORD)
            .python("gate.add_user('alice', PASSWORD)")
            .rust(|rust, _| rust.add("alice", PASSWORD, "")),
        leaves(&[["account.add", "weak_password", "c***"]])
            .command(&["user", "add", "carol"], "password")
            .python("gate.add_user('carol', 'password')")
            .rust(|rust, _| rust.add("carol", "password", "")),
        leaves(&[["account.password", "ok", ALICE]])
            .command(&["user", "passwd", "alice"], PASSWORD)
            .python("gate.set_user_password('alice', PASSWORD)")
            .rust(|rust, _| drop(rust.gate.users().set_password("alice", &PASSWORD.into()))),
        leaves(&[["account.password", "weak_password", ALICE]])
            .command(&["user", "passwd", "alice"], "password")
            .python("gate.set_user_password('alice', 'password')")
            .rust(|rust, _| drop(rust.gate.users().set_password("alice", &"password".into()))),
        leaves(&[["account.scopes", "ok", ALICE]])
            .command(&["user", "scopes", "alice", "encrypt"], "")
            .python("gate.set_user_scope('alice', 'encrypt')")
            .rust(|rust, _| drop(rust.gate.users().set_scope("alice", "encrypt"))),
        leaves(&[["account.scopes", "invalid_argument", ALICE]])
            .command(&["user", "scopes", "alice", "a  b"], "")
            .python("gate.set_user_scope('alice', 'a  b')")
            .rust(|rust, _| drop(rust.gate.users().set_scope("alice", "a  b"))),
        leaves(&[["account.claims", "ok", ALICE]])
            .command(&["user", "claims", "alice", r#"{"level": 3}"#], "")
            .python("gate.set_user_claims('alice', {'level': 3})")
            .rust(|rust, _| drop(rust.gate.users().set_claims("alice", r#"{"level": 3}"#))),
        leaves(&[["account.claims", "invalid_argument", ALICE]])
            .command(&["user", "claims", "alice", r#"{"sub": "root"}"#], "")
            .python("gate.set_user_claims('alice', {'sub': 'root'})")
            .rust(|rust, _| drop(rust.gate.users().set_claims("alice", r#"{"sub": "root"}"#))),
        leaves(&[["account.claims", "not_found", "no***"]])
            .command(&["user", "claims", "nobody", "{}"], "")
            .python("gate.set_user_claims('nobody', {})")
            .rust(|rust, _| drop(rust.gate.users().set_claims("nobody", "{}"))),
        leaves(&[["account.disable", "ok", ALICE]])
            .command(&["user", "disable", "alice"], "")
            .python("gate.disable_user('alice')")
            .rust(|rust, _| drop(rust.gate.users().set_disabled("alice", true))),
        leaves(&[["account.enable", "ok", ALICE]])
            .command(&["user", "enable", "alice"], "")
            .python("gate.enable_user('alice')")
            .rust(|rust, _| drop(rust.gate.users().set_disabled("alice", false))),
        leaves(&[["account.enable", "not_found", "no***"]])
            .command(&["user", "enable", "nobody"], "")
            .python("gate.enable_user('nobody')")
            .rust(|rust, _| drop(rust.gate.users().set_disabled("nobody", false))),
        leaves(&[["account.unlock", "ok", ALICE]])
            .command(&["user", "unlock", "alice"], "")
            .python("gate.unlock_user('alice')")
            .rust(|rust, _| drop(rust.gate.users().unlock("alice"))),
        leaves(&[["account.unlock", "not_found", "no***"]])
            .command(&["user", "unlock", "nobody"], "")
            .python("gate.unlock_user('nobody')")
            .rust(|rust, _| drop(rust.gate.users().unlock("nobody"))),
    ]
}

fn clients() -> Vec<Operation> {
    vec![
        leaves(&[["account.add", "ok", SHOP]])
            .command(&["client", "add", "shop", "--scopes", "encrypt"], "")
            .python("secret = gate.add_client('shop', 'encrypt')")
            .rust(|rust, _| drop(rust.gate.clients().add("shop", "encrypt"))),
        leaves(&[["account.add", "user_exists", ALICE]])
            .command(&["client", "add", "alice"], "")
            .python("gate.add_client('alice')")
            .rust(|rust, _| drop(rust.gate.clients().add("alice", ""))),
        leaves(&[["account.secret", "ok", SHOP]])
            .command(&["client", "secret", "shop"], "")
            .python("secret = gate.renew_client_secret('shop')")
            .rust(|rust, held| {
                let secret = rust.gate.clients().renew_secret("shop").unwrap().unwrap();
                held.secret = secret.expose_str().unwrap().to_owned();
            }),
        leaves(&[["account.secret", "not_found", ALICE]])
            .command(&["client", "secret", "alice"], "")
            .python("gate.renew_client_secret('alice')")
            .rust(|rust, _| drop(rust.gate.clients().renew_secret("alice"))),
        leaves(&[["account.scopes", "ok", SHOP]])
            .command(&["client", "scopes", "shop", "encrypt decrypt"], "")
            .python("gate.set_client_scope('shop', 'encrypt decrypt')")
            .rust(|rust, _| drop(rust.gate.clients().set_scope("shop", "encrypt decrypt"))),
        leaves(&[["client.token", "ok", SHOP]])
            .python("gate.client_token('shop', secret)")
            .rust(|rust, held| rust.client_token(&held.secret, "")),
        leaves(&[["client.token", "invalid_scope", SHOP]])
            .python("gate.client_token('shop', secret, 'admin')")
            .rust(|rust, held| rust.client_token(&held.secret, "admin")),
        leaves(&[["client.token", "login_failed", SHOP]])
            .python("gate.client_token('shop', 'wrong')")
            .rust(|rust, _| rust.client_token("wrong", ""))
            .http(|server, _| {
                let ask = "grant_type=client_credentials";
                let answer = form(server, "/token", &basic("shop", "wrong"), ask);
                assert_eq!(answer.status, 401);
            }),
        leaves(&[["denied", "login_failed", SHOP]]).http(|server, _| {
            let answer = form(server, "/introspect", &basic("shop", "wrong"), "token=x");
            assert_eq!(answer.status, 401);
        }),
        leaves(&[["refresh", "token_malformed", "-"]]).http(|server, _| {
            let ask = "grant_type=refresh_token&refresh_token=nonsense";
            assert_eq!(form(server, "/token", "", ask).status, 400);
        }),
        leaves(&[["revoke.token", "token_malformed", "-"]])
            .http(|server, _| assert_eq!(form(server, "/revoke", "", "token=x").status, 200)),
        leaves(&[["account.disable", "ok", SHOP]])
            .command(&["client", "disable", "shop"], "")
            .python("gate.disable_client('shop')")
            .rust(|rust, _| drop(rust.gate.clients().set_disabled("shop", true))),
        leaves(&[["account.enable", "ok", SHOP]])
            .command(&["client", "enable", "shop"], "")
            .python("gate.enable_client('shop')")
            .rust(|rust, _| drop(rust.gate.clients().set_disabled("shop", false))),
        leaves(&[["account.remove", "ok", SHOP]])
            .command(&["client", "remove", "shop"], "")
            .python("gate.remove_client('shop')")
            .rust(|rust, _| drop(rust.gate.clients().remove("shop"))),
    ]
}

/// HTTP has none of these.
fn keys() -> Vec<Operation> {
    vec![
        leaves(&[["keys.generate", "ok", "-"]])
            .command(&["keys", "generate"], "")
            .python("gate.generate_keys()")
            .rust(|rust, _| drop(rust.keys().generate(KINDS))),
        leaves(&[["keys.rotate", "ok", "-"]])
            .command(&["keys", "rotate"], "")
            .python("gate.rotate_keys()")
            .rust(|rust, _| drop(rust.keys().rotate(KINDS, |_| None))),
        leaves(&[["keys.retire", "invalid_argument", "-"]])
            .command(&["keys", "retire", "unknown"], "")
            .python("gate.retire_keys('unknown')")
            .rust(|rust, _| drop(rust.keys().set_state(&["unknown"], KeyState::Retired))),
        leaves(&[["keys.accept", "invalid_argument", "-"]])
            .command(&["keys", "accept", "unknown"], "")
            .python("gate.accept_keys('unknown')")
            .rust(|rust, _| drop(rust.keys().set_state(&["unknown"], KeyState::Accepted))),
        leaves(&[["keys.seal", "setting", "-"]])
            .command(&["keys", "seal"], "")
            .python("gate.seal_keys()")
            .rust(|rust, _| drop(rust.keys().seal())),
        leaves(&[["keys.unseal", "ok", "-"]])
            .command(&["keys", "unseal"], "")
            .python("gate.unseal_keys()")
            .rust(|rust, _| drop(rust.keys().unseal())),
        leaves(&[["keys.export", "ok", "-"]])
            .command(&["keys", "export", "--out", "exported"], PASSPHRASE)
            .python("gate.export_keys('correct horse battery')")
            .rust(|rust, _| drop(rust.keys().export(&passphrase()))),
        leaves(&[["keys.import", "invalid_argument", "-"]])
            .command(&["keys", "import", "--in", "/dev/null"], PASSPHRASE)
            .python("gate.import_keys('', 'correct horse battery')")
            .rust(|rust, _| drop(rust.keys().import("".into(), &passphrase()))),
        leaves(&[["backup", "ok", "-"]])
            .command(&["backup", "copy"], "")
            .python("sealgate.back_up(__import__('os').environ['HOME'] + '/copy')")
            .rust(|rust, _| {
                let scratch = rust
                    .settings
                    .store
                    .data_dir
                    .as_ref()
                    .unwrap()
                    .join("scratch");
                let written = rust.backup().write(&scratch, None, &mut Vec::new());
                assert!(written.unwrap().is_some() && !scratch.exists());
            }),
        leaves(&[["restore", "invalid_argument", "-"]])
            .command(&["restore", "copy"], "")
            .python("sealgate.restore(__import__('os').environ['HOME'] + '/copy')")
            .rust(|rust, _| {
                let reader = BackupReader::new(&b""[..], None).unwrap();
                assert!(rust.backup().restore(reader, false).is_err());
            }),
    ]
}

fn passphrase() -> RingSecret {
    RingSecret::passphrase(PASSPHRASE.as_bytes()).unwrap()
}

pub(super) fn operations() -> Vec<Operation> {
    [accounts(), clients(), logins(), tokens(), keys()]
        .into_iter()
        .flatten()
        .collect()
}
