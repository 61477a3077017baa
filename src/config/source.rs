//! Where a value came from, and the setting's name there.

use std::path::PathBuf;

use super::table::{SETTINGS, Setting};
use crate::Error;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Not given: the default.
    Default,
    /// The settings file at this path.
    File(PathBuf),
    /// The environment.
    Environment,
    /// The command line.
    Flag,
    /// [`Config::set`](super::Config::set).
    Call,
}

impl Source {
    pub(super) fn rank(&self) -> u8 {
        match self {
            Source::Default => 0,
            Source::File(_) => 1,
            Source::Environment => 2,
            Source::Flag => 3,
            Source::Call => 4,
        }
    }

    /// The setting's name in this source.
    pub(super) fn names(&self, setting: &Setting) -> String {
        match self {
            Source::Default | Source::Environment => setting.env.to_owned(),
            Source::File(path) => format!("{} (in {})", setting.name, path.display()),
            Source::Flag => format!("--{}", setting.name.replace('_', "-")),
            Source::Call => setting.name.to_owned(),
        }
    }
}

/// The error for an unknown name, which suggests the nearest known one.
pub(super) fn unknown(what: &str, name: &str) -> Error {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
    let upper = name.starts_with(|c: char| c.is_ascii_uppercase());
    let nearest = SETTINGS
        .iter()
        .map(|setting| if upper { setting.env } else { setting.name })
        .map(|known| (strsim::damerau_levenshtein(known, &shown), known))
        .min()
        .filter(|(distance, known)| *distance <= known.len() / 2)
        .map_or(String::new(), |(_, known)| {
            format!(" Did you mean {known}?")
        });
    Error::Setting(format!("There is no {what} named {shown}.{nearest}"))
}
