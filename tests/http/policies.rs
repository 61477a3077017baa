//! Named limits of a real server, on both engines.

use std::path::Path;

use serde_json::json;

use crate::common::{Answer, Server, run, sealgate, text};

const LIMITS: &str =
    "exports: 10 per 3600; bulk: 4 per 3600, cost by item; near: 3 per 3600, per address";

fn servers(home: &Path) -> [Server; 2] {
    ["pool", "tiny-http"].map(|engine| {
        let settings = [
            ("SEALGATE_ENGINE", engine),
            ("SEALGATE_LIMITS", LIMITS),
            ("SEALGATE_TRUSTED_PROXIES", "127.0.0.1"),
            ("MAX_REQUESTS", "100"),
            ("RATE_LIMIT_WINDOW", "3600"),
        ];
        Server::start(home, &settings)
    })
}

fn issue(home: &Path, user: &str, scope: &str) -> String {
    let mut issue = sealgate(home);
    issue.args(["token", "issue", "--user", user, "--scope", scope]);
    text(&run(issue, b"").stdout).trim().to_owned()
}

/// The name and what is left of each limit.
fn left(answer: &Answer) -> Vec<(String, u32)> {
    let items = answer.header("RateLimit").into_iter();
    let items = items.flat_map(|field| field.split(", "));
    items
        .map(|item| {
            let (name, rest) = item.split_once(";r=").unwrap();
            let (remaining, _) = rest.split_once(";t=").unwrap();
            (
                name.trim_matches('"').to_owned(),
                remaining.parse().unwrap(),
            )
        })
        .collect()
}

fn states<const N: usize>(states: [(&str, u32); N]) -> Vec<(String, u32)> {
    states.map(|(name, left)| (name.to_owned(), left)).into()
}

#[test]
fn an_application_a_proxy_and_a_batch_use_policies() {
    let home = tempfile::tempdir().unwrap();
    for server in servers(home.path()) {
        let shop = issue(home.path(), "shop", "limit limit-reset");
        let alice = issue(home.path(), "alice", "encrypt");
        let count = |cost: u32| {
            let body = json!({"name": "alice", "policy": "exports", "cost": cost}).to_string();
            let answer = server.post("/limit", &body, Some(&shop));
            assert_eq!(answer.status, 200, "{}", answer.body);
            let state = answer.json();
            (
                state["allowed"] == true,
                state["remaining"].as_u64().unwrap(),
            )
        };
        assert_eq!(
            [count(6), count(5), count(0)],
            [(true, 4), (false, 4), (true, 4)]
        );

        // The proxy's requests count for the same user; an address is the one that it names.
        let verify = |target: &str, client: &str| {
            let head = format!(
                "GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {alice}\r\nX-Forwarded-For: {client}\r\n\r\n"
            );
            server.send(head.as_bytes())
        };
        let exports = "/verify?limit=default&policy=exports&cost=2";
        for (status, default, remaining) in [(204, 99, 2), (204, 98, 0), (429, 98, 0)] {
            let answer = verify(exports, "192.0.2.1");
            assert_eq!(answer.status, status);
            assert_eq!(
                left(&answer),
                states([("default", default), ("exports", remaining)])
            );
            assert_eq!(answer.header("Retry-After").is_some(), status == 429);
        }
        for (client, status) in [("192.0.2.1", 204), ("192.0.2.1", 429), ("192.0.2.2", 204)] {
            let answer = verify("/verify?policy=near&cost=2", client);
            assert_eq!(answer.status, status, "{client}");
        }

        // A batch counts its items; a refused one is not encrypted in part.
        let items = |count: usize| json!({"items": vec![json!({"data": "x"}); count]}).to_string();
        let batch = |count: usize| server.post("/encrypt", &items(count), Some(&alice));
        let good = batch(3);
        assert_eq!(good.status, 200);
        assert_eq!(left(&good), states([("default", 97), ("bulk", 1)]));
        let refused = batch(2);
        assert_eq!(
            (refused.status, refused.code()),
            (429, "rate_limited".to_owned())
        );
        assert_eq!(left(&refused), states([("default", 96), ("bulk", 1)]));
        let never = batch(5);
        assert_eq!((never.status, never.code()), (400, "bad_member".to_owned()));

        // A reset is recorded, and works for the server that is asked.
        let reset = json!({"name": "alice", "policy": "exports"}).to_string();
        let answer = server.post("/limit/reset", &reset, Some(&shop));
        assert_eq!(answer.json(), json!({"policy": "exports", "counted": true}));
        assert_eq!(count(10), (true, 0));
        let log = server.stop();
        let recorded = log
            .lines()
            .filter(|line| line.contains("event=limit.reset"));
        let recorded: Vec<&str> = recorded.collect();
        assert_eq!(recorded.len(), 1, "{log}");
        assert!(recorded[0].contains("result=ok user=a***"), "{log}");
    }
}

/// Those who may log in without a password neither count for others nor reset what is counted.
#[test]
fn an_open_login_gives_no_scope_for_limits() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(home.path(), &[]);
    for scope in ["limit", "limit-reset"] {
        let body = json!({"username": "mallory", "scope": scope}).to_string();
        assert_eq!(server.post("/login", &body, None).status, 400);
    }
    let token = server.log_in("mallory");
    for path in ["/limit", "/limit/reset"] {
        let refused = server.post(path, r#"{"name": "alice"}"#, Some(&token));
        assert_eq!(
            (refused.status, refused.code()),
            (403, "insufficient_scope".to_owned())
        );
    }
    server.stop();
}
