//! What a call through the C interface adds to the same call in Rust. `make bench-c` runs it.

#![allow(missing_docs)] // a program
#![allow(unsafe_code)] // it is C's side of the interface
#![allow(clippy::unwrap_used)] // a bench that panics has failed
#![allow(clippy::print_stdout)]

use std::ffi::c_void;
use std::hint::black_box;
use std::ptr;
use std::time::Instant;

use sealgate::{Config, Gate, OVERHEAD};

unsafe extern "C" {
    fn sealgate_config_new(out: *mut *mut c_void) -> i32;
    fn sealgate_config_set(
        config: *mut c_void,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> i32;
    fn sealgate_new(config: *const c_void, out: *mut *mut c_void) -> i32;
    fn sealgate_seal_bytes(
        gate: *const c_void,
        data: *const u8,
        data_size: usize,
        context: *const u8,
        context_size: usize,
        out: *mut u8,
        out_room: usize,
        out_size: *mut usize,
    ) -> i32;
    fn sealgate_enforce_rate_limit(
        gate: *const c_void,
        user: *const u8,
        user_size: usize,
        allowed: *mut i32,
        remaining: *mut u32,
        retry_after_ms: *mut u64,
    ) -> i32;
}

const SETTINGS: [(&str, &str); 2] = [("keys", "ephemeral"), ("max_requests", "0")];
const ROUNDS: usize = 301;

fn of_c() -> *const c_void {
    let (mut config, mut gate) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: handles are live, sizes are right. They are freed with the process.
    unsafe {
        assert_eq!(sealgate_config_new(&mut config), 0);
        for (name, value) in SETTINGS {
            let set = sealgate_config_set(
                config,
                name.as_ptr(),
                name.len(),
                value.as_ptr(),
                value.len(),
            );
            assert_eq!(set, 0);
        }
        assert_eq!(sealgate_new(config, &mut gate), 0);
    }
    gate
}

fn of_rust() -> Gate {
    let mut config = Config::new();
    for (name, value) in SETTINGS {
        config.set(name, value).unwrap();
    }
    Gate::new(&config.settings().unwrap().gate).unwrap()
}

/// Nanoseconds a call.
fn batch(calls: u32, work: &mut dyn FnMut()) -> f64 {
    let began = Instant::now();
    for _ in 0..calls {
        work();
    }
    began.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Both take turns; medians.
fn compare(name: &str, calls: u32, through_c: &mut dyn FnMut(), in_rust: &mut dyn FnMut()) {
    let (mut c, mut rust) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        c.push(batch(calls, through_c));
        rust.push(batch(calls, in_rust));
    }
    let (c, rust) = (median(c), median(rust));
    println!(
        "{name:<18} through C {c:8.1} ns, in Rust {rust:8.1} ns: the call adds {:.1} ns",
        c - rust
    );
}

fn main() {
    let (gate, rust) = (of_c(), of_rust());
    let data = [7; 64];
    let mut sealed = [0; 64 + OVERHEAD];
    let mut sealed_by_rust = [0; 64 + OVERHEAD];
    compare(
        "seal 64 B",
        2000,
        &mut || {
            let mut size = 0;
            // SAFETY: the gate is live, sizes are right.
            let status = unsafe {
                let out = sealed.as_mut_ptr();
                let data = black_box(&data).as_ptr();
                sealgate_seal_bytes(
                    gate,
                    data,
                    64,
                    ptr::null(),
                    0,
                    out,
                    64 + OVERHEAD,
                    &mut size,
                )
            };
            assert_eq!((status, size), (0, 64 + OVERHEAD));
        },
        &mut || {
            let data = black_box(&data);
            rust.seal_into(data, b"", &mut sealed_by_rust).unwrap();
        },
    );
    // Nearly nothing is done: what is left is the call.
    compare(
        "a limit that is off",
        20000,
        &mut || {
            let (mut allowed, mut remaining, mut wait) = (0, 0, 0);
            // SAFETY: as above.
            let status = unsafe {
                let user = black_box("alice").as_ptr();
                sealgate_enforce_rate_limit(gate, user, 5, &mut allowed, &mut remaining, &mut wait)
            };
            assert_eq!((status, allowed), (0, 1));
        },
        &mut || assert!(rust.enforce_rate_limit(black_box("alice")).is_none()),
    );
}
