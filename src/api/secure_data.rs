//! The confidential data that `/secure-data` shows: fixed, or a file that is looked at again.

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
/// How often a file is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Where it is shown.
pub(super) const PATH: &str = "/secure-data";

/// Where the confidential data comes from.
pub(super) enum SecureData {
    Fixed(Arc<Secret>),
    File { path: PathBuf, last: Mutex<Last> },
}

/// The last good content of the file, and what the file looked like when it was last looked at.
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

    /// How many bytes the data had when it was last looked at.
    pub(super) fn size(&self) -> usize {
        match self {
            SecureData::Fixed(content) => content.len(),
            SecureData::File { last, .. } => lock(last).content.len(),
        }
    }

    /// The data now. A file that has become unreadable leaves the last good content in place.
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
                    // Remembered as it is now, so that this is said once for each change.
                    last.stamp = stamp;
                    let content = last.content.clone();
                    // A log function of the host's may take its time.
                    drop(last);
                    log::warn!("the file behind /secure-data {what}; its last content is kept");
                    return content;
                }
            }
        }
        last.content.clone()
    }
}

fn read(path: &Path) -> Result<(Secret, Stamp), String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    // Looked at before it is opened: opening a pipe would wait for its writer.
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
