//! Feeds what libFuzzer makes up to the target that FUZZ_TARGET names.

#![no_main]

use std::sync::OnceLock;

use sealgate::fuzzing::{TARGETS, Target};

static CHOSEN: OnceLock<Target> = OnceLock::new();

fn choose() {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let target = TARGETS.iter().find(|target| target.name == name);
    let Some(target) = target else {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        eprintln!("FUZZ_TARGET has to be one of: {}", names.join(" "));
        std::process::exit(2);
    };
    let _ = CHOSEN.set(*target);
}

libfuzzer_sys::fuzz_target!(init: choose(), |input: &[u8]| {
    (CHOSEN.get().expect("chosen at the start").check)(input);
});
