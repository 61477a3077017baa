//! API keys: `permits` has what they permit and when they end, `uses` how they are counted and noticed, and what wrong ones
//! cost.

mod permits;
mod uses;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::store::{Change, Moment};

const AT: Moment = Moment {
    now: 1_000,
    forget: u64::MAX,
};

fn settings(folder: Option<&Path>) -> store::Settings {
    store::Settings {
        data_dir: folder.map(Path::to_owned),
        ephemeral: folder.is_none(),
        open_login: false,
        ..Default::default()
    }
}

fn in_memory() -> ApiKeys {
    ApiKeys::new(&settings(None)).unwrap()
}

fn new(owner: &str) -> NewApiKey<'_> {
    NewApiKey {
        owner,
        ..NewApiKey::default()
    }
}

fn add(keys: &ApiKeys, wanted: &NewApiKey<'_>) -> (String, String) {
    let (text, added) = keys.add(wanted).unwrap();
    (text.expose_str().unwrap().to_owned(), added.id)
}

fn scope(keys: &ApiKeys, text: &str) -> Result<String, TokenError> {
    keys.verify(text).map(|claims| claims.scope().to_owned())
}

impl ApiKeys {
    fn store(&self) -> &dyn store::Store {
        self.ledger.writing().unwrap()
    }

    fn add_account(&self, name: &str, scope: &str) {
        let account = Account::example(name, scope);
        assert!(self.store().add_account(&account).unwrap());
        assert_eq!(self.ledger.look(), None);
    }

    fn change_account(&self, name: &str, change: &Change) {
        assert!(self.store().change_account(name, change, AT).unwrap());
        assert_eq!(self.ledger.look(), None);
    }
}

/// Another key that is as good as this one, but has not been added.
fn with(text: &str, at: usize, digit: u8) -> String {
    let mut changed = text.as_bytes().to_vec();
    changed[at] = digit;
    String::from_utf8(changed).unwrap()
}

fn other_digit(text: &str, at: usize) -> u8 {
    match text.as_bytes()[at] {
        b'A' => b'B',
        _ => b'A',
    }
}

/// A key with the checksum that it needs.
fn text_of(signed: &str) -> String {
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = crc(signed.as_bytes());
    let mut checksum = [b'0'; 6];
    for digit in checksum.iter_mut().rev() {
        *digit = digits[(rest % 62) as usize];
        rest /= 62;
    }
    format!("{signed}{}", std::str::from_utf8(&checksum).unwrap())
}

/// Bit by bit, as in the standard.
fn crc(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
        }
    }
    !crc
}
