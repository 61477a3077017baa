//! Fuzz targets, one function each. `make fuzz` has libFuzzer generate the input, guided by coverage; `cargo test`
//! replays what it found (fuzz/corpus). Not in ordinary builds.

#[cfg(feature = "store")]
mod api_keys;
mod sealed;
mod tokens;

/// A reader of untrusted input.
#[derive(Clone, Copy)]
pub struct Target {
    /// The name that selects it, also of its directory in fuzz/corpus.
    pub name: &'static str,
    /// Panics if a property is violated.
    pub check: fn(&[u8]),
}

const fn target(name: &'static str, check: fn(&[u8])) -> Target {
    Target { name, check }
}

/// All targets.
pub const TARGETS: &[Target] = &[
    #[cfg(all(feature = "server", target_os = "linux"))]
    target("framing", crate::server::framing),
    #[cfg(all(feature = "server", target_os = "linux"))]
    target("hellos", crate::server::hellos),
    #[cfg(all(feature = "server", target_os = "linux"))]
    target("proxy_headers", crate::server::proxy_headers),
    #[cfg(feature = "server")]
    target("heads", crate::server::heads),
    #[cfg(feature = "server")]
    target("forwarding", crate::api::forwarding),
    target("json", crate::base::json::fuzz::json),
    target("tokens", tokens::tokens),
    #[cfg(feature = "store")]
    target("api_keys", api_keys::api_keys),
    target("sealed", sealed::sealed),
    target("streams", sealed::streams),
    target("documents", crate::keys::documents),
    target("settings", crate::config::settings_file),
];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn inputs_found_by_fuzzing_pass_the_checks() {
        for target in TARGETS {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("fuzz/corpus")
                .join(target.name);
            let files: Vec<_> = fs::read_dir(&folder)
                .unwrap()
                .map(|file| file.unwrap().path())
                .collect();
            assert!(!files.is_empty(), "{}", folder.display());
            for file in files {
                // Printed if the check fails.
                println!("{}", file.display());
                (target.check)(&fs::read(&file).unwrap());
            }
        }
    }
}
