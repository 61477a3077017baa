//! nginx or HAProxy in front of a server, or another daemon that listens on a Unix socket.

use std::fs;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::{PATIENCE, ended};

/// A reverse proxy in the foreground, on a Unix socket of its own.
pub struct Proxy {
    child: Child,
    pub socket: PathBuf,
}

impl Proxy {
    /// Starts it with this text as its configuration, and waits until it listens on `socket`.
    pub fn start(
        program: &str,
        folder: &Path,
        socket: PathBuf,
        config: &str,
        arguments: &[&str],
        flag: &str,
    ) -> Proxy {
        let file = folder.join(format!("{program}.conf"));
        fs::write(&file, config).unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let child = Command::new("env")
            .env("PATH", format!("{path}:/usr/sbin"))
            .current_dir(folder)
            .arg(program)
            .args(arguments)
            .arg(flag)
            .arg(&file)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut proxy = Proxy { child, socket };
        let start = Instant::now();
        while !proxy.listens() {
            let ended = proxy.child.try_wait().unwrap();
            assert!(
                ended.is_none() && start.elapsed() < PATIENCE,
                "{program} does not run; scripts/bootstrap test installs it"
            );
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        proxy
    }

    fn listens(&self) -> bool {
        let datagrams = || UnixDatagram::unbound().unwrap().connect(&self.socket);
        UnixStream::connect(&self.socket).is_ok() || datagrams().is_ok()
    }
}

impl Drop for Proxy {
    /// nginx's master ends its workers, unless it is killed.
    fn drop(&mut self) {
        let id = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        if !std::thread::panicking() {
            ended(&mut self.child, "the proxy does not end");
        }
    }
}
