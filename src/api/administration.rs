//! Where administration is served, and who administrates: whoever presents a token with the scope `admin`, or a client
//! certificate whose common name the settings list.

use super::caller::Caller;
use super::permission::permitted;
use super::problem::Problem;
use super::proxied::came_through_proxy;
use super::request::Request;
use super::route::{Administrator, AppInner, Door, LazyCaller, RequestLog};
use crate::Claims;
use crate::gate::ADMIN_SCOPE;
use crate::gate::audit::AuditEvent;

/// Whether administration is served to this request: on a listener of its own, or, without one, to processes of this machine.
pub(super) fn is_served(app: &AppInner, door: Door, request: &Request<'_>) -> bool {
    match door {
        Door::Administration => true,
        Door::Api => {
            !app.settings.admin_elsewhere
                && request.peer.is_local()
                && !came_through_proxy(request, &app.settings)
        }
    }
}

/// Who administrates: the claims of the token, or `None` with a certificate.
pub(super) fn administrator(
    app: &AppInner,
    request: &Request<'_>,
    seen: &mut RequestLog,
) -> Result<Option<Claims>, Problem> {
    if let Some(name) = by_certificate(app, request) {
        seen.administrator = Some(Administrator::Certificate(name));
        return Ok(None);
    }
    let claims = permitted(app, request, &[ADMIN_SCOPE], seen)?;
    if claims.api_key().is_some() {
        let problem = Problem::api_key_refused("The server is administered with a token: log in.");
        let caller = LazyCaller {
            request,
            settings: &app.settings,
        };
        let (trail, user) = (app.gate.trail(), Some(claims.subject()));
        trail.record(
            AuditEvent::Denied,
            problem.code(),
            user,
            seen.asker(&caller),
        );
        return Err(problem);
    }
    seen.administrator = Some(Administrator::User(claims.subject().to_owned()));
    Ok(Some(claims))
}

/// The name of an administrator in the client's certificate. Browsers present certificates by themselves, whichever page asks:
/// what looks like a browser has to present a token.
fn by_certificate(app: &AppInner, request: &Request<'_>) -> Option<String> {
    let names = &app.settings.admin_certificates;
    let by_browser = ["Origin", "Sec-Fetch-Site", "Authorization"];
    let by_browser = by_browser.map(|name| request.headers.get(name).is_some());
    // A trusted proxy's certificate is not that of its clients.
    if names.is_empty()
        || by_browser.contains(&true)
        || Caller::peer(request).is_trusted(&app.settings)
    {
        return None;
    }
    let name = common_name(request.certificate?)?;
    names.contains(&name).then_some(name)
}

/// The longest subject that is certainly whole.
const WHOLE: usize = 250;

/// The only common name of a subject in the form of RFC 4514.
fn common_name(subject: &str) -> Option<String> {
    if subject.len() > WHOLE {
        return None;
    }
    let mut names = attributes(subject)
        .into_iter()
        .filter_map(|attribute| attribute.strip_prefix("CN="));
    let name = names.next().filter(|_| names.next().is_none())?;
    unescaped(name)
}

/// Splits a subject at the commas that are not escaped.
fn attributes(subject: &str) -> Vec<&str> {
    let (mut from, mut is_escaped, mut parts) = (0, false, Vec::new());
    for (at, byte) in subject.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b',' => {
                parts.push(&subject[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&subject[from..]);
    parts
}

/// The value of an attribute; `None` if it is not text.
fn unescaped(value: &str) -> Option<String> {
    if value.starts_with('#') {
        return None;
    }
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let hex = after.first_chunk::<2>().and_then(|digits| {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            Some((digit(digits[0])? << 4 | digit(digits[1])?) as u8)
        });
        match hex {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                let (&byte, after) = after.split_first()?;
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes)
        .ok()
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_names_whom_its_only_common_name_names() {
        let name = |subject: &str| common_name(subject);
        for (subject, expected) in [
            ("CN=alice,O=Example", "alice"),
            ("O=Example,CN=alice", "alice"),
            (r"CN=Doe\, Jane,O=a\=b", "Doe, Jane"),
            (r"CN=caf\C3\A9", "caf\u{e9}"),
            (r"CN=\ x\ ", " x "),
        ] {
            assert_eq!(name(subject).as_deref(), Some(expected), "{subject}");
        }
        let long = format!("CN=alice,O={}", "x".repeat(250));
        for subject in [
            "",
            "(no name)",
            "DNS=alice",
            "CN=",
            "CN=alice,CN=bob",
            r"O=x\,CN\=alice",
            r"O=x\,CN=alice",
            "CN=#0C05",
            "cn=alice",
            "SN=alice",
            &long,
        ] {
            assert_eq!(name(subject), None, "{subject}");
        }
    }
}
