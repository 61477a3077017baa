//! Reads and checks the TLS files, and refuses them with a sentence that names the setting and the remedy. Changes
//! nothing, never asks for a passphrase, and never blocks on a pipe.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use openssl::asn1::Asn1Time;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;

use crate::base::given_file;
use crate::base::private_files::shell_word;
use crate::server::settings::Settings;
use crate::{Error, Secret};

const CERT: &str = "SEALGATE_TLS_CERT";
const KEY: &str = "SEALGATE_TLS_KEY";
const CLIENT_CA: &str = "SEALGATE_TLS_CLIENT_CA";

/// Larger than any CA bundle that a system comes with.
const MAX_FILE: usize = 1 << 20;

/// The contents of the files.
#[derive(Clone)]
pub(super) struct Credentials {
    /// The server's own certificate first; never empty.
    pub(super) chain: Vec<X509>,
    /// Belongs to the first certificate of the chain.
    pub(super) key: PKey<Private>,
    /// The certificates of the CAs that issue client certificates; `None` if clients are not asked.
    pub(super) client_ca: Option<Vec<X509>>,
}

impl Credentials {
    /// Reads the files; `None` if the settings name no certificate.
    pub(super) fn read(settings: &Settings) -> Result<Option<Self>, Error> {
        let (cert, key) = match (&settings.tls_cert, &settings.tls_key) {
            (None, None) => return Ok(None),
            (Some(cert), Some(key)) => (cert, key),
            _ => {
                return Err(Error::Setting(format!(
                    "{CERT} and {KEY} belong together. Set both, or neither."
                )));
            }
        };
        let (chain, key) = read_pair(cert, key)?;
        let client_ca = settings.tls_client_ca.as_deref();
        let client_ca = client_ca.map(|path| read_certificates(CLIENT_CA, path));
        Ok(Some(Credentials {
            chain,
            key,
            client_ca: client_ca.transpose()?,
        }))
    }

    /// The server's own certificate.
    pub(super) fn own(&self) -> &X509 {
        self.chain.first().expect("a chain is never empty")
    }

    pub(super) fn has_same_issuers(&self, other: &Credentials) -> bool {
        self.client_ca == other.client_ca
    }

    /// The key is the same if the certificate is.
    pub(super) fn are_same(&self, other: &Credentials) -> bool {
        self.chain == other.chain && self.has_same_issuers(other)
    }

    /// Refuses an own certificate that clients would refuse now, and issuers of which none is valid. Expired
    /// certificates later in the chain are left in some chains on purpose.
    pub(super) fn check_dates(&self, settings: &Settings) -> Result<(), Error> {
        let now = Asn1Time::days_from_now(0).map_err(|errors| refused(settings, &errors))?;
        if let Some(fault) = fault_of_dates(self.own(), &now) {
            let path = settings.tls_cert.as_deref().unwrap_or(Path::new(""));
            return Err(wrong(
                CERT,
                path,
                &format!("holds a certificate that {fault}"),
            ));
        }
        let faults = self.client_ca.iter().flatten();
        let mut faults = faults.map(|issuer| fault_of_dates(issuer, &now));
        let first = faults.next().flatten();
        if let Some(fault) = first.filter(|_| faults.all(|fault| fault.is_some())) {
            let path = settings.tls_client_ca.as_deref().unwrap_or(Path::new(""));
            return Err(wrong(
                CLIENT_CA,
                path,
                &format!("holds no certificate that is valid now. The first one {fault}"),
            ));
        }
        Ok(())
    }

