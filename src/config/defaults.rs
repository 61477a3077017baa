//! What a settings struct holds where nobody has set anything: the defaults of the table, and nothing else.

use super::{Config, Settings};

impl Default for Settings {
    fn default() -> Self {
        let defaults = Config::new().settings();
        defaults.expect("the table's defaults are good: a test holds them")
    }
}

/// Declares a part of the settings: its `Default` is what the table says. Before the table is read, everything is empty.
macro_rules! part_of_settings {
    ($part:ident, $(#[$about:meta])* pub struct $name:ident { $($(#[$field_about:meta])* pub $field:ident: $kind:ty,)* }) => {
        $(#[$about])*
        pub struct $name {
            $($(#[$field_about])* pub $field: $kind,)*
        }

        impl $name {
            fn empty() -> Self {
                $name { $($field: Default::default(),)* }
            }
        }

        impl Default for $name {
            /// The documented defaults.
            fn default() -> Self {
                Settings::default().$part
            }
        }
    };
}

pub(super) use part_of_settings;
