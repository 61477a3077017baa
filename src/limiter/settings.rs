//! How many requests are admitted.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::policy::{DEFAULT, Per, Policy, parse};
use crate::Error;
use crate::base::given_file;

/// Far more than all policies need.
const MAX_FILE: u64 = 64 << 10;

/// The limits on requests.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `MAX_REQUESTS`; zero disables the limiter.
    pub max_requests: u32,
    /// `RATE_LIMIT_WINDOW`.
    pub window: Duration,
    /// `SEALGATE_LIMITER_MEMORY` in bytes.
    pub memory: usize,
    /// `SEALGATE_LIMITS`.
    pub policies: Vec<Policy>,
    /// `SEALGATE_LIMITS_FILE`.
    pub policies_file: Option<PathBuf>,
    /// `SEALGATE_LIMITER_DOWN`.
    pub down: LimiterDown,
}

/// How requests are limited while the shared store does not answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LimiterDown {
    /// Each server admits its part of the limit.
    #[default]
    Share,
    /// Each server admits the whole limit.
    Local,
    /// Everything is admitted.
    Open,
    /// Nothing is admitted.
    Closed,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            max_requests: 5,
            window: Duration::from_secs(60),
            memory: 64 << 20,
            policies: Vec::new(),
            policies_file: None,
            down: LimiterDown::default(),
        }
    }
}

impl Settings {
    /// The limit of users, which is called `default` and which no policy replaces; 0 if it is switched off. Whether it counts the
    /// items of a batch is a setting of the HTTP API.
    pub fn of_users(&self, cost_by_item: bool) -> Policy {
        Policy {
            name: DEFAULT.to_owned(),
            limit: self.max_requests,
            window: self.window,
            per: Per::User,
            cost_by_item,
        }
    }

    /// The named limits, from the file if one is set.
    ///
    /// # Errors
    /// [`Error::Setting`] if the file cannot be read or trusted, or is not a list of policies.
    pub fn named(&self) -> Result<Vec<Policy>, Error> {
        let Some(path) = &self.policies_file else {
            return Ok(self.policies.clone());
        };
        read(path).and_then(|text| parse(&text)).map_err(|what| {
            Error::Setting(format!("SEALGATE_LIMITS_FILE: {} {what}", path.display()))
        })
    }
}

/// The text of a file; otherwise the end of a sentence that begins with its path.
fn read(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}.");
    // Checked before opening: opening a pipe would wait for a writer.
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err("is not a file.".to_owned());
    }
    let file = File::open(path).map_err(unreadable)?;
    given_file::check_open(path, &file.metadata().map_err(unreadable)?)?;
    let mut bytes = Vec::new();
    let read = file.take(MAX_FILE + 1).read_to_end(&mut bytes);
    if read.map_err(unreadable)? as u64 > MAX_FILE {
        return Err("is larger than 64 KiB.".to_owned());
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 text.".to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn sentence(path: &Path) -> String {
        let settings = Settings {
            policies_file: Some(path.to_owned()),
            ..Settings::default()
        };
        settings.named().map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn policies_come_from_the_file_if_there_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("limits");
        fs::write(&path, "# ours\nexports: 10 per 3600\n").unwrap();
        let mut settings = Settings {
            policies: parse("bulk: 1000 per 60").unwrap(),
            ..Settings::default()
        };
        assert_eq!(settings.named().unwrap()[0].name, "bulk");
        settings.policies_file = Some(path.clone());
        let named = settings.named().unwrap();
        assert_eq!((named.len(), &*named[0].name), (1, "exports"));
    }

    #[test]
    fn a_file_that_is_unusable_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("limits");
        let refused = |what: &str| {
            let sentence = sentence(&path);
            let named = format!("SEALGATE_LIMITS_FILE: {} ", path.display());
            assert!(sentence.starts_with(&named), "{sentence}");
            assert!(
                sentence.contains(what) && sentence.ends_with('.'),
                "{sentence}"
            );
        };
        refused("cannot be read");
        fs::create_dir(&path).unwrap();
        refused("is not a file");
        fs::remove_dir(&path).unwrap();
        fs::write(&path, b"\xff").unwrap();
        refused("UTF-8");
        fs::write(&path, "#".repeat(MAX_FILE as usize)).unwrap();
        let settings = Settings {
            policies_file: Some(path.clone()),
            ..Settings::default()
        };
        assert!(settings.named().unwrap().is_empty());
        fs::write(&path, "#".repeat(MAX_FILE as usize + 1)).unwrap();
        refused("larger than 64 KiB");
        fs::write(&path, "exports: 10").unwrap();
        refused("Policy 1 ");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_every_user_can_change_is_refused() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("limits");
        fs::write(&path, "exports: 10 per 3600").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(sentence(&path).contains("cannot be trusted"));
    }
}
