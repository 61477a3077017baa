//! `sealgate token`: issues, verifies, inspects and revokes tokens.

use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Arg, ArgMatches, Command, value_parser};
use sealgate::tokens::{MAX_TTL, OPEN_LOGIN_SCOPE, Unverified};
use sealgate::users::User;
use sealgate::{Error, Gate, Grant, Secret, TokenError};
use serde_json::{Value, json};

use super::args::{group, operand, option, text};
use super::audit::Trail;
use super::changes::Changes;
use super::settings::{AUDIT, CLAIMS, NEW_KEYS, RING};
use super::{
    Failure, gate_of, load_settings, open_gate, print_json, read_input, remark, settings,
    write_output,
};

pub(super) fn command() -> Command {
    let issue = Command::new("issue")
        .about("Issue a token and print it")
        .arg(option("user", "NAME", "The user that the token is for").required(true))
        .arg(option("scope", "NAMES", format!(
            "Its scopes, separated by spaces [default: those of the user's account, or without one {OPEN_LOGIN_SCOPE}]"
        )))
        .arg(
            option("ttl", "SECONDS", "How long it is valid [default: the setting token-ttl]")
                .value_parser(value_parser!(u64).range(1..=MAX_TTL)),
        )
        .arg(
            option("claims", "JSON", "Claims of your own, a JSON object: '{\"department\": \"ops\"}'")
                .value_parser(NonEmptyStringValueParser::new()),
        )
        .arg(
            option(
                "not_before",
                "TIME",
                "When it becomes valid, in seconds since 1970 (date -d 'tomorrow 8:00' +%s)",
            )
            .long("not-before")
            .value_parser(value_parser!(u64)),
        );
    let verify = Command::new("verify")
        .about("Check a token from standard input and print its claims")
        .long_about(
            "Check a token from standard input (or the argument, which other users of the machine can see) and print its \
             claims as JSON. Exit code 1 if it is refused.",
        )
        .arg(token_argument());
    let inspect = Command::new("inspect")
        .about("Print what a token contains, without checking its signature")
        .long_about(
            "Print the header and claims of a token from standard input as JSON. Only its form is checked: do not trust its \
             contents.",
        )
        .arg(token_argument());
    let revoke = Command::new("revoke")
        .about("Revoke a token from standard input, a token by its id, or all tokens of a user")
        .long_about(
            "Revoke a token from standard input (and the login that it comes from), a token by its id, or all tokens of a \
             user that were issued until now. Every server and program that uses the same data directory refuses them within \
             a second. Exit code 1 if the token is not one of ours, or has expired.",
        )
        .arg(token_argument().conflicts_with_all(["id", "of"]))
        .arg(
            option("id", "ID", "The id of a token (jti), or of a login (sid)")
                // One id in 64 begins with a hyphen.
                .allow_hyphen_values(true)
                .conflicts_with("of"),
        )
        .arg(
            option(
                "of",
                "NAME",
                "All tokens of this user issued until now; tokens without a time of issue stay revoked for good",
            )
            .long("user"),
        );
    group("token", "Issue, verify, inspect and revoke tokens")
        .subcommand(settings::add_flags(
            issue,
            &[RING, NEW_KEYS, CLAIMS, AUDIT, &["token_ttl", "login"]],
        ))
        .subcommand(settings::add_flags(
            verify,
            &[RING, NEW_KEYS, CLAIMS, &["leeway", "login"]],
        ))
        .subcommand(inspect)
        .subcommand(settings::add_flags(
            revoke,
            &[RING, NEW_KEYS, CLAIMS, AUDIT, &["token_ttl", "leeway"]],
        ))
}

fn token_argument() -> Arg {
    let help = "The token; read from standard input if missing or -";
    operand("token", "TOKEN", help).required(false)
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    match matches.subcommand() {
        Some(("issue", matches)) => issue(matches),
        Some(("verify", matches)) => verify(matches),
        Some(("inspect", matches)) => inspect(matches),
        Some(("revoke", matches)) => revoke(matches),
        _ => unreachable!("clap requires a known subcommand"),
    }
}

