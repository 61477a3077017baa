//! Which connection is closed when there is no room for another, and how soon.
//!
//! `choice` is the policy: connections far behind a fair transfer rate go first, then slow or idle ones, depending on
//! how many are slow. `slowest` orders connections by their rate, `paces` keeps a worker's connections in that order,
//! `published` is what other threads see of it. `siege` remembers a flood that completes nothing, and `admission` makes
//! the listener wait until it is clear whom to evict, and long enough for a newcomer to send its request. The worker
//! carries evictions out (`worker/evicting.rs`).

pub(super) mod admission;
pub(super) mod choice;
pub(super) mod paces;
pub(super) mod published;
pub(super) mod siege;
pub(super) mod slowest;
