//! Opens the gate that a command uses.

use clap::ArgMatches;
use sealgate::{Error, Gate, Settings};

use super::changes::Changes;
use super::settings::load_settings;

/// Opens the gate that the settings describe. If that creates the key ring, reports it.
pub(super) fn open_gate(matches: &ArgMatches) -> Result<Gate, Error> {
    gate_of(&load_settings(matches)?)
}

pub(super) fn gate_of(settings: &Settings) -> Result<Gate, Error> {
    let changes = Changes::before(&settings.gate.keys);
    let gate = Gate::new(&settings.gate)?;
    changes.report_ring_on_the_way();
    Ok(gate)
}
