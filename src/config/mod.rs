//! Defines every setting once, and turns text into typed values. A flag overrides the environment, which overrides the file,
//! which overrides the default.
//!
//! `table` defines the settings, `values` holds what was given for them and where (`source`), `settings` is the typed
//! result. `read_sources` reads files and the environment, `parse` turns one value into its type, `report` and `example` print
//! settings. What a value means is left to the module that uses it.

mod example;
mod parse;
mod read_sources;
mod report;
mod settings;
mod source;
mod table;
mod values;

pub use example::example;
pub use read_sources::default_data_dir_origin;
pub use report::{Report, Shown, ShownValue};
pub use settings::Settings;
pub use source::Source;
pub use table::{Group, SETTINGS, Setting, find};
pub use values::Config;

#[cfg(any(test, fuzzing))]
mod fuzz;
#[cfg(any(test, fuzzing))]
pub(crate) use fuzz::settings as settings_file;
#[cfg(test)]
mod tests;
