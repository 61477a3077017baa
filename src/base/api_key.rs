//! The text of an API key: `sg_`, its id, its secret and a checksum, which secret scanners can recognise. What a key permits
//! is left to `tokens`; masking needs the form as well.

use std::ops::Range;

use zeroize::Zeroizing;

use crate::Error;
use crate::base::random::random;

/// What every key begins with. No token does: a token begins with the base64 of a JSON object.
pub(crate) const PREFIX: &str = "sg_";
/// Characters of an id: 71 random bits.
pub(crate) const ID_SIZE: usize = 12;
/// Characters of a secret: 256 random bits.
pub(crate) const SECRET_SIZE: usize = 43;
/// Characters of a checksum, which has 32 bits.
const CHECKSUM_SIZE: usize = 6;
/// Characters of a key.
pub(crate) const SIZE: usize = SECRET_END + CHECKSUM_SIZE;

const SECRET_START: usize = PREFIX.len() + ID_SIZE;
const SECRET_END: usize = SECRET_START + SECRET_SIZE;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A text of a key's length with a key's beginning. Neither its characters nor its checksum have been checked.
#[derive(Clone, Copy)]
pub(crate) struct KeyText<'a>(&'a [u8; SIZE]);

/// Whether a text is meant as an API key, be it one or not.
pub(crate) fn is_meant_as_key(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// Whether a text could be an API key: it has the length and the characters of one.
pub(crate) fn looks_like_key(text: &str) -> bool {
    KeyText::read(text).is_some_and(|key| key.has_key_characters())
}

impl<'a> KeyText<'a> {
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        let bytes: &[u8; SIZE] = text.as_bytes().try_into().ok()?;
        is_meant_as_key(text).then_some(KeyText(bytes))
    }

    pub(crate) fn id(self) -> &'a [u8] {
        &self.0[PREFIX.len()..SECRET_START]
    }

    pub(crate) fn secret(self) -> &'a [u8] {
        &self.0[SECRET_START..SECRET_END]
    }

    /// The secret and the checksum.
    pub(crate) fn rest(self) -> &'a [u8] {
        &self.0[SECRET_START..]
    }

    /// Whether it was typed or copied without a mistake.
    pub(crate) fn is_intact(self) -> bool {
        let (signed, checksum) = self.0.split_at(SECRET_END);
        self.has_key_characters() && checksum == checksum_of(signed)
    }

    fn has_key_characters(self) -> bool {
        self.0[PREFIX.len()..].iter().all(u8::is_ascii_alphanumeric)
    }
}

/// A new key.
pub(crate) fn new_key() -> Result<Zeroizing<String>, Error> {
    // Reserved in full: growing would leave copies of the secret behind.
    let mut key = Zeroizing::new(String::with_capacity(SIZE));
    key.push_str(PREFIX);
    let mut bytes = Zeroizing::new([0; SIZE]);
    while key.len() < SECRET_END {
        random(&mut *bytes)?;
        // Bytes above the last multiple of 62 would make some digits more likely than others.
        let usable = bytes.iter().filter(|byte| **byte < 248);
        let digits = usable.map(|byte| char::from(DIGITS[usize::from(byte % 62)]));
        let missing = SECRET_END - key.len();
        key.extend(digits.take(missing));
    }
    let checksum = checksum_of(key.as_bytes());
    key.extend(checksum.map(char::from));
    Ok(key)
}

/// The places in a text that hold the secret and the checksum of an API key.
pub(crate) fn secrets_in(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    text.match_indices(PREFIX).filter_map(|(start, _)| {
        let rest = &text.as_bytes()[start + PREFIX.len()..];
        let run = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric());
        let end = start + PREFIX.len() + run.count();
        (end >= start + SIZE).then_some(start + SECRET_START..end)
    })
}

/// CRC-32 (as in zlib) in base 62, the highest digit first.
fn checksum_of(signed: &[u8]) -> [u8; CHECKSUM_SIZE] {
    let mut rest = crc32(signed) as usize;
    let mut digits = [b'0'; CHECKSUM_SIZE];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[rest % 62];
        rest /= 62;
    }
    digits
}

fn crc32(bytes: &[u8]) -> u32 {
    let step =
        |crc: u32, byte: &u8| CRC_TABLE[((crc ^ u32::from(*byte)) & 0xff) as usize] ^ (crc >> 8);
    !bytes.iter().fold(!0, step)
}

/// The CRCs of all bytes.
static CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (0xedb8_8320 * (crc & 1));
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn vectors() -> Value {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/api_keys.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    #[test]
    fn the_checksum_is_the_crc_32_of_zlib() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn keys_are_read_as_the_vectors_say() {
        let vectors = vectors();
        let texts = vectors["vectors"].as_array().unwrap();
        assert!(texts.len() > 10);
        for vector in texts {
            let text = vector["text"].as_str().unwrap();
            let read = KeyText::read(text).filter(|key| key.is_intact());
            assert_eq!(read.is_some(), vector["intact"] == true, "{vector}");
            if let Some(read) = read {
                assert_eq!(read.id(), vector["id"].as_str().unwrap().as_bytes());
                assert_eq!(read.secret(), vector["secret"].as_str().unwrap().as_bytes());
            }
        }
    }

    #[test]
    fn new_keys_are_intact_and_all_digits_occur_everywhere() {
        let keys: Vec<_> = (0..2_000).map(|_| new_key().unwrap()).collect();
        let distinct: BTreeSet<&str> = keys.iter().map(|key| key.as_str()).collect();
        assert_eq!(distinct.len(), keys.len());
        for key in &keys {
            assert!(KeyText::read(key).unwrap().is_intact(), "{}", **key);
            assert_eq!((key.len(), key.capacity()), (SIZE, SIZE));
        }
        for at in PREFIX.len()..SECRET_END {
            let found: BTreeSet<u8> = keys.iter().map(|key| key.as_bytes()[at]).collect();
            assert_eq!(found.len(), 62, "at {at}");
        }
    }

    #[test]
    fn every_change_of_one_character_is_noticed() {
        let key = new_key().unwrap();
        for at in PREFIX.len()..SIZE {
            for digit in DIGITS {
                let mut changed = key.as_bytes().to_vec();
                changed[at] = *digit;
                let changed = String::from_utf8(changed).unwrap();
                let intact = KeyText::read(&changed).unwrap().is_intact();
                assert_eq!(intact, changed == **key, "at {at}");
            }
        }
    }

    #[test]
    fn secrets_are_found_inside_other_text() {
        let key = new_key().unwrap();
        let found = |text: &str| -> Vec<(usize, usize)> {
            let found = secrets_in(text).map(|found| (found.start, found.end));
            found.collect()
        };
        assert_eq!(found(&key), [(15, 64)]);
        assert_eq!(found(&format!("Bearer {}\n", *key)), [(22, 71)]);
        assert_eq!(
            found(&format!("é{} {}.", *key, *key)),
            [(17, 66), (82, 131)]
        );
        // Too long to be one, but it may have one in it.
        assert_eq!(found(&format!("x{}y", *key)), [(16, 66)]);
        assert!(found(&key[..63]).is_empty());
        for text in ["", "sg_", "sg_sg_sg_", "msg_id=7", &"é".repeat(100)] {
            assert!(found(text).is_empty(), "{text}");
        }
    }
}
