//! Every setting once, and the way from text to typed values: default, file, environment, flag, the later one wins.
//!
//! `table` holds the settings, `sources` reads files and the environment, `parse` turns one value into its type, `report`
//! and `example` show them to people. What a value means is the business of the room that uses it.

mod example;
mod parse;
mod report;
mod sources;
mod table;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::api::LoginMode;
use crate::base::given_file;
use crate::cipher::CbcMode;
use crate::server::EngineChoice;
use crate::signing::TokenAlgorithm;
use crate::{Error, Secret};
use crate::{api, gate, logging, server, store};

pub use example::example;
pub use report::{Report, Shown, ShownValue};
pub use sources::{Source, default_data_dir_origin};
pub use table::{Group, SETTINGS, Setting, find};

/// Values as they were given, each with where it came from; not yet checked.
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
    values: BTreeMap<&'static str, Given>,
    /// The settings files with a secret in them, whether or not it is used.
    files_with_secrets: Vec<PathBuf>,
}

#[derive(Debug, Clone)]
struct Given {
    value: Secret,
    source: Source,
}

/// All settings, checked and typed, by the room that uses them.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// What a `Gate` needs.
    pub gate: gate::Settings,
    /// What the API needs beside a gate.
    pub app: api::Settings,
    /// Where and how to listen.
    pub server: server::Settings,
    /// Where log lines go.
    pub log: logging::Settings,
    /// What is no fault and should be known: files with secrets that others can read. Sentences, for the log.
    pub warnings: Vec<String>,
}

impl Config {
    /// No values: every setting has its default.
    pub fn new() -> Self {
        Config::default()
    }

    /// Sets one value, by the setting's name in the file (`token_ttl`) or in the environment (`SEALGATE_TOKEN_TTL`).
    /// It wins over the file and the environment.
    ///
    /// # Errors
    /// [`Error::Setting`] where there is no such setting; the sentence names the nearest.
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), Error> {
        let setting = find(name).ok_or_else(|| sources::unknown("setting", name))?;
        self.give(setting, value.as_ref().into(), Source::Call);
        Ok(())
    }

    /// Checks every value, and every combination that can be wrong.
    ///
    /// # Errors
    /// [`Error::Setting`]: the first wrong one, named as it was given. Never shows the value.
    pub fn settings(&self) -> Result<Settings, Error> {
        let judged = self.judge();
        match judged.faults.into_iter().next() {
            Some(fault) => Err(Error::Setting(fault)),
            None => {
                // For hosts, which have a log by now.
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
            ("SEALGATE_AUDIT_FILE", settings.log.audit_file.as_ref()),
        ];
        let files = files.into_iter();
        files
            .filter_map(|(setting, path)| given_file::warning(setting, path?))
            .collect()
    }

    fn judge(&self) -> Judged {
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
        judged.settings.warnings = self.warnings_of_files(&judged.settings);
        for (names, sentence) in judged.settings.wrong_combinations() {
            // What is wrong by itself is only seemingly missing.
            let known = |name: &&str| judged.wrong.iter().any(|(wrong, _)| wrong == name);
            if !names.iter().any(known) {
                judged.faults.push(self.with_names(names, sentence));
            }
        }
        judged
    }

    /// The sentence with each setting by the name that its giver knows, in the place of `{name}`.
    fn with_names(&self, names: &[&str], sentence: &str) -> String {
        names.iter().fold(sentence.to_owned(), |sentence, name| {
            let setting = find(name).expect("combinations name settings of the table");
            sentence.replace(&format!("{{{name}}}"), &self.source(setting).names(setting))
        })
    }

    /// Where the value of a setting came from.
    pub fn source(&self, setting: &Setting) -> Source {
        self.values
            .get(setting.name)
            .map_or(Source::Default, |given| given.source.clone())
    }

    fn give(&mut self, setting: &Setting, value: Secret, source: Source) {
        let outranked = self
            .values
            .get(setting.name)
            .is_some_and(|given| given.source.rank() > source.rank());
        if !outranked {
            self.values.insert(setting.name, Given { value, source });
        }
    }
}

/// The settings as far as they are right, and everything that is wrong.
struct Judged {
    settings: Settings,
    /// Whole sentences.
    faults: Vec<String>,
    /// The settings whose values are wrong, and what they want.
    wrong: Vec<(&'static str, String)>,
}

impl Settings {
    /// What follows from other settings.
    fn complete(&mut self) {
        let gate = &mut self.gate;
        self.app.limiter_memory = gate.limiter.memory;
        gate.keys.rotation.token_grace = gate.tokens.longest_life();
        gate.store = store::Settings {
            data_dir: gate.keys.data_dir.clone(),
            ephemeral: gate.keys.ephemeral,
            open_login: self.app.login == LoginMode::Open,
        };
        // Of Unix peers it says nothing about who reaches a TCP address.
        self.server.behind_proxy = !self.app.trusted_proxies.is_empty();
    }

    /// Settings that do not go together: their names, and a sentence in which `{name}` stands for one of them.
    fn wrong_combinations(&self) -> Vec<(&'static [&'static str], &'static str)> {
        let mut wrong: Vec<(&[_], _)> = Vec::new();
        let given = &self.gate.keys.given;
        if given.cbc != Some(CbcMode::Off) {
            if given.aes_iv.is_some() && given.aes_key.is_none() {
                wrong.push((
                    &["aes_iv", "aes_key", "cbc"],
                    "{aes_iv} is set but {aes_key} is not. Set both, or neither (new data is then sealed without them).",
                ));
            }
            if given.cbc.is_some() && given.aes_iv.is_none() {
                wrong.push((
                    &["aes_iv", "aes_key", "cbc"],
                    "{cbc} asks for the original's AES-CBC, which needs {aes_key} and {aes_iv}.",
                ));
            }
        }
        if given.jwt_secret_key.is_some()
            && self.gate.keys.rotation.token_algorithm.unwrap_or_default() != TokenAlgorithm::Hs256
        {
            wrong.push((
                &["jwt_secret_key", "token_algorithm"],
                "{jwt_secret_key} is a secret for HS256, and {token_algorithm} asks for key pairs, which the key ring makes. Unset one of the two.",
            ));
        }
        if self.app.secure_data.is_some() && self.app.secure_data_file.is_some() {
            wrong.push((
                &["secure_data", "secure_data_file"],
                "{secure_data} and {secure_data_file} are both set. Set one.",
            ));
        }
        let server = &self.server;
        if server.tls_cert.is_some() != server.tls_key.is_some() {
            wrong.push((
                &["tls_cert", "tls_key"],
                "{tls_cert} and {tls_key} belong together. Set both, or neither.",
            ));
        }
        if server.tls_client_ca.is_some() && server.tls_cert.is_none() {
            wrong.push((
                &["tls_client_ca", "tls_cert"],
                "{tls_client_ca} asks clients for certificates, which needs TLS: set {tls_cert} and its key too.",
            ));
        }
        if server.tls_cert.is_some() && server.engine == EngineChoice::TinyHttp {
            wrong.push((
                &["tls_cert", "engine"],
                "{tls_cert} is set, and the engine that {engine} names speaks no TLS. Use pool, or a proxy that speaks TLS.",
            ));
        }
        wrong
    }
}

#[cfg(any(test, fuzzing))]
mod fuzz;
#[cfg(any(test, fuzzing))]
pub(crate) use fuzz::settings as settings_file;
#[cfg(test)]
mod tests;
