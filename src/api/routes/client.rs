//! Client authentication (RFC 6749, section 2.3.1): the id and the secret of an OAuth 2.0 client, by HTTP Basic or in the form.

use std::borrow::Cow;

use super::Text;
use super::form::{parameters, unescape};
use super::login_limit::{count, count_user};
use crate::api::caller::Caller;
use crate::api::permission::basic_credentials;
use crate::api::problem::Problem;
use crate::api::request::Request;
use crate::api::route::Call;
use crate::base::encoding::decode_base64;
use crate::base::names::valid_subject;
use crate::limiter::Admission;
use crate::{Error, Secret};

/// What a client authenticates with.
pub(super) struct Credentials {
    id: Text<'static>,
    secret: Secret,
}

/// The body has to be a form: the errors of OAuth have no 415.
pub(super) fn form_only(request: &Request<'_>) -> Result<(), Problem> {
    match request.is_form() {
        true => Ok(()),
        false => Err(invalid_request(
            "The body must be a form: Content-Type: application/x-www-form-urlencoded.",
        )),
    }
}

pub(super) fn invalid_request(description: &str) -> Problem {
    Problem::oauth("invalid_request", description)
}

impl Credentials {
    /// Those of a request. `None` if it has no secret; an id alone authenticates nobody.
    ///
    /// # Errors
    /// `invalid_request` if there is more than one, `invalid_client` for an `Authorization` that is not a correct Basic.
    pub(super) fn of(request: &Request<'_>) -> Result<Option<Self>, Problem> {
        let [id, secret] = match request.is_form() {
            true => parameters(request.body, ["client_id", "client_secret"])?,
            false => [None, None],
        };
        let mut headers = request.headers.all("Authorization");
        let header = match (headers.next(), headers.next()) {
            (header, None) => header,
            _ => {
                return Err(invalid_request(
                    "There is more than one Authorization header.",
                ));
            }
        };
        match (header, id, secret) {
            (Some(_), _, Some(_)) => Err(invalid_request(
                "Authenticate by HTTP Basic or in the form, not both.",
            )),
            (Some(header), id, None) => {
                let given = Credentials::basic(header).ok_or_else(Problem::invalid_client)?;
                match id {
                    Some(id) if *id != *given.id => Err(invalid_request(
                        "client_id is not the client that authenticates.",
                    )),
                    _ => Ok(Some(given)),
                }
            }
            (None, Some(id), Some(secret)) => Ok(Some(Credentials {
                id,
                secret: (&*secret).into(),
            })),
            (None, None, Some(_)) => Err(invalid_request("client_secret needs a client_id.")),
            (None, _, None) => Ok(None),
        }
    }

