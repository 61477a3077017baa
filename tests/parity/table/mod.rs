//! What is asked for at every door, and the answers: a value, in which `*` is any text, or the code of an error. `${name}` is
//! what an earlier step saved. And which doors lack an operation, with the reason.

mod credentials;
mod texts;

use serde_json::{Value, json};

use super::Door;
pub(super) use credentials::{account_claims, api_keys, clients, key_limits, token_claims};
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

/// A key of a list: for HS256 every key is used at once.
fn key(kind: &str, newest: bool, accepted: bool, messages: Option<u64>) -> Value {
    json!({"kind": kind, "newest": newest, "accepted": accepted, "next": false, "messages": messages})
}

pub(super) fn keys() -> Scenario {
    let list = |keys: Value| {
        let ids = vec!["*"; keys.as_array().unwrap().len()];
        step("list_keys", json!({})).answers(json!({"keys": keys, "ids": ids}))
    };
    let retire = |ids: &str| step("retire_keys", json!({"ids": ids}));
    let accept = |ids: &str, seconds: Option<u64>| match seconds {
        None => step("accept_keys", json!({"ids": ids})),
        Some(seconds) => step("accept_keys", json!({"ids": ids, "seconds": seconds})),
    };
    let import = |exported: &str, passphrase: &str| {
        step(
            "import_keys",
            json!({"exported": exported, "passphrase": passphrase}),
        )
    };
    let changed = |changed: usize| json!({"changed": changed, "withdrawn": 0});
    let decrypt = |sealed: &str| step("decrypt", json!({"sealed": sealed}));
    Scenario {
        name: "keys",
        settings: &[("max_requests", "0")],
        steps: vec![
            step("issue_token", json!({"user": "alice", "scope": "decrypt"}))
                .answers(json!({"token": "*"}))
                .saves("token", "/token"),
            step("encrypt", json!({"data": "data"}))
                .answers(json!({"sealed": "*"}))
                .saves("sealed", "/sealed"),
            list(json!([
                key("token", true, true, None),
                key("data", true, true, Some(1))
            ]))
            .saves("first token key", "/ids/0")
            .saves("first data key", "/ids/1"),
            retire("${first data key}").refused("invalid_argument"),
            retire("nothing").refused("invalid_argument"),
            step("rotate_keys", json!({"data": true}))
                .answers(json!({"added": ["data"], "ids": ["*"]})),
            decrypt("${sealed}").answers(json!({"data": "data"})),
            step("rewrap", json!({"sealed": "${sealed}"}))
                .answers(json!({"sealed": "*"}))
                .saves("again", "/sealed"),
            list(json!([
                key("token", true, true, None),
                key("data", false, true, Some(1)),
                key("data", true, true, Some(1)),
            ])),
            retire("${first data key}").answers(changed(1)),
            retire("${first data key}").answers(changed(0)),
            decrypt("${sealed}").refused("key_retired"),
            step("rewrap", json!({"sealed": "${sealed}"})).refused("key_retired"),
            decrypt("${again}").answers(json!({"data": "data"})),
            accept("${first data key}", Some(3600)).answers(changed(1)),
            decrypt("${sealed}").answers(json!({"data": "data"})),
            accept("${first data key} ${first token key}", None).answers(changed(1)),
            accept("nothing", None).refused("invalid_argument"),
            is_of(verify("${token}"), "alice", "decrypt"),
            step("generate_keys", json!({"token": true, "data": true}))
                .answers(json!({"added": ["token", "data"], "ids": ["*", "*"]})),
            is_of(verify("${token}"), "alice", "decrypt"),
            step("rotate_keys", json!({"token": true, "grace": 0}))
                .answers(json!({"added": ["token"], "ids": ["*"]})),
            verify("${token}").refused("token_key_retired"),
            list(json!([
                key("token", false, false, None),
                key("token", false, false, None),
                key("token", true, true, None),
                key("data", false, true, Some(1)),
                key("data", false, true, Some(1)),
                key("data", true, true, Some(0)),
            ])),
            step("export_keys", json!({"passphrase": "too short"})).refused("invalid_argument"),
            step(
                "export_keys",
                json!({"passphrase": "correct horse battery"}),
            )
            .answers(json!({"exported": "*"}))
            .saves("exported", "/exported"),
            import("${exported}", "another passphrase").refused("invalid_argument"),
            import("nonsense", "correct horse battery").refused("invalid_argument"),
            import("", "correct horse battery").refused("invalid_argument"),
            import("${exported}", "correct horse battery").answers(json!({"added": [], "ids": []})),
            step("public_keys", json!({})).answers(json!({"keys": 0})),
            step("back_up", json!({"file": "copy"})),
            step("back_up", json!({"file": "copy"})).refused("invalid_argument"),
        ],
    }
}

