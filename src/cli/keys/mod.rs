//! `sealgate keys`: lists keys, adds new ones, and sets which old ones are accepted. `rest` handles the ring's file and its
//! export, `shown` prints keys.

mod rest;
mod shown;

use std::time::Duration;

use clap::{Arg, ArgMatches, Command};
use sealgate::gate::KeyAdmin;
use sealgate::keys::{self, Changed, KeyKind, KeyList, KeyState, NewKeys};
use sealgate::{TokenAlgorithm, unix_now};
use serde_json::json;

use super::args::{flag, group, operand, option};
use super::audit::Trail;
use super::changes::Changes;
use super::settings::{AUDIT, CBC, NEW_KEYS, RING, Used};
use super::table::{aligned, grouped, harmless, or_dash, rfc3339};
use super::{Failure, Remote, load_settings, print_json, remark, settings, write_output};
use shown::{created, key_json, report, until};

/// How long tokens of a replaced key may live.
const GRACE: Used = &["token_ttl", "refresh_ttl", "leeway"];

pub(super) fn command() -> Command {
    let list = Command::new("list")
        .about("List the keys of the ring and of the settings, without their secrets")
        .long_about(
            "List the keys of the ring and of the settings, oldest first, without their secrets, and show which ones are used \
             for new tokens and new data. MESSAGES is how many messages a data key of the ring has sealed, in all programs \
             that use this data directory; the last second of running servers may be missing. Messages under keys from the \
             environment are not counted. Nothing is created or changed. Exit code 1 if a key ring is needed and there is none.",
        )
        .arg(flag("json", "Print JSON for programs"));
    let generate = Command::new("generate")
        .about("Add a new token key and a new data key to the ring, or create the ring")
        .long_about(
            "Add a new token key and a new data key to the ring as the newest, or create the ring if there is none, always \
             with both. Existing keys stay, and still verify tokens and decrypt data made with them. The previous ring is \
             kept beside it as keys.json.bak. Running servers use the new keys within half a second; a token key with a \
             public key only after SEALGATE_TOKEN_KEY_LEAD, as with sealgate keys rotate.",
        )
        .arg(flag("token", "Add a token key (and no data key without --data)"))
        .arg(flag("data", "Add a data key (and no token key without --token)"))
        .arg(now_flag())
        .arg(flag("json", "Print JSON for programs"));
    let rotate = Command::new("rotate")
        .about("Replace the token key and the data key; the old ones stay accepted for a time")
        .long_about(
            "Add a new token key and a new data key to the ring, which replace those in use. The old token key is accepted \
             until the last of its tokens has expired, the old data key indefinitely, unless --grace sets a time. Running \
             servers use the new keys within half a second, and no request fails. The previous ring is kept beside it as \
             keys.json.bak.\n\n\
             Clients verify tokens of an EdDSA or ES256 key with a copy of jwks.json. Such a key is therefore published first, \
             as the next key, and signs after SEALGATE_TOKEN_KEY_LEAD (15 minutes), on all servers that use the ring. With \
             --now or --grace 0 it signs at once, and clients reject its tokens until they fetch jwks.json again. \
             sealgate keys retire withdraws a next key.",
        )
        .arg(flag("token", "Replace the token key (and no data key without --data)"))
        .arg(flag("data", "Replace the data key (and no token key without --token)"))
        .arg(
            option(
                "grace",
                "SECONDS",
                "How long the replaced keys are still accepted after that; 0: not at all, and no older token key either",
            )
            .value_parser(clap::value_parser!(u32)),
        )
        .arg(now_flag())
        .arg(flag("json", "Print JSON for programs"));
    let retire = Command::new("retire")
        .about("Stop accepting tokens and data made with these keys")
        .long_about(
            "Stop accepting tokens and decrypting data that were made with these keys, given by their ids. The keys stay in \
             the ring: sealgate keys accept undoes this. The newest keys cannot be retired: replace them first. A next key, \
             which has not signed anything yet, is removed from the ring and never signs.",
        )
        .arg(ids())
        .arg(flag("json", "Print JSON for programs"));
    let accept = Command::new("accept")
        .about("Accept tokens and data made with these keys again, indefinitely or for a time")
        .arg(ids())
        .arg(
            option("for", "SECONDS", "For this long [default: indefinitely]")
                .value_parser(clap::value_parser!(u32)),
        )
        .arg(flag("json", "Print JSON for programs"));
    group(
        "keys",
        "List keys, create the key ring, replace and retire keys",
    )
    .subcommand(settings::add_flags(list, &[RING, CBC]))
    .subcommand(settings::add_flags(generate, &[RING, NEW_KEYS, AUDIT]))
    .subcommand(settings::add_flags(rotate, &[RING, NEW_KEYS, AUDIT, GRACE]))
    .subcommand(settings::add_flags(retire, &[RING, AUDIT]))
    .subcommand(settings::add_flags(accept, &[RING, AUDIT]))
    .subcommands(rest::commands())
}

