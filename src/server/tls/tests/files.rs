//! Invalid files, and how they are reported.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use openssl::error::ErrorStack;
use openssl::symm::Cipher;

use super::super::TlsAcceptor;
use super::papers::{Desk, Paper, Wanted, ec_key, rsa_key};
use crate::server::settings::Settings;

/// The settings are refused with a sentence that contains these words, and this thread's error queue is left empty.
fn says(desk: &Desk, words: &[&str]) {
    let sentence = desk.refusal();
    for word in words {
        assert!(sentence.contains(word), "{sentence:?} without {word:?}");
    }
    assert!(
        sentence.ends_with(['.', '?']) || sentence.contains(" with: "),
        "{sentence}"
    );
    assert!(!sentence.contains('\n'), "{sentence}");
    assert!(ErrorStack::get().errors().is_empty());
}

#[test]
fn without_a_certificate_there_is_no_tls() {
    let none = TlsAcceptor::new(&Settings::default()).unwrap();
    assert!(none.is_none());
}

#[test]
fn one_file_alone_is_refused() {
    let mut desk = Desk::new();
    desk.settings.tls_key = None;
    says(
        &desk,
        &["SEALGATE_TLS_CERT", "SEALGATE_TLS_KEY", "Set both"],
    );
}

#[test]
fn each_path_must_exist_and_be_a_regular_file() {
    let place = |settings: &mut Settings, number: usize, path: &Path| {
        let settings = [
            &mut settings.tls_cert,
            &mut settings.tls_key,
            &mut settings.tls_client_ca,
        ];
        *settings.into_iter().nth(number).unwrap() = Some(path.to_owned());
    };
    let names = [
        "SEALGATE_TLS_CERT:",
        "SEALGATE_TLS_KEY:",
        "SEALGATE_TLS_CLIENT_CA:",
    ];
    for (number, name) in names.into_iter().enumerate() {
        let mut desk = Desk::new();
        let folder = desk.folder.path().to_owned();
        place(&mut desk.settings, number, &folder.join("absent"));
        says(&desk, &[name, "absent", "does not exist"]);

        place(&mut desk.settings, number, &folder);
        says(&desk, &[name, "is not a file"]);

        let pipe = folder.join("pipe");
        assert!(
            Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success()
        );
        place(&mut desk.settings, number, &pipe);
        says(&desk, &[name, "is not a file"]);

        let long = desk.file("long", &vec![b'x'; (1 << 20) + 1]);
        place(&mut desk.settings, number, &long);
        says(&desk, &[name, "larger than 1 MiB"]);

        for text in [&b""[..], b"hello", b"-----BEGIN CERTIFICATE", &[0xFF, 0, 7]] {
            let file = desk.file("text", text);
            place(&mut desk.settings, number, &file);
            says(&desk, &[name, "text", "holds no", "in PEM"]);
        }
    }
}

#[test]
fn a_key_that_others_can_change_is_refused() {
    let desk = Desk::new();
    let path = desk.settings.tls_key.clone().unwrap();
    for mode in [0o602, 0o620, 0o660, 0o777] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        says(
            &desk,
            &[
                "SEALGATE_TLS_KEY:",
                &format!("(mode {mode:04o})"),
                "chmod go-w ",
            ],
        );
    }
    // A file that others can read only causes a warning: container secrets have such modes.
    for mode in [0o600, 0o400, 0o700, 0o644, 0o444, 0o640] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        desk.acceptor();
    }
}

#[test]
fn a_key_has_to_belong_to_the_first_certificate() {
    let mut desk = Desk::new();
    let stranger = Paper::of_server(ec_key(), &desk.root);
    desk.settings.tls_key = Some(desk.file("other.pem", &stranger.key_pem()));
    says(
        &desk,
        &["SEALGATE_TLS_KEY:", "does not belong to", "cert.pem"],
    );
    desk.settings.tls_key = Some(desk.file("rsa.pem", &rsa_pem()));
    says(&desk, &["SEALGATE_TLS_KEY:", "does not belong to"]);

    let wrong_order = [desk.root.pem(), stranger.pem()].concat();
    desk.settings.tls_cert = Some(desk.file("chain.pem", &wrong_order));
    desk.settings.tls_key = Some(desk.file("other.pem", &stranger.key_pem()));
    says(&desk, &["later certificate", "own certificate first"]);
}

fn rsa_pem() -> Vec<u8> {
    rsa_key(2048).private_key_to_pem_pkcs8().unwrap()
}

