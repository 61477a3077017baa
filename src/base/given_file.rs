//! The single rule for files with secrets that others created for us, such as a TLS key or a container's secrets, and
//! for logs: a file that others can change is refused; one that others can read causes a warning. Files that
//! we create follow the stricter rule in `private_files`.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

#[cfg(unix)]
use crate::base::private_files::shell_word;

/// Refuses a file that others can change, with the command to fix it, as the end of a sentence that starts with the
/// path. If others can only read it, returns a warning of the same form. Anything other than a regular file, such as a
/// shell's
/// `<(...)`, is accepted.
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
            "can be changed by other users (mode {mode:04o}), so it cannot be trusted. Fix it with: chmod go-w {word}"
        ));
    }
    let user = geteuid();
    let is_strangers = is_strangers(metadata) && mode & 0o200 != 0;
    let owner = metadata.uid();
    if is_strangers && !user.is_root() {
        return Err(format!(
            "belongs to another user ({owner}), who can change it, so it cannot be trusted. Fix it with: chown {} {word}",
            user.as_raw()
        ));
    }
    let looser = check_folders(path)?;
    // In a container root reads what a user of the machine has mounted.
    if is_strangers {
        return Ok(Some(format!(
            "belongs to another user ({owner}), who can change it. Unless that is intended, fix it with: chown root {word}"
        )));
    }
    // An unprivileged service gets access to a root-owned file this way: through a group (Debian's ssl-cert), or
    // through an ACL, whose mask then stands in the place of the group root's mode (credentials of systemd).
    let is_lent = metadata.uid() == 0
        && !user.is_root()
        && (metadata.gid() == 0
            || getegid().as_raw() == metadata.gid()
            || getgroups()
                .is_ok_and(|groups| groups.iter().any(|group| group.as_raw() == metadata.gid())));
    let readers = match (mode & 0o004 != 0, mode & 0o040 != 0 && !is_lent) {
        (true, _) => "every user",
        (false, true) => "its group",
        (false, false) => return Ok(looser),
    };
    Ok(Some(format!(
        "can be read by {readers} (mode {mode:04o}). Unless that is intended, fix it with: chmod {} {word}",
        if is_lent { "640" } else { "600" }
    )))
}

#[cfg(not(unix))]
pub(crate) fn check(_path: &Path, _metadata: &Metadata) -> Result<Option<String>, String> {
    Ok(None)
}

/// Whether the owner is neither root nor this process's user.
#[cfg(unix)]
fn is_strangers(metadata: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;

    ![0, rustix::process::geteuid().as_raw()].contains(&metadata.uid())
}

/// The same for a file without secrets that controls behaviour, such as a settings file: its owner and group may change
/// it, but a world-writable file is refused.
#[cfg(unix)]
pub(crate) fn check_open(path: &Path, metadata: &Metadata) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;

    if !metadata.is_file() {
        return Ok(());
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o002 != 0 {
        return Err(format!(
            "can be changed by every user (mode {mode:04o}), so it cannot be trusted. Fix it with: chmod o-w {}",
            shell_word(path)
        ));
    }
    check_folders(path).map(drop)
}

#[cfg(not(unix))]
pub(crate) fn check_open(_path: &Path, _metadata: &Metadata) -> Result<(), String> {
    Ok(())
}

/// The same for a file that will be created: refuses a place where every user can replace it.
#[cfg(unix)]
pub(crate) fn check_place(path: &Path) -> Result<(), String> {
    check_folders(path).map(drop)
}

#[cfg(not(unix))]
pub(crate) fn check_place(_path: &Path) -> Result<(), String> {
    Ok(())
}

/// Others can replace files in a directory that they can write to, including the directories in it: those on the path,
/// and those that each link leads through. In a directory with the sticky bit, such as /tmp, they can replace only
/// their own files.
#[cfg(unix)]
fn check_folders(path: &Path) -> Result<Option<String>, String> {
    use std::os::unix::fs::MetadataExt;

    let mut looser = None;
    for (folder, holds_it) in folders_on_the_way(path) {
        let Ok(metadata) = folder.metadata() else {
            continue;
        };
        let mode = metadata.mode() & 0o7777;
        let word = shell_word(&folder);
        if is_strangers(&metadata) {
            looser.get_or_insert_with(|| {
                format!(
                    "is in a directory of another user ({}), who can replace it. Unless that is intended, move it, or fix it \
                     with: chown {} {word}",
                    metadata.uid(),
                    rustix::process::geteuid().as_raw()
                )
            });
        }
        if mode & 0o1000 != 0 || mode & 0o022 == 0 {
            continue;
        }
        if mode & 0o002 != 0 {
            return Err(format!(
                "is in a directory in which every user can replace it (mode {mode:04o}). Fix it with: chmod o-w {word}"
            ));
        }
        // A user's private group has no other members.
        let own = rustix::process::getegid().as_raw();
        if holds_it && ![0, own].contains(&metadata.gid()) {
            looser.get_or_insert_with(|| {
                format!(
                    "is in a directory in which its group can replace it (mode {mode:04o}). Unless that is intended, fix it \
                     with: chmod g-w {word}"
                )
            });
        }
    }
    Ok(looser)
}

/// The directories on a path, innermost first, each with whether it directly holds the named file; then, for each link
/// among its parts, those of the link's target.
#[cfg(unix)]
fn folders_on_the_way(path: &Path) -> Vec<(PathBuf, bool)> {
    /// The same limit as the system's (ELOOP).
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

/// The warning for an existing file, for commands that check settings; a file that is refused is reported when it is
/// opened.
pub(crate) fn warning(setting: &str, path: &Path) -> Option<String> {
    let metadata = path.metadata().ok()?;
    let end = check(path, &metadata).ok()??;
    Some(format!("{setting}: {} {end}", path.display()))
}
