//! `sealgate serve`: runs the server in the foreground until a signal stops it.

use std::io::{self, Write};
use std::panic;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::{ArgMatches, Command};
use sealgate::api::{App, LoginMode};
use sealgate::audit::Trail;
use sealgate::config::{Config, Settings};
use sealgate::server::{Address, Listener, ProxyProtocol, Server};
use sealgate::{CbcMode, Error, Gate, logging};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::changes::Changes;
use super::first_curl::first_curl;
use super::systemd::{Notifier, Watchdog, passed_sockets};
use super::table::harmless;
use super::{Failure, settings};

/// How long a panic waits for its log line to be written.
const PANIC_FLUSH: Duration = Duration::from_millis(100);

pub(super) fn command() -> Command {
    let command = Command::new("serve")
        .about("Serve the HTTP API")
        .long_about(
            "Serve the HTTP API in the foreground. SIGTERM or SIGINT (Ctrl-C) stops it once running requests have finished; \
             a second signal stops it at once. SIGHUP reopens the log file and reloads the key ring and the TLS certificate; \
             changes of the ring are also detected within half a second, changes of the certificate within 5 seconds. Under \
             systemd it reports its state (sd_notify, watchdog), and serves the sockets that it is passed in place of \
             --listen. Without any settings it listens on 127.0.0.1:5000, with keys that it creates and keeps in the data \
             directory.",
        );
    settings::add_all_flags(command)
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let settings = super::load_settings(matches)?;
    let sockets = passed_sockets()?;
    logging::init(&settings.log)?;
    panic::set_hook(Box::new(|panicked| {
        logging::tell_panic(panicked);
        // The process may be about to abort, so this does not wait for a log that hangs.
        logging::flush_within(PANIC_FLUSH);
    }));
    // Before any socket is opened, so that an early signal also stops the server cleanly.
    let signals = Signals::new([SIGTERM, SIGINT, SIGHUP])
        .map_err(|error| Failure::wrong(format!("Signals cannot be handled: {error}.")))?;
    raise_descriptor_limit();
    // Before the gate may change keys: it uses the same trail.
    let trail = Trail::without_users(&settings.gate.audit);
    trail.open()?;
    let changes = Changes::before(&settings.gate.keys);
    let gate = Gate::new(&settings.gate)?;
    if let Some(ring) = changes.new_ring() {
        log::info!("created the key ring {}", ring.display());
    }
    let app = App::new(gate.clone(), &settings.app)?;
    let server = Arc::new(start(app, &settings, sockets)?);
    greet(&server, &gate, &settings);
    let stopped = watch(signals, server.clone(), gate, &settings);
    if let Err(failure) = server.wait() {
        // The server cannot continue, but running requests may still finish.
        let _ = server.stop(settings.server.grace);
        return Err(failure.into());
    }
    // The thread that stopped the server knows whether all requests finished in time.
    let ended = stopped.join().unwrap_or(Ok(()));
    log::info!("stopped");
    log::logger().flush();
    Ok(ended?)
}

/// Serves the sockets that systemd passed, else the configured addresses.
fn start(app: App, settings: &Settings, sockets: Vec<(Listener, String)>) -> Result<Server, Error> {
    if sockets.is_empty() {
        return Server::start(app, &settings.server);
    }
    let (listeners, names): (Vec<_>, Vec<_>) = sockets.into_iter().unzip();
    let server = Server::start_on(app, &settings.server, listeners)?;
    log::info!(
        "systemd passed the sockets ({}), so SEALGATE_LISTEN is not used",
        harmless(&names.join(", "))
    );
    Ok(server)
}

/// Raises the limit on open descriptors to its maximum: each connection takes one.
fn raise_descriptor_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit {
            current: limit.maximum,
            ..limit
        };
        // If that fails, the limit stays as it was.
        let _ = setrlimit(Resource::Nofile, raised);
    }
}

/// Reports the server as ready, and stops it at the first stop signal; a second one ends the process at once.
fn watch(
    mut signals: Signals,
    server: Arc<Server>,
    gate: Gate,
    settings: &Settings,
) -> thread::JoinHandle<Result<(), Error>> {
    let grace = settings.server.grace;
    let notifier = Notifier::from_env();
    notifier.ready(&serving(&server));
    let watched = server.clone();
    let watchdog = Watchdog::start(&notifier, move |within| watched.is_alive(within));
    thread::spawn(move || {
        wait_for_stop(&mut signals, &server, &gate, &notifier);
        watchdog.stop();
        let stopping = format!(
            "stopping; running requests have {} s to finish",
            grace.as_secs()
        );
        notifier.stopping(&stopping);
        log::info!("{stopping}");
        let stopped = server.clone();
        thread::spawn(move || {
            // Silent: a reload must not report a stopping server as ready.
            wait_for_stop(&mut signals, &stopped, &gate, &Notifier::silent());
            log::logger().flush();
            std::process::exit(1);
        });
        server.stop(grace)
    })
}

