//! `sealgate config` as transcripts: what is typed, what is seen, which exit code. `checked` has `--check`.

#![allow(clippy::unwrap_used)] // a test that panics has failed

mod checked;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::common::{text, typed};
use sealgate::config::{Config, SETTINGS, ShownValue, example};
use serde_json::Value;

/// The cells of a setting's row.
fn row(table: &str, name: &str) -> Vec<String> {
    let line = table
        .lines()
        .find(|line| line.split(' ').next() == Some(name))
        .unwrap_or_else(|| panic!("{name}: {table}"));
    let cells = line.split("  ").map(str::trim);
    cells
        .filter(|cell| !cell.is_empty())
        .map(str::to_owned)
        .collect()
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn every_setting_is_shown_with_where_it_came_from_and_no_byte_of_a_secret() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("sealgate.toml");
    write(
        &file,
        "token_ttl = 60\nissuer = \"a\"\naes_key = \"canary--canary--\"\n",
        0o600,
    );
    let arguments = [
        "config",
        "--config",
        file.to_str().unwrap(),
        "--listen",
        "[::1]:0",
    ];
    let settings = [
        ("SEALGATE_ISSUER", "b\u{202e}"),
        ("JWT_SECRET_KEY", "a canary of at least thirty-two bytes"),
        ("SEALGATE_SECURE_DATA", "c"),
        ("STATE_DIRECTORY", "/var/lib/sealgate"),
    ];
    let output = typed(home.path(), &arguments, b"", &settings);
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    let table = text(&output.stdout);
    assert_eq!(table.lines().count(), 1 + SETTINGS.len());
    assert_eq!(
        row(&table, "token_ttl"),
        ["token_ttl", "60", file.to_str().unwrap()]
    );
    assert_eq!(
        row(&table, "issuer"),
        ["issuer", "b\\u{202e}", "SEALGATE_ISSUER"]
    );
    assert_eq!(row(&table, "listen"), ["listen", "[::1]:0", "--listen"]);
    assert_eq!(
        row(&table, "max_requests"),
        ["max_requests", "5", "default"]
    );
    assert_eq!(row(&table, "audience"), ["audience", "-", "default"]);
    assert_eq!(
        row(&table, "jwt_secret_key"),
        ["jwt_secret_key", "secret, 37 bytes", "JWT_SECRET_KEY"]
    );
    assert_eq!(
        row(&table, "aes_key"),
        ["aes_key", "secret, 16 bytes", file.to_str().unwrap()]
    );
    assert_eq!(row(&table, "secure_data")[1], "secret, 1 byte");
    assert_eq!(
        row(&table, "data_dir"),
        [
            "data_dir",
            "/var/lib/sealgate",
            "default ($STATE_DIRECTORY)"
        ]
    );
    assert!(!table.contains("canary"));

    let json = typed(
        home.path(),
        &[&arguments[..], &["--json"]].concat(),
        b"",
        &settings,
    );
    assert!(!text(&json.stdout).contains("canary"));
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    let shown = json["settings"].as_array().unwrap();
    assert_eq!(shown.len(), SETTINGS.len());
    assert_eq!(shown[0]["secret_bytes"], 37);
    assert_eq!(shown[0]["value"], Value::Null);
    let listen = shown.iter().find(|one| one["name"] == "listen").unwrap();
    assert_eq!(
        (&listen["source"], &listen["value"]),
        (&"flag".into(), &"[::1]:0".into())
    );
    let home_default = text(&typed(home.path(), &["config"], b"", &[]).stdout);
    assert_eq!(row(&home_default, "data_dir")[2], "default ($HOME)");
    assert!(!home.path().join(".local").exists(), "nothing was made");
}

