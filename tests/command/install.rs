//! What `make install` puts somewhere, C programs outside of the source tree find and use, through pkg-config and through
//! CMake, linked with the shared library and with the static one; and `make uninstall` takes all of it away.
//!
//! SEALGATE_INSTALL_PROFILE=release installs the released build instead of the debug one.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // a test that panics has failed

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use crate::common::c::{abi, checked, has, root};

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn make(stage: &Path, prefix: &str, target: &str) -> String {
    let built = Path::new(env!("CARGO_BIN_EXE_sealgate")).parent().unwrap();
    let profile = std::env::var("SEALGATE_INSTALL_PROFILE").unwrap_or_else(|_| "debug".to_owned());
    checked(
        Command::new("make")
            .args(["-s", "--no-print-directory", target])
            .arg(format!("PREFIX={prefix}"))
            .arg(format!("DESTDIR={}", stage.display()))
            .arg(format!("PROFILE={profile}"))
            .env("CARGO_TARGET_DIR", built.parent().unwrap())
            .env_remove("MAKEFLAGS")
            .current_dir(root()),
    )
}

/// An installation into a place of its own, whose paths have spaces.
struct Installed {
    folder: tempfile::TempDir,
}

const PREFIX: &str = "/opt/my programs";

impl Installed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("st age")).unwrap();
        let installed = Installed { folder };
        // This build, not an older one that lies there. Once: two that write it at a time are in each other's way.
        static LIBRARIES: Once = Once::new();
        LIBRARIES.call_once(|| drop(make(&installed.stage(), PREFIX, "lib")));
        make(&installed.stage(), PREFIX, "install");
        installed
    }

    fn stage(&self) -> PathBuf {
        self.folder.path().join("st age")
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.stage().join(&PREFIX[1..]).join(inside)
    }

    /// Everything that is no folder, by its place below the prefix.
    fn files(&self) -> BTreeSet<String> {
        let mut files = BTreeSet::new();
        let mut folders = vec![self.stage()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else {
                    let path = entry.path();
                    let inside = path.strip_prefix(self.path("")).unwrap();
                    files.insert(inside.to_str().unwrap().to_owned());
                }
            }
        }
        files
    }

    /// The example, copied to where nothing of the source tree is near.
    fn project(&self) -> PathBuf {
        let folder = self.folder.path().join("pro ject");
        fs::create_dir_all(&folder).unwrap();
        fs::copy(
            root().join("examples/c/first_steps.c"),
            folder.join("main.c"),
        )
        .unwrap();
        folder
    }

    fn runs(&self, program: &Path, shared: bool) {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("SEALGATE_KEYS", "ephemeral")
            .env("HOME", self.folder.path());
        if shared {
            command.env("LD_LIBRARY_PATH", self.path("lib"));
        }
        let printed = checked(&mut command);
        assert!(
            printed.starts_with(&format!("sealgate {VERSION}\n")),
            "{printed}"
        );
        assert!(printed.contains("opened: meet me at noon\n"), "{printed}");
        let needs = dynamic(program, "NEEDED").contains(&format!("libsealgate.so.{}", abi()));
        assert_eq!(needs, shared, "{}", program.display());
    }
}

/// The names in an ELF file's dynamic section under this heading.
fn dynamic(file: &Path, heading: &str) -> Vec<String> {
    let said = checked(Command::new("readelf").args(["-dW"]).arg(file));
    said.lines()
        .filter(|line| line.contains(&format!("({heading})")))
        .map(|line| {
            let name = line.rsplit_once('[').map_or("", |(_, rest)| rest);
            name.trim_end_matches(']').to_owned()
        })
        .collect()
}

#[test]
fn everything_is_where_it_belongs_twice_over_and_gone_afterwards() {
    let installed = Installed::new();
    let files = installed.files();
    make(&installed.stage(), PREFIX, "install");
    assert_eq!(files, installed.files(), "installed a second time");

    let soname = format!("lib/libsealgate.so.{}", abi());
    let real = format!("lib/libsealgate.so.{VERSION}");
    let mut wanted: BTreeSet<String> = [
        "bin/sealgate",
        "include/sealgate.h",
        "lib/cmake/Sealgate/SealgateConfig.cmake",
        "lib/cmake/Sealgate/SealgateConfigVersion.cmake",
        "lib/libsealgate.a",
        "lib/libsealgate.so",
        "lib/pkgconfig/sealgate.pc",
        "lib/systemd/system/sealgate.service",
        "lib/systemd/system/sealgate.socket",
        "share/bash-completion/completions/sealgate",
        "share/doc/sealgate/LICENSE",
        "share/fish/vendor_completions.d/sealgate.fish",
        "share/zsh/site-functions/_sealgate",
        &soname,
        &real,
    ]
    .map(str::to_owned)
    .into();
    let (pages, rest): (BTreeSet<_>, BTreeSet<_>) = files
        .into_iter()
        .partition(|file| file.starts_with("share/man/man1/"));
    assert_eq!(rest, wanted);
    assert!(pages.contains("share/man/man1/sealgate-serve.1"));

    let same = |inside: &str, source: &str| {
        let installed = fs::read(installed.path(inside)).unwrap();
        assert!(
            installed == fs::read(root().join(source)).unwrap(),
            "{inside} is not {source}"
        );
    };
    same("include/sealgate.h", "include/sealgate.h");
    same("share/doc/sealgate/LICENSE", "LICENSE");
    same(
        "lib/systemd/system/sealgate.socket",
        "packaging/systemd/sealgate.socket",
    );
    let unit = fs::read_to_string(installed.path("lib/systemd/system/sealgate.service")).unwrap();
    let start = format!("\nExecStart=\"{PREFIX}/bin/sealgate\" serve\n");
    assert!(unit.contains(&start), "{unit}");
    let source = fs::read_to_string(root().join("packaging/systemd/sealgate.service")).unwrap();
    assert_eq!(
        unit.replace(&start, "\nExecStart=/usr/local/bin/sealgate serve\n"),
        source
    );
    assert_eq!(
        fs::read_link(installed.path(&soname)).unwrap(),
        Path::new(&format!("libsealgate.so.{VERSION}"))
    );
    assert_eq!(
        dynamic(&installed.path(&real), "SONAME"),
        [format!("libsealgate.so.{}", abi())]
    );
    let flags = checked(
        Command::new("readelf")
            .arg("-dW")
            .arg(installed.path(&real)),
    );
    assert!(flags.contains("NODELETE"), "{flags}");

    wanted.extend(pages);
    for file in &wanted {
        let mode = fs::metadata(installed.path(file)).unwrap().permissions();
        let library = file.ends_with(".so") || file.contains(".so.");
        let program = file.starts_with("bin/") || library;
        let expected = if program { 0o755 } else { 0o644 };
        assert_eq!(mode.mode() & 0o7777, expected, "{file}");
        // No installed text knows where it was staged or built.
        if !program && !file.ends_with(".a") {
            let text = fs::read_to_string(installed.path(file)).unwrap();
            assert!(!text.contains("st age"), "{file}");
            assert!(!text.contains(root().to_str().unwrap()), "{file}");
        }
    }

    fs::write(installed.path("lib/libother.so"), "").unwrap();
    make(&installed.stage(), PREFIX, "uninstall");
    assert_eq!(installed.files(), ["lib/libother.so".to_owned()].into());
    assert!(!installed.path("lib/cmake/Sealgate").exists());
    assert!(!installed.path("share/doc/sealgate").exists());
    make(&installed.stage(), PREFIX, "uninstall");
}

