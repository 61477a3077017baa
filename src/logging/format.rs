//! Formats a record as a line in the configured format.

use log::Record;

use super::settings::LogFormat;
use super::{json, line};
use crate::base::clock;

pub(super) fn format(format: LogFormat, line: &mut Vec<u8>, record: &Record<'_>) {
    let now = clock::exact_now();
    match format {
        LogFormat::Text => line::text(line, record, now),
        LogFormat::Json => json::json(line, record, now),
    }
}
