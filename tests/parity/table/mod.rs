//! What is asked for at every door, and the answers: a value, in which `*` is any text, or the code of an error. `${name}` is
//! what an earlier step saved. And which doors lack an operation, with the reason.

mod accounts;
mod clients;
mod credentials;
mod keys;
mod texts;

use serde_json::{Value, json};

use super::Door;
pub(super) use accounts::{accounts, guesses, sessions};
pub(super) use clients::clients;
pub(super) use credentials::{account_claims, api_keys, key_limits, token_claims};
pub(super) use keys::{keys, published_keys};
pub(super) use texts::{named_limits, no_limits, texts};

/// Operations in an order that makes sense for one data directory.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// Besides those of [`Place::pairs`](super::Place::pairs).
    pub(super) settings: &'static [(&'static str, &'static str)],
    pub(super) steps: Vec<Step>,
}

pub(super) struct Step {
    pub(super) operation: &'static str,
    pub(super) arguments: Value,
    pub(super) answer: Result<Value, &'static str>,
    /// Texts of the answer that later steps need: a name for each, and where it is.
    pub(super) saves: Vec<(&'static str, &'static str)>,
    /// Asked again until the answer is this one.
    pub(super) again: bool,
}

/// A step that is answered by an empty object.
pub(super) fn step(operation: &'static str, arguments: Value) -> Step {
    Step {
        operation,
        arguments,
        answer: Ok(json!({})),
        saves: Vec::new(),
        again: false,
    }
}

impl Step {
    pub(super) fn answers(mut self, answer: Value) -> Self {
        self.answer = Ok(answer);
        self
    }

    fn refused(mut self, code: &'static str) -> Self {
        self.answer = Err(code);
        self
    }

    fn saves(mut self, name: &'static str, pointer: &'static str) -> Self {
        self.saves.push((name, pointer));
        self
    }

    fn in_the_end(mut self) -> Self {
        self.again = true;
        self
    }
}

const HTTP: &[Door] = &[Door::Http, Door::HttpTiny];
const COMMAND: &[Door] = &[Door::Command];

const NO_ADMINISTRATION: &str = "a token of HTTP must never be worth the key ring or an account: only the command and programs change them";
const NO_USERS: &str = "the command is the operator's, who does not know the users' passwords and needs no tokens of theirs";
const NO_COUNTS: &str = "a limit counts in a process, and a command ends at once";
const NO_TEXTS: &str = "text for a URL is made and checked by the program that sends the link";

