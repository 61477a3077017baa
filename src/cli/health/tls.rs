//! The TLS client of `sealgate healthcheck`: authenticates the server by its certificate file, whatever the names in it, and
//! presents a client certificate on request.

use std::fs::File;
use std::net::TcpStream;
use std::path::Path;

use openssl::asn1::Asn1Time;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{ErrorCode, HandshakeError, SslConnector, SslMethod, SslRef, SslVerifyMode};
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::X509VerifyFlags;
use openssl::x509::{X509, X509Ref, X509VerifyResult};
use sealgate::Secret;

use super::answer::{Health, ask, judge};
use crate::cli::{Failure, remark};

/// Larger than the certificate bundle of any system.
const MAX_FILE: usize = 1 << 20;
const CERT: &str = "SEALGATE_TLS_CERT";
const RELOAD: &str =
    "the server reloads it within 5 seconds, or its log has the reason why it cannot";

/// Speaks TLS with one server.
#[derive(Clone)]
pub(super) struct Client {
    connector: SslConnector,
    /// The server's own certificate, as its file is now on disk.
    own: X509,
    has_certificate: bool,
    must_have_one: bool,
}

impl Client {
    /// `own`: our client certificate and key. `must_have_one`: whether the server refuses clients without a certificate.
    pub(super) fn new(
        server: &Path,
        own: Option<(&Path, &Path)>,
        must_have_one: bool,
    ) -> Result<Self, Failure> {
        let chain = read_certificates(CERT, server)?;
        let connector = connector(&chain, own.map(read_identity).transpose()?)?;
        let first = chain.into_iter().next();
        Ok(Client {
            connector,
            own: first.ok_or_else(|| Failure::wrong("A certificate is needed."))?,
            has_certificate: own.is_some(),
            must_have_one,
        })
    }

    /// The error is why it is not ready, phrased to follow "The server ...".
    pub(super) fn check(&self, stream: TcpStream) -> Result<Health, String> {
        let mut ssl = self.connector.configure().map_err(internal)?;
        ssl.set_verify_hostname(false);
        ssl.set_use_server_name_indication(false);
        let mut stream = match ssl.connect("localhost", stream) {
            Ok(stream) => stream,
            Err(HandshakeError::Failure(broken)) => {
                return self.judge_failure(broken.ssl(), broken.error());
            }
            Err(HandshakeError::SetupFailure(errors)) => return Err(internal(errors)),
            Err(HandshakeError::WouldBlock(_)) => return Err("does not answer".to_owned()),
        };
        if let Some(shown) = stream.ssl().peer_certificate()
            && shown != self.own
        {
            remark(&format!(
                "The server presents a different certificate from the one now in {CERT}: {RELOAD}."
            ));
        }
        // With TLS 1.3 the server refuses our certificate only after the handshake.
        match ask(&mut stream) {
            Ok(answer) => judge(&answer),
            Err(error) => {
                let reason = error.get_ref().and_then(|error| error.downcast_ref());
                match reason {
                    Some(reason) => self.judge_failure(stream.ssl(), reason),
                    None if self.is_refused_for_want_of_one() => Ok(Health::Alive),
                    None if self.has_certificate => Err(format!(
                        "does not answer ({error}). Does it accept the client certificate?"
                    )),
                    None => Err(format!("does not answer: {error}")),
                }
            }
        }
    }

    fn is_refused_for_want_of_one(&self) -> bool {
        self.must_have_one && !self.has_certificate
    }

    fn judge_failure(&self, ssl: &SslRef, error: &openssl::ssl::Error) -> Result<Health, String> {
        let shown = ssl.peer_certificate();
        if ssl.verify_result() != X509VerifyResult::OK {
            return Err(distrusted(ssl.verify_result(), &self.own));
        }
        let reasons: Vec<&str> = (error.ssl_error())
            .map(|errors| {
                errors
                    .errors()
                    .iter()
                    .filter_map(openssl::error::Error::reason)
            })
            .into_iter()
            .flatten()
            .collect();
        let says = |what: &str| reasons.iter().any(|reason| reason.contains(what));
        if shown.is_some() && !self.has_certificate {
            if says("certificate required") || self.is_refused_for_want_of_one() {
                return Ok(Health::Alive);
            }
        } else if shown.is_some() && says("alert") {
            return Err(format!(
                "refuses the client certificate: {}",
                reasons.join(", ")
            ));
        }
        if says("wrong version number") || says("packet length too long") || says("http request") {
            return Err(format!("does not speak TLS, although {CERT} is set here"));
        }
        Err(match (error.io_error(), error.code()) {
            (Some(error), _) => format!("does not answer: {error}"),
            (None, ErrorCode::ZERO_RETURN | ErrorCode::SYSCALL) => {
                "closed the connection".to_owned()
            }
            _ => format!(
                "does not complete the TLS handshake: {}",
                reasons.join(", ")
            ),
        })
    }
}

