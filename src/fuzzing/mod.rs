//! What is checked for arbitrary input, one function a target: `make fuzz` has libFuzzer make the input up, guided by what
//! it covers, and `cargo test` tries what it has found before (fuzz/corpus). Not in ordinary builds.

mod sealed;
mod tokens;

/// One thing that reads what strangers send.
#[derive(Clone, Copy)]
pub struct Target {
    /// By which it is chosen, and the name of its folder in fuzz/corpus.
    pub name: &'static str,
    /// Panics where something does not hold.
    pub check: fn(&[u8]),
}

const fn target(name: &'static str, check: fn(&[u8])) -> Target {
    Target { name, check }
}

/// All of them.
pub const TARGETS: &[Target] = &[
    #[cfg(target_os = "linux")]
    target("framing", crate::server::framing),
    #[cfg(target_os = "linux")]
    target("hellos", crate::server::hellos),
    target("heads", crate::server::heads),
    target("forwarding", crate::api::forwarding),
    target("json", crate::base::json::fuzz::json),
    target("tokens", tokens::tokens),
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
    fn what_fuzzing_found_before_is_fine() {
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
                // Shown where it fails.
                println!("{}", file.display());
                (target.check)(&fs::read(&file).unwrap());
            }
        }
    }
}
