//! `sealgate store status`.

use clap::{ArgMatches, Command};
use sealgate::audit::Asker;
use sealgate::gate::store_copy::StoreAdmin;
use sealgate::store::StoreStatus;
use serde_json::{Value, json};

use crate::cli::args::flag;
use crate::cli::table::{aligned, grouped, harmless};
use crate::cli::{Failure, load_settings, print_json, settings, write_output};

pub(super) fn command() -> Command {
    let command = Command::new("status")
        .about("Show which store is used, whether it takes changes, and what is in it")
        .long_about(
            "Show which store is used, the version of its tables, whether it takes changes, its size and what is in it. For a store \
             that several machines share, also the servers that have used it within the last hour, and how far back its log of \
             changes reaches. Exit code 1 if there is no store, 2 if it cannot be used.",
        )
        .arg(flag("json", "Print JSON"));
    settings::add_flags(command, &[settings::STORE])
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let all = load_settings(matches)?;
    let status = StoreAdmin::new(&all.gate, Asker::LIBRARY).status()?;
    let status = status.ok_or_else(Failure::no_store)?;
    match matches.get_flag("json") {
        true => print_json(&in_json(&status)),
        false => write_output(shown(&status).as_bytes()),
    }
}

fn shown(status: &StoreStatus) -> String {
    let row = |what: &str, value: String| [what.to_owned(), value];
    let changes = match status.read_only {
        true => "refused: it has been copied to another store",
        false => "taken",
    };
    let mut rows = vec![
        row("kind", status.kind.to_owned()),
        row("place", harmless(&status.place)),
        row("version of its tables", status.version.to_string()),
        row("changes", changes.to_owned()),
        row(
            "size",
            format!("{} KiB", grouped(status.size.div_ceil(1024))),
        ),
    ];
    for table in &status.counts {
        rows.push(row(table.rows, grouped(table.count)));
    }
    if status.kind == "postgresql" {
        let age = status.log_age;
        let age = age.map_or("empty".to_owned(), |age| {
            format!("reaches back {} s", grouped(age))
        });
        rows.push(row("log of changes", age));
        rows.push(row("servers", status.nodes.len().to_string()));
    }
    let mut text = aligned(["STORE", ""], rows);
    if !status.nodes.is_empty() {
        let nodes = status.nodes.iter().map(|node| {
            [
                harmless(&node.host),
                harmless(&node.version),
                format!("{} s ago", grouped(node.seen)),
            ]
        });
        text.push('\n');
        text.push_str(&aligned(["SERVER ON", "VERSION", "SEEN"], nodes));
    }
    text
}

fn in_json(status: &StoreStatus) -> Value {
    let counts: serde_json::Map<String, Value> = status
        .counts
        .iter()
        .map(|table| (table.table.to_owned(), json!(table.count)))
        .collect();
    let nodes = status.nodes.iter().map(
        |node| json!({"host": node.host, "version": node.version, "seen_seconds_ago": node.seen}),
    );
    json!({
        "kind": status.kind,
        "place": status.place,
        "version": status.version,
        "read_only": status.read_only,
        "size": status.size,
        "rows": counts,
        "servers": nodes.collect::<Vec<_>>(),
        "log_age_seconds": status.log_age,
    })
}
