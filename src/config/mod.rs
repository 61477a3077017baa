//! Every setting once, and the way from text to typed values: default, file, environment, flag, the later one wins.
//!
//! `table` holds the settings, `values` what was given for them and by whom (`source`), `settings` what comes of that.
//! `sources` reads files and the environment, `parse` turns one value into its type, `report` and `example` show them to
//! people. What a value means is the business of the room that uses it.

mod example;
mod parse;
mod report;
mod settings;
mod source;
mod sources;
mod table;
mod values;

pub use example::example;
pub use report::{Report, Shown, ShownValue};
pub use settings::Settings;
pub use source::Source;
pub use sources::default_data_dir_origin;
pub use table::{Group, SETTINGS, Setting, find};
pub use values::Config;

#[cfg(any(test, fuzzing))]
mod fuzz;
#[cfg(any(test, fuzzing))]
pub(crate) use fuzz::settings as settings_file;
#[cfg(test)]
mod tests;
