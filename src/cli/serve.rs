//! `sealgate serve`: the server in the foreground, until a signal ends it.

use std::io::{self, Write};
use std::panic;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::{ArgMatches, Command};
use sealgate::api::{App, LoginMode};
use sealgate::config::{Config, Settings};
use sealgate::server::{Address, Server};
use sealgate::{CbcMode, Error, Gate, logging};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::changes::Changes;
use super::first_curl::first_curl;
use super::table::harmless;
use super::{Failure, settings};

/// How long a panic waits until its line is written.
const PANIC_FLUSH: Duration = Duration::from_millis(100);

pub(super) fn command() -> Command {
    let command = Command::new("serve")
        .about("Serve the HTTP API")
        .long_about(
            "Serve the HTTP API in the foreground. SIGTERM or SIGINT (Ctrl-C) stops it: running requests may end, a \
             second signal does not wait for them. SIGHUP opens the log file anew and reads the key ring, whose changes are \
             noticed within half a second anyway. Without any setting it serves \
             127.0.0.1:5000 with keys that it makes and keeps in the data directory.",
        );
    settings::add_all_flags(command)
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let settings = super::load_settings(matches)?;
    logging::init(&settings.log)?;
    panic::set_hook(Box::new(|panicked| {
        logging::tell_panic(panicked);
        // The process may be about to abort; a log that hangs is not waited for.
        logging::flush_within(PANIC_FLUSH);
    }));
    // Before any socket: a signal that comes early still stops cleanly.
    let signals = Signals::new([SIGTERM, SIGINT, SIGHUP])
        .map_err(|error| Failure::wrong(format!("Signals cannot be handled: {error}.")))?;
    raise_descriptor_limit();
    let changes = Changes::before(&settings.gate.keys);
    let gate = Gate::new(&settings.gate)?;
    if let Some(ring) = changes.new_ring() {
        log::info!("created the key ring {}", ring.display());
    }
    let app = App::new(gate.clone(), &settings.app)?;
    let server = Arc::new(Server::start(app, &settings.server)?);
    greet(&server, &gate, &settings);
    let stopped = watch(signals, server.clone(), gate, &settings);
    if let Err(failure) = server.wait() {
        // It cannot go on; what is running may still end.
        let _ = server.stop(settings.server.grace);
        return Err(failure.into());
    }
    // The thread that called for the stop knows whether all requests ended in time.
    let ended = stopped.join().unwrap_or(Ok(()));
    log::info!("stopped");
    log::logger().flush();
    Ok(ended?)
}

/// Permits this process as many descriptors as its user may have: each connection takes one.
fn raise_descriptor_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit {
            current: limit.maximum,
            ..limit
        };
        // Where that is refused, the limit stays as it was.
        let _ = setrlimit(Resource::Nofile, raised);
    }
}

/// Waits for the first signal to stop, then stops the server; a second one ends the process at once.
fn watch(
    mut signals: Signals,
    server: Arc<Server>,
    gate: Gate,
    settings: &Settings,
) -> thread::JoinHandle<Result<(), Error>> {
    let grace = settings.server.grace;
    thread::spawn(move || {
        wait_for_stop(&mut signals, &gate);
        log::info!("stopping; running requests may take {} s", grace.as_secs());
        thread::spawn(move || {
            wait_for_stop(&mut signals, &gate);
            log::logger().flush();
            std::process::exit(1);
        });
        server.stop(grace)
    })
}

/// Returns at a signal that asks for a stop; SIGHUP asks for a new log file and for the keys as they are now.
fn wait_for_stop(signals: &mut Signals, gate: &Gate) {
    for signal in signals.forever() {
        if signal != SIGHUP {
            return;
        }
        logging::reopen();
        // What went wrong stands in the log.
        let _ = gate.reload_keys();
    }
}

