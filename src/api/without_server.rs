//! What is left of this room in builds without the cargo feature `server`: its settings. Every build knows and checks every
//! setting, so that a program can read the settings file of a server.

mod origins;
mod settings;

pub use origins::AllowedOrigins;
pub use settings::{AccessLog, BatchCost, LoginMode, Settings, ShownSetting, ShownSettings};
