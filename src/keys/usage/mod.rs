//! How many messages each data key of the ring has sealed, in a file in the data directory: lines are only ever appended,
//! by all processes that use the ring. `tally` counts the messages; docs/formats.md describes the lines.
//!
//! The counts are not in the ring file, which is a secret, sealed and backed up, and would have to be rewritten for each
//! count. They are not in the store, which a server without accounts does not have, and whose transactions wait for the
//! disk: appending a line takes microseconds and never waits for another process. A killed process leaves a whole line or
//! none. A power failure may lose the last lines or tear the last one, which is then reported.

mod carried;
mod file;
mod flush_mode;
mod in_store;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::Error;
use crate::base::private_files::write_new_file;
use crate::base::waker::Waker;
use crate::store::SharedStore;
pub(super) use file::Fault;
use file::Locked;
pub(super) use flush_mode::FlushMode;
use in_store::InStore;

/// The file in the data directory that records how many messages each data key has sealed.
pub const USAGE_FILE: &str = "key-usage.txt";
/// A copy of a damaged file, unchanged.
const DAMAGED_FILE: &str = "key-usage.txt.damaged";
const NEW_FILE: &str = "key-usage.txt.new";

/// The first line.
const HEAD: &str = "sealgate key usage 1\n";
/// The start of the first line in every version.
const FORMAT: &str = "sealgate key usage ";
/// From this size in bytes on, each key's lines are merged into one; from twice that if a caller is waiting.
const LONG: u64 = 64 << 10;
/// A larger file was not written by sealgate.
const TOO_LONG: u64 = 1 << 20;
/// How long to wait for other processes to append their lines: each takes microseconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// How many messages each data key of the ring has sealed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyUsage {
    messages: BTreeMap<String, u64>,
    /// Why the counts are too low, if they are.
    pub trouble: Option<String>,
}

impl KeyUsage {
    /// The counts in a shared store.
    pub(super) fn of(counts: Result<Vec<(String, u64)>, Error>) -> Self {
        match counts {
            Ok(counts) => KeyUsage {
                messages: counts.into_iter().collect(),
                trouble: None,
            },
            Err(error) => KeyUsage {
                messages: BTreeMap::new(),
                trouble: Some(error.to_string()),
            },
        }
    }

    /// How many messages the data key with this id has sealed, as far as recorded.
    pub fn messages(&self, id: &str) -> u64 {
        self.messages.get(id).copied().unwrap_or(0)
    }
}

/// Where a gate records its counts.
pub(super) struct Journal {
    place: Place,
    /// Whether the whole file has been checked once.
    known: AtomicBool,
    /// Whether a failure to append has been logged.
    warned: AtomicBool,
    /// The thread that records counts, if a server has one.
    pub(super) waker: Arc<Waker>,
}

enum Place {
    /// The file in this directory, to which lines are appended.
    Folder(PathBuf),
    Store(InStore),
}

impl Journal {
    pub(super) fn in_folder(folder: &Path) -> Self {
        Journal::at(Place::Folder(folder.to_owned()))
    }

    pub(super) fn in_store(store: Arc<dyn SharedStore>) -> Self {
        Journal::at(Place::Store(InStore::new(store)))
    }

    fn at(place: Place) -> Self {
        Journal {
            place,
            known: AtomicBool::new(false),
            warned: AtomicBool::new(false),
            waker: Arc::default(),
        }
    }

    /// Adds this many messages to a key's count. Returns the text to log once no lock is held.
    pub(super) fn add(
        &self,
        id: &str,
        messages: u64,
        mode: FlushMode,
    ) -> Result<Option<String>, Fault> {
        let (patience, long) = match mode {
            FlushMode::Sealing => (Duration::ZERO, 2 * LONG),
            FlushMode::Last | FlushMode::Exit => (PATIENCE, LONG),
        };
        let folder = match &self.place {
            Place::Folder(folder) => folder,
            Place::Store(store) => return store.add(id, messages, mode).map(|()| None),
        };
        let path = folder.join(USAGE_FILE);
        let mut file = Locked::make(folder, &path, patience)?;
        let mut text = line(id, messages);
        let mut damage = None;
        if file.size() == 0 {
            text.insert_str(0, HEAD);
        } else if file.size() >= long || !self.known.load(Ordering::Relaxed) {
            let found = Found::read(&mut file)?;
            if found.bad_lines > 0 || found.shrinks(long) {
                found.replace(folder, &path)?;
                damage = found.damage_report(folder);
                file = Locked::make(folder, &path, patience)?;
            }
        }
        file.append(&text)?;
        self.known.store(true, Ordering::Relaxed);
        Ok(damage)
    }