#[test]
fn every_fault_is_told_at_once_by_the_names_of_its_giver() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("sealgate.toml");
    write(&file, "leeway = 999\ntokenttl = 1\nlogin = true\n", 0o600);
    let path = file.to_str().unwrap();
    let arguments = ["config", "--config", path, "--grace", "canary"];
    let settings = [
        ("MAX_REQUESTS", "canary"),
        ("JWT_SECRET_KEY", "canary"),
        ("AES_KEY", "canary"),
        ("AES_IV", "0123456789abcdef"),
        ("SEALGATE_SECURE_DATA", "a"),
        ("SEALGATE_SECURE_DATA_FILE", "/nowhere"),
        ("SEALGATE_LISTN", "x"),
        // Not settings, but known.
        ("SEALGATE_TOKEN", "canary"),
        ("SEALGATE_LIBRARY", "/nowhere"),
    ];
    let begins = [
        "There is no setting in the environment named SEALGATE_LISTN. Did you mean SEALGATE_LISTEN?".to_owned(),
        format!("login (in {path}) must be"),
        format!("There is no setting in {path} named tokenttl. Did you mean token_ttl?"),
        "JWT_SECRET_KEY must be".to_owned(),
        "AES_KEY must be".to_owned(),
        "MAX_REQUESTS must be".to_owned(),
        "--grace must be".to_owned(),
        format!("leeway (in {path}) must be"),
        "SEALGATE_SECURE_DATA and SEALGATE_SECURE_DATA_FILE are both set".to_owned(),
    ];
    let output = typed(home.path(), &arguments, b"", &settings);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert_eq!(said.lines().count(), begins.len(), "{said}");
    for (line, begin) in said.lines().zip(&begins) {
        assert!(line.starts_with(&format!("sealgate: {begin}")), "{line}");
        assert!(!line.contains("canary"), "{line}");
    }
    let table = text(&output.stdout);
    assert_eq!(
        row(&table, "max_requests")[3],
        "WRONG: must be a whole number from 0 to 10000000."
    );
    assert_eq!(row(&table, "jwt_secret_key")[1], "secret, 6 bytes");

    let check = typed(
        home.path(),
        &[&arguments[..], &["--check"]].concat(),
        b"",
        &settings,
    );
    assert_eq!((check.status.code(), check.stdout.len()), (Some(2), 0));
    let told = text(&check.stderr);
    for line in said.lines() {
        assert!(told.contains(line), "{line}");
    }
    assert!(told.contains("/nowhere cannot be read"), "{told}");

    fs::write(&file, "leeway = canary\n").unwrap();
    let broken = typed(
        home.path(),
        &["config", "--config", path],
        b"",
        &[("MAX_REQUESTS", "7")],
    );
    assert_eq!(broken.status.code(), Some(2));
    assert!(text(&broken.stderr).contains("not valid TOML in line 1"));
    assert_eq!(
        row(&text(&broken.stdout), "max_requests")[1],
        "7",
        "the rest is shown"
    );
}

#[test]
fn the_example_file_changes_nothing_and_each_of_its_lines_means_the_default() {
    let home = tempfile::tempdir().unwrap();
    let printed = text(&typed(home.path(), &["config", "--example"], b"", &[]).stdout);
    assert_eq!(printed, example());
    assert!(
        printed
            .lines()
            .all(|line| line.len() <= 100 && (line.is_empty() || line.starts_with('#')))
    );

    let file = home.path().join("sealgate.toml");
    let values = |text: &str| {
        fs::write(&file, text).unwrap();
        let mut config = Config::new();
        config.load_file(&file).unwrap();
        let report = config.report();
        assert!(report.faults.is_empty(), "{:?}", report.faults);
        let shown = |shown: sealgate::config::Shown| (shown.setting.name, shown.value);
        (
            report
                .values
                .into_iter()
                .map(shown)
                .collect::<Vec<(&str, ShownValue)>>(),
            format!("{:?}", report.settings),
        )
    };
    let defaults = values("");
    assert_eq!(values(&printed), defaults);
    let mut all = String::new();
    for setting in SETTINGS {
        let begin = format!("# {} = ", setting.name);
        let lines: Vec<&str> = printed
            .lines()
            .filter(|line| line.starts_with(&begin))
            .collect();
        assert_eq!(lines.len(), 1, "{}", setting.name);
        let line = lines[0].strip_prefix("# ").unwrap();
        assert_eq!(values(line), defaults, "{line}");
        all.push_str(line);
        all.push('\n');
        let words: Vec<&str> = setting.help.split(' ').collect();
        let help = printed.replace("\n# ", " ");
        assert!(help.contains(&words.join(" ")), "{}", setting.help);
    }
    assert_eq!(values(&all), defaults);
    assert_eq!(
        printed.lines().filter(|line| line.contains(" = ")).count(),
        SETTINGS.len()
    );
}
