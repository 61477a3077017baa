//! What C makes, HTTP, Rust and Python open, and the reverse.

#![allow(clippy::unwrap_used)] // a test that panics has failed
#![cfg(target_os = "linux")]

use std::path::Path;

use crate::common::by_line::C;
use crate::common::c::checked;
use crate::common::{Server, text};
use base64_simd::STANDARD;
use serde_json::{Value, json};

/// Runs an expression in which `gate` is Python's, and gives what it is.
fn python(home: &Path, expression: &str, arguments: &[&str]) -> Value {
    let program = format!(
        "import base64, json, sealgate, sys\ngate, arguments = sealgate.Gate(), sys.argv[1:]\nprint(json.dumps({expression}))"
    );
    let printed = checked(
        crate::common::c::python(home)
            .args(["-c", &program])
            .args(arguments),
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
        ..sealgate::Grant::default()
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

#[test]
fn c_and_python_issue_and_judge_tokens_of_every_algorithm() {
    for algorithm in ["HS256", "EdDSA", "ES256"] {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("state");
        let folder = folder.to_str().unwrap();
        let mut c = C::start(home.path());
        c.gate(&[
            ("data_dir", folder.as_bytes()),
            ("token_algorithm", algorithm.as_bytes()),
        ]);
        let gate = format!(
            "sealgate.Gate(data_dir={}, token_algorithm='{algorithm}')",
            json!(folder)
        );
        let by_c = text(&c.one("issue", &[b"alice", b"encrypt"]).unwrap());
        let by_python = python(home.path(), &format!("{gate}.issue_token('alice')"), &[]);
        let by_python = by_python.as_str().unwrap();
        for token in [&*by_c, by_python] {
            let header = base64_simd::URL_SAFE_NO_PAD
                .decode_to_vec(token.split('.').next().unwrap())
                .unwrap();
            let header: Value = serde_json::from_slice(&header).unwrap();
            assert_eq!(header["alg"], algorithm);
            assert_eq!(c.ask("verify", &[token.as_bytes()]).unwrap()[0], b"alice");
            let expression = format!("{gate}.verify_token(arguments[0])['sub']");
            assert_eq!(python(home.path(), &expression, &[token]), "alice");
            let changed = token.replacen(".eyJ", ".eyK", 1);
            assert!(c.ask("verify", &[changed.as_bytes()]).is_err());
        }
        c.end();
    }
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