fn ids() -> Arg {
    let help =
        "Key ids, as sealgate keys list shows them; put -- before an id that begins with a hyphen";
    operand("id", "ID", help).num_args(1..)
}

fn now_flag() -> Arg {
    flag(
        "now",
        "Sign with the new token key at once, before clients know it",
    )
}

pub(super) fn run(matches: &ArgMatches, remote: Option<&Remote>) -> Result<(), Failure> {
    if let Some(remote) = remote {
        return on_server(matches, remote);
    }
    match matches.subcommand() {
        Some(("list", matches)) => list(matches),
        Some(("generate", matches)) => generate(matches),
        Some(("rotate", matches)) => rotate(matches),
        Some(("seal", matches)) => rest::seal(matches),
        Some(("unseal", matches)) => rest::unseal(matches),
        Some(("export", matches)) => rest::export(matches),
        Some(("import", matches)) => rest::import(matches),
        Some(("retire", matches)) => set_state(matches, KeyState::Retired),
        Some(("accept", matches)) => {
            let state = seconds(matches, "for").map_or(KeyState::Accepted, |seconds| {
                KeyState::AcceptedUntil(unix_now().saturating_add(seconds.into()))
            });
            set_state(matches, state)
        }
        _ => unreachable!("clap requires a known subcommand"),
    }
}

fn on_server(matches: &ArgMatches, remote: &Remote) -> Result<(), Failure> {
    let changes = Changes::on_server(remote.url());
    match matches.subcommand() {
        Some(("list", matches)) => show(matches, &remote.keys()?),
        Some(("rotate", matches)) => {
            let rotated = remote.rotate(chosen(matches), seconds(matches, "grace"))?;
            report(matches, &rotated, true)
        }
        Some(("retire", matches)) => {
            let changed = remote.retire_keys(&ids_of(matches))?;
            report_states(matches, &changed, KeyState::Retired, &changes)
        }
        Some(("accept", matches)) => {
            let seconds = seconds(matches, "for");
            let (changed, state) = remote.accept_keys(&ids_of(matches), seconds)?;
            report_states(matches, &changed, state, &changes)
        }
        Some((what, _)) => Err(Failure::wrong(format!(
            "sealgate keys {what} works on the server's machine only, without --server."
        ))),
        None => unreachable!("clap requires a subcommand"),
    }
}

fn list(matches: &ArgMatches) -> Result<(), Failure> {
    let settings = load_settings(matches)?.gate.keys;
    let listed = keys::list(&settings)?;
    show(matches, &listed)?;
    if listed.is_complete() {
        return Ok(());
    }
    Err(no_ring(&settings))
}

/// For settings that name no ring which exists.
fn no_ring(settings: &keys::Settings) -> Failure {
    let place = settings.shared.url.as_ref().map(ToString::to_string);
    let folder = settings.data_dir.as_ref();
    let place = place.or_else(|| folder.map(|folder| folder.display().to_string()));
    Failure::no(match place {
        _ if settings.ephemeral => {
            "With SEALGATE_KEYS=ephemeral each process creates its own random keys, which cannot be listed.".to_owned()
        }
        Some(place) => format!(
            "There is no key ring in {place} yet. Create it with: sealgate keys generate (or let the first sealgate serve do it)."
        ),
        None => "There is no data directory for a key ring. Set SEALGATE_DATA_DIR.".to_owned(),
    })
}

fn show(matches: &ArgMatches, listed: &KeyList) -> Result<(), Failure> {
    if matches.get_flag("json") {
        print_json(&json!({
            "ring": listed.ring.as_ref().map(|path| path.to_string_lossy()),
            "complete": listed.is_complete(),
            "keys": listed.keys.iter().map(|key| {
                let mut json = key_json(key);
                json["messages"] = listed.messages(key).into();
                json
            }).collect::<Vec<_>>(),
        }))?;
    } else if !listed.keys.is_empty() {
        write_output(table(listed).as_bytes())?;
    }
    if let Some(trouble) = &listed.usage.trouble {
        remark(trouble);
    }
    Ok(())
}