    /// Only warnings, for a start: the clock may be wrong, and a server that starts is easier to fix than one that does
    /// not.
    pub(super) fn warn_of_dates(&self, settings: &Settings) {
        let Ok(now) = Asn1Time::days_from_now(0) else {
            return;
        };
        let issuers = self.client_ca.as_deref().unwrap_or_default();
        for (setting, path, certificates, so) in [
            (
                CERT,
                &settings.tls_cert,
                &self.chain[..],
                "clients will refuse it",
            ),
            (
                CLIENT_CA,
                &settings.tls_client_ca,
                issuers,
                "clients whose certificates it issued are refused",
            ),
        ] {
            for certificate in certificates {
                if let (Some(fault), Some(path)) = (fault_of_dates(certificate, &now), path) {
                    log::warn!(
                        "{setting}: the certificate of {} in {} {fault}: {so}",
                        super::subject::of(certificate),
                        path.display()
                    );
                }
            }
        }
    }
}

/// Why a certificate is not valid now, as the end of a sentence.
fn fault_of_dates(certificate: &X509, now: &Asn1Time) -> Option<String> {
    if certificate.not_after() < now {
        return Some(format!("has expired ({})", certificate.not_after()));
    }
    (certificate.not_before() > now)
        .then(|| format!("is not valid before {}", certificate.not_before()))
}

/// Reads a certificate chain and the key of its first certificate.
fn read_pair(cert: &Path, key: &Path) -> Result<(Vec<X509>, PKey<Private>), Error> {
    let chain = read_certificates(CERT, cert)?;
    let key_text = read(KEY, key, check_secret)?;
    let own_key = parse_key(key, key_text.expose())?;
    let fits = |certificate: &X509| {
        let public = certificate.public_key();
        public.is_ok_and(|public| public.public_eq(&own_key))
    };
    let remedy = match chain.iter().position(fits) {
        Some(0) => None,
        Some(_) => Some(format!(
            "belongs to a later certificate of {}. Put the server's own certificate first, followed by its issuers",
            cert.display()
        )),
        None => Some(format!(
            "does not belong to the first certificate of {}. Use a key and a certificate that were created together",
            cert.display()
        )),
    };
    drop(ErrorStack::get());
    if let Some(remedy) = remedy {
        return Err(wrong(KEY, key, &remedy));
    }
    Ok((chain, own_key))
}

/// The error for files that are each valid but that OpenSSL rejects.
pub(super) fn refused(settings: &Settings, errors: &ErrorStack) -> Error {
    let reason = |error: &openssl::error::Error| error.reason().map(str::to_owned);
    let reason = errors.errors().iter().find_map(reason);
    let reason = reason.unwrap_or_else(|| "unknown reason".to_owned());
    let path = settings.tls_cert.as_deref().unwrap_or(Path::new(""));
    let remedy = if reason.contains("too small") || reason.contains("too weak") {
        ". Use one with an RSA key of at least 2048 bits or an elliptic curve, signed with SHA-256 or better"
    } else {
        ""
    };
    wrong(CERT, path, &format!("cannot be used: {reason}{remedy}"))
}

fn read_certificates(setting: &str, path: &Path) -> Result<Vec<X509>, Error> {
    let text = read(setting, path, |_, _, _| Ok(()))?;
    let text = text.expose();
    if text.first() == Some(&0x30) {
        return Err(wrong(
            setting,
            path,
            &format!(
                "is not PEM but looks like DER. Convert it to PEM with: openssl x509 -inform der -in {} -out cert.pem",
                shell_word(path)
            ),
        ));
    }
    // OpenSSL would ask for the passphrase on the terminal.
    if blocks(text).any(|block| block.is_encrypted() && block.label.ends_with("CERTIFICATE")) {
        return Err(wrong(
            setting,
            path,
            "holds an encrypted certificate. Use an unencrypted PEM file",
        ));
    }
    let certificates = X509::stack_from_pem(text).map_err(|_| {
        wrong(
            setting,
            path,
            "holds a damaged certificate. Get a new copy of the file",
        )
    })?;
    if certificates.is_empty() {
        let has_key = blocks(text).any(|block| block.label.ends_with("PRIVATE KEY"));
        return Err(wrong(
            setting,
            path,
            match has_key {
                true => "holds a key but no certificate. Are the certificate and the key mixed up?",
                false => "holds no certificate in PEM (\"-----BEGIN CERTIFICATE-----\")",
            },
        ));
    }
    Ok(certificates)
}

