//! stub
use super::Failure;
use clap::{ArgMatches, Command};
pub(super) fn command() -> Command {
    Command::new("config")
}
pub(super) fn run(_: &ArgMatches) -> Result<(), Failure> {
    Ok(())
}
