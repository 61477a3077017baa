//! JSON read strictly (RFC 8259): UTF-8, no member twice at any depth, bounded in depth and in members, nothing after the
//! value.
//!
//! A text comes from a stranger, so reading it builds nothing: [`Json::read`] checks it in one pass, and what a caller wants
//! of it is then found in the text itself. All memory that a text costs beside its own bytes is the list of the names of
//! open objects, [`MAX_MEMBERS`] of them at most, and a copy of each wanted text that has escapes.

mod escapes;

use std::borrow::Cow;
use std::str;

use memchr::memchr2;

use escapes::{Unescaped, compare, escape, has_escapes};

/// How deeply objects and arrays may be nested.
pub(crate) const MAX_DEPTH: usize = 64;

/// How many members an object may have, together with the objects that it is in.
pub(crate) const MAX_MEMBERS: usize = 1_000;

/// Numbers of fewer characters have no more digits than fit a double.
const SURELY_FINITE: usize = 300;

/// Why a text is not acceptable JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonError {
    Syntax,
    Duplicate,
    TooDeep,
    TooManyMembers,
}

/// A value, as it stands in a text that has been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Json<'a>(&'a str);

impl<'a> Json<'a> {
    /// Reads one value, which may have white space around it.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, JsonError> {
        let text = str::from_utf8(bytes).map_err(|_| JsonError::Syntax)?;
        let mut checker = Checker {
            text,
            at: 0,
            names: Vec::new(),
        };
        checker.skip_space();
        let start = checker.at;
        checker.value(MAX_DEPTH)?;
        let value = &text[start..checker.at];
        checker.skip_space();
        match checker.at == text.len() {
            true => Ok(Json(value)),
            false => Err(JsonError::Syntax),
        }
    }

    /// The value as it is written.
    pub(crate) fn as_written(self) -> &'a str {
        self.0
    }

    /// What a string says, without a copy where it has no escapes; `None` where it is no string.
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        if !has_escapes(inner) {
            return Some(Cow::Borrowed(inner));
        }
        // An escape is never shorter than what it stands for.
        let mut text = String::with_capacity(inner.len());
        text.extend(Unescaped(inner));
        Some(Cow::Owned(text))
    }

    /// The members of these names; `None` where it is no object.
    pub(crate) fn members<const N: usize>(self, names: [&str; N]) -> Option<[Option<Self>; N]> {
        let mut found = [None; N];
        let mut walk = Walk::into(self.0, '{')?;
        while let Some(name) = walk.next() {
            let value = walk.next()?;
            let name = name.strip_prefix('"')?.strip_suffix('"')?;
            let escaped = has_escapes(name);
            for (wanted, place) in names.iter().zip(&mut found) {
                let is_wanted = match escaped {
                    false => name == *wanted,
                    true => Unescaped(name).eq(wanted.chars()),
                };
                if is_wanted {
                    *place = Some(Json(value));
                }
            }
        }
        Some(found)
    }

    /// The elements of an array; `None` where it is none.
    pub(crate) fn elements(self) -> Option<impl Iterator<Item = Json<'a>>> {
        Walk::into(self.0, '[').map(|walk| walk.map(Json))
    }
}

/// The values in an array, or names and values of an object in turn, of a text that has been checked.
struct Walk<'a>(&'a str);

impl<'a> Walk<'a> {
    fn into(value: &'a str, opening: char) -> Option<Self> {
        value.strip_prefix(opening).map(Walk)
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let between = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b':');
        let start = self.0.bytes().position(|byte| !between(&byte));
        let rest = &self.0[start.unwrap_or(self.0.len())..];
        if let None | Some(b']' | b'}') = rest.as_bytes().first() {
            self.0 = "";
            return None;
        }
        let (value, rest) = rest.split_at(length_of_value(rest.as_bytes()));
        self.0 = rest;
        Some(value)
    }
}

