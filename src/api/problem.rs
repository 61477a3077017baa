//! All errors of the API: `application/problem+json` (RFC 9457), plus the member `error` that the original's clients read;
//! where the client speaks OAuth 2.0, the form of RFC 6749.

use serde_json::json;

use super::request_id::RequestId;
use super::response::Response;
use crate::{Error, TokenError, whole_seconds};

/// An error response under construction.
#[derive(Debug, Clone)]
pub struct Problem {
    status: u16,
    code: &'static str,
    title: &'static str,
    detail: String,
    headers: Vec<(&'static str, String)>,
    /// A member of the body in addition to those that every problem has.
    member: Option<(&'static str, &'static str)>,
    /// Whether it has the form of RFC 6749, section 5.2.
    is_oauth: bool,
}

impl Problem {
    pub(super) fn new(
        status: u16,
        code: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Problem {
            status,
            code,
            title,
            detail: detail.into(),
            headers: Vec::new(),
            member: None,
            is_oauth: false,
        }
    }

    /// 400: an error of RFC 6749, section 5.2. The description has no quotes and no backslashes.
    pub(super) fn oauth(code: &'static str, description: impl Into<String>) -> Self {
        Problem {
            is_oauth: true,
            ..Problem::new(400, code, "", description)
        }
    }

    /// 401: the client is unknown, did not authenticate, or has a wrong secret; the response does not reveal which.
    pub(super) fn invalid_client() -> Self {
        let description =
            "Authenticate with the client's id and secret, by HTTP Basic or in the form.";
        Problem {
            status: 401,
            ..Problem::oauth("invalid_client", description)
        }
        .with(
            "WWW-Authenticate",
            r#"Basic realm="sealgate", charset="UTF-8""#,
        )
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// 400: the request itself cannot be understood.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Problem::new(400, "bad_request", "The request is malformed.", detail)
    }

    /// 400: the body is not acceptable JSON.
    pub(super) fn bad_json(detail: impl Into<String>) -> Self {
        Problem::new(
            400,
            "bad_json",
            "The body is not a valid JSON object.",
            detail,
        )
    }

    /// 400: a member is missing or has the wrong type or value.
    pub(super) fn bad_member(title: &'static str, detail: impl Into<String>) -> Self {
        Problem::new(400, "bad_member", title, detail)
    }

    /// 401: no token, or one that is refused (RFC 6750, section 3).
    pub(super) fn unauthorized(error: TokenError) -> Self {
        if error == TokenError::Unchecked {
            return Problem::unavailable(
                "The store of revoked tokens cannot be used; the server's log has the reason.",
            );
        }
        let title = error.sentence();
        let challenge = match error {
            TokenError::Missing => "Bearer".to_owned(),
            _ => format!(
                r#"Bearer error="invalid_token", error_description="{}""#,
                title.trim_end_matches('.')
            ),
        };
        let detail = match error {
            TokenError::Missing => {
                "Send the header: Authorization: Bearer <token>. POST /login returns a token."
            }
            TokenError::Expired | TokenError::KeyRetired => "Log in again for a new one.",
            TokenError::NotYetValid => "Its validity has not started; check the clocks.",
            TokenError::Malformed => "It is not in this server's token format.",
            TokenError::Revoked => "It was revoked. Log in again for a new one.",
            TokenError::NoAccount => {
                "This server signed it, but users now need an account. The administrator can add one: sealgate user add."
            }
            _ => "It was not signed by this server, or not for it.",
        };
        Problem::new(401, error.code(), title, detail).with("WWW-Authenticate", challenge)
    }

