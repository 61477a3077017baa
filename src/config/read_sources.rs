//! Where values come from: a TOML file, the environment, flags, calls.

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use super::source::{Source, unknown};
use super::table::{SETTINGS, find};
use super::values::Config;
use crate::base::given_file;
use crate::base::private_files::state_directory;
use crate::{Error, Secret};

/// Far more than all settings need.
const MAX_FILE: usize = 1 << 20;

impl Config {
    /// Reads settings from the process's environment. An empty variable counts as not set.
    pub fn load_env(&mut self) {
        for setting in SETTINGS {
            if let Some(value) = std::env::var_os(setting.env).filter(|value| !value.is_empty()) {
                self.give(setting, os_bytes(value), Source::Environment);
            }
        }
    }

    /// Reads settings from a TOML file: `name = value`, lists as arrays or separated by commas.
    ///
    /// # Errors
    /// [`Error::Setting`] if the file cannot be read, is not TOML, or contains an unknown setting; the sentence gives the
    /// line or the nearest name.
    pub fn load_file(&mut self, path: &Path) -> Result<(), Error> {
        first(self.take_file(path))
    }

    /// Reads what is valid in a file, and returns an error for everything that is not.
    fn take_file(&mut self, path: &Path) -> Vec<Error> {
        let (text, metadata) = match read_text(path) {
            Ok(read) => read,
            Err(error) => return vec![error],
        };
        let mut faults = self.take_text(text.expose_str().unwrap_or_default(), path);
        let (what, judged) = match self.files_with_secrets.iter().any(|file| file == path) {
            true => (
                ", which holds secrets,",
                given_file::check(path, &metadata).map(drop),
            ),
            false => ("", given_file::check_open(path, &metadata)),
        };
        if let Err(end) = judged {
            let path = path.display();
            faults.push(Error::Setting(format!(
                "The settings file {path}{what} {end}"
            )));
        }
        faults
    }

    /// The same for the file's text.
    pub(super) fn take_text(&mut self, text: &str, path: &Path) -> Vec<Error> {
        let table = match parse_toml(text, path) {
            Ok(table) => table,
            Err(error) => return vec![error],
        };
        let mut faults = Vec::new();
        for (name, value) in table {
            let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
                faults.push(unknown(&format!("setting in {}", path.display()), &name));
                continue;
            };
            let source = Source::File(path.to_owned());
            match plain_text(value) {
                None => faults.push(Error::Setting(format!(
                    "{} must be a string, a number or a list of strings.",
                    source.names(setting)
                ))),
                Some(value) if value.is_empty() => {}
                Some(value) => {
                    // Even if another value overrides it.
                    if setting.secret {
                        self.files_with_secrets.push(path.to_owned());
                    }
                    self.give(setting, value, source);
                }
            }
        }
        faults
    }

    /// Reads what the command reads before its flags: the settings file (`file`, else `$SEALGATE_CONFIG`), the
    /// environment, and the command's data directory if none is set. Programs that do so share keys with the server.
    ///
    /// # Errors
    /// Those of [`load_file`](Self::load_file).
    pub fn load_like_the_command(&mut self, file: Option<&Path>) -> Result<(), Error> {
        first(self.take_like_the_command(file))
    }

    /// As [`load_like_the_command`](Self::load_like_the_command), but continues after an error, and returns all errors.
    pub fn take_like_the_command(&mut self, file: Option<&Path>) -> Vec<Error> {
        let from_env = std::env::var_os("SEALGATE_CONFIG").filter(|path| !path.is_empty());
        let faults = match file.or(from_env.as_deref().map(Path::new)) {
            Some(file) => self.take_file(file),
            None => Vec::new(),
        };
        self.load_env();
        if let Some((folder, _)) = default_data_dir_origin() {
            let setting = find("data_dir").expect("the table has data_dir");
            self.give(setting, os_bytes(folder.into_os_string()), Source::Default);
        }
        faults
    }

    /// Sets a value from the command line.
    ///
    /// # Errors
    /// [`Error::Setting`] if there is no such setting.
    pub fn set_flag(&mut self, name: &str, value: OsString) -> Result<(), Error> {
        let setting = find(name).ok_or_else(|| unknown("setting", name))?;
        self.give(setting, os_bytes(value), Source::Flag);
        Ok(())
    }

    /// Warnings about environment variables that look like settings but are not, each with the nearest real name.
    pub fn unknown_env() -> Vec<String> {
        // Not settings: the path of the settings file, the token of `sealgate --server`, and the Python package's library.
        const OTHERS: [&str; 3] = ["SEALGATE_CONFIG", "SEALGATE_TOKEN", "SEALGATE_LIBRARY"];
        std::env::vars_os()
            .filter_map(|(name, _)| name.into_string().ok())
            .filter(|name| name.starts_with("SEALGATE_"))
            .filter(|name| find(name).is_none() && !OTHERS.contains(&name.as_str()))
            .map(|name| unknown("setting in the environment", &name).to_string())
            .collect()
    }
}

/// The command's data directory if none is set, and the variable that it depends on: the first path in `$STATE_DIRECTORY`
/// (systemd), else `$XDG_STATE_HOME/sealgate`, else `~/.local/state/sealgate` (`HOME`). `None` without a home directory.
pub fn default_data_dir_origin() -> Option<(PathBuf, &'static str)> {
    let folder = |name: &'static str| {
        let value = std::env::var_os(name).filter(|value| !value.is_empty())?;
        Some((PathBuf::from(value), name))
    };
    state_directory()
        .map(|folder| (folder, "STATE_DIRECTORY"))
        .or_else(|| folder("XDG_STATE_HOME").map(|(home, name)| (home.join("sealgate"), name)))
        .or_else(|| std::env::home_dir().map(|home| (home.join(".local/state/sealgate"), "HOME")))
        .filter(|(path, _)| path.is_absolute())
}

fn first(faults: Vec<Error>) -> Result<(), Error> {
    faults.into_iter().next().map_or(Ok(()), Err)
}

fn read_text(path: &Path) -> Result<(Secret, Metadata), Error> {
    let unreadable = |error: io::Error| {
        Error::Setting(format!(
            "The settings file {} cannot be read: {error}.",
            path.display()
        ))
    };
    // It may be a pipe: a shell's `<(...)`.
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    Secret::read(file, MAX_FILE)
        .map_err(unreadable)?
        .ok_or_else(|| unreadable(io::Error::other("it is larger than 1 MiB")))
        .and_then(|text| match text.expose_str() {
            Ok(_) => Ok((text, metadata)),
            Err(_) => Err(unreadable(io::Error::other(
                "stream did not contain valid UTF-8",
            ))),
        })
}

fn parse_toml(text: &str, path: &Path) -> Result<toml::Table, Error> {
    toml::from_str(text).map_err(|error| {
        // The error's own text quotes the line, which may contain a secret.
        let line = error.span().map_or(1, |span| {
            text[..span.start.min(text.len())].matches('\n').count() + 1
        });
        Error::Setting(format!(
            "The settings file {} is not valid TOML in line {line}.",
            path.display()
        ))
    })
}

fn plain_text(value: toml::Value) -> Option<Secret> {
    let text = match value {
        toml::Value::String(text) => text,
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Array(items) => items
            .into_iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()?
            .join(","),
        _ => return None,
    };
    Some(Secret::new(text.into_bytes()))
}

fn os_bytes(value: OsString) -> Secret {
    Secret::new(value.into_encoded_bytes())
}
