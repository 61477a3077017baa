//! A copy that is refused or killed leaves the old store as it was.

use std::process::Stdio;

use super::*;
use crate::nodes::sized;

#[test]
fn a_copy_that_is_refused_changes_nothing() {
    let moved = Move::new();
    let folder = moved.folder();
    let old = Use::Folder(&folder);
    let copy = moved.to_database();
    let refused = moved.refused(old, &words(&copy), 1);
    assert!(refused.contains("nothing to copy"), "{refused}");
    moved.done(old, &["user", "add", "alice", "--scopes", "encrypt"]);
    moved.done(old, &["keys", "generate"]);
    moved.sql("CREATE ROLE guest LOGIN");
    moved.sql("CREATE ROLE reader LOGIN");
    let as_role = |role: &str| moved.address(role);
    let attempt = |to: &str, code: i32| moved.refused(old, &["store", "copy", "--to", to], code);
    let said = attempt(&as_role("guest"), 2);
    assert!(said.contains("sealgate store migrate"), "{said}");
    moved.done(Use::Database, &["store", "migrate"]);
    moved.sql("GRANT USAGE ON SCHEMA sealgate TO reader");
    moved.sql("GRANT SELECT ON ALL TABLES IN SCHEMA sealgate TO reader");
    let said = attempt(&as_role("reader"), 2);
    assert!(said.contains("lacks a right"), "{said}");
    for (to, what) in [
        (
            "postgres://me:s3cret@127.0.0.1/x",
            "SEALGATE_STORE_PASSWORD_FILE",
        ),
        (
            "postgres://me@127.0.0.1/x?password=s3cret",
            "SEALGATE_STORE_PASSWORD_FILE",
        ),
        ("mysql://127.0.0.1/x", "neither"),
        (
            "postgres://me@127.0.0.1:1/x?sslmode=disable",
            "cannot be reached",
        ),
        ("elsewhere", "SEALGATE_STORE is not set"),
    ] {
        let said = attempt(to, 2);
        assert!(
            said.contains(what) && !said.contains("s3cret"),
            "{to}: {said}"
        );
    }
    let mut elsewhere = moved.command(
        Use::Database,
        &["store", "copy", "--to", "postgres://127.0.0.1/x"],
    );
    elsewhere.env("SEALGATE_DATA_DIR", &folder);
    let output = run(elsewhere, b"");
    assert!(
        text(&output.stderr).contains("another database"),
        "{output:?}"
    );
    let mut plain = moved.command(old, &words(&copy));
    plain.env_remove("SEALGATE_RING_KEY");
    let output = run(plain, b"");
    assert_eq!(output.status.code(), Some(2));
    // One that is sealed cannot be opened, one that is not must not be stored.
    assert!(
        text(&output.stderr).contains("SEALGATE_RING_KEY"),
        "{output:?}"
    );
    // After each of them the old store takes changes, and the new one has nothing.
    moved.done(old, &["user", "add", "bob", "--scopes", "encrypt"]);
    assert_eq!(moved.sql("SELECT count(*) FROM sealgate.accounts"), "0");
    assert_eq!(moved.sql("SELECT count(*) FROM sealgate.ring"), "0");
    moved.done(old, &words(&copy));
    moved.done(old, &["store", "unlock"]);
    assert_eq!(
        moved.done(old, &["store", "unlock"]),
        "The store takes changes; nothing to do.\n"
    );
    moved.done(old, &["user", "add", "carol", "--scopes", "encrypt"]);
    let said = moved.refused(old, &words(&copy), 2);
    assert!(
        said.contains("not empty") && said.contains("--replace"),
        "{said}"
    );
    moved.done(old, &["user", "remove", "carol"]);
    let replace = [words(&copy), vec!["--replace"]].concat();
    let node = moved.server(Use::Database);
    let said = moved.refused(old, &replace, 2);
    assert!(said.contains("Stop all servers"), "{said}");
    moved.done(old, &["user", "add", "dora", "--scopes", "encrypt"]);
    drop(node);
    moved.sql("UPDATE sealgate.nodes SET seen = seen - interval '1 minute'");
    moved.done(old, &replace);
    let names = moved.done(Use::Database, &["user", "list", "--json"]);
    assert!(
        names.contains("dora") && !names.contains("carol"),
        "{names}"
    );
    let trail = fs::read_to_string(moved.trail()).unwrap();
    assert!(trail.contains("event=store.unlock result=ok"), "{trail}");
}

#[test]
fn a_copy_that_is_killed_leaves_the_old_store_usable_and_the_new_one_empty() {
    let moved = Move::new();
    let folder = moved.folder();
    let old = Use::Folder(&folder);
    moved.done(old, &["user", "add", "alice", "--scopes", "secure-data"]);
    let server = moved.server(old);
    let pair = Pair::log_in(&server, "alice");
    moved.done(Use::Database, &["store", "migrate"]);
    let tables = ["accounts", "sessions", "api_keys", "ring", "meta"];
    let copy = moved.to_database();
    let locked = |table: &str| {
        // Holds the copy there.
        let hold =
            format!("BEGIN; LOCK TABLE sealgate.{table} IN SHARE MODE; SELECT pg_sleep(600)");
        let holder = moved
            .postgres
            .primary
            .psql(DATABASE, &hold)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        wait_until("nobody locks the table", || {
            let held = "SELECT count(*) FROM pg_locks WHERE mode = 'ShareLock' AND granted
                 AND relation = 'sealgate.accounts'::regclass";
            moved.sql(&held.replace("accounts", table)) == "1"
        });
        holder.unwrap()
    };
    for table in tables.iter().take(sized(3, tables.len())).chain(&["meta"]) {
        let mut holder = locked(table);
        let mut command = moved.command(old, &words(&copy));
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until("the copy does not get there", || {
            moved.sql("SELECT count(*) FROM pg_locks WHERE NOT granted") != "0"
        });
        child.kill().unwrap();
        child.wait().unwrap();
        moved.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'BEGIN; LOCK TABLE%'
                 AND pid <> pg_backend_pid()",
        );
        holder.wait().unwrap();
        wait_until("the copy goes on", || {
            moved.sql(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'
                     AND pid <> pg_backend_pid()",
            ) == "0"
        });
        let any = tables[..4]
            .iter()
            .map(|table| format!("(SELECT count(*) FROM sealgate.{table})"));
        let sum = any.collect::<Vec<_>>().join(" + ");
        assert_eq!(moved.sql(&format!("SELECT {sum}")), "0", "{table}");
        assert_eq!(secret(&server, &pair.token), 200, "{table}");
        let sentence = moved.refused(old, &["user", "disable", "alice"], 2);
        assert!(sentence.contains("sealgate store unlock"), "{sentence}");
        moved.done(old, &["store", "unlock"]);
        assert_eq!(login(&server, "alice", PASSWORD).status, 200, "{table}");
    }
    drop(server);
    // Killed and simply done again, without unlocking.
    moved.done(old, &words(&copy));
    let node = moved.server(Use::Database);
    assert_eq!(secret(&node, &pair.token), 200);
    assert_eq!(pair.refreshed(&node).status, 200);
}
