//! Counters that cost little where something happens, and the text in which Prometheus reads them.
//!
//! `sharded` keeps counters apart by thread, `codes` counts by names that are known at compile time, `histogram` counts
//! durations, and `page` collects everything for one answer.

mod codes;
mod histogram;
#[cfg(feature = "server")]
mod page;
#[cfg(feature = "server")]
mod process;
mod sharded;

#[cfg(feature = "server")]
pub use page::MetricsFormat;

pub(crate) use codes::Codes;
pub(crate) use histogram::Histogram;
pub(crate) use sharded::{Count, Sharded};
#[cfg(feature = "server")]
pub(crate) use {
    page::{Page, label},
    process::process,
};
