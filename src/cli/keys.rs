//! `sealgate keys`: which keys there are, and new ones.

use clap::{Arg, ArgAction, ArgMatches, Command};
use sealgate::KeyOrigin;
use sealgate::config::Group;
use sealgate::keys::{self, Generated, KeyList, NewKeys};
use serde_json::{Value, json};

use super::table::{aligned, harmless, rfc3339};
use super::{Failure, load_settings, print_json, settings, write_output};

const GROUPS: [Group; 1] = [Group::Gate];

pub(super) fn command() -> Command {
    let list = Command::new("list")
        .about("List the keys of the ring and of the settings, without their secrets")
        .long_about(
            "List the keys of the ring and of the settings, oldest first, without their secrets, and which ones are used \
             for new tokens and new data. Nothing is made or changed. Exit code 1 where there is no key ring and one is \
             needed.",
        )
        .arg(flag("json", "Print JSON for programs"));
    let generate = Command::new("generate")
        .about("Add a fresh token key and a fresh data key to the ring, or make the ring")
        .long_about(
            "Add a fresh token key and a fresh data key to the ring as the newest, or make the ring where there is none, \
             always with both. Keys that are there stay, and go on verifying and opening what they made. The ring as it \
             was is kept beside it as keys.json.bak. A running server goes on with the keys that it has: restart it to use \
             the new ones, and every server that accepts its tokens or data.",
        )
        .arg(flag("token", "Add a token key (and no data key without --data)"))
        .arg(flag("data", "Add a data key (and no token key without --token)"))
        .arg(flag("json", "Print JSON for programs"));
    Command::new("keys")
        .about("List keys, make the key ring, add new keys")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(settings::add_flags(list, &GROUPS))
        .subcommand(settings::add_flags(generate, &GROUPS))
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .action(ArgAction::SetTrue)
        .help(help)
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    match matches.subcommand() {
        Some(("list", matches)) => list(matches),
        Some(("generate", matches)) => generate(matches),
        _ => unreachable!("clap asks for a subcommand that it knows"),
    }
}

fn list(matches: &ArgMatches) -> Result<(), Failure> {
    let settings = load_settings(matches, &GROUPS)?.gate;
    let listed = keys::list(&settings)?;
    if matches.get_flag("json") {
        print_json(&json!({
            "ring": listed.ring.as_ref().map(|path| path.to_string_lossy()),
            "complete": listed.is_complete(),
            "keys": listed.keys.iter().map(key_json).collect::<Vec<_>>(),
        }))?;
    } else if !listed.keys.is_empty() {
        write_output(aligned(&table(&listed)).as_bytes())?;
    }
    if listed.is_complete() {
        return Ok(());
    }
    Err(Failure::no(match &settings.data_dir {
        _ if settings.ephemeral_keys => {
            "With SEALGATE_KEYS=ephemeral each process makes random keys of its own, which no list shows.".to_owned()
        }
        Some(folder) => format!(
            "There is no key ring in {} yet. Make it with: sealgate keys generate (or let the first sealgate serve do it).",
            folder.display()
        ),
        None => "There is no data directory for a key ring. Name one with SEALGATE_DATA_DIR.".to_owned(),
    }))
}

fn table(listed: &KeyList) -> Vec<Vec<String>> {
    let mut rows = vec![
        ["KIND", "ID", "CREATED", "NEWEST", "FROM"]
            .map(str::to_owned)
            .to_vec(),
    ];
    // With AES-CBC for new data, the newest data key is for calls that ask for sealed data.
    let cbc = listed
        .keys
        .iter()
        .any(|key| key.kind == "AES-CBC" && key.newest);
    for key in &listed.keys {
        let newest = match key.kind {
            _ if !key.newest => "",
            "token" => "for new tokens",
            "data" if cbc => "for data sealed by seal()",
            _ => "for new data",
        };
        rows.push(vec![
            key.kind.to_owned(),
            or_dash(key.id.clone()),
            or_dash(created(key).unwrap_or_default()),
            or_dash(newest.to_owned()),
            harmless(&key.from),
        ]);
    }
    rows
}

fn or_dash(text: String) -> String {
    if text.is_empty() {
        "-".to_owned()
    } else {
        text
    }
}

fn created(key: &KeyOrigin) -> Option<String> {
    key.created.and_then(rfc3339)
}

fn key_json(key: &KeyOrigin) -> Value {
    json!({
        "kind": key.kind,
        "id": (!key.id.is_empty()).then_some(&key.id),
        "created": created(key),
        "newest": key.newest,
        "from": key.from,
    })
}

fn generate(matches: &ArgMatches) -> Result<(), Failure> {
    let settings = load_settings(matches, &GROUPS)?.gate;
    let (token, data) = (matches.get_flag("token"), matches.get_flag("data"));
    let both = token == data;
    let generated = keys::generate(
        &settings,
        NewKeys {
            token: token || both,
            data: data || both,
        },
    )?;
    if matches.get_flag("json") {
        return print_json(&json!({
            "ring": generated.ring.to_string_lossy(),
            "backup": generated.backup.as_ref().map(|path| path.to_string_lossy()),
            "added": generated.added.iter().map(key_json).collect::<Vec<_>>(),
        }));
    }
    write_output(told(&generated).as_bytes())
}

fn told(generated: &Generated) -> String {
    let ring = harmless(&generated.ring.to_string_lossy());
    let mut text = match &generated.backup {
        None => format!("Made the key ring {ring}\n"),
        Some(_) => format!("Changed the key ring {ring}\n"),
    };
    for key in &generated.added {
        text.push_str(&format!("  new {} key {}\n", key.kind, key.id));
    }
    match &generated.backup {
        None => text.push_str("Back it up: what is sealed under its keys opens with nothing else.\n"),
        Some(backup) => text.push_str(&format!(
            "The ring as it was: {}\n\
             A running server uses the new keys after a restart; the old ones go on verifying and opening.\n",
            harmless(&backup.to_string_lossy())
        )),
    }
    text
}
