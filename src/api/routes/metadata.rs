//! GET `/.well-known/oauth-authorization-server`: what OAuth 2.0 clients need to know of this server (RFC 8414).

use serde_json::json;

use super::{introspect, token};
use crate::api::problem::Problem;
use crate::api::response::Response;
use crate::api::route::Call;

/// The scopes of this server's own routes.
const SCOPES: [&str; 6] = [
    "secure-data",
    "encrypt",
    "decrypt",
    "rewrap",
    introspect::SCOPE,
    "metrics",
];

pub(super) fn answer(call: &mut Call<'_>) -> Result<Response, Problem> {
    let gate = &call.app.gate;
    // Never the Host header: whoever sends it could direct a client's secret elsewhere.
    let issuer = gate.issuer();
    let base = base_of(issuer).ok_or_else(Problem::no_issuer)?;
    let at = |path: &str| format!("{base}{path}");
    let secrets = ["client_secret_basic", "client_secret_post"];
    let or_none = ["client_secret_basic", "client_secret_post", "none"];
    let mut body = json!({
        "issuer": issuer,
        "token_endpoint": at("/token"),
        "token_endpoint_auth_methods_supported": or_none,
        "grant_types_supported": token::GRANT_TYPES,
        // Required, although there is no authorization endpoint.
        "response_types_supported": [],
        "scopes_supported": SCOPES,
        "revocation_endpoint": at("/revoke"),
        "revocation_endpoint_auth_methods_supported": or_none,
        "introspection_endpoint": at("/introspect"),
        "introspection_endpoint_auth_methods_supported": secrets,
    });
    if !gate.public_keys().is_empty() {
        body["jwks_uri"] = at("/.well-known/jwks.json").into();
    }
    let mut response = Response::json(200, &body);
    let age = gate.public_keys_max_age().as_secs();
    response.set("Cache-Control", format!("public, max-age={age}"));
    Ok(response)
}

/// What the paths of the endpoints are appended to, if the issuer is a URL without query and fragment (RFC 8414, section 2).
/// `http` is for tests and networks of one's own.
fn base_of(issuer: &str) -> Option<&str> {
    let rest = ["https://", "http://"]
        .iter()
        .find_map(|scheme| issuer.strip_prefix(scheme))?;
    let host = rest.split('/').next().unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}?#".contains(&byte);
    let is_url = rest.bytes().all(is_plain) && !host.contains('@');
    let has_host = host.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '[');
    (is_url && has_host).then(|| issuer.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_a_url_without_query_and_fragment() {
        for (issuer, base) in [
            ("https://auth.example.com", "https://auth.example.com"),
            ("https://auth.example.com/", "https://auth.example.com"),
            (
                "https://example.com:8443/auth",
                "https://example.com:8443/auth",
            ),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
            ("https://[2001:db8::1]/a/", "https://[2001:db8::1]/a"),
        ] {
            assert_eq!(base_of(issuer), Some(base));
        }
        for wrong in [
            "sealgate",
            "",
            "https://",
            "https:///a",
            "https://:80",
            "HTTPS",
            "ftp://example.com",
            "https://example.com?a=b",
            "https://example.com/#a",
            "https://user@example.com",
            "https://example.com/a b",
            "https://example.com/\"",
            "https://ex\u{e4}mple.com",
            "https://example.com/\n",
        ] {
            assert_eq!(base_of(wrong), None, "{wrong}");
        }
    }
}
