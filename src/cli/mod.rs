//! The command line: one file for each subcommand; flags for settings come from the settings table (`settings`).
//!
//! `administration` is what subcommands change accounts through: `local`, the store that the settings name, or `remote`, a server.
//! `failure` maps errors to exit codes, `standard` reads and writes the standard streams, `gate` opens the gate that most
//! commands use, `changes` reports what a command created or changed, and `systemd` exchanges sockets and the server's state
//! with systemd.

mod administration;
mod api_key;
mod args;
mod audit;
mod backup;
mod changes;
mod client;
mod config;
mod data;
mod failure;
mod files;
mod first_curl;
mod gate;
mod health;
mod keys;
mod limits;
mod local;
mod man;
mod mask;
mod password;
mod progress;
mod remote;
mod rewrap;
mod serve;
mod session;
mod settings;
mod sign;
mod standard;
mod store;
mod stream;
mod systemd;
mod table;
mod tail;
mod token;
mod user;
mod who;

use clap::Command;

use failure::EXIT_CODES;
pub(crate) use failure::Failure;
use gate::{gate_of, open_gate};
use remote::Remote;
use settings::load_settings;
pub(crate) use standard::remark;
use standard::{print_json, read_input, start, write_output};

pub(crate) fn run() -> Result<(), Failure> {
    let matches = command().get_matches();
    let remote = Remote::of(&matches)?;
    let remote = remote.as_ref();
    match matches.subcommand() {
        Some(("serve", matches)) => serve::run(matches),
        Some(("token", matches)) => token::run(matches),
        Some(("encrypt", matches)) => data::encrypt(matches),
        Some(("decrypt", matches)) => data::decrypt(matches),
        Some(("rewrap", matches)) => rewrap::run(matches),
        Some(("sign", matches)) => sign::sign(matches),
        Some(("unsign", matches)) => sign::unsign(matches),
        Some(("mask", matches)) => mask::run(matches),
        Some(("limits", matches)) => limits::run(matches, remote),
        Some(("healthcheck", matches)) => health::run(matches, remote),
        Some(("keys", matches)) => keys::run(matches, remote),
        Some(("user", matches)) => user::run(matches, remote),
        Some(("api-key", matches)) => api_key::run(matches, remote),
        Some(("client", matches)) => client::run(matches, remote),
        Some(("session", matches)) => session::run(matches, remote),
        Some(("store", matches)) => store::run(matches),
        Some(("backup", matches)) => backup::backup(matches),
        Some(("restore", matches)) => backup::restore(matches),
        Some(("audit", matches)) => who::run(matches, remote),
        Some(("config", matches)) => config::run(matches),
        Some(("completions", matches)) => man::completions(command(), matches),
        Some(("man", matches)) => man::run(command(), matches),
        _ => unreachable!("clap requires a known subcommand"),
    }
}

fn command() -> Command {
    let command = Command::new("sealgate")
        .version(sealgate::VERSION)
        .about("Tokens, encryption, rate limits and masked logs behind one small server and one key ring")
        .after_help(format!("Exit codes: {EXIT_CODES}\n\nStart with: sealgate serve"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .max_term_width(110)
        .subcommand(serve::command())
        .subcommand(token::command())
        .subcommand(data::encrypt_command())
        .subcommand(data::decrypt_command())
        .subcommand(rewrap::command())
        .subcommand(sign::sign_command())
        .subcommand(sign::unsign_command())
        .subcommand(mask::command())
        .subcommand(limits::command())
        .subcommand(health::command())
        .subcommand(keys::command())
        .subcommand(user::command())
        .subcommand(api_key::command())
        .subcommand(client::command())
        .subcommand(session::command())
        .subcommand(store::command())
        .subcommand(backup::backup_command())
        .subcommand(backup::restore_command())
        .subcommand(who::command())
        .subcommand(config::command())
        .subcommand(man::completions_command())
        .subcommand(man::command());
    remote::add_flags(command)
}
