//! Strict JSON reader (RFC 8259): UTF-8 only, no duplicate members at any depth, limited depth and number of members,
//! nothing after the value.
//!
//! Input is untrusted, so reading builds no tree: [`Json::read_members`] validates it in one pass and returns the values
//! asked for, as parts of the text itself. Beyond its own bytes, a text costs only the list of the members of open
//! objects, at most [`MAX_MEMBERS`], and a copy of each requested string that has escapes.

mod escapes;
mod serialize;
mod walk;

use std::borrow::Cow;
use std::{iter, str};

use memchr::memchr2;

use escapes::{Unescaped, compare, escape, has_escapes};
use walk::Walk;

/// How deeply objects and arrays may be nested.
pub(crate) const MAX_DEPTH: usize = 64;

/// How many members an object may have, including those of the objects around it.
pub(crate) const MAX_MEMBERS: usize = 1_000;

/// As many members as most objects have: a token's claims, a request.
const FEW: usize = 10;

/// Numbers shorter than this have no more digits than a double can hold.
const SURELY_FINITE: usize = 300;

/// Why a text is not acceptable JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonError {
    Syntax,
    Duplicate,
    TooDeep,
    TooManyMembers,
}

/// A value within a validated text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Json<'a>(&'a str);

impl<'a> Json<'a> {
    /// Reads one value, optionally surrounded by white space.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, JsonError> {
        Checker::read(bytes).map(|(value, _)| Json(value))
    }

    /// Reads an object and returns the members with these names, in one pass; `None` if the value is not an object.
    pub(crate) fn read_members<const N: usize>(
        bytes: &'a [u8],
        names: [&str; N],
    ) -> Result<Option<[Option<Self>; N]>, JsonError> {
        let (value, checker) = Checker::read(bytes)?;
        if !value.starts_with('{') {
            return Ok(None);
        }
        let mut found = [None; N];
        for (name, value) in checker.members {
            let escaped = checker.escaped_names && has_escapes(name);
            Json(value).put((name, escaped), &names, &mut found);
        }
        Ok(Some(found))
    }

    /// Puts the value of a member with this name, as written, in its place among those looked for.
    fn put<const N: usize>(
        self,
        (name, escaped): (&str, bool),
        names: &[&str; N],
        found: &mut [Option<Self>; N],
    ) {
        let is_wanted = |wanted: &&str| match escaped {
            false => name == *wanted,
            true => Unescaped(name).eq(wanted.chars()),
        };
        if let Some(place) = names.iter().position(is_wanted) {
            found[place] = Some(self);
        }
    }

    /// The value as it is written.
    pub(crate) fn as_written(self) -> &'a str {
        self.0
    }

    /// The contents of a string, borrowed if it has no escapes; `None` if the value is not a string.
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        if !has_escapes(inner) {
            return Some(Cow::Borrowed(inner));
        }
        // An escape is never shorter than the character that it stands for.
        let mut text = String::with_capacity(inner.len());
        text.extend(Unescaped(inner));
        Some(Cow::Owned(text))
    }

    /// The value of a text that has been read before and has no white space around it.
    pub(crate) fn read_before(text: &'a str) -> Self {
        Json(text)
    }

    /// The members in their order; `None` if the value is not an object.
    pub(crate) fn entries(self) -> Option<impl Iterator<Item = (Cow<'a, str>, Json<'a>)>> {
        let mut walk = Walk::into(self.0, '{')?;
        Some(iter::from_fn(move || {
            let name = Json(walk.next()?).text()?;
            Some((name, Json(walk.next()?)))
        }))
    }

    /// The members with these names; `None` if the value is not an object.
    pub(crate) fn members<const N: usize>(self, names: [&str; N]) -> Option<[Option<Self>; N]> {
        let mut found = [None; N];
        let mut walk = Walk::into(self.0, '{')?;
        while let Some(name) = walk.next() {
            let value = walk.next()?;
            let name = name.strip_prefix('"')?.strip_suffix('"')?;
            Json(value).put((name, has_escapes(name)), &names, &mut found);
        }
        Some(found)
    }

    /// The elements of an array; `None` if the value is not an array.
    pub(crate) fn elements(self) -> Option<impl Iterator<Item = Json<'a>>> {
        Walk::into(self.0, '[').map(|walk| walk.map(Json))
    }
}

/// Whether two members have the same name; may sort them. Few names are compared with one another, which is faster; for an
/// attacker's many that would take too long.
fn has_duplicates(members: &mut [(&str, &str)], escaped: bool) -> bool {
    if members.len() <= FEW && !escaped {
        let mut seen = members.iter().enumerate();
        return seen.any(|(at, (name, _))| members[..at].iter().any(|(other, _)| other == name));
    }
    members.sort_unstable_by(|(one, _), (other, _)| compare(one, other));
    members
        .windows(2)
        .any(|pair| compare(pair[0].0, pair[1].0).is_eq())
}

/// Validates a text in one pass.
struct Checker<'a> {
    text: &'a str,
    at: usize,
    /// The members of all open objects: their names and values as written. The outermost object's stay.
    members: Vec<(&'a str, &'a str)>,
    /// Whether the name of any member has escapes.
    escaped_names: bool,
}

impl<'a> Checker<'a> {
    /// The value, and the checker that has its members if it is an object.
    fn read(bytes: &'a [u8]) -> Result<(&'a str, Self), JsonError> {
        let text = str::from_utf8(bytes).map_err(|_| JsonError::Syntax)?;
        let mut checker = Checker {
            text,
            at: 0,
            members: Vec::with_capacity(FEW),
            escaped_names: false,
        };
        checker.skip_space();
        let start = checker.at;
        checker.value(MAX_DEPTH)?;
        let value = &text[start..checker.at];
        checker.skip_space();
        match checker.at == text.len() {
            true => Ok((value, checker)),
            false => Err(JsonError::Syntax),
        }
    }

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

    /// `depth`: how many more levels are allowed.
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
        let first = self.members.len();
        self.list(b'}', |checker| {
            let (name, escaped) = checker.string()?;
            checker.escaped_names |= escaped;
            let member = checker.members.len();
            if member == MAX_MEMBERS {
                return Err(JsonError::TooManyMembers);
            }
            checker.members.push((name, ""));
            checker.skip_space();
            checker.take(b':')?;
            checker.skip_space();
            let start = checker.at;
            checker.value(depth)?;
            checker.members[member].1 = &checker.text[start..checker.at];
            Ok(())
        })?;
        if has_duplicates(&mut self.members[first..], self.escaped_names) {
            return Err(JsonError::Duplicate);
        }
        if depth + 1 < MAX_DEPTH {
            self.members.truncate(first);
        }
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), JsonError> {
        self.list(b']', |checker| checker.value(depth))
    }

    /// A comma-separated list from its opening bracket, where this starts, to its closing one.
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

    /// Returns the text between the quotes, and whether it has escapes.
    fn string(&mut self) -> Result<(&'a str, bool), JsonError> {
        self.take(b'"')?;
        let start = self.at;
        let mut escaped = false;
        loop {
            let rest = self.rest();
            let stop = memchr2(b'"', b'\\', rest).ok_or(JsonError::Syntax)?;
            // Scans all of it, many bytes at once.
            if rest[..stop]
                .iter()
                .fold(false, |found, byte| found | (*byte < b' '))
            {
                return Err(JsonError::Syntax);
            }
            self.at += stop + 1;
            if rest[stop] == b'"' {
                return Ok((&self.text[start..self.at - 1], escaped));
            }
            escaped = true;
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
