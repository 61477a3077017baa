//! Values as they were given, and the settings that result from them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::settings::Settings;
use super::source::{Source, unknown};
use super::table::{SETTINGS, Setting, find};
use crate::base::given_file;
use crate::{Error, Secret};

/// Setting values as they were given, each with its source; not yet checked.
///
/// ```
/// # fn main() -> Result<(), sealgate::Error> {
/// let mut config = sealgate::Config::new();
/// config.set("keys", "ephemeral")?;
/// config.set("max_requests", "10")?;
/// let gate = sealgate::Gate::new(&config.settings()?.gate)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default, Clone)]
pub struct Config {
    pub(super) values: BTreeMap<&'static str, Given>,
    /// The settings files with a secret in them, whether or not it is used.
    pub(super) files_with_secrets: Vec<PathBuf>,
}

#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) value: Secret,
    pub(super) source: Source,
}

impl Config {
    /// No values: every setting has its default.
    pub fn new() -> Self {
        Config::default()
    }

    /// Sets one value, by the setting's name in the file (`token_ttl`) or in the environment (`SEALGATE_TOKEN_TTL`).
    /// It overrides the file, the environment and flags.
    ///
    /// # Errors
    /// [`Error::Setting`] if there is no such setting; the sentence suggests the nearest name.
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), Error> {
        let setting = find(name).ok_or_else(|| unknown("setting", name))?;
        self.give(setting, value.as_ref().into(), Source::Call);
        Ok(())
    }

    /// Checks every value and every combination that can be invalid.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first invalid value, named as it was given. Never shows the value.
    pub fn settings(&self) -> Result<Settings, Error> {
        let judged = self.judge();
        match judged.faults.into_iter().next() {
            Some(fault) => Err(Error::Setting(fault)),
            None => {
                // For hosts, whose log is set up by now.
                for warning in &judged.settings.warnings {
                    log::warn!("{warning}");
                }
                Ok(judged.settings)
            }
        }
    }

    /// Warnings about the files that the settings name, and about a settings file with secrets in it.
    fn warnings_of_files(&self, settings: &Settings) -> Vec<String> {
        let files = [
            (
                "The settings file, which holds secrets",
                self.files_with_secrets.first(),
            ),
            (
                "SEALGATE_RING_KEY_FILE",
                settings.gate.keys.ring.ring_key_file.as_ref(),
            ),
            (
                "SEALGATE_RING_KEY_PREVIOUS_FILE",
                settings.gate.keys.ring.ring_key_previous_file.as_ref(),
            ),
            ("SEALGATE_TLS_KEY", settings.server.tls_key.as_ref()),
            (
                "SEALGATE_SECURE_DATA_FILE",
                settings.app.secure_data_file.as_ref(),
            ),
            ("SEALGATE_LOG_FILE", settings.log.file.as_ref()),
            ("SEALGATE_AUDIT_FILE", settings.gate.audit.file.as_ref()),
        ];
        let files = files.into_iter();
        files
            .filter_map(|(setting, path)| given_file::warning(setting, path?))
            .collect()
    }

    pub(super) fn judge(&self) -> Judged {
        let mut judged = Judged {
            settings: Settings::default(),
            faults: Vec::new(),
            wrong: Vec::new(),
        };
        for setting in SETTINGS {
            let given = self.values.get(setting.name);
            let value = given.map_or(setting.default.as_bytes(), |given| given.value.expose());
            if given.is_none() && value.is_empty() {
                continue;
            }
            if let Err(wanted) = (setting.apply)(&mut judged.settings, value) {
                let source = given.map_or(&Source::Default, |given| &given.source);
                let name = source.names(setting);
                judged.faults.push(format!("{name} {wanted}"));
                judged.wrong.push((setting.name, wanted));
            }
        }
        judged.settings.complete();
        judged.settings.app.shown.0 = SETTINGS
            .iter()
            .map(|setting| self.for_administrators(setting))
            .collect();
        judged.settings.warnings = self.warnings_of_files(&judged.settings);
        for (names, sentence) in judged.settings.wrong_combinations() {
            // A setting with an invalid value only appears to be missing.
            let known = |name: &&str| judged.wrong.iter().any(|(wrong, _)| wrong == name);
            if !names.iter().any(known) {
                judged.faults.push(self.with_names(names, sentence));
            }
        }
        judged
    }

    /// Replaces each `{name}` in the sentence with the setting's name in its source.
    fn with_names(&self, names: &[&str], sentence: &str) -> String {
        names.iter().fold(sentence.to_owned(), |sentence, name| {
            let setting = find(name).expect("combinations name settings in the table");
            sentence.replace(&format!("{{{name}}}"), &self.source(setting).names(setting))
        })
    }

    /// Where the value of a setting came from.
    pub fn source(&self, setting: &Setting) -> Source {
        self.values
            .get(setting.name)
            .map_or(Source::Default, |given| given.source.clone())
    }

    pub(super) fn give(&mut self, setting: &Setting, value: Secret, source: Source) {
        let outranked = self
            .values
            .get(setting.name)
            .is_some_and(|given| given.source.rank() > source.rank());
        if !outranked {
            self.values.insert(setting.name, Given { value, source });
        }
    }
}

/// The settings as far as they are valid, and everything that is wrong.
pub(super) struct Judged {
    pub(super) settings: Settings,
    /// Whole sentences.
    pub(super) faults: Vec<String>,
    /// The settings with invalid values, and what is permitted.
    pub(super) wrong: Vec<(&'static str, String)>,
}
