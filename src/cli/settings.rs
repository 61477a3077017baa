//! Flags from the settings table, and all sources put together.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, ArgMatches, Command, ValueHint, value_parser};
use sealgate::Error;
use sealgate::config::{Config, Group, SETTINGS, Setting};

/// Adds the flags of these groups, and `--config`.
pub(super) fn add_flags(command: Command, groups: &[Group]) -> Command {
    let settings = SETTINGS
        .iter()
        .filter(|setting| groups.contains(&setting.group));
    let mut secrets = Vec::new();
    let mut command = command.arg(
        Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .value_hint(ValueHint::FilePath)
            .help_heading("Settings")
            .help("Settings file (TOML); the environment and flags win over it [env: SEALGATE_CONFIG]"),
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
    let mut text = String::from(
        "Secret settings have no flags, because other users see a process's arguments:\n",
    );
    for setting in secrets {
        text.push_str(&format!("  {:<21} {}\n", setting.env, setting.help));
    }
    command.after_help(text)
}

/// Takes any value, because the settings judge it, and still tells shells which words there are.
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

/// File, environment and flags.
pub(super) fn load(matches: &ArgMatches, groups: &[Group]) -> Result<Config, Error> {
    let (config, faults) = take(matches, groups);
    faults.into_iter().next().map_or(Ok(config), Err)
}

/// The same, with everything that is wrong in the file instead of an end at the first.
pub(super) fn take(matches: &ArgMatches, groups: &[Group]) -> (Config, Vec<Error>) {
    let mut config = Config::new();
    let file = matches.get_one::<PathBuf>("config").map(PathBuf::as_path);
    let mut faults = config.take_like_the_command(file);
    for setting in SETTINGS
        .iter()
        .filter(|setting| groups.contains(&setting.group) && !setting.secret)
    {
        if let Some(value) = matches.get_one::<OsString>(setting.name) {
            faults.extend(config.set_flag(setting.name, value.clone()).err());
        }
    }
    (config, faults)
}
