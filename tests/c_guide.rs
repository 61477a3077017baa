//! The C code of docs/c.md compiles without a warning, and its programs run.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // a test that panics has failed

use std::fs;
use std::path::Path;
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn checked(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}:\n{said}");
}

fn blocks(guide: &str) -> Vec<String> {
    let ends = guide.split("\n```c\n").skip(1);
    ends.map(|rest| rest.split("\n```").next().unwrap().to_owned())
        .collect()
}

/// What a fragment of the guide may take for granted.
fn around(fragment: &str) -> String {
    format!(
        "#include <sealgate.h>\n#include <stdio.h>\n\
         int fragment(const sealgate_gate *gate_here, const char *token, size_t token_size);\n\
         int fragment(const sealgate_gate *gate_here, const char *token, size_t token_size)\n{{\n\
         (void)token;\n(void)token_size;\n(void)gate_here;\n{}\n}}\n",
        // A fragment that makes no gate of its own is lent one.
        match fragment.contains("*gate = NULL") {
            true => fragment.to_owned(),
            false => format!("const sealgate_gate *gate = gate_here;\n(void)gate;\n{fragment}"),
        }
    )
}

#[test]
fn the_code_of_the_guide_compiles_and_its_programs_run() {
    let cargo = std::env::var_os("CARGO").unwrap();
    checked(
        Command::new(cargo)
            .args(["build", "--locked", "--lib"])
            .current_dir(root()),
    );
    let library = Path::new(env!("CARGO_BIN_EXE_sealgate")).with_file_name("libsealgate.so");
    let folder = tempfile::tempdir().unwrap();
    let guide = fs::read_to_string(root().join("docs/c.md")).unwrap();
    let blocks = blocks(&guide);
    assert!(blocks.len() >= 4, "the guide has its code");
    for (number, block) in blocks.iter().enumerate() {
        let program = block.contains("int main(");
        let source = folder.path().join(format!("block{number}.c"));
        let output = folder.path().join(format!("block{number}"));
        let text = if program {
            block.clone()
        } else {
            around(block)
        };
        fs::write(&source, text).unwrap();
        let mut compiler = Command::new("cc");
        compiler
            .args(["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"])
            .arg(format!("-I{}", root().join("include").display()))
            .arg(&source)
            .arg("-o")
            .arg(&output);
        if program {
            compiler.arg(&library);
            // By its SONAME, beside which the built file lies.
            let soname = env!("CARGO_PKG_VERSION")
                .rsplit_once('.')
                .map(|(minor, _)| minor)
                .unwrap();
            let beside = folder.path().join(format!("libsealgate.so.{soname}"));
            let _ = std::os::unix::fs::symlink(&library, beside);
        } else {
            compiler.arg("-c");
        }
        checked(&mut compiler);
        if program {
            checked(
                Command::new(&output)
                    .env_clear()
                    .env("SEALGATE_KEYS", "ephemeral")
                    .env("LD_LIBRARY_PATH", folder.path())
                    .env("HOME", folder.path()),
            );
        }
    }
}
