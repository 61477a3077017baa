//! The library's version and features, at run time.

use std::ffi::{CStr, c_char};

use super::input::bytes;

/// The optional features, and whether this library has them.
const FEATURES: [(&str, bool); 5] = [
    ("server", cfg!(feature = "server")),
    ("store", cfg!(feature = "store")),
    ("tls", cfg!(all(feature = "server", target_os = "linux"))), // only the pool engine has it
    ("unix-sockets", cfg!(all(feature = "server", unix))),
    ("vendored-openssl", cfg!(feature = "vendored-openssl")),
];

const VERSION: &CStr =
    match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => panic!("a version has no NUL"),
    };

/// The version of the running library, such as "0.1.0".
///
/// The text lives as long as the process and must not be freed. Compare it with SEALGATE_VERSION_STRING, the version of the
/// header that the program was compiled with. Thread safety: any thread, any time. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn sealgate_version_string() -> *const c_char {
    VERSION.as_ptr()
}

/// The version of the running library as a number that increases: major << 16 | minor << 8 | patch.
///
/// SEALGATE_VERSION_NUMBER is that of the header. Thread safety: any thread, any time. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn sealgate_version_number() -> u32 {
    part(env!("CARGO_PKG_VERSION_MAJOR")) << 16
        | part(env!("CARGO_PKG_VERSION_MINOR")) << 8
        | part(env!("CARGO_PKG_VERSION_PATCH"))
}

/// Which programs this library is compatible with: those compiled with a header of the same SEALGATE_ABI_VERSION.
///
/// It is the minor version before 1.0, then major << 16. Thread safety: any thread, any time. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn sealgate_abi_version() -> u32 {
    match part(env!("CARGO_PKG_VERSION_MAJOR")) {
        0 => part(env!("CARGO_PKG_VERSION_MINOR")),
        major => major << 16,
    }
}

/// Whether this library has a feature, by its name: 1 or 0. An unknown name returns 0.
///
/// `name` is one of the SEALGATE_FEATURE_... texts; NULL is permitted and returns 0.
/// Thread safety: any thread, any time. Since 0.1.
///
/// ```c
/// if (!sealgate_has_feature(SEALGATE_FEATURE_TLS, strlen(SEALGATE_FEATURE_TLS))) {
///     puts("this library has no TLS");
/// }
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_has_feature(name: *const c_char, name_size: usize) -> i32 {
    // SAFETY: by this function's contract.
    let name = unsafe { bytes(name.cast(), name_size, "name") }.unwrap_or_default();
    let known = FEATURES
        .iter()
        .any(|(known, there)| *there && known.as_bytes() == name);
    known.into()
}

/// Parses a part of the version at compile time.
const fn part(digits: &str) -> u32 {
    match u32::from_str_radix(digits, 10) {
        Ok(number) => number,
        Err(_) => panic!("a part of a version is a number"),
    }
}
