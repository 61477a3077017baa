//! The C library as C programs see it: tests/c has one program for each part, and each is run plainly, with sanitizers and,
//! where it is installed, under Valgrind.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test that panics has failed; the soak shows its figures
#![cfg(target_os = "linux")]

use crate::common::c::{Under, checked, compile, has_valgrind};
use crate::common::text;

fn plain_and_sanitized(source: &str) {
    for under in [Under::Nothing, Under::Sanitizers] {
        compile(source, under).run();
    }
}

fn also_under_valgrind(source: &str) {
    plain_and_sanitized(source);
    if has_valgrind() {
        compile(source, Under::Valgrind).run();
    }
}

#[test]
fn a_gate_from_c() {
    also_under_valgrind("tests/c/gate.c");
}

#[test]
fn limits_from_c() {
    also_under_valgrind("tests/c/limits.c");
}

#[test]
fn a_stream_from_c() {
    also_under_valgrind("tests/c/stream.c");
}

#[test]
fn a_server_from_c() {
    also_under_valgrind("tests/c/server.c");
}

#[test]
fn the_process_is_the_hosts() {
    for under in [Under::Nothing, Under::Sanitizers] {
        let output = compile("tests/c/host.c", under).command().output().unwrap();
        let (printed, said) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{printed}{said}");
        // Panics there were, and the host was told of them by its log alone.
        assert_ne!(printed, "0 panics\n");
        assert_eq!(said, "");
    }
}

#[test]
fn handles_are_freed_in_every_order() {
    also_under_valgrind("tests/c/orders.c");
}

#[test]
fn accounts_and_what_is_taken_back() {
    plain_and_sanitized("tests/c/users.c");
}

#[test]
fn custom_claims_from_c() {
    also_under_valgrind("tests/c/claims.c");
}

#[test]
fn api_keys_from_c() {
    plain_and_sanitized("tests/c/api_keys.c");
}

#[test]
fn keys_and_backups_from_c() {
    plain_and_sanitized("tests/c/keys.c");
}

#[test]
fn eight_threads_share_one_gate() {
    plain_and_sanitized("tests/c/threads.c");
}

fn forks(number: u32) {
    let printed = checked(
        compile("tests/c/forks.c", Under::Nothing)
            .command()
            .arg(number.to_string()),
    );
    assert!(printed.starts_with(&format!("{number} forks")), "{printed}");
    print!("{printed}");
}

#[test]
fn forked_children_find_no_closed_lock() {
    forks(100);
}

/// `make soak`.
#[test]
#[ignore = "takes a minute or two"]
fn a_thousand_forked_children_find_no_closed_lock() {
    forks(1000);
}
