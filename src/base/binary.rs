//! Binary values in settings: prefixed with `hex:`, `base64:` or `raw:`, or in a form determined by the length.

use super::encoding::decode_base64;
use super::secret::Secret;

/// The encoding of the bytes.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    Raw,
    Hex,
    Base64,
}

/// Parses a binary value: by its prefix, else by its length alone, never by its characters.
pub(crate) fn binary(
    value: &[u8],
    sizes: &[usize],
    by_length: fn(usize) -> Option<Form>,
) -> Option<(Secret, &'static str)> {
    let prefixed = [
        (&b"raw:"[..], Form::Raw),
        (b"hex:", Form::Hex),
        (b"base64:", Form::Base64),
    ]
    .into_iter()
    .find_map(|(prefix, form)| Some((value.strip_prefix(prefix)?, form)));
    let (value, form) = match prefixed {
        Some(found) => found,
        None => (value, by_length(value.len())?),
    };
    let (bytes, name) = match form {
        Form::Raw => (Secret::from(value), "raw bytes"),
        Form::Hex => (unhex(value)?, "hex digits"),
        Form::Base64 => (unbase64(value)?, "base64"),
    };
    sizes.contains(&bytes.len()).then_some((bytes, name))
}

fn unhex(text: &[u8]) -> Option<Secret> {
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    let mut bytes = Vec::with_capacity(pairs.len());
    for [high, low] in pairs {
        bytes.push(digit(*high)? << 4 | digit(*low)?);
    }
    Some(Secret::new(bytes))
}

/// Standard alphabet; padding is optional.
fn unbase64(text: &[u8]) -> Option<Secret> {
    let mut padded = String::from_utf8(text.to_vec()).ok()?;
    while !padded.len().is_multiple_of(4) {
        padded.push('=');
    }
    decode_base64(&padded).ok().map(Secret::new)
}
