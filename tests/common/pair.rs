//! Certificates, made in the test.

use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Name};

/// A certificate with its key.
pub struct Pair {
    pub certificate: X509,
    pub key: PKey<Private>,
}

impl Pair {
    /// With this number; valid for a day before and after `days` from now.
    pub fn new(name: &str, number: u32, days: i64, issuer: Option<&Pair>) -> Pair {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let mut subject = X509Name::builder().unwrap();
        subject.append_entry_by_text("CN", name).unwrap();
        let subject = subject.build();
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        let number = Asn1Integer::from_bn(&BigNum::from_u32(number).unwrap()).unwrap();
        builder.set_serial_number(&number).unwrap();
        builder.set_subject_name(&subject).unwrap();
        let issued_by = issuer.map_or(&*subject, |issuer| issuer.certificate.subject_name());
        builder.set_issuer_name(issued_by).unwrap();
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs() as i64;
        let time = |days| Asn1Time::from_unix(now + days * 86_400).unwrap();
        builder.set_not_before(&time(days - 1)).unwrap();
        builder.set_not_after(&time(days + 1)).unwrap();
        builder.set_pubkey(&key).unwrap();
        let extension = match issuer {
            None => BasicConstraints::new().critical().ca().build().unwrap(),
            Some(_) => SubjectAlternativeName::new()
                .dns("localhost")
                .build(&builder.x509v3_context(None, None))
                .unwrap(),
        };
        builder.append_extension(extension).unwrap();
        let signer = issuer.map_or(&key, |issuer| &issuer.key);
        builder.sign(signer, MessageDigest::sha256()).unwrap();
        Pair {
            certificate: builder.build(),
            key,
        }
    }

    pub fn pem(&self) -> Vec<u8> {
        self.certificate.to_pem().unwrap()
    }

    pub fn key_pem(&self) -> Vec<u8> {
        self.key.private_key_to_pem_pkcs8().unwrap()
    }
}
