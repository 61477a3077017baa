//! How the C library is linked: its SONAME is `libsealgate.so.0.MINOR` before 1.0, `libsealgate.so.MAJOR` after, and it is
//! never unloaded. That nothing but `sealgate_*` leaves it is rustc's own doing, and tests/c/symbols.rs holds it.
//! `build/console.rs` compresses the page of the console.

use std::env;

#[cfg(feature = "server")]
#[path = "build/console.rs"]
mod console;
#[cfg(not(feature = "server"))]
#[path = "build/without_server.rs"]
mod console;

fn main() -> std::io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=build");
    console::compress()?;
    link();
    Ok(())
}

fn link() {
    let part = |name: &str| env::var(name).unwrap_or_default();
    if part("CARGO_CFG_TARGET_OS") != "linux" {
        return;
    }
    let abi = match part("CARGO_PKG_VERSION_MAJOR").as_str() {
        "0" => format!("0.{}", part("CARGO_PKG_VERSION_MINOR")),
        major => major.to_owned(),
    };
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libsealgate.so.{abi}");
    // A host that closes a plugin must not take the code away from under threads of a server, or of destructors of theirs.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
