//! Programs in C against the shared library of this build: compiled with every warning an error, plainly or with
//! sanitizers, and run, also under Valgrind.

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
    // Tests alone leave it among cargo's intermediate files.
    static BUILT: std::sync::Once = std::sync::Once::new();
    BUILT.call_once(|| {
        let program = std::env::var_os("CARGO").unwrap();
        let build = ["build", "--locked", "--lib"];
        checked(Command::new(program).args(build).current_dir(root()));
    });
    let command = Path::new(env!("CARGO_BIN_EXE_sealgate"));
    command.with_file_name("libsealgate.so")
}

/// Compiles a source of this repository.
pub fn compile(source: &str, under: Under) -> Program {
    compile_file(&root().join(source), under)
}

/// Compiles a source, which may use the headers of tests/c.
pub fn compile_file(source: &Path, under: Under) -> Program {
    let folder = tempfile::tempdir().unwrap();
    let mut parts = env!("CARGO_PKG_VERSION").split('.');
    let (major, minor) = (parts.next().unwrap(), parts.next().unwrap());
    // By its file's name for the linker and, because that is what programs remember, by its SONAME.
    for name in ["libsealgate.so", &format!("libsealgate.so.{major}.{minor}")] {
        std::os::unix::fs::symlink(library(), folder.path().join(name)).unwrap();
    }
    let path = folder.path().join("program");
    let here = folder.path().display();
    let mut command = Command::new("cc");
    command
        .args([
            "-std=gnu11",
            "-g",
            "-O1",
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Werror",
        ])
        .arg("-pthread")
        .arg(format!("-I{}", root().join("include").display()))
        .arg(format!("-I{}", root().join("tests/c").display()))
        .arg(source)
        .arg("-o")
        .arg(&path)
        .args([format!("-L{here}"), format!("-Wl,-rpath,{here}")])
        .arg("-lsealgate");
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

/// Whether Valgrind is there and knows this processor.
pub fn has_valgrind() -> bool {
    Command::new("valgrind")
        .args(["-q", "true"])
        .output()
        .is_ok_and(|output| output.status.success())
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
