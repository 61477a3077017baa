//! Changes by several administrators at once, and lists while things change.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;

#[test]
fn of_two_changes_with_one_tag_exactly_one_is_made() {
    let root = Root::new(&[]);
    let mut etag = root.add("alice", &[])["etag"].as_str().unwrap().to_owned();
    for round in 0..20 {
        let start = Barrier::new(2);
        let statuses: Vec<u16> = thread::scope(|scope| {
            let threads = ["one", "other"].map(|who| {
                let (root, start, etag) = (&root, &start, &etag);
                scope.spawn(move || {
                    start.wait();
                    let edit = json!({"scopes": [who, format!("round-{round}")]});
                    root.patch("/admin/v1/users/alice", etag, &edit).status().0
                })
            });
            threads.map(|thread| thread.join().unwrap()).to_vec()
        });
        let mut sorted = statuses.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [200, 412]);
        let alice = root.get("/admin/v1/users/alice");
        let winner = if statuses[0] == 200 { "one" } else { "other" };
        assert_eq!(alice["scopes"], json!([winner, format!("round-{round}")]));
        etag = alice["etag"].as_str().unwrap().to_owned();
    }
}

#[test]
fn any_state_and_a_tag_are_not_asked_for_together() {
    let root = Root::new(&[]);
    root.add("alice", &[]);
    let change = |conditions: &[(&'static str, &str)]| {
        let edit = json!({"disabled": true}).to_string();
        root.ask(Method::Patch, "/admin/v1/users/alice", &edit, conditions)
    };
    for conditions in [
        &[("If-Match", "\"old\""), ("If-Match", "*")][..],
        &[("If-Match", "*"), ("If-Match", "\"old\"")],
        &[("If-Match", "\"old\", *")],
    ] {
        assert_eq!(code(&change(conditions), 400), "bad_request");
    }
    let old = change(&[("If-Match", "\"old\"")]);
    assert_eq!(code(&old, 412), "precondition_failed");
    assert_eq!(change(&[("If-Match", "*")]).status().0, 200);
}

#[test]
fn two_administrators_cannot_disable_each_other() {
    let root = Root::new(&[]);
    root.add("other", &["admin"]);
    let other = token_of(&root.app, "other");
    let start = Barrier::new(2);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let asks = [("root", &other), ("other", &root.token)].map(|(whom, token)| {
            let (root, start) = (&root, &start);
            scope.spawn(move || {
                let target = format!("/admin/v1/users/{whom}");
                let ask = Ask {
                    method: Method::Patch,
                    ..post(&target, r#"{"disabled": true}"#)
                        .with("Authorization", token)
                        .with("If-Match", "*")
                };
                start.wait();
                ask.of(&root.app).status().0
            })
        });
        asks.map(|ask| ask.join().unwrap()).to_vec()
    });
    // The other one's token may be revoked before it is checked: 401 then, otherwise 409.
    let made = statuses.iter().filter(|status| **status == 200);
    assert_eq!(made.count(), 1, "{statuses:?}");
    let users = root.app.gate().users();
    let is_enabled = |name: &str| !users.find(name).unwrap().unwrap().disabled;
    assert!(is_enabled("root") ^ is_enabled("other"));
}

#[test]
fn a_list_that_changes_meanwhile_shows_what_stays_once() {
    let root = Root::new(&[]);
    let users = root.app.gate().clients();
    let stays: Vec<String> = (0..40).map(|n| format!("m{n:02}")).collect();
    for name in &stays {
        users.add(name, "").unwrap();
    }
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let clients = root.app.gate().clients();
            while !over.load(Ordering::Relaxed) {
                for name in ["a", "m05x", "m20x", "z"] {
                    clients.add(name, "").unwrap();
                }
                for name in ["z", "a", "m20x", "m05x"] {
                    clients.remove(name).unwrap();
                }
            }
        });
        for _ in 0..10 {
            let (mut seen, mut after) = (Vec::new(), String::new());
            loop {
                let page = root.get(&format!("/admin/v1/users?limit=3&after={after}"));
                for user in page["users"].as_array().unwrap() {
                    seen.push(user["name"].as_str().unwrap().to_owned());
                }
                match page["next"].as_str() {
                    Some(next) => after = next.to_owned(),
                    None => break,
                }
            }
            assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "{seen:?}");
            let stayed: Vec<&String> = seen.iter().filter(|name| stays.contains(name)).collect();
            assert_eq!(stayed.len(), stays.len());
        }
        over.store(true, Ordering::Relaxed);
    });
}
