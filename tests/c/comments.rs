//! The examples in the comments of include/sealgate.h compile without a warning, and run.

#![allow(clippy::unwrap_used)] // a test that panics has failed
#![cfg(target_os = "linux")]

use crate::common::c::{Under, checked, compile_file, compiler, root};

/// The code between ```c and ``` in comments, in the header's order.
fn examples() -> Vec<String> {
    let header = std::fs::read_to_string(root().join("include/sealgate.h")).unwrap();
    let mut examples: Vec<String> = Vec::new();
    let mut inside = false;
    for line in header.lines() {
        let line = line.trim_start();
        let line = line.strip_prefix("* ").unwrap_or(line);
        match line {
            "```c" => {
                inside = true;
                examples.push(String::new());
            }
            "```" => inside = false,
            "*" if inside => examples.last_mut().unwrap().push('\n'),
            _ if inside => *examples.last_mut().unwrap() += &format!("{line}\n"),
            _ => {}
        }
    }
    assert!(!inside, "an example has no end");
    examples
}

/// One program: callbacks as they are, then a function for every other example, and one that calls them all.
fn program(examples: &[String]) -> String {
    let mut source = "#include \"comments.h\"\n\n".to_owned();
    let (callbacks, rest): (Vec<_>, Vec<_>) = examples
        .iter()
        .partition(|example| example.starts_with("static "));
    for callback in callbacks {
        source += &format!("{callback}\n");
    }
    let mut calls = String::new();
    for (number, example) in rest.iter().enumerate() {
        source += &format!("static void example_{number}(void)\n{{\n{example}}}\n\n");
        calls += &format!("    example_{number}();\n");
    }
    source + &format!("static void every_example(void)\n{{\n{calls}}}\n")
}

#[test]
fn the_examples_in_the_headers_comments_compile_and_run() {
    let examples = examples();
    assert!(examples.len() >= 19, "{} examples", examples.len());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("comments.c");
    std::fs::write(&file, program(&examples)).unwrap();
    let printed = compile_file(&file, Under::Sanitizers).run();
    for said in [
        "Authorization: Bearer ey",
        "the token is for bob\n",
        "to store: A",
        "4111",
        "my_********\n",
        "54 bytes to store\nbytes",
        "listening on port ",
        "http://127.0.0.1:",
    ] {
        assert!(printed.contains(said), "{said}: {printed}");
    }
    let mut check = compiler("cc", "c99");
    check.arg(format!("-I{}", root().join("tests/c").display()));
    checked(check.arg("-fsyntax-only").arg(&file));
}
