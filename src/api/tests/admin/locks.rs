//! Until when wrong passwords delay an account's logins, and their end.

use super::*;
use crate::unix_now;

#[test]
fn a_delay_at_an_address_that_the_user_has_logged_in_from_is_shown_and_lifted() {
    let root = Root::new(&[("lockout_after", "2"), ("login_max_requests", "0")]);
    for name in ["alice", "bob"] {
        root.add(name, &["encrypt"]);
        token_of(&root.app, name);
    }
    let login = |name: &str, password: &str| {
        let ask = json!({"username": name, "password": password}).to_string();
        post("/login", &ask).of(&root.app)
    };
    let wait = |refused: Response| -> u64 {
        let wait = refused.header("Retry-After");
        wait.map_or(0, |wait| wait.parse().unwrap())
    };
    let locked = |name: &str| {
        let alone = root.get(&format!("/admin/v1/users/{name}"));
        let listed = root.get(&format!("/admin/v1/users?q={name}"));
        [alone, listed["users"][0].clone()].map(|user| user["locked_until"].as_u64())
    };
    assert_eq!(locked("alice"), [None; 2]);
    // Each further one doubles the delay: some delay is longer than what holds this test up.
    let (before, wait_of_alice, until) = loop {
        let before = unix_now();
        let wait = wait(login("alice", "wrong"));
        match locked("alice") {
            [Some(alone), Some(listed)] if wait >= 4 => break (before, wait, [alone, listed]),
            _ => std::thread::sleep(std::time::Duration::from_millis(50)),
        }
    };
    let ends = before + wait_of_alice - 1..=unix_now() + wait_of_alice + 1;
    assert!(
        until.iter().all(|until| ends.contains(until)),
        "{until:?}, {ends:?}"
    );
    assert_eq!(locked("bob"), [None; 2]);
    root.post("/admin/v1/users/alice/unlock", &json!({}));
    assert_eq!(locked("alice"), [None; 2]);
    assert_eq!(login("alice", PASSWORD).status().0, 200);

    // Whoever tries a client's name at /login delays no client.
    let client = json!({"name": "shop", "kind": "client", "scopes": ["encrypt"]});
    assert_eq!(root.post("/admin/v1/users", &client).status().0, 201);
    for _ in 0..3 {
        login("shop", "wrong");
    }
    assert_eq!(locked("shop"), [None; 2]);
}
