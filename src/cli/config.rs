//! `sealgate config`: shows every setting with its value and source, reports everything that is wrong, or prints an example
//! file.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use clap::{ArgMatches, Command};
use sealgate::api::App;
use sealgate::config::{self, Config, Report, Shown, ShownValue, Source, default_data_dir_origin};
use sealgate::keys;
use sealgate::logging;
use sealgate::server::{Listen, Server};
use sealgate::users::Users;
use serde_json::{Value, json};

use super::args::flag;
use super::files::folder_of;
use super::table::{aligned, harmless};
use super::{Failure, print_json, remark, settings, write_output};

pub(super) fn command() -> Command {
    let command = Command::new("config")
        .about("Show every setting and where it came from, check them, or print an example file")
        .long_about(
            "Show every setting, its value and where it came from, as serve would use them with the same flags. For secrets \
             only the length is shown. Exit code 2 if anything is wrong. Nothing is created or changed.",
        )
        .arg(flag(
            "check",
            "Only check the settings and what they refer to (key ring, files): all errors on standard error, exit code 2",
        ))
        .arg(
            flag("example", "Print a settings file with every setting in a comment")
                .conflicts_with_all(["check", "json"]),
        )
        .arg(flag("json", "Print JSON for programs"));
    settings::add_all_flags(command)
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    if matches.get_flag("example") {
        return write_output(config::example().as_bytes());
    }
    let (config, faults) = settings::take(matches);
    let report = config.report();
    let mut faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    faults.extend(report.faults.iter().cloned());
    let check = matches.get_flag("check");
    let mut remarks = Config::unknown_env();
    if check {
        faults.extend(faults_outside(&report));
        remarks.extend(report.settings.warnings.iter().cloned());
    }
    for sentence in &remarks {
        remark(sentence);
    }
    match (check, matches.get_flag("json")) {
        (true, true) => {
            print_json(&json!({"ok": faults.is_empty(), "faults": faults, "remarks": remarks}))?
        }
        (false, true) => print_json(&json!({
            "settings": report.values.iter().map(shown_json).collect::<Vec<_>>(),
            "faults": faults,
            "remarks": remarks,
        }))?,
        (true, false) if faults.is_empty() => write_output(b"The settings are in order.\n")?,
        (true, false) => {}
        (false, false) => write_output(table(&report).as_bytes())?,
    }
    if faults.is_empty() {
        return Ok(());
    }
    Err(Failure {
        sentences: faults,
        code: 2,
    })
}

fn table(report: &Report) -> String {
    let rows = report.values.iter().map(|shown| {
        let value = match &shown.value {
            ShownValue::NotSet => "-".to_owned(),
            ShownValue::Secret(1) => "secret, 1 byte".to_owned(),
            ShownValue::Secret(bytes) => format!("secret, {bytes} bytes"),
            ShownValue::Text(text) => harmless(text),
        };
        let wrong = match &shown.fault {
            Some(wanted) => format!("WRONG: {wanted}"),
            None => String::new(),
        };
        [shown.setting.name.to_owned(), value, from(shown), wrong]
    });
    aligned(["SETTING", "VALUE", "FROM", ""], rows)
}

fn from(shown: &Shown) -> String {
    let setting = shown.setting;
    match &shown.source {
        Source::Default => match (setting.name, default_data_dir_origin()) {
            ("data_dir", Some((_, variable))) => format!("default (${variable})"),
            _ => "default".to_owned(),
        },
        Source::File(path) => harmless(&path.to_string_lossy()),
        Source::Environment => setting.env.to_owned(),
        Source::Flag => format!("--{}", setting.flag().unwrap_or_default()),
        Source::Call => "a call".to_owned(),
    }
}

fn shown_json(shown: &Shown) -> Value {
    let setting = shown.setting;
    let (value, bytes) = match &shown.value {
        ShownValue::NotSet => (Value::Null, None),
        ShownValue::Secret(bytes) => (Value::Null, Some(bytes)),
        ShownValue::Text(text) => (Value::from(text.as_str()), None),
    };
    let source = match &shown.source {
        Source::Default => "default",
        Source::File(_) => "file",
        Source::Environment => "environment",
        Source::Flag => "flag",
        Source::Call => "call",
    };
    json!({
        "name": setting.name,
        "env": setting.env,
        "flag": setting.flag(),
        "secret": setting.secret,
        "set": shown.value != ShownValue::NotSet,
        "value": value,
        "secret_bytes": bytes,
        "source": source,
        "from": from(shown),
        "fault": shown.fault,
    })
}

/// What is wrong with the files and addresses that the settings refer to. Only reads.
fn faults_outside(report: &Report) -> Vec<String> {
    let settings = &report.settings;
    let right = |names: &[&str]| names.iter().all(|name| report.is_right(name));
    let mut checked = Vec::new();
    if right(&["data_dir", "keys", "jwt_secret_key", "aes_key", "aes_iv"]) {
        let gate = &settings.gate;
        // A database may be out of reach from where the settings are checked.
        if gate.store.shared.url.is_none() {
            checked.push(keys::list(&gate.keys).and_then(|_| Users::check_access(&gate.store)));
        }
    }
    let limiter = &settings.gate.limiter;
    // If both are set, that is reported already.
    if right(&["limits", "limits_file"]) && limiter.policies.is_empty() {
        checked.push(limiter.named().map(drop));
    }
    if right(&["secure_data_file"]) {
        checked.push(App::check(&settings.app));
    }
    let server = &settings.server;
    // If only one of the two is set, that is reported already.
    let tls_is_whole = server.tls_cert.is_some() == server.tls_key.is_some();
    let tls = ["tls_cert", "tls_key", "tls_client_ca"];
    if right(&["listen", "metrics_listen", "trusted_proxies"]) && right(&tls) && tls_is_whole {
        checked.push(Server::check(server));
    }
    checked.push(logging::check(&settings.log));
    checked.push(logging::check_audit(&settings.gate.audit));
    let faults = checked.into_iter().filter_map(Result::err);
    let mut faults: Vec<String> = faults.map(|error| error.to_string()).collect();
    for listen in &settings.server.listen {
        if let Listen::Unix(path) = listen
            && !folder_of(path).is_dir()
        {
            faults.push(format!(
                "SEALGATE_LISTEN: the directory of the socket {} does not exist.",
                path.display()
            ));
        }
    }
    for (name, path) in [
        ("SEALGATE_LOG_FILE", &settings.log.file),
        ("SEALGATE_AUDIT_FILE", &settings.gate.audit.file),
    ] {
        if let Some(path) = path
            && let Err(error) = can_append(path)
        {
            faults.push(format!(
                "{name}: {} cannot be opened for writing: {error}.",
                path.display()
            ));
        }
    }
    faults
}

/// Whether the file could be appended to, or created.
fn can_append(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        // A pipe's reader may open it later.
        Ok(metadata) if !metadata.is_file() => Ok(()),
        Ok(_) => OpenOptions::new().append(true).open(path).map(drop),
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::metadata(folder_of(path))
            .and_then(|folder| match folder.is_dir() {
                true => Ok(()),
                false => Err(io::ErrorKind::NotADirectory.into()),
            }),
        Err(error) => Err(error),
    }
}
