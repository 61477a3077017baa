//! The C code of docs/c.md and README.md compiles without a warning, and its programs run.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // a test that panics has failed

use std::fs;
use std::process::Command;

use crate::common::c::{checked, compiler, link_library, link_with_library, root};

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
    let folder = tempfile::tempdir().unwrap();
    link_library(folder.path());
    let of = |page: &str| blocks(&fs::read_to_string(root().join(page)).unwrap());
    let (guide, readme) = (of("docs/c.md"), of("README.md"));
    assert!(guide.len() >= 4, "the guide has its code");
    assert_eq!(readme.len(), 1, "the README has its code");
    let blocks = [guide, readme].concat();
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
        let mut compile = compiler("cc", "c99");
        compile.arg(&source).arg("-o").arg(&output);
        match program {
            true => link_with_library(&mut compile, folder.path()),
            false => _ = compile.arg("-c"),
        }
        checked(&mut compile);
        if program {
            checked(
                Command::new(&output)
                    .env_clear()
                    .env("SEALGATE_KEYS", "ephemeral")
                    .env("HOME", folder.path()),
            );
        }
    }
}
