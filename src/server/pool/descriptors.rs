//! How many connections the process's limit on open files leaves room for.

use std::fs;

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

/// Part of the limit that is left to everything else: the store, the log, files of routes and of the host program.
const RESERVED_PART: usize = 8;
const RESERVED: std::ops::RangeInclusive<usize> = 8..=256;
/// Taken to be open where /proc does not say.
const UNKNOWN_OPEN: usize = 64;

/// The limit on open files of this process, and how many connections it has room for, `open_connections` included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) files: usize,
    pub(super) connections: usize,
}

impl Room {
    /// `None` where there is no limit.
    pub(super) fn now(open_connections: usize) -> Option<Room> {
        let files = usize::try_from(getrlimit(Resource::Nofile).current?).ok()?;
        // The folder itself is one of those that are open while it is read.
        let open = match fs::read_dir("/proc/self/fd") {
            Ok(open) => open.count().saturating_sub(1),
            // Not even one is left to look with.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::MFILE) => files,
            Err(_) => UNKNOWN_OPEN + open_connections,
        };
        Some(Room::of(files, open, open_connections))
    }

    fn of(files: usize, open: usize, open_connections: usize) -> Room {
        let reserved = (files / RESERVED_PART).clamp(*RESERVED.start(), *RESERVED.end());
        let others = open.saturating_sub(open_connections);
        Room {
            files,
            connections: files.saturating_sub(others + reserved).max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_else_is_open_takes_room() {
        let connections = |files, open, of_them| Room::of(files, open, of_them).connections;
        assert_eq!(connections(1024, 24, 0), 1024 - 24 - 128);
        assert_eq!(connections(1024, 924, 900), 1024 - 24 - 128);
        // The host has opened many files meanwhile.
        assert_eq!(connections(1024, 1024, 500), 1024 - 524 - 128);
        assert_eq!(connections(64, 20, 0), 36);
        assert_eq!(connections(1 << 20, 20, 0), (1 << 20) - 20 - 256);
        // All are taken: connections give up a reserve.
        assert_eq!(connections(1024, 1024, 300), 300 - 128);
        // One connection is better than none.
        assert_eq!(connections(16, 16, 0), 1);
    }
}
