//! The header, the examples and the test programs compile without a warning in every standard that they promise, in gcc and
//! in clang.

#![allow(clippy::unwrap_used)] // a test that panics has failed
#![cfg(target_os = "linux")]

use std::path::PathBuf;

use crate::common::c::{checked, compiler, has, root};

/// The compilers of a language that are there; the system's own always is.
#[allow(clippy::print_stdout)] // of a test, that it did less
fn compilers(own: &'static str, clang: &'static str) -> Vec<&'static str> {
    match has(clang) {
        true => vec![own, clang],
        false => {
            println!("SKIPPED {clang}: it is not there");
            vec![own]
        }
    }
}

fn sources(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let sources: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "c"))
        .collect();
    assert!(!sources.is_empty());
    sources
}

#[test]
fn the_header_compiles_without_a_warning_in_every_standard() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("header.c");
    std::fs::write(
        &source,
        "#include <sealgate.h>\n\
         int main(void) { sealgate_buffer masked = {0, 0, 0};\n\
         if (sealgate_mask_data(SEALGATE_LITERAL(\"my\\0password\"), 3, &masked) != SEALGATE_STATUS_OK ||\n\
         sealgate_mask_data(SEALGATE_LITERAL(\"\"), 3, &masked) != SEALGATE_STATUS_OK) return 1;\n\
         return SEALGATE_STATUS_OK; }\n",
    )
    .unwrap();
    for (programs, language, standards) in [
        (
            compilers("cc", "clang"),
            "c",
            &["c99", "c11", "c17", "c2x"][..],
        ),
        (
            compilers("c++", "clang++"),
            "c++",
            &["c++11", "c++14", "c++17", "c++20"],
        ),
    ] {
        for program in programs {
            for standard in standards {
                let mut check = compiler(program, standard);
                check.args(["-x", language, "-fsyntax-only"]);
                checked(check.arg(&source));
            }
        }
    }
}

/// What has no length of its own, or another one than its type says.
#[test]
fn only_a_literal_is_taken_for_a_literal() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("literal.c");
    for (text, good) in [
        ("\"abc\"", true),
        ("\"abc\" \"d\"", true),
        ("pointer", false),
        ("array", false),
        ("\"abc\" + 1", false),
        ("&\"abc\"[1]", false),
    ] {
        let code = format!(
            "#include <sealgate.h>\n\
             int main(void) {{ sealgate_buffer masked = {{0, 0, 0}}; const char *pointer = \"abc\";\n\
             char array[8] = \"abc\"; (void)pointer; (void)array;\n\
             return (int)sealgate_mask_data(SEALGATE_LITERAL({text}), 3, &masked); }}\n"
        );
        std::fs::write(&source, code).unwrap();
        for program in compilers("cc", "clang") {
            let mut check = compiler(program, "c11");
            check.args(["-x", "c", "-fsyntax-only"]).arg(&source);
            assert_eq!(check.output().unwrap().status.success(), good, "{text}");
        }
    }
}

#[test]
fn the_examples_compile_without_a_warning_in_every_standard_of_c() {
    for program in compilers("cc", "clang") {
        for standard in ["c99", "c11", "c17", "c2x"] {
            let mut check = compiler(program, standard);
            checked(check.arg("-fsyntax-only").args(sources("examples/c")));
        }
    }
}

/// They also use what POSIX has.
#[test]
fn the_test_programs_compile_without_a_warning_in_every_standard_of_c() {
    for program in compilers("cc", "clang") {
        for standard in ["gnu99", "gnu11", "gnu17", "gnu2x"] {
            let mut check = compiler(program, standard);
            checked(check.arg("-fsyntax-only").args(sources("tests/c")));
        }
    }
}
