//! stub
use super::Failure;
use clap::{ArgMatches, Command};
pub(super) fn command() -> Command {
    Command::new("man")
}
pub(super) fn completions_command() -> Command {
    Command::new("completions")
}
pub(super) fn run(_: Command, _: &ArgMatches) -> Result<(), Failure> {
    Ok(())
}
pub(super) fn completions(_: Command, _: &ArgMatches) -> Result<(), Failure> {
    Ok(())
}
