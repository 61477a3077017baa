//! `sealgate rewrap`: lines in, the same lines under the newest key out.

#![allow(clippy::unwrap_used)] // a test that panics has failed
#![cfg(unix)]

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Output, Stdio};

use crate::common::place::Place;
use crate::common::{ended, run, text, typed};

const AES: [(&str, &str); 3] = [
    ("AES_KEY", "0123456789abcdef0123456789abcdef"),
    ("AES_IV", "fedcba9876543210"),
    ("JWT_SECRET_KEY", "a secret that is long enough for HS256"),
];

fn rewrap(place: &Place, arguments: &[&str], input: &[u8]) -> Output {
    run(place.command(&[&["rewrap"], arguments].concat()), input)
}

fn encrypt(place: &Place, data: &str, context: &str) -> String {
    let command = place.command(&["encrypt", "--context", context]);
    text(&run(command, data.as_bytes()).stdout)
        .trim()
        .to_owned()
}

fn decrypt(place: &Place, data: &str, context: &str) -> Option<String> {
    let command = place.command(&["decrypt", "--context", context]);
    let output = run(command, data.as_bytes());
    output.status.success().then(|| text(&output.stdout))
}

/// What sealed data says before its nonce: its version and the key's id.
fn head(sealed: &str) -> &str {
    &sealed[..6]
}

#[test]
fn every_line_is_sealed_under_the_newest_key_and_stays_in_its_place() {
    let place = Place::with_ring();
    let old: Vec<String> = (0..50)
        .map(|at| encrypt(&place, &format!("line {at}"), "c"))
        .collect();
    assert!(place.keys("generate").status.success());
    let fresh = encrypt(&place, "x", "c");
    assert_ne!(head(&fresh), head(&old[0]));
    // More than one block, so that both threads have work; Windows ends, an empty line, and no end at the last one.
    let mut input = format!("{}\r\n\n  {}  \n", old[0], old[1]);
    let line: Vec<_> = (0..20_000).map(|at| old[at % 50].as_str()).collect();
    input.push_str(&line.join("\n"));
    let output = rewrap(&place, &["--context", "c"], input.as_bytes());
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    let lines = text(&output.stdout);
    assert!(!lines.ends_with('\n'));
    assert!(lines.split('\n').next().unwrap().ends_with('\r'));
    let lines: Vec<_> = lines.split('\n').map(str::trim).collect();
    assert_eq!((lines.len(), lines[1]), (20_003, ""));
    for (at, line) in lines.iter().enumerate().filter(|(at, _)| *at != 1) {
        assert_eq!(head(line), head(&fresh), "line {at}");
    }
    for at in [0, 2, 3, 7, 11_111, 20_002] {
        let number = if at < 3 { at / 2 } else { (at - 3) % 50 };
        let opened = decrypt(&place, lines[at], "c");
        assert_eq!(opened.unwrap(), format!("line {number}"));
        assert_eq!(decrypt(&place, lines[at], ""), None);
    }
}

#[test]
fn bad_lines_are_told_by_number_and_kept_dropped_or_the_end() {
    let place = Place::with_ring();
    let good = encrypt(&place, "good", "");
    let elsewhere = encrypt(&place, "good", "elsewhere");
    let input = format!("{good}\nnot base64!\n{good}\n{elsewhere}\n{good}\n");
    let told = "sealgate: line 2: The data cannot be decrypted.\nsealgate: line 4: The data cannot be decrypted.\n";

    let kept = rewrap(&place, &[], input.as_bytes());
    assert_eq!(kept.status.code(), Some(1));
    let said = text(&kept.stderr);
    assert!(said.starts_with(told), "{said}");
    assert!(said.ends_with("2 of 5 lines could not be decrypted and were left unchanged.\n"));
    let lines = text(&kept.stdout);
    let lines: Vec<_> = lines.lines().collect();
    assert_eq!(
        (lines.len(), lines[1], lines[3]),
        (5, "not base64!", &*elsewhere)
    );
    assert!(lines[4] != good && decrypt(&place, lines[4], "").is_some());

    let dropped = rewrap(&place, &["--bad-lines", "drop"], input.as_bytes());
    assert_eq!(dropped.status.code(), Some(1));
    assert!(text(&dropped.stderr).starts_with(told));
    assert_eq!(text(&dropped.stdout).lines().count(), 3);

    let stopped = rewrap(&place, &["--bad-lines", "stop"], input.as_bytes());
    assert_eq!(stopped.status.code(), Some(1));
    assert_eq!(text(&stopped.stdout).lines().count(), 1);
    assert!(text(&stopped.stderr).contains("line 2: "));
    assert!(!text(&stopped.stderr).contains("line 4: "));
    let unknown = rewrap(&place, &["--bad-lines", "x"], b"");
    assert_eq!(unknown.status.code(), Some(2));
}