fn parse_key(path: &Path, text: &[u8]) -> Result<PKey<Private>, Error> {
    let refused = |what: &str| Err(wrong(KEY, path, what));
    if text.first() == Some(&0x30) {
        return refused(&format!(
            "is not PEM but looks like DER. Convert it to PEM with: openssl pkey -inform der -in {} -out key.pem",
            shell_word(path)
        ));
    }
    if blocks(text).any(|block| block.is_encrypted()) {
        return refused(&format!(
            "is encrypted, and the server never asks for a passphrase. Decrypt it with: openssl pkey -in {} -out key.pem",
            shell_word(path)
        ));
    }
    // With an explicit passphrase OpenSSL never asks for one.
    match PKey::private_key_from_pem_passphrase(text, b"") {
        Ok(key) => Ok(key),
        Err(_) if blocks(text).any(|block| block.label.ends_with("PRIVATE KEY")) => {
            refused("holds a key that is damaged or of an unknown kind. Get a new copy of the file")
        }
        Err(_) if blocks(text).any(|block| block.label.ends_with("CERTIFICATE")) => {
            refused("holds a certificate but no key. Are the certificate and the key mixed up?")
        }
        Err(_) => refused("holds no private key in PEM (\"-----BEGIN PRIVATE KEY-----\")"),
    }
}

/// The text of a small file whose metadata passes `check`.
fn read(
    setting: &str,
    path: &Path,
    check: fn(&str, &Path, &Metadata) -> Result<(), Error>,
) -> Result<Secret, Error> {
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => wrong(setting, path, "does not exist"),
        _ => wrong(setting, path, &format!("cannot be read: {error}")),
    };
    let file = open(path).map_err(unreadable)?;
    // The metadata of the open file, not of whatever has its name by now.
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(wrong(setting, path, "is not a file"));
    }
    check(setting, path, &metadata)?;
    Secret::read(file, MAX_FILE)
        .map_err(unreadable)?
        .ok_or_else(|| wrong(setting, path, "is larger than 1 MiB"))
}

/// Opening a pipe would otherwise wait for its writer.
fn open(path: &Path) -> io::Result<File> {
    let without_waiting = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    OpenOptions::new()
        .read(true)
        .custom_flags(without_waiting)
        .open(path)
}

/// Refuses a key file that other users can change.
fn check_secret(setting: &str, path: &Path, metadata: &Metadata) -> Result<(), Error> {
    given_file::check(path, metadata)
        .map(drop)
        .map_err(|end| wrong(setting, path, &end))
}

fn wrong(setting: &str, path: &Path, what: &str) -> Error {
    // The failure is being reported; left in OpenSSL's error queue it would confuse the next call.
    drop(ErrorStack::get());
    let end = if what.ends_with('?') { "" } else { "." };
    Error::Setting(format!("{setting}: {} {what}{end}", path.display()))
}

/// A PEM block.
struct Block<'a> {
    label: &'a str,
    body: &'a str,
}

impl Block<'_> {
    /// As PKCS #8 marks it, or PEM itself (RFC 1421).
    fn is_encrypted(&self) -> bool {
        self.label.starts_with("ENCRYPTED ") || self.body.contains("Proc-Type:")
    }
}

fn blocks(text: &[u8]) -> impl Iterator<Item = Block<'_>> {
    // The text around the blocks may have any encoding; the blocks are ASCII.
    text.split(|&byte| !byte.is_ascii())
        .filter_map(|text| std::str::from_utf8(text).ok())
        .flat_map(|text| text.split("-----BEGIN ").skip(1))
        .filter_map(|rest| {
            let (label, body) = rest.split_once("-----")?;
            let (body, _) = body.split_once("-----END ").unwrap_or((body, ""));
            Some(Block { label, body })
        })
}
