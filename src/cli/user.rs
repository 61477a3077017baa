//! `sealgate user`: accounts, their passwords and their scopes.

use clap::{Arg, ArgMatches, Command};
use sealgate::store::AccountKind;
use sealgate::tokens::OPEN_LOGIN_SCOPE;
use sealgate::users::{User, Users};
use serde_json::{Map, Value, json};

use super::administration::{Accounts, Edit};
use super::args::{flag, group, operand, option, text};
use super::audit::Trail;
use super::changes::Changes;
use super::local::Local;
use super::settings::{AUDIT, PASSWORDS, RING, STORE, Used};
use super::table::{aligned, harmless, harmless_json, or_dash, rfc3339};
use super::{Failure, Remote, load_settings, password, session, settings, write_output};

pub(super) fn command() -> Command {
    group("user", "Create, list and change accounts")
        .long_about(
            "Create, list and change accounts. A running server with the same data directory detects changes within a \
             second. Exit code 1 if there is no such account, or already one with that name.",
        )
        // Their many flags are built only when needed: a server needs none of them.
        .defer(add_subcommands)
}

fn add_subcommands(command: Command) -> Command {
    let add = Command::new("add")
        .about("Create an account; its password is typed, or read from one line of standard input")
        .long_about(
            "Create an account. Its password (8 to 128 characters, not one of the most common) is typed at the terminal, or \
             read from one line of standard input. Once there has been an account, POST /login requires a password.",
        )
        .arg(name())
        .arg(
            option(
                "scopes",
                "NAMES",
                "Scopes that tokens of the account may have, separated by spaces (rewrap and introspect are others)",
            )
            .default_value(OPEN_LOGIN_SCOPE),
        )
        .arg(
            option(
                "claims",
                "JSON",
                "Claims that the tokens of its logins get, a JSON object: '{\"department\": \"ops\"}'",
            )
            .default_value("{}"),
        );
    let list = Command::new("list")
        .about("List the accounts")
        .arg(flag("json", "Print JSON for programs, one account a line"));
    let passwd = Command::new("passwd")
        .about("Change an account's password and revoke its tokens")
        .arg(name());
    let scopes = Command::new("scopes")
        .about("Change an account's scopes; removing one revokes its tokens")
        .arg(name())
        .arg(operand(
            "scopes",
            "NAMES",
            "All scopes that it has from now on, separated by spaces; may be empty",
        ));
    let claims = Command::new("claims")
        .about("Show or change the claims that an account's logins get; removing or changing one revokes its tokens")
        .arg(name())
        .arg(
            operand(
                "claims",
                "JSON",
                "All claims that it has from now on, a JSON object: '{\"department\": \"ops\"}'; {} removes them",
            )
            .required(false),
        );
    let disable = Command::new("disable")
        .about("Disable an account and permanently revoke its tokens")
        .arg(name());
    let enable = Command::new("enable")
        .about("Enable an account again")
        .arg(name());
    let unlock = Command::new("unlock")
        .about("Forget the wrong passwords for an account, which delay its logins")
        .arg(name());
    let remove = Command::new("remove")
        .about("Remove an account and revoke its tokens")
        .arg(name());
    let sessions = Command::new("sessions")
        .about("List the logins of an account; sealgate session end ends one")
        .long_about(
            "List the logins of an account that can be refreshed, oldest first. sealgate session end ends one of them by its \
             ID, and sealgate token revoke --user all of them. Exit code 1 if there is no such account.",
        )
        .arg(name())
        .arg(flag("json", "Print JSON for programs, one login a line"));
    [
        add, list, passwd, scopes, claims, disable, enable, unlock, remove, sessions,
    ]
    .into_iter()
    .fold(command, |command, one| {
        let used: &[Used] = match one.get_name() {
            "list" | "sessions" => &[STORE],
            "add" | "passwd" => &[RING, AUDIT, PASSWORDS],
            _ => &[RING, AUDIT],
        };
        command.subcommand(settings::add_flags(one, used))
    })
}

fn name() -> Arg {
    operand("name", "NAME", "The account's name")
}

pub(super) fn run(matches: &ArgMatches, remote: Option<&Remote>) -> Result<(), Failure> {
    let Some((what, matches)) = matches.subcommand() else {
        unreachable!("clap requires a subcommand");
    };
    if let Some(remote) = remote {
        let changes = Changes::on_server(remote.url());
        return match reads(what, matches) {
            true => read(what, remote, &changes, matches),
            false => change(what, remote, &changes, matches),
        };
    }
    let settings = load_settings(matches)?;
    let users = Users::new(&settings.gate.users, &settings.gate.store)?;
    let changes = Changes::before(&settings.gate.keys);
    if reads(what, matches) {
        return read(what, &Local::reading(&users), &changes, matches);
    }
    changes.must_be_kept()?;
    let trail = Trail::start(&settings)?;
    let events = trail.with_users()?;
    let accounts = Local::changing(&users, &events, trail.asker());
    change(what, &accounts, &changes, matches)
}

