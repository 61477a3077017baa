//! The library's version at run time.

use std::ffi::{CStr, c_char};

const VERSION: &CStr =
    match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => panic!("a version has no NUL"),
    };

/// The version of the library that is running, such as "0.1.0".
///
/// The text lives as long as the process and must not be freed. Compare it with SEALGATE_VERSION_STRING, the version of
/// the header that a program was compiled with. Thread safety: any thread, any time. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn sealgate_version_string() -> *const c_char {
    VERSION.as_ptr()
}
