//! The code with which the console's first administrator is created: 128 random bits that the log shows at the start of a
//! server without accounts. Whoever can read the log proves by it that the server is theirs.

use std::sync::Mutex;

use openssl::memcmp;

use crate::base::random::random_bytes;
use crate::base::sync::lock;
use crate::{Error, Gate};

/// Crockford's base 32: no letter that looks like a digit.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 26 digits have 130 bits.
const LENGTH: usize = 26;

/// The code, until it has been used or there is an account.
#[derive(Debug, Default)]
pub(in crate::api) struct FirstCode(Mutex<Option<String>>);

impl FirstCode {
    /// The code of a server that starts. If it needs one, it is logged.
    pub(in crate::api) fn for_gate(gate: &Gate) -> Result<Self, Error> {
        // Without its store a server starts only if it has had one.
        let accounts = gate.users().list("", 1);
        if !accounts.is_ok_and(|accounts| accounts.is_empty()) {
            return Ok(FirstCode::default());
        }
        let (code, text) = FirstCode::new()?;
        log::warn!(
            "the console has no administrator: create the first one at /console/ with the code {text}"
        );
        Ok(code)
    }

    /// A new code, and its text in groups.
    pub(in crate::api) fn new() -> Result<(Self, String), Error> {
        let bytes: [u8; 16] = random_bytes()?;
        let number = u128::from_be_bytes(bytes);
        let digit = |at: usize| char::from(DIGITS[(number >> (5 * at)) as usize % 32]);
        let code: String = (0..LENGTH).rev().map(digit).collect();
        let mut text = String::new();
        for (at, digit) in code.chars().enumerate() {
            if at > 0 && at % 5 == 0 && at < 25 {
                text.push('-');
            }
            text.push(digit);
        }
        Ok((FirstCode(Mutex::new(Some(code))), text))
    }

    /// Whether there is a code.
    pub(in crate::api) fn is_there(&self) -> bool {
        lock(&self.0).is_some()
    }

    #[cfg(test)]
    pub(in crate::api) fn text(&self) -> Option<String> {
        lock(&self.0).clone()
    }

    /// Ends the code: there is an account.
    pub(in crate::api) fn end(&self) {
        *lock(&self.0) = None;
    }

    /// Does what the code is for if `given` is the code, in any case and grouping. The code ends if that succeeds. `None`: it
    /// is another one. Of several who have it at once, only one creates an account.
    pub(in crate::api) fn redeem<T, E>(
        &self,
        given: &str,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Option<Result<T, E>> {
        let mut known = lock(&self.0);
        let given = plain(given);
        let expected = known.as_deref()?;
        let same =
            given.len() == expected.len() && memcmp::eq(given.as_bytes(), expected.as_bytes());
        if !same {
            return None;
        }
        let done = work();
        if done.is_ok() {
            *known = None;
        }
        Some(done)
    }
}

/// The code as typed, without what people add and with what they confuse put right.
fn plain(typed: &str) -> String {
    let typed = typed.chars().take(4 * LENGTH);
    let shown = typed.filter(|c| !c.is_whitespace() && *c != '-');
    shown
        .map(|c| match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redeem(code: &FirstCode, given: &str) -> Option<Result<(), ()>> {
        code.redeem(given, || Ok(()))
    }

    #[test]
    fn it_works_once_however_it_is_typed() {
        for typed in [
            |text: &str| text.to_owned(),
            |text: &str| text.to_lowercase(),
            |text: &str| text.replace('-', ""),
            |text: &str| text.replace('-', " ") + "\n",
            |text: &str| text.replace('0', "o").replace('1', "l"),
        ] {
            let (code, text) = FirstCode::new().unwrap();
            assert_eq!(text.len(), LENGTH + 4);
            assert!(code.is_there());
            assert_eq!(redeem(&code, &typed(&text)), Some(Ok(())));
            assert!(!code.is_there());
            assert_eq!(redeem(&code, &text), None);
        }
    }

    #[test]
    fn another_code_does_nothing() {
        let (code, text) = FirstCode::new().unwrap();
        let (_, other) = FirstCode::new().unwrap();
        assert_ne!(text, other);
        let longer = text.clone() + "0";
        for wrong in [
            "",
            "-",
            &text[1..],
            &other,
            &longer,
            "\u{df}",
            &"0".repeat(100_000),
        ] {
            assert_eq!(redeem(&code, wrong), None, "{wrong}");
        }
        assert!(code.is_there());
        assert_eq!(redeem(&FirstCode::default(), ""), None);
    }

    #[test]
    fn a_failure_leaves_it_valid_and_an_account_ends_it() {
        let (code, text) = FirstCode::new().unwrap();
        assert_eq!(code.redeem(&text, || Err::<(), _>(1)), Some(Err(1)));
        assert!(code.is_there());
        code.end();
        assert_eq!(redeem(&code, &text), None);
    }
}