/// The cells without an answer: the operation, the doors, and why they lack it.
pub(super) const LACKING: &[(&str, &[Door], &str)] = &[
    ("issue_token", HTTP, "over HTTP a login issues tokens"),
    ("mask", HTTP, "masking needs neither keys nor a server"),
    (
        "verify_token_audience",
        HTTP,
        "a server accepts tokens for its own audience only",
    ),
    ("set_claims", HTTP, NO_ADMINISTRATION),
    ("user_claims", HTTP, NO_ADMINISTRATION),
    ("add_client", HTTP, NO_ADMINISTRATION),
    ("renew_client_secret", HTTP, NO_ADMINISTRATION),
    ("clients", HTTP, NO_ADMINISTRATION),
    ("set_client_scope", HTTP, NO_ADMINISTRATION),
    ("disable_client", HTTP, NO_ADMINISTRATION),
    ("enable_client", HTTP, NO_ADMINISTRATION),
    ("remove_client", HTTP, NO_ADMINISTRATION),
    ("encrypt_url_safe", HTTP, NO_TEXTS),
    ("decrypt_max_age", HTTP, NO_TEXTS),
    ("sign", HTTP, NO_TEXTS),
    ("unsign", HTTP, NO_TEXTS),
    (
        "check_password",
        HTTP,
        "over HTTP a login checks the password",
    ),
    ("add_user", HTTP, NO_ADMINISTRATION),
    ("list_users", HTTP, NO_ADMINISTRATION),
    ("find_user", HTTP, NO_ADMINISTRATION),
    ("set_password", HTTP, NO_ADMINISTRATION),
    ("set_scope", HTTP, NO_ADMINISTRATION),
    ("disable_user", HTTP, NO_ADMINISTRATION),
    ("enable_user", HTTP, NO_ADMINISTRATION),
    ("unlock_user", HTTP, NO_ADMINISTRATION),
    ("remove_user", HTTP, NO_ADMINISTRATION),
    ("revoke_token_id", HTTP, NO_ADMINISTRATION),
    ("revoke_user", HTTP, NO_ADMINISTRATION),
    ("list_sessions", HTTP, NO_ADMINISTRATION),
    ("end_session", HTTP, NO_ADMINISTRATION),
    ("list_keys", HTTP, NO_ADMINISTRATION),
    ("generate_keys", HTTP, NO_ADMINISTRATION),
    ("rotate_keys", HTTP, NO_ADMINISTRATION),
    ("retire_keys", HTTP, NO_ADMINISTRATION),
    ("accept_keys", HTTP, NO_ADMINISTRATION),
    ("export_keys", HTTP, NO_ADMINISTRATION),
    ("import_keys", HTTP, NO_ADMINISTRATION),
    ("back_up", HTTP, NO_ADMINISTRATION),
    (
        "check_store",
        HTTP,
        "GET /readyz reports a store that cannot be used",
    ),
    (
        "introspect",
        COMMAND,
        "token verify prints the claims of a token",
    ),
    ("find_user", COMMAND, "user list lists every account"),
    ("check_password", COMMAND, NO_USERS),
    ("log_in", COMMAND, NO_USERS),
    ("refresh", COMMAND, NO_USERS),
    ("change_password", COMMAND, NO_USERS),
    (
        "client_token",
        COMMAND,
        "clients get their tokens from the server; the operator issues tokens with token issue",
    ),
    ("admit", COMMAND, NO_COUNTS),
    ("admit_policy", COMMAND, NO_COUNTS),
    ("peek", COMMAND, NO_COUNTS),
    ("reset_limit", COMMAND, NO_COUNTS),
    ("admit_api_key", COMMAND, NO_COUNTS),
    (
        "public_keys",
        COMMAND,
        "clients fetch /.well-known/jwks.json from the server",
    ),
];

/// Why a door does not have an operation; `None`: it has it.
pub(super) fn lacks(operation: &str, door: Door) -> Option<&'static str> {
    let mut cells = LACKING.iter();
    let cell = cells.find(|(name, doors, _)| *name == operation && doors.contains(&door));
    cell.map(|(.., reason)| *reason)
}

const PASSWORD: &str = "a quiet harbour";
const ANOTHER: &str = "a stormy harbour";

fn add(user: &str, scope: &str) -> Step {
    step(
        "add_user",
        json!({"user": user, "password": PASSWORD, "scope": scope}),
    )
}

/// A login whose tokens are saved under these names.
fn log_in(user: &str, token: &'static str, refresh_token: &'static str) -> Step {
    step("log_in", json!({"user": user, "password": PASSWORD}))
        .answers(json!({"token": "*", "refresh_token": "*"}))
        .saves(token, "/token")
        .saves(refresh_token, "/refresh_token")
}

fn verify(token: &str) -> Step {
    step("verify_token", json!({"token": token}))
}

fn is_of(step: Step, user: &str, scope: &str) -> Step {
    step.answers(json!({"user": user, "scope": scope}))
}

