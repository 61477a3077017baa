//! The confidential data that `/secure-data` returns: fixed, or a file that is reloaded when it changes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::api::settings::Settings;
use crate::base::file_stamp::Stamp;
use crate::base::given_file;
use crate::base::sync::lock;
use crate::{Error, Secret};

const BUILT_IN: &str = "This is the confidential data that Sealgate protects.";
const MAX_FILE: usize = 1 << 20;
/// How often the file is checked for changes.
const LOOK: Duration = Duration::from_secs(1);

/// Where the confidential data comes from.
pub(super) enum SecureData {
    Fixed(Arc<Secret>),
    File { path: PathBuf, last: Mutex<Last> },
}

/// The file's last good content, and its stamp when it was last checked.
pub(super) struct Last {
    content: Arc<Secret>,
    looked: Instant,
    stamp: Option<Stamp>,
}

impl SecureData {
    pub(super) fn new(settings: &Settings) -> Result<Self, Error> {
        let Some(path) = &settings.secure_data_file else {
            let fixed = settings.secure_data.clone();
            return Ok(SecureData::Fixed(Arc::new(
                fixed.unwrap_or_else(|| BUILT_IN.into()),
            )));
        };
        let (content, stamp) = read(path).map_err(|what| {
            Error::Setting(format!(
                "SEALGATE_SECURE_DATA_FILE: {} {what}.",
                path.display()
            ))
        })?;
        Ok(SecureData::File {
            path: path.clone(),
            last: Mutex::new(Last {
                content: Arc::new(content),
                looked: Instant::now(),
                stamp: Some(stamp),
            }),
        })
    }

    /// The data's size in bytes, as of the last check.
    pub(super) fn size(&self) -> usize {
        match self {
            SecureData::Fixed(content) => content.len(),
            SecureData::File { last, .. } => lock(last).content.len(),
        }
    }

    /// The current data. If the file has become unreadable, the last good content stays in use.
    pub(super) fn current(&self) -> Arc<Secret> {
        let (path, last) = match self {
            SecureData::Fixed(content) => return content.clone(),
            SecureData::File { path, last } => (path, last),
        };
        let mut last = lock(last);
        if last.looked.elapsed() < LOOK {
            return last.content.clone();
        }
        last.looked = Instant::now();
        let stamp = Stamp::at(path);
        if stamp != last.stamp {
            match read(path) {
                Ok((content, stamp)) => {
                    last.content = Arc::new(content);
                    last.stamp = Some(stamp);
                }
                Err(what) => {
                    // Remember the stamp so that each change is logged once.
                    last.stamp = stamp;
                    let content = last.content.clone();
                    // A host's log function may block.
                    drop(last);
                    log::warn!(
                        "the file behind /secure-data {what}; its last content stays in use"
                    );
                    return content;
                }
            }
        }
        last.content.clone()
    }
}

fn read(path: &Path) -> Result<(Secret, Stamp), String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    // Checked before opening: opening a pipe would wait for a writer.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err("is not a file".to_owned());
    }
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    given_file::check(path, &metadata)?;
    let content = Secret::read(file, MAX_FILE).map_err(unreadable)?;
    let content = content.ok_or("is larger than 1 MiB")?;
    Ok((content, Stamp::of(&metadata)))
}
