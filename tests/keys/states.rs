//! Each state of a key, from all doors: HTTP, C, Python and the command give one code for one cause. `faults` has the faults of
//! a ring.

#![allow(clippy::unwrap_used)] // a test that panics has failed
#![cfg(target_os = "linux")]

mod faults;

use std::thread;
use std::time::{Duration, SystemTime};

use crate::common::by_line::C;
use crate::common::c::checked;
use crate::common::place::Place;
use crate::common::{Answer, Server, run, text};
use serde_json::{Value, json};

/// What a key of each kind made.
#[derive(Clone)]
struct Made {
    ids: [String; 2],
    token: String,
    sealed: String,
    stream: Vec<u8>,
}

/// What the doors are to say of it.
struct Row {
    name: &'static str,
    made: Made,
    /// "ok", or the code of the refusal.
    of_data: &'static str,
    of_token: &'static str,
}

fn done(place: &Place, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let output = run(place.command(arguments), input);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    output.stdout
}

/// A token and data under the newest keys.
fn make(place: &Place) -> Made {
    let line =
        |arguments: &[&str], input: &[u8]| text(&done(place, arguments, input)).trim().to_owned();
    let listed = done(place, &["keys", "list", "--json"], b"");
    let listed: Value = serde_json::from_slice(&listed).unwrap();
    let newest = |kind: &str| {
        let mut keys = listed["keys"].as_array().unwrap().iter();
        let key = keys.find(|key| key["kind"] == kind && key["newest"] == true);
        key.unwrap()["id"].as_str().unwrap().to_owned()
    };
    Made {
        ids: ["token", "data"].map(newest),
        token: line(&["token", "issue", "--user", "alice"], b""),
        sealed: line(&["encrypt"], b"data"),
        stream: done(place, &["encrypt", "--in", "-"], b"data"),
    }
}

/// A ring with a key of each kind in each state, and one key that it never had.
fn table(place: &Place) -> Vec<Row> {
    let mut made = Vec::new();
    for _ in 0..5 {
        done(place, &["keys", "generate"], b"");
        made.push(make(place));
    }
    let set = |arguments: &[&str], of: &Made| {
        let mut arguments = arguments.to_vec();
        arguments.push("--");
        arguments.extend(of.ids.iter().map(String::as_str));
        done(place, &arguments, b"");
    };
    set(&["keys", "accept", "--for", "3600"], &made[1]);
    set(&["keys", "accept", "--for", "1"], &made[2]);
    set(&["keys", "retire"], &made[3]);
    let over = SystemTime::now() + Duration::from_secs(2);
    let unknown = make(&Place::with_ring());
    thread::sleep(over.duration_since(SystemTime::now()).unwrap_or_default());
    let row = |name, made: &Made, of_data, of_token| Row {
        name,
        made: made.clone(),
        of_data,
        of_token,
    };
    vec![
        row("the newest", &made[4], "ok", "ok"),
        row("accepted without an end", &made[0], "ok", "ok"),
        row("accepted until a time to come", &made[1], "ok", "ok"),
        row(
            "accepted until a time that is over",
            &made[2],
            "key_retired",
            "token_key_retired",
        ),
        row("retired", &made[3], "key_retired", "token_key_retired"),
        row(
            "of another ring",
            &unknown,
            "decrypt_failed",
            "token_invalid",
        ),
    ]
}

fn server(place: &Place, settings: &[(&str, &str)]) -> Server {
    Server::start_with(place.home.path(), |command| {
        command
            .env("SEALGATE_DATA_DIR", &place.folder)
            .env("MAX_REQUESTS", "0")
            .envs(settings.iter().copied());
    })
}

/// "ok", or the code, whose status and headers are checked too.
fn code(answer: &Answer) -> String {
    if answer.status == 200 {
        return "ok".to_owned();
    }
    let code = answer.code();
    let status = if code.starts_with("token_") { 401 } else { 400 };
    assert_eq!(answer.status, status, "{code}");
    let challenge = answer.headers.get("www-authenticate");
    assert_eq!(
        challenge.is_some_and(|challenge| challenge.contains("error=\"invalid_token\"")),
        status == 401
    );
    code
}

#[test]
fn http_tells_each_state_of_a_key() {
    let place = Place::with_ring();
    let rows = table(&place);
    let server = server(&place, &[]);
    let good = &rows[0].made.token;
    for row in &rows {
        let body = json!({ "encrypted_data": row.made.sealed });
        for path in ["/decrypt", "/rewrap"] {
            let answer = server.post(path, &body.to_string(), Some(good));
            assert_eq!(code(&answer), row.of_data, "{}: {path}", row.name);
            let items = json!({ "items": [body] }).to_string();
            let item = &server.post(path, &items, Some(good)).json()["items"][0];
            let told = item["code"].as_str().unwrap_or("ok");
            assert_eq!(
                told, row.of_data,
                "{}: {path}, in a batch: {item}",
                row.name
            );
        }
        // Twice: what was found good is remembered.
        for _ in 0..2 {
            let answer = server.get("/secure-data", Some(&row.made.token));
            assert_eq!(code(&answer), row.of_token, "{}", row.name);
        }
    }
    server.stop();
}

