//! A request as the API sees it: borrowed from whatever the engine read it into.

pub use tiny_http::Method;

use super::Peer;

/// A whole request.
#[derive(Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a Method,
    /// The request target in origin form: a path and perhaps a query.
    pub target: &'a str,
    /// The header fields in the order received.
    pub headers: Headers<'a>,
    /// The body, decoded from its transfer coding.
    pub body: &'a [u8],
    /// The other end of the connection.
    pub peer: &'a Peer,
    /// Whether it is HTTP/1.0, which many proxies use by default and clients hardly ever do.
    pub version_1_0: bool,
    /// The subject of the client's verified TLS certificate, if any: one line of printable text.
    pub certificate: Option<&'a str>,
}

/// The header fields of a request.
#[derive(Debug, Default)]
pub struct Headers<'a>(pub Vec<(&'a str, &'a [u8])>);

impl<'a> Request<'a> {
    /// The target without its query.
    pub fn path(&self) -> &'a str {
        path_of(self.target)
    }

    /// Whether there is one Content-Type, and it is that of a form.
    pub(super) fn is_form(&self) -> bool {
        let kind = self.headers.get_text("Content-Type").unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
    }

    /// The name of a standard method; a non-standard one could be any text, so it becomes `other`.
    pub(super) fn method_for_log(&self) -> &'static str {
        match self.method {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Options => "OPTIONS",
            Method::Patch => "PATCH",
            Method::Trace => "TRACE",
            Method::Connect => "CONNECT",
            Method::NonStandard(_) => "other",
        }
    }
}

/// A target without its query.
pub(super) fn path_of(target: &str) -> &str {
    target.split('?').next().unwrap_or(target)
}

impl<'a> Headers<'a> {
    /// The values of all fields with this name, ignoring case.
    pub fn all<'s>(&'s self, name: &'s str) -> impl DoubleEndedIterator<Item = &'a [u8]> + 's {
        self.0
            .iter()
            .filter(move |(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }

    /// The first value of this name.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// The only value of this name as text; `None` if there is none or more than one, or if it is not printable ASCII.
    pub fn get_text(&self, name: &str) -> Option<&'a str> {
        let mut values = self.all(name);
        let value = values.next().filter(|_| values.next().is_none())?;
        std::str::from_utf8(value)
            .ok()
            .filter(|text| text.bytes().all(|byte| matches!(byte, b'\t' | 0x20..=0x7e)))
    }
}