pub(super) fn tokens() -> Scenario {
    let issue = |user: &str, scope: &str| {
        step("issue_token", json!({"user": user, "scope": scope})).answers(json!({"token": "*"}))
    };
    let introspect = |token: &str| step("introspect", json!({"token": token}));
    Scenario {
        name: "tokens",
        settings: &[("leeway", "0"), ("max_requests", "0")],
        steps: vec![
            issue("alice", "encrypt decrypt").saves("token", "/token"),
            is_of(verify("${token}"), "alice", "encrypt decrypt"),
            introspect("${token}").answers(
                json!({"active": true, "user": "alice", "scope": "encrypt decrypt", "kind": "Bearer"}),
            ),
            introspect("nonsense").answers(json!({"active": false})),
            issue("alice", "a  b").refused("invalid_argument"),
            issue("", "").refused("invalid_argument"),
            issue("a\u{7}", "").refused("invalid_argument"),
            issue("bob", "").saves("empty", "/token"),
            is_of(verify("${empty}"), "bob", ""),
            verify("").refused("token_missing"),
            verify("nonsense").refused("token_malformed"),
            verify("e30.e30.e30").refused("token_malformed"),
            verify("${token}A").refused("token_invalid"),
            step("issue_token", json!({"user": "alice", "scope": "", "ttl": 1}))
                .answers(json!({"token": "*"}))
                .saves("short", "/token"),
            step("pause", json!({"milliseconds": 2100})),
            verify("${short}").refused("token_expired"),
            introspect("${short}").answers(json!({"active": false})),
            step("check_store", json!({})).answers(json!({"store": false})),
            step("revoke_token", json!({"token": "${token}"})),
            verify("${token}").refused("token_revoked"),
            introspect("${token}").answers(json!({"active": false})),
            step("check_store", json!({})).answers(json!({"store": true})),
            step("revoke_token", json!({"token": "nonsense"})).refused("token_malformed"),
            step("revoke_token_id", json!({"id": "some-id"})),
            step("revoke_token_id", json!({"id": "no id"})).refused("invalid_argument"),
            is_of(verify("${empty}"), "bob", ""),
            step("revoke_user", json!({"user": "bob"})),
            verify("${empty}").refused("token_revoked"),
            step("revoke_user", json!({"user": ""})).refused("invalid_argument"),
            // Issued after the revocation.
            issue("bob", "decrypt").saves("new", "/token"),
            is_of(verify("${new}"), "bob", "decrypt"),
        ],
    }
}

pub(super) fn data() -> Scenario {
    let encrypt = |data: &str, context: &str| {
        step("encrypt", json!({"data": data, "context": context})).answers(json!({"sealed": "*"}))
    };
    let decrypt = |sealed: &str, context: &str| {
        step("decrypt", json!({"sealed": sealed, "context": context}))
    };
    let rewrap =
        |sealed: &str, context: &str| step("rewrap", json!({"sealed": sealed, "context": context}));
    let mask = |data: &str, visible: u32, masked: &str| {
        step("mask", json!({"data": data, "visible": visible})).answers(json!({"masked": masked}))
    };
    Scenario {
        name: "data",
        settings: &[("max_requests", "0")],
        steps: vec![
            encrypt("grüezi \"mitenand\"", "notes/1").saves("sealed", "/sealed"),
            decrypt("${sealed}", "notes/1").answers(json!({"data": "grüezi \"mitenand\""})),
            decrypt("${sealed}", "notes/2").refused("decrypt_failed"),
            decrypt("${sealed}", "").refused("decrypt_failed"),
            decrypt("A${sealed}", "notes/1").refused("decrypt_failed"),
            decrypt("AAAA", "").refused("decrypt_failed"),
            decrypt("%%%", "").refused("decrypt_failed"),
            encrypt("", "").saves("empty", "/sealed"),
            decrypt("${empty}", "").answers(json!({"data": ""})),
            rewrap("${sealed}", "notes/1")
                .answers(json!({"sealed": "*"}))
                .saves("again", "/sealed"),
            decrypt("${again}", "notes/1").answers(json!({"data": "grüezi \"mitenand\""})),
            rewrap("${sealed}", "notes/2").refused("decrypt_failed"),
            rewrap("AAAA", "").refused("decrypt_failed"),
            mask("my_password", 3, "my_********"),
            mask("grüezi", 4, "grüe**"),
            mask("ab", 5, "ab"),
            mask("secret", 0, "******"),
        ],
    }
}

pub(super) fn limits() -> Scenario {
    let admit = |user: &str, allowed: bool, remaining: u32| {
        step("admit", json!({"user": user}))
            .answers(json!({"allowed": allowed, "remaining": remaining}))
    };
    Scenario {
        name: "limits",
        settings: &[("max_requests", "2"), ("rate_limit_window", "3600")],
        steps: vec![
            admit("alice", true, 1),
            admit("alice", true, 0),
            admit("alice", false, 0),
            admit("bob", true, 1),
            admit("alice", false, 0),
        ],
    }
}

/// Every scenario.
pub(super) fn all() -> Vec<Scenario> {
    vec![
        tokens(),
        data(),
        keys(),
        published_keys(),
        accounts(),
        sessions(),
        guesses(),
        limits(),
        token_claims(),
        account_claims(),
        api_keys(),
        key_limits(),
        clients(),
        named_limits(),
        no_limits(),
        texts(),
    ]
}
