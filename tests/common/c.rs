//! Programs against the shared library of this build. Those in C are compiled with every warning an error, plainly or with
//! sanitizers, and run, also under Valgrind; those in Python have the package of this repository.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::text;

/// How a program is compiled and run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Under {
    Nothing,
    /// AddressSanitizer with its leak check, and UndefinedBehaviorSanitizer.
    Sanitizers,
    Valgrind,
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder with a compiled program, the library beside it, and room for the program's files.
pub struct Program {
    pub folder: tempfile::TempDir,
    path: PathBuf,
    under: Under,
}

/// Where the shared library of this build is.
pub fn library() -> PathBuf {
    // Tests alone leave it among cargo's intermediate files. The examples, as in the Makefile, save compiling it again.
    static BUILT: std::sync::Once = std::sync::Once::new();
    BUILT.call_once(|| cargo(&["build", "--locked", "--lib", "--bins", "--examples"]));
    let command = Path::new(env!("CARGO_BIN_EXE_sealgate"));
    let library = command.with_file_name("libsealgate.so");
    assert!(
        library.is_file(),
        "cargo built no shared library beside the tests"
    );
    library
}

pub fn cargo(arguments: &[&str]) {
    let program = std::env::var_os("CARGO").unwrap();
    checked(Command::new(program).args(arguments).current_dir(root()));
}

/// What the library's SONAME ends in: 0.MINOR before 1.0, MAJOR afterwards.
pub fn abi() -> String {
    match env!("CARGO_PKG_VERSION").split('.').collect::<Vec<_>>()[..] {
        ["0", minor, ..] => format!("0.{minor}"),
        [major, ..] => major.to_owned(),
        [] => unreachable!("a version has parts"),
    }
}

/// Puts the library into a folder, by its file's name for the linker and, because that is what programs remember, by its
/// SONAME; its path there.
pub fn link_library(folder: &Path) -> PathBuf {
    for name in [
        "libsealgate.so".to_owned(),
        format!("libsealgate.so.{}", abi()),
    ] {
        std::os::unix::fs::symlink(library(), folder.join(name)).unwrap();
    }
    folder.join("libsealgate.so")
}

/// A compiler that finds the header, and takes every warning for an error.
pub fn compiler(program: &str, standard: &str) -> Command {
    let mut command = Command::new(program);
    command
        .arg(format!("-std={standard}"))
        .args(["-Wall", "-Wextra", "-Wpedantic", "-Werror"])
        .arg(format!("-I{}", root().join("include").display()));
    command
}

/// Links a program with the library in this folder, where it also finds it when it runs.
pub fn link_with_library(compiler: &mut Command, folder: &Path) {
    let here = folder.display();
    compiler.args([
        format!("-L{here}"),
        "-lsealgate".to_owned(),
        format!("-Wl,-rpath,{here}"),
    ]);
}

/// Compiles a source of this repository.
pub fn compile(source: &str, under: Under) -> Program {
    compile_file(&root().join(source), under)
}

/// Compiles a source, which may use the headers of tests/c.
pub fn compile_file(source: &Path, under: Under) -> Program {
    let folder = tempfile::tempdir().unwrap();
    link_library(folder.path());
    let path = folder.path().join("program");
    let mut command = compiler("cc", "gnu11");
    command
        .args(["-g", "-O1", "-pthread"])
        .arg(format!("-I{}", root().join("tests/c").display()))
        .arg(source)
        .arg("-o")
        .arg(&path);
    link_with_library(&mut command, folder.path());
    if under == Under::Sanitizers {
        command.args(["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
    }
    checked(&mut command);
    Program {
        folder,
        path,
        under,
    }
}

impl Program {
    /// The program, with no settings of whoever runs the tests.
    pub fn command(&self) -> Command {
        let mut command = match self.under {
            Under::Valgrind => {
                let mut command = Command::new("valgrind");
                command
                    .args(["-q", "--error-exitcode=99", "--leak-check=full"])
                    .args([
                        "--show-leak-kinds=definite",
                        "--errors-for-leak-kinds=definite",
                    ])
                    .arg("--trace-children=no")
                    .arg(&self.path);
                command
            }
            _ => Command::new(&self.path),
        };
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path());
        command
    }

    /// What it prints; it has to succeed.
    pub fn run(&self) -> String {
        checked(&mut self.command())
    }
}

/// Python with the package of this build, and no settings of whoever runs the tests.
pub fn python(home: &Path) -> Command {
    let mut command = Command::new("python3");
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", home)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONPATH", root().join("bindings/python"))
        .env("SEALGATE_LIBRARY", library());
    command
}

/// Whether there is such a program.
pub fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

/// Whether Valgrind is there and knows this processor.
pub fn has_valgrind() -> bool {
    Command::new("valgrind")
        .args(["-q", "true"])
        .output()
        .is_ok_and(|output| output.status.success())
}

/// The symbols that a shared library exports.
pub fn exported(library: &Path) -> BTreeSet<String> {
    let mut list = Command::new("nm");
    list.args(["-D", "--defined-only", "--format=posix"]);
    let lines = checked(list.arg(library));
    lines
        .lines()
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect()
}

/// What a command that has to succeed prints.
pub fn checked(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    text(&output.stdout)
}
