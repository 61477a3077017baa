//! The command's subcommands as transcripts: what is typed, what is seen, which exit code. `help` has their help.

#![allow(clippy::unwrap_used)] // a test that panics has failed

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::common::{said, text, typed};

#[test]
fn encrypt_and_decrypt_any_bytes() {
    let home = tempfile::tempdir().unwrap();
    let data: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    for data in [&data[..], b"", b"text\n"] {
        let encrypted = typed(home.path(), &["encrypt", "--context", "a"], data, &[]);
        assert!(encrypted.status.success());
        // Wrapped as other tools wrap base64.
        let wrapped: Vec<u8> = encrypted
            .stdout
            .chunks(76)
            .flat_map(|line| [line, b"\r\n"].concat())
            .collect();
        let decrypted = typed(home.path(), &["decrypt", "--context", "a"], &wrapped, &[]);
        assert_eq!(decrypted.stdout, data);
        let elsewhere = typed(home.path(), &["decrypt", "--context", "b"], &wrapped, &[]);
        assert_eq!(elsewhere.status.code(), Some(1));
        assert!(elsewhere.stdout.is_empty());
        assert_eq!(
            said(&elsewhere),
            "sealgate: The data cannot be decrypted.\n"
        );
    }
    for noise in [&b""[..], b"AAAA", b"\xff\xfe", b"not base64!"] {
        let output = typed(home.path(), &["decrypt"], noise, &[]);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    }
}

#[test]
fn tokens_are_issued_verified_and_inspected() {
    let home = tempfile::tempdir().unwrap();
    let token = text(
        &typed(
            home.path(),
            &[
                "token", "issue", "--user", "alice", "--scope", "decrypt", "--ttl", "60",
            ],
            b"",
            &[],
        )
        .stdout,
    );
    let verified = typed(home.path(), &["token", "verify"], token.as_bytes(), &[]);
    let verified: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(
        (&verified["user"], &verified["scope"]),
        (&"alice".into(), &"decrypt".into())
    );
    let inspected = typed(home.path(), &["token", "inspect", token.trim()], b"", &[]);
    let inspected: serde_json::Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!(inspected["verified"], false);
    assert_eq!(inspected["header"]["typ"], "at+jwt");
    assert_eq!(inspected["claims"], verified["claims"]);

    let other = tempfile::tempdir().unwrap();
    let foreign = typed(other.path(), &["token", "verify"], token.as_bytes(), &[]);
    assert_eq!(foreign.status.code(), Some(1));
    assert_eq!(
        said(&foreign),
        "sealgate: Token is invalid. (token_invalid)\n"
    );
    let malformed = typed(home.path(), &["token", "inspect"], b"a.b.c", &[]);
    assert_eq!(
        said(&malformed),
        "sealgate: Token is malformed. (token_malformed)\n"
    );
    assert_eq!(
        typed(home.path(), &["token", "verify"], b"", &[])
            .status
            .code(),
        Some(1)
    );
    assert_eq!(
        typed(home.path(), &["token", "issue", "--user", ""], b"", &[])
            .status
            .code(),
        Some(2)
    );
}

