//! What the pages promise beside links, settings and routes.

use std::process::Command;

use crate::common::{text, typed};
use crate::{blocks, pages, prose, read, root};

/// The curl commands that the original's documentation shows.
const SESSION: [&str; 3] = [
    r#"curl -X POST http://127.0.0.1:5000/login -H "Content-Type: application/json" -d '{"username": "test_user"}'"#,
    r#"curl -X GET http://127.0.0.1:5000/secure-data -H "Authorization: Bearer <jwt_token>""#,
    r#"curl -X POST http://127.0.0.1:5000/decrypt -H "Authorization: Bearer <jwt_token>" -H "Content-Type: application/json" -d '{"encrypted_data": "<base64_encoded_encrypted_data>"}'"#,
];

#[test]
fn the_readme_has_at_most_200_lines_and_the_session_of_the_original() {
    let readme = read("README.md");
    let lines = readme.lines().count();
    assert!(lines <= 200, "{lines} lines");
    for command in SESSION {
        for page in [&readme, &read("docs/getting-started.md")] {
            assert!(page.contains(&format!("\n$ {command}\n")), "{command}");
        }
    }
}

#[test]
fn getting_started_lists_every_subcommand() {
    let home = tempfile::tempdir().unwrap();
    let help = typed(home.path(), &["--help"], b"", &[]);
    let help = text(&help.stdout);
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let page = read("docs/getting-started.md");
    let mut count = 0;
    for line in commands.lines().take_while(|line| line.starts_with("  ")) {
        let Some(word) = line
            .strip_prefix("  ")
            .and_then(|line| line.split(' ').next())
        else {
            continue;
        };
        if !word.is_empty() && word != "help" {
            assert!(page.contains(&format!("\nsealgate {word} ")), "{word}");
            count += 1;
        }
    }
    assert!(count > 10, "{help}");
}

/// The commands in code blocks, without what follows a pipe, a comment or the description beside them.
fn commands(page: &str) -> Vec<String> {
    let blocks = blocks(page, "");
    let lines = blocks.iter().flat_map(|block| block.lines());
    lines
        .filter_map(|line| {
            let line = line.strip_prefix("$ ").unwrap_or(line);
            let end = [" #", "  ", " |", " <", " >"]
                .iter()
                .filter_map(|mark| line.find(mark))
                .min();
            let command = &line[..end.unwrap_or(line.len())];
            command.starts_with("sealgate ").then(|| command.to_owned())
        })
        .collect()
}

#[test]
fn every_command_that_a_page_shows_exists() {
    let home = tempfile::tempdir().unwrap();
    let mut count = 0;
    for page in pages() {
        for command in commands(&read(&page)) {
            // With --help nothing is done, but a word or flag that does not exist is an error.
            let quoted: Vec<&str> = command.split('"').step_by(2).collect();
            let command = quoted.join("x");
            let words: Vec<&str> = command.split(' ').skip(1).collect();
            let output = typed(home.path(), &[&words[..], &["--help"]].concat(), b"", &[]);
            let said = text(&output.stderr);
            assert!(
                output.status.success(),
                "{}: {command}: {said}",
                page.display()
            );
            count += 1;
        }
    }
    assert!(count > 40, "{count} commands");
}

#[test]
fn the_logrotate_snippet_is_the_one_in_packaging_and_logrotate_reads_it() {
    let file = root().join("packaging/sealgate.logrotate");
    let snippet = read("packaging/sealgate.logrotate");
    assert!(read("docs/operations.md").contains(&format!("```\n{snippet}```\n")));
    let state = tempfile::tempdir().unwrap();
    let mut logrotate = Command::new("logrotate");
    logrotate
        .args(["--debug", "--state"])
        .arg(state.path().join("state"))
        .arg(&file);
    // Without logrotate only the text is compared.
    if let Ok(output) = logrotate.output() {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && !said.contains("error:"),
            "{said}"
        );
    }
}

#[test]
fn the_security_page_lists_every_advisory_that_is_ignored() {
    let page = read("docs/security.md");
    let deny = read("deny.toml");
    let ignored: Vec<&str> = deny
        .split("{ id = \"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(!ignored.is_empty());
    for id in &ignored {
        assert!(page.contains(id), "{id}");
    }
    assert_eq!(page.matches("RUSTSEC-").count(), ignored.len());
}

/// What stands between backquotes.
fn code_spans(page: &str) -> Vec<String> {
    let prose = prose(page);
    let spans = prose.split('`').skip(1).step_by(2);
    spans.map(str::to_owned).collect()
}

#[test]
fn every_target_of_make_that_a_page_names_exists() {
    let makefile = read("Makefile");
    let mut count = 0;
    for page in pages() {
        let text = read(&page);
        let mut commands = code_spans(&text);
        let blocks = blocks(&text, "");
        commands.extend(
            blocks
                .iter()
                .flat_map(|block| block.lines())
                .map(str::to_owned),
        );
        for command in commands {
            let command = command.split(['#', '&']).next().unwrap();
            let Some(targets) = command.strip_prefix("make ") else {
                continue;
            };
            // Words with = set a variable.
            for target in targets
                .split_whitespace()
                .take_while(|word| !word.contains('='))
            {
                let exists = makefile.contains(&format!("\n{target}:"));
                assert!(exists, "{}: make {target}", page.display());
                count += 1;
            }
        }
    }
    assert!(count > 40, "{count} targets");
}

fn is_page_or_toml(name: &str) -> bool {
    !name.contains('/') && [".md", ".toml"].iter().any(|ending| name.ends_with(ending))
}

#[test]
fn every_file_that_a_page_names_exists() {
    let folders = [
        "src/",
        "include/",
        "bindings/",
        "examples/",
        "tests/",
        "benches/",
        "docs/",
        "packaging/",
        "scripts/",
        ".ci/",
    ];
    let mut count = 0;
    for page in pages() {
        for span in code_spans(&read(&page)) {
            // On other pages a name without a folder may be a file of the reader's.
            let is_root_file = page.as_os_str() == "CONTRIBUTING.md" && is_page_or_toml(&span);
            let is_file = is_root_file || folders.iter().any(|folder| span.starts_with(folder));
            // Of `tests/vectors/*.json` the folder has to exist.
            let path = span.split(['*', ' ']).next().unwrap();
            if is_file {
                assert!(root().join(path).exists(), "{}: {span}", page.display());
                count += 1;
            }
        }
    }
    assert!(count > 20, "{count} files");
}

#[test]
fn no_page_uses_words_that_the_project_has_given_up() {
    // The table of settings has the words of `--help`.
    for page in pages().iter().filter(|page| !page.ends_with("settings.md")) {
        let text = read(page).to_lowercase();
        let words: Vec<&str> = text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .collect();
        let given_up = |words: &[&str]| {
            matches!(
                words,
                ["tell" | "tells" | "told" | "anew", ..] | ["take" | "takes" | "taken", "back"]
            )
        };
        let found = words.windows(2).find(|words| given_up(words));
        assert_eq!(found, None, "{}", page.display());
    }
}