/// Whether a subcommand only reads.
fn reads(what: &str, matches: &ArgMatches) -> bool {
    match what {
        "list" | "sessions" => true,
        "claims" => !matches.contains_id("claims"),
        _ => false,
    }
}

fn read(
    what: &str,
    accounts: &dyn Accounts,
    changes: &Changes,
    matches: &ArgMatches,
) -> Result<(), Failure> {
    match what {
        "list" => list(accounts, AccountKind::User, changes, matches),
        "sessions" => session::list(accounts, changes, matches),
        _ => {
            let user = accounts.find(text(matches, "name"))?;
            let user = user.filter(|user| user.kind == AccountKind::User);
            let user = user.ok_or_else(|| changes.no_such_account())?;
            write_output(harmless_json(&format!("{}\n", user.claims)).as_bytes())
        }
    }
}

fn change(
    what: &str,
    accounts: &dyn Accounts,
    changes: &Changes,
    matches: &ArgMatches,
) -> Result<(), Failure> {
    const USER: AccountKind = AccountKind::User;
    let name = text(matches, "name");
    let missing = |changed: bool| match changed {
        true => Ok(()),
        false => Err(changes.no_such_account()),
    };
    match what {
        "add" => accounts.add_user(
            name,
            &password::read_new()?,
            text(matches, "scopes"),
            text(matches, "claims"),
        )?,
        "passwd" => {
            // Checked first, so that nobody types a password for an account that does not exist.
            let user = accounts.find(name)?;
            missing(user.is_some_and(|user| user.kind == USER))?;
            missing(accounts.set_password(name, &password::read_new()?)?)?;
        }
        "scopes" => missing(accounts.edit(USER, name, Edit::Scope(text(matches, "scopes")))?)?,
        "claims" => missing(accounts.edit(USER, name, Edit::Claims(text(matches, "claims")))?)?,
        "disable" | "enable" => {
            let edit = Edit::Disabled(what == "disable");
            missing(accounts.edit(USER, name, edit)?)?;
        }
        "unlock" => missing(accounts.unlock(name)?)?,
        "remove" => missing(accounts.remove(USER, name)?)?,
        _ => unreachable!("clap requires a known subcommand"),
    }
    changes.report_store();
    Ok(())
}

/// Lists the accounts of a kind.
pub(super) fn list(
    accounts: &dyn Accounts,
    kind: AccountKind,
    changes: &Changes,
    matches: &ArgMatches,
) -> Result<(), Failure> {
    let json = matches.get_flag("json");
    let mut rows = Vec::new();
    let mut none = true;
    for_each(accounts, kind, |user| {
        none = false;
        match json {
            true => write_output(harmless_json(&format!("{}\n", user_json(user))).as_bytes())?,
            false => rows.push(row(user)),
        }
        Ok(())
    })?;
    if none {
        changes.report_no_accounts();
    }
    match rows.is_empty() {
        true => Ok(()),
        false => {
            let heading = ["NAME", "SCOPES", "STATE", "CREATED", "CLAIMS"];
            write_output(aligned(heading, rows).as_bytes())
        }
    }
}

/// All accounts, of users and of clients.
pub(super) fn for_each_account(
    users: &Users,
    mut work: impl FnMut(&User) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let accounts = Local::reading(users);
    for_each(&accounts, AccountKind::User, &mut work)?;
    for_each(&accounts, AccountKind::Client, work)
}

/// Reads a page of accounts at a time, so that there may be any number of them.
fn for_each(
    accounts: &dyn Accounts,
    kind: AccountKind,
    mut work: impl FnMut(&User) -> Result<(), Failure>,
) -> Result<(), Failure> {
    const PAGE: u32 = 500;
    let mut after = String::new();
    loop {
        let page = accounts.page(kind, &after, PAGE)?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after.clone_from(&last.name);
        page.iter().try_for_each(&mut work)?;
    }
}

fn row(user: &User) -> [String; 5] {
    let claims = claims_of(user);
    let claims: Vec<&str> = claims.keys().map(String::as_str).collect();
    [
        harmless(&user.name),
        or_dash(user.scope.clone()),
        if user.disabled { "disabled" } else { "on" }.to_owned(),
        or_dash(rfc3339(user.created).unwrap_or_default()),
        // Their values may be long.
        or_dash(harmless(&claims.join(","))),
    ]
}

fn claims_of(user: &User) -> Map<String, Value> {
    serde_json::from_str(&user.claims).unwrap_or_default()
}

fn user_json(user: &User) -> Value {
    json!({
        "name": user.name,
        "scope": user.scope,
        "disabled": user.disabled,
        "created": rfc3339(user.created),
        "claims": claims_of(user),
    })
}
