//! `sealgate audit who`: from a name to its pseudonym in the audit trail, and back.

use clap::{Arg, ArgMatches, Command};
use sealgate::audit::Pseudonyms;
use sealgate::keys;
use sealgate::users::Users;

use super::settings::{RING, add_flags};
use super::table::harmless;
use super::{Failure, load_settings, write_output};

/// Accounts that are asked for at a time, so that any number of them can be searched.
const PAGE: u32 = 500;

pub(super) fn command() -> Command {
    let who = Command::new("who")
        .about("Print the pseudonym of a name, or the name of a pseudonym")
        .long_about(
            "Print what stands for a name in the audit trail (who=...), a line for each token key: the first is in use, the \
             others are of times when another key was the oldest. For 16 hexadecimal digits print the account whose \
             pseudonym that is; names without an account cannot be found that way. Needs the server's token keys. Exit code \
             1 where there is no such account, or no key.",
        )
        .arg(
            Arg::new("name")
                .value_name("NAME")
                .required(true)
                .help("A user's name, or a pseudonym: 16 hexadecimal digits"),
        );
    Command::new("audit")
        .about("Read the audit trail: who is behind a pseudonym")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(add_flags(who, &[RING]))
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let Some((_, matches)) = matches.subcommand() else {
        unreachable!("clap asks for a subcommand");
    };
    let settings = load_settings(matches)?.gate;
    let name = matches.get_one::<String>("name");
    let name = name.map_or("", String::as_str);
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
            "No account{} has this pseudonym. A name without an account can only be tried: sealgate audit who NAME",
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

/// The pseudonym that this is, also with the `who=` of a line of the trail, and in capitals.
fn pseudonym(text: &str) -> Option<String> {
    let digits = text.strip_prefix("who=").unwrap_or(text);
    let is_pseudonym = digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_pseudonym.then(|| digits.to_ascii_lowercase())
}

/// The names that have this pseudonym under one of the keys; for an account of just the name that was given, the pseudonyms.
fn accounts_of(
    given: &str,
    pseudonym: &str,
    keys: &[Pseudonyms],
    users: &Users,
) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let page = users.list(&after, PAGE)?;
        let Some(last) = page.last() else {
            break;
        };
        after.clone_from(&last.name);
        for user in &page {
            if keys
                .iter()
                .any(|keys| keys.pseudonym(&user.name) == pseudonym)
            {
                found.push(harmless(&user.name));
            }
        }
    }
    if found.is_empty() && users.find(given)?.is_some() {
        found.extend(keys.iter().map(|keys| keys.pseudonym(given)));
    }
    Ok(found)
}