#[test]
fn c_tells_each_state_of_a_key() {
    let place = Place::with_ring();
    let rows = table(&place);
    let mut c = C::start(place.home.path());
    c.gate(&[("data_dir", place.folder.to_str().unwrap().as_bytes())]);
    for row in &rows {
        let sealed = row.made.sealed.as_bytes();
        let bytes = base64_simd::STANDARD.decode_to_vec(sealed).unwrap();
        for (call, input, wanted) in [
            ("decrypt", sealed, row.of_data),
            ("rewrap", sealed, row.of_data),
            ("open", &bytes, row.of_data),
            ("open_stream", &row.made.stream, row.of_data),
            ("verify", row.made.token.as_bytes(), row.of_token),
        ] {
            let told = match c.ask(call, &[input, b""]) {
                Ok(_) => "ok".to_owned(),
                Err(status) => status,
            };
            assert_eq!(told, wanted, "{}: {call}", row.name);
        }
    }
    c.end();
}

/// Runs a program in which `arguments` is what JSON has of these, and gives what it prints.
fn python(place: &Place, program: &str, arguments: &Value, settings: &[(&str, &str)]) -> Value {
    let program = format!(
        "import base64, json, sealgate, sys\narguments = json.loads(sys.argv[1])\n{program}"
    );
    let printed = checked(
        crate::common::c::python(place.home.path())
            .args(["-c", &program, &arguments.to_string()])
            .env("SEALGATE_DATA_DIR", &place.folder)
            .envs(settings.iter().copied()),
    );
    serde_json::from_str(&printed).unwrap()
}

#[test]
fn python_tells_each_state_of_a_key() {
    let place = Place::with_ring();
    let rows = table(&place);
    let arguments: Vec<_> = rows
        .iter()
        .map(|row| {
            let stream = base64_simd::STANDARD.encode_to_string(&row.made.stream);
            json!([row.made.sealed, stream, row.made.token])
        })
        .collect();
    let program = "
gate = sealgate.Gate()
def stream(sealed):
    opening = gate.open_stream()
    return opening.push(sealed) + opening.finish()
def told(call, input):
    try:
        call(input)
    except sealgate.SealgateError as refused:
        return [refused.code, refused.http_status, type(refused).__name__, isinstance(refused, (ValueError, PermissionError))]
    return ['ok']
print(json.dumps([
    [told(call, input) for call, input in (
        (gate.decrypt, sealed), (gate.rewrap, sealed), (gate.open, base64.b64decode(sealed)), (stream, base64.b64decode(streamed)),
        (gate.verify_token, token),
    )] for sealed, streamed, token in arguments
]))";
    let told = python(&place, program, &arguments.into(), &[]);
    let wanted = |code: &str| match code {
        "ok" => json!(["ok"]),
        "key_retired" => json!([code, 400, "KeyRetiredError", true]),
        "decrypt_failed" => json!([code, 400, "DecryptFailedError", true]),
        "token_key_retired" => json!([code, 401, "TokenKeyRetiredError", true]),
        _ => json!([code, 401, "TokenInvalidError", true]),
    };
    for (row, told) in rows.iter().zip(told.as_array().unwrap()) {
        let [data, token] = [row.of_data, row.of_token].map(wanted);
        let all = json!([data, data, data, data, token]);
        assert_eq!(told, &all, "{}", row.name);
    }
}

#[test]
fn the_command_tells_each_state_of_a_key() {
    let place = Place::with_ring();
    for row in table(&place) {
        for (arguments, input, wanted) in [
            (&["decrypt"][..], row.made.sealed.as_bytes(), row.of_data),
            (&["decrypt", "--in", "-"], &row.made.stream, row.of_data),
            (&["rewrap"], row.made.sealed.as_bytes(), row.of_data),
            (
                &["token", "verify"],
                row.made.token.as_bytes(),
                row.of_token,
            ),
        ] {
            let output = run(place.command(arguments), input);
            let exit = if wanted == "ok" { 0 } else { 1 };
            assert_eq!(
                output.status.code(),
                Some(exit),
                "{}: {arguments:?}: {output:?}",
                row.name
            );
            let is_retired = text(&output.stderr).contains("retired");
            assert_eq!(
                is_retired,
                wanted.ends_with("retired"),
                "{}: {output:?}",
                row.name
            );
        }
    }
}