fn connector(
    chain: &[X509],
    own: Option<(Vec<X509>, PKey<Private>)>,
) -> Result<SslConnector, Failure> {
    let refused = |errors: ErrorStack| {
        let reason = errors
            .errors()
            .iter()
            .find_map(openssl::error::Error::reason);
        Failure::wrong(format!(
            "TLS cannot be set up: {}.",
            reason.unwrap_or("unknown reason")
        ))
    };
    let build = || {
        let mut trusted = X509StoreBuilder::new()?;
        for certificate in chain {
            trusted.add_cert(certificate.clone())?;
        }
        // Any of them is a trust anchor, not only a root.
        trusted.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
        let mut builder = SslConnector::builder(SslMethod::tls_client())?;
        builder.set_verify_cert_store(trusted.build())?;
        builder.set_verify(SslVerifyMode::PEER);
        if let Some((chain, key)) = &own {
            for (at, certificate) in chain.iter().enumerate() {
                match at {
                    0 => builder.set_certificate(certificate)?,
                    _ => builder.add_extra_chain_cert(certificate.clone())?,
                }
            }
            builder.set_private_key(key)?;
            builder.check_private_key()?;
        }
        Ok(builder.build())
    };
    build().map_err(refused)
}

/// Why the server's certificate is not accepted; `own` is the expected one.
fn distrusted(result: X509VerifyResult, own: &X509Ref) -> String {
    let expired = "presents a certificate that has expired, so clients refuse it";
    let now = Asn1Time::days_from_now(0);
    let own_is_expired = now.is_ok_and(|now| own.not_after() < now);
    // X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED.
    match result.as_raw() {
        9 => format!(
            "presents a certificate that is not valid before {}",
            own.not_before()
        ),
        10 if own_is_expired => format!(
            "{expired} (the one in {CERT} expired on {}). Renew it; the server then reloads it",
            own.not_after()
        ),
        10 => format!("{expired}. {CERT} now has another one: {RELOAD}"),
        // Its issuer is unknown, or it is self-signed.
        2 | 18..=21 => format!(
            "presents a certificate that is not the one in {CERT} ({}). If the file was replaced: {RELOAD}",
            result.error_string()
        ),
        _ => format!(
            "presents a certificate that clients refuse: {}",
            result.error_string()
        ),
    }
}

fn internal(errors: ErrorStack) -> String {
    format!("cannot be asked: {errors}")
}

fn read_identity((cert, key): (&Path, &Path)) -> Result<(Vec<X509>, PKey<Private>), Failure> {
    let chain = read_certificates("--cert", cert)?;
    let text = read("--key", key)?;
    // An empty passphrase; otherwise OpenSSL would ask for it on the terminal.
    let key = PKey::private_key_from_pem_callback(text.expose(), |_| Ok(0)).map_err(|_| {
        Failure::wrong(format!(
            "--key: {} contains no unencrypted private key in PEM.",
            key.display()
        ))
    })?;
    Ok((chain, key))
}

fn read_certificates(name: &str, path: &Path) -> Result<Vec<X509>, Failure> {
    let certificates = X509::stack_from_pem(read(name, path)?.expose());
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(Failure::wrong(format!(
            "{name}: {} holds no certificate in PEM, or a damaged one.",
            path.display()
        ))),
    }
}

fn read(name: &str, path: &Path) -> Result<Secret, Failure> {
    let unreadable = |why: &dyn std::fmt::Display| {
        Failure::wrong(format!("{name}: {} cannot be read: {why}.", path.display()))
    };
    File::open(path)
        .and_then(|file| Secret::read(file, MAX_FILE))
        .map_err(|error| unreadable(&error))?
        .ok_or_else(|| unreadable(&"it is larger than 1 MiB"))
}
