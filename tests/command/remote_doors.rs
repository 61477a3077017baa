//! The same state through three doors: the command beside the server, the command with `--server`, and the JSON that the console
//! reads. What one of them changes, all of them show.

use std::time::Instant;

use serde_json::{Value, json};

use super::administered::{Administered, time};
use crate::common::people::{PASSWORD, Pair, login, within};
use crate::common::{PATIENCE, text};

/// A list that all doors have.
struct List {
    /// The subcommand; also with `--json`.
    arguments: &'static [&'static str],
    /// The same over HTTP: the target, and the member with the rows.
    target: &'static str,
    rows: &'static str,
    /// A row over HTTP as the command prints it; `None`: it belongs to another list.
    printed: fn(&Value) -> Option<Value>,
}

const LISTS: &[List] = &[
    List {
        arguments: &["user", "list"],
        target: "users?limit=1000",
        rows: "users",
        printed: |user| account(user, "user"),
    },
    List {
        arguments: &["client", "list"],
        target: "users?limit=1000",
        rows: "users",
        printed: |user| account(user, "client"),
    },
    List {
        arguments: &["api-key", "list"],
        target: "api-keys?limit=1000",
        rows: "api_keys",
        printed: |key| {
            Some(json!({
                "id": key["id"],
                "owner": key["owner"],
                "scope": joined(&key["scopes"]),
                "created": time(&key["created_at"]),
                "expires_at": time(&key["expires_at"]),
                "max_requests": key["limit"]["max_requests"],
                "window": key["limit"]["window"],
                "last_used": time(&key["last_used"]),
                "revoked_at": time(&key["revoked_at"]),
            }))
        },
    },
    List {
        arguments: &["user", "sessions", "alice"],
        target: "sessions?user=alice",
        rows: "sessions",
        printed: |session| {
            Some(json!({
                "id": session["id"],
                "started": time(&session["created_at"]),
                "refreshed": time(&session["used_at"]),
                "expires": time(&session["expires_at"]),
            }))
        },
    },
    List {
        arguments: &["keys", "list"],
        target: "keys",
        rows: "keys",
        printed: |key| {
            Some(json!({
                "kind": key["kind"],
                "id": key["id"],
                "algorithm": key["algorithm"],
                "created": time(&key["created_at"]),
                "newest": key["state"] == "in_use",
                "signs_from": time(&key["signs_from"]),
                "accepted": key["state"] != "retired",
                "accepted_until": time(&key["accepted_until"]),
                "from": null,
                "messages": key["messages"],
            }))
        },
    },
    List {
        arguments: &["limits"],
        target: "limits",
        rows: "policies",
        printed: |policy| Some(policy.clone()),
    },
];

fn account(user: &Value, kind: &str) -> Option<Value> {
    (user["kind"] == kind).then(|| {
        json!({
            "name": user["name"],
            "scope": joined(&user["scopes"]),
            "disabled": user["disabled"],
            "created": time(&user["created_at"]),
            "claims": user["claims"],
        })
    })
}

fn joined(names: &Value) -> String {
    let names = names.as_array().unwrap().iter();
    let names: Vec<&str> = names.map(|name| name.as_str().unwrap()).collect();
    names.join(" ")
}

/// The rows that the command has printed as JSON: one on each line, or all in a member.
fn rows(printed: &str) -> Vec<Value> {
    if let Ok(mut whole) = serde_json::from_str::<Value>(printed) {
        for member in ["keys", "limits"] {
            if let Value::Array(rows) = whole[member].take() {
                return rows;
            }
        }
    }
    let rows = printed.lines();
    rows.map(|row| serde_json::from_str(row).unwrap()).collect()
}

fn sorted(mut rows: Vec<Value>) -> Vec<Value> {
    rows.sort_by_key(Value::to_string);
    rows
}

/// Without the place of the ring: a path beside the server, the server's URL elsewhere.
fn without_place(arguments: &[&str], printed: &str) -> String {
    if arguments[0] != "keys" {
        return printed.to_owned();
    }
    if let Ok(mut whole) = serde_json::from_str::<Value>(printed) {
        whole["ring"] = Value::Null;
        for key in whole["keys"].as_array_mut().unwrap() {
            assert!(key["from"].take().is_string());
        }
        return format!("{whole:#}");
    }
    let at = printed.find("FROM").unwrap();
    let lines = printed.lines().map(|line| format!("{}\n", &line[..at]));
    lines.collect()
}

