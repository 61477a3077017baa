//! The one rule for files with secrets that somebody else made for us, such as a TLS key or a container's secrets, and for
//! logs that were there before: what others can change is refused, what others can read is worth a warning. For files that
//! are made here, `data_dir` has the stricter rule.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

#[cfg(unix)]
use crate::base::data_dir::shell_word;

/// Refuses what others can change, with the command that mends it, as the end of a sentence that begins with the path. What
/// others can only read gets a warning of the same form. What is no file, such as a shell's `<(...)`, is nobody else's.
#[cfg(unix)]
pub(crate) fn check(path: &Path, metadata: &Metadata) -> Result<Option<String>, String> {
    use rustix::process::{getegid, geteuid, getgroups};
    use std::os::unix::fs::MetadataExt;

    if !metadata.is_file() {
        return Ok(None);
    }
    let (mode, word) = (metadata.mode() & 0o7777, shell_word(path));
    if mode & 0o022 != 0 {
        return Err(format!(
            "can be changed by other users (mode {mode:04o}), so it cannot be trusted. Mend it with: chmod go-w {word}"
        ));
    }
    let user = geteuid();
    // The administrator handles the files of services.
    let is_strangers = !user.is_root() && ![0, user.as_raw()].contains(&metadata.uid());
    if is_strangers && mode & 0o200 != 0 {
        return Err(format!(
            "belongs to another user ({}), who can change it, so it cannot be trusted. Mend it with: chown {} {word}",
            metadata.uid(),
            user.as_raw()
        ));
    }
    let looser = check_folders(path)?;
    // That is how a service without root's rights gets a file of root's: through a group (Debian's ssl-cert).
    let is_lent = metadata.uid() == 0
        && !user.is_root()
        && (getegid().as_raw() == metadata.gid()
            || getgroups()
                .is_ok_and(|groups| groups.iter().any(|group| group.as_raw() == metadata.gid())));
    let readers = match (mode & 0o004 != 0, mode & 0o040 != 0 && !is_lent) {
        (true, _) => "every user",
        (false, true) => "its group",
        (false, false) => return Ok(looser),
    };
    Ok(Some(format!(
        "can be read by {readers} (mode {mode:04o}). Unless that is meant, take it away with: chmod {} {word}",
        if is_lent { "640" } else { "600" }
    )))
}

#[cfg(not(unix))]
pub(crate) fn check(_path: &Path, _metadata: &Metadata) -> Result<Option<String>, String> {
    Ok(None)
}

/// The same of a file without secrets that decides what is done, such as a settings file: what its owner or its group can
/// change is their business, what every user can change is nobody's.
#[cfg(unix)]
pub(crate) fn check_open(path: &Path, metadata: &Metadata) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;

    if !metadata.is_file() {
        return Ok(());
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o002 != 0 {
        return Err(format!(
            "can be changed by every user (mode {mode:04o}), so it cannot be trusted. Mend it with: chmod o-w {}",
            shell_word(path)
        ));
    }
    check_folders(path).map(drop)
}

#[cfg(not(unix))]
pub(crate) fn check_open(_path: &Path, _metadata: &Metadata) -> Result<(), String> {
    Ok(())
}

/// What is in a folder that others can change may be replaced by them, and so may the folders in it: those that the path
/// names, and those that each link leads through. In one with the sticky bit, such as /tmp, they can only replace what is
/// theirs.
#[cfg(unix)]
fn check_folders(path: &Path) -> Result<Option<String>, String> {
    use std::os::unix::fs::MetadataExt;

    let mut looser = None;
    for (folder, holds_it) in folders_on_the_way(path) {
        let Ok(metadata) = folder.metadata() else {
            continue;
        };
        let mode = metadata.mode() & 0o7777;
        if mode & 0o1000 != 0 || mode & 0o022 == 0 {
            continue;
        }
        let word = shell_word(&folder);
        if mode & 0o002 != 0 {
            return Err(format!(
                "is in a folder in which every user can replace it (mode {mode:04o}). Mend it with: chmod o-w {word}"
            ));
        }
        // A group of the user's own has nobody else in it.
        let own = rustix::process::getegid().as_raw();
        if holds_it && ![0, own].contains(&metadata.gid()) {
            looser = Some(format!(
                "is in a folder in which its group can replace it (mode {mode:04o}). Unless that is meant, take it away \
                 with: chmod g-w {word}"
            ));
        }
    }
    Ok(looser)
}

/// The folders of a path, the nearest first, which holds what the path names; then, wherever one of its parts is a link, those
/// of what it leads to.
#[cfg(unix)]
fn folders_on_the_way(path: &Path) -> Vec<(PathBuf, bool)> {
    /// As the system's own (ELOOP).
    const MOST_LINKS: usize = 40;

    let mut folders = Vec::new();
    let mut paths = vec![path.to_owned()];
    let mut links = 0;
    while let Some(path) = paths.pop() {
        let path = std::path::absolute(&path).unwrap_or(path);
        for part in path.ancestors() {
            let folder = part.parent();
            folders.extend(folder.map(|folder| (folder.to_owned(), part == path)));
            if let (Ok(to), Some(folder)) = (part.read_link(), folder)
                && links < MOST_LINKS
            {
                links += 1;
                paths.push(folder.join(to));
            }
        }
    }
    folders
}

/// The warning of a file that is there, for whoever looks at settings; what is refused is found when it is opened.
pub(crate) fn warning(setting: &str, path: &Path) -> Option<String> {
    let metadata = path.metadata().ok()?;
    let end = check(path, &metadata).ok()??;
    Some(format!("{setting}: {} {end}", path.display()))
}
