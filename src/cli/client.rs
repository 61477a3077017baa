//! `sealgate client`: programs that get tokens for themselves, and their secrets.

use clap::{Arg, ArgMatches, Command};
use sealgate::Secret;
use sealgate::store::AccountKind;
use sealgate::tokens::OPEN_LOGIN_SCOPE;
use sealgate::users::Users;

use super::administration::{Accounts, Edit};
use super::args::{flag, group, operand, option, text};
use super::audit::Trail;
use super::changes::Changes;
use super::local::Local;
use super::settings::{AUDIT, RING, STORE, Used};
use super::{Failure, Remote, load_settings, settings, user, write_output};

pub(super) fn command() -> Command {
    group("client", "Create, list and change OAuth 2.0 clients")
        .long_about(
            "Create, list and change OAuth 2.0 clients: programs that get tokens for themselves at POST /token. A client is an \
             account with a generated secret in place of a password. A running server with the same data directory detects \
             changes within a second. Exit code 1 if there is no such client, or already an account with that name.",
        )
        .defer(add_subcommands)
}

fn add_subcommands(command: Command) -> Command {
    let add = Command::new("add")
        .about("Create a client and print its secret")
        .long_about(
            "Create a client and print its secret. The store has only a hash of it, so it cannot be printed again. Once there \
             has been an account, POST /login requires a password.",
        )
        .arg(name())
        .arg(
            option(
                "scopes",
                "NAMES",
                "Scopes that tokens of the client may have, separated by spaces (rewrap and introspect are others)",
            )
            .default_value(OPEN_LOGIN_SCOPE),
        );
    let list = Command::new("list")
        .about("List the clients")
        .arg(flag("json", "Print JSON for programs, one client a line"));
    let secret = Command::new("secret")
        .about("Replace a client's secret, revoke its tokens, and print the new secret")
        .arg(name());
    let scopes = Command::new("scopes")
        .about("Change a client's scopes; removing one revokes its tokens")
        .arg(name())
        .arg(operand(
            "scopes",
            "NAMES",
            "All scopes that it has from now on, separated by spaces; may be empty",
        ));
    let disable = Command::new("disable")
        .about("Disable a client and permanently revoke its tokens")
        .arg(name());
    let enable = Command::new("enable")
        .about("Enable a client again")
        .arg(name());
    let remove = Command::new("remove")
        .about("Remove a client and revoke its tokens")
        .arg(name());
    [add, list, secret, scopes, disable, enable, remove]
        .into_iter()
        .fold(command, |command, one| {
            let used: &[Used] = match one.get_name() {
                "list" => &[STORE],
                _ => &[RING, AUDIT],
            };
            command.subcommand(settings::add_flags(one, used))
        })
}

fn name() -> Arg {
    operand("name", "NAME", "The client's id (client_id)")
}

pub(super) fn run(matches: &ArgMatches, remote: Option<&Remote>) -> Result<(), Failure> {
    let Some((what, matches)) = matches.subcommand() else {
        unreachable!("clap requires a subcommand");
    };
    if let Some(remote) = remote {
        let changes = Changes::on_server(remote.url());
        return match what {
            "list" => user::list(remote, CLIENT, &changes, matches),
            _ => change(what, remote, &changes, matches),
        };
    }
    let settings = load_settings(matches)?;
    let users = Users::new(&settings.gate.users, &settings.gate.store)?;
    let changes = Changes::before(&settings.gate.keys);
    if what == "list" {
        return user::list(&Local::reading(&users), CLIENT, &changes, matches);
    }
    changes.must_be_kept()?;
    let trail = Trail::start(&settings)?;
    let events = trail.with_users()?;
    let clients = Local::changing(&users, &events, trail.asker());
    change(what, &clients, &changes, matches)
}

const CLIENT: AccountKind = AccountKind::Client;

fn change(
    what: &str,
    clients: &dyn Accounts,
    changes: &Changes,
    matches: &ArgMatches,
) -> Result<(), Failure> {
    let name = text(matches, "name");
    let missing = |changed: bool| match changed {
        true => Ok(()),
        false => Err(changes.no_such_account()),
    };
    let mut secret = None;
    match what {
        "add" => secret = Some(clients.add_client(name, text(matches, "scopes"))?),
        "secret" => {
            secret = clients.renew_secret(name)?;
            missing(secret.is_some())?;
        }
        "scopes" => missing(clients.edit(CLIENT, name, Edit::Scope(text(matches, "scopes")))?)?,
        "disable" | "enable" => {
            let edit = Edit::Disabled(what == "disable");
            missing(clients.edit(CLIENT, name, edit)?)?;
        }
        "remove" => missing(clients.remove(CLIENT, name)?)?,
        _ => unreachable!("clap requires a known subcommand"),
    }
    changes.report_store();
    secret.as_ref().map_or(Ok(()), print)
}

fn print(secret: &Secret) -> Result<(), Failure> {
    write_output(secret.expose())?;
    write_output(b"\n")
}
