//! What the system knows of this process, under the names that Prometheus' own clients use.

use super::Page;

/// Adds what can be found out; elsewhere than on Linux that is nothing.
pub(crate) fn process(page: &mut Page) {
    #[cfg(target_os = "linux")]
    linux::process(page);
    let _ = page;
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;

    use rustix::process::{Resource, getrlimit};

    use super::Page;

    /// Ticks in a second, as /proc counts (`USER_HZ`): 100 on every architecture that Rust supports.
    const TICKS: f64 = 100.0;

    pub(super) fn process(page: &mut Page) {
        // proc_pid_stat(5): utime, stime and starttime are the fields 14, 15 and 22. Counted from behind the name, the
        // second, which may contain spaces.
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let behind_name = stat.rsplit(')').next().unwrap_or_default();
        let fields: Vec<&str> = behind_name.split_whitespace().collect();
        let ticks = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        if let (Some(user), Some(system)) = (ticks(14), ticks(15)) {
            page.seconds(
                "process_cpu_seconds",
                "User and system CPU time",
                (user + system) / TICKS,
            );
        }
        if let (Some(started), Some(booted)) = (ticks(22), booted()) {
            page.gauge(
                "process_start_time_seconds",
                "Start time since 1970-01-01 UTC",
                booted + started / TICKS,
            );
        }
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<f64>().ok()
        };
        if let Some(threads) = number("Threads:") {
            page.gauge("process_threads", "Number of threads", threads);
        }
        if let Some(kib) = number("VmSize:") {
            page.gauge(
                "process_virtual_memory_bytes",
                "Size of the address space",
                kib * 1024.0,
            );
        }
        if let Some(kib) = number("VmRSS:") {
            page.gauge(
                "process_resident_memory_bytes",
                "Memory in use",
                kib * 1024.0,
            );
        }
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            // One of them is the directory's own.
            let open = files.count().saturating_sub(1);
            page.gauge("process_open_fds", "Number of open files", open as f64);
        }
        if let Some(most) = getrlimit(Resource::Nofile).current {
            page.gauge("process_max_fds", "Limit on open files", most as f64);
        }
    }

    /// When the system started, in seconds since 1970-01-01 UTC.
    fn booted() -> Option<f64> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
        line.trim().parse().ok()
    }
}