#[test]
fn an_encrypted_key_is_refused_without_asking_for_a_passphrase() {
    let mut desk = Desk::new();
    let cipher = Cipher::aes_256_cbc;
    let key = ec_key();
    let ec = key.ec_key().unwrap();
    for pem in [
        key.private_key_to_pem_pkcs8_passphrase(cipher(), b"secret")
            .unwrap(),
        ec.private_key_to_pem_passphrase(cipher(), b"secret")
            .unwrap(),
    ] {
        desk.settings.tls_key = Some(desk.file("locked.pem", &pem));
        says(
            &desk,
            &["SEALGATE_TLS_KEY:", "is encrypted", "openssl pkey -in "],
        );
        // Nor if text in another encoding precedes it.
        let pem = [&b"Schl\xFCssel\n"[..], &pem].concat();
        desk.settings.tls_key = Some(desk.file("locked.pem", &pem));
        says(&desk, &["SEALGATE_TLS_KEY:", "is encrypted"]);
    }
    // A certificate can be encrypted too, and OpenSSL would ask.
    let pem = String::from_utf8(desk.root.pem()).unwrap().replacen(
        "-----\n",
        "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00112233445566778899AABBCCDDEEFF\n\n",
        1,
    );
    desk.settings.tls_cert = Some(desk.file("locked-cert.pem", pem.as_bytes()));
    says(&desk, &["SEALGATE_TLS_CERT:", "encrypted certificate"]);
}

#[test]
fn mixed_up_and_damaged_files_are_reported_as_such() {
    let mut desk = Desk::new();
    let (cert, key) = (
        desk.settings.tls_cert.clone(),
        desk.settings.tls_key.clone(),
    );
    (desk.settings.tls_cert, desk.settings.tls_key) = (key.clone(), cert.clone());
    says(&desk, &["SEALGATE_TLS_CERT:", "mixed up"]);
    desk.settings.tls_cert = cert.clone();
    says(&desk, &["SEALGATE_TLS_KEY:", "mixed up"]);

    let damaged = |pem: Vec<u8>| String::from_utf8(pem).unwrap().replacen("MI", "MM", 1);
    desk.settings.tls_key = key;
    desk.settings.tls_cert = Some(desk.file("bad.pem", damaged(desk.root.pem()).as_bytes()));
    says(&desk, &["SEALGATE_TLS_CERT:", "damaged"]);
    desk.settings.tls_cert = cert;
    let bad = damaged(ec_key().private_key_to_pem_pkcs8().unwrap());
    desk.settings.tls_key = Some(desk.file("bad.pem", bad.as_bytes()));
    says(&desk, &["SEALGATE_TLS_KEY:", "damaged"]);

    let der = ec_key().private_key_to_der().unwrap();
    desk.settings.tls_key = Some(desk.file("my key.der", &der));
    says(
        &desk,
        &[
            "SEALGATE_TLS_KEY:",
            "openssl pkey -inform der -in '",
            "my key.der'",
        ],
    );
    let der = desk.root.certificate.to_der().unwrap();
    desk.settings.tls_client_ca = Some(desk.file("ca.der", &der));
    desk.settings.tls_key = Some(desk.folder.path().join("key.pem"));
    says(
        &desk,
        &["SEALGATE_TLS_CLIENT_CA:", "openssl x509 -inform der"],
    );
}

#[test]
fn weak_keys_are_refused() {
    let desk = Desk::with_key(rsa_key(1024));
    says(&desk, &["SEALGATE_TLS_CERT:", "too small", "2048 bits"]);
}

#[test]
fn keys_come_in_many_forms() {
    let mut desk = Desk::new();
    let key = ec_key();
    let own = Paper::of_server(key.clone(), &desk.root);
    desk.settings.tls_cert = Some(desk.file("own.pem", &own.pem()));
    let ec = key.ec_key().unwrap().private_key_to_pem().unwrap();
    let parameters =
        b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    for pem in [
        ec.clone(),
        [&parameters[..], &ec].concat(),
        [own.pem(), own.key_pem()].concat(),
        [b"Bag Attributes: \xC3\xBC\n", &own.key_pem()[..]].concat(),
        String::from_utf8(ec)
            .unwrap()
            .replace('\n', "\r\n")
            .into_bytes(),
    ] {
        desk.settings.tls_key = Some(desk.file("form.pem", &pem));
        desk.acceptor();
    }
    let both = desk.file("both.pem", &[own.key_pem(), own.pem()].concat());
    desk.settings.tls_cert = Some(both.clone());
    desk.settings.tls_key = Some(both);
    desk.acceptor();

    let rsa = rsa_key(2048);
    let own = Paper::of_server(rsa.clone(), &desk.root);
    let pkcs_1 = rsa.rsa().unwrap().private_key_to_pem().unwrap();
    desk.settings.tls_cert = Some(desk.file("own.pem", &own.pem()));
    desk.settings.tls_key = Some(desk.file("form.pem", &pkcs_1));
    desk.acceptor();
}

#[test]
fn an_expired_certificate_is_not_an_error() {
    for time in [(-1000, -10), (1000, 2000)] {
        let mut desk = Desk::new();
        let own = desk.root.issue(&Wanted {
            time,
            for_servers: true,
            ..Wanted::default()
        });
        desk.settings.tls_cert = Some(desk.file("cert.pem", &own.pem()));
        desk.settings.tls_key = Some(desk.file("key.pem", &own.key_pem()));
        desk.acceptor();
    }
}
