//! `sealgate api-key`: adds, lists and revokes API keys.

use std::time::Duration;

use clap::{ArgMatches, Command, value_parser};
use sealgate::store::AccountKind;
use sealgate::tokens::{ApiKey, ApiKeyLimit, ApiKeys, NewApiKey};
use sealgate::unix_now;
use sealgate::users::Users;
use serde_json::Value;

use super::administration::{Accounts, ApiKeyPlace};
use super::args::{flag, group, operand, option, text};
use super::audit::Trail;
use super::changes::Changes;
use super::local::Local;
use super::settings::{AUDIT, RING, STORE, Used};
use super::table::{aligned, harmless, or_dash, rfc3339};
use super::{Failure, Remote, load_settings, read_input, remark, settings, write_output};

pub(super) fn command() -> Command {
    group("api-key", "Add, list and revoke API keys")
        .long_about(
            "Add, list and revoke API keys: credentials for machines, accepted wherever an access token is. A running server \
             with the same data directory detects changes within a second. Exit code 1 if there is no such key.",
        )
        .defer(add_subcommands)
}

fn add_subcommands(command: Command) -> Command {
    let add = Command::new("add")
        .about("Add an API key and print it; it cannot be printed again")
        .long_about(
            "Add an API key and print it on standard output. Only a hash of it is stored, so it cannot be printed again. If its \
             owner has an account, the key permits no more than the account does at the time of its use, and disabling or \
             removing the account revokes the key.",
        )
        .arg(operand("owner", "OWNER", "The user that the key stands for"))
        .arg(option(
            "scope",
            "NAMES",
            "Its scopes, separated by spaces [default: those of the owner's account, or without one secure-data encrypt decrypt]",
        ))
        .arg(
            option("ttl", "SECONDS", "How long it is valid [default: until it is revoked]")
                .value_parser(value_parser!(u64).range(1..)),
        )
        .arg(
            option("requests", "N", "A limit of its own: at most this many requests in any --window")
                .value_parser(value_parser!(u32).range(1..))
                .requires("window"),
        )
        .arg(
            option("window", "SECONDS", "The length of the window for --requests")
                .value_parser(value_parser!(u64).range(1..))
                .requires("requests"),
        );
    let list = Command::new("list")
        .about("List API keys, without their secrets")
        .long_about(
            "List API keys, without their secrets. LAST USED is the hour of the last use. Revoked keys stay on the list for \
             some time.",
        )
        .arg(option("owner", "NAME", "Only those of this user"))
        .arg(flag("json", "Print JSON for programs, one key a line"));
    let revoke = Command::new("revoke")
        .about("Revoke an API key by its id or from standard input, or all of a user")
        .long_about(
            "Revoke an API key for good: by its id (the 12 characters behind sg_), the whole key from standard input, or all keys \
             of a user. This process and every server that uses the same data directory refuses it within a second.",
        )
        .arg(
            operand("id", "ID", "The key's id; without it or for - the key is read from standard input")
                .required(false)
                .conflicts_with("owner"),
        )
        .arg(option("owner", "NAME", "All keys of this user"));
    [add, list, revoke]
        .into_iter()
        .fold(command, |command, one| {
            let used: &[Used] = match one.get_name() {
                "list" => &[STORE],
                "add" => &[RING, AUDIT, &["login"]],
                _ => &[RING, AUDIT],
            };
            command.subcommand(settings::add_flags(one, used))
        })
}

pub(super) fn run(matches: &ArgMatches, remote: Option<&Remote>) -> Result<(), Failure> {
    let Some((what, matches)) = matches.subcommand() else {
        unreachable!("clap requires a subcommand");
    };
    if let Some(remote) = remote {
        let changes = Changes::on_server(remote.url());
        return match what {
            "list" => list(remote, matches),
            // The server knows whether logins are open.
            "add" => add(remote, remote, true, &changes, matches),
            _ => revoke(remote, &changes, matches),
        };
    }
    let settings = load_settings(matches)?;
    let keys = ApiKeys::new(&settings.gate.store)?;
    if what == "list" {
        return list(&Local::reading(&keys), matches);
    }
    let changes = Changes::before(&settings.gate.keys);
    changes.must_be_kept()?;
    let trail = Trail::start(&settings)?;
    let events = trail.with_users()?;
    let keys = Local::changing(&keys, &events, trail.asker());
    match what {
        "add" => {
            let users = Users::new(&settings.gate.users, &settings.gate.store)?;
            let open = settings.gate.store.open_login;
            add(&keys, &Local::reading(&users), open, &changes, matches)
        }
        _ => revoke(&keys, &changes, matches),
    }
}