    /// 403: the token lacks a scope (RFC 6750, section 3.1).
    pub(super) fn insufficient_scope(scope: &str) -> Self {
        Problem::new(
            403,
            "insufficient_scope",
            "The token does not permit this.",
            format!("It needs the scope {scope}."),
        )
        .with(
            "WWW-Authenticate",
            format!(r#"Bearer error="insufficient_scope", scope="{scope}""#),
        )
    }

    /// 403: API keys cannot be used for this, whatever their scope (RFC 6750, section 3.1).
    pub(super) fn api_key_refused(detail: impl Into<String>) -> Self {
        Problem::new(
            403,
            "api_key_refused",
            "An API key cannot be used for this.",
            detail,
        )
        .with("WWW-Authenticate", r#"Bearer error="insufficient_scope""#)
    }

    /// 403: login is not offered here.
    pub(super) fn login_refused(detail: impl Into<String>) -> Self {
        Problem::new(
            403,
            "login_refused",
            "Logging in is not permitted here.",
            detail,
        )
    }

    /// 403: the server does not change passwords.
    pub(super) fn password_refused(detail: impl Into<String>) -> Self {
        Problem::new(
            403,
            "password_refused",
            "Passwords cannot be changed here.",
            detail,
        )
    }

    /// 401: no such user or a wrong password; the response does not reveal which.
    pub(super) fn login_failed() -> Self {
        Problem::new(
            401,
            "login_failed",
            "The username or the password is wrong.",
            "Tokens are for users with an account.",
        )
        .with("WWW-Authenticate", "Bearer")
    }

    /// 405.
    pub(super) fn method_not_allowed(allowed: String) -> Self {
        let detail = format!("This path accepts {allowed}.");
        Problem::new(
            405,
            "method_not_allowed",
            "This path does not accept this method.",
            detail,
        )
        .with("Allow", allowed)
    }

    /// 413: the body is too large.
    pub fn body_too_large(limit: usize) -> Self {
        let detail = format!("A body may have at most {limit} bytes.");
        Problem::new(413, "body_too_large", "The body is too large.", detail)
    }

    /// 429.
    pub(super) fn rate_limited(retry_after: std::time::Duration) -> Self {
        let seconds = whole_seconds(retry_after);
        Problem::new(
            429,
            "rate_limited",
            "Rate limit exceeded. Please try again later.",
            format!("The next request is admitted in {seconds} s."),
        )
        .with("Retry-After", seconds.to_string())
    }

    /// 503: overloaded, or shutting down.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Problem::new(503, "unavailable", "The server cannot answer now.", detail)
            .with("Retry-After", "1")
    }

    /// 503: the change would not be recorded, so it was not made.
    fn audit_failed() -> Self {
        Problem::new(
            503,
            "audit_failed",
            "The audit trail cannot be written.",
            "Nothing was changed, because it would not be recorded. The server's log has the reason.",
        )
        .with("Retry-After", "1")
    }

    /// The same with one more member (RFC 9457, section 3.2).
    pub(super) fn with_member(mut self, name: &'static str, value: &'static str) -> Self {
        self.member = Some((name, value));
        self
    }

    /// The stable code.
    pub(super) fn code(&self) -> &'static str {
        self.code
    }

    pub(super) fn status(&self) -> u16 {
        self.status
    }

    /// Writes it as the result of one item of a batch.
    pub(super) fn write_item(&self, out: &mut Vec<u8>) {
        let error = json!({"error": self.title, "code": self.code, "detail": self.detail});
        out.extend_from_slice(error.to_string().as_bytes());
    }

    pub(super) fn add_header(&mut self, name: &'static str, value: String) {
        self.headers.push((name, value));
    }

