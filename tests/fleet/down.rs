//! What every route answers while the store is down, as docs/fleet.md has it, and a store that accepts connections and never
//! answers. SEALGATE_WRITE_DOCS=1 rewrites the table.

use std::fmt::Write;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::nodes::{Client, Fleet, get, login, logout, post, refresh, sized};
use super::postgres::{Postgres, wait_until};
use super::trouble::Trouble;
use crate::common::people::{PASSWORD, Pair};
use crate::common::{PATIENCE, promised};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/fleet.md");
const START: &str = "<!-- routes while the store is down: written by tests/fleet/down.rs -->\n";
const END: &str = "<!-- end of routes -->";

/// The store's deadline of these servers.
const TIMEOUT: &str = "400";
/// For a request that may wait for the store: with all that a busy machine adds.
const DEADLINE: Duration = promised(Duration::from_secs(2));

/// A request for each route, with what it is called in the table.
struct Asked {
    route: &'static str,
    request: Vec<u8>,
}

fn asked(pair: &Pair, sealed: &str, key: &str) -> Vec<Asked> {
    let token = Some(&*pair.token);
    let form = |path: &str, body: &str| {
        let length = body.len();
        format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    };
    let token_refresh = format!("grant_type=refresh_token&refresh_token={}", pair.refresh);
    let password = json!({"current_password": PASSWORD, "new_password": "another quiet harbour"});
    let of = |user: &str| json!({"name": user, "policy": "default"});
    let new_key = json!({"scope": "secure-data"});
    [
        ("POST `/login`", login("alice")),
        ("POST `/refresh`", refresh(&pair.refresh)),
        ("POST `/token`", form("/token", &token_refresh)),
        ("POST `/password`", post("/password", &password, token)),
        ("POST `/logout`", logout(&pair.token)),
        (
            "POST `/revoke`",
            form("/revoke", &format!("token={}", pair.refresh)),
        ),
        ("GET `/secure-data`", get("/secure-data", &pair.token)),
        (
            "GET `/secure-data` with an API key",
            get("/secure-data", key),
        ),
        (
            "POST `/encrypt`",
            post("/encrypt", &json!({"data": "text"}), token),
        ),
        (
            "POST `/decrypt`",
            post("/decrypt", &json!({"encrypted_data": sealed}), token),
        ),
        (
            "POST `/rewrap`",
            post("/rewrap", &json!({"encrypted_data": sealed}), token),
        ),
        (
            "POST `/introspect`",
            post("/introspect", &json!({"token": pair.token}), token),
        ),
        ("POST `/limit`", post("/limit", &of("bob"), token)),
        (
            "POST `/limit/reset`",
            post("/limit/reset", &of("bob"), token),
        ),
        ("GET `/verify`", get("/verify", &pair.token)),
        (
            "GET `/verify/for/`",
            get("/verify/for/secure-data/-/", &pair.token),
        ),
        ("GET `/api-keys`", get("/api-keys", &pair.token)),
        ("POST `/api-keys`", post("/api-keys", &new_key, token)),
        (
            "POST `/api-keys/revoke`",
            post("/api-keys/revoke", &json!({"id": "AAAAAAAAAAA"}), token),
        ),
        ("GET `/`", get("/", "")),
        (
            "GET `/.well-known/jwks.json`",
            get("/.well-known/jwks.json", ""),
        ),
        (
            "GET `/.well-known/oauth-authorization-server`",
            get("/.well-known/oauth-authorization-server", ""),
        ),
        ("GET `/openapi.json`", get("/openapi.json", "")),
        ("GET `/healthz`", get("/healthz", "")),
        ("GET `/readyz`", get("/readyz", "")),
    ]
    .map(|(route, request)| Asked { route, request })
    .into()
}

