//! What only Rust can test: panics inside the library, and error sentences.

use std::ffi::c_char;

use super::buffer::{SealgateBuffer, sealgate_buffer_free};
use super::config::{sealgate_config_free, sealgate_config_new, sealgate_config_set};
use super::error::sealgate_last_error;
use super::gate::{SealgateGate, call, sealgate_encrypt_data, sealgate_free, sealgate_new};
use super::*;
use crate::base::own_process::run_alone;

fn last_error() -> String {
    let mut text = [0 as c_char; 256];
    // SAFETY: the buffer has the given size.
    let size = unsafe { sealgate_last_error(text.as_mut_ptr(), text.len()) };
    let bytes: Vec<u8> = text[..size - 1].iter().map(|c| *c as u8).collect();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_panic_becomes_a_status_and_its_gate_refuses_further_use() {
    let mut config = std::ptr::null_mut();
    let mut gate = std::ptr::null_mut();
    let mut out = SealgateBuffer::EMPTY;
    // SAFETY: every handle is live, every size is right, and each is freed once.
    unsafe {
        assert_eq!(sealgate_config_new(&mut config), SealgateStatus::Ok);
        let set = sealgate_config_set(config, c"keys".as_ptr(), 4, c"ephemeral".as_ptr().cast(), 9);
        assert_eq!(set, SealgateStatus::Ok);
        assert_eq!(sealgate_new(config, &mut gate), SealgateStatus::Ok);
        let encrypt = |out: *mut SealgateBuffer| {
            sealgate_encrypt_data(gate, c"x".as_ptr().cast(), 1, std::ptr::null(), 0, out)
        };
        assert_eq!(encrypt(&mut out), SealgateStatus::Ok);
        sealgate_buffer_free(&mut out);
        assert_eq!(call_panicking(gate, &mut out), SealgateStatus::Panic);
        assert_eq!(last_error(), "A fault inside the library ended the call.");
        assert_eq!(encrypt(&mut out), SealgateStatus::Panic);
        assert!(last_error().contains("Make a new one"));
        assert!(out.data.is_null());
        sealgate_free(gate);
        sealgate_config_free(config);
    }
}

/// In a separate process: the panic hook and standard error belong to the whole process.
#[test]
fn a_panic_inside_writes_nothing_to_the_hosts_standard_error() {
    for (test, own) in [
        (
            "a_panic_becomes_a_status_and_its_gate_refuses_further_use",
            false,
        ),
        (
            "a_panic_in_a_request_answers_500_and_the_server_goes_on",
            false,
        ),
        ("a_panic_of_the_host_itself", true),
    ] {
        if test.contains("request") && !cfg!(feature = "server") {
            continue;
        }
        let test = format!("ffi::tests::{test}");
        let said = run_alone(&test);
        assert_eq!(said.contains("panicked at"), own, "{test}: {said}");
    }
}

#[test]
#[ignore = "another test runs it and checks its output"]
fn a_panic_of_the_host_itself() {
    let mut config = std::ptr::null_mut();
    // SAFETY: the output is writable, and the handle is freed once.
    unsafe {
        assert_eq!(sealgate_config_new(&mut config), SealgateStatus::Ok);
        sealgate_config_free(config);
    }
    assert!(catch_unwind(|| panic!("of the host")).is_err());
}

#[test]
fn a_sentence_that_does_not_fit_is_cut_between_characters() {
    keep_last_error("aäb".to_owned());
    let mut text = [1 as c_char; 3];
    // SAFETY: the buffer has the given size.
    unsafe {
        assert_eq!(sealgate_last_error(std::ptr::null_mut(), 0), 5);
        assert_eq!(sealgate_last_error(text.as_mut_ptr(), 3), 5);
    }
    assert_eq!(text, [b'a' as c_char, 0, 1]);
}

#[test]
fn null_is_a_status_everywhere() {
    let mut out = SealgateBuffer {
        size: 7,
        ..SealgateBuffer::EMPTY
    };
    // SAFETY: each of these functions permits NULL.
    unsafe {
        assert_eq!(
            sealgate_config_new(std::ptr::null_mut()),
            SealgateStatus::NullPointer
        );
        let null = std::ptr::null();
        assert_eq!(
            sealgate_encrypt_data(null, null.cast(), 0, null.cast(), 0, &mut out),
            SealgateStatus::NullPointer
        );
        assert_eq!((out.size, last_error()), (0, "gate is NULL.".to_owned()));
        sealgate_free(std::ptr::null_mut());
        sealgate_config_free(std::ptr::null_mut());
        sealgate_buffer_free(std::ptr::null_mut());
    }
}

#[cfg(feature = "server")]
#[test]
fn a_panic_in_a_request_answers_500_and_the_server_goes_on() {
    use std::io::{Read, Write};

    use super::server::{
        sealgate_server_free, sealgate_server_new, sealgate_server_port, sealgate_server_start,
        sealgate_server_stop,
    };

    let (mut config, mut gate, mut server) = (
        std::ptr::null_mut(),
        std::ptr::null_mut(),
        std::ptr::null_mut(),
    );
    let mut port = 0;
    // SAFETY: every handle is live, every size is right, and each is freed once.
    unsafe {
        assert_eq!(sealgate_config_new(&mut config), SealgateStatus::Ok);
        for (name, value) in [("keys", "ephemeral"), ("listen", "127.0.0.1:0")] {
            let (name, value) = (name.as_bytes(), value.as_bytes());
            let set = sealgate_config_set(
                config,
                name.as_ptr().cast(),
                name.len(),
                value.as_ptr().cast(),
                value.len(),
            );
            assert_eq!(set, SealgateStatus::Ok);
        }
        assert_eq!(sealgate_new(config, &mut gate), SealgateStatus::Ok);
        let made = sealgate_server_new(gate, config, &mut server);
        assert_eq!(made, SealgateStatus::Ok);
        let panics = |_: &crate::api::HostCall<'_>| panic!("on purpose");
        let route = crate::api::HostRoute::new(crate::api::Method::Get, "/panics", panics);
        let added = (*server).prepare(|host| Ok(host.add_route(route)?));
        assert!(added.is_ok());
        assert_eq!(sealgate_server_start(server), SealgateStatus::Ok);
        assert_eq!(sealgate_server_port(server, &mut port), SealgateStatus::Ok);
    }
    let ask = |path: &str| {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let host = "Host: localhost\r\nConnection: close";
        write!(stream, "GET {path} HTTP/1.1\r\n{host}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    for _ in 0..3 {
        assert!(ask("/panics").starts_with("HTTP/1.1 500 "));
        assert!(ask("/healthz").starts_with("HTTP/1.1 200 "));
    }
    // SAFETY: as above.
    unsafe {
        // Neither handle is poisoned: otherwise any client could disable them.
        let mut out = SealgateBuffer::EMPTY;
        let null = std::ptr::null();
        let encrypted = sealgate_encrypt_data(gate, null, 0, null, 0, &mut out);
        assert_eq!(encrypted, SealgateStatus::Ok);
        sealgate_buffer_free(&mut out);
        assert_eq!(sealgate_server_stop(server, 5000), SealgateStatus::Ok);
        assert_eq!(sealgate_server_free(server), SealgateStatus::Ok);
        sealgate_free(gate);
        sealgate_config_free(config);
    }
}

/// Programs in C find out in advance, with `sealgate_has_feature`.
#[cfg(not(feature = "store"))]
#[test]
fn an_account_cannot_be_added_without_the_store() {
    use super::users::sealgate_add_user;
    use super::version::sealgate_has_feature;

    let (mut config, mut gate) = (std::ptr::null_mut(), std::ptr::null_mut());
    let [name, password] = ["alice", "a quiet harbour"].map(str::as_bytes);
    // SAFETY: every handle is live, every size is right, and each is freed once.
    unsafe {
        assert_eq!(sealgate_has_feature(c"store".as_ptr(), 5), 0);
        assert_eq!(sealgate_config_new(&mut config), SealgateStatus::Ok);
        let set = sealgate_config_set(config, c"keys".as_ptr(), 4, c"ephemeral".as_ptr().cast(), 9);
        assert_eq!(set, SealgateStatus::Ok);
        assert_eq!(sealgate_new(config, &mut gate), SealgateStatus::Ok);
        let added = sealgate_add_user(
            gate,
            name.as_ptr().cast(),
            name.len(),
            password.as_ptr().cast(),
            password.len(),
            std::ptr::null(),
            0,
        );
        assert_eq!(added, SealgateStatus::Store);
        assert!(last_error().contains("cargo feature store"));
        sealgate_free(gate);
        sealgate_config_free(config);
    }
}

#[test]
fn rust_and_c_have_the_same_codes() {
    let sentence = String::new;
    let errors = [
        Error::Setting(sentence()),
        Error::KeyRing(sentence()),
        Error::Store(sentence()),
        Error::Audit(sentence()),
        Error::InvalidInput(sentence()),
        Error::UserExists,
        Error::WeakPassword(sentence()),
        Error::InvalidName(sentence()),
        Error::Decrypt,
        Error::KeyRetired,
        Error::NotFresh,
        Error::Signature,
        Error::LoginFailed,
        Error::RateLimited {
            retry_after: std::time::Duration::ZERO,
        },
        Error::Io(sentence()),
        Error::Crypto(""),
    ];
    let refused = [
        crate::TokenError::Missing,
        crate::TokenError::Malformed,
        crate::TokenError::Expired,
        crate::TokenError::NotYetValid,
        crate::TokenError::KeyRetired,
        crate::TokenError::Revoked,
        crate::TokenError::NoAccount,
        crate::TokenError::Unchecked,
    ];
    for error in errors.into_iter().chain(refused.map(Error::Token)) {
        let name = status::sealgate_status_name(SealgateStatus::of(&error) as i32);
        // SAFETY: the text lives as long as the process and ends in NUL.
        let name = unsafe { std::ffi::CStr::from_ptr(name) };
        assert_eq!(name.to_str(), Ok(error.code()));
    }
}

/// A call that panics.
///
/// # Safety
/// As [`call`].
unsafe fn call_panicking(gate: *const SealgateGate, out: *mut SealgateBuffer) -> SealgateStatus {
    // SAFETY: the contract is the same.
    unsafe { call(gate, out, SealgateBuffer::EMPTY, |_| panic!("on purpose")) }
}
