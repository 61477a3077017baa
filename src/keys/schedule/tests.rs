use super::*;
use crate::signing::TokenAlgorithm;

const LEAD: u64 = 900;
const GRACE: u64 = 60;

struct Ring {
    contents: RingContents,
    rotation: Rotation,
}

impl Ring {
    /// With one key of each kind; the token key has this algorithm.
    fn of(algorithm: TokenAlgorithm) -> Self {
        let mut ring = Ring {
            contents: RingContents::default(),
            rotation: Rotation::default(),
        };
        ring.rotation.token_key_lead = Duration::from_secs(LEAD);
        ring.rotation.token_algorithm = Some(algorithm);
        ring.add(0, false, Some(GRACE));
        ring.contents.add_new(RingKind::Data, None).unwrap();
        ring
    }

    /// Adds a token key at this time and returns its id.
    fn add(&mut self, time: u64, now: bool, grace: Option<u64>) -> String {
        let grace = grace.map(Duration::from_secs);
        let takeover = Takeover { grace, now };
        self.contents
            .add_successor(RingKind::Token, &self.rotation, takeover, time)
            .unwrap();
        self.ids().pop().unwrap()
    }

    fn ids(&self) -> Vec<String> {
        let keys = self.contents.token_keys.iter();
        keys.map(|key| key.id.clone()).collect()
    }

    fn signs(&self, time: u64) -> &str {
        let keys = &self.contents.token_keys;
        &keys[in_use(keys, time)].id
    }

    fn state(&self, id: &str) -> KeyState {
        let mut keys = self.contents.token_keys.iter();
        keys.find(|key| key.id == id).unwrap().state
    }

    /// Checks that the ring survives a round trip.
    fn check(&self) {
        let text = self.contents.to_text();
        let read = RingContents::parse(&text).unwrap();
        assert_eq!(*read.to_text(), *text);
    }
}

#[test]
fn a_first_key_signs_at_once_and_the_next_after_the_lead() {
    for algorithm in [TokenAlgorithm::EdDsa, TokenAlgorithm::Es256] {
        let mut ring = Ring::of(algorithm);
        let first = ring.ids().remove(0);
        assert_eq!(ring.signs(0), first);
        let next = ring.add(1000, false, Some(GRACE));
        ring.check();
        assert_eq!(ring.signs(1000 + LEAD - 1), first);
        assert_eq!(ring.signs(1000 + LEAD), next);
        // The old key's remaining time starts when it stops signing.
        assert_eq!(
            ring.state(&first),
            KeyState::AcceptedUntil(1000 + LEAD + GRACE)
        );
        assert_eq!(ring.state(&next), KeyState::Accepted);
    }
}

#[test]
fn a_shared_secret_signs_at_once() {
    let mut ring = Ring::of(TokenAlgorithm::EdDsa);
    ring.add(1000, false, Some(GRACE));
    ring.rotation.token_algorithm = Some(TokenAlgorithm::Hs256);
    let secret = ring.add(1100, false, Some(GRACE));
    ring.check();
    assert_eq!(ring.signs(1100), secret);
    for id in &ring.ids()[..2] {
        assert_eq!(ring.state(id), KeyState::AcceptedUntil(1100 + GRACE));
    }
    // In the opposite direction clients have to learn the key.
    ring.rotation.token_algorithm = Some(TokenAlgorithm::EdDsa);
    ring.add(2000, false, Some(GRACE));
    assert_eq!(ring.signs(2000 + LEAD - 1), secret);
}

#[test]
fn keys_added_while_another_one_waits_sign_in_turn() {
    let mut ring = Ring::of(TokenAlgorithm::EdDsa);
    let first = ring.ids().remove(0);
    let second = ring.add(1000, false, Some(GRACE));
    let third = ring.add(1500, false, Some(GRACE));
    ring.check();
    for (time, signs) in [
        (1000 + LEAD - 1, &first),
        (1000 + LEAD, &second),
        (1500 + LEAD - 1, &second),
        (1500 + LEAD, &third),
        (u64::MAX, &third),
    ] {
        assert_eq!(ring.signs(time), signs);
    }
    assert_eq!(
        ring.state(&first),
        KeyState::AcceptedUntil(1000 + LEAD + GRACE)
    );
    assert_eq!(
        ring.state(&second),
        KeyState::AcceptedUntil(1500 + LEAD + GRACE)
    );
}

