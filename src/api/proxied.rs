//! Whether a request came through a proxy, as far as that can be seen.

use super::caller::Caller;
use super::peer::Serves;
use super::request::Request;
use super::settings::Settings;

/// Headers that proxies add and local clients do not send.
const PROXY_HEADERS: [&str; 7] = [
    "Forwarded",
    "Via",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Server",
    "X-Real-IP",
];

/// Whether a proxy, or a client that speaks HTTP/1.0 as many proxies do, has sent the request. These checks catch common setups
/// but not all: nginx can be configured to add no header, use HTTP/1.1 and send a loopback Host.
pub(super) fn came_through_proxy(request: &Request<'_>, settings: &Settings) -> bool {
    request.version_1_0
        || PROXY_HEADERS
            .iter()
            .chain([&settings.forwarded_header.as_str()])
            .any(|name| request.headers.get(name).is_some())
        || Caller::peer(request).is_trusted(settings)
        || request.peer.serves() != Serves::Peer
}