    /// Logs once that nothing can be appended.
    pub(super) fn warn_once(&self, sentence: &str) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            log::warn!(
                "the message counts of keys cannot be recorded and are kept in memory until they can be: {sentence}"
            );
        }
    }

    /// An append succeeded: the next failure is a new one.
    pub(super) fn is_well(&self) {
        if self.warned.load(Ordering::Relaxed) {
            self.warned.store(false, Ordering::Relaxed);
        }
    }
}

/// The counts in the file, for listing keys. Changes nothing.
pub(super) fn read(folder: &Path) -> KeyUsage {
    let path = folder.join(USAGE_FILE);
    let damaged = folder.join(DAMAGED_FILE);
    let mut usage = KeyUsage::default();
    if fs::symlink_metadata(&damaged).is_ok() {
        usage.trouble = Some(format!(
            "{} was damaged and set aside as {}: the unreadable lines are missing from the counts. Remove that file to \
             dismiss this message.",
            path.display(),
            damaged.display()
        ));
    }
    let found = match Locked::shared(&path, PATIENCE) {
        Ok(Some(mut file)) => Found::read(&mut file),
        Ok(None) => return usage,
        Err(fault) => Err(fault),
    };
    match found {
        Ok(found) => {
            if found.bad_lines > 0 {
                usage.trouble = Some(format!(
                    "{} is damaged ({}): the unreadable lines are missing from the counts.",
                    path.display(),
                    found.told_damage()
                ));
            }
            usage.messages = found.messages;
        }
        Err(Fault::Trouble(sentence)) => usage.trouble = Some(sentence),
        Err(Fault::Busy) => {
            usage.trouble = Some(format!("{} is locked by another process.", path.display()));
        }
    }
    usage
}

/// The text of the file for a backup: the counts that can be read; empty if there are none.
pub(super) fn text_for_backup(folder: &Path) -> String {
    text_if_any(&read(folder).messages)
}

/// The text of the file after a restore, for the keys with these ids. A count is that of the backup's text or of the
/// directory, whichever is higher: messages sealed after the backup still count. Empty if there are none. `None`: the text is
/// damaged.
pub(super) fn text_after_restore(text: &[u8], folder: &Path, ids: &[&str]) -> Option<String> {
    let backup = Found::parse(text.to_vec()).filter(|found| found.bad_lines == 0)?;
    let mut messages = read(folder).messages;
    for (id, count) in backup.messages {
        let known = messages.entry(id).or_default();
        *known = count.max(*known);
    }
    messages.retain(|id, _| ids.contains(&id.as_str()));
    Some(text_if_any(&messages))
}

fn text_if_any(messages: &BTreeMap<String, u64>) -> String {
    match messages.is_empty() {
        true => String::new(),
        false => text_of(messages),
    }
}

/// Removes keys that are no longer in the ring. The caller holds the ring's lock, so no key of a newer ring is removed.
/// Returns the text to log once no lock is held.
pub(super) fn keep_only(folder: &Path, ids: &[&str]) -> Option<String> {
    let path = folder.join(USAGE_FILE);
    if fs::symlink_metadata(&path).is_err() {
        return None;
    }
    let tidy = || {
        let mut file = Locked::make(folder, &path, PATIENCE)?;
        let mut found = Found::read(&mut file)?;
        let before = found.messages.len();
        found.messages.retain(|id, _| ids.contains(&id.as_str()));
        if found.messages.len() == before {
            return Ok(None);
        }
        found.replace(folder, &path)?;
        Ok(found.damage_report(folder))
    };
    match tidy() {
        Ok(damage) => damage,
        Err(Fault::Busy) => None,
        Err(Fault::Trouble(sentence)) => Some(format!(
            "the counts of keys that are no longer in the ring were not removed: {sentence}"
        )),
    }
}

/// The contents of the file.
struct Found {
    messages: BTreeMap<String, u64>,
    /// How many lines are invalid.
    bad_lines: usize,
    /// The whole file; empty if it is too large to be read.
    text: Option<Vec<u8>>,
}

