//! The console's files and its own routes: who gets a token there, and which pages may ask. `first_administrator` has the
//! start of an installation.

use super::*;

pub(super) const PASSWORD: &str = "correct horse battery";
const ASKED: (&str, &str) = ("Sec-Fetch-Site", "same-origin");

/// A console with a data directory, which stays as long as the second value.
pub(super) fn console(settings: &[(&str, &str)]) -> (App, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("state");
    let mut all = vec![("data_dir", folder.to_str().unwrap()), ("console", "on")];
    all.extend(settings);
    (with(&all), home)
}

pub(super) fn with(settings: &[(&str, &str)]) -> App {
    let mut config = Config::new();
    for (name, value) in settings {
        config.set(name, value).unwrap();
    }
    let settings = config.settings().unwrap();
    App::new(Gate::new(&settings.gate).unwrap(), &settings.app).unwrap()
}

fn with_root(settings: &[(&str, &str)]) -> (App, tempfile::TempDir) {
    let (app, home) = console(settings);
    for (name, scope) in [("root", "admin encrypt"), ("alice", "encrypt")] {
        app.gate()
            .users()
            .add(name, &PASSWORD.into(), scope)
            .unwrap();
    }
    (app, home)
}

pub(super) fn credentials(name: &str, password: &str) -> String {
    serde_json::json!({"username": name, "password": password}).to_string()
}

/// The cookie that a response sets, as a browser sends it back.
pub(super) fn cookie(response: &Response) -> String {
    let field = response.header("Set-Cookie").unwrap();
    field.split(';').next().unwrap().to_owned()
}

pub(super) fn refresh(cookie: &str) -> Ask<'_> {
    let ask = post("/console/refresh", "").without("Content-Type");
    ask.with(ASKED.0, ASKED.1).with("Cookie", cookie)
}

#[test]
fn it_is_served_only_if_the_settings_say_so() {
    let (off, _home) = console(&[("console", "off")]);
    let (on, _home) = console(&[]);
    for path in ["/console/", "/console/app.js", "/console/refresh"] {
        assert_eq!(code(&get(path).of(&off), 404), "not_found");
    }
    assert_eq!(get("/console/").of(&on).status().0, 200);
    assert_eq!(code(&get("/console/unknown.js").of(&on), 404), "not_found");
    assert_eq!(
        code(&get("/console/login").of(&on), 405),
        "method_not_allowed"
    );
    assert_eq!(
        code(&post("/console/", "{}").of(&on), 405),
        "method_not_allowed"
    );
}

#[test]
fn every_response_forbids_what_the_page_does_not_need() {
    let (app, _home) = console(&[("cors_origins", "*")]);
    let answers = [
        get("/console/").of(&app),
        get("/console/app.js").of(&app),
        post("/console/login", "{}").of(&app),
        refresh("").of(&app),
    ];
    for answer in &answers {
        let policy = answer.header("Content-Security-Policy").unwrap();
        assert_eq!(
            policy,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
             trusted-types 'none'"
        );
        for (name, value) in [
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
        ] {
            assert_eq!(answer.header(name), Some(value));
        }
        assert_eq!(answer.header("Access-Control-Allow-Origin"), None);
    }
    let stored = answers
        .each_ref()
        .map(|answer| answer.header("Cache-Control").unwrap());
    assert_eq!(stored, ["no-cache", "no-cache", "no-store", "no-store"]);
    assert!(
        get("/")
            .of(&app)
            .header("Content-Security-Policy")
            .is_none()
    );
}

#[test]
fn files_are_compressed_for_those_who_take_it_and_not_sent_twice() {
    let (app, _home) = console(&[]);
    let plain = get("/console/app.css").of(&app);
    assert_eq!(
        plain.header("Content-Type"),
        Some("text/css; charset=utf-8")
    );
    assert_eq!(plain.header("Vary"), Some("Accept-Encoding"));
    assert!(plain.header("Content-Encoding").is_none());
    let mut tags = vec![plain.header("ETag").unwrap().to_owned()];
    for (accepted, gzip) in [
        ("gzip", true),
        ("br, GZIP;q=0.5", true),
        ("gzip;q=0", false),
        ("gzip; q=0.000", false),
        ("identity", false),
        ("", false),
    ] {
        let answer = get("/console/app.css")
            .with("Accept-Encoding", accepted)
            .of(&app);
        let coding = answer.header("Content-Encoding");
        assert_eq!(coding, gzip.then_some("gzip"), "{accepted}");
        assert_eq!(answer.body().starts_with(&[0x1f, 0x8b]), gzip);
        assert!(!gzip || answer.body().len() * 2 < plain.body().len());
        let tag = answer.header("ETag").unwrap().to_owned();
        let again = get("/console/app.css").with("Accept-Encoding", accepted);
        let again = again.with("If-None-Match", &tag).of(&app);
        assert_eq!((again.status().0, again.body().len()), (304, 0));
        assert_eq!(again.header("ETag"), Some(&*tag));
        tags.push(tag);
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 2);
}