impl Administered {
    /// What all three show; otherwise how they differ.
    fn seen(&self, list: &List) -> Result<Vec<Value>, String> {
        let mut shown = Vec::new();
        for flag in [None, Some("--json")] {
            let arguments: Vec<&str> = list.arguments.iter().copied().chain(flag).collect();
            let (here, there) = (self.local(&arguments), self.typed(&arguments));
            let of = |bytes: &[u8]| without_place(&arguments, &text(bytes));
            let (printed, also) = (of(&here.stdout), of(&there.stdout));
            if here.status.code() != there.status.code()
                || printed != also
                || here.stderr.is_empty() != there.stderr.is_empty()
            {
                return Err(format!("{arguments:?}:\n{here:?}\n{there:?}"));
            }
            assert_eq!(here.status.code(), Some(0), "{here:?}");
            shown = match flag {
                Some(_) => sorted(rows(&printed)),
                None => shown,
            };
        }
        let answer = self.get(list.target);
        let read = answer[list.rows].as_array().unwrap().iter();
        let read = sorted(read.filter_map(list.printed).collect());
        match read == shown {
            true => Ok(shown),
            false => Err(format!("{:?}:\n{shown:?}\n{answer}", list.arguments)),
        }
    }

    /// All doors show the same, at the latest when every change has to have arrived. Returns all rows as JSON.
    fn agree(&self, after: &str) -> String {
        let started = Instant::now();
        let of = |list: &List| loop {
            match self.seen(list) {
                Ok(rows) => break Value::from(rows).to_string(),
                Err(why) => assert!(started.elapsed() < PATIENCE, "after {after}: {why}"),
            }
        };
        LISTS.iter().map(of).collect()
    }
}

/// Who changes something.
enum Door {
    Here,
    There,
    Http,
}
use Door::{Here, Http, There};