    pub(super) fn into_response(self, id: &RequestId) -> Response {
        if self.is_oauth {
            return self.into_oauth_response();
        }
        let mut body = json!({
            "type": format!("urn:sealgate:problem:{}", self.code),
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "request_id": id.as_str(),
            "error": self.title,
        });
        if let Some((name, value)) = self.member {
            body[name] = value.into();
        }
        let mut response = Response::json(self.status, &body);
        response.set("Content-Type", "application/problem+json");
        for (name, value) in self.headers {
            response.set(name, value);
        }
        response
    }
}

impl Problem {
    fn into_oauth_response(self) -> Response {
        let body = json!({"error": self.code, "error_description": self.detail});
        let mut response = Response::json(self.status, &body).no_store();
        response.set("Pragma", "no-cache");
        for (name, value) in self.headers {
            response.set(name, value);
        }
        response
    }
}

/// Problems that always say the same: status and code, title and detail.
macro_rules! fixed {
    ($($(#[$doc:meta])* $visibility:vis $name:ident: $status:literal $code:literal $title:literal $detail:literal;)*) => {
        impl Problem {
            $(
                $(#[$doc])*
                $visibility fn $name() -> Self {
                    Problem::new($status, $code, $title, $detail)
                }
            )*
        }
    };
}
pub(super) use fixed;

fixed! {
    /// 404.
    pub(super) not_found: 404 "not_found"
        "There is nothing at this path." "GET / lists the endpoints.";
    /// 404: no API key has this id, or it is somebody else's.
    pub(super) no_such_api_key: 404 "not_found"
        "There is no such API key." "GET /api-keys lists them.";
    /// 404: the metadata of RFC 8414, without the address that it needs.
    pub(super) no_issuer: 404 "not_found"
        "This server has no address for its metadata." "Set SEALGATE_ISSUER to the server's public URL, such as https://auth.example.com.";
    /// 408: the client is too slow.
    pub timeout: 408 "timeout"
        "The request took too long." "Send it faster.";
    /// 414: the target is too long.
    pub target_too_long: 414 "target_too_long"
        "The request target is too long." "Send data in the body.";
    /// 415: the body's media type is not JSON.
    pub(super) not_json_type: 415 "unsupported_media_type"
        "The body must be JSON." "Send the header: Content-Type: application/json";
    /// 415: the body's media type is neither a form nor JSON.
    pub(super) neither_form_nor_json: 415 "unsupported_media_type"
        "The body must be a form or JSON." "Send the header: Content-Type: application/x-www-form-urlencoded";
    /// 417: an unsupported expectation (RFC 9110, section 10.1.1).
    pub expectation_failed: 417 "expectation_failed"
        "The expectation cannot be met." "Only 100-continue is supported.";
    /// 505: another major version of HTTP.
    pub version_not_supported: 505 "version_not_supported"
        "This version of HTTP is not supported." "Use HTTP/1.1.";
    /// 431: too many or too large header fields.
    pub head_too_large: 431 "head_too_large"
        "The header fields are too large." "Send fewer or shorter ones.";
    /// 500: a server fault; the response reveals no details.
    pub internal: 500 "internal"
        "The server failed." "Find the reason in the server's log by the request id.";
}

/// Turns an error of the gate into a response.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Decrypt => Problem::new(
                400,
                error.code(),
                "The data cannot be decrypted.",
                "It was not encrypted by this server, or with another context, or it is damaged.",
            ),
            Error::KeyRetired => Problem::new(
                400,
                error.code(),
                "The key that the data was encrypted with has been retired.",
                "The administrator can accept it again, or rewrap the data: sealgate keys accept.",
            ),
            // No route asks for the age of data, or for a signature.
            Error::NotFresh => Problem::new(
                400,
                error.code(),
                "The data is not recent enough.",
                "It is too old, dated in the future, or without a time.",
            ),
            Error::Signature => Problem::new(
                400,
                error.code(),
                "The signature is not valid.",
                "It was not made by this server, or with another context, or the data is damaged.",
            ),
            Error::InvalidInput(sentence) => {
                Problem::bad_member("The data is not acceptable.", sentence)
            }
            Error::WeakPassword(sentence) => {
                let title = "The new password is not acceptable.";
                Problem::new(400, "weak_password", title, sentence)
            }
            Error::InvalidName(sentence) => {
                Problem::new(400, "invalid_name", "The name is not acceptable.", sentence)
            }
            Error::UserExists => {
                Problem::new(409, error.code(), "The name is taken.", error.to_string())
            }
            Error::Token(error) => Problem::unauthorized(error),
            Error::LoginFailed => Problem::login_failed(),
            Error::RateLimited { retry_after } => Problem::rate_limited(retry_after),
            Error::Store(_) => {
                log::error!(code = error.code(); "{error}");
                Problem::unavailable(
                    "The store of accounts cannot be used; the server's log has the reason.",
                )
            }
            // The sink has logged the reason.
            Error::Audit(_) => Problem::audit_failed(),
            Error::Setting(_) | Error::KeyRing(_) | Error::Io(_) | Error::Crypto(_) => {
                log::error!(code = error.code(); "{error}");
                Problem::internal()
            }
        }
    }
}
