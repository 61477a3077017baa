//! The command's subcommands as transcripts: what is typed, what is seen, which exit code.

#![allow(clippy::unwrap_used)] // a test that panics has failed

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::common::{said, text, typed};

#[test]
fn help_names_every_subcommand_and_setting() {
    let home = tempfile::tempdir().unwrap();
    let help = text(&typed(home.path(), &["--help"], b"", &[]).stdout);
    for word in [
        "serve",
        "token",
        "encrypt",
        "decrypt",
        "sign",
        "unsign",
        "mask",
        "limits",
        "healthcheck",
        "keys",
        "config",
        "completions",
        "man",
        "Exit codes: 0 success; 1",
    ] {
        assert!(help.contains(word), "{word}: {help}");
    }
    let help = text(&typed(home.path(), &["serve", "--help"], b"", &[]).stdout);
    for setting in sealgate::config::SETTINGS {
        assert!(help.contains(setting.env), "{}", setting.env);
        let flag = format!("--{} ", setting.name.replace('_', "-"));
        assert_eq!(help.contains(&flag), !setting.secret, "{flag}");
    }
    let nothing = typed(home.path(), &[], b"", &[]);
    assert_eq!(nothing.status.code(), Some(2));
    assert!(text(&typed(home.path(), &["--version"], b"", &[]).stdout).starts_with("sealgate 0."));
    assert_eq!(
        typed(home.path(), &["serve", "--jwt-secret-key", "x"], b"", &[])
            .status
            .code(),
        Some(2)
    );
}

/// The settings that the help of a subcommand lists, by their environment variables.
fn settings_in_help(home: &Path, words: &[&str]) -> BTreeSet<&'static str> {
    let help = typed(home, &[words, &["--help"]].concat(), b"", &[]);
    assert!(help.status.success(), "{words:?}");
    // Wrapped lines become one; a secret stands first in its line.
    let help = text(&help.stdout);
    let flat = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let lists = |setting: &&sealgate::config::Setting| match setting.secret {
        true => help
            .lines()
            .any(|line| line.split_whitespace().next() == Some(setting.env)),
        false => flat.contains(&format!("[env: {}]", setting.env)),
    };
    let settings = sealgate::config::SETTINGS.iter().filter(lists);
    settings.map(|setting| setting.env).collect()
}

#[test]
fn help_lists_the_settings_that_a_subcommand_uses_and_no_others() {
    let home = tempfile::tempdir().unwrap();
    let store = "SEALGATE_DATA_DIR";
    let ring = "SEALGATE_DATA_DIR SEALGATE_KEYS JWT_SECRET_KEY AES_KEY SEALGATE_RING_KEY SEALGATE_RING_KEY_FILE \
        SEALGATE_RING_KEY_PREVIOUS SEALGATE_RING_KEY_PREVIOUS_FILE";
    let audit = "SEALGATE_AUDIT_FILE SEALGATE_AUDIT SEALGATE_AUDIT_FAIL SEALGATE_LOG_FORMAT";
    let new = "SEALGATE_TOKEN_ALGORITHM SEALGATE_TOKEN_KEY_LEAD";
    let cbc = "AES_IV SEALGATE_CBC";
    let claims = "SEALGATE_ISSUER SEALGATE_AUDIENCE";
    let hash = "SEALGATE_PASSWORD_MEMORY SEALGATE_PASSWORD_PASSES SEALGATE_PASSWORD_LANES";
    let (ttl, leeway) = ("SEALGATE_TOKEN_TTL", "SEALGATE_LEEWAY");
    let listen = "SEALGATE_LISTEN SEALGATE_TLS_CERT SEALGATE_TLS_KEY SEALGATE_TLS_CLIENT_CA SEALGATE_TLS_CLIENT";
    for (command, used) in [
        (
            "token issue",
            &[ring, new, claims, audit, ttl, "SEALGATE_LOGIN"][..],
        ),
        (
            "token verify",
            &[ring, new, claims, leeway, "SEALGATE_LOGIN"],
        ),
        ("token inspect", &[]),
        ("token revoke", &[ring, new, claims, audit, ttl, leeway]),
        ("encrypt", &[ring, new, cbc]),
        ("decrypt", &[ring, new, cbc, leeway]),
        ("rewrap", &[ring, new, cbc]),
        ("sign", &[ring, new]),
        ("unsign", &[ring, new, leeway]),
        ("keys list", &[ring, cbc]),
        ("keys generate", &[ring, new, audit]),
        (
            "keys rotate",
            &[ring, new, audit, ttl, leeway, "SEALGATE_REFRESH_TTL"],
        ),
        ("keys retire", &[ring, audit]),
        ("keys accept", &[ring, audit]),
        ("keys seal", &[ring, audit]),
        ("keys unseal", &[ring, audit]),
        ("keys export", &[ring, audit]),
        ("keys import", &[ring, audit]),
        ("user add", &[ring, audit, hash]),
        ("user passwd", &[ring, audit, hash]),
        ("user scopes", &[ring, audit]),
        ("user claims", &[ring, audit]),
        ("user disable", &[ring, audit]),
        ("user enable", &[ring, audit]),
        ("user remove", &[ring, audit]),
        ("user list", &[store]),
        ("api-key add", &[ring, audit, "SEALGATE_LOGIN"]),
        ("api-key list", &[store]),
        ("api-key revoke", &[ring, audit]),
        ("audit who", &[ring]),
        ("store check", &[store]),
        ("store backup", &[store]),
        ("backup", &[ring, audit]),
        ("restore", &[ring, audit]),
        (
            "healthcheck",
            &[listen, "SEALGATE_PROXY_PROTOCOL SEALGATE_TRUSTED_PROXIES"],
        ),
        (
            "limits",
            &[
                "MAX_REQUESTS RATE_LIMIT_WINDOW SEALGATE_LIMITS SEALGATE_LIMITS_FILE SEALGATE_BATCH_COST",
            ],
        ),
        ("mask", &[]),
        ("completions", &[]),
        ("man", &[]),
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        let used: BTreeSet<&str> = used
            .iter()
            .flat_map(|names| names.split_whitespace())
            .collect();
        assert_eq!(settings_in_help(home.path(), &words), used, "{command}");
    }
    for command in ["serve", "config"] {
        let all = sealgate::config::SETTINGS.iter().map(|setting| setting.env);
        assert_eq!(settings_in_help(home.path(), &[command]), all.collect());
    }
    // A flag that would do nothing is refused rather than ignored.
    let useless = typed(
        home.path(),
        &["user", "list", "--max-requests", "1"],
        b"",
        &[],
    );
    assert_eq!(useless.status.code(), Some(2));
}

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