/// How many bytes the value at the beginning of a checked text takes.
fn length_of_value(text: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => at = end_of_string(text, at),
            b'[' | b'{' => {
                depth += 1;
                at += 1;
                continue;
            }
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                at += 1;
            }
            b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' => {
                at += 1;
                continue;
            }
            _ => {
                at += text[at..]
                    .iter()
                    .position(|byte| matches!(byte, b',' | b']' | b'}' | ..=b' '))
                    .unwrap_or(text.len() - at);
            }
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// Where a string of a checked text that begins at `at` is over.
fn end_of_string(text: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(stop) = text.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += stop;
        if text[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    text.len()
}

/// Checks a text from front to back.
struct Checker<'a> {
    text: &'a str,
    at: usize,
    /// Of the members of all open objects, as they are written.
    names: Vec<&'a str>,
}

impl<'a> Checker<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> Result<(), JsonError> {
        match self.peek() == Some(wanted) {
            true => self.at += 1,
            false => return Err(JsonError::Syntax),
        }
        Ok(())
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
        }
    }

    /// `depth`: how many levels it may have.
    fn value(&mut self, depth: usize) -> Result<(), JsonError> {
        let deeper = || depth.checked_sub(1).ok_or(JsonError::TooDeep);
        match self.peek() {
            Some(b'{') => self.object(deeper()?),
            Some(b'[') => self.array(deeper()?),
            Some(b'"') => self.string().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), JsonError> {
        let first = self.names.len();
        self.list(b'}', |checker| {
            let name = checker.string()?;
            if checker.names.len() == MAX_MEMBERS {
                return Err(JsonError::TooManyMembers);
            }
            checker.names.push(name);
            checker.skip_space();
            checker.take(b':')?;
            checker.skip_space();
            checker.value(depth)
        })?;
        // By sorting: to compare each name with each would take a stranger's million members too long.
        let own = &mut self.names[first..];
        own.sort_unstable_by(|one, other| compare(one, other));
        if own.windows(2).any(|pair| compare(pair[0], pair[1]).is_eq()) {
            return Err(JsonError::Duplicate);
        }
        self.names.truncate(first);
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), JsonError> {
        self.list(b']', |checker| checker.value(depth))
    }

    /// What stands between an opening bracket, at which this begins, and its closing one, with commas between.
    fn list(
        &mut self,
        closing: u8,
        mut one: impl FnMut(&mut Self) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        self.at += 1;
        self.skip_space();
        if self.take(closing).is_ok() {
            return Ok(());
        }
        loop {
            one(self)?;
            self.skip_space();
            if self.take(closing).is_ok() {
                return Ok(());
            }
            self.take(b',')?;
            self.skip_space();
        }
    }

    /// What stands between the quotes.
    fn string(&mut self) -> Result<&'a str, JsonError> {
        self.take(b'"')?;
        let start = self.at;
        loop {
            let rest = self.rest();
            let stop = memchr2(b'"', b'\\', rest).ok_or(JsonError::Syntax)?;
            // All of it is looked at, many bytes at once.
            if rest[..stop]
                .iter()
                .fold(false, |found, byte| found | (*byte < b' '))
            {
                return Err(JsonError::Syntax);
            }
            self.at += stop + 1;
            if rest[stop] == b'"' {
                return Ok(&self.text[start..self.at - 1]);
            }
            let (_, length) = escape(&rest[stop + 1..]).ok_or(JsonError::Syntax)?;
            self.at += length;
        }
    }

    /// A number that a double can hold.
    fn number(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        let _ = self.take(b'-');
        if self.take(b'0').is_err() {
            self.digits()?;
        }
        if self.take(b'.').is_ok() {
            self.digits()?;
        }
        let mut surely_finite = self.at - start < SURELY_FINITE;
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
            surely_finite = false;
        }
        let finite = surely_finite || self.text[start..self.at].parse().is_ok_and(f64::is_finite);
        match finite {
            true => Ok(()),
            false => Err(JsonError::Syntax),
        }
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let rest = self.rest();
        let digits = rest
            .iter()
            .position(|byte| !byte.is_ascii_digit())
            .unwrap_or(rest.len());
        self.at += digits;
        match digits {
            0 => Err(JsonError::Syntax),
            _ => Ok(()),
        }
    }

    fn word(&mut self) -> Result<(), JsonError> {
        let rest = self.rest();
        let word = [&b"true"[..], b"false", b"null"]
            .into_iter()
            .find(|word| rest.starts_with(word))
            .ok_or(JsonError::Syntax)?;
        self.at += word.len();
        Ok(())
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;
