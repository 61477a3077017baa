//! `sealgate man` and `sealgate completions`: manual pages and shell completions, generated from the command's definition.

use std::fs;
use std::path::PathBuf;

use clap::{ArgMatches, Command, ValueHint, value_parser};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};
use sealgate::config::SETTINGS;

use super::args::{operand, option};
use super::{EXIT_CODES, Failure, write_output};

/// What the page of the command itself shows.
const FIRST_STEPS: [&str; 2] = ["sealgate serve", "sealgate token issue --user alice"];
/// The other pages show those that contain their words.
const EXAMPLES: &[&str] = &[
    "sealgate serve --listen 127.0.0.1:8000",
    "SEALGATE_TRUSTED_PROXIES=unix sealgate serve --listen unix:/run/sealgate/socket --socket-mode 660",
    "sealgate token issue --user alice --scope decrypt --ttl 60",
    r#"sealgate token issue --user alice --claims '{"department": "ops"}'"#,
    "sealgate token verify < token",
    "sealgate token inspect < token",
    "sealgate token revoke < token",
    "sealgate token revoke --user alice",
    "sealgate encrypt --context orders/17 < file > sealed",
    "sealgate encrypt --url-safe --context confirm < address",
    "sealgate encrypt --in backup.tar --out backup.tar.sealed",
    "sealgate decrypt --context orders/17 < sealed > file",
    "sealgate decrypt --context confirm --max-age 3600 < sealed",
    "sealgate decrypt --in backup.tar.sealed --out backup.tar",
    "sealgate sign --context unsubscribe < name",
    "sealgate unsign --context unsubscribe --max-age 3600 < text",
    "sealgate rewrap < old.txt > new.txt",
    "sealgate rewrap --in cards.txt --out cards.txt --bad-lines stop",
    "sealgate rewrap --with-contexts < rows.tsv > new.tsv",
    "echo my_password | sealgate mask",
    "sealgate limits",
    "sealgate limits --json --limits 'exports: 10 per 3600; bulk: 1000 per 60, cost by item'",
    "sealgate --server http://127.0.0.1:5000 limits current",
    "sealgate --server http://127.0.0.1:5000 limits reset --policy default --kind user alice",
    "sealgate healthcheck --listen 127.0.0.1:5000",
    "sealgate keys list",
    "sealgate keys list --json",
    "sealgate keys generate",
    "sealgate keys generate --data",
    "sealgate keys rotate",
    "sealgate keys rotate --token --grace 0",
    "SEALGATE_RING_KEY_FILE=/etc/sealgate.key sealgate keys seal",
    "sealgate keys unseal",
    "sealgate keys export --out ring.sealed",
    "sealgate keys import --in ring.sealed",
    "sealgate keys retire 5bd867bb",
    "sealgate keys accept 5bd867bb",
    "sealgate keys accept 5bd867bb --for 86400",
    "sealgate user add alice",
    "sealgate user add gateway --scopes introspect < password",
    "sealgate user list",
    "sealgate user list --json",
    "sealgate user passwd alice",
    "sealgate user scopes alice 'secure-data decrypt'",
    r#"sealgate user claims alice '{"department": "ops"}'"#,
    "sealgate user claims alice",
    "sealgate user disable alice",
    "sealgate user enable alice",
    "sealgate user unlock alice",
    "sealgate user remove alice",
    "sealgate user sessions alice",
    "sealgate user sessions alice --json",
    "sealgate session end tF0wcMOhVqHJcvzDVsR2Xg",
    "sealgate --server https://sealgate.example.com:5001 user list",
    "sealgate api-key add nightly-backup --scope encrypt",
    "sealgate api-key add alice --ttl 7776000 --requests 100 --window 60 > key",
    "sealgate api-key list --owner alice",
    "sealgate api-key revoke 7Tq0mVxkQ2Lr",
    "sealgate api-key revoke < key",
    "sealgate api-key revoke --owner alice",
    "sealgate client add shop --scopes 'encrypt decrypt'",
    "sealgate client list",
    "sealgate client secret shop",
    "sealgate client scopes shop encrypt",
    "sealgate client disable shop",
    "sealgate client enable shop",
    "sealgate client remove shop",
    "sealgate --server http://127.0.0.1:5000 audit tail --follow",
    "sealgate --server http://127.0.0.1:5000 audit tail --event login --since $(date -d '1 hour ago' +%s)",
    "sealgate audit who alice",
    "sealgate audit who 9784b1b00cbe4cb1",
    "grep -F -f <(sealgate audit who alice) /var/log/sealgate/audit.log",
    "sealgate store check",
    "sealgate store migrate",
    "sealgate store status",
    "sealgate store copy --to postgres://sealgate@db1,db2/sealgate --dry-run",
    "sealgate store copy --to /var/lib/sealgate",
    "sealgate store unlock",
    "sealgate store backup /a/safe/place/store.db",
    "sealgate backup /a/safe/place/sealgate.backup",
    "sealgate backup --force --passphrase-file /etc/backup.passphrase /a/safe/place/sealgate.backup",
    "sealgate restore /a/safe/place/sealgate.backup",
    "sealgate config --check --config /etc/sealgate.toml",
    "sealgate config --example > sealgate.toml",
    "sealgate completions bash > ~/.local/share/bash-completion/completions/sealgate",
    "sealgate completions zsh > \"${fpath[1]}/_sealgate\"",
    "sealgate completions fish > ~/.config/fish/completions/sealgate.fish",
    "sealgate man | man -l -",
    "sealgate man --out ~/.local/share/man/man1",
];