#[test]
fn a_key_due_earlier_than_a_waiting_one_replaces_it() {
    let mut ring = Ring::of(TokenAlgorithm::EdDsa);
    let first = ring.ids().remove(0);
    // Added with a wrong clock.
    let far = ring.add(1 << 40, false, Some(GRACE));
    let next = ring.add(1000, false, Some(GRACE));
    ring.check();
    assert_eq!(ring.signs(1000 + LEAD - 1), first);
    assert_eq!(ring.signs(1000 + LEAD), next);
    for id in [&first, &far] {
        assert_eq!(ring.state(id), KeyState::AcceptedUntil(1000 + LEAD + GRACE));
    }
}

#[test]
fn now_and_a_zero_grace_take_effect_at_once() {
    let mut ring = Ring::of(TokenAlgorithm::EdDsa);
    let before = [ring.ids().remove(0), ring.add(1000, false, Some(GRACE))];
    let urgent = ring.add(1100, true, Some(GRACE));
    ring.check();
    assert_eq!(ring.signs(1100), urgent);
    for id in &before {
        assert_eq!(ring.state(id), KeyState::AcceptedUntil(1100 + GRACE));
    }
    ring.add(1110, false, None);
    let last = ring.add(1120, false, Some(0));
    ring.check();
    assert_eq!(ring.signs(1120), last);
    for id in &ring.ids()[..4] {
        assert!(!ring.state(id).accepts_at(1120), "{id}");
    }
}

#[test]
fn a_withdrawn_key_never_signs_and_the_others_continue() {
    let mut ring = Ring::of(TokenAlgorithm::EdDsa);
    let first = ring.ids().remove(0);
    let second = ring.add(1000, false, Some(GRACE));
    let third = ring.add(1500, false, Some(GRACE));
    assert!(!ring.contents.withdraw(&first, 1600), "it signs");
    assert!(ring.contents.withdraw(&second, 1600));
    ring.check();
    assert_eq!(ring.ids(), [first.clone(), third.clone()]);
    assert_eq!(ring.signs(1500 + LEAD - 1), first);
    assert_eq!(
        ring.state(&first),
        KeyState::AcceptedUntil(1500 + LEAD + GRACE)
    );
    assert!(
        !ring.contents.withdraw(&third, 1500 + LEAD),
        "it signs by then"
    );
    assert!(ring.contents.withdraw(&third, 1500 + LEAD - 1));
    ring.check();
    assert_eq!(ring.signs(u64::MAX), first);
    assert_eq!(ring.state(&first), KeyState::Accepted);
}

#[test]
fn a_clock_far_behind_still_finds_an_accepted_key() {
    let mut ring = Ring::of(TokenAlgorithm::EdDsa);
    let next = ring.add(1000, false, Some(GRACE));
    ring.contents.token_keys[0].state = KeyState::Retired;
    ring.check();
    assert_eq!(ring.signs(0), next);
    assert_eq!(ring.signs(u64::MAX), next);
}

#[test]
fn only_a_ring_with_a_next_key_is_version_3() {
    let mut ring = Ring::of(TokenAlgorithm::EdDsa);
    let version = |ring: &Ring| {
        let text: serde_json::Value = serde_json::from_slice(&ring.contents.to_text()).unwrap();
        text["version"].as_u64().unwrap()
    };
    assert_eq!(version(&ring), 2);
    ring.add(1000, false, Some(GRACE));
    assert_eq!(version(&ring), 3);
    let text = String::from_utf8(ring.contents.to_text().to_vec()).unwrap();
    let older = text.replace("\"version\": 3", "\"version\": 2");
    assert!(RingContents::parse(older.as_bytes()).is_err());
    ring.add(2000, true, Some(GRACE));
    assert_eq!(version(&ring), 2, "no next key");
}

#[test]
fn a_key_added_at_the_same_time_changes_no_promise() {
    let mut ring = Ring::of(TokenAlgorithm::EdDsa);
    let first = ring.ids().remove(0);
    ring.add(1_000, false, Some(GRACE));
    let promised = KeyState::AcceptedUntil(1_000 + LEAD + GRACE);
    assert_eq!(ring.state(&first), promised);
    // It takes the place of the next key, which never signs.
    ring.add(1_000, false, None);
    assert_eq!(ring.state(&first), promised);
    ring.check();
}

#[test]
fn without_a_lead_a_new_key_signs_at_once() {
    let mut ring = Ring::of(TokenAlgorithm::EdDsa);
    ring.rotation.token_key_lead = Duration::ZERO;
    let next = ring.add(1_000, false, Some(GRACE));
    assert_eq!(ring.signs(1_000), next);
    assert_eq!(ring.contents.token_keys[1].signs_from, None);
}
