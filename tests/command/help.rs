//! What `--help` lists: every subcommand, and the settings that each one uses.

use std::collections::BTreeSet;
use std::path::Path;

use crate::common::{text, typed};

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
