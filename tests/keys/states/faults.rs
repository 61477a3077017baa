//! Each fault of a ring, from all doors: nobody gets a gate, and who had one keeps it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::common::people::within;
use crate::common::{PATIENCE, said};

/// What can be wrong with a ring: its name, how it is made of a good one, and what the sentence has to say.
type Fault = (&'static str, fn(&Path), &'static str);

const SECRET: (&str, &str) = ("SEALGATE_RING_KEY", "correct horse battery");
const OTHER_SECRET: (&str, &str) = ("SEALGATE_RING_KEY", "another horse battery");

const FAULTS: [Fault; 6] = [
    (
        "damaged",
        |ring| fs::write(ring, "{\"format\"").unwrap(),
        "is damaged",
    ),
    (
        "of a newer version",
        |ring| {
            let text = fs::read_to_string(ring).unwrap();
            let mut newer: Value = serde_json::from_str(&text).unwrap();
            newer["version"] = 99.into();
            fs::write(ring, newer.to_string()).unwrap();
        },
        "newer version",
    ),
    (
        "open to others",
        |ring| fs::set_permissions(ring, fs::Permissions::from_mode(0o644)).unwrap(),
        "chmod 600",
    ),
    (
        "no file",
        |ring| {
            fs::remove_file(ring).unwrap();
            fs::create_dir(ring).unwrap();
        },
        "is not a file",
    ),
    ("gone", |ring| fs::remove_file(ring).unwrap(), "is missing"),
    (
        "a key without its id",
        |ring| {
            let text = fs::read_to_string(ring).unwrap();
            let mut ring_json: Value = serde_json::from_str(&text).unwrap();
            ring_json["data_keys"][0]["id"] = "00000000".into();
            fs::write(ring, ring_json.to_string()).unwrap();
        },
        "does not match its id",
    ),
];

/// A ring with a backup, so that a ring that is gone is missed.
fn changed_ring() -> Place {
    let place = Place::with_ring();
    done(&place, &["keys", "generate"], b"");
    place
}

/// Nobody gets a gate, and each door says why in its way.
fn check_that_nobody_gets_a_gate(place: &Place, settings: &[(&str, &str)], sentence: &str) {
    for arguments in [
        &["serve"][..],
        &["encrypt"],
        &["keys", "list"],
        &["keys", "rotate"],
    ] {
        let mut command = place.command(arguments);
        command
            .env("SEALGATE_LISTEN", "127.0.0.1:0")
            .envs(settings.iter().copied());
        let output = run(command, b"x");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(
            said(&output).contains(sentence),
            "{arguments:?}: {output:?}"
        );
    }
    let mut c = C::start(place.home.path());
    let mut words: Vec<(&str, &[u8])> =
        vec![("data_dir", place.folder.to_str().unwrap().as_bytes())];
    for (_, value) in settings {
        words.push(("ring_key", value.as_bytes()));
    }
    let words: Vec<&[u8]> = words
        .iter()
        .flat_map(|(name, value)| [name.as_bytes(), *value])
        .collect();
    assert_eq!(
        c.ask("gate", &words),
        Err("key_ring".to_owned()),
        "{sentence}"
    );
    c.end();
    let told = python(
        place,
        "
try:
    sealgate.Gate()
except sealgate.KeyRingError as refused:
    print(json.dumps([refused.code, refused.http_status, isinstance(refused, OSError), str(refused)]))",
        &Value::Null,
        settings,
    );
    assert_eq!(
        (&told[0], &told[1], &told[2]),
        (&json!("key_ring"), &json!(500), &json!(true))
    );
    assert!(told[3].as_str().unwrap().contains(sentence), "{told}");
}

#[test]
fn a_ring_that_cannot_be_used_is_told_by_every_door() {
    for (_, spoil, sentence) in FAULTS {
        let place = changed_ring();
        spoil(&place.ring());
        check_that_nobody_gets_a_gate(&place, &[], sentence);
    }
}

#[test]
fn a_sealed_ring_without_its_secret_is_told_by_every_door() {
    let place = changed_ring();
    let mut seal = place.command(&["keys", "seal"]);
    seal.envs([SECRET]);
    assert!(run(seal, b"").status.success());
    check_that_nobody_gets_a_gate(&place, &[], "is sealed. Set SEALGATE_RING_KEY");
    check_that_nobody_gets_a_gate(
        &place,
        &[OTHER_SECRET],
        "cannot be opened with SEALGATE_RING_KEY",
    );
    let server = server(&place, &[SECRET]);
    assert_eq!(server.get("/readyz", None).status, 200);
    server.stop();
}

/// Who had a gate before goes on with its keys, and says so.
#[test]
fn a_ring_that_becomes_unusable_is_told_and_the_keys_before_stay_in_use_at_every_door() {
    let places: Vec<_> = FAULTS
        .iter()
        .map(|(name, spoil, _)| (name, spoil, changed_ring()))
        .collect();
    let sealed_later = changed_ring();
    let seal = |ring: &Path| {
        let folder = ring.parent().unwrap();
        let mut command = crate::common::sealgate(folder.parent().unwrap());
        command
            .args(["keys", "seal"])
            .env("SEALGATE_DATA_DIR", folder)
            .envs([SECRET]);
        assert!(run(command, b"").status.success());
    };
    let mut c = C::start(places[0].2.home.path());
    let mut check = |name: &str, place: &Place, spoil: &dyn Fn(&Path)| {
        let server = server(place, &[]);
        c.gate(&[("data_dir", place.folder.to_str().unwrap().as_bytes())]);
        let made = make(place);
        spoil(&place.ring());
        server.signal("HUP");
        within(PATIENCE, || {
            server
                .get("/readyz", None)
                .body
                .contains("the previous keys are in use")
        });
        assert_eq!(server.get("/readyz", None).status, 200, "{name}");
        let body = json!({ "encrypted_data": made.sealed }).to_string();
        assert_eq!(
            server.post("/decrypt", &body, Some(&made.token)).status,
            200,
            "{name}"
        );
        // Past the time in which nobody looks at the file.
        thread::sleep(Duration::from_millis(600));
        for _ in 0..2 {
            assert!(c.ask("verify", &[made.token.as_bytes()]).is_ok(), "{name}");
            let opened = c.one("decrypt", &[made.sealed.as_bytes(), b""]);
            assert_eq!(opened.as_deref(), Ok(&b"data"[..]), "{name}");
        }
        server.stop();
    };
    for (name, spoil, place) in &places {
        check(name, place, *spoil);
    }
    check("sealed", &sealed_later, &seal);
    c.end();
}

#[test]
fn no_keys_at_all_is_a_matter_of_settings() {
    let place = Place::new();
    let mut c = C::start(place.home.path());
    let told = c.ask("gate", &[b"max_requests", b"5"]);
    assert_eq!(told, Err("setting".to_owned()));
    c.end();
    let told = python(
        &place,
        "
try:
    sealgate.Gate(max_requests=5)
except sealgate.SettingError as refused:
    print(json.dumps(refused.code))",
        &Value::Null,
        &[],
    );
    assert_eq!(told, "setting");
}