/// With a public key, a new token key is published before it signs.
pub(super) fn published_keys() -> Scenario {
    let public = |keys: usize| step("public_keys", json!({})).answers(json!({"keys": keys}));
    let rotate = |now: bool| {
        step("rotate_keys", json!({"token": true, "now": now}))
            .answers(json!({"added": ["token"], "ids": ["*"]}))
    };
    let token = |newest: bool, next: bool| json!({"kind": "token", "newest": newest, "accepted": true, "next": next, "messages": null});
    Scenario {
        name: "published keys",
        settings: &[("token_algorithm", "EdDSA"), ("max_requests", "0")],
        steps: vec![
            step("issue_token", json!({"user": "alice", "scope": ""}))
                .answers(json!({"token": "*"}))
                .saves("token", "/token"),
            public(1),
            rotate(false).saves("next", "/ids/0"),
            public(2),
            step("list_keys", json!({})).answers(json!({
                "keys": [token(true, false), token(false, true), key("data", true, true, Some(0))],
                "ids": ["*", "*", "*"],
            })),
            step("retire_keys", json!({"ids": "${next}"}))
                .answers(json!({"changed": 0, "withdrawn": 1})),
            public(1),
            rotate(true),
            public(2),
            is_of(verify("${token}"), "alice", ""),
        ],
    }
}

pub(super) fn accounts() -> Scenario {
    let alice = |scope: &str, disabled: bool| json!({"name": "alice", "scope": scope, "disabled": disabled});
    let list = |users: Value| step("list_users", json!({})).answers(json!({"users": users}));
    let find = |user: &str| step("find_user", json!({"user": user}));
    let of = |operation, user: &str| step(operation, json!({"user": user}));
    let check = |user: &str, password: &str| {
        step(
            "check_password",
            json!({"user": user, "password": password}),
        )
    };
    let scoped = |scope: &str| {
        step(
            "log_in",
            json!({"user": "alice", "password": PASSWORD, "scope": scope}),
        )
    };
    let change = |current: &str, new: &str| {
        step(
            "change_password",
            json!({"user": "alice", "token": "${token}", "current": current, "new": new}),
        )
    };
    let with = |password: &str| step("log_in", json!({"user": "alice", "password": password}));
    let set_password = |user: &str, password: &str| {
        step("set_password", json!({"user": user, "password": password}))
    };
    let set_scope =
        |user: &str, scope: &str| step("set_scope", json!({"user": user, "scope": scope}));
    Scenario {
        name: "accounts",
        settings: &[("lockout_after", "0"), ("max_requests", "0")],
        steps: vec![
            list(json!([])),
            find("alice").answers(json!({"found": null})),
            of("disable_user", "alice").refused("not_found"),
            add("alice", "encrypt decrypt"),
            add("alice", "encrypt").refused("user_exists"),
            add("", "").refused("invalid_name"),
            add("carol", "a  b").refused("invalid_argument"),
            step(
                "add_user",
                json!({"user": "carol", "password": "password", "scope": ""}),
            )
            .refused("weak_password"),
            step(
                "add_user",
                json!({"user": "carol", "password": "", "scope": ""}),
            )
            .refused("weak_password"),
            list(json!([alice("encrypt decrypt", false)])),
            find("alice").answers(json!({"found": alice("encrypt decrypt", false)})),
            check("alice", PASSWORD).answers(json!({"scope": "encrypt decrypt"})),
            check("alice", ANOTHER).refused("login_failed"),
            check("nobody", PASSWORD).refused("login_failed"),
            with(ANOTHER).refused("login_failed"),
            scoped("admin").refused("invalid_argument"),
            scoped("decrypt")
                .answers(json!({"token": "*", "refresh_token": "*"}))
                .saves("narrow", "/token"),
            is_of(verify("${narrow}"), "alice", "decrypt"),
            // The own password.
            log_in("alice", "token", "refresh token"),
            change(ANOTHER, "a third harbour").refused("login_failed"),
            change(PASSWORD, "password").refused("weak_password"),
            is_of(verify("${token}"), "alice", "encrypt decrypt"),
            change(PASSWORD, ANOTHER),
            verify("${token}").refused("token_revoked"),
            verify("${narrow}").refused("token_revoked"),
            step("refresh", json!({"refresh_token": "${refresh token}"})).refused("token_revoked"),
            with(PASSWORD).refused("login_failed"),
            with(ANOTHER)
                .answers(json!({"token": "*", "refresh_token": "*"}))
                .saves("token", "/token"),
            // Anybody's.
            set_password("alice", "password").refused("weak_password"),
            set_password("nobody", PASSWORD).refused("not_found"),
            set_password("alice", PASSWORD),
            verify("${token}").refused("token_revoked"),
            log_in("alice", "token", "refresh token"),
            set_scope("alice", "a  b").refused("invalid_argument"),
            set_scope("nobody", "").refused("not_found"),
            set_scope("alice", "encrypt decrypt rewrap"),
            is_of(verify("${token}"), "alice", "encrypt decrypt"),
            set_scope("alice", "decrypt"),
            verify("${token}").refused("token_revoked"),
            log_in("alice", "token", "refresh token"),
            is_of(verify("${token}"), "alice", "decrypt"),
            of("disable_user", "alice"),
            list(json!([alice("decrypt", true)])),
            verify("${token}").refused("token_revoked"),
            with(PASSWORD).refused("login_failed"),
            of("enable_user", "alice"),
            verify("${token}").refused("token_revoked"),
            log_in("alice", "token", "refresh token"),
            of("revoke_user", "alice"),
            verify("${token}").refused("token_revoked"),
            of("remove_user", "alice"),
            of("remove_user", "alice").refused("not_found"),
            of("enable_user", "alice").refused("not_found"),
            of("unlock_user", "alice").refused("not_found"),
            with(PASSWORD).refused("login_failed"),
            list(json!([])),
            step("check_store", json!({})).answers(json!({"store": true})),
        ],
    }
}

