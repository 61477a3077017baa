use std::fs;

use std::time::Duration;

use super::*;
use crate::api::LoginMode;
use crate::server::Listen;
use crate::{Error, gate};

fn settings(values: &[(&str, &str)]) -> Result<Settings, Error> {
    let mut config = Config::new();
    for (name, value) in values {
        config.set(name, value)?;
    }
    config.settings()
}

#[test]
fn defaults_match_the_table() {
    let given: Vec<_> = SETTINGS
        .iter()
        .filter(|setting| !setting.default.is_empty())
        .map(|setting| (setting.name, setting.default))
        .collect();
    let of_the_table = settings(&given).unwrap();
    let shown = |part: &dyn std::fmt::Debug| format!("{part:?}");
    assert_eq!(shown(&Settings::default()), shown(&of_the_table));

    // A gate with these settings behaves as documented.
    let mut settings = gate::Settings::default();
    settings.keys.ephemeral = true;
    let gate = crate::Gate::new(&settings).unwrap();
    let token = gate
        .issue_token(&crate::Grant {
            subject: "alice",
            scope: "",
            ..crate::Grant::default()
        })
        .unwrap();
    let claims = gate.verify_token(&token).unwrap();
    assert_eq!(
        claims.expires_at() - claims.issued_at().unwrap_or(0),
        30 * 60
    );
    let admitted = (0..6).map(|_| gate.enforce_rate_limit("alice").unwrap().allowed);
    assert_eq!(
        admitted.collect::<Vec<_>>(),
        [true, true, true, true, true, false]
    );
}

fn sentence(values: &[(&str, &str)]) -> String {
    settings(values).expect_err("refused").to_string()
}

#[test]
fn defaults_match_the_original_program() {
    let settings = settings(&[]).unwrap();
    assert_eq!(settings.gate.limiter.max_requests, 5);
    assert_eq!(settings.gate.limiter.window, Duration::from_secs(60));
    assert_eq!(settings.gate.tokens.token_ttl, Duration::from_secs(1800));
    assert_eq!(
        settings.server.listen,
        [Listen::Tcp("127.0.0.1:5000".parse().unwrap())]
    );
    assert_eq!(settings.app.login, LoginMode::Auto);
    assert_eq!(settings.gate.keys.given.cbc, None);
}

#[test]
fn the_table_is_consistent() {
    for (at, setting) in SETTINGS.iter().enumerate() {
        assert!(setting.help.ends_with('.'), "{}", setting.name);
        assert!(!setting.env.is_empty() && !setting.name.is_empty());
        let original = [
            "JWT_SECRET_KEY",
            "AES_KEY",
            "AES_IV",
            "RATE_LIMIT_WINDOW",
            "MAX_REQUESTS",
        ];
        let prefixed = format!("SEALGATE_{}", setting.name.to_uppercase());
        assert!(
            setting.env == prefixed || original.contains(&setting.env),
            "{}",
            setting.env
        );
        assert!(
            SETTINGS[..at]
                .iter()
                .all(|other| other.name != setting.name)
        );
    }
}

#[test]
fn sources_override_each_other_in_any_reading_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sealgate.toml");
    fs::write(
        &path,
        "max_requests = 7\ntoken_ttl = 60\nallowed_hosts = [\"a\", \"B\"]\n",
    )
    .unwrap();
    let mut config = Config::new();
    config.set_flag("token_ttl", "90".into()).unwrap();
    config.load_file(&path).unwrap();
    let settings = config.settings().unwrap();
    assert_eq!(settings.gate.limiter.max_requests, 7);
    assert_eq!(settings.gate.tokens.token_ttl, Duration::from_secs(90));
    assert_eq!(settings.app.allowed_hosts, ["a", "b"]);
    assert_eq!(
        config.source(find("max_requests").unwrap()),
        Source::File(path)
    );
    assert_eq!(
        config.source(find("SEALGATE_TOKEN_TTL").unwrap()),
        Source::Flag
    );
}

#[test]
fn a_mistyped_name_gets_a_suggestion() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sealgate.toml");
    fs::write(&path, "tokenttl = 60\n").unwrap();
    let said = Config::new().load_file(&path).unwrap_err().to_string();
    assert!(
        said.contains("tokenttl") && said.ends_with("Did you mean token_ttl?"),
        "{said}"
    );
    let said = Config::new()
        .set("SEALGATE_LISTN", "x")
        .unwrap_err()
        .to_string();
    assert!(said.ends_with("Did you mean SEALGATE_LISTEN?"), "{said}");
    let said = Config::new()
        .set("completely_different", "x")
        .unwrap_err()
        .to_string();
    assert!(!said.contains("mean"), "{said}");
}

#[test]
fn an_invalid_file_is_reported_by_line_and_never_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sealgate.toml");
    for text in [
        "log_level = \"info\"\njwt_secret_key = hunter2hunter2\n",
        "log_level = \"info\"\njwt_secret_key = \"hunter2hunter2\n",
    ] {
        fs::write(&path, text).unwrap();
        let said = Config::new().load_file(&path).unwrap_err().to_string();
        assert!(
            said.contains("line 2") && !said.contains("hunter2"),
            "{said}"
        );
    }
    fs::write(&path, "[server]\nlisten = 1\n").unwrap();
    assert!(Config::new().load_file(&path).is_err());
    fs::write(&path, "token_ttl = 1.5\n").unwrap();
    assert!(Config::new().load_file(&path).is_err());
    assert!(
        Config::new()
            .load_file(&folder.path().join("none"))
            .is_err()
    );
}