pub(super) fn command() -> Command {
    Command::new("man")
        .about("Print the manual page, or write one for every subcommand")
        .arg(
            option(
                "out",
                "DIR",
                "Write sealgate.1 and a page for each subcommand to this directory, which is created if needed",
            )
            .value_parser(value_parser!(PathBuf))
            .value_hint(ValueHint::DirPath),
        )
}

pub(super) fn completions_command() -> Command {
    Command::new("completions")
        .about("Print a shell completion script for this command")
        .arg(
            operand("shell", "SHELL", "The shell that the script is for")
                .value_parser(value_parser!(Shell)),
        )
}

pub(super) fn completions(mut command: Command, matches: &ArgMatches) -> Result<(), Failure> {
    let shell = *matches
        .get_one::<Shell>("shell")
        .expect("clap requires the shell");
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "sealgate", &mut script);
    write_output(&script)
}

pub(super) fn run(command: Command, matches: &ArgMatches) -> Result<(), Failure> {
    // The help subcommand needs no page: it only prints the others.
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let Some(folder) = matches.get_one::<PathBuf>("out") else {
        return write_output(&page(&command, ""));
    };
    let unwritable = |error| {
        Failure::wrong(format!(
            "The pages cannot be written to {}: {error}.",
            folder.display()
        ))
    };
    fs::create_dir_all(folder).map_err(unwritable)?;
    for (path, command) in with_subcommands(&command, "") {
        let name = format!("sealgate {path}").trim_end().replace(' ', "-");
        fs::write(folder.join(format!("{name}.1")), page(command, &path)).map_err(unwritable)?;
    }
    Ok(())
}

/// The command and all its subcommands, each with its words after `sealgate`.
fn with_subcommands<'a>(command: &'a Command, path: &str) -> Vec<(String, &'a Command)> {
    let mut all = vec![(path.to_owned(), command)];
    for below in command.get_subcommands() {
        let path = format!("{path} {}", below.get_name());
        all.extend(with_subcommands(below, path.trim_start()));
    }
    all
}

