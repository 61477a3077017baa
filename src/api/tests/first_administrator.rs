//! The first administrator, whom the console creates for whoever has the code.

use super::console::{PASSWORD, console, cookie, credentials, refresh, with};
use super::*;

fn first(code: &str, name: &str, password: &str) -> String {
    serde_json::json!({"code": code, "username": name, "password": password}).to_string()
}

#[test]
fn the_first_administrator_is_created_with_the_code_and_only_once() {
    let (app, _home) = console(&[]);
    let known = app.inner.first_code.text().unwrap();
    assert_eq!(body(&refresh("").of(&app))["first_start"], true);
    let ask = |code: &str, name: &str, password: &str| {
        let body = first(code, name, password);
        post("/console/first", &body).of(&app)
    };
    let wrong = "0".repeat(26);
    for refused in [ask(&wrong, "root", PASSWORD), ask("", "root", PASSWORD)] {
        assert_eq!(code(&refused, 403), "login_refused");
    }
    assert_eq!(code(&ask(&known, "root", "short"), 400), "weak_password");
    assert_eq!(code(&ask(&known, "a\tb", PASSWORD), 400), "bad_member");
    assert!(app.gate().users().list("", 9).unwrap().is_empty());
    // Nobody has an account, so nobody logs in.
    let login = credentials("root", PASSWORD);
    assert_eq!(
        code(&post("/console/login", &login).of(&app), 401),
        "login_failed"
    );

    let created = ask(&known.to_lowercase(), "root", PASSWORD);
    assert_eq!(created.status().0, 200, "{}", body(&created));
    assert!(
        body(&created)["scope"]
            .as_str()
            .unwrap()
            .starts_with("admin ")
    );
    assert_eq!(refresh(&cookie(&created)).of(&app).status().0, 200);
    assert_eq!(post("/console/login", &login).of(&app).status().0, 200);
    assert_eq!(
        code(&ask(&known, "mallory", PASSWORD), 403),
        "login_refused"
    );
    assert_eq!(body(&refresh("").of(&app))["first_start"], false);
    assert_eq!(app.gate().users().list("", 9).unwrap().len(), 1);
}

#[test]
fn an_account_that_is_added_otherwise_ends_the_code() {
    let (app, home) = console(&[]);
    let known = app.inner.first_code.text().unwrap();
    app.gate()
        .users()
        .add("alice", &PASSWORD.into(), "encrypt")
        .unwrap();
    let body = first(&known, "mallory", PASSWORD);
    let answer = post("/console/first", &body).of(&app);
    assert_eq!(code(&answer, 403), "login_refused");
    assert_eq!(app.inner.first_code.text(), None);
    // Nor is there one at a start with accounts.
    let settings = [
        ("data_dir", home.path().join("state").display().to_string()),
        ("console", "on".to_owned()),
    ];
    let settings = settings
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    assert_eq!(with(&settings).inner.first_code.text(), None);
}

#[test]
fn of_many_who_have_the_code_at_once_one_becomes_the_administrator() {
    let (app, _home) = console(&[]);
    let known = app.inner.first_code.text().unwrap();
    let created = std::thread::scope(|scope| {
        let threads = (0..4).map(|number| {
            let (app, body) = (&app, first(&known, &format!("root{number}"), PASSWORD));
            scope.spawn(move || post("/console/first", &body).of(app).status().0)
        });
        let threads: Vec<_> = threads.collect();
        let statuses = threads.into_iter().map(|thread| thread.join().unwrap());
        statuses.filter(|status| *status == 200).count()
    });
    assert_eq!(created, 1);
    assert_eq!(app.gate().users().list("", 9).unwrap().len(), 1);
}
