//! What `sslmode` promises.

use std::fs;

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::extension::SubjectAlternativeName;
use openssl::x509::{X509, X509NameBuilder};

use super::*;

/// A server whose certificate, which is also its authority, is for this address; and the certificate.
fn server(address: &str) -> (SslAcceptor, Vec<u8>) {
    let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&curve).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_nid(Nid::COMMONNAME, "database")
        .unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_pubkey(&key).unwrap();
    let (begin, end) = (Asn1Time::days_from_now(0), Asn1Time::days_from_now(1));
    builder.set_not_before(&begin.unwrap()).unwrap();
    builder.set_not_after(&end.unwrap()).unwrap();
    let names = SubjectAlternativeName::new()
        .ip(address)
        .build(&builder.x509v3_context(None, None))
        .unwrap();
    builder.append_extension(names).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    let certificate = builder.build();
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
    acceptor.set_private_key(&key).unwrap();
    acceptor.set_certificate(&certificate).unwrap();
    (acceptor.build(), certificate.to_pem().unwrap())
}

fn connects(server: &Fake, parameters: &str) -> Result<(), Error> {
    database(&server.url(parameters), LONG, 8).read(ask)
}

#[test]
fn a_certificate_has_to_be_from_the_authority_and_with_verify_full_for_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let (right, wrong) = (server("127.0.0.1"), server("192.0.2.1"));
    let file = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        format!("sslrootcert={}", path.display())
    };
    let (right_ca, wrong_ca) = (file("right", &right.1), file("wrong", &wrong.1));
    let right = Fake::with_tls(Manners::default(), Some(right.0));
    let wrong = Fake::with_tls(Manners::default(), Some(wrong.0));

    connects(&right, &format!("sslmode=verify-full&{right_ca}")).unwrap();
    connects(&wrong, &format!("sslmode=verify-ca&{wrong_ca}")).unwrap();
    connects(&wrong, "sslmode=require").unwrap();
    connects(&wrong, "sslmode=prefer").unwrap();
    for (server, parameters) in [
        (&wrong, format!("sslmode=verify-full&{wrong_ca}")),
        (&right, format!("sslmode=verify-full&{wrong_ca}")),
        (&right, format!("sslmode=verify-ca&{wrong_ca}")),
        // As with libpq, an authority's certificate is there to be used.
        (&right, format!("sslmode=require&{wrong_ca}")),
        (&right, "sslmode=verify-full".to_owned()),
    ] {
        let sentence = sentence(connects(server, &parameters));
        assert!(sentence.contains("certificate"), "{parameters}: {sentence}");
    }
}

#[test]
fn a_server_without_tls_gets_nothing_where_tls_is_required() {
    let plain = Fake::start(Manners::default());
    for mode in ["require", "verify-ca", "verify-full"] {
        let sentence = sentence(connects(&plain, &format!("sslmode={mode}")));
        assert!(sentence.contains("TLS"), "{sentence}");
    }
    connects(&plain, "sslmode=prefer").unwrap();
}