#[test]
fn each_line_may_have_a_context_of_its_own() {
    let place = Place::with_ring();
    let line = |context: &str| format!("{context}\t{}", encrypt(&place, context, context));
    let contexts = ["orders/1", "", "with a\ttab", " b", "\u{fc}\"'"];
    let mut lines: Vec<_> = contexts.iter().map(|context| line(context)).collect();
    lines[3] += " \r";
    let bad = [
        line("d").replace("d\t", "e\t"),
        encrypt(&place, "f", ""),
        "d\t".to_owned(),
    ];
    let input = [&lines[..], &bad].concat().join("\n");
    assert!(place.keys("generate").status.success());
    let output = rewrap(&place, &["--with-contexts"], input.as_bytes());
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert_eq!(
        said.lines().collect::<Vec<_>>(),
        [
            "sealgate: line 6: The data cannot be decrypted.",
            "sealgate: line 7: It is not a context, a tab and data.",
            "sealgate: line 8: It is not a context, a tab and data.",
            "sealgate: 3 of 8 lines could not be decrypted and were left unchanged.",
        ]
    );
    let made = text(&output.stdout);
    let made: Vec<_> = made.split('\n').collect();
    assert_eq!(made[5..], bad);
    let newest = encrypt(&place, "", "");
    for (at, context) in contexts.iter().enumerate() {
        let (before, sealed) = made[at].rsplit_once('\t').unwrap();
        assert_eq!((before, head(sealed)), (*context, head(&newest)));
        assert_eq!(made[at].ends_with(" \r"), at == 3);
        assert_eq!(decrypt(&place, sealed.trim(), context).unwrap(), *context);
    }
    let both = rewrap(&place, &["--with-contexts", "--context", "x"], b"");
    assert_eq!(both.status.code(), Some(2));
}

#[test]
fn numbers_of_bad_lines_are_right_far_into_the_input() {
    let place = Place::with_ring();
    let good = encrypt(&place, "good", "");
    let mut input = format!("{good}\n").repeat(30_000);
    input.push_str("bad\n\n");
    input.push_str(&format!("{good}\n").repeat(10_000));
    input.push_str("\u{e4}bad");
    let output = rewrap(&place, &["--bad-lines", "drop"], input.as_bytes());
    let said = text(&output.stderr);
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 3, "{said}");
    assert!(lines[0].contains("line 30001: ") && lines[1].contains("line 40003: "));
    assert!(lines[2].contains("2 of 40003 lines"));
}

#[test]
fn a_file_may_replace_itself_and_stays_where_that_fails() {
    let place = Place::with_ring();
    let file = place.home.path().join("lines");
    let good = encrypt(&place, "good", "");
    fs::write(&file, format!("{good}\nbad\n")).unwrap();
    let name = file.to_str().unwrap();
    let stopped = rewrap(
        &place,
        &["--in", name, "--out", name, "--bad-lines", "stop"],
        b"",
    );
    assert_eq!(stopped.status.code(), Some(1));
    assert_eq!(fs::read_to_string(&file).unwrap(), format!("{good}\nbad\n"));
    let kept = rewrap(&place, &["--in", name, "--out", name], b"");
    assert_eq!((kept.status.code(), kept.stdout.len()), (Some(1), 0));
    let lines = fs::read_to_string(&file).unwrap();
    let lines: Vec<_> = lines.lines().collect();
    assert_eq!((lines.len(), lines[1]), (2, "bad"));
    assert!(lines[0] != good && decrypt(&place, lines[0], "").is_some());
    assert_eq!(fs::read_dir(place.home.path()).unwrap().count(), 2);
}

#[test]
fn the_originals_data_becomes_sealed_data_where_the_settings_ask_for_it() {
    let home = tempfile::tempdir().unwrap();
    let with = |cbc| [&AES[..], &[("SEALGATE_CBC", cbc)]].concat();
    let encrypted = typed(home.path(), &["encrypt"], b"from the seed", &with("seal"));
    let rewrapped = typed(home.path(), &["rewrap"], &encrypted.stdout, &with("open"));
    assert!(rewrapped.status.success(), "{rewrapped:?}");
    // It is sealed now: AES-CBC is not needed any more.
    let opened = typed(home.path(), &["decrypt"], &rewrapped.stdout, &with("off"));
    assert_eq!(opened.stdout, b"from the seed");
    let off = typed(home.path(), &["rewrap"], &encrypted.stdout, &with("off"));
    assert_eq!(
        (off.status.code(), &off.stdout),
        (Some(1), &encrypted.stdout)
    );
    let seal = typed(home.path(), &["rewrap"], &encrypted.stdout, &with("seal"));
    assert_eq!((seal.status.code(), seal.stdout.len()), (Some(2), 0));
    assert!(text(&seal.stderr).contains("SEALGATE_CBC=open"));
    let context = ["rewrap", "--context", "a"];
    let elsewhere = typed(home.path(), &context, &encrypted.stdout, &with("open"));
    assert_eq!(elsewhere.status.code(), Some(1));
}

/// Whoever types the lines says once that there are no more.
#[test]
fn one_end_of_the_input_is_enough() {
    let place = Place::with_ring();
    let line = encrypt(&place, "data", "");
    // As in a terminal, there is more to wait for behind the end: an empty message is read as one.
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    ours.send(line.as_bytes()).unwrap();
    ours.send(b"").unwrap();
    let mut child = (place.command(&["rewrap"]))
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    assert!(ended(&mut child, "it waits for more").success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(decrypt(&place, &text(&output.stdout), "").unwrap(), "data");
}

#[test]
fn nothing_in_is_nothing_out() {
    let place = Place::with_ring();
    let output = rewrap(&place, &[], b"");
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty());
    assert_eq!(rewrap(&place, &[], b"\n\n").stdout, b"\n\n");
    let endless = vec![b'A'; (64 << 20) + (1 << 20)];
    let output = rewrap(&place, &[], &endless);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    assert!(text(&output.stderr).contains("longer than 64 MiB"));
}
