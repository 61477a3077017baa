//! Flags from the settings table, and the settings from all sources.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, ArgMatches, Command, ValueHint, value_parser};
use sealgate::config::{Config, SETTINGS, Setting};
use sealgate::{Error, Settings};

/// Settings that commands use together, by their names in the table.
pub(super) type Used = &'static [&'static str];

/// Where the store is.
pub(super) const STORE: Used = &["data_dir"];
/// Where keys come from.
pub(super) const RING: Used = &[
    "data_dir",
    "keys",
    "jwt_secret_key",
    "aes_key",
    "ring_key",
    "ring_key_file",
    "ring_key_previous",
    "ring_key_previous_file",
];
/// The algorithm of new token keys, and when they begin to sign.
pub(super) const NEW_KEYS: Used = &["token_algorithm", "token_key_lead"];
/// The original program's AES-CBC.
pub(super) const CBC: Used = &["aes_iv", "cbc"];
/// Claims that a token must have.
pub(super) const CLAIMS: Used = &["issuer", "audience"];
/// Where audit events go, and what happens if they cannot.
pub(super) const AUDIT: Used = &["audit_file", "audit", "audit_fail", "log_format"];
/// The limits on requests.
pub(super) const LIMITS: Used = &[
    "max_requests",
    "rate_limit_window",
    "limits",
    "limits_file",
    "batch_cost",
];
/// The cost of a new password hash.
pub(super) const PASSWORDS: Used = &["password_memory", "password_passes", "password_lanes"];

/// Adds the flags of these settings, and `--config`.
pub(super) fn add_flags(command: Command, used: &[Used]) -> Command {
    add(command, |setting| {
        used.iter().any(|names| names.contains(&setting.name))
    })
}

/// Adds the flags of all settings, and `--config`.
pub(super) fn add_all_flags(command: Command) -> Command {
    add(command, |_| true)
}

fn add(command: Command, uses: impl Fn(&Setting) -> bool) -> Command {
    let settings = SETTINGS.iter().filter(|setting| uses(setting));
    let mut secrets = Vec::new();
    let mut command = command.arg(
        Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .value_hint(ValueHint::FilePath)
            .help_heading("Settings")
            .help("Settings file (TOML); the environment and flags override it [env: SEALGATE_CONFIG]"),
    );
    for setting in settings {
        let Some(flag) = setting.flag() else {
            secrets.push(setting);
            continue;
        };
        let default = match setting.default {
            "" => String::new(),
            default => format!(" [default: {default}]"),
        };
        command = command.arg(
            Arg::new(setting.name)
                .long(flag)
                .value_name(setting.value_name)
                .value_parser(Value::of(setting))
                .value_hint(hint(setting))
                .hide_possible_values(true)
                .help_heading("Settings")
                .help(format!("{} [env: {}]{default}", setting.help, setting.env)),
        );
    }
    if secrets.is_empty() {
        return command;
    }
    let mut text = String::from(
        "Secret settings have no flags, because other users can see a process's arguments:\n",
    );
    for setting in secrets {
        text.push_str(&format!("  {:<21} {}\n", setting.env, setting.help));
    }
    command.after_help(text)
}

/// Accepts any value, because `Config` checks it, but still offers the possible words to shell completion.
#[derive(Clone)]
struct Value {
    words: Option<&'static str>,
}

impl Value {
    fn of(setting: &Setting) -> Self {
        let words = setting.value_name;
        Value {
            words: words.contains('|').then_some(words),
        }
    }
}

impl TypedValueParser for Value {
    type Value = OsString;

    fn parse_ref(
        &self,
        _command: &Command,
        _argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<OsString, clap::Error> {
        Ok(value.to_owned())
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.words?.split('|').map(PossibleValue::new)))
    }
}

fn hint(setting: &Setting) -> ValueHint {
    match (setting.name, setting.value_name) {
        ("data_dir", _) => ValueHint::DirPath,
        (_, "FILE") => ValueHint::FilePath,
        _ => ValueHint::Other,
    }
}

/// Values from the file, the environment and flags.
pub(super) fn load(matches: &ArgMatches) -> Result<Config, Error> {
    let (config, faults) = take(matches);
    faults.into_iter().next().map_or(Ok(config), Err)
}

/// As [`load`], but returns all errors instead of only the first.
pub(super) fn take(matches: &ArgMatches) -> (Config, Vec<Error>) {
    let mut config = Config::new();
    let file = matches.get_one::<PathBuf>("config").map(PathBuf::as_path);
    let mut faults = config.take_like_the_command(file);
    for setting in SETTINGS {
        // Most commands have flags for some settings only; secrets have none.
        if let Ok(Some(value)) = matches.try_get_one::<OsString>(setting.name) {
            faults.extend(config.set_flag(setting.name, value.clone()).err());
        }
    }
    (config, faults)
}

/// The settings from the file, the environment and flags, with the command's data directory.
pub(super) fn load_settings(matches: &ArgMatches) -> Result<Settings, Error> {
    load(matches)?.settings()
}