    /// From the header's value: base64 of id and secret, each encoded as in a form, with a colon between them.
    fn basic(header: &[u8]) -> Option<Self> {
        let encoded = std::str::from_utf8(basic_credentials(header)?).ok()?;
        if encoded.bytes().any(|byte| byte.is_ascii_whitespace()) {
            return None;
        }
        let decoded = Secret::new(decode_base64(encoded).ok()?);
        let decoded = decoded.expose();
        let colon = decoded.iter().position(|byte| *byte == b':')?;
        let secret = Text(Cow::Owned(unescape(&decoded[colon + 1..])?));
        Some(Credentials {
            id: Text(Cow::Owned(unescape(&decoded[..colon])?)),
            secret: (&*secret).into(),
        })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Counts a request of this client from this caller, so that neither the store nor the audit trail hears of a crowd.
    /// The arguments are those of [`limited`](super::login_limit::limited).
    pub(super) fn count(
        &self,
        call: &mut Call<'_>,
        caller: &[u8],
        tightest: &mut Option<Admission>,
    ) -> Result<(), Problem> {
        if !valid_subject(&self.id) {
            return Err(Problem::invalid_client());
        }
        call.seen.user = Some(self.id.to_string());
        count_user(call, caller, &self.id, tightest)
    }

    /// Authenticates a client whose request has been counted. Any client will do.
    pub(super) fn authenticate(&self, call: &Call<'_>) -> Result<(), Problem> {
        self.check(call, "").map_err(refusal)
    }

    /// Authenticates a client that may ask as often as it wants, unless its secret is wrong, which counts as a login.
    pub(super) fn authenticate_uncounted(
        &self,
        call: &mut Call<'_>,
        scope: &str,
    ) -> Result<(), Problem> {
        if !valid_subject(&self.id) {
            return Err(Problem::invalid_client());
        }
        call.seen.user = Some(self.id.to_string());
        let checked = self.check(call, scope);
        if let Err(Error::LoginFailed) = checked {
            let caller = Caller::of(call.request, &call.app.settings).limit_key();
            count(call.app, &caller)?;
        }
        checked.map_err(refusal)
    }

    fn check(&self, call: &Call<'_>, scope: &str) -> Result<(), Error> {
        let caller = call.caller();
        let gate = &call.app.gate;
        let asker = call.asker(&caller);
        match gate.authenticate_client(&self.id, &self.secret, scope, asker)? {
            true => Ok(()),
            false => Err(Error::InvalidInput(format!(
                "The client needs the scope {scope}."
            ))),
        }
    }
}

/// The response to a client that is refused.
fn refusal(error: Error) -> Problem {
    match error {
        Error::LoginFailed => Problem::invalid_client(),
        Error::InvalidInput(sentence) => Problem::oauth("unauthorized_client", sentence),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Headers, Method, Peer};

    const FORM: (&str, &[u8]) = ("Content-Type", b"application/x-www-form-urlencoded");

    fn read(
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Option<(String, String)>, &'static str> {
        let headers = headers
            .iter()
            .map(|(name, value)| (*name, value.as_bytes()));
        let request = Request {
            method: &Method::Post,
            target: "/token",
            headers: Headers([FORM].into_iter().chain(headers).collect()),
            body: body.as_bytes(),
            peer: &Peer::local(None, None),
            version_1_0: false,
            certificate: None,
        };
        let text = |given: Credentials| {
            let secret = given.secret.expose_str().unwrap().to_owned();
            (given.id.to_string(), secret)
        };
        match Credentials::of(&request) {
            Ok(given) => Ok(given.map(text)),
            Err(problem) => Err(problem.code()),
        }
    }

    /// The examples of RFC 6749, sections 2.3.1 and 4.4.2, and of RFC 7617, section 2.
    #[test]
    fn the_examples_of_the_standards() {
        let some = |id: &str, secret: &str| Ok(Some((id.to_owned(), secret.to_owned())));
        for (header, id, secret) in [
            (
                "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3",
                "s6BhdRkqt3",
                "7Fjfp0ZBr1KtDRbnfVdmIw",
            ),
            (
                "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW",
                "s6BhdRkqt3",
                "gX1fBat3bV",
            ),
            (
                "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
                "Aladdin",
                "open sesame",
            ),
            (
                "bASIC   QWxhZGRpbjpvcGVuIHNlc2FtZQ== ",
                "Aladdin",
                "open sesame",
            ),
        ] {
            assert_eq!(
                read(&[("Authorization", header)], ""),
                some(id, secret),
                "{header}"
            );
        }
        let body = "grant_type=refresh_token&refresh_token=tGzv3JOkF0XG5Qx2TlKWIA&client_id=s6BhdRkqt3\
                    &client_secret=7Fjfp0ZBr1KtDRbnfVdmIw";
        assert_eq!(
            read(&[], body),
            some("s6BhdRkqt3", "7Fjfp0ZBr1KtDRbnfVdmIw")
        );
    }

    #[test]
    fn id_and_secret_are_decoded_as_in_a_form() {
        let basic = |text: &str| {
            let encoded = crate::base::encoding::encode_base64(text.as_bytes());
            read(&[("Authorization", &format!("Basic {encoded}"))], "")
        };
        let some = |id: &str, secret: &str| Ok(Some((id.to_owned(), secret.to_owned())));
        assert_eq!(basic("a%3Ab:c%3ad"), some("a:b", "c:d"));
        assert_eq!(basic("a+b:c%2Bd"), some("a b", "c+d"));
        // Only the first colon separates; RFC 6749 has the others encoded.
        assert_eq!(basic("a:b:c"), some("a", "b:c"));
        assert_eq!(basic(":"), some("", ""));
        for wrong in ["", "a", "%zz:b", "a:%", "a:%ff"] {
            assert_eq!(basic(wrong), Err("invalid_client"), "{wrong}");
        }
    }

    #[test]
    fn two_ways_at_once_and_wrong_headers_are_refused() {
        const BASIC: (&str, &str) = ("Authorization", "Basic YTpi"); // a:b
        for (headers, body, expected) in [
            (
                &[BASIC][..],
                "client_id=a&client_secret=b",
                Err("invalid_request"),
            ),
            (&[BASIC], "client_secret=b", Err("invalid_request")),
            (&[BASIC], "client_id=c", Err("invalid_request")),
            (&[BASIC, BASIC], "", Err("invalid_request")),
            (&[], "client_secret=b", Err("invalid_request")),
            (
                &[],
                "client_id=a&client_id=a&client_secret=b",
                Err("invalid_request"),
            ),
            (
                &[],
                "client_id=a&client_secret=b&client%5Fsecret=b",
                Err("invalid_request"),
            ),
            (
                &[("Authorization", "Bearer a.b.c")],
                "",
                Err("invalid_client"),
            ),
            (&[("Authorization", "Basic")], "", Err("invalid_client")),
            (&[("Authorization", "Basic ")], "", Err("invalid_client")),
            (
                &[("Authorization", "Basic Y Tpi")],
                "",
                Err("invalid_client"),
            ),
            (
                &[("Authorization", "Basic YTpi=")],
                "",
                Err("invalid_client"),
            ),
            (&[("Authorization", "BasicYTpi")], "", Err("invalid_client")),
            (&[("Authorization", "")], "", Err("invalid_client")),
            (&[BASIC], "client_id=a", Ok(Some("a"))),
            (&[BASIC], "client_id=&client_secret=", Ok(Some("a"))),
            (&[], "client_id=a&client_secret=", Ok(None)),
            (&[], "client_id=a", Ok(None)),
            (&[], "", Ok(None)),
        ] {
            let found = read(headers, body);
            let id = found
                .as_ref()
                .map(|given| given.as_ref().map(|(id, _)| &**id));
            assert_eq!(id, expected.as_ref().copied(), "{headers:?} {body}");
        }
    }
}