#[test]
fn an_administrator_gets_a_token_and_a_cookie_that_scripts_cannot_read() {
    let (app, _home) = with_root(&[]);
    let body_of = credentials("root", PASSWORD);
    let answer = post("/console/login", &body_of).of(&app);
    assert_eq!(answer.status().0, 200);
    let body = body(&answer);
    assert_eq!(body["scope"], "admin encrypt");
    assert_eq!(body["username"], "root");
    assert_eq!(body["expires_in"], 1800);
    assert!(body.get("refresh_token").is_none());
    let field = answer.header("Set-Cookie").unwrap();
    let (pair, attributes) = field.split_once("; ").unwrap();
    assert!(pair.starts_with("__Secure-sealgate-refresh=ey"));
    assert_eq!(
        attributes,
        "Path=/console/refresh; Secure; HttpOnly; SameSite=Strict"
    );
    let token = format!("Bearer {}", body["access_token"].as_str().unwrap());
    let sealed = post("/encrypt", r#"{"data": "x"}"#).with("Authorization", &token);
    assert_eq!(sealed.of(&app).status().0, 200);
}

#[test]
fn accounts_without_the_scope_get_neither_and_no_session() {
    let (app, _home) = with_root(&[]);
    let of_alice = credentials("alice", PASSWORD);
    let answer = post("/console/login", &of_alice).of(&app);
    assert_eq!(code(&answer, 403), "insufficient_scope");
    assert!(answer.header("Set-Cookie").is_none());
    assert!(
        app.gate()
            .users()
            .sessions("alice")
            .unwrap()
            .unwrap()
            .is_empty()
    );
    for wrong in [
        credentials("root", "wrong"),
        credentials("nobody", PASSWORD),
    ] {
        assert_eq!(
            code(&post("/console/login", &wrong).of(&app), 401),
            "login_failed"
        );
    }
    for bad in [
        "{}",
        r#"{"username": 1, "password": "x"}"#,
        r#"{"username": "root"}"#,
    ] {
        assert_eq!(
            code(&post("/console/login", bad).of(&app), 400),
            "bad_member"
        );
    }
}

#[test]
fn a_login_without_a_password_is_never_an_administrator() {
    for login in ["auto", "open"] {
        let (app, _home) = console(&[("login", login)]);
        for password in ["", "x", PASSWORD] {
            let body = credentials("root", password);
            let answer = post("/console/login", &body).of(&app);
            assert_eq!(code(&answer, 401), "login_failed", "{login}");
        }
        let asked = r#"{"username": "root", "scope": "admin"}"#;
        assert_eq!(code(&post("/login", asked).of(&app), 400), "bad_member");
    }
    let (app, _home) = with_root(&[("login", "off")]);
    let body = credentials("root", PASSWORD);
    assert_eq!(
        code(&post("/console/login", &body).of(&app), 403),
        "login_refused"
    );
}

#[test]
fn logins_count_against_the_limit_and_wrong_ones_delay() {
    let (app, _home) = with_root(&[("login_max_requests", "3")]);
    let wrong = credentials("root", "wrong");
    for path in ["/console/login", "/login", "/console/first"] {
        let answer = post(path, &wrong).of(&app);
        assert!(answer.header("RateLimit").unwrap().starts_with("\"login\""));
        assert!([400, 401].contains(&answer.status().0));
    }
    assert_eq!(
        code(&post("/console/login", &wrong).of(&app), 429),
        "rate_limited"
    );
    assert_eq!(code(&refresh("").of(&app), 429), "rate_limited");

    let (app, _home) = with_root(&[("lockout_after", "1")]);
    assert_eq!(code(&post("/login", &wrong).of(&app), 401), "login_failed");
    let right = credentials("root", PASSWORD);
    assert_eq!(
        code(&post("/console/login", &right).of(&app), 429),
        "rate_limited"
    );
}

#[test]
fn the_cookie_continues_its_session_once() {
    let (app, _home) = with_root(&[]);
    let right = credentials("root", PASSWORD);
    let first = cookie(&post("/console/login", &right).of(&app));
    let second = refresh(&format!("a=b; {first}; c")).of(&app);
    assert_eq!(second.status().0, 200);
    assert_eq!(body(&second)["username"], "root");
    let second = cookie(&second);
    assert_ne!(first, second);
    // A copy ends the session, as everywhere.
    let copied = refresh(&first).of(&app);
    assert_eq!(code(&copied, 401), "token_revoked");
    assert!(copied.header("Set-Cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(code(&refresh(&second).of(&app), 401), "token_revoked");
}

#[test]
fn without_one_cookie_nobody_is_logged_in() {
    let (app, _home) = with_root(&[]);
    let right = credentials("root", PASSWORD);
    let mine = cookie(&post("/console/login", &right).of(&app));
    let other = format!("__Secure-sealgate-refresh=x; {mine}");
    let prefix = mine.replace("refresh=", "refresh2=");
    for sent in ["", "a=b", "__Secure-sealgate-refresh", &other, &prefix] {
        let answer = refresh(sent).of(&app);
        let expected = serde_json::json!({"access_token": null, "first_start": false});
        assert_eq!(
            (answer.status().0, body(&answer)),
            (200, expected),
            "{sent}"
        );
    }
    let nonsense = refresh("__Secure-sealgate-refresh=x").of(&app);
    assert_eq!(code(&nonsense, 401), "token_malformed");
    assert!(nonsense.header("Set-Cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(refresh(&mine).of(&app).status().0, 200);
}

#[test]
fn logging_out_ends_the_session() {
    let (app, _home) = with_root(&[]);
    let right = credentials("root", PASSWORD);
    let login = post("/console/login", &right).of(&app);
    let (mine, token) = (cookie(&login), body(&login)["access_token"].clone());
    let leave = |cookie: &str| {
        let ask = post("/console/refresh/logout", "").with(ASKED.0, ASKED.1);
        let answer = ask.with("Cookie", cookie).of(&app);
        assert_eq!(answer.status().0, 204);
        assert!(
            answer
                .header("Set-Cookie")
                .unwrap()
                .starts_with("__Secure-sealgate-refresh=; Max-Age=0; Path=/console/refresh")
        );
    };
    leave(&mine);
    assert_eq!(code(&refresh(&mine).of(&app), 401), "token_revoked");
    let token = format!("Bearer {}", token.as_str().unwrap());
    let used = post("/encrypt", "{}")
        .with("Authorization", &token)
        .of(&app);
    assert_eq!(code(&used, 401), "token_revoked");
    for cookie in ["", &mine, "__Secure-sealgate-refresh=x"] {
        leave(cookie);
    }
}

#[test]
fn other_pages_can_neither_use_the_cookie_nor_log_in() {
    let (app, _home) = with_root(&[
        ("cors_origins", "https://app.example.com"),
        ("cors_credentials", "on"),
    ]);
    let right = credentials("root", PASSWORD);
    let mine = cookie(&post("/console/login", &right).of(&app));
    for path in ["/console/refresh", "/console/refresh/logout"] {
        for site in [None, Some("cross-site"), Some("same-site"), Some("none")] {
            let mut ask = post(path, "{}").with("Cookie", &mine);
            if let Some(site) = site {
                ask = ask.with("Sec-Fetch-Site", site);
            }
            assert_eq!(code(&ask.of(&app), 403), "login_refused", "{path} {site:?}");
        }
        let ask = post(path, "{}")
            .with("Cookie", &mine)
            .with(ASKED.0, ASKED.1);
        let ask = ask.with("Origin", "https://app.example.com");
        assert_eq!(code(&ask.of(&app), 403), "login_refused", "{path}");
    }
    for path in ["/console/login", "/console/first"] {
        for (name, value) in [
            ("Sec-Fetch-Site", "same-site"),
            ("Origin", "https://app.example.com"),
        ] {
            let answer = post(path, &right).with(name, value).of(&app);
            assert_eq!(code(&answer, 403), "login_refused", "{path} {name}");
        }
        let form = post(path, &right)
            .without("Content-Type")
            .with("Content-Type", "text/plain");
        assert_eq!(code(&form.of(&app), 415), "unsupported_media_type");
    }
    assert_eq!(refresh(&mine).of(&app).status().0, 200);
}