/// The first lines: what runs where, with which keys, and what to type first.
fn greet(server: &Server, gate: &Gate, settings: &Settings) {
    let mut lines = vec![format!("Sealgate {}", sealgate::VERSION)];
    for address in server.addresses() {
        lines.push(format!("  listening on {address} ({})", server.engine()));
        log::info!("listening on {address}");
    }
    for origin in gate.key_origins() {
        lines.push(format!("  {origin}"));
    }
    let reachable_login = offers_login(server, gate, settings);
    let login = match settings.app.login {
        LoginMode::Auto if gate.wants_passwords() => "users with an account and its password",
        LoginMode::Auto if !reachable_login && is_local(server) => {
            "nobody: there are no accounts (sealgate user add NAME), and the system does not say which user's process a caller is"
        }
        LoginMode::Auto if !reachable_login => {
            "nobody: there are no accounts (sealgate user add NAME), and the address is not of this machine alone"
        }
        LoginMode::Auto => "processes of this server's user, under any name",
        LoginMode::Open => "anybody, under any name",
        LoginMode::Off => "nobody; tokens come from: sealgate token issue",
    };
    lines.push(format!("  login: {login}"));
    let mut out = io::stdout().lock();
    for line in lines {
        // A closed standard output is no reason not to serve.
        let _ = writeln!(out, "{}", harmless(&line));
    }
    if reachable_login {
        let body = match gate.wants_passwords() {
            true => r#"{"username": "NAME", "password": "PASSWORD"}"#,
            false => r#"{"username": "test_user"}"#,
        };
        let curl = harmless(&first_curl(&server.addresses()[0], &settings.server, body));
        let _ = writeln!(out, "\nTry:\n  {curl}\n");
    }
    let _ = out.flush();
    warn(server, gate, settings, reachable_login);
}

/// Whether anybody can get a token by POST /login.
fn offers_login(server: &Server, gate: &Gate, settings: &Settings) -> bool {
    match settings.app.login {
        LoginMode::Auto => gate.wants_passwords() || server.knows_users(),
        LoginMode::Open => true,
        LoginMode::Off => false,
    }
}

fn is_local(server: &Server) -> bool {
    server.addresses().iter().any(Address::is_local)
}

fn warn(server: &Server, gate: &Gate, settings: &Settings, reachable_login: bool) {
    for warning in &settings.warnings {
        log::warn!("{warning}");
    }
    match settings.app.login {
        LoginMode::Auto if gate.wants_passwords() || !reachable_login => {}
        LoginMode::Auto => log::warn!(
            "there are no accounts: every process of this server's user may log in under any name, and so may whoever reaches a proxy that runs as this user (sealgate user add NAME ends that)"
        ),
        LoginMode::Open => log::warn!(
            "anybody who reaches this server may log in under any name, without a password"
        ),
        LoginMode::Off => {}
    }
    let in_the_clear =
        |address: &&Address| matches!(address, Address::Tcp(_)) && !address.is_local();
    if let Some(address) = server.addresses().iter().find(in_the_clear)
        && !settings.server.behind_proxy
    {
        log::warn!(
            "{address} is not of this machine alone, and tokens and data go over the network in the clear (SEALGATE_TLS_CERT and SEALGATE_TLS_KEY end that)"
        );
    }
    match gate.cbc_mode() {
        CbcMode::Off => {}
        CbcMode::Open => log::warn!(
            "the original's AES-CBC still opens; whoever may decrypt can use that as a padding oracle (SEALGATE_CBC=off ends it)"
        ),
        CbcMode::Seal => log::warn!(
            "new data is encrypted with the original's AES-CBC because AES_IV is set: changes go unnoticed, and equal \
             beginnings show (SEALGATE_CBC=open seals new data and still opens old)"
        ),
    }
    let server = &settings.server;
    if server.max_buffered / 2 < server.max_body {
        log::warn!(
            "bodies above {} bytes may get 503 even without other requests: SEALGATE_MAX_BUFFERED has to be twice SEALGATE_MAX_BODY",
            server.max_buffered / 2
        );
    }
    if gate.is_ring_to_be_sealed() {
        log::warn!(
            "the key ring is not sealed under SEALGATE_RING_KEY yet: its next change will do that, or: sealgate keys seal"
        );
    }
    for unknown in Config::unknown_env() {
        log::warn!("{unknown}");
    }
}
