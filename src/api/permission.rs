//! Whether a request's token permits what it is for.

use super::problem::Problem;
use super::request::Request;
use super::route::{AppInner, Call, LazyCaller, RequestLog};
use crate::gate::audit::AuditEvent;
use crate::{Claims, TokenError};

/// The claims of a request whose token has one of these scopes, or all scopes of a set; every token has the empty one.
pub(super) fn permitted(
    app: &AppInner,
    request: &Request<'_>,
    scopes: &[&str],
    seen: &mut RequestLog,
) -> Result<Claims, Problem> {
    let caller = LazyCaller {
        request,
        settings: &app.settings,
    };
    let asker = seen.asker(&caller);
    // A header that the gate never sees.
    let token = bearer_token(request).inspect_err(|problem| {
        let trail = app.gate.trail();
        trail.record(AuditEvent::Denied, problem.code(), None, asker);
    })?;
    let checked = app.gate.permit(token, scopes, asker);
    seen.user = match &checked {
        Ok(claims) => Some(claims.subject().to_owned()),
        Err(denied) => denied.user.clone(),
    };
    let key = checked.as_ref().ok().and_then(Claims::api_key);
    seen.api_key = key.map(str::to_owned);
    checked.map_err(|denied| match denied.why {
        Some(error) => Problem::unauthorized(error),
        None => Problem::insufficient_scope(scopes.first().copied().unwrap_or_default()),
    })
}

/// Records a refusal that only the route itself can decide.
pub(super) fn denied(call: &Call<'_>, claims: &Claims, problem: Problem) -> Problem {
    let (caller, user) = (call.caller(), Some(claims.subject()));
    let (trail, asker) = (call.app.gate.trail(), call.asker(&caller));
    trail.record(AuditEvent::Denied, problem.code(), user, asker);
    problem
}

/// Whether a request may be a client's that authenticates with its secret: in one `Authorization: Basic`, or, without that
/// header, in a form.
pub(super) fn may_be_client(request: &Request<'_>) -> bool {
    let mut values = request.headers.all("Authorization");
    match (values.next(), values.next()) {
        (None, _) => request.is_form(),
        (Some(value), None) => basic_credentials(value).is_some(),
        _ => false,
    }
}

/// What follows the scheme `Basic`, in any case (RFC 7617, section 2).
pub(super) fn basic_credentials(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = authorization.split_first_chunk::<5>()?;
    let is_basic = scheme.eq_ignore_ascii_case(b"basic") && rest.starts_with(b" ");
    is_basic.then(|| rest.trim_ascii())
}

/// The token of a request: exactly one `Authorization: Bearer` (RFC 6750, section 2.1), the scheme in any case.
pub(super) fn bearer_token<'r>(request: &Request<'r>) -> Result<&'r str, Problem> {
    let mut values = request.headers.all("Authorization");
    let value = values.next();
    if values.next().is_some() {
        return Err(Problem::bad_request(
            "There is more than one Authorization header.",
        ));
    }
    let token = value
        .and_then(|value| value.split_first_chunk::<6>())
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer"))
        .filter(|(_, rest)| rest.is_empty() || rest.starts_with(b" "))
        .map(|(_, rest)| rest.trim_ascii())
        .unwrap_or_default();
    std::str::from_utf8(token).map_err(|_| Problem::unauthorized(TokenError::Malformed))
}