fn page(command: &Command, path: &str) -> Vec<u8> {
    let man = Man::new(command.clone())
        .source(format!("sealgate {}", sealgate::VERSION))
        .manual("Sealgate");
    let mut page = Vec::new();
    let has_options = command.get_arguments().next().is_some();
    let mut write = || -> std::io::Result<()> {
        man.render_title(&mut page)?;
        man.render_name_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_description_section(&mut page)?;
        if has_options {
            man.render_options_section(&mut page)?;
        }
        if command.has_subcommands() {
            man.render_subcommands_section(&mut page)?;
        }
        more(command, path).to_writer(&mut page)
    };
    write().expect("writing to memory does not fail");
    page
}

/// The flags of a server stand between the words of a subcommand.
fn without_server(line: &str) -> String {
    let Some((before, flag)) = line.split_once("--server ") else {
        return line.to_owned();
    };
    let (_, rest) = flag.split_once(' ').unwrap_or_default();
    format!("{before}{rest}")
}

/// The sections that clap_mangen does not generate.
fn more(command: &Command, path: &str) -> Roff {
    let mut roff = Roff::new();
    // Every command with settings takes secrets from the environment too, and uses the key ring.
    let takes_settings = command
        .get_arguments()
        .any(|argument| argument.get_id() == "config");
    if takes_settings || path.is_empty() {
        environment(&mut roff, command);
        files(&mut roff);
    }
    roff.control("SH", ["EXIT STATUS"]);
    roff.text([roman(EXIT_CODES)]);
    let words = format!("sealgate {path}");
    let examples: Vec<&str> = match path {
        "" => FIRST_STEPS.to_vec(),
        _ => EXAMPLES
            .iter()
            .copied()
            .filter(|line| without_server(line).contains(&words))
            .collect(),
    };
    if !examples.is_empty() {
        roff.control("SH", ["EXAMPLES"]);
        roff.control("nf", []);
        for line in examples {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    }
    if !path.is_empty() {
        roff.control("SH", ["SEE ALSO"]);
        roff.text([bold("sealgate"), roman("(1)")]);
    }
    roff
}

fn environment(roff: &mut Roff, command: &Command) {
    roff.control("SH", ["ENVIRONMENT"]);
    let entry = |roff: &mut Roff, name: &str, help: &str| {
        roff.control("TP", []);
        roff.text([bold(name)]);
        roff.text([roman(help)]);
    };
    entry(
        roff,
        "SEALGATE_CONFIG",
        "Settings file (TOML) if --config is not given.",
    );
    let after = command.get_after_help();
    let after = after.map(ToString::to_string).unwrap_or_default();
    // The secrets that it takes are listed below its flags.
    let names = |name: &str| {
        let mut words = after.lines().map(|line| line.split_whitespace().next());
        words.any(|word| word == Some(name))
    };
    for setting in SETTINGS {
        if setting.secret && (command.get_name() == "sealgate" || names(setting.env)) {
            let help = format!(
                "{} Secret, so it has no flag: other users can see a process's arguments.",
                setting.help
            );
            entry(roff, setting.env, &help);
        } else if !setting.secret && command.get_name() == "sealgate" {
            entry(roff, setting.env, setting.help);
        }
    }
    if command.get_name() != "sealgate" {
        roff.control("PP", []);
        roff.text([roman(
            "The variables of the other settings are listed with their flags. An empty variable counts as not set.",
        )]);
    }
}

fn files(roff: &mut Roff) {
    roff.control("SH", ["FILES"]);
    for (name, help) in [
        (
            "keys.json",
            "The key ring, in the data directory ($STATE_DIRECTORY, else $XDG_STATE_HOME/sealgate, else \
             ~/.local/state/sealgate, unless --data-dir names one). Back it up: data sealed under its keys cannot be \
             decrypted without it. Mode 0600, in a directory of mode 0700.",
        ),
        ("keys.json.bak", "The key ring before its last change."),
    ] {
        roff.control("TP", []);
        roff.text([italic(name)]);
        roff.text([roman(help)]);
    }
}
