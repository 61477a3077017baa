//! What C makes, HTTP, Rust and Python open, and the reverse; and the vectors, judged through the calls of C.
//!
//! xaes_256_gcm.json is the one file that no door can reach: its associated data is not that of sealed data. sealed.json
//! has the same algorithm in our format.

#![allow(clippy::unwrap_used)] // a test that panics has failed
#![cfg(target_os = "linux")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64_simd::STANDARD;
use common::c::{Program, Under, checked, compile, library, root};
use common::place::write_ring;
use common::{Server, text};
use serde_json::{Value, json};

/// tests/c/by_line.c, running.
struct C {
    host: Child,
    asked: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    _program: Program,
}

impl C {
    /// `home` has the data directory of gates that are made without settings.
    fn start(home: &Path) -> C {
        let program = compile("tests/c/by_line.c", Under::Sanitizers);
        let mut host = program
            .command()
            .env("HOME", home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        C {
            asked: host.stdin.take(),
            answers: BufReader::new(host.stdout.take().unwrap()),
            host,
            _program: program,
        }
    }

    /// What came out of a call, or the name of its status.
    fn ask(&mut self, what: &str, words: &[&[u8]]) -> Result<Vec<Vec<u8>>, String> {
        let mut line = what.to_owned();
        for word in words {
            line = format!("{line} {}", hex(word));
        }
        writeln!(self.asked.as_ref().unwrap(), "{line}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        let mut words = answer.trim_end().split(' ');
        match words.next() {
            Some("ok") => Ok(words.map(unhex).collect()),
            Some(status) if !status.is_empty() => Err(status.to_owned()),
            _ => panic!("no answer to {what}: {:?}", self.host.wait()),
        }
    }

    fn one(&mut self, what: &str, words: &[&[u8]]) -> Result<Vec<u8>, String> {
        self.ask(what, words).map(|out| out[0].clone())
    }

    fn gate(&mut self, settings: &[(&str, &[u8])]) {
        let words: Vec<_> = settings
            .iter()
            .flat_map(|(name, value)| [name.as_bytes(), value])
            .collect();
        assert_eq!(self.ask("gate", &words), Ok(Vec::new()), "{settings:?}");
    }

    fn end(mut self) {
        drop(self.asked.take());
        assert!(self.host.wait().unwrap().success());
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    match bytes {
        [] => "-".to_owned(),
        _ => digits(bytes),
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.trim_start_matches('-').as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn vectors(file: &str) -> (Value, Vec<Value>) {
    let path = root().join("tests/vectors").join(file);
    let content: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let vectors = content["vectors"].as_array().unwrap().clone();
    assert!(!vectors.is_empty());
    (content, vectors)
}

fn bytes_of(vector: &Value, member: &str) -> Vec<u8> {
    unhex(vector[member].as_str().unwrap())
}

/// The outcome that a vector expects of opening.
fn expected(vector: &Value) -> Result<Vec<u8>, String> {
    match vector["expect"].as_str().unwrap() {
        "ok" => Ok(bytes_of(vector, "plaintext_hex")),
        status => Err(status.to_owned()),
    }
}

/// Makes the gate that has a vector's sealing key: from AES_KEY, or from a ring.
fn gate_of(c: &mut C, vector: &Value, rings: &Path) {
    match vector.get("aes_key_hex") {
        Some(_) => {
            let key = bytes_of(vector, "aes_key_hex");
            c.gate(&[("keys", b"ephemeral"), ("aes_key", &key)]);
        }
        None => {
            let key = vector["sealing_key_hex"].as_str().unwrap();
            let ring = rings.join(key);
            write_ring(&ring, &[7; 32], &unhex(key));
            c.gate(&[("data_dir", ring.to_str().unwrap().as_bytes())]);
        }
    }
}

#[test]
fn sealed_data_opens_or_not_as_the_vectors_say() {
    let home = tempfile::tempdir().unwrap();
    let mut c = C::start(home.path());
    for vector in vectors("sealed.json").1 {
        gate_of(&mut c, &vector, home.path());
        let context = bytes_of(&vector, "context_hex");
        let sealed = vector["sealed_base64"].as_str().unwrap();
        let name = &vector["name"];
        let opened = c.one("decrypt", &[sealed.as_bytes(), &context]);
        assert_eq!(opened, expected(&vector), "{name}");
        let bytes = STANDARD.decode_to_vec(sealed).unwrap();
        let opened = c.one("open", &[&bytes, &context]);
        assert_eq!(opened, expected(&vector), "{name}, as bytes");
    }
    c.end();
}

#[test]
fn the_originals_data_is_made_and_opened_as_the_vectors_say() {
    let home = tempfile::tempdir().unwrap();
    let mut c = C::start(home.path());
    for vector in vectors("aes_cbc.json").1 {
        let name = &vector["name"];
        let [key, iv] = ["aes_key_hex", "aes_iv_hex"].map(|member| bytes_of(&vector, member));
        let [key, iv] = [key, iv].map(|value| [b"hex:", hex(&value).as_bytes()].concat());
        c.gate(&[("keys", b"ephemeral"), ("aes_key", &key), ("aes_iv", &iv)]);
        let encrypted = vector["ciphertext_base64"].as_str().unwrap();
        let opened = c.one("decrypt", &[encrypted.as_bytes(), b""]);
        assert_eq!(opened, expected(&vector), "{name}");
        if let Ok(bytes) = STANDARD.decode_to_vec(encrypted) {
            assert_eq!(c.one("open", &[&bytes, b""]), opened, "{name}, as bytes");
        }
        if let Ok(data) = opened {
            let made = c.one("encrypt", &[&data, b""]).map(|made| text(&made));
            assert_eq!(made.as_deref(), Ok(encrypted), "{name}");
        }
    }
    c.end();
}

#[test]
fn tokens_are_judged_as_the_vectors_say() {
    let home = tempfile::tempdir().unwrap();
    let mut c = C::start(home.path());
    let (file, vectors) = vectors("tokens.json");
    let secret = file["jwt_secret_key"].as_str().unwrap();
    c.gate(&[
        ("keys", b"ephemeral"),
        ("jwt_secret_key", secret.as_bytes()),
    ]);
    for vector in vectors {
        let token = vector["token"].as_str().map_or_else(
            || {
                let recipe = &vector["token_recipe"];
                let part = |name: &str| recipe[name].as_str().unwrap();
                let times = recipe["times"].as_u64().unwrap().try_into().unwrap();
                let middle = part("repeat").repeat(times);
                format!("{}{middle}{}", part("before"), part("after"))
            },
            str::to_owned,
        );
        let judged = c.ask("verify", &[token.as_bytes()]);
        let expected = match vector["expect"].as_str().unwrap() {
            "ok" => Ok(["user", "scope"].map(|member| {
                let text = vector[member].as_str().unwrap();
                text.as_bytes().to_vec()
            })),
            status => Err(status.to_owned()),
        };
        let expected = expected.map(|both| both.to_vec());
        assert_eq!(judged, expected, "{}", vector["name"]);
    }
    c.end();
}

#[test]
fn keys_have_the_ids_of_the_vectors() {
    let home = tempfile::tempdir().unwrap();
    let mut c = C::start(home.path());
    for vector in vectors("key_ids.json").1 {
        let name = &vector["name"];
        let key = match vector["kind"].as_str().unwrap() {
            "aes_key" => bytes_of(&vector, "aes_key_hex"),
            _ => bytes_of(&vector, "key_hex"),
        };
        if vector["kind"] == "aes_key" {
            c.gate(&[("keys", b"ephemeral"), ("aes_key", &key)]);
        } else {
            let ring = home.path().join(hex(&key));
            write_ring(&ring, &key, key.first_chunk::<32>().unwrap());
            c.gate(&[("data_dir", ring.to_str().unwrap().as_bytes())]);
        }
        if let Some(id) = vector["data_key_id_hex"].as_str() {
            let sealed = c.one("seal", &[b"x", b""]).unwrap();
            assert_eq!(hex(&sealed[1..5]), id, "{name}");
        }
        if let Some(id) = vector["token_key_id"].as_str() {
            let token = text(&c.one("issue", &[b"alice", b""]).unwrap());
            let header = token.split('.').next().unwrap();
            let header = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(header).unwrap();
            let header: Value = serde_json::from_slice(&header).unwrap();
            assert_eq!(header["kid"], id, "{name}");
        }
    }
    c.end();
}

#[test]
fn data_is_masked_as_the_vectors_say() {
    let home = tempfile::tempdir().unwrap();
    let mut c = C::start(home.path());
    for vector in vectors("masking.json").1 {
        let visible = vector["visible_chars"].as_u64().unwrap();
        let visible = vec![b'x'; visible.try_into().unwrap()];
        let data = vector["data"].as_str().unwrap();
        let masked = c.one("mask", &[data.as_bytes(), &visible]).unwrap();
        assert_eq!(text(&masked), vector["masked"], "{}", vector["name"]);
    }
    c.end();
}

/// Runs an expression in which `gate` is Python's, and gives what it is.
fn python(home: &Path, expression: &str, arguments: &[&str]) -> Value {
    let program = format!(
        "import base64, json, sealgate, sys\ngate, arguments = sealgate.Gate(), sys.argv[1:]\nprint(json.dumps({expression}))"
    );
    let printed = checked(
        Command::new("python3")
            .args(["-c", &program])
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", home)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONPATH", root().join("bindings/python"))
            .env("SEALGATE_LIBRARY", library()),
    );
    serde_json::from_str(&printed).unwrap()
}

/// Rust's gate over the data directory that the command would take in this home.
fn rust(home: &Path) -> sealgate::Gate {
    let mut config = sealgate::Config::new();
    let folder = home.join(".local/state/sealgate");
    config.set("data_dir", folder.to_str().unwrap()).unwrap();
    sealgate::Gate::new(&config.settings().unwrap().gate).unwrap()
}

const DATA: [&str; 3] = ["", "grüezi mitenand", "\u{1}\u{7f}\"\\ 4111 1111"];

#[test]
fn what_c_seals_http_rust_and_python_open() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(home.path(), &[("MAX_REQUESTS", "0")]);
    let mut c = C::start(home.path());
    c.gate(&[]);
    let rust = rust(home.path());
    let token = text(&c.one("issue", &[b"from c", b"decrypt encrypt"]).unwrap());
    for context in ["", "orders/17/card"] {
        for data in DATA {
            let words = [data.as_bytes(), context.as_bytes()];
            let as_text = text(&c.one("encrypt", &words).unwrap());
            let as_bytes = c.one("seal", &words).unwrap();
            for sealed in [&as_text, &STANDARD.encode_to_string(&as_bytes)] {
                let body = json!({"encrypted_data": sealed, "context": context}).to_string();
                let answer = server.post("/decrypt", &body, Some(&token)).json();
                assert_eq!(answer, json!({"decrypted_data": data}));
                let opened = rust.decrypt_data(sealed, words[1]).unwrap();
                assert_eq!(opened.expose(), words[0]);
                let expression = "gate.decrypt(*arguments).decode()";
                assert_eq!(python(home.path(), expression, &[sealed, context]), data);
            }
            assert_eq!(rust.open(&as_bytes, words[1]).unwrap().expose(), words[0]);
            assert!(rust.open(&as_bytes, b"elsewhere").is_err());
        }
    }
    c.end();
    server.stop();
}

#[test]
fn what_http_rust_and_python_seal_c_opens() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(home.path(), &[("MAX_REQUESTS", "0")]);
    let mut c = C::start(home.path());
    c.gate(&[]);
    let rust = rust(home.path());
    let token = server.log_in("alice");
    for context in ["", "orders/17/card"] {
        for data in DATA {
            let body = json!({"data": data, "context": context}).to_string();
            let answer = server.post("/encrypt", &body, Some(&token)).json();
            let [data, context] = [data, context].map(str::as_bytes);
            let expression = "gate.encrypt(*arguments)";
            let arguments = [data, context].map(|part| std::str::from_utf8(part).unwrap());
            let made = [
                answer["encrypted_data"].as_str().unwrap().to_owned(),
                rust.encrypt_data(data, context).unwrap(),
                STANDARD.encode_to_string(rust.seal(data, context).unwrap()),
                python(home.path(), expression, &arguments)
                    .as_str()
                    .unwrap()
                    .to_owned(),
            ];
            for sealed in made {
                let opened = c.one("decrypt", &[sealed.as_bytes(), context]);
                assert_eq!(opened.as_deref(), Ok(data));
                let bytes = STANDARD.decode_to_vec(&sealed).unwrap();
                assert_eq!(c.one("open", &[&bytes, context]).as_deref(), Ok(data));
                let elsewhere = c.one("open", &[&bytes, b"elsewhere"]);
                assert_eq!(elsewhere, Err("decrypt_failed".to_owned()));
            }
        }
    }
    c.end();
    server.stop();
}

#[test]
fn a_token_of_any_door_is_good_at_every_other() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(home.path(), &[("MAX_REQUESTS", "0")]);
    let mut c = C::start(home.path());
    c.gate(&[]);
    let rust = rust(home.path());
    let scope = "secure-data encrypt decrypt";
    let grant = sealgate::Grant {
        subject: "alice",
        scope,
        ttl: None,
    };
    let made = [
        text(&c.one("issue", &[b"alice", scope.as_bytes()]).unwrap()),
        rust.issue_token(&grant).unwrap(),
        server.log_in("alice"),
        python(home.path(), "gate.issue_token('alice')", &[])
            .as_str()
            .unwrap()
            .to_owned(),
    ];
    for token in made {
        let judged = c.ask("verify", &[token.as_bytes()]).unwrap();
        assert_eq!(judged, [b"alice".to_vec(), scope.as_bytes().to_vec()]);
        assert_eq!(rust.verify_token(&token).unwrap().scope(), scope);
        assert_eq!(server.get("/secure-data", Some(&token)).status, 200);
        let expression = "gate.verify_token(arguments[0])['sub']";
        assert_eq!(python(home.path(), expression, &[&token]), "alice");
    }
    c.end();
    server.stop();
}

/// The original program's data crosses the doors too, where its AES-CBC is asked for.
#[test]
fn aes_cbc_of_any_door_opens_at_every_other() {
    let home = tempfile::tempdir().unwrap();
    let settings = [
        ("aes_key", "0123456789abcdef0123456789abcdef"),
        ("aes_iv", "fedcba9876543210"),
        ("jwt_secret_key", "a secret for tokens of 32 bytes and more"),
    ];
    let variables = settings.map(|(name, value)| (name.to_uppercase(), value));
    let mut variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    variables.push(("MAX_REQUESTS", "0"));
    let server = Server::start(home.path(), &variables);
    let mut c = C::start(home.path());
    c.gate(&settings.map(|(name, value)| (name, value.as_bytes())));
    let mut config = sealgate::Config::new();
    for (name, value) in settings {
        config.set(name, value).unwrap();
    }
    let rust = sealgate::Gate::new(&config.settings().unwrap().gate).unwrap();
    let python_gate = format!(
        "sealgate.Gate(aes_key={:?}, aes_iv={:?}, jwt_secret_key={:?})",
        settings[0].1, settings[1].1, settings[2].1
    );
    let token = text(&c.one("issue", &[b"from c", b"decrypt encrypt"]).unwrap());
    for data in DATA {
        let by_c = text(&c.one("encrypt", &[data.as_bytes(), b""]).unwrap());
        assert_eq!(rust.encrypt_data(data.as_bytes(), b"").unwrap(), by_c);
        let body = json!({"data": data}).to_string();
        let answer = server.post("/encrypt", &body, Some(&token)).json();
        assert_eq!(answer["encrypted_data"], by_c);
        let expression = format!("{python_gate}.encrypt(arguments[0])");
        assert_eq!(python(home.path(), &expression, &[data]), by_c);

        let opened = c.one("decrypt", &[by_c.as_bytes(), b""]);
        assert_eq!(opened.as_deref(), Ok(data.as_bytes()));
        assert_eq!(
            rust.decrypt_data(&by_c, b"").unwrap().expose(),
            data.as_bytes()
        );
        let body = json!({"encrypted_data": by_c}).to_string();
        let answer = server.post("/decrypt", &body, Some(&token)).json();
        assert_eq!(answer, json!({"decrypted_data": data}));
        let expression = format!("{python_gate}.decrypt(arguments[0]).decode()");
        assert_eq!(python(home.path(), &expression, &[&by_c]), data);
    }
    let refused = c.one("encrypt", &[b"x", b"context"]);
    assert_eq!(refused, Err("invalid_argument".to_owned()));
    c.end();
    server.stop();
}