/// What each route answers while the store is down, with this setting.
fn answers(down: &str) -> Vec<(&'static str, u16)> {
    let mut fleet = Fleet::without_nodes(Postgres::alone());
    let scopes = "secure-data encrypt decrypt introspect limit limit-reset api-keys";
    fleet.add("alice", scopes);
    fleet.start_node(&[
        ("SEALGATE_STORE_TIMEOUT", TIMEOUT),
        ("SEALGATE_STORE_DOWN", down),
        ("SEALGATE_ISSUER", "https://auth.example.com"),
    ]);
    let node = &fleet.nodes[0];
    let mut client = Client::new();
    let pair = Pair::of(&client.ask(node, &login("alice")).unwrap());
    let sealed = client
        .ask(
            node,
            &post("/encrypt", &json!({"data": "text"}), Some(&pair.token)),
        )
        .unwrap();
    let sealed = sealed.json()["encrypted_data"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let key = client
        .ask(
            node,
            &post(
                "/api-keys",
                &json!({"scope": "secure-data"}),
                Some(&pair.token),
            ),
        )
        .unwrap();
    let key = key.json()["api_key"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    // A known subject and a known key.
    for token in [&pair.token, &key] {
        let answer = client.ask(node, &get("/secure-data", token)).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let asked = asked(&pair, &sealed, &key);
    assert_eq!(asked.len(), 25);
    fleet.postgres.primary.kill();
    // No word for more than a second.
    let wanted = if down == "refuse" { 503 } else { 200 };
    thread::sleep(Duration::from_millis(1500));
    wait_until("the loss is not noticed", || {
        let answer = client.ask(node, &get("/secure-data", &pair.token));
        answer.unwrap().status == wanted
    });
    let mut all = Vec::new();
    for asked in asked {
        let start = Instant::now();
        let answer = client.ask(node, &asked.request).unwrap();
        assert!(
            start.elapsed() < DEADLINE,
            "{}: {:?}",
            asked.route,
            start.elapsed()
        );
        if answer.status == 503 {
            assert!(answer.header("Retry-After").is_some(), "{}", asked.route);
        }
        all.push((asked.route, answer.status));
    }
    fleet.postgres.primary.start();
    // All is well again without anybody's help.
    fleet.wait_for(&get("/secure-data", &pair.token), 200);
    fleet.wait_for(&get("/readyz", ""), 200);
    fleet.wait_for(&login("alice"), 200);
    all
}

#[test]
fn every_route_answers_as_documented_while_the_store_is_down() {
    let (refuse, stale) = (answers("refuse"), answers("stale:600"));
    let mut table = String::from(
        "| request, by a user that the node has met | `SEALGATE_STORE_DOWN=refuse` | `stale:SECONDS`, for that long |\n\
         | --- | --- | --- |\n",
    );
    for ((route, refused), (_, stale)) in refuse.iter().zip(&stale) {
        writeln!(table, "| {route} | {refused} | {stale} |").unwrap();
    }
    let page = fs::read_to_string(PAGE).unwrap();
    let (head, rest) = page.split_once(START).expect("the table's start");
    let (_, tail) = rest.split_once(END).expect("the table's end");
    let current = format!("{head}{START}{table}{END}{tail}");
    if std::env::var_os("SEALGATE_WRITE_DOCS").is_some() {
        fs::write(PAGE, current).unwrap();
    } else {
        assert!(
            page == current,
            "rewrite docs/fleet.md with: SEALGATE_WRITE_DOCS=1 cargo test --test fleet down\n{table}"
        );
    }
}

#[test]
fn a_store_that_never_answers_keeps_no_request_beyond_its_deadline() {
    let settings = [("SEALGATE_STORE_TIMEOUT", TIMEOUT)];
    for trouble in [Trouble::BlackHole, Trouble::Stall] {
        let fleet = Fleet::of(Postgres::alone(), 1, &["alice"], &settings);
        let node = &fleet.nodes[0];
        let pair = Pair::of(&Client::new().ask(node, &login("alice")).unwrap());
        fleet.trouble(trouble);
        let before = node.with_server(|server| server.resident());
        let requests = sized(40, 2000);
        thread::scope(|scope| {
            for worker in 0..8 {
                let pair = &pair;
                scope.spawn(move || {
                    let mut client = Client::with_patience(PATIENCE);
                    for round in 0..requests {
                        let request = match (worker + round) % 4 {
                            0 => login("alice"),
                            1 => logout(&pair.token),
                            2 => refresh(&pair.refresh),
                            _ => get("/secure-data", &pair.token),
                        };
                        let start = Instant::now();
                        let answer = client.ask(node, &request).unwrap();
                        assert!(start.elapsed() < DEADLINE, "{:?}", start.elapsed());
                        // In the first second /secure-data goes on by what is known.
                        assert!([200, 503].contains(&answer.status), "{}", answer.body);
                    }
                });
            }
            // Beside them, what needs no store.
            let mut client = Client::with_patience(PATIENCE);
            for _ in 0..20 {
                let start = Instant::now();
                let answer = client.ask(node, &get("/healthz", "")).unwrap();
                assert_eq!(answer.status, 200);
                assert!(start.elapsed() < DEADLINE, "{:?}", start.elapsed());
                thread::sleep(Duration::from_millis(20));
            }
        });
        let grown = node
            .with_server(|server| server.resident())
            .saturating_sub(before);
        println!("{trouble:?}: {grown} KiB more memory");
        assert!(grown < 48 * 1024, "{grown} KiB");
        fleet.trouble(Trouble::None);
        fleet.wait_for(&login("alice"), 200);
        let pair = Pair::of(&Client::new().ask(node, &login("alice")).unwrap());
        fleet.wait_for(&get("/secure-data", &pair.token), 200);
    }
}
