//! Keys that clients have to fetch: a new one is published before it signs.

use super::*;
use crate::common::promised;

/// The ids in jwks.json.
fn published(server: &Server) -> Vec<String> {
    let keys = server.get("/.well-known/jwks.json", None).json()["keys"].clone();
    let keys = keys.as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

/// The key that signed this token.
fn signer(token: &str) -> String {
    let header = token.split('.').next().unwrap();
    let header = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(header).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

/// Long enough to look at the ring while the next key does not sign yet, on a busy machine too.
const LEAD: &str = "10";

fn pair_settings() -> [(&'static str, &'static str); 4] {
    [
        ("SEALGATE_TOKEN_ALGORITHM", "EdDSA"),
        ("SEALGATE_TOKEN_KEY_LEAD", LEAD),
        ("MAX_REQUESTS", "0"),
        ("SEALGATE_LOGIN_MAX_REQUESTS", "0"),
    ]
}

/// Rotates the token key, and gives its part of the answer.
fn rotate_pair(home: &Path, more: &[&str]) -> Value {
    let lead = ["rotate", "--token", "--token-key-lead", LEAD];
    keys(home, &[&lead[..], more].concat())["added"][0].clone()
}

#[test]
fn a_new_key_pair_is_published_before_it_signs_and_all_servers_change_over_at_once() {
    let home = tempfile::tempdir().unwrap();
    let servers = [0, 1].map(|_| Server::start(home.path(), &pair_settings()));
    let [one, other] = &servers;
    let old = newest(home.path(), "token");
    within(PATIENCE, || one.log().contains("signs at once"));
    assert_eq!(signer(&one.log_in("alice")), old);
    let typed_by_hand = typed(
        home.path(),
        &["keys", "rotate", "--token", "--token-key-lead", LEAD],
        b"",
        &[],
    );
    let said = text(&typed_by_hand.stdout);
    assert!(
        said.contains("it signs from 2") && said.contains("--now"),
        "{said}"
    );
    let listed = keys(home.path(), &["list"]);
    let next = listed["keys"].as_array().unwrap();
    let next = next.iter().find(|key| key["signs_from"].is_string());
    let next = next.unwrap()["id"].as_str().unwrap().to_owned();
    let table = text(&typed(home.path(), &["keys", "list"], b"", &[]).stdout);
    assert!(table.contains("next, signs from 2"), "{table}");
    assert_eq!(newest(home.path(), "token"), old, "it signs still");
    let refused = typed(home.path(), &["keys", "retire", "--", &old], b"", &[]);
    assert!(text(&refused.stderr).contains("--now"), "{refused:?}");

    // Whoever looks signs; both change within the same second.
    let start = Instant::now();
    let mut both_published = false;
    loop {
        let tokens = servers.each_ref().map(|server| server.log_in("alice"));
        for server in &servers {
            for token in &tokens {
                assert_eq!(server.get("/secure-data", Some(token)).status, 200);
            }
        }
        let has_next = |server: &Server| published(server).contains(&next);
        both_published |= has_next(one) && has_next(other);
        let signers = tokens.map(|token| signer(&token));
        if signers.contains(&next) {
            assert!(both_published, "nobody could know it");
        }
        if signers == [next.clone(), next.clone()] {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "{signers:?}");
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(newest(home.path(), "token"), next);
    assert_eq!(published(one), [old.clone(), next.clone()]);
    let listed = keys(home.path(), &["list"]);
    assert!(listed["keys"][0]["accepted_until"].is_string());
    let cache = one.get("/.well-known/jwks.json", None);
    assert_eq!(cache.headers["cache-control"], "public, max-age=3");

    // Withdrawn, it is as if it had never been there.
    let unwanted = rotate_pair(home.path(), &[]);
    let unwanted = unwanted["id"].as_str().unwrap();
    let output = typed(home.path(), &["keys", "retire", "--", unwanted], b"", &[]);
    let told = text(&output.stdout);
    assert!(
        told.contains(unwanted) && told.contains("withdrawn"),
        "{told}"
    );
    assert_eq!(newest(home.path(), "token"), next);

    // At once, for whoever cannot wait, and to log everybody out.
    for more in [&["--now"][..], &["--grace", "0"]] {
        let now = rotate_pair(home.path(), more);
        assert!(
            now["newest"] == true && now["signs_from"].is_null(),
            "{now}"
        );
        let id = now["id"].as_str().unwrap();
        let start = Instant::now();
        while signer(&one.log_in("alice")) != id {
            assert!(start.elapsed() < promised(Duration::from_secs(2)));
            thread::sleep(Duration::from_millis(20));
        }
    }
    let now = newest(home.path(), "token");
    assert_eq!(published(one), [now], "everybody has to log in again");
    for server in servers {
        server.stop();
    }
}

#[test]
fn keys_that_are_replaced_by_age_are_published_first_too() {
    let home = tempfile::tempdir().unwrap();
    let by_age = [("SEALGATE_ROTATE_TOKEN_KEY_AFTER", "2")];
    let server = Server::start(home.path(), &[&pair_settings()[..], &by_age].concat());
    let old = newest(home.path(), "token");
    let start = Instant::now();
    let next = loop {
        if let [first, next, ..] = &published(&server)[..] {
            assert_eq!(*first, old);
            break next.clone();
        }
        assert!(start.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(signer(&server.log_in("alice")), old, "published, no more");
    while signer(&server.log_in("alice")) != next {
        assert!(start.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(20));
    }
    assert!(server.stop().contains("the next one is published"));
}

#[test]
fn a_new_ring_is_announced_if_clients_have_to_fetch_its_public_keys() {
    let announced = |home: &Path, algorithm: &str, keys: &str| {
        let settings = [
            ("SEALGATE_TOKEN_ALGORITHM", algorithm),
            ("SEALGATE_KEYS", keys),
        ];
        let log = Server::start(home, &settings).stop();
        log.contains("the key ring is new")
    };
    let home = tempfile::tempdir().unwrap();
    assert!(!announced(home.path(), "EdDSA", "ephemeral"), "no ring");
    assert!(announced(home.path(), "EdDSA", "ring"), "a first start");
    assert!(!announced(home.path(), "EdDSA", "ring"), "the second");
    let home = tempfile::tempdir().unwrap();
    assert!(!announced(home.path(), "HS256", "ring"), "a secret key");
}
