//! `sealgate audit who`: from a name to its pseudonym in the audit trail, and back. `tail` prints the trail of a server.

use clap::{ArgMatches, Command};
use sealgate::audit::Pseudonyms;
use sealgate::keys;
use sealgate::users::Users;

use super::args::{group, operand, text};
use super::settings::{RING, add_flags};
use super::table::harmless;
use super::user::for_each_account;
use super::{Failure, Remote, load_settings, tail, write_output};

pub(super) fn command() -> Command {
    let who = Command::new("who")
        .about("Print the pseudonym of a name, or the name of a pseudonym")
        .long_about(
            "Print the pseudonym that stands for a name in the audit trail (who=...), one line for each token key: the first \
             is in use, the others date from when another key was the oldest. Given 16 hexadecimal digits, print the account \
             with that pseudonym; names without an account cannot be found that way. Needs the server's token keys. Exit \
             code 1 if there is no such account, or no key.",
        )
        .arg(operand(
            "name",
            "NAME",
            "A user's name, or a pseudonym: 16 hexadecimal digits",
        ));
    let about = "Find who is behind a pseudonym in the audit trail, and print a server's trail";
    group("audit", about)
        .subcommand(tail::command())
        .subcommand(add_flags(who, &[RING]))
}

pub(super) fn run(matches: &ArgMatches, remote: Option<&Remote>) -> Result<(), Failure> {
    match (matches.subcommand(), remote) {
        (Some(("tail", matches)), _) => tail::run(matches, remote),
        (Some((_, matches)), None) => who(matches),
        (Some((what, _)), Some(_)) => Err(Failure::wrong(format!(
            "sealgate audit {what} works on the server's machine only, without --server."
        ))),
        (None, _) => unreachable!("clap requires a subcommand"),
    }
}

fn who(matches: &ArgMatches) -> Result<(), Failure> {
    let settings = load_settings(matches)?.gate;
    let name = text(matches, "name");
    let keys = Pseudonyms::under_every_key(&settings.keys)?;
    if keys.is_empty() {
        return Err(Failure::no(format!(
            "There is no token key{}, so there are no pseudonyms.",
            place(&settings.keys)
        )));
    }
    let mut lines = match pseudonym(name) {
        Some(wanted) => {
            let users = Users::new(&settings.users, &settings.store)?;
            accounts_of(name, &wanted, &keys, &users)?
        }
        None => keys.iter().map(|keys| keys.pseudonym(name)).collect(),
    };
    if lines.is_empty() {
        return Err(Failure::no(format!(
            "No account{} has this pseudonym. To compare a name without an account: sealgate audit who NAME",
            place(&settings.keys)
        )));
    }
    lines.push(String::new());
    write_output(lines.join("\n").as_bytes())
}

fn place(settings: &keys::Settings) -> String {
    let folder = settings.data_dir.as_ref();
    folder.map_or(String::new(), |folder| format!(" in {}", folder.display()))
}

/// Reads a pseudonym in upper or lower case, with or without the `who=` of an audit line.
fn pseudonym(text: &str) -> Option<String> {
    let digits = text.strip_prefix("who=").unwrap_or(text);
    let is_pseudonym = digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_pseudonym.then(|| digits.to_ascii_lowercase())
}

/// The names with this pseudonym under any of the keys. If there are none but an account is named exactly like it, the
/// pseudonyms of that account.
fn accounts_of(
    given: &str,
    pseudonym: &str,
    keys: &[Pseudonyms],
    users: &Users,
) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for_each_account(users, |user| {
        let mut own = keys.iter().map(|keys| keys.pseudonym(&user.name));
        if own.any(|own| own == pseudonym) {
            found.push(harmless(&user.name));
        }
        Ok(())
    })?;
    if found.is_empty() && users.find(given)?.is_some() {
        found.extend(keys.iter().map(|keys| keys.pseudonym(given)));
    }
    Ok(found)
}
