//! `include/sealgate.h` is what the exports say, and its version is the crate's.
//!
//! `make header` rewrites it (this test with SEALGATE_WRITE_HEADER=1).

#![allow(clippy::unwrap_used)] // a test that panics has failed

use std::fs;
use std::path::Path;

fn generated() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut config = cbindgen::Config::from_file(root.join("include/cbindgen.toml")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let [major, minor, patch] = [0, 1, 2].map(|part| {
        version
            .split('.')
            .nth(part)
            .unwrap()
            .parse::<u32>()
            .unwrap()
    });
    let number = major << 16 | minor << 8 | patch;
    let abi = if major > 0 { major << 16 } else { minor };
    let features: String = features(root)
        .iter()
        .map(|name| {
            let constant = name.to_uppercase().replace('-', "_");
            format!("#define SEALGATE_FEATURE_{constant} \"{name}\"\n")
        })
        .collect();
    config.header = Some(format!(
        "/*\n * Sealgate {version}: tokens, encryption, masking.\n *\n * Generated from src/ffi by `make header`: do not \
         edit. Every call that can fail returns a status, writes its\n * outputs only on success, and keeps a sentence \
         for sealgate_last_error.\n *\n * Unless a comment adds to it: handles are NULL or live, inputs are NULL or \
         valid for their sizes, outputs are NULL or\n * writable, and what a callback received is not used after it \
         returns.\n */"
    ));
    config.after_includes = Some(format!(
        "\n/* The version of this header; sealgate_version_string returns that of the running library. */\n\
         #define SEALGATE_VERSION_STRING \"{version}\"\n\
         #define SEALGATE_VERSION_MAJOR {major}\n\
         #define SEALGATE_VERSION_MINOR {minor}\n\
         #define SEALGATE_VERSION_PATCH {patch}\n\
         #define SEALGATE_VERSION_NUMBER 0x{number:06x}\n\
         #define SEALGATE_ABI_VERSION {abi}\n\n\
         /* Names for sealgate_has_feature. */\n\
         {features}\n\
         /* The scope of tokens from open login, and the default scope of accounts that the command or the Python package \
         creates. */\n\
         #define SEALGATE_OPEN_LOGIN_SCOPE \"{scope}\"\n\n\
         /* A string literal as the address and the length that functions take:\n \
         * sealgate_mask_data(SEALGATE_LITERAL(\"my_password\"), 3, &masked). Only a literal compiles. */\n\
         #define SEALGATE_LITERAL(text) (\"\" text \"\"), (sizeof(\"\" text \"\") - 1)\n\n\
         /* A status must be checked. */\n\
         #if defined(__GNUC__) || defined(__clang__)\n\
         #define SEALGATE_MUST_USE __attribute__((warn_unused_result))\n\
         #else\n#define SEALGATE_MUST_USE\n#endif",
        scope = sealgate::tokens::OPEN_LOGIN_SCOPE,
    ));
    let mut header = Vec::new();
    cbindgen::Builder::new()
        .with_crate(root)
        .with_config(config)
        .generate()
        .expect("the exports make a header")
        .write(&mut header);
    // Every status must be checked, except that of freeing.
    let must_use = |line: &str| match line.strip_prefix("sealgate_status sealgate_") {
        Some(name) if !name.contains("_free(") => format!("SEALGATE_MUST_USE\n{line}\n"),
        _ => format!("{line}\n"),
    };
    let header = String::from_utf8(header).unwrap();
    header.lines().map(must_use).collect()
}

/// What a library may have or lack: parts of the server, and the features of Cargo.toml that concern it.
fn features(root: &Path) -> Vec<String> {
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let optional = manifest["features"].as_table().unwrap();
    let first = ["server", "store", "tls", "unix-sockets"];
    let others = optional.keys().map(String::as_str);
    let others = others.filter(|name| !first.contains(name) && !["cli", "default"].contains(name));
    first.into_iter().chain(others).map(str::to_owned).collect()
}

#[test]
fn the_header_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/sealgate.h");
    let generated = generated();
    if std::env::var_os("SEALGATE_WRITE_HEADER").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    let checked_in = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        checked_in == generated,
        "include/sealgate.h is not what src/ffi says. Rewrite it with: make header"
    );
}

#[test]
fn every_name_that_the_header_takes_is_ours() {
    let header = generated();
    let macros = header
        .lines()
        .filter_map(|line| line.strip_prefix("#define "));
    let types = header.lines().filter_map(|line| {
        let line = line.strip_prefix("typedef ")?.strip_suffix(';')?;
        let callback = line.split_once("(*").map(|(_, rest)| rest);
        callback.or_else(|| line.rsplit_once(' ').map(|(_, name)| name))
    });
    let names: Vec<_> = macros.chain(types).collect();
    assert!(names.len() > 20, "{names:?}");
    let foreign: Vec<_> = names
        .iter()
        .filter(|name| !name.starts_with("SEALGATE_") && !name.starts_with("sealgate_"))
        .collect();
    assert!(foreign.is_empty(), "{foreign:?}");
}