#[test]
fn an_invalid_value_is_reported_without_showing_it() {
    let cases = [
        ("jwt_secret_key", "canary-too-short"),
        ("aes_key", "canary"),
        ("aes_key", "hex:canary00"),
        (
            "aes_key",
            "canary00canary00canary00canary00canary00canary00canary00canary00",
        ),
        ("aes_iv", "canary"),
        ("aes_iv", "raw:canary"),
        ("rate_limit_window", "canary"),
        ("rate_limit_window", "0"),
        ("max_requests", "-1"),
        ("max_requests", "canary"),
        ("listen", "canary"),
        ("listen", "unix:canary"),
        ("listen", ""),
        ("keys", "canary"),
        ("engine", "canary"),
        ("workers", "canary"),
        ("log_level", "canary"),
        ("login", "canary"),
        ("cbc", "canary"),
        ("token_ttl", "0"),
        ("leeway", "301"),
        ("issuer", ""),
        ("audience", "can\nary"),
        ("trusted_proxies", "canary"),
        ("proxy_protocol", "canary"),
        ("forwarded_header", "can ary"),
        ("socket_mode", "999"),
        ("data_dir", ""),
        ("cors_origins", "https://canary/"),
        ("cors_headers", "can ary"),
        ("cors_headers", "*"),
        ("cors_credentials", "canary"),
    ];
    for (name, value) in cases {
        let said = sentence(&[(name, value)]);
        assert!(said.starts_with(name), "{said}");
        assert!(
            said.contains("must be") && !said.contains("canary"),
            "{said}"
        );
    }
}

#[test]
fn invalid_combinations_are_refused() {
    let iv = ("aes_iv", "0123456789abcdef");
    let key = ("aes_key", "0123456789abcdef");
    assert!(sentence(&[iv]).contains("AES_KEY is not"));
    assert!(settings(&[iv, ("cbc", "off")]).is_ok());
    assert!(sentence(&[("cbc", "open")]).contains("AES_IV"));
    assert!(sentence(&[("cbc", "seal"), key]).contains("AES_IV"));
    assert!(settings(&[iv, key, ("cbc", "open")]).is_ok());
    let every = ("cors_origins", "*");
    for (name, value) in [("cors_credentials", "on"), ("login", "open")] {
        let said = sentence(&[every, (name, value)]);
        assert!(
            said.starts_with("cors_origins is *") && said.contains(name),
            "{said}"
        );
        assert!(settings(&[("cors_origins", "https://a.example"), (name, value)]).is_ok());
    }
    assert!(settings(&[every]).is_ok());
    let require = ("proxy_protocol", "require");
    assert_eq!(
        sentence(&[require]),
        "proxy_protocol reads headers of trusted proxies only, but SEALGATE_TRUSTED_PROXIES names none."
    );
    for trusted in ["10.0.0.1", "unix"] {
        let trusted = ("trusted_proxies", trusted);
        assert!(settings(&[require, trusted]).is_ok());
        let said = sentence(&[require, trusted, ("engine", "tiny-http")]);
        assert!(
            said.contains("does not support the PROXY protocol"),
            "{said}"
        );
    }
    assert_eq!(
        sentence(&[("secure_data", "a"), ("secure_data_file", "/b")]),
        "secure_data and secure_data_file are both set. Set one."
    );
}

#[test]
fn binary_values_are_decoded_by_prefix_or_else_by_length() {
    let key = |text: &str| {
        let given = settings(&[("aes_key", text)]).unwrap().gate.keys.given;
        (given.aes_key.unwrap().into_vec(), given.aes_key_form)
    };
    let bytes: Vec<u8> = (0..32).collect();
    let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let base64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    assert_eq!(key(hex), (bytes.clone(), "hex digits"));
    assert_eq!(key(&format!("hex:{hex}")), (bytes.clone(), "hex digits"));
    assert_eq!(key(base64), (bytes.clone(), "base64"));
    assert_eq!(key(&base64[..43]), (bytes.clone(), "base64"));
    assert_eq!(key(&format!("base64:{base64}")), (bytes, "base64"));
    // 32 hex digits count as 32 raw bytes: only the length decides.
    assert_eq!(
        key(&hex[..32]),
        (hex.as_bytes()[..32].to_vec(), "raw bytes")
    );
    assert_eq!(key(&format!("hex:{}", &hex[..32])).0.len(), 16);
    assert_eq!(
        key("raw:0123456789abcdef"),
        (b"0123456789abcdef".to_vec(), "raw bytes")
    );
    assert_eq!(key("sixteen bytes :)").1, "raw bytes");
    assert!(
        settings(&[("aes_key", &base64.replace("8=", "9="))]).is_err(),
        "not canonical"
    );
}

#[test]
fn debug_shows_no_secret() {
    let mut config = Config::new();
    config
        .set("jwt_secret_key", "canary-canary-canary-canary-canary")
        .unwrap();
    config.set("secure_data", "canary").unwrap();
    let shown = format!("{config:?} {:?}", config.settings().unwrap());
    assert!(!shown.contains("canary"), "{shown}");
}
