//! What is spoken and what is not: the server's context for OpenSSL.
//!
//! # The rules, and where they come from
//! The intermediate configuration of Mozilla's Server Side TLS guidelines, version 6.0
//! (<https://ssl-config.mozilla.org/guidelines/6.0.json>), within the limits of RFC 9325: TLS 1.2 (RFC 5246) and 1.3
//! (RFC 8446) alone, in 1.2 only ephemeral elliptic curves with authenticated encryption. Clients choose among them, since
//! they know what their hardware is good at. The `openssl` crate's own `mozilla_intermediate_v5` is not used: it is version
//! 5.0 of 2019, with finite-field Diffie-Hellman, which version 5.8 threw out (a client makes the server compute for nothing,
//! CVE-2002-20001), and with any group OpenSSL knows.
//!
//! Not offered: compression (CRIME), renegotiation by the client, early data (it can be replayed), session ids (they would
//! be kept in memory; tickets are kept by the client). The keys of tickets are OpenSSL's own, of this process alone.

use openssl::error::ErrorStack;
use openssl::ssl::{
    AlpnError, SslContextBuilder, SslMethod, SslMode, SslOptions, SslSessionCacheMode,
    SslVerifyMode, SslVersion,
};
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::X509VerifyFlags;
use openssl::x509::{X509, X509PurposeId};

use super::files::Identity;

/// TLS 1.2: forward secrecy and authenticated encryption (RFC 9325, section 4.2).
pub(super) const CIPHERS_1_2: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:\
                           ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:\
                           ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
/// TLS 1.3 (RFC 8446, section 9.1).
const CIPHERS_1_3: &str =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
/// OpenSSL 3.5 has the hybrid that a quantum computer does not break; older ones take the second list.
const GROUPS: [&str; 2] = ["X25519MLKEM768:X25519:P-256:P-384", "X25519:P-256:P-384"];
/// At least 112 bits: RSA keys from 2048 bits, no SHA-1 in signatures.
const SECURITY_LEVEL: u32 = 2;
/// The protocols spoken here (RFC 7301), the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"http/1.1", b"http/1.0"];
/// Issuers between a client's certificate and one of the CA file.
const CHAIN_DEPTH: u32 = 5;
/// The names of the CA file are said to each client; longer lists are left out, and clients choose by themselves.
const MAX_CA_NAMES: usize = 16 * 1024;

/// A context that keeps the rules, without a certificate yet.
pub(super) fn rules() -> Result<SslContextBuilder, ErrorStack> {
    let mut context = SslContextBuilder::new(SslMethod::tls_server())?;
    context.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    context.set_max_proto_version(Some(SslVersion::TLS1_3))?;
    context.set_security_level(SECURITY_LEVEL);
    context.set_cipher_list(CIPHERS_1_2)?;
    context.set_ciphersuites(CIPHERS_1_3)?;
    let [newest, known] = GROUPS;
    if context.set_groups_list(newest).is_err() {
        context.set_groups_list(known)?;
    }
    context.clear_options(SslOptions::CIPHER_SERVER_PREFERENCE);
    context.set_options(
        SslOptions::NO_COMPRESSION
            | SslOptions::NO_RENEGOTIATION
            // An end without close_notify is an end: what HTTP has to say has a length of its own.
            | SslOptions::IGNORE_UNEXPECTED_EOF,
    );
    // Idle connections keep no buffers. The chain is the certificate file's, and not looked for at each handshake.
    context.set_mode(
        SslMode::ENABLE_PARTIAL_WRITE
            | SslMode::ACCEPT_MOVING_WRITE_BUFFER
            | SslMode::RELEASE_BUFFERS
            | SslMode::NO_AUTO_CHAIN,
    );
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    // OpenSSL resumes no session of a verified client without it.
    context.set_session_id_context(b"sealgate")?;
    context.set_alpn_select_callback(|_, offered| {
        // Fatal (RFC 7301, section 3.2): who speaks h2 alone would take our answer for garbage.
        let mut spoken = PROTOCOLS.into_iter();
        spoken
            .find_map(|protocol| find_protocol(offered, protocol))
            .ok_or(AlpnError::ALERT_FATAL)
    });
    Ok(context)
}

/// One name of a list in which each has its length in front.
fn find_protocol<'a>(mut offered: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    while let Some((&length, rest)) = offered.split_first() {
        let (name, rest) = rest.split_at_checked(length.into())?;
        if name == wanted {
            return Some(name);
        }
        offered = rest;
    }
    None
}

pub(super) fn present(
    context: &mut SslContextBuilder,
    identity: &Identity,
) -> Result<(), ErrorStack> {
    let [own, issuers @ ..] = identity.chain.as_slice() else {
        return Err(ErrorStack::get());
    };
    context.set_certificate(own)?;
    for issuer in issuers {
        context.add_extra_chain_cert(issuer.clone())?;
    }
    context.set_private_key(&identity.key)?;
    context.check_private_key()
}

/// Asks clients for certificates that `issuers` vouch for.
pub(super) fn ask_clients(
    context: &mut SslContextBuilder,
    issuers: Vec<X509>,
    required: bool,
) -> Result<(), ErrorStack> {
    let mut names = Stack::new()?;
    let mut size = 0;
    let mut store = X509StoreBuilder::new()?;
    for issuer in issuers {
        size += issuer.subject_name().to_der()?.len();
        names.push(issuer.subject_name().to_owned()?)?;
        store.add_cert(issuer)?;
    }
    // Not the store that is set without "verify": our own chain could be filled up from that one.
    context.set_verify_cert_store(store.build())?;
    if size <= MAX_CA_NAMES {
        context.set_client_ca_list(names);
    }
    context.set_verify_depth(CHAIN_DEPTH);
    let judged = context.verify_param_mut();
    judged.set_purpose(X509PurposeId::SSL_CLIENT)?;
    // Whoever is in the file vouches, root or not.
    judged.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
    let mut mode = SslVerifyMode::PEER;
    if required {
        mode |= SslVerifyMode::FAIL_IF_NO_PEER_CERT;
    }
    context.set_verify(mode);
    Ok(())
}
