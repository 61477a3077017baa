//! nginx or HAProxy in front of a server, or another daemon that listens on a Unix socket.

use std::fs;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::io::{FdFlags, fcntl_setfd};

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
        Proxy::start_with(program, folder, socket, config, arguments, flag, |_| {})
    }

    /// The same with changes to the environment that it is started with.
    pub fn start_with(
        program: &str,
        folder: &Path,
        socket: PathBuf,
        config: &str,
        arguments: &[&str],
        flag: &str,
        change: impl FnOnce(&mut Command),
    ) -> Proxy {
        let file = folder.join(format!("{program}.conf"));
        fs::write(&file, config).unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("env");
        command
            .env("PATH", format!("{path}:/usr/sbin"))
            .current_dir(folder)
            .arg(program)
            .args(arguments)
            .arg(flag)
            .arg(&file)
            .stdin(Stdio::null());
        change(&mut command);
        let child = command.spawn().unwrap();
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

/// A TCP address for a proxy to listen on, whose socket it inherits: nobody else can take the port in between.
pub struct Inherited {
    pub port: u16,
    pub descriptor: i32,
    _listener: TcpListener,
}

impl Inherited {
    pub fn new() -> Inherited {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        fcntl_setfd(&listener, FdFlags::empty()).unwrap();
        Inherited {
            port: listener.local_addr().unwrap().port(),
            descriptor: listener.as_raw_fd(),
            _listener: listener,
        }
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