pub(super) fn sessions() -> Scenario {
    let refresh = |token: &str| step("refresh", json!({"refresh_token": token}));
    let list = |sessions: Value| {
        step("list_sessions", json!({"user": "alice"})).answers(json!({"sessions": sessions}))
    };
    let session = |refreshed: bool| json!({"id": "*", "refreshed": refreshed});
    let end = |id: &str| step("end_session", json!({"id": id}));
    Scenario {
        name: "sessions",
        settings: &[("lockout_after", "0"), ("max_requests", "0")],
        steps: vec![
            step("list_sessions", json!({"user": "alice"})).refused("not_found"),
            end("nothing").refused("not_found"),
            add("alice", "encrypt decrypt"),
            add("bob", "decrypt"),
            list(json!([])),
            log_in("alice", "first", "first refresh"),
            list(json!([session(false)])).saves("first id", "/sessions/0/id"),
            refresh("${first refresh}")
                .answers(json!({"token": "*", "refresh_token": "*"}))
                .saves("second", "/token")
                .saves("second refresh", "/refresh_token"),
            list(json!([session(true)])),
            is_of(verify("${first}"), "alice", "encrypt decrypt"),
            // Logins are listed by the second in which they began.
            step("pause", json!({"milliseconds": 1100})),
            log_in("alice", "other", "other refresh"),
            log_in("bob", "of bob", "refresh of bob"),
            list(json!([session(true), session(false)])).saves("other id", "/sessions/1/id"),
            end("${first id}"),
            verify("${first}").refused("token_revoked"),
            verify("${second}").refused("token_revoked"),
            refresh("${second refresh}").refused("token_revoked"),
            end("${first id}").refused("not_found"),
            end("").refused("not_found"),
            end("' OR 1 = 1 --").refused("not_found"),
            is_of(verify("${other}"), "alice", "encrypt decrypt"),
            list(json!([session(false)])),
            // A refresh token that is used twice has been copied.
            refresh("${other refresh}")
                .answers(json!({"token": "*", "refresh_token": "*"}))
                .saves("third", "/token")
                .saves("third refresh", "/refresh_token"),
            refresh("${other refresh}").refused("token_revoked"),
            refresh("${third refresh}").refused("token_revoked"),
            verify("${third}").refused("token_revoked"),
            list(json!([])),
            end("${other id}").refused("not_found"),
            refresh("nonsense").refused("token_malformed"),
            refresh("${of bob}").refused("token_malformed"),
            refresh("").refused("token_missing"),
            is_of(verify("${of bob}"), "bob", "decrypt"),
        ],
    }
}

pub(super) fn guesses() -> Scenario {
    let guess = || step("log_in", json!({"user": "alice", "password": ANOTHER}));
    let unlock = |user: &str| step("unlock_user", json!({"user": user}));
    Scenario {
        name: "guesses",
        settings: &[("lockout_after", "2"), ("max_requests", "0")],
        steps: vec![
            add("alice", "decrypt"),
            guess().refused("login_failed"),
            guess().refused("login_failed"),
            // On a slow machine the first delays may be over before the next attempt.
            guess().refused("rate_limited").in_the_end(),
            unlock("nobody").refused("not_found"),
            unlock("alice"),
            log_in("alice", "token", "refresh token"),
            guess().refused("login_failed"),
            guess().refused("login_failed"),
            // The own password is guessed under the same rule.
            step(
                "change_password",
                json!({"user": "alice", "token": "${token}", "current": "a guess", "new": "a third harbour"}),
            )
            .refused("rate_limited")
            .in_the_end(),
            is_of(verify("${token}"), "alice", "decrypt"),
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
