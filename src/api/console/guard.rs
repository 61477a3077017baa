//! What keeps other web pages away from the console: the header fields of its responses, and the check of where a request
//! comes from.

use crate::api::problem::Problem;
use crate::api::request::Request;
use crate::api::response::Response;
use crate::api::settings::Settings;
use crate::base::http_syntax::host_of;

/// The header fields of each response. The policy permits the page nothing but its own files and requests to its own server;
/// no string can become markup or a script (Trusted Types), and nobody can show the page in a frame.
const FIELDS: [(&str, &str); 7] = [
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
         trusted-types 'none'",
    ),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Embedder-Policy", "require-corp"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    (
        "Permissions-Policy",
        "camera=(), geolocation=(), microphone=()",
    ),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
];

/// Adds the header fields that protect the page.
pub(in crate::api) fn protect(response: &mut Response) {
    for (name, value) in FIELDS {
        response.set(name, value);
    }
    if response.header("Cache-Control").is_none() {
        response.set("Cache-Control", "no-store");
    }
}

/// How sure it has to be that the console's own page sends a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum Certainty {
    /// The browser says so (Fetch Metadata): for requests that act by a cookie, which the browser adds on its own.
    Stated,
    /// Nothing speaks against it: for requests with a secret that another page would have to know.
    NotDenied,
}

/// Whether the console's own page, or no page at all, sends the request.
pub(in crate::api) fn check_sender(
    request: &Request<'_>,
    settings: &Settings,
    certainty: Certainty,
) -> Result<(), Problem> {
    let mut sites = request.headers.all("Sec-Fetch-Site");
    let site = (sites.next(), sites.next());
    let is_own = match site {
        (Some(b"same-origin"), None) => true,
        (None, _) => certainty == Certainty::NotDenied,
        _ => false,
    };
    let mut origins = request.headers.all("Origin");
    let is_own = is_own
        && match (origins.next(), origins.next()) {
            (None, _) => true,
            (Some(origin), None) => is_ours(origin, request, settings),
            _ => false,
        };
    match is_own {
        true => Ok(()),
        false => Err(Problem::login_refused(
            "Only the page of the console may do this, in a browser that reports where a request comes from.",
        )),
    }
}

/// Whether an origin is the host that the request is for, or one that the settings allow: a proxy may change `Host`.
fn is_ours(origin: &[u8], request: &Request<'_>, settings: &Settings) -> bool {
    let Ok(origin) = std::str::from_utf8(origin) else {
        return false;
    };
    let Some((_, authority)) = origin.split_once("://") else {
        return false;
    };
    let authority = authority.to_ascii_lowercase();
    let host = request.headers.get_text("Host").unwrap_or_default();
    if host.trim().eq_ignore_ascii_case(&authority) {
        return true;
    }
    let name = host_of(&authority);
    let allowed = &settings.allowed_hosts;
    allowed
        .iter()
        .any(|known| known == name || *known == authority)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Headers, Method, Peer};

    fn passes(fields: &[(&str, &str)], certainty: Certainty) -> bool {
        let settings = Settings {
            allowed_hosts: vec!["auth.example.com".to_owned()],
            ..Settings::default()
        };
        let fields = [("Host", "127.0.0.1:5000")].iter().chain(fields);
        let request = Request {
            method: &Method::Post,
            target: "/console/refresh",
            headers: Headers(
                fields
                    .map(|(name, value)| (*name, value.as_bytes()))
                    .collect(),
            ),
            body: b"",
            peer: &Peer::local(None, None),
            version_1_0: false,
            certificate: None,
        };
        check_sender(&request, &settings, certainty).is_ok()
    }

    #[test]
    fn only_the_page_itself_acts_by_its_cookie() {
        let (site, origin) = ("Sec-Fetch-Site", "Origin");
        for (fields, by_cookie, by_secret) in [
            (&[][..], false, true),
            (&[(site, "same-origin")], true, true),
            (&[("sec-fetch-site", "same-origin")], true, true),
            (
                &[(site, "same-origin"), (origin, "http://127.0.0.1:5000")],
                true,
                true,
            ),
            (
                &[(site, "same-origin"), (origin, "https://auth.example.com")],
                true,
                true,
            ),
            (
                &[
                    (site, "same-origin"),
                    (origin, "https://AUTH.example.com:8443"),
                ],
                true,
                true,
            ),
            (&[(origin, "http://127.0.0.1:5000")], false, true),
            (&[(site, "same-site")], false, false),
            (&[(site, "cross-site")], false, false),
            (&[(site, "none")], false, false),
            (&[(site, "Same-Origin")], false, false),
            (&[(site, "")], false, false),
            (
                &[(site, "same-origin"), (site, "same-origin")],
                false,
                false,
            ),
            (&[(site, "same-origin"), (origin, "null")], false, false),
            (
                &[(site, "same-origin"), (origin, "http://127.0.0.1:5001")],
                false,
                false,
            ),
            (
                &[(site, "same-origin"), (origin, "http://localhost:5000")],
                false,
                false,
            ),
            (
                &[
                    (site, "same-origin"),
                    (origin, "https://auth.example.com.evil.test"),
                ],
                false,
                false,
            ),
            (
                &[
                    (site, "same-origin"),
                    (origin, "http://127.0.0.1:5000"),
                    (origin, "http://127.0.0.1:5000"),
                ],
                false,
                false,
            ),
        ] {
            assert_eq!(passes(fields, Certainty::Stated), by_cookie, "{fields:?}");
            assert_eq!(
                passes(fields, Certainty::NotDenied),
                by_secret,
                "{fields:?}"
            );
        }
    }
}
