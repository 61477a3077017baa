//! The C library under ThreadSanitizer: what tests/c has for programs with threads, and two planted races, which have to be
//! found. Ignored, since the whole library is built once more for it, which takes minutes: `make races` runs it.
//!
//! Released versions of Rust have ThreadSanitizer's runtime beside them and instrument with it when `RUSTC_BOOTSTRAP` unlocks
//! that, but their standard library comes without instruments: tests/c/races/std.c says what it does with locks.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test that panics has failed; what was looked at is shown
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::common::c::{checked, compiler, root};
use crate::common::text;

/// ThreadSanitizer's exit status where it reported something.
const REPORTED: i32 = 66;

/// The standard library's functions that std.c wraps, by its names for them and the ends of their mangled paths (Rust's
/// symbol mangling, version 0).
const WRAPPED: &[(&str, &[&str])] = &[
    (
        "mutex_lock_contended",
        &["4sync5mutex5futex", "5Mutex14lock_contended"],
    ),
    (
        "rwlock_read_contended",
        &["4sync6rwlock5futex", "6RwLock14read_contended"],
    ),
    (
        "rwlock_write_contended",
        &["4sync6rwlock5futex", "6RwLock15write_contended"],
    ),
    ("condvar_wait", &["4sync7condvar5futex", "7Condvar4wait"]),
    (
        "condvar_wait_timeout",
        &["4sync7condvar5futex", "7Condvar12wait_timeout"],
    ),
    ("once_call", &["4sync4once5futex", "4Once4call"]),
];

/// The library, built for ThreadSanitizer, and all that a program is linked with beside it.
struct Instrumented {
    library: PathBuf,
    runtime: PathBuf,
    /// Mangled names of the functions of `WRAPPED`, in its order.
    names: Vec<String>,
    folder: tempfile::TempDir,
}

