use std::collections::{BTreeMap, BTreeSet};

use super::*;

fn token(id: &str, expires: u64) -> Entry {
    Entry::Token {
        id: id.to_owned(),
        expires,
    }
}

fn user(name: &str, before: u64, expires: u64) -> Entry {
    Entry::User {
        name: name.to_owned(),
        before,
        expires,
    }
}

fn account(name: &str, disabled: Option<bool>) -> Entry {
    Entry::Account {
        name: name.to_owned(),
        disabled,
    }
}

fn presented<'a>(id: &'a str, subject: &'a str, issued_at: Option<u64>) -> Presented<'a> {
    Presented {
        id,
        session: Some("session"),
        subject,
        issued_at,
    }
}

fn standing(replica: &Replica, issued_at: Option<u64>) -> Standing {
    replica.standing(presented("token", "alice", issued_at))
}

#[test]
fn a_token_is_refused_by_its_id_its_session_its_user_and_its_account() {
    for (entry, refused) in [
        (token("token", 9), true),
        (token("session", 9), true),
        (token("alice", 9), false),
        (user("alice", 10, 99), true),
        (user("alice", 9, 99), false),
        (user("token", 10, 99), false),
        (account("alice", Some(true)), true),
        (account("alice", Some(false)), false),
        (account("alice", None), false),
    ] {
        let replica = Replica::new().unwrap();
        replica.apply([entry.clone()]);
        assert_eq!(standing(&replica, Some(10)).refused, refused, "{entry:?}");
    }
    let replica = Replica::new().unwrap();
    replica.apply([user("alice", 1, 99)]);
    assert!(standing(&replica, None).refused, "it may be older");
}

#[test]
fn an_id_that_the_store_keeps_in_another_form_is_refused_too() {
    let replica = Replica::new().unwrap();
    let odd = "a\0b";
    replica.apply([token(&storable(odd), 9)]);
    assert_ne!(storable(odd), odd);
    assert!(replica.standing(presented(odd, "alice", None)).refused);
    assert!(!replica.standing(presented("ab", "alice", None)).refused);
}

#[test]
fn the_epochs_move_only_if_something_is_newly_refused_or_an_account_has_changed() {
    let replica = Replica::new().unwrap();
    for (entry, moves, account_moves) in [
        (token("a", 9), true, false),
        (token("a", 9), false, false),
        (token("a", 12), false, false),
        (user("alice", 10, 99), true, false),
        (user("alice", 10, 99), false, false),
        (user("alice", 9, 120), false, false),
        (user("alice", 11, 120), true, false),
        (account("bob", Some(true)), true, true),
        (account("bob", Some(true)), false, true),
        (account("bob", Some(false)), false, true),
        (account("bob", None), true, true),
    ] {
        let before = (replica.epoch(), replica.account_epoch());
        replica.apply([entry.clone()]);
        assert_eq!(replica.epoch() != before.0, moves, "{entry:?}");
        assert_eq!(
            replica.account_epoch() != before.1,
            account_moves,
            "{entry:?}"
        );
    }
}

#[test]
fn entries_are_forgotten_when_their_tokens_have_expired_and_the_latest_end_counts() {
    let replica = Replica::new().unwrap();
    replica.apply([
        token("token", 20),
        token("token", 10),
        user("alice", 5, 30),
        user("alice", 4, 25),
        token("for ever", u64::MAX),
    ]);
    replica.forget(20);
    assert_eq!(replica.len(), 3);
    replica.forget(21);
    assert_eq!(replica.len(), 2);
    assert_eq!(replica.revoked_before("alice"), Some(5));
    replica.forget(31);
    assert_eq!((replica.len(), replica.revoked_before("alice")), (1, None));
}

#[test]
fn times_of_any_size_are_kept() {
    let replica = Replica::new().unwrap();
    for before in [0, 1, u64::from(u32::MAX) + 7, u64::MAX - 1] {
        replica.apply([user("alice", before, u64::MAX)]);
        assert_eq!(replica.revoked_before("alice"), Some(before));
    }
}

#[test]
fn an_answer_about_an_account_holds_until_the_account_changes_and_memory_is_bounded() {
    let replica = Replica::new().unwrap();
    let seen = standing(&replica, None);
    assert_eq!(seen.has_account, None);
    replica.remember("alice", true, seen.changes);
    assert_eq!(standing(&replica, None).has_account, Some(true));
    replica.apply([account("alice", None)]);
    assert_eq!(standing(&replica, None).has_account, Some(false));
    replica.apply([account("alice", Some(false))]);
    assert_eq!(standing(&replica, None).has_account, Some(true));

    let replica = Replica::new().unwrap();
    let seen = standing(&replica, None);
    replica.apply([account("alice", None)]);
    replica.remember("alice", true, seen.changes);
    assert_eq!(
        standing(&replica, None).has_account,
        None,
        "the answer is older than the removal"
    );
    for n in 0..3 * KNOWN * SHARDS {
        let name = n.to_string();
        let seen = replica.standing(presented("x", &name, None));
        replica.remember(&name, true, seen.changes);
    }
    let halves = |shard: &RwLock<Shard>| shard.read().unwrap().known.each_ref().map(Table::len);
    let most = replica.shards.iter().flat_map(halves).max();
    assert_eq!(most, Some(KNOWN));
    let last = (3 * KNOWN * SHARDS - 1).to_string();
    let seen = replica.standing(presented("x", &last, None));
    assert_eq!(seen.has_account, Some(true));
}

