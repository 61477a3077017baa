//! Login without accounts, the open login: anyone would get a token for any name, so it is for processes of the server's own
//! user, unless the settings permit more.

use crate::api::problem::Problem;
use crate::api::proxied::came_through_proxy;
use crate::api::request::Request;
use crate::api::route::Call;
use crate::api::settings::{LoginMode, Settings};
use crate::base::http_syntax::host_of;
use crate::base::socket_owner::Owner;

/// Whether the caller may try to log in. Without accounts only processes of the server's own user may, unless the settings
/// allow others.
pub(super) fn check_offered(call: &Call<'_>) -> Result<(), Problem> {
    let settings = &call.app.settings;
    match settings.login {
        LoginMode::Open => return Ok(()),
        LoginMode::Off => {
            return Err(Problem::login_refused(
                "Login is switched off. Issue a token with: sealgate token issue --user NAME",
            ));
        }
        // Accounts decide.
        LoginMode::Auto
            if call.app.host.authenticate.is_some() || call.app.gate.wants_passwords() =>
        {
            return Ok(());
        }
        LoginMode::Auto => {}
    }
    match why_not_open(call.request, settings) {
        None => Ok(()),
        Some(_) if call.app.gate.wants_passwords_now() => Ok(()),
        Some(why) => Err(Problem::login_refused(format!(
            "There are no accounts, and {why}. Add an account: sealgate user add NAME. (With SEALGATE_LOGIN=open anyone \
             who can reach this server would get a token for any name, without a password.)"
        ))),
    }
}

/// Why a caller may not log in without a password. `None`: it is a process of the server's user and does not look like a
/// proxy.
fn why_not_open(request: &Request<'_>, settings: &Settings) -> Option<&'static str> {
    if !request.peer.is_local() {
        return Some("this address can be reached from other machines");
    }
    // A proxy may run as the same user.
    if came_through_proxy(request, settings) {
        return Some("the request came through a proxy, or as HTTP/1.0");
    }
    // A web page in a local browser can reach us under its own host name (DNS rebinding).
    if request.peer.address.is_some() && !host_is_ours(request, &settings.allowed_hosts) {
        return Some(
            "the Host header names neither this machine nor a host in SEALGATE_ALLOWED_HOSTS",
        );
    }
    // A page of a permitted origin may log in; here every page would be one.
    if settings.cors_origins.is_all() && request.headers.get("Origin").is_some() {
        return Some(
            "the request comes from a web page while SEALGATE_CORS_ORIGINS permits all of them",
        );
    }
    match request.peer.owner() {
        Owner::SameUser => None,
        Owner::Another => Some(
            "the caller does not run as the server's user and may be a proxy that serves others",
        ),
        Owner::Unknown => Some("the system does not report which user the caller runs as"),
    }
}

/// Whether Host names this machine or an allowed host.
fn host_is_ours(request: &Request<'_>, allowed: &[String]) -> bool {
    let Some(host) = request.headers.get_text("Host") else {
        return false;
    };
    let host = host.trim().to_ascii_lowercase();
    let name = host_of(&host);
    let name = name
        .strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'))
        .unwrap_or(name);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    if !name.bytes().all(plain) {
        return false;
    }
    name == "localhost"
        || name.ends_with(".localhost")
        || name
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.to_canonical().is_loopback())
        || allowed.iter().any(|known| known == name || *known == host)
}