impl Instrumented {
    fn build() -> Self {
        let host = line_after(&checked(Command::new("rustc").arg("-vV")), "host: ");
        let sysroot = checked(Command::new("rustc").args(["--print", "sysroot"]));
        let libraries = Path::new(sysroot.trim()).join(format!("lib/rustlib/{host}/lib"));
        let runtime = fs::read_dir(&libraries)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.to_string_lossy().ends_with("_rt.tsan.a"))
            .unwrap_or_else(|| panic!("no ThreadSanitizer in {}", libraries.display()));
        let command = Path::new(env!("CARGO_BIN_EXE_sealgate"));
        let target = command.ancestors().nth(2).unwrap().join("races");
        // Build scripts and macros run in the compiler: --target keeps the flags from them. Generic code is made anew in each
        // crate, with its instruments, rather than taken from std.
        checked(
            Command::new(std::env::var_os("CARGO").unwrap())
                .args([
                    "rustc",
                    "--locked",
                    "--lib",
                    "--crate-type",
                    "staticlib",
                    "--target",
                    &host,
                ])
                .current_dir(root())
                .env("CARGO_TARGET_DIR", &target)
                .env("CARGO_INCREMENTAL", "0")
                .env("RUSTC_BOOTSTRAP", "1")
                .env(
                    "RUSTFLAGS",
                    "-Zsanitizer=thread -Zshare-generics=no -Cunsafe-allow-abi-mismatch=sanitizer",
                )
                .env(
                    format!("CFLAGS_{}", host.replace('-', "_")),
                    "-fsanitize=thread -g",
                ),
        );
        let library = target.join(host).join("debug/libsealgate.a");
        let names = wrapped_names(&library);
        Self {
            library,
            runtime,
            names,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// A program of tests/c, linked with the library and with what ThreadSanitizer is told of std.
    fn link(&self, source: &str) -> PathBuf {
        let source = root().join("tests/c").join(source);
        let program = self.folder.path().join(source.file_stem().unwrap());
        let (object, std_object) = (program.with_extension("o"), program.with_extension("std.o"));
        let tests = format!("-I{}", root().join("tests/c").display());
        checked(
            compiler("cc", "gnu11")
                .args(["-g", "-O1", "-fsanitize=thread", &tests, "-c"])
                .arg(source)
                .arg("-o")
                .arg(&object),
        );
        let mut compile = compiler("cc", "gnu11");
        let mut link = Command::new("cc");
        link.arg("-o").arg(&program).arg(&object).arg(&std_object);
        link.arg(&self.library)
            .arg("-Wl,--wrap=__tsan_atomic64_fetch_sub");
        for ((name, _), mangled) in WRAPPED.iter().zip(&self.names) {
            compile.arg(format!("-D__wrap_{name}=__wrap_{mangled}"));
            compile.arg(format!("-D__real_{name}=__real_{mangled}"));
            link.arg(format!("-Wl,--wrap={mangled}"));
        }
        let model = root().join("tests/c/races/std.c");
        checked(
            compile
                .args(["-g", "-O1", "-c"])
                .arg(model)
                .arg("-o")
                .arg(&std_object),
        );
        link.arg("-Wl,--whole-archive").arg(&self.runtime);
        link.args(["-Wl,--no-whole-archive", "-rdynamic", "-lssl", "-lcrypto"]);
        checked(link.args(["-lpthread", "-ldl", "-lm", "-lrt", "-lgcc_s"]));
        program
    }

    fn run(&self, program: &Path, arguments: &[&str]) -> Output {
        let suppressions = root().join("tests/c/races/suppressions");
        Command::new("timeout")
            .arg("300")
            .arg(program)
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            // What names functions in reports, and so for the suppressions, is found there: llvm-symbolizer or addr2line.
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env(
                "TSAN_OPTIONS",
                // Children of a fork start threads, which it warns of unless told that it is meant.
                format!("suppressions={} die_after_fork=0", suppressions.display()),
            )
            .output()
            .unwrap()
    }
}

fn line_after(text: &str, start: &str) -> String {
    text.lines()
        .find_map(|line| line.strip_prefix(start))
        .unwrap()
        .to_owned()
}

/// The mangled names of the functions of `WRAPPED`, as this standard library has them.
fn wrapped_names(library: &Path) -> Vec<String> {
    let symbols = checked(
        Command::new("readelf")
            .args(["--syms", "--wide"])
            .arg(library),
    );
    let defined: Vec<&str> = symbols
        .lines()
        .filter_map(
            |line| match line.split_whitespace().collect::<Vec<_>>()[..] {
                [_, _, _, "FUNC", "GLOBAL", _, section, name] if section != "UND" => Some(name),
                _ => None,
            },
        )
        .collect();
    WRAPPED
        .iter()
        .map(|(name, parts)| {
            let mut found: Vec<_> = defined
                .iter()
                .filter(|symbol| symbol.contains(parts[0]) && symbol.ends_with(parts[1]))
                .collect();
            found.dedup();
            assert_eq!(
                found.len(),
                1,
                "std's {name}: {found:?}; tests/c/races/std.c wants a look"
            );
            (*found[0]).to_owned()
        })
        .collect()
}

#[test]
#[ignore = "builds the library for ThreadSanitizer: make races"]
fn no_data_races() {
    let instrumented = Instrumented::build();

    // First that it sees: races between two calls, and none where a lock stands between them.
    let planted = instrumented.link("races/planted.c");
    let output = instrumented.run(&planted, &[]);
    let report = text(&output.stderr);
    assert_eq!(output.status.code(), Some(REPORTED), "{report}");
    for function in ["sealgate_config_set", "sealgate_stream_push"] {
        let found = report
            .split("WARNING: ThreadSanitizer: data race")
            .any(|part| part.contains(function));
        assert!(found, "no race in {function}: {report}");
    }
    println!("planted: found");
    let output = instrumented.run(&planted, &["ordered"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    println!("the same, with a lock: clean");

    let programs: &[(&str, &[&str])] = &[
        ("threads.c", &["2000"]),
        ("server.c", &[]),
        ("users.c", &[]),
        ("claims.c", &[]),
        ("host.c", &[]),
        ("gate.c", &[]),
        ("limits.c", &[]),
        ("orders.c", &[]),
        ("stream.c", &[]),
    ];
    for (source, arguments) in programs {
        let program = instrumented.link(source);
        let output = instrumented.run(&program, arguments);
        assert!(
            output.status.success(),
            "{source}: {}\n{}",
            output.status,
            text(&output.stderr)
        );
        println!("{source}: clean");
    }
}
