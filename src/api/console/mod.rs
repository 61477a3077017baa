//! The console: a web page for administrators, which is inside the binary. `files` has its files as they are sent, `guard` keeps
//! other pages away from it, and `first_code` is the code with which the first administrator is created. Its four routes are in
//! `routes/console.rs`; whatever else the page does goes through the administration API.

pub(super) mod files;
pub(super) mod first_code;
pub(super) mod guard;
