//! Parses a complete head.

use std::borrow::Cow;
use std::mem::MaybeUninit;
use std::str::FromStr;

use crate::api::{Headers, Method, Problem};
use crate::server::http1::encode::Framing;

/// The most header fields that the settings allow.
const MOST_FIELDS: usize = 256;

/// A request as parsed from its bytes.
#[derive(Debug)]
pub(in crate::server) struct Parsed<'b> {
    pub(in crate::server) method: Method,
    pub(in crate::server) target: &'b str,
    pub(in crate::server) version_1_0: bool,
    pub(in crate::server) headers: Headers<'b>,
    pub(in crate::server) body: Cow<'b, [u8]>,
}

pub(super) fn parse(head: &[u8], max_fields: usize) -> Result<Parsed<'_>, Problem> {
    let mut fields = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    let config = httparse::ParserConfig::default();
    let whole = config
        .parse_request_with_uninit_headers(
            &mut request,
            head,
            &mut fields[..max_fields.min(MOST_FIELDS)],
        )
        .map_err(|error| malformed(error, head))?
        .is_complete();
    let (true, Some(method), Some(target), Some(version)) =
        (whole, request.method, request.path, request.version)
    else {
        return Err(Problem::bad_request("The head is incomplete."));
    };
    let headers = request
        .headers
        .iter()
        .map(|field| (field.name, field.value))
        .collect();
    Ok(Parsed {
        method: Method::from_str(method)
            .map_err(|()| Problem::bad_request("The method is not a token."))?,
        target,
        version_1_0: version == 0,
        headers: Headers(headers),
        body: Cow::Borrowed(b""),
    })
}

/// Parses a head that was accepted before.
pub(in crate::server) fn parse_again(head: &[u8]) -> Option<Parsed<'_>> {
    parse(head, MOST_FIELDS).ok()
}

fn malformed(error: httparse::Error, head: &[u8]) -> Problem {
    match error {
        httparse::Error::Version if is_other_version(head) => Problem::version_not_supported(),
        httparse::Error::TooManyHeaders => Problem::head_too_large(),
        httparse::Error::HeaderName => Problem::bad_request("A header name is not a token."),
        httparse::Error::HeaderValue => {
            Problem::bad_request("A header value contains a forbidden character.")
        }
        httparse::Error::Version | httparse::Error::NewLine | httparse::Error::Token => {
            Problem::bad_request("The request line is not a method, a target and a version.")
        }
        httparse::Error::Status => Problem::bad_request("The head is malformed."),
    }
}

/// Whether the request line is well formed except for its version, `HTTP/` and two digits (RFC 9112, section 2.3). With
/// more or fewer than three words it is malformed, whatever the last one is.
fn is_other_version(head: &[u8]) -> bool {
    let first_line = head
        .split(|byte| *byte == b'\r')
        .find(|line| !line.is_empty() && *line != b"\n")
        .unwrap_or_default();
    let mut words = first_line.split(|byte| *byte == b' ');
    let (_method, target, version) = (words.next(), words.next(), words.next());
    matches!(
        version,
        Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor])
            if major.is_ascii_digit() && minor.is_ascii_digit()
    ) && target.is_some_and(|target| !target.is_empty())
        && words.next().is_none()
}

/// Whether the client waits for `100 Continue`.
pub(super) fn expects(request: &Parsed<'_>) -> Result<bool, Problem> {
    let mut values = request.headers.all("Expect");
    match (values.next(), values.next()) {
        (None, _) => Ok(false),
        // HTTP/1.0 has no interim responses (RFC 9110, section 10.1.1).
        _ if request.version_1_0 => Ok(false),
        (Some(value), None) if value.trim_ascii().eq_ignore_ascii_case(b"100-continue") => Ok(true),
        _ => Err(Problem::expectation_failed()),
    }
}

impl Parsed<'_> {
    /// Whether the client wants to keep the connection open (RFC 9112, section 9.3).
    pub(in crate::server) fn keeps_alive(&self) -> bool {
        let says = |wanted: &[u8]| {
            self.headers
                .all("Connection")
                .flat_map(|value| value.split(|byte| *byte == b','))
                .any(|word| word.trim_ascii().eq_ignore_ascii_case(wanted))
        };
        !says(b"close") && (!self.version_1_0 || says(b"keep-alive"))
    }

    /// How to encode its response. `close`: the connection closes afterwards.
    pub(in crate::server) fn framing(&self, close: bool) -> Framing {
        Framing {
            version_1_0: self.version_1_0,
            head: self.method == Method::Head,
            close,
        }
    }
}