fn table(listed: &KeyList) -> String {
    // If new data is encrypted with AES-CBC, the newest data key is only for calls that ask for sealed data.
    let cbc = listed
        .keys
        .iter()
        .any(|key| key.kind == KeyKind::AesCbc && key.newest);
    let rows = listed.keys.iter().map(|key| {
        let newest = match key.kind {
            _ if !key.newest => match key.signs_from.and_then(rfc3339) {
                Some(time) => &format!("next, signs from {time}"),
                None => "",
            },
            KeyKind::Token => "for new tokens",
            KeyKind::Data if cbc => "for data sealed by seal()",
            _ => "for new data",
        };
        [
            key.kind.to_string(),
            or_dash(key.id.clone()),
            or_dash(key.algorithm.map_or("", TokenAlgorithm::name).to_owned()),
            or_dash(created(key).unwrap_or_default()),
            or_dash(newest.to_owned()),
            accepted(key.state),
            or_dash(listed.messages(key).map(grouped).unwrap_or_default()),
            harmless(&key.from),
        ]
    });
    let heading = [
        "KIND",
        "ID",
        "ALGORITHM",
        "CREATED",
        "NEWEST",
        "ACCEPTED",
        "MESSAGES",
        "FROM",
    ];
    aligned(heading, rows)
}

fn accepted(state: KeyState) -> String {
    match (state, state.accepts_at(unix_now())) {
        (KeyState::Accepted, _) => "yes".to_owned(),
        (_, true) => format!("until {}", until(state).unwrap_or_default()),
        (KeyState::Retired, _) => "no".to_owned(),
        (_, false) => format!("no, since {}", until(state).unwrap_or_default()),
    }
}

fn rotate(matches: &ArgMatches) -> Result<(), Failure> {
    let all = load_settings(matches)?;
    let trail = Trail::start(&all)?;
    let settings = &all.gate.keys;
    let grace = seconds(matches, "grace").map(|seconds| Duration::from_secs(seconds.into()));
    let keys = KeyAdmin::new(&all.gate, trail.asker());
    // A new ring would not be the one that a running server uses.
    let is_none = || keys.list().is_ok_and(|listed| listed.ring.is_none());
    if !settings.ephemeral && is_none() {
        return Err(no_ring(settings));
    }
    let rotated = keys.rotate(chosen(matches), |kind| match kind {
        _ if grace.is_some() => grace,
        KeyKind::Token => Some(settings.rotation.token_grace),
        _ => None,
    });
    report(matches, &rotated?, true)
}

fn set_state(matches: &ArgMatches, state: KeyState) -> Result<(), Failure> {
    let all = load_settings(matches)?;
    let trail = Trail::start(&all)?;
    let settings = &all.gate.keys;
    let changes = Changes::before(settings);
    let changed = KeyAdmin::new(&all.gate, trail.asker()).set_state(&ids_of(matches), state)?;
    report_states(matches, &changed, state, &changes)
}

fn seconds(matches: &ArgMatches, flag: &str) -> Option<u32> {
    matches.get_one(flag).copied()
}

fn ids_of(matches: &ArgMatches) -> Vec<&str> {
    let ids = matches.get_many::<String>("id").into_iter().flatten();
    ids.map(String::as_str).collect()
}

fn report_states(
    matches: &ArgMatches,
    changed: &Changed,
    state: KeyState,
    changes: &Changes,
) -> Result<(), Failure> {
    if !changed.keys.is_empty() || !changed.withdrawn.is_empty() {
        changes.report_ring();
    }
    if matches.get_flag("json") {
        let keys = changed.keys.iter();
        return print_json(&json!({
            "ring": changed.ring.to_string_lossy(),
            "changed": keys.map(|(kind, id, _)| json!({"kind": kind.name(), "id": id})).collect::<Vec<_>>(),
            "withdrawn": changed.withdrawn,
            "accepted": state.accepts_at(unix_now()),
            "accepted_until": until(state),
        }));
    }
    let mut text = String::new();
    for (kind, id, before) in &changed.keys {
        text.push_str(&format!(
            "{kind} key {id}: accepted {} (before: {})\n",
            accepted(state),
            accepted(*before)
        ));
    }
    for id in &changed.withdrawn {
        text.push_str(&format!(
            "token key {id}: withdrawn before it signed anything, and no longer in the ring\n"
        ));
    }
    if text.is_empty() {
        text.push_str("Nothing to change.\n");
    }
    write_output(text.as_bytes())
}

/// The kinds of key that were asked for; both if none was.
fn chosen(matches: &ArgMatches) -> NewKeys {
    let (token, data) = (matches.get_flag("token"), matches.get_flag("data"));
    let both = token == data;
    NewKeys {
        token: token || both,
        data: data || both,
        now: matches.get_flag("now"),
    }
}

fn generate(matches: &ArgMatches) -> Result<(), Failure> {
    let settings = load_settings(matches)?;
    let trail = Trail::start(&settings)?;
    let changes = Changes::before(&settings.gate.keys);
    let keys = KeyAdmin::new(&settings.gate, trail.asker());
    let had_ring = keys.list().is_ok_and(|listed| listed.ring.is_some());
    report(matches, &keys.generate(chosen(matches))?, had_ring)?;
    changes.hint_if_ring_is_new();
    Ok(())
}