/// Returns at a stop signal. SIGHUP reopens the log file and reloads the keys and the certificate.
fn wait_for_stop(signals: &mut Signals, server: &Server, gate: &Gate, notifier: &Notifier) {
    for signal in signals.forever() {
        if signal != SIGHUP {
            return;
        }
        notifier.reloading();
        logging::reopen();
        let reloads = [gate.reload_keys(), server.reload_certificates()];
        // They have been logged in full.
        let failed = reloads.into_iter().filter_map(Result::err);
        let failed: String = failed
            .map(|error| format!("; not reloaded: {error}"))
            .collect();
        notifier.ready(&(serving(server) + &failed));
    }
}

/// The state of the server in one line.
fn serving(server: &Server) -> String {
    let addresses: Vec<String> = server.addresses().iter().map(Address::to_string).collect();
    format!("listening on {}", addresses.join(", "))
}

/// Prints the start-up message: what listens where, with which keys, who may log in, and a first command.
fn greet(server: &Server, gate: &Gate, settings: &Settings) {
    let mut lines = vec![format!("Sealgate {}", sealgate::VERSION)];
    for address in server.addresses() {
        lines.push(format!("  listening on {address} ({})", server.engine()));
        log::info!("listening on {address}");
    }
    if let Some(address) = server.metrics_address() {
        lines.push(format!("  metrics on {address}/metrics"));
    }
    for address in server.admin_addresses() {
        lines.push(format!("  administration on {address}/admin/v1/"));
        log::info!("administration on {address}");
        let is_open = matches!(address, Address::Tcp(_)) && !address.is_local();
        if is_open && !settings.server.behind_proxy {
            log::warn!(
                "administrators' passwords and tokens cross the network in the clear at {address}: set SEALGATE_TLS_CERT"
            );
        }
    }
    for origin in gate.key_origins() {
        lines.push(format!("  {origin}"));
    }
    let reachable_login = offers_login(server, gate, settings);
    let login = match settings.app.login {
        LoginMode::Auto if gate.wants_passwords() => "users with an account and its password",
        LoginMode::Auto if is_behind_proxies(settings) => {
            "nobody: there are no accounts (sealgate user add NAME), and every connection comes through a proxy"
        }
        LoginMode::Auto if !reachable_login && is_local(server) => {
            "nobody: there are no accounts (sealgate user add NAME), and the system does not report which user a caller's \
             process belongs to"
        }
        LoginMode::Auto if !reachable_login => {
            "nobody: there are no accounts (sealgate user add NAME), and the address can be reached from other machines"
        }
        LoginMode::Auto => "processes of this server's user, under any name",
        LoginMode::Open => "anybody, under any name",
        LoginMode::Off => "nobody; issue tokens with: sealgate token issue",
    };
    lines.push(format!("  login: {login}"));
    let mut out = io::stdout().lock();
    for line in lines {
        // The server runs even if standard output is closed.
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
        LoginMode::Auto => {
            gate.wants_passwords() || (server.knows_users() && !is_behind_proxies(settings))
        }
        LoginMode::Open => true,
        LoginMode::Off => false,
    }
}

/// Whether every connection names the client that it serves.
fn is_behind_proxies(settings: &Settings) -> bool {
    settings.server.proxy_protocol == ProxyProtocol::Require
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
            "there are no accounts: any process of this server's user may log in under any name, and so may anybody who \
             reaches a proxy that runs as this user (sealgate user add NAME ends this)"
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
            "{address} can be reached from other machines, and tokens and data cross the network in the clear (set \
             SEALGATE_TLS_CERT and SEALGATE_TLS_KEY)"
        );
    }
    match gate.cbc_mode() {
        CbcMode::Off => {}
        CbcMode::Open => log::warn!(
            "data in the original program's AES-CBC is still decrypted; anybody who may decrypt can use that as a \
             padding oracle (SEALGATE_CBC=off ends this)"
        ),
        CbcMode::Seal => log::warn!(
            "new data is encrypted with the original program's AES-CBC because AES_IV is set: tampering is not detected, and \
             equal beginnings are visible (SEALGATE_CBC=open seals new data and still decrypts old data)"
        ),
    }
    let server = &settings.server;
    if server.max_buffered / 2 < server.max_body {
        log::warn!(
            "bodies above {} bytes may get 503 even without other requests: SEALGATE_MAX_BUFFERED must be \
             at least twice SEALGATE_MAX_BODY",
            server.max_buffered / 2
        );
    }
    if gate.is_ring_to_be_sealed() {
        log::warn!(
            "the key ring is not sealed under SEALGATE_RING_KEY yet: its next change seals it, or run: sealgate keys seal"
        );
    }
    for unknown in Config::unknown_env() {
        log::warn!("{unknown}");
    }
}
