//! What a batch costs, and that a refused one is refused as a whole.

use serde_json::json;

use super::limits::{app_of, bearer, left};
use super::*;

fn batch(items: usize) -> String {
    json!({"items": vec![json!({"data": "x"}); items]}).to_string()
}

#[test]
fn a_batch_costs_as_much_as_its_items_if_the_settings_say_so() {
    for (setting, after) in [("request", [4, 3]), ("items", [2, 1])] {
        let app = app_of(&[("batch_cost", setting)], Vec::new()).unwrap();
        let token = bearer(&app, "worker", "encrypt");
        let ask = |body: &str| {
            post("/encrypt", body)
                .with("Authorization", &token)
                .of(&app)
        };
        let one = r#"{"data": "x"}"#;
        for (body, remaining) in [(&*batch(3), after[0]), (one, after[1])] {
            let answer = ask(body);
            assert_eq!(answer.status().0, 200);
            assert_eq!(left(&answer), format!(r#""default";r={remaining}"#));
        }
        let third = ask(&batch(2));
        assert_eq!(third.status().0, if setting == "items" { 429 } else { 200 });
        if setting == "items" {
            // The request itself has been counted, before its body; of the items nothing.
            assert_eq!(code(&third, 429), "rate_limited");
            assert_eq!(left(&third), r#""default";r=0"#);
            assert!(third.header("Retry-After").is_some());
        }
        // More than the limit is never admitted, so waiting is not what helps.
        let app = app_of(&[("batch_cost", setting)], Vec::new()).unwrap();
        let token = bearer(&app, "worker", "encrypt");
        let ask = |body: &str| {
            post("/encrypt", body)
                .with("Authorization", &token)
                .of(&app)
        };
        let large = ask(&batch(6));
        match setting {
            "items" => {
                assert_eq!(code(&large, 400), "bad_member");
                let detail = body(&large)["detail"].as_str().unwrap().to_owned();
                assert!(detail.contains("at most 5 items"), "{detail}");
                assert_eq!(left(&large), r#""default";r=4"#);
            }
            _ => assert_eq!(large.status().0, 200),
        }
        let empty = ask(r#"{"items": []}"#);
        assert_eq!(left(&empty), r#""default";r=3"#);
    }
    let unlimited = app_of(
        &[("batch_cost", "items"), ("max_requests", "0")],
        Vec::new(),
    )
    .unwrap();
    let token = bearer(&unlimited, "worker", "encrypt");
    let many = batch(1_000);
    let answer = post("/encrypt", &many).with("Authorization", &token);
    assert_eq!(answer.of(&unlimited).status().0, 200);
}

/// What is refused is refused before anything has been done: the key ring counts no message.
#[test]
fn a_refused_batch_is_not_done_in_part() {
    let limits = (
        "limits",
        "bulk: 10 per 60, cost by item; near: 5 per 60, per address, cost by item",
    );
    let app = app_of(
        &[limits, ("max_requests", "100"), ("batch_cost", "items")],
        Vec::new(),
    )
    .unwrap();
    let token = bearer(&app, "worker", "encrypt decrypt rewrap");
    let ask = |path, body: &str| post(path, body).with("Authorization", &token).of(&app);
    let sealed = || {
        let mut page = crate::metrics::Page::default();
        app.gate().collect(&mut page);
        let page = page.text(crate::MetricsFormat::Prometheus);
        let count = page
            .lines()
            .find_map(|line| line.strip_prefix("sealgate_sealed_total "));
        count.map_or(0, |count| count.parse::<u32>().unwrap())
    };
    let before = sealed();
    let first = ask("/encrypt", &batch(4));
    assert_eq!(first.status().0, 200);
    assert_eq!(left(&first), r#""default";r=96, "bulk";r=6, "near";r=1"#);
    assert_eq!(sealed() - before, 4);
    let refused = ask("/encrypt", &batch(2));
    assert_eq!(code(&refused, 429), "rate_limited");
    // One of the three has no room for both items, so none counts them.
    assert_eq!(left(&refused), r#""default";r=95, "bulk";r=6, "near";r=1"#);
    assert_eq!(sealed() - before, 4);
    let too_many = ask("/encrypt", &batch(6));
    assert_eq!(code(&too_many, 400), "bad_member");
    // One piece of data is one item, whether or not it is acceptable.
    assert_eq!(
        ask("/decrypt", r#"{"encrypted_data": "AAAA"}"#).status().0,
        400
    );
    let last = ask("/rewrap", r#"{"encrypted_data": "AAAA"}"#);
    assert_eq!(code(&last, 429), "rate_limited");
    assert_eq!(sealed() - before, 4);
}

#[test]
fn an_api_key_pays_for_its_items_under_its_own_limit_and_under_those_per_key() {
    let app = app_of(
        &[
            ("batch_cost", "items"),
            ("limits", "keyed: 9 per 60, per api key, cost by item"),
        ],
        Vec::new(),
    )
    .unwrap();
    let key = |limit| {
        let (text, _) = app
            .gate()
            .api_keys()
            .add(&crate::NewApiKey {
                owner: "worker",
                scope: Some("encrypt"),
                limit,
                ..crate::NewApiKey::default()
            })
            .unwrap();
        format!("Bearer {}", text.expose_str().unwrap())
    };
    let (own, other) = (
        key(Some(crate::ApiKeyLimit {
            max_requests: 7,
            window: std::time::Duration::from_secs(60),
        })),
        key(None),
    );
    let token = bearer(&app, "worker", "encrypt");
    let ask = |who: &str, items| {
        post("/encrypt", &batch(items))
            .with("Authorization", who)
            .of(&app)
    };
    for (who, items, remaining) in [
        (&own, 3, r#""default";r=4, "keyed";r=6"#),
        (&own, 4, r#""default";r=0, "keyed";r=2"#),
        // The user's limit has not counted any of these, and each key and the user's tokens count apart.
        (&other, 2, r#""default";r=3, "keyed";r=7"#),
        (&token, 3, r#""default";r=0, "keyed";r=6"#),
    ] {
        let answer = ask(who, items);
        assert_eq!(answer.status().0, 200, "{remaining}");
        assert_eq!(left(&answer), remaining);
    }
    assert_eq!(code(&ask(&own, 1), 429), "rate_limited");
}
