//! A report of all settings: the value, where it came from, and everything that is wrong.

use super::table::{SETTINGS, Setting};
use super::{Config, Settings, Source};
use crate::api::ShownSetting;

/// The result of [`Config::report`].
#[derive(Debug)]
pub struct Report {
    /// Every setting, in the order of the table.
    pub values: Vec<Shown>,
    /// Everything that is wrong, values first, then combinations; each a sentence that shows no value.
    pub faults: Vec<String>,
    /// The valid settings. A setting with an invalid value is not applied here.
    pub settings: Settings,
}

/// One setting in a report.
#[derive(Debug)]
pub struct Shown {
    /// The setting.
    pub setting: &'static Setting,
    /// Its value.
    pub value: ShownValue,
    /// Where the value came from.
    pub source: Source,
    /// What is permitted, if the value is invalid.
    pub fault: Option<String>,
}

/// A value in a form that may be shown.
#[derive(Debug, PartialEq, Eq)]
pub enum ShownValue {
    /// Not given, and without a default.
    NotSet,
    /// A secret; only its length in bytes, as given.
    Secret(usize),
    /// Anything else.
    Text(String),
}

impl Report {
    /// Whether the value of this setting, named as in the file, is valid.
    pub fn is_right(&self, name: &str) -> bool {
        self.values
            .iter()
            .all(|shown| shown.setting.name != name || shown.fault.is_none())
    }
}

impl Config {
    /// Reports every setting and everything that is wrong. Shows no byte of a secret.
    pub fn report(&self) -> Report {
        let judged = self.judge();
        let values = SETTINGS
            .iter()
            .map(|setting| Shown {
                setting,
                value: self.shown(setting),
                source: self.source(setting),
                fault: judged
                    .wrong
                    .iter()
                    .find(|(name, _)| *name == setting.name)
                    .map(|(_, wanted)| wanted.clone()),
            })
            .collect();
        Report {
            values,
            faults: judged.faults,
            settings: judged.settings,
        }
    }

    pub(super) fn for_administrators(&self, setting: &Setting) -> ShownSetting {
        let source = self.source(setting);
        let (value, length) = match self.shown(setting) {
            ShownValue::NotSet => (None, None),
            ShownValue::Secret(length) => (None, Some(length)),
            ShownValue::Text(text) => (Some(text), None),
        };
        ShownSetting {
            name: setting.name,
            variable: setting.env,
            value,
            length,
            secret: setting.secret,
            is_default: source == Source::Default,
            source: match source {
                Source::Default => "default".to_owned(),
                Source::File(path) => path.display().to_string(),
                Source::Environment => "environment".to_owned(),
                Source::Flag => "flag".to_owned(),
                Source::Call => "program".to_owned(),
            },
        }
    }

    fn shown(&self, setting: &Setting) -> ShownValue {
        match self.values.get(setting.name) {
            Some(given) if setting.secret => ShownValue::Secret(given.value.len()),
            Some(given) => {
                ShownValue::Text(String::from_utf8_lossy(given.value.expose()).into_owned())
            }
            None if setting.default.is_empty() => ShownValue::NotSet,
            None => ShownValue::Text(setting.default.to_owned()),
        }
    }
}