fn issue(matches: &ArgMatches) -> Result<(), Failure> {
    let settings = load_settings(matches)?;
    let trail = Trail::start(&settings)?;
    let gate = gate_of(&settings)?;
    let subject = text(matches, "user");
    let account = gate.users().find(subject)?;
    let scope = &match matches.get_one::<String>("scope") {
        Some(given) => given.clone(),
        None => gate.default_scope(subject)?,
    };
    let grant = Grant {
        subject,
        scope,
        ttl: matches
            .get_one::<u64>("ttl")
            .copied()
            .map(Duration::from_secs),
        claims: text(matches, "claims"),
        not_before: matches.get_one::<u64>("not_before").copied(),
        // The setting's, for which there is a flag.
        audience: "",
    };
    let token = gate.issue_token_by(&grant, trail.asker())?;
    match &account {
        Some(account) => warn_of_account(account, scope),
        None if gate.wants_passwords() => remark(
            "Warning: there is no account with this name, and there have been accounts: the token will be refused (sealgate user add creates one).",
        ),
        None => {}
    }
    write_output(format!("{token}\n").as_bytes())
}

/// Warns if a token does not match the account of its user.
fn warn_of_account(account: &User, scope: &str) {
    if account.disabled {
        remark(
            "Warning: the account with this name is disabled: the token is refused until it is enabled (sealgate user enable).",
        );
    }
    let has = |name: &&str| account.scope.split(' ').any(|own| own == *name);
    let beyond: Vec<&str> = scope
        .split(' ')
        .filter(|name| !name.is_empty() && !has(name))
        .collect();
    if !beyond.is_empty() {
        remark(&format!(
            "Warning: this token permits more than its user's account, which does not have: {}",
            beyond.join(" ")
        ));
    }
}

fn verify(matches: &ArgMatches) -> Result<(), Failure> {
    let gate = open_gate(matches)?;
    let token = given_token(matches)?;
    let claims = gate
        .verify_token(utf8(&token)?)
        .map_err(|error| Failure::no(format!("{error} ({})", error.code())))?;
    print_json(&json!({
        "user": claims.subject(),
        "scope": claims.scope(),
        "expires_at": claims.expires_at(),
        "claims": serde_json::from_str::<Value>(claims.json()).unwrap_or_default(),
    }))
}

fn inspect(matches: &ArgMatches) -> Result<(), Failure> {
    let token = given_token(matches)?;
    let token = Unverified::read(utf8(&token)?)
        .map_err(|error| Failure::no(format!("{error} ({})", error.code())))?;
    let now = sealgate::unix_now() as f64;
    let expires_at = token.claims().get("exp").and_then(Value::as_f64);
    print_json(&json!({
        "verified": false,
        "expired": expires_at.map(|expires_at| expires_at < now),
        "header": token.header(),
        "claims": token.claims(),
    }))
}

fn revoke(matches: &ArgMatches) -> Result<(), Failure> {
    let settings = load_settings(matches)?;
    let trail = Trail::start(&settings)?;
    let changes = Changes::before(&settings.gate.keys);
    changes.must_be_kept()?;
    let gate = Gate::new(&settings.gate)?;
    let given = |name: &str| matches.get_one::<String>(name);
    let asker = trail.asker();
    let done = if let Some(user) = given("of") {
        gate.revoke_user_by(user, asker)
    } else if let Some(id) = given("id") {
        gate.revoke_token_id_by(id, None, asker)
    } else {
        let token = given_token(matches)?;
        gate.revoke_token_by(utf8(&token)?, asker).map(drop)
    };
    match done {
        Ok(_) => changes.report_store(),
        Err(_) => changes.report_ring_on_the_way(),
    }
    done.map_err(|error| match error {
        Error::Token(error) => Failure::no(format!("{error} ({})", error.code())),
        other => other.into(),
    })
}

fn given_token(matches: &ArgMatches) -> Result<Secret, Failure> {
    match text(matches, "token") {
        "" | "-" => {
            // Other tools add a newline.
            let input = read_input()?;
            Ok(input.expose().trim_ascii().into())
        }
        token => Ok(token.into()),
    }
}

fn utf8(token: &Secret) -> Result<&str, Failure> {
    token
        .expose_str()
        .map_err(|_| Failure::no(TokenError::Malformed.to_string()))
}