#[test]
fn a_program_finds_the_libraries_through_pkg_config() {
    let installed = Installed::new();
    let project = installed.project();
    let pkg_config = |arguments: &str| {
        let mut command = Command::new("pkg-config");
        command
            .args(arguments.split(' '))
            .arg("sealgate")
            .env("PKG_CONFIG_PATH", installed.path("lib/pkgconfig"));
        checked(&mut command).trim().to_owned()
    };
    assert_eq!(pkg_config("--modversion"), VERSION);
    // As the documentation says it; eval, because paths with spaces come out quoted for a shell.
    let compile = |name: &str, flags: &str| {
        let flags = pkg_config(flags);
        let flags = match name {
            "static" => flags.replace("-lsealgate", "-l:libsealgate.a"),
            _ => flags,
        };
        let line = format!("eval \"cc -std=c99 -Wall -Wextra -Werror main.c -o {name} $FLAGS\"");
        checked(
            Command::new("sh")
                .args(["-c", &line])
                .env("FLAGS", flags)
                .current_dir(&project),
        );
        project.join(name)
    };
    installed.runs(&compile("shared", "--cflags --libs"), true);
    installed.runs(&compile("static", "--static --cflags --libs"), false);
    // What the static library needs is no business of programs that use the shared one.
    assert!(!pkg_config("--libs").contains("-lcrypto"));

    // The tree can be moved.
    let moved = installed.folder.path().join("moved");
    fs::rename(installed.path(""), &moved).unwrap();
    let flags = checked(
        Command::new("pkg-config")
            .args(["--variable=includedir", "sealgate"])
            .env("PKG_CONFIG_PATH", moved.join("lib/pkgconfig")),
    );
    let include = PathBuf::from(flags.trim());
    assert!(include.join("sealgate.h").is_file(), "{flags}");
}

#[test]
fn a_program_finds_the_libraries_through_cmake() {
    if !has("cmake") {
        println!("SKIPPED a_program_finds_the_libraries_through_cmake: there is no cmake");
        return;
    }
    let installed = Installed::new();
    let project = installed.project();
    let lists = |version: &str| {
        format!(
            "cmake_minimum_required(VERSION 3.13)\n\
             project(outside C)\n\
             find_package(Sealgate {version} CONFIG REQUIRED COMPONENTS shared static)\n\
             add_executable(shared main.c)\n\
             target_link_libraries(shared PRIVATE Sealgate::sealgate)\n\
             add_executable(static main.c)\n\
             target_link_libraries(static PRIVATE Sealgate::static)\n"
        )
    };
    let configure = |version: &str, build: &Path| {
        fs::write(project.join("CMakeLists.txt"), lists(version)).unwrap();
        let mut command = Command::new("cmake");
        command
            .arg("-S")
            .arg(&project)
            .arg("-B")
            .arg(build)
            .arg(format!(
                "-DCMAKE_PREFIX_PATH={}",
                installed.path("").display()
            ));
        command
    };
    let build = project.join("build");
    checked(&mut configure(&abi(), &build));
    checked(Command::new("cmake").arg("--build").arg(&build));
    installed.runs(&build.join("shared"), true);
    installed.runs(&build.join("static"), false);

    // The ABI holds within 0.MINOR, later within MAJOR, and an older library does not serve who asks for a newer one.
    for (version, accepted) in [
        (VERSION, true),
        (&format!("{}...<99", abi()), true),
        (&format!("{}.99", abi()), false),
        ("0.0.9", false),
        ("99", false),
    ] {
        let build = tempfile::tempdir().unwrap();
        let output = configure(version, build.path()).output().unwrap();
        assert_eq!(output.status.success(), accepted, "{version}: {output:?}");
    }
}
