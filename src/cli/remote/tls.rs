//! TLS to a server whose certificate and name are checked, with a client certificate if there is one.

use std::io;
use std::net::TcpStream;
use std::path::Path;

use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::{
    HandshakeError, SslConnector, SslConnectorBuilder, SslMethod, SslRef, SslStream, SslVersion,
};
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::X509VerifyFlags;
use openssl::x509::{X509, X509VerifyResult};
use sealgate::Secret;

use super::timed::Timed;
use crate::cli::Failure;
use crate::cli::password::read_secret;
use crate::cli::table::harmless;

/// Larger than the certificate bundle of any system.
const MAX_FILE: usize = 4 << 20;

/// See the module.
pub(super) struct Tls {
    connector: SslConnector,
    has_certificate: bool,
}

impl Tls {
    /// `authorities`: those to trust instead of the system's. `identity`: our certificate and its key.
    pub(super) fn new(
        authorities: Option<&Path>,
        identity: Option<(&Path, &Path)>,
    ) -> Result<Self, Failure> {
        let failed = |errors: ErrorStack| {
            Failure::wrong(format!("TLS cannot be set up: {}.", reasons(&errors)))
        };
        // Checks the certificate and the name, and trusts what the system does.
        let mut builder = SslConnector::builder(SslMethod::tls_client()).map_err(failed)?;
        builder
            .set_min_proto_version(Some(SslVersion::TLS1_2))
            .map_err(failed)?;
        if let Some(file) = authorities {
            let certificates = certificates("--ca-file", file)?;
            let mut trusted = X509StoreBuilder::new().map_err(failed)?;
            for certificate in certificates {
                trusted.add_cert(certificate).map_err(failed)?;
            }
            // Any of them is a trust anchor, not only a root.
            trusted
                .set_flags(X509VerifyFlags::PARTIAL_CHAIN)
                .map_err(failed)?;
            builder
                .set_verify_cert_store(trusted.build())
                .map_err(failed)?;
        }
        if let Some((certificate, key)) = identity {
            present(&mut builder, certificate, key)?;
        }
        Ok(Tls {
            connector: builder.build(),
            has_certificate: identity.is_some(),
        })
    }

    /// The error is the end of a sentence that begins with the server.
    pub(super) fn connect(
        &self,
        host: &str,
        stream: Timed<TcpStream>,
    ) -> Result<SslStream<Timed<TcpStream>>, String> {
        self.connector
            .connect(host, stream)
            .map_err(|error| match error {
                HandshakeError::Failure(broken) => self.refusal(broken.ssl(), broken.error()),
                HandshakeError::SetupFailure(errors) => {
                    format!("cannot be asked: {}", reasons(&errors))
                }
                HandshakeError::WouldBlock(_) => {
                    "did not complete the TLS handshake in time".to_owned()
                }
            })
    }

    fn refusal(&self, ssl: &SslRef, error: &openssl::ssl::Error) -> String {
        match ssl.verify_result() {
            X509VerifyResult::OK => {}
            result => {
                return format!(
                    "presents a certificate that is not trusted: {}. With an authority of your own, use --ca-file",
                    result.error_string()
                );
            }
        }
        let reason = error.ssl_error().map_or_else(
            || {
                error
                    .io_error()
                    .map_or("the connection was closed".to_owned(), io::Error::to_string)
            },
            reasons,
        );
        self.alert(&reason)
            .unwrap_or_else(|| format!("does not complete the TLS handshake: {reason}"))
    }

    /// With TLS 1.3 the server refuses our certificate, or the want of one, only after the handshake.
    pub(super) fn explain(&self, error: io::Error) -> io::Error {
        let inner = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<openssl::ssl::Error>());
        let reason = inner.and_then(openssl::ssl::Error::ssl_error).map(reasons);
        match reason.and_then(|reason| self.alert(&reason)) {
            Some(sentence) => io::Error::other(sentence),
            None => error,
        }
    }

    fn alert(&self, reason: &str) -> Option<String> {
        let says = |what: &str| reason.contains(what);
        match self.has_certificate {
            false if says("certificate required") || says("handshake failure") => {
                Some("asks for a client certificate: use --client-cert and --client-key".to_owned())
            }
            true if says("alert") => Some(format!("refuses the client certificate: {reason}")),
            _ => None,
        }
    }
}

fn present(
    builder: &mut SslConnectorBuilder,
    certificate: &Path,
    key: &Path,
) -> Result<(), Failure> {
    let chain = certificates("--client-cert", certificate)?;
    let text = read_secret(key, MAX_FILE)?;
    // An empty passphrase; otherwise OpenSSL would ask for it on the terminal.
    let parsed = PKey::private_key_from_pem_callback(text.expose(), |_| Ok(0));
    let shown = harmless(&key.to_string_lossy());
    let parsed = parsed.map_err(|_| {
        Failure::wrong(format!(
            "--client-key: {shown} contains no unencrypted private key in PEM."
        ))
    })?;
    let present = || {
        for (at, certificate) in chain.into_iter().enumerate() {
            match at {
                0 => builder.set_certificate(&certificate)?,
                _ => builder.add_extra_chain_cert(certificate)?,
            }
        }
        builder.set_private_key(&parsed)?;
        builder.check_private_key()
    };
    present().map_err(|_| Failure::wrong("--client-key is not the private key of --client-cert."))
}

fn certificates(flag: &str, file: &Path) -> Result<Vec<X509>, Failure> {
    let text: Secret = read_secret(file, MAX_FILE)?;
    match X509::stack_from_pem(text.expose()) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(Failure::wrong(format!(
            "{flag}: {} holds no certificate in PEM, or a damaged one.",
            harmless(&file.to_string_lossy())
        ))),
    }
}

fn reasons(errors: &ErrorStack) -> String {
    let all = errors.errors().iter();
    let all: Vec<&str> = all.filter_map(openssl::error::Error::reason).collect();
    match all.is_empty() {
        true => "unknown reason".to_owned(),
        false => all.join(", "),
    }
}