#[test]
fn three_doors_show_the_same_whichever_of_them_made_the_change() {
    let mut all = Administered::with(&[(
        "SEALGATE_LIMITS",
        "exports: 10 per 3600; bulk: 1000 per 60, per api key, cost by item; near: 4 per 60, per address",
    )]);
    for _ in 0..2 {
        Pair::log_in(&all.server, "alice");
    }
    let shown = all.agree("the start");
    for what in ["alice", "root", r#""name":"bulk","limit":1000"#] {
        assert!(shown.contains(what), "{what}: {shown}");
    }
    let [data, token] = ["data", "token"].map(|kind| all.people.place.newest(kind));
    let session = all.get("sessions?user=alice")["sessions"][0]["id"].clone();
    let session = session.as_str().unwrap();
    let ended = format!(r#""id":"{session}""#);
    assert!(shown.contains(&ended), "{ended}: {shown}");
    let shop = json!({"name": "shop", "kind": "client", "scopes": ["encrypt"]}).to_string();
    let key = json!({"owner": "alice", "scopes": ["encrypt"], "expires_in": 900, "limit": {"max_requests": 9, "window": 60}})
        .to_string();
    let accept = format!("keys/{data}/accept");
    let add = &["user", "add", "c\u{202e}arol", "--scopes", "encrypt"];
    let claims = &["user", "claims", "alice", r#"{"a":"o\u0007","b":[1,{}]}"#];
    // The arguments of the command, or the target and the body over HTTP; what is shown then, and what no longer is.
    #[rustfmt::skip]
    let steps: &[(Door, &[&str], &str, &str)] = &[
        (There, &["session", "end", "--", session], "", &ended),
        (There, claims, r#""claims":{"a":"o\u0007","b":[1,{}]}"#, ""),
        (Here, &["user", "scopes", "alice", "encrypt"], r#""scope":"encrypt""#, ""),
        (There, &["user", "disable", "bob"], r#""disabled":true"#, ""),
        (Here, &["user", "enable", "bob"], "", r#""disabled":true"#),
        (There, add, "\"name\":\"c\u{202e}arol\"", ""),
        (Http, &["users", &shop], r#""name":"shop""#, ""),
        (Here, &["client", "disable", "shop"], r#""disabled":true"#, ""),
        (There, &["client", "remove", "shop"], "", r#""name":"shop""#),
        (Http, &["api-keys", &key], r#""max_requests":9,"window":60"#, ""),
        (Here, &["api-key", "add", "bob"], r#""owner":"bob""#, ""),
        (There, &["api-key", "revoke", "--owner", "alice"], r#""revoked_at":"20"#, ""),
        (There, &["keys", "rotate", "--data", "--grace", "7200"], r#""accepted":true,"accepted_until":"20"#, ""),
        (Here, &["keys", "retire", &data], r#""accepted":false,"accepted_until":null"#, ""),
        (There, &["keys", "accept", &data, "--for", "86400"], r#""accepted":true,"accepted_until":"20"#, ""),
        (Http, &[&accept, r#"{"for": 0}"#], r#""accepted":false,"accepted_until":"20"#, ""),
        (There, &["keys", "accept", &data], "", r#""accepted_until":"20"#),
        (Http, &["keys/rotate", r#"{"kind": "token", "grace": 3600}"#], r#""accepted_until":"20"#, ""),
    ];
    for (door, what, seen, gone) in steps {
        match door {
            Here => {
                let output = all.local(what);
                assert_eq!(output.status.code(), Some(0), "{what:?}: {output:?}");
            }
            There => drop(all.done(what)),
            Http => drop(all.post(what[0], &serde_json::from_str(what[1]).unwrap())),
        }
        let shown = all.agree(&format!("{what:?}"));
        assert!(shown.contains(seen), "{what:?}: {seen}: {shown}");
        let is_gone = gone.is_empty() || !shown.contains(gone);
        assert!(is_gone, "{what:?}: {gone}: {shown}");
    }
    // The administrator's own token was signed with this key.
    let retired = all.local(&["keys", "retire", &token]);
    assert_eq!(retired.status.code(), Some(0), "{retired:?}");
    let status = || all.server.get("/admin/v1/keys", Some(&all.token)).status;
    within(PATIENCE, || status() == 401);
    all.token = Pair::log_in(&all.server, "root").token;
    let shown = all.agree("the last key");
    assert!(
        shown.contains(r#""accepted":false,"accepted_until":null"#),
        "{shown}"
    );
}

#[test]
fn keys_get_the_same_time_from_the_command_on_either_side() {
    let all = Administered::new();
    let until = |id: &str| {
        let listed = all.get("keys");
        let mut keys = listed["keys"].as_array().unwrap().iter();
        let key = keys.find(|key| key["id"] == id).unwrap();
        key["accepted_until"].as_u64()
    };
    let now = || sealgate::unix_now();
    for (is_here, seconds) in [(true, 5000), (false, 6000)] {
        let old = all.people.place.newest("data");
        let seconds_text = seconds.to_string();
        let rotate = ["keys", "rotate", "--data", "--grace", &seconds_text];
        let started = now();
        match is_here {
            true => assert_eq!(all.local(&rotate).status.code(), Some(0)),
            false => assert!(all.done(&rotate).contains("  new data key ")),
        }
        within(PATIENCE, || {
            all.people.place.newest("data") != old && until(&old).is_some()
        });
        let time = until(&old).unwrap();
        assert!(
            (started + seconds..=now() + seconds).contains(&time),
            "{time}"
        );
        let accept = ["keys", "accept", &old, "--for", "60"];
        let output = if is_here {
            all.local(&accept)
        } else {
            all.typed(&accept)
        };
        let said = text(&output.stdout);
        assert!(
            said.starts_with(&format!("data key {old}: accepted until 20")),
            "{said}"
        );
        // The time that is printed is the one that counts.
        within(PATIENCE, || {
            until(&old).is_some_and(|time| time < started + 3000)
        });
        let time = time_of(until(&old).unwrap());
        assert!(
            said.contains(&format!("accepted until {time} (before: until 20")),
            "{time}: {said}"
        );
    }
    // Without any grace, no token key of before is accepted, and the new one signs at once.
    let rotated = all.done(&["keys", "rotate", "--token", "--grace", "0"]);
    assert!(
        rotated.contains("  new token key ") && !rotated.contains("signs from"),
        "{rotated}"
    );
    let refused = all.typed(&["keys", "list"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        text(&refused.stderr).contains("token_key_retired"),
        "{refused:?}"
    );
}

fn time_of(seconds: u64) -> String {
    time(&seconds.into()).unwrap()
}

#[test]
fn a_locked_account_is_seen_over_http_and_unlocked_through_every_door() {
    let all = Administered::with(&[("SEALGATE_LOCKOUT_AFTER", "2")]);
    all.people.add("carol", "encrypt");
    let locked_until = |name: &str| all.get(&format!("users/{name}"))["locked_until"].clone();
    for (door, name) in [(Here, "alice"), (There, "bob"), (Http, "carol")] {
        // From then on only wrong passwords from this address delay this user here.
        assert_eq!(login(&all.server, name, PASSWORD).status, 200, "{name}");
        // Until the delay outlasts what holds this test up.
        within(PATIENCE, || {
            let refused = login(&all.server, name, "wrong");
            let wait = refused.header("Retry-After");
            let listed = all.get(&format!("users?q={name}"));
            let until =
                [&listed["users"][0]["locked_until"], &locked_until(name)].map(Value::is_u64);
            until == [true; 2] && wait.is_some_and(|wait| wait.parse::<u64>().unwrap() >= 4)
        });
        let unlock = ["user", "unlock", name];
        match door {
            Here => assert_eq!(all.local(&unlock).status.code(), Some(0)),
            There => drop(all.done(&unlock)),
            Http => drop(all.post(&format!("users/{name}/unlock"), &json!({}))),
        }
        assert_eq!(locked_until(name), Value::Null, "{name}");
        assert_eq!(login(&all.server, name, PASSWORD).status, 200, "{name}");
    }
}
