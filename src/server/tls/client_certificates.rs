//! Which certificates of clients are accepted: those that lead to a certificate in the CA file.

use openssl::error::ErrorStack;
use openssl::ssl::{SslContextBuilder, SslVerifyMode};
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::X509VerifyFlags;
use openssl::x509::{X509, X509PurposeId};

/// Maximum number of intermediates between a client's certificate and one in the CA file.
const CHAIN_DEPTH: u32 = 5;
/// The names in the CA file are sent to each client. Longer lists are left out, and clients choose a certificate on
/// their own.
const MAX_CA_NAMES: usize = 16 * 1024;

/// Asks clients for certificates issued by `issuers`.
pub(super) fn ask_clients(
    context: &mut SslContextBuilder,
    issuers: &[X509],
    required: bool,
) -> Result<(), ErrorStack> {
    let mut names = Stack::new()?;
    let mut size = 0;
    let mut store = X509StoreBuilder::new()?;
    for issuer in issuers {
        size += issuer.subject_name().to_der()?.len();
        names.push(issuer.subject_name().to_owned()?)?;
        store.add_cert(issuer.clone())?;
    }
    // Not with `set_cert_store`, which OpenSSL may also use to complete our own chain.
    context.set_verify_cert_store(store.build())?;
    if size <= MAX_CA_NAMES {
        context.set_client_ca_list(names);
    }
    context.set_verify_depth(CHAIN_DEPTH);
    let judged = context.verify_param_mut();
    judged.set_purpose(X509PurposeId::SSL_CLIENT)?;
    // Every certificate in the file is a trust anchor, whether or not it is a root.
    judged.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
    let mut mode = SslVerifyMode::PEER;
    if required {
        mode |= SslVerifyMode::FAIL_IF_NO_PEER_CERT;
    }
    context.set_verify(mode);
    Ok(())
}
