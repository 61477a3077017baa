//! PostgreSQL's programs, for all tests that start a server of their own.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One of the programs, of the newest version. Debian keeps those of the server outside the search path.
pub(crate) fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let newest = versions
        .flatten()
        .map(|version| {
            let number = version.file_name().to_string_lossy().parse::<u32>();
            (number.unwrap_or(0), version.path().join("bin").join(name))
        })
        .filter(|(_, path)| path.exists())
        .max();
    let in_path = || {
        let all = env::var_os("PATH")?;
        let mut programs = env::split_paths(&all).map(|folder| folder.join(name));
        programs.find(|path| path.exists())
    };
    newest
        .map(|(_, path)| path)
        .or_else(in_path)
        .unwrap_or_else(|| {
            panic!("PostgreSQL's {name} is missing. Install it: scripts/bootstrap test")
        })
}

/// A program as a user that PostgreSQL accepts: it refuses to run as root.
pub(crate) fn as_postgres(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
        .arg(program);
    command
}

/// Gives a directory to the user that PostgreSQL runs as.
pub(crate) fn give(folder: &Path) {
    if is_root() {
        let mut owner = Command::new("chown");
        let given = owner.args(["-R", "postgres:postgres"]).arg(folder).status();
        assert!(given.expect("chown").success());
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
