//! The TLS configuration: the server's OpenSSL context.
//!
//! # The rules and their sources
//! The intermediate configuration of Mozilla's Server Side TLS guidelines, version 6.0
//! (<https://ssl-config.mozilla.org/guidelines/6.0.json>), within the limits of RFC 9325: only TLS 1.2 (RFC 5246) and
//! 1.3 (RFC 8446), in 1.2 only ephemeral elliptic curves with authenticated encryption. Clients choose among the
//! ciphers, since they know what their hardware does well. The `openssl` crate's own `mozilla_intermediate_v5` is not
//! used: it is version 5.0 of 2019, which allows any group that OpenSSL knows, and finite-field Diffie-Hellman, which
//! version 5.8 removed (a client can make the server compute for nothing, CVE-2002-20001).
//!
//! Not offered: compression (CRIME), renegotiation by the client, early data (it can be replayed), session IDs (they
//! need memory on the server; tickets are kept by the client). OpenSSL creates the ticket keys;
//! `reload` keeps them across reloads.

use openssl::error::ErrorStack;
use openssl::ssl::{
    AlpnError, SslContextBuilder, SslMethod, SslMode, SslOptions, SslSessionCacheMode, SslVersion,
};

use super::files::Credentials;

/// TLS 1.2: forward secrecy and authenticated encryption (RFC 9325, section 4.2).
pub(super) const CIPHERS_1_2: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:\
                           ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:\
                           ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
/// TLS 1.3 (RFC 8446, section 9.1).
const CIPHERS_1_3: &str =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
/// OpenSSL 3.5 has the post-quantum hybrid; older versions use the second list.
const GROUPS: [&str; 2] = ["X25519MLKEM768:X25519:P-256:P-384", "X25519:P-256:P-384"];
/// At least 112 bits: RSA keys of at least 2048 bits, no SHA-1 signatures.
const SECURITY_LEVEL: u32 = 2;
/// The protocols supported (RFC 7301), preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"http/1.1", b"http/1.0"];

/// A context that follows the rules, still without a certificate.
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
            // The end of the stream without close_notify is a normal end: HTTP messages carry their own length.
            | SslOptions::IGNORE_UNEXPECTED_EOF,
    );
    // Idle connections keep no buffers. The chain is taken from the certificate file, not built at each handshake.
    context.set_mode(
        SslMode::ENABLE_PARTIAL_WRITE
            | SslMode::ACCEPT_MOVING_WRITE_BUFFER
            | SslMode::RELEASE_BUFFERS
            | SslMode::NO_AUTO_CHAIN,
    );
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    // A resumed connection gets another; OpenSSL's default of two is for clients that open several at once.
    context.set_num_tickets(1)?;
    // Without it OpenSSL does not resume sessions of verified clients.
    context.set_session_id_context(b"sealgate")?;
    context.set_alpn_select_callback(|_, offered| {
        // Fatal (RFC 7301, section 3.2): a client that only speaks h2 could not parse our response.
        let mut spoken = PROTOCOLS.into_iter();
        spoken
            .find_map(|protocol| find_protocol(offered, protocol))
            .ok_or(AlpnError::ALERT_FATAL)
    });
    Ok(context)
}

/// Finds a name in a list of length-prefixed names.
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
    credentials: &Credentials,
) -> Result<(), ErrorStack> {
    context.set_certificate(credentials.own())?;
    for issuer in &credentials.chain[1..] {
        context.add_extra_chain_cert(issuer.clone())?;
    }
    context.set_private_key(&credentials.key)?;
    context.check_private_key()
}
