//! Keys and certificates, created for each test, and the files that the settings name.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509Name};

use super::super::TlsAcceptor;
use crate::server::settings::Settings;

/// A certificate and its key.
#[derive(Clone)]
pub(super) struct Paper {
    pub(super) certificate: X509,
    pub(super) key: PKey<Private>,
}

/// The contents of a new certificate.
pub(super) struct Wanted<'a> {
    pub(super) subject: &'a [(&'a str, &'a str)],
    pub(super) uri: Option<&'a str>,
    pub(super) is_authority: bool,
    /// For a server instead of a client.
    pub(super) for_servers: bool,
    /// Start and end of its validity, in seconds from now.
    pub(super) time: (i64, i64),
}

const DAY: i64 = 86_400;

impl Default for Wanted<'_> {
    fn default() -> Self {
        Wanted {
            subject: &[("O", "Example"), ("CN", "alice")],
            uri: None,
            is_authority: false,
            for_servers: false,
            time: (-DAY, DAY),
        }
    }
}

pub(super) fn ec_key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

pub(super) fn rsa_key(bits: u32) -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap()
}

impl Paper {
    /// A CA.
    pub(super) fn authority(name: &str) -> Paper {
        let wanted = Wanted {
            subject: &[("CN", name)],
            is_authority: true,
            ..Wanted::default()
        };
        Paper::make(ec_key(), &wanted, None)
    }

    pub(super) fn of_server(key: PKey<Private>, issuer: &Paper) -> Paper {
        let wanted = Wanted {
            subject: &[("CN", "localhost")],
            for_servers: true,
            ..Wanted::default()
        };
        Paper::make(key, &wanted, Some(issuer))
    }

    pub(super) fn issue(&self, wanted: &Wanted<'_>) -> Paper {
        Paper::make(ec_key(), wanted, Some(self))
    }

    pub(super) fn make(key: PKey<Private>, wanted: &Wanted<'_>, issuer: Option<&Paper>) -> Paper {
        let mut name = X509Name::builder().unwrap();
        for (kind, value) in wanted.subject {
            name.append_entry_by_text(kind, value).unwrap();
        }
        let name = name.build();
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        let mut serial = [0; 8];
        openssl::rand::rand_bytes(&mut serial).unwrap();
        serial[0] &= 0x7F;
        let serial = Asn1Integer::from_bn(&BigNum::from_slice(&serial).unwrap()).unwrap();
        builder.set_serial_number(&serial).unwrap();
        builder.set_subject_name(&name).unwrap();
        let issuer_name = issuer.map_or(&*name, |issuer| issuer.certificate.subject_name());
        builder.set_issuer_name(issuer_name).unwrap();
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs() as i64;
        let time = |seconds| Asn1Time::from_unix(now + seconds).unwrap();
        builder.set_not_before(&time(wanted.time.0)).unwrap();
        builder.set_not_after(&time(wanted.time.1)).unwrap();
        builder.set_pubkey(&key).unwrap();
        if wanted.is_authority {
            let extension = BasicConstraints::new().critical().ca().build().unwrap();
            builder.append_extension(extension).unwrap();
        } else {
            let mut usage = ExtendedKeyUsage::new();
            match wanted.for_servers {
                true => usage.server_auth(),
                false => usage.client_auth(),
            };
            builder.append_extension(usage.build().unwrap()).unwrap();
        }
        if let Some(uri) = wanted.uri {
            let names = SubjectAlternativeName::new()
                .uri(uri)
                .build(&builder.x509v3_context(None, None))
                .unwrap();
            builder.append_extension(names).unwrap();
        }
        let signer = issuer.map_or(&key, |issuer| &issuer.key);
        builder.sign(signer, MessageDigest::sha256()).unwrap();
        Paper {
            certificate: builder.build(),
            key,
        }
    }

    pub(super) fn pem(&self) -> Vec<u8> {
        self.certificate.to_pem().unwrap()
    }

    pub(super) fn key_pem(&self) -> Vec<u8> {
        self.key.private_key_to_pem_pkcs8().unwrap()
    }
}

/// A directory with a server's files, and settings that name them.
pub(super) struct Desk {
    pub(super) folder: tempfile::TempDir,
    pub(super) root: Paper,
    pub(super) settings: Settings,
}

impl Desk {
    pub(super) fn new() -> Desk {
        Desk::with_key(ec_key())
    }

    pub(super) fn with_key(key: PKey<Private>) -> Desk {
        let root = Paper::authority("Root");
        let own = Paper::of_server(key, &root);
        let mut desk = Desk {
            folder: tempfile::tempdir().unwrap(),
            root,
            settings: Settings::default(),
        };
        desk.settings.tls_cert = Some(desk.file("cert.pem", &own.pem()));
        desk.settings.tls_key = Some(desk.file("key.pem", &own.key_pem()));
        desk
    }

    /// Asks clients for certificates issued by `issuer`.
    pub(super) fn asking(issuer: &Paper, required: bool) -> Desk {
        let mut desk = Desk::new();
        desk.settings.tls_client_ca = Some(desk.file("ca.pem", &issuer.pem()));
        desk.settings.tls_client_required = required;
        desk
    }

    /// Writes a file that no other user may read.
    pub(super) fn file(&self, name: &str, text: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::new(&self.settings).unwrap().unwrap()
    }

    /// The error sentence for these settings.
    pub(super) fn refusal(&self) -> String {
        match TlsAcceptor::new(&self.settings) {
            Err(crate::Error::Setting(sentence)) => sentence,
            Err(error) => panic!("{error:?}"),
            Ok(_) => panic!("accepted"),
        }
    }
}
