//! Base64 and hexadecimal (RFC 4648) for all public interfaces: strict, except that data may contain white space, because
//! command-line tools wrap their lines.

use crate::Error;

/// Standard alphabet with padding.
pub(crate) fn encode_base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

/// Standard alphabet, canonical padding and trailing bits; ASCII white space is skipped.
pub(crate) fn decode_base64(text: &str) -> Result<Vec<u8>, Error> {
    let strict = base64_simd::STANDARD.decode_to_vec(text.as_bytes());
    if let Ok(bytes) = strict {
        return Ok(bytes);
    }
    if !text.bytes().any(|byte| byte.is_ascii_whitespace()) {
        return Err(Error::Decrypt);
    }
    // No larger than the text, which may come from an attacker.
    let mut packed = Vec::with_capacity(text.len());
    packed.extend(text.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    let decoded = base64_simd::STANDARD.decode_inplace(&mut packed);
    let length = decoded.map_err(|_| Error::Decrypt)?.len();
    packed.truncate(length);
    Ok(packed)
}

/// Lower-case hexadecimal digits.
pub(crate) fn encode_hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)]);
        text.push(DIGITS[usize::from(byte & 15)]);
    }
    text
}

/// URL-safe alphabet without padding, as JOSE uses it.
pub(crate) fn encode_url(bytes: &[u8]) -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// Appends what [`encode_url`] returns. The time that it takes may depend on the bytes, unlike in jwt-simple: all parts of a
/// token, its signature included, are there to be sent, so none of them is a secret to keep from a clock.
pub(crate) fn append_url(bytes: &[u8], text: &mut String) {
    base64_simd::URL_SAFE_NO_PAD.encode_append(bytes, text);
}

/// How long [`encode_url`] makes this many bytes.
pub(crate) fn url_size(bytes: usize) -> usize {
    base64_simd::URL_SAFE_NO_PAD.encoded_length(bytes)
}

/// URL-safe alphabet without padding; rejects anything that is not canonical.
pub(crate) fn decode_url(text: &str) -> Option<Vec<u8>> {
    base64_simd::URL_SAFE_NO_PAD.decode_to_vec(text).ok()
}

/// What [`decode_url`] returns, if it has this size.
pub(crate) fn decode_url_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != url_size(N) {
        return None;
    }
    let mut bytes = [0; N];
    let out = base64_simd::Out::from_slice(&mut bytes);
    let decoded = base64_simd::URL_SAFE_NO_PAD.decode(text.as_bytes(), out);
    decoded.is_ok_and(|part| part.len() == N).then_some(bytes)
}

/// Whether `decode_url` would accept it.
pub(crate) fn is_canonical_url(text: &str) -> bool {
    base64_simd::URL_SAFE_NO_PAD.check(text.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_encoding_is_accepted() {
        assert_eq!(decode_base64("AAE=").unwrap(), [0, 1]);
        for wrong in ["AAF=", "AAE", "AAE==", "AA E=", "A-E=", "====", "A"] {
            let unspaced = wrong.replace(' ', "");
            if unspaced == "AAE=" {
                continue;
            }
            assert_eq!(decode_base64(wrong), Err(Error::Decrypt), "{wrong}");
        }
        assert_eq!(decode_base64(" AA\r\nE=\n").unwrap(), [0, 1]);
        assert_eq!(decode_url("AAE").unwrap(), [0, 1]);
        assert_eq!(decode_url_array("AAE"), Some([0, 1]));
        assert_eq!(decode_url_array::<1>("AAE"), None);
        assert_eq!(decode_url_array::<3>("AAE"), None);
        for wrong in ["AAF", "AAE=", "A/E", "AA E", "A"] {
            assert_eq!(decode_url(wrong), None, "{wrong}");
            assert!(!is_canonical_url(wrong), "{wrong}");
            assert_eq!(decode_url_array::<2>(wrong), None, "{wrong}");
        }
    }
}
