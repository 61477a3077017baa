//! How many connections fit within the process's limit on open files.

use std::fs;

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

/// Share of the limit reserved for everything else: the store, the log, files opened by routes and by the host program.
const RESERVED_PART: usize = 8;
const RESERVED: std::ops::RangeInclusive<usize> = 8..=256;
/// Assumed to be open if /proc is not readable.
const UNKNOWN_OPEN: usize = 64;

/// The limit on open files of this process, and how many connections fit within it, `open_connections` included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) files: usize,
    pub(super) connections: usize,
}

impl Room {
    /// `None` if there is no limit.
    pub(super) fn now(open_connections: usize) -> Option<Room> {
        let files = usize::try_from(getrlimit(Resource::Nofile).current?).ok()?;
        // The directory itself is open while it is read.
        let open = match fs::read_dir("/proc/self/fd") {
            Ok(open) => open.count().saturating_sub(1),
            // No descriptor is left to read it with.
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
    fn other_open_files_leave_less_room() {
        let connections = |files, open, of_them| Room::of(files, open, of_them).connections;
        assert_eq!(connections(1024, 24, 0), 1024 - 24 - 128);
        assert_eq!(connections(1024, 924, 900), 1024 - 24 - 128);
        // The host has since opened many files.
        assert_eq!(connections(1024, 1024, 500), 1024 - 524 - 128);
        assert_eq!(connections(64, 20, 0), 36);
        assert_eq!(connections(1 << 20, 20, 0), (1 << 20) - 20 - 256);
        // All are in use: connections give up the reserve.
        assert_eq!(connections(1024, 1024, 300), 300 - 128);
        // One connection is better than none.
        assert_eq!(connections(16, 16, 0), 1);
    }
}
