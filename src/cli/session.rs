//! `sealgate session` ends logins, and `sealgate user sessions` lists them.

use clap::{ArgMatches, Command};
use sealgate::users::{UserSession, Users};
use serde_json::{Value, json};

use super::administration::Accounts;
use super::args::{group, operand, text};
use super::audit::Trail;
use super::changes::Changes;
use super::local::Local;
use super::settings::{AUDIT, RING, add_flags};
use super::table::{aligned, harmless, or_dash, rfc3339};
use super::{Failure, Remote, load_settings, write_output};

pub(super) fn command() -> Command {
    let end = Command::new("end")
        .about("End a login and revoke its tokens")
        .long_about(
            "End a login that can be refreshed, and revoke its tokens. Every server and program that uses the same data \
             directory refuses them within a second. Exit code 1 if there is no such login.",
        )
        .arg(operand(
            "id",
            "ID",
            "The login's ID, as sealgate user sessions shows it (sid in its tokens); put -- before an ID that begins with a \
             hyphen",
        ));
    group("session", "End logins").subcommand(add_flags(end, &[RING, AUDIT]))
}

pub(super) fn run(matches: &ArgMatches, remote: Option<&Remote>) -> Result<(), Failure> {
    let Some((_, matches)) = matches.subcommand() else {
        unreachable!("clap requires a subcommand");
    };
    if let Some(remote) = remote {
        return end(remote, &Changes::on_server(remote.url()), matches);
    }
    let settings = load_settings(matches)?;
    let users = Users::new(&settings.gate.users, &settings.gate.store)?;
    let changes = Changes::before(&settings.gate.keys);
    changes.must_be_kept()?;
    let trail = Trail::start(&settings)?;
    let events = trail.with_users()?;
    let accounts = Local::changing(&users, &events, trail.asker());
    end(&accounts, &changes, matches)
}

fn end(accounts: &dyn Accounts, changes: &Changes, matches: &ArgMatches) -> Result<(), Failure> {
    match accounts.end_session(text(matches, "id"))? {
        true => {
            changes.report_store();
            Ok(())
        }
        false => Err(Failure::no(
            "There is no such login: it has ended, or it cannot be refreshed. To revoke its tokens by their sid: sealgate \
             token revoke --id SID",
        )),
    }
}

pub(super) fn list(
    accounts: &dyn Accounts,
    changes: &Changes,
    matches: &ArgMatches,
) -> Result<(), Failure> {
    let sessions = accounts
        .sessions(text(matches, "name"))?
        .ok_or_else(|| changes.no_such_account())?;
    if matches.get_flag("json") {
        let lines: String = sessions
            .iter()
            .map(|session| format!("{}\n", session_json(session)))
            .collect();
        return write_output(lines.as_bytes());
    }
    if sessions.is_empty() {
        return Ok(());
    }
    let heading = ["ID", "STARTED", "REFRESHED", "EXPIRES"];
    write_output(aligned(heading, sessions.iter().map(row)).as_bytes())
}

fn row(session: &UserSession) -> [String; 4] {
    let time = |time: Option<u64>| or_dash(time.and_then(rfc3339).unwrap_or_default());
    [
        harmless(&session.id),
        time(session.started),
        time(session.refreshed),
        time(Some(session.expires)),
    ]
}

fn session_json(session: &UserSession) -> Value {
    json!({
        "id": session.id,
        "started": session.started.and_then(rfc3339),
        "refreshed": session.refreshed.and_then(rfc3339),
        "expires": rfc3339(session.expires),
    })
}
