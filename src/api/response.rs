//! An answer as the API gives it; an engine turns it into bytes.

use std::borrow::Cow;

use serde_json::Value;
pub use tiny_http::StatusCode;

use crate::Error;
use crate::base::http_syntax::is_token;

/// Fields that say where an answer ends and what becomes of the connection.
const ENGINES: [&str; 7] = [
    "Connection",
    "Content-Length",
    "Date",
    "Keep-Alive",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
];

/// Writes a JSON object with this one member, a text.
pub(super) fn write_text_object(out: &mut Vec<u8>, name: &'static str, text: &str) {
    out.extend_from_slice(b"{\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    match needs_escapes(text) {
        true => {
            serde_json::to_writer(&mut *out, text).expect("a text is JSON, and memory takes it")
        }
        false => {
            out.push(b'"');
            out.extend_from_slice(text.as_bytes());
            out.push(b'"');
        }
    }
    out.push(b'}');
}

/// Whether a text stands in JSON otherwise than as it is (RFC 8259, section 7). Looks at many bytes at once, as a writer that
/// escapes while it goes cannot.
fn needs_escapes(text: &str) -> bool {
    text.bytes().fold(false, |found, byte| {
        found | (byte < b' ') | (byte == b'"') | (byte == b'\\')
    })
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Response {
    status: StatusCode,
    headers: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    body: Vec<u8>,
}

impl Response {
    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Response {
            status: StatusCode(status),
            headers: Vec::with_capacity(8), // what most answers have
            body: Vec::new(),
        }
    }

    /// An answer with a body of this media type.
    pub fn new(status: u16, content_type: &'static str, body: Vec<u8>) -> Self {
        let mut response = Response::empty(status);
        response.body = body;
        response.set("Content-Type", content_type);
        response
    }

    /// An answer with a JSON body.
    pub fn json(status: u16, body: &Value) -> Self {
        // A terminal shows it on a line of its own.
        Response::new(status, "application/json", format!("{body}\n").into_bytes())
    }

    /// An answer whose JSON body is an object with this one member, a text.
    pub(super) fn json_text(status: u16, name: &'static str, text: &str) -> Self {
        let mut body = Vec::with_capacity(name.len() + text.len() + 16);
        write_text_object(&mut body, name, text);
        body.push(b'\n');
        Response::new(status, "application/json", body)
    }

    /// Gives it another status.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where it is not from 200 to 599: no whole answer has such a status.
    pub fn set_status(&mut self, status: u16) -> Result<(), Error> {
        if !(200..=599).contains(&status) {
            return Err(Error::InvalidInput(
                "A status must be from 200 to 599.".into(),
            ));
        }
        self.status = StatusCode(status);
        Ok(())
    }

    /// Gives it another body.
    pub fn set_body(&mut self, body: Vec<u8>) {
        self.body = body;
    }

    /// Sets a header field, in the place of an earlier one of the same name.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where the name is no token or the value has control characters (RFC 9110, section 5.5);
    /// such a field would let its author write the rest of the answer. Also where the field is the engine's to write.
    pub fn set_header(&mut self, name: &str, value: &str) -> Result<(), Error> {
        if ENGINES.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            return Err(Error::InvalidInput(format!(
                "The header {name} is set by the server itself."
            )));
        }
        if !is_token(name) || value.chars().any(char::is_control) {
            return Err(Error::InvalidInput(
                "A header's name must be a token and its value free of control characters.".into(),
            ));
        }
        self.set(name.to_owned(), value.to_owned());
        Ok(())
    }

    /// The same for names and values of our own making.
    pub(super) fn set(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) {
        let (name, value) = (name.into(), value.into());
        match self
            .headers
            .iter_mut()
            .find(|(known, _)| known.eq_ignore_ascii_case(&name))
        {
            Some(field) => field.1 = value,
            None => self.headers.push((name, value)),
        }
    }

    /// Says that nothing on the way may keep this answer: it holds a token or a plaintext.
    pub(super) fn no_store(mut self) -> Self {
        self.set("Cache-Control", "no-store");
        self
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The header fields, without those that belong to the engine (`Date`, `Content-Length`, `Connection`).
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The value of a header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}