#[test]
fn reading_anew_keeps_what_was_revoked_and_replaces_who_is_disabled() {
    let replica = Replica::new().unwrap();
    replica.apply([token("token", 20), account("bob", Some(true))]);
    replica.remember("carol", true, 0);
    let is_refused = |id: &str, name: &str| replica.standing(presented(id, name, Some(1))).refused;
    replica.begin_anew();
    let before = (replica.epoch(), replica.account_epoch());
    assert!(is_refused("token", "alice") && is_refused("x", "bob"));
    let asked = replica.standing(presented("x", "carol", None));
    assert_eq!(asked.has_account, None);
    replica.end_anew(&[replica.disabled_name("dave"), replica.disabled_name("dave")]);
    assert!(is_refused("token", "alice") && is_refused("x", "dave"));
    assert!(!is_refused("x", "bob"), "enabled again meanwhile");
    assert!(replica.epoch() > before.0 && replica.account_epoch() > before.1);
}

#[test]
fn beyond_its_room_it_knows_that_it_is_not_whole() {
    let replica = Replica::with_room(100).unwrap();
    for n in 0..100 {
        replica.apply([token(&n.to_string(), 10 + n % 2)]);
    }
    assert!(replica.is_whole());
    let before = replica.epoch();
    replica.apply([token("one more", 9), user("alice", 1, 9)]);
    assert!(!replica.is_whole() && replica.len() == 100);
    assert!(replica.epoch() > before, "it has to be asked for");
    replica.apply([token("7", 12)]);
    assert!(!replica.has_room_again());
    replica.forget(11);
    assert!(replica.has_room_again() && !replica.is_whole());
    replica.begin_anew();
    assert!(replica.is_whole() && !replica.has_room_again());
}

/// The replica beside maps that do the same in the simplest way.
#[derive(Default)]
struct Model {
    tokens: BTreeMap<String, u64>,
    users: BTreeMap<String, (u64, u64)>,
    disabled: BTreeSet<String>,
}

impl Model {
    fn apply(&mut self, entry: &Entry) {
        match entry.clone() {
            Entry::Token { id, expires } => {
                let known = self.tokens.entry(id).or_default();
                *known = expires.max(*known);
            }
            Entry::User {
                name,
                before,
                expires,
            } => {
                let known = self.users.entry(name).or_default();
                *known = (known.0.max(before), known.1.max(expires));
            }
            Entry::Account { name, disabled } => {
                self.disabled.remove(&name);
                if disabled == Some(true) {
                    self.disabled.insert(name);
                }
            }
        }
    }

    fn refuses(&self, id: &str, name: &str, issued: u64) -> bool {
        self.tokens.contains_key(id)
            || self.disabled.contains(name)
            || self
                .users
                .get(name)
                .is_some_and(|(before, _)| issued <= *before)
    }
}

#[test]
fn it_refuses_exactly_what_a_simple_model_refuses() {
    for seed in 0_u64..8 {
        let mut state = seed;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let replica = Replica::new().unwrap();
        let mut model = Model::default();
        for _ in 0..4_000 {
            let (id, name) = (random(400).to_string(), random(90).to_string());
            let (time, expires) = (1 + random(100), 1 + random(1_000));
            let entry = match random(10) {
                0..5 => token(&id, expires),
                5..7 => user(&name, time, expires),
                7 => account(&name, [None, Some(false), Some(true)][random(3) as usize]),
                8 => {
                    let now = random(500);
                    replica.forget(now);
                    model.tokens.retain(|_, expires| *expires >= now);
                    model.users.retain(|_, (_, expires)| *expires >= now);
                    continue;
                }
                _ => {
                    let refused = replica.standing(presented(&id, &name, Some(time))).refused;
                    assert_eq!(refused, model.refuses(&id, &name, time), "{seed}");
                    assert_eq!(
                        replica.revoked_before(&name),
                        model.users.get(&name).map(|(before, _)| *before)
                    );
                    continue;
                }
            };
            let before = replica.epoch();
            let newly = !match &entry {
                Entry::Token { id, .. } => model.tokens.contains_key(id),
                Entry::User { name, before, .. } => model
                    .users
                    .get(name)
                    .is_some_and(|known| known.0 >= *before),
                Entry::Account { name, disabled } => {
                    *disabled == Some(false)
                        || *disabled == Some(true) && model.disabled.contains(name)
                }
            };
            model.apply(&entry);
            replica.apply([entry]);
            assert_eq!(replica.epoch() != before, newly);
            assert_eq!(replica.len(), model.tokens.len() + model.users.len());
        }
    }
}

#[test]
fn a_million_revocations_take_at_most_32_mb() {
    let replica = Replica::new().unwrap();
    for n in 0..1_000_000_u32 {
        replica.take(&token(&n.to_string(), 1_000));
    }
    assert_eq!(replica.len(), 1_000_000);
    // Each shard's table has at least 8 places.
    let bytes = replica.bytes();
    assert!(
        (20_000_000..=32_000_000 + SHARDS * 160).contains(&bytes),
        "{bytes}"
    );
    for n in [0, 1, 999_999] {
        assert!(
            replica
                .standing(presented(&format!("{n}"), "x", None))
                .refused
        );
    }
    assert!(!replica.standing(presented("1000000", "x", None)).refused);
    replica.forget(1_001);
    assert_eq!((replica.len(), replica.bytes()), (0, 0));
}