fn add(
    keys: &dyn ApiKeyPlace,
    accounts: &dyn Accounts,
    open_login: bool,
    changes: &Changes,
    matches: &ArgMatches,
) -> Result<(), Failure> {
    let owner = text(matches, "owner");
    let scope = matches.get_one::<String>("scope").map(String::as_str);
    let ttl = matches.get_one::<u64>("ttl");
    let limit = matches
        .get_one::<u32>("requests")
        .zip(matches.get_one::<u64>("window"));
    let (key, added) = keys.add(&NewApiKey {
        owner,
        scope,
        expires_at: ttl.map(|seconds| unix_now().saturating_add(*seconds)),
        limit: limit.map(|(max_requests, seconds)| ApiKeyLimit {
            max_requests: *max_requests,
            window: Duration::from_secs(*seconds),
        }),
    })?;
    changes.report_store();
    warn_of_owner(accounts, open_login, owner)?;
    remark(&format!(
        "Added the API key {}. It is printed only this once.",
        added.id
    ));
    // The only place where it ever appears.
    write_output(&[key.expose(), b"\n"].concat())
}

/// Warns if a key will be refused because of its owner.
fn warn_of_owner(accounts: &dyn Accounts, open_login: bool, owner: &str) -> Result<(), Failure> {
    match accounts.find(owner)? {
        Some(account) if account.disabled => remark(
            "Warning: the owner's account is disabled: the key is refused until it is enabled (sealgate user enable).",
        ),
        None if !open_login && !accounts.page(AccountKind::User, "", 1)?.is_empty() => remark(
            "Warning: there are accounts, but none with the owner's name: the key will be refused (sealgate user add creates \
             one).",
        ),
        _ => {}
    }
    Ok(())
}

fn revoke(keys: &dyn ApiKeyPlace, changes: &Changes, matches: &ArgMatches) -> Result<(), Failure> {
    if let Some(owner) = matches.get_one::<String>("owner") {
        let count = keys.revoke_all_of(owner)?;
        if count > 0 {
            changes.report_store();
        }
        remark(&format!("Revoked API keys: {count}"));
        return Ok(());
    }
    let given = match text(matches, "id") {
        "" | "-" => {
            let input = read_input()?;
            // Other tools add a newline.
            let whole = input.expose_str().map(str::trim).unwrap_or_default();
            let id = ApiKeys::id_of(whole).unwrap_or_default();
            if id.is_empty() {
                return Err(Failure::no(
                    "Standard input is not an API key: it must begin with sg_ and be complete.",
                ));
            }
            id.to_owned()
        }
        // Somebody may paste the whole key: then only its id is used.
        id => ApiKeys::id_of(id).unwrap_or(id).to_owned(),
    };
    if !keys.revoke(&given)? {
        return Err(Failure::no(
            "There is no API key with this id. To list them: sealgate api-key list",
        ));
    }
    changes.report_store();
    Ok(())
}

fn list(keys: &dyn ApiKeyPlace, matches: &ArgMatches) -> Result<(), Failure> {
    const PAGE: u32 = 500;
    let json = matches.get_flag("json");
    let owner = matches.get_one::<String>("owner").map(String::as_str);
    let mut rows = Vec::new();
    let mut after = String::new();
    loop {
        // A page at a time, so that there may be any number of them.
        let page = keys.page(owner, &after, PAGE)?;
        let Some(last) = page.last() else {
            break;
        };
        after.clone_from(&last.id);
        for key in &page {
            match json {
                true => write_output(format!("{}\n", key_json(key)).as_bytes())?,
                false => rows.push(row(key)),
            }
        }
    }
    if rows.is_empty() {
        if after.is_empty() {
            remark("There are no API keys.");
        }
        return Ok(());
    }
    let heading = [
        "ID",
        "OWNER",
        "SCOPES",
        "LIMIT",
        "STATE",
        "CREATED",
        "LAST USED",
    ];
    write_output(aligned(heading, rows).as_bytes())
}

fn row(key: &ApiKey) -> [String; 7] {
    let time = |at: Option<u64>| or_dash(at.and_then(rfc3339).unwrap_or_default());
    let limit = key
        .limit
        .map(|limit| format!("{} in {} s", limit.max_requests, limit.window.as_secs()));
    let state = match (key.revoked_at, key.expires_at) {
        (Some(_), _) => format!("revoked {}", time(key.revoked_at)),
        (None, Some(at)) if at <= unix_now() => format!("expired {}", time(key.expires_at)),
        (None, Some(_)) => format!("until {}", time(key.expires_at)),
        (None, None) => "on".to_owned(),
    };
    [
        harmless(&key.id),
        harmless(&key.owner),
        or_dash(key.scope.clone()),
        or_dash(limit.unwrap_or_default()),
        state,
        time(Some(key.created)),
        time(key.last_used),
    ]
}

/// The key's members, with times as text.
fn key_json(key: &ApiKey) -> Value {
    let mut json = key.to_json();
    for (name, at) in [
        ("created", Some(key.created)),
        ("expires_at", key.expires_at),
        ("last_used", key.last_used),
        ("revoked_at", key.revoked_at),
    ] {
        json[name] = at.and_then(rfc3339).into();
    }
    json
}
