//! The store of accounts survives the processes that change it: killed at any moment, every change that was confirmed is there,
//! and the store opens.

#![allow(clippy::unwrap_used)] // a test that panics has failed
#![allow(clippy::print_stdout)] // figures, for whoever runs the tests

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::people::{PASSWORD, People};
use crate::common::{PATIENCE, text};
use serde_json::Value;

/// Account changes in all, made by processes that are killed now and then.
const CHANGES: usize = 500;

/// The accounts that there are, and whether each is disabled.
fn listed(people: &People) -> BTreeMap<String, bool> {
    let output = people.typed(&["user", "list", "--json"], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    text(&output.stdout)
        .lines()
        .map(|line| {
            let user: Value = serde_json::from_str(line).unwrap();
            let name = user["name"].as_str().unwrap().to_owned();
            (name, user["disabled"].as_bool().unwrap())
        })
        .collect()
}

/// One change after another, each by a process of its own, until it is told to end. Each is said when its process has confirmed it.
const WRITER: &str = r#"
n=$1
while :; do
    n=$((n + 1))
    echo "try add a$n"
    printf '%s\n' "$2" | "$SEALGATE" user add "a$n" || exit 3
    echo "done add a$n"
    echo "try disable a$n"
    "$SEALGATE" user disable "a$n" || exit 3
    echo "done disable a$n"
done
"#;

/// Runs the writer in a process group of its own, so that what it runs is killed with it.
fn start_writer(people: &People, from: usize) -> Child {
    use std::os::unix::process::CommandExt;
    let template = people.command(&[]);
    let mut command = std::process::Command::new("sh");
    command.env_clear();
    for (name, value) in template.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command
        .env("SEALGATE", template.get_program())
        .args(["-c", WRITER, "writer", &from.to_string(), PASSWORD])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap()
}

#[test]
fn a_process_killed_at_any_moment_loses_no_change_that_was_confirmed() {
    let people = People::none();
    // How long a change takes here and now: most writers make some before they are killed.
    let change = Instant::now();
    people.add("first", "");
    let mut change = change.elapsed();
    let mut confirmed: BTreeMap<String, bool> = listed(&people);
    let (mut changes, mut kills, mut number) = (0, 0, 0);
    let started = Instant::now();
    while changes < CHANGES {
        let mut writer = start_writer(&people, number);
        let group = writer.id().to_string();
        let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        let (said, hears) = mpsc::channel();
        let reader = thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = said.send(line);
            }
        });
        // The golden ratio spreads the moments evenly, whatever their number.
        let part = (f64::from(kills) * 0.618_034).fract();
        thread::sleep(change.mul_f64(part * 10.0));
        let killed = std::process::Command::new("kill")
            .args(["-KILL", "--", &format!("-{group}")])
            .status()
            .unwrap();
        assert!(killed.success());
        writer.wait().unwrap();
        reader.join().unwrap();
        kills += 1;
        let (mut open, before) = (None, changes);
        for line in hears {
            let words: Vec<&str> = line.split(' ').collect();
            number = number.max(words[2][1..].parse().unwrap());
            match (words[0], words[1]) {
                ("try", _) => open = Some(line.clone()),
                ("done", what) => {
                    confirmed.insert(words[2].to_owned(), what == "disable");
                    changes += 1;
                    open = None;
                }
                _ => panic!("{line}"),
            }
        }
        // It has become slower.
        if part > 0.5 && changes == before {
            change *= 2;
        }
        let there = listed(&people);
        for (name, disabled) in &confirmed {
            let now = there.get(name);
            assert!(now.is_some(), "kill {kills}: {name} is lost");
            assert!(
                now == Some(disabled) || is_of(&open, name),
                "kill {kills}: {name} after {open:?}"
            );
        }
        // What was under way is there whole or not at all, and nothing else is.
        for name in there.keys() {
            assert!(
                confirmed.contains_key(name) || is_of(&open, name),
                "kill {kills}: {name} came from nowhere"
            );
        }
        confirmed = there;
        assert!(started.elapsed() < PATIENCE * 10, "it hangs");
    }
    people.done(&["store", "check"]);
    println!("{changes} changes confirmed, {kills} kills, nothing lost");
}

fn is_of(open: &Option<String>, name: &str) -> bool {
    open.as_deref()
        .is_some_and(|line| line.ends_with(&format!(" {name}")))
}

#[test]
fn a_server_killed_while_people_log_in_and_out_starts_again_with_all_that_it_confirmed() {
    use crate::common::people::Pair;
    let people = People::of(&["alice"]);
    for _ in 0..5 {
        let server = people.server(&[]);
        let pairs: Vec<Pair> = (0..6).map(|_| Pair::log_in(&server, "alice")).collect();
        let ended = thread::scope(|scope| {
            let logouts = pairs[..4].iter().map(|pair| {
                let server = &server;
                scope.spawn(move || {
                    // Whoever comes after the kill is not let in.
                    let Ok(mut stream) = server.try_connect() else {
                        return false;
                    };
                    let _ = stream.write_all(
                        format!("POST /logout HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: 0\r\n\r\n", pair.token).as_bytes(),
                    );
                    crate::common::Answer::read(&mut stream).is_some_and(|answer| answer.status == 204)
                })
            });
            let logouts: Vec<_> = logouts.collect();
            thread::sleep(Duration::from_millis(2));
            server.signal("KILL");
            logouts
                .into_iter()
                .map(|logout| logout.join().unwrap())
                .collect::<Vec<bool>>()
        });
        drop(server);
        let anew = people.server(&[]);
        for (pair, ended) in pairs.iter().zip(&ended) {
            let status = anew.get("/secure-data", Some(&pair.token)).status;
            assert!(
                !ended || status == 401,
                "a logout that was confirmed is forgotten"
            );
        }
        for pair in &pairs[4..] {
            assert_eq!(anew.get("/secure-data", Some(&pair.token)).status, 200);
            assert_eq!(pair.refreshed(&anew).status, 200);
        }
    }
}
