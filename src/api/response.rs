//! A response as the API returns it; an engine turns it into bytes.

use std::borrow::Cow;
use std::io::Write;

use serde_json::Value;
pub use tiny_http::StatusCode;

use crate::Error;
use crate::base::http_syntax::{is_token, may_be_set};

/// The value of a member of a JSON object.
pub(super) enum Member<'a> {
    Text(&'a str),
    Number(u64),
}

/// Writes a JSON object. Much faster than a tree of values that is then printed.
pub(super) fn write_object(out: &mut Vec<u8>, members: &[(&'static str, Member<'_>)]) {
    let length = |(name, value): &(&str, Member<'_>)| match value {
        Member::Text(text) => name.len() + text.len() + 6,
        Member::Number(_) => name.len() + 24,
    };
    out.reserve(members.iter().map(length).sum::<usize>() + 3);
    let mut separator = b'{';
    for (name, value) in members {
        out.push(separator);
        separator = b',';
        write_text(out, name);
        out.push(b':');
        match value {
            Member::Text(text) => write_text(out, text),
            Member::Number(number) => {
                write!(out, "{number}").expect("memory takes it");
            }
        }
    }
    out.push(b'}');
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    match needs_escapes(text) {
        true => {
            // Growing step by step would take up to twice the memory.
            out.reserve_exact(escaped_length(text) + 64);
            serde_json::to_writer(&mut *out, text).expect("a text is JSON, and memory takes it")
        }
        false => {
            out.push(b'"');
            out.extend_from_slice(text.as_bytes());
            out.push(b'"');
        }
    }
}

/// How long a text is at most as JSON, in bytes.
fn escaped_length(text: &str) -> usize {
    let longer = |byte| match byte {
        b'"' | b'\\' => 1,
        0..b' ' => 5,
        _ => 0,
    };
    text.len() + 2 + text.bytes().map(longer).sum::<usize>()
}

/// Whether JSON has to escape the text (RFC 8259, section 7). This compiles to a scan of many bytes at once, which a writer
/// that escapes as it goes cannot do.
fn needs_escapes(text: &str) -> bool {
    text.bytes().fold(false, |found, byte| {
        found | (byte < b' ') | (byte == b'"') | (byte == b'\\')
    })
}

/// A complete response.
#[derive(Debug, Clone)]
pub struct Response {
    status: StatusCode,
    headers: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    body: Vec<u8>,
}

impl Response {
    /// A response without a body.
    pub fn empty(status: u16) -> Self {
        Response {
            status: StatusCode(status),
            headers: Vec::with_capacity(8), // enough for most responses
            body: Vec::new(),
        }
    }

    /// A response with a body of this media type.
    pub fn new(status: u16, content_type: &'static str, body: Vec<u8>) -> Self {
        let mut response = Response::empty(status);
        response.body = body;
        response.set("Content-Type", content_type);
        response
    }

    /// A response with a JSON body.
    pub fn json(status: u16, body: &Value) -> Self {
        // The newline keeps a terminal's prompt off the last line.
        Response::new(status, "application/json", format!("{body}\n").into_bytes())
    }

    /// A response whose body is a JSON object with these members.
    pub(super) fn object(status: u16, members: &[(&'static str, Member<'_>)]) -> Self {
        let mut body = Vec::new();
        write_object(&mut body, members);
        body.push(b'\n');
        Response::new(status, "application/json", body)
    }

    /// Sets the status.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] unless it is from 200 to 599: no other status is a complete response.
    pub fn set_status(&mut self, status: u16) -> Result<(), Error> {
        if !(200..=599).contains(&status) {
            return Err(Error::InvalidInput(
                "A status must be from 200 to 599.".into(),
            ));
        }
        self.status = StatusCode(status);
        Ok(())
    }

    /// Sets the body.
    pub fn set_body(&mut self, body: Vec<u8>) {
        self.body = body;
    }

    /// Sets a header field, replacing any of the same name.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the name is not a token or the value has control characters (RFC 9110, section 5.5), since
    /// such a field could inject the rest of the response; also if only the engine may set the field.
    pub fn set_header(&mut self, name: &str, value: &str) -> Result<(), Error> {
        if !may_be_set(name) {
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

    /// The same for trusted names and values.
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

    /// Adds names to a field that is a list of names, unless it has them.
    pub(super) fn add_to_list(&mut self, field: &'static str, names: &'static str) {
        let known = self
            .headers
            .iter_mut()
            .find(|(known, _)| known.eq_ignore_ascii_case(field));
        let Some((_, list)) = known else {
            self.headers.push((field.into(), names.into()));
            return;
        };
        for name in names.split(", ") {
            let has = |item: &str| item == "*" || item.eq_ignore_ascii_case(name);
            if !list.split(',').any(|item| has(item.trim())) {
                let list = list.to_mut();
                if !list.is_empty() {
                    list.push_str(", ");
                }
                list.push_str(name);
            }
        }
    }

    /// Forbids caches to store this response: it holds a token or a plaintext.
    pub(crate) fn no_store(mut self) -> Self {
        self.set("Cache-Control", "no-store");
        self
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The header fields, without those the engine sets (`Date`, `Content-Length`, `Connection`).
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
