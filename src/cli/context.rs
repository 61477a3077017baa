//! The `--context` flag: what the data belongs to.

use clap::{Arg, ArgMatches};

pub(super) fn context() -> Arg {
    Arg::new("context")
        .long("context")
        .value_name("TEXT")
        .default_value("")
        .help("What the data belongs to; authenticated, not stored, and needed again to decrypt")
}

pub(super) fn given_context(matches: &ArgMatches) -> &[u8] {
    matches
        .get_one::<String>("context")
        .map_or(b"", String::as_bytes)
}
