//! Completions and man pages: made from the command itself, loaded by the real programs, complete.

#![allow(clippy::unwrap_used)] // a test that panics has failed

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::{run, text, typed};

/// Whether this machine has the program; what it checks is skipped where it is missing.
fn has(program: &str) -> bool {
    let look = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .output();
    look.is_ok_and(|output| output.status.success())
}

fn completions(home: &Path, shell: &str) -> String {
    let output = typed(home, &["completions", shell], b"", &[]);
    assert!(output.status.success(), "{output:?}");
    text(&output.stdout)
}

#[test]
fn completions_name_every_subcommand_and_setting_for_each_shell() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = completions(home.path(), shell);
        for word in ["serve", "generate", "config", "healthcheck"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        for setting in sealgate::config::SETTINGS {
            let flag = setting.name.replace('_', "-");
            let named = script
                .split(&format!("--{flag}"))
                .skip(1)
                .any(|rest| !rest.starts_with('-'))
                || script.contains(&format!("-l {flag} "));
            assert_eq!(named, !setting.secret, "{shell}: {flag}");
        }
        assert!(script.contains("ephemeral"), "{shell}: words of a choice");
    }
    let unknown = typed(home.path(), &["completions", "tcsh"], b"", &[]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(!home.path().join(".local").exists());
}

#[test]
fn bash_loads_its_completions_and_completes() {
    if !has("bash") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let script = home.path().join("sealgate.bash");
    fs::write(&script, completions(home.path(), "bash")).unwrap();
    let complete = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-euc", &format!(
            "bash -n '{0}'; source '{0}'; complete -p sealgate >/dev/null; compopt() {{ :; }}; COMP_WORDS=({line}); COMP_CWORD={1}; \
             _sealgate sealgate '{2}' '{3}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            script.display(),
            words.len() - 1,
            words[words.len() - 1],
            words[words.len() - 2],
        )]);
        let output = run(bash, b"");
        assert!(output.status.success(), "{output:?}");
        text(&output.stdout)
    };
    assert_eq!(complete("sealgate ser"), "serve\n");
    assert_eq!(complete("sealgate keys gen"), "generate\n");
    assert_eq!(complete("sealgate serve --log-l"), "--log-level\n");
    assert_eq!(complete("sealgate serve --login o"), "open\noff\n");
}

/// The long flags that `--help` shows.
fn flags(help: &str) -> BTreeSet<String> {
    help.lines()
        .filter(|line| line.starts_with(' ') && line.trim_start().starts_with('-'))
        .filter_map(|line| line.split_once("--"))
        .map(|(_, flag)| {
            let end = flag.find(|c: char| c != '-' && !c.is_ascii_alphanumeric());
            flag[..end.unwrap_or(flag.len())].to_owned()
        })
        .collect()
}

/// The subcommands that `--help` shows.
fn subcommands(help: &str) -> Vec<String> {
    let (_, commands) = help.split_once("Commands:\n").unwrap_or_default();
    commands
        .lines()
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|word| !word.is_empty() && *word != "help")
        .map(str::to_owned)
        .collect()
}

/// Checks the page of this subcommand and of those below; gives their names.
fn check_pages(home: &Path, folder: &Path, words: &[String]) -> Vec<String> {
    let mut arguments: Vec<&str> = words.iter().map(String::as_str).collect();
    arguments.push("--help");
    let help = text(&typed(home, &arguments, b"", &[]).stdout);
    let name = [&["sealgate".to_owned()], words].concat().join("-") + ".1";
    let page = fs::read_to_string(folder.join(&name)).unwrap();
    let flags = flags(&help);
    assert!(flags.contains("help"), "{help}");
    for flag in flags {
        let escaped = format!(r"\-\-{}", flag.replace('-', r"\-"));
        assert!(page.contains(&escaped), "{name}: --{flag}");
    }
    for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS"] {
        assert!(page.contains(section), "{name}: {section}");
    }
    let mut names = vec![name];
    let below = subcommands(&help);
    assert!(!below.is_empty() || page.contains("EXAMPLES"), "{words:?}");
    for word in below {
        names.extend(check_pages(home, folder, &[words, &[word]].concat()));
    }
    names
}

#[test]
fn every_subcommand_has_a_page_with_all_its_flags_that_man_reads_without_a_warning() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("share/man1");
    let output = typed(
        home.path(),
        &["man", "--out", folder.to_str().unwrap()],
        b"",
        &[],
    );
    assert!(output.status.success(), "{output:?}");
    let names = check_pages(home.path(), &folder, &[]);
    assert_eq!(
        names.len(),
        fs::read_dir(&folder).unwrap().count(),
        "{names:?}"
    );
    assert!(names.contains(&"sealgate-keys-generate.1".to_owned()));
    let printed = typed(home.path(), &["man"], b"", &[]).stdout;
    assert_eq!(printed, fs::read(folder.join("sealgate.1")).unwrap());

    let page = fs::read_to_string(folder.join("sealgate-serve.1")).unwrap();
    for setting in sealgate::config::SETTINGS {
        assert!(page.contains(setting.env), "{}", setting.env);
    }
    if has("groff") {
        for name in &names {
            let mut groff = Command::new("groff");
            groff
                .args(["-man", "-ww", "-z", "-Tutf8", "-Kutf8"])
                .arg(folder.join(name));
            let output = run(groff, b"");
            assert!(
                output.status.success() && output.stderr.is_empty(),
                "{name}: {output:?}"
            );
        }
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_a_clear_error() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    let below = file.join("man1");
    let output = typed(
        home.path(),
        &["man", "--out", below.to_str().unwrap()],
        b"",
        &[],
    );
    assert_eq!(output.status.code(), Some(2));
    assert!(crate::common::said(&output).contains("cannot be written"));
}