impl Found {
    fn read(file: &mut Locked) -> Result<Self, Fault> {
        if file.size() > TOO_LONG {
            return Ok(Found {
                messages: BTreeMap::new(),
                bad_lines: 1,
                text: None,
            });
        }
        let text = file.read(TOO_LONG)?;
        Found::parse(text).ok_or_else(|| {
            Fault::Trouble(format!(
                "{} was written by a newer version of sealgate; use that version.",
                file.path().display()
            ))
        })
    }

    /// `None`: a newer version wrote it.
    fn parse(text: Vec<u8>) -> Option<Self> {
        let mut found = Found {
            messages: BTreeMap::new(),
            bad_lines: 0,
            text: None,
        };
        let mut lines = text.split_inclusive(|byte| *byte == b'\n');
        match lines.next() {
            None => {}
            Some(head) if head == HEAD.as_bytes() => {}
            Some(head) if is_newer(head) => return None,
            Some(_) => found.bad_lines += 1,
        }
        for line in lines {
            match parse(line) {
                Some((id, messages)) => {
                    let sum = found.messages.entry(id.to_owned()).or_default();
                    *sum = sum.saturating_add(messages);
                }
                None => found.bad_lines += 1,
            }
        }
        found.text = Some(text);
        Some(found)
    }

    /// The counts with one line per key.
    fn to_text(&self) -> String {
        text_of(&self.messages)
    }

    /// Whether it is long and would be much shorter with one line per key.
    fn shrinks(&self, long: u64) -> bool {
        let size = self.text.as_ref().map_or(0, Vec::len);
        size as u64 >= long && 2 * self.to_text().len() < size
    }

    fn told_damage(&self) -> String {
        match (&self.text, self.bad_lines) {
            (None, _) => format!("larger than {} KiB", TOO_LONG >> 10),
            (_, 1) => "1 line cannot be read".to_owned(),
            (_, lines) => format!("{lines} lines cannot be read"),
        }
    }

    /// Replaces this file, whose lock is held, with the counts that were read. A damaged file is kept beside it.
    fn replace(&self, folder: &Path, path: &Path) -> Result<(), Fault> {
        let damaged = folder.join(DAMAGED_FILE);
        let new = folder.join(NEW_FILE);
        let replace = || -> io::Result<()> {
            match &self.text {
                _ if self.bad_lines == 0 => {}
                Some(text) => write_new_file(folder, &damaged, text)?,
                None => fs::rename(path, &damaged)?,
            }
            write_new_file(folder, &new, self.to_text().as_bytes())?;
            fs::rename(&new, path)
        };
        replace().map_err(|error| {
            let _ = fs::remove_file(&new);
            Fault::of(path, &error)
        })
    }

    fn damage_report(&self, folder: &Path) -> Option<String> {
        (self.bad_lines > 0).then(|| {
            format!(
                "{} was damaged ({}) and is set aside as {}; counting continues from what could be read",
                folder.join(USAGE_FILE).display(),
                self.told_damage(),
                folder.join(DAMAGED_FILE).display()
            )
        })
    }
}

impl Fault {
    fn of(path: &Path, error: &io::Error) -> Self {
        Fault::Trouble(format!("{} cannot be used: {error}.", path.display()))
    }
}

/// One line per key.
fn text_of(messages: &BTreeMap<String, u64>) -> String {
    let lines = messages.iter();
    let lines = lines.map(|(id, messages)| line(id, *messages));
    HEAD.to_owned() + &lines.collect::<String>()
}

fn line(id: &str, messages: u64) -> String {
    format!("{id} {messages}\n")
}

/// The id of a data key and its added messages, if the line is valid.
fn parse(line: &[u8]) -> Option<(&str, u64)> {
    let line = str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (id, messages) = line.split_once(' ')?;
    let is_hex = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_id = id.len() == 8 && id.bytes().all(is_hex);
    // Parsing would also accept a sign.
    let is_number = messages.bytes().all(|byte| byte.is_ascii_digit());
    Some((id, messages.parse().ok()?)).filter(|_| is_id && is_number)
}

/// Whether the first line is that of a later version.
fn is_newer(head: &[u8]) -> bool {
    let version = head.strip_prefix(FORMAT.as_bytes());
    let version = version.and_then(|version| str::from_utf8(version).ok()?.trim_end().parse().ok());
    version.is_some_and(|version: u32| version > 1)
}

#[cfg(test)]
mod tests;