#[test]
fn what_others_wrote_cannot_steer_a_terminal() {
    let home = tempfile::tempdir().unwrap();
    // Signed by nobody: {"alg":"HS256","typ":"JWT"} and {"username":"\u{9b}2J\u{202e}x","exp":1}.
    let token =
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VybmFtZSI6IsKbMkrigK54IiwiZXhwIjoxfQ.AAAA";
    let shown = text(&typed(home.path(), &["token", "inspect", token], b"", &[]).stdout);
    assert!(
        shown.contains(r#""username": "\u009b2J\u202ex""#),
        "{shown:?}"
    );
    let folder = home.path().join("\x1b[31m\u{9b}state");
    std::fs::write(&folder, "").unwrap();
    let folder = [("SEALGATE_DATA_DIR", folder.to_str().unwrap())];
    let refused = said(&typed(home.path(), &["keys", "generate"], b"", &folder));
    assert!(refused.contains(r"\u{1b}[31m\u{9b}state"), "{refused:?}");
    assert!(!refused.trim_end().contains(char::is_control));
}

#[test]
fn mask_works_line_by_line() {
    let home = tempfile::tempdir().unwrap();
    let masked = typed(
        home.path(),
        &["mask"],
        "my_password\nab\n日本語テキスト".as_bytes(),
        &[],
    );
    assert_eq!(text(&masked.stdout), "my_********\nab\n日本語****\n");
    let masked = typed(
        home.path(),
        &["mask", "--visible-chars", "0"],
        b"abc\n",
        &[],
    );
    assert_eq!(text(&masked.stdout), "***\n");
}

#[test]
fn a_bad_setting_stops_with_one_sentence_that_names_it_and_not_its_value() {
    let home = tempfile::tempdir().unwrap();
    for (name, value) in [
        ("JWT_SECRET_KEY", "canary"),
        ("AES_KEY", "canary"),
        ("AES_IV", "canary"),
        ("MAX_REQUESTS", "canary"),
        ("RATE_LIMIT_WINDOW", "canary"),
        ("SEALGATE_LISTEN", "canary"),
        ("SEALGATE_CBC", "canary"),
        ("SEALGATE_LOG_LEVEL", "canary"),
        ("SEALGATE_TRUSTED_PROXIES", "canary"),
    ] {
        let output = typed(home.path(), &["serve"], b"", &[(name, value)]);
        assert_eq!(output.status.code(), Some(2));
        let said = said(&output);
        assert!(said.contains(name) && !said.contains("canary"), "{said}");
    }
    let flag = typed(home.path(), &["serve", "--listen", "canary"], b"", &[]);
    assert!(
        said(&flag).starts_with("sealgate: --listen must be"),
        "{}",
        said(&flag)
    );
    assert!(!home.path().join(".local").exists(), "nothing was made");
}

#[test]
fn the_settings_file_is_read_and_the_environment_wins() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("sealgate.toml");
    fs::write(
        &file,
        "token_ttl = 100\nissuer = \"the-file\"\nkeys = \"ring\"\n",
    )
    .unwrap();
    let issue = |settings: &[(&str, &str)], arguments: &[&str]| {
        let arguments = [&["token", "issue", "--user", "a"], arguments].concat();
        let token = text(&typed(home.path(), &arguments, b"", settings).stdout);
        let shown = typed(home.path(), &["token", "inspect"], token.as_bytes(), &[]).stdout;
        let claims = serde_json::from_slice::<serde_json::Value>(&shown).unwrap()["claims"].clone();
        (
            claims["iss"].as_str().unwrap().to_owned(),
            claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(),
        )
    };
    let path = file.to_str().unwrap();
    assert_eq!(issue(&[], &["--config", path]), ("the-file".into(), 100));
    assert_eq!(
        issue(&[("SEALGATE_CONFIG", path)], &[]),
        ("the-file".into(), 100)
    );
    assert_eq!(
        issue(
            &[("SEALGATE_CONFIG", path), ("SEALGATE_ISSUER", "env")],
            &[]
        ),
        ("env".into(), 100)
    );
    assert_eq!(
        issue(
            &[("SEALGATE_CONFIG", path), ("SEALGATE_ISSUER", "env")],
            &["--issuer", "flag"]
        ),
        ("flag".into(), 100)
    );
    fs::write(&file, "tokenttl = 100\n").unwrap();
    let wrong = typed(
        home.path(),
        &["token", "issue", "--user", "a", "--config", path],
        b"",
        &[],
    );
    assert!(said(&wrong).contains("Did you mean token_ttl?"));
    let endless = typed(home.path(), &["config", "--config", "/dev/zero"], b"", &[]);
    assert!(said(&endless).contains("larger than 1 MiB"));
}

#[test]
fn a_data_directory_that_cannot_be_used_is_a_clear_error_and_loses_no_key() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("state");
    let settings = [("SEALGATE_DATA_DIR", folder.to_str().unwrap())];
    let token = typed(
        home.path(),
        &["token", "issue", "--user", "a"],
        b"",
        &settings,
    )
    .stdout;
    let ring = folder.join("keys.json");
    let before = fs::read(&ring).unwrap();
    fs::set_permissions(&ring, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = typed(home.path(), &["token", "verify"], &token, &settings);
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("chmod 600"), "{}", said(&refused));
    fs::set_permissions(&ring, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&ring, &before[..before.len() / 2]).unwrap();
    let refused = typed(
        home.path(),
        &["serve", "--listen", "127.0.0.1:0"],
        b"",
        &settings,
    );
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("Restore it from a backup"));
    fs::write(&ring, &before).unwrap();
    assert!(
        typed(home.path(), &["token", "verify"], &token, &settings)
            .status
            .success()
    );

    // A device without room: the new ring is not left half-written.
    let full = typed(
        home.path(),
        &["token", "issue", "--user", "a"],
        b"",
        &[("SEALGATE_DATA_DIR", "/dev/full/sealgate")],
    );
    assert_eq!(full.status.code(), Some(2));
    assert!(
        said(&full).contains("SEALGATE_DATA_DIR") || said(&full).contains("/dev/full"),
        "{}",
        said(&full)
    );
}
